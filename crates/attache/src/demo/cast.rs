//! Who plays: the gateway as an operator runs it, and devices as their makers would write them.

use device::{AeDescription, Attachment, DeviceError, Registrar};
use identity::Function;
use keys::{CredentialId, KeyLengthPolicy, Kpsa, Secret};
use onem2m::{
    id::{AeIdStem, EntityId, EntityKind},
    primitive::Response,
};
use store::{NewCredential, Store};
use tempfile::TempDir;

use crate::{
    config::Config,
    credential,
    outcome::{Failure, causes},
    serve::{self, Running},
    stored,
};

/// One device of the story.
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    pub(crate) stem: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) app_id: &'static str,
    pub(crate) psk_identity: &'static str,
    pub(crate) key_hex: &'static str,
}

impl Actor {
    pub(crate) fn stem(&self) -> Result<AeIdStem, Failure> {
        self.stem.parse().map_err(Failure::internal)
    }

    pub(crate) fn description(&self) -> Result<AeDescription, Failure> {
        let name = self.resource.parse().map_err(Failure::internal)?;
        Ok(AeDescription::new(Some(self.stem()?), name, self.app_id))
    }

    /// The keys of TR-0038 have 8 octets: accepted here because this is a demonstration.
    pub(crate) fn kpsa(hex: &str) -> Result<Kpsa, Failure> {
        let secret = Secret::from_hex(hex).map_err(Failure::internal)?;
        Kpsa::new(secret, KeyLengthPolicy::AllowShort).map_err(Failure::internal)
    }
}

/// The gateway, run as `attache serve` runs it, with a store of its own in a temporary folder.
pub(crate) struct Gateway {
    pub(crate) registrar: Registrar,
    running: Running,
    /// The operator's handle on the store, apart from the server's, as the command line has one.
    operator: Store,
    /// Removed with everything in it when the story is over.
    _folder: TempDir,
}

const CONFIGURATION: &str = r#"
[store]
path = "gateway.db"

[cse]
id = "//example.org/mn-cse-123456"
base_name = "home_gateway"

[[listener]]
address = "127.0.0.1:0"
"#;

impl Gateway {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(Failure::internal)?;
        let file = folder.path().join("attache.toml");
        std::fs::write(&file, CONFIGURATION).map_err(Failure::internal)?;
        let config = Config::load(&file)?;
        let operator = stored::open(&config)?;
        let running = serve::start(&config).await?;
        let address = running.addresses().first().copied().ok_or_else(|| Failure::internal("no listener"))?;
        let registrar = Registrar {
            address: address.to_string(),
            cse: config.cse.id.clone(),
            base_name: config.cse.base_name.as_str().to_owned(),
            server_name: None,
        };
        Ok(Self { registrar, running, operator, _folder: folder })
    }

    /// What `attache credential add` does.
    pub(crate) async fn provision(&self, actor: &Actor) -> Result<(), Failure> {
        let ae = onem2m::id::AeId::of_stem(&self.registrar.cse, actor.stem()?);
        let identity = actor.psk_identity.parse().map_err(Failure::internal)?;
        let key = Actor::kpsa(actor.key_hex)?;
        let mut new = NewCredential::new(Function::Cse, identity, key, EntityKind::Ae);
        new.entity = Some(EntityId::Ae(ae));
        new.allow_short_key = true;
        credential::add_key(&self.operator, new).await?;
        Ok(())
    }

    /// What `attache credential revoke` does.
    pub(crate) async fn revoke(&self, actor: &Actor) -> Result<(), Failure> {
        let identity = actor.psk_identity.parse().map_err(Failure::internal)?;
        credential::revoke(&self.operator, CredentialId::saef_key(&identity)).await
    }

    /// A new connection and handshake.
    pub(crate) async fn attach(&self, actor: &Actor) -> Result<Attachment, DeviceError> {
        let (Ok(identity), Ok(key)) = (actor.psk_identity.parse(), Actor::kpsa(actor.key_hex)) else {
            return Err(DeviceError::NoRegistration("was not tried: the actor has no valid key"));
        };
        Attachment::open(&self.registrar, &identity, key).await
    }

    /// Digest of every record but the audit.
    pub(crate) async fn digest(&self) -> Result<[u8; 32], Failure> {
        self.operator.digest().await.map_err(Failure::internal)
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.running.stop().await
    }
}

/// The status of an answer, or how it failed.
pub(crate) fn outcome(answer: &Result<Response, DeviceError>) -> String {
    answer.as_ref().map_or_else(refusal, |response| response.rsc.to_string())
}

/// How a device was refused below the primitives.
pub(crate) fn refusal(error: &DeviceError) -> String {
    error.alert().map_or_else(|| causes(error), |alert| format!("alert {alert}"))
}
