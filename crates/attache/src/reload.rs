//! Taking over a changed configuration file (SIGHUP) without a restart, where that is possible.

use std::path::{Path, PathBuf};

use store::Store;

use crate::{
    admit::Renewal,
    config::Config,
    log::Dials,
    outcome::{Failure, causes},
    subscription,
};

/// Sections that are taken over; a change of any other is reported and waits for a restart.
const TAKEN_OVER: [&str; 1] = ["log"];

/// The configuration as it was at the start, and what of it can be turned.
pub(crate) struct Reload {
    path: PathBuf,
    started: Config,
    dials: Dials,
    certificates: Vec<Renewal>,
    store: Store,
}

impl Reload {
    pub(crate) fn new(
        path: &Path,
        started: Config,
        dials: Dials,
        certificates: Vec<Renewal>,
        store: Store,
    ) -> Self {
        Self { path: path.to_owned(), started, dials, certificates, store }
    }

    /// Reads the file again and says what came of it in the log. A file that is wrong changes nothing.
    pub(crate) async fn now(&self) {
        let config = match Config::load(&self.path) {
            Ok(config) => config,
            Err(error) => {
                let error = causes(&error);
                tracing::error!(error, "the configuration was not reloaded; everything goes on as it was");
                return;
            }
        };
        if let Err(error) = self.take_over(&config) {
            tracing::error!(%error, "the configuration was not reloaded");
            return;
        }
        for certificate in &self.certificates {
            if let Err(error) = certificate.renew() {
                tracing::error!(%error, "a listener goes on with the certificate that it has");
            }
        }
        // The file that was named at the start: which one it is belongs to [cse], which waits for a restart.
        if let Err(error) = subscription::take_over(&self.started, &self.store).await {
            tracing::error!(%error, "the service rules stay as they were");
        }
        let mut waiting = self.started.differences(&config);
        waiting.retain(|section| !TAKEN_OVER.contains(&section.as_str()));
        if !waiting.is_empty() {
            let sections = waiting.join(", ");
            tracing::warn!(sections, "these sections have changed and need a restart");
        }
        tracing::info!(path = %self.path.display(), "the configuration was reloaded");
    }

    fn take_over(&self, config: &Config) -> Result<(), Failure> {
        self.dials.turn(&config.log)
    }
}
