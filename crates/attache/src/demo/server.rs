//! A CSE of a story.

use std::path::Path;

use device::Registrar;
use store::Store;
use tempfile::TempDir;

use crate::{
    config::Config,
    outcome::Failure,
    serve::{self, Running},
    stored,
};

/// A CSE, run as `attache serve` runs it, with a store of its own in a temporary folder.
pub(crate) struct Server {
    /// How devices find it.
    pub(crate) registrar: Registrar,
    pub(crate) config: Config,
    pub(crate) running: Running,
    /// The operator's handle on the store, apart from the server's, as the command line has one.
    pub(crate) operator: Store,
    /// Removed with everything in it when the story is over.
    _folder: TempDir,
}

impl Server {
    /// Starts it with this configuration; `prepare` puts what that names into the folder, and says what is to be
    /// added to it.
    pub(crate) async fn start(
        configuration: &str,
        server_name: Option<&str>,
        prepare: impl FnOnce(&Path) -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(Failure::internal)?;
        let more = prepare(folder.path())?;
        let file = folder.path().join("attache.toml");
        std::fs::write(&file, format!("{configuration}\n{more}")).map_err(Failure::internal)?;
        let config = Config::load(&file)?;
        let operator = stored::open(&config)?;
        let running = serve::start(&config).await?;
        let address = running.addresses().first().copied().ok_or_else(|| Failure::internal("no listener"))?;
        let registrar = Registrar {
            address: address.to_string(),
            cse: config.cse.id.clone(),
            base_name: config.cse.base_name.as_str().to_owned(),
            server_name: server_name.map(ToOwned::to_owned),
        };
        Ok(Self { registrar, config, running, operator, _folder: folder })
    }

    /// Digest of every record but the audit.
    pub(crate) async fn digest(&self) -> Result<[u8; 32], Failure> {
        self.operator.digest().await.map_err(Failure::internal)
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.running.stop().await
    }
}
