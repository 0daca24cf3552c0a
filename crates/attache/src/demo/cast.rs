//! Who plays: the gateway as an operator runs it, and devices as their makers would write them.

use std::path::Path;

use cse::ServiceRule;
use device::{AeDescription, Attachment, DeviceError, Registrar};
use identity::{AppIdPattern, Function, Rule, StemPattern};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, Secret, pattern::CredentialPattern};
use onem2m::{
    id::{AeId, AeIdStem, EntityId, EntityKind},
    primitive::Response,
};
use serde_json::Value;
use store::NewCredential;

use super::{open_line::OpenLine, server::Server};
use crate::{
    credential,
    outcome::{Failure, causes},
    subscription,
};

/// One device of the story.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Actor {
    pub(crate) name: &'static str,
    /// The AE-ID-Stem agreed beforehand; without it the registrar chooses.
    pub(crate) stem: Option<&'static str>,
    pub(crate) resource: &'static str,
    pub(crate) app_id: &'static str,
    pub(crate) psk_identity: &'static str,
    pub(crate) key_hex: &'static str,
}

impl Actor {
    pub(crate) fn stem(&self) -> Result<Option<AeIdStem>, Failure> {
        self.stem.map(str::parse).transpose().map_err(Failure::internal)
    }

    pub(crate) fn description(&self) -> Result<AeDescription, Failure> {
        let name = self.resource.parse().map_err(Failure::internal)?;
        Ok(AeDescription::new(self.stem()?, name, self.app_id))
    }

    /// The keys of TR-0038 have 8 octets: accepted here because this is a demonstration.
    pub(crate) fn kpsa(hex: &str) -> Result<Kpsa, Failure> {
        let secret = Secret::from_hex(hex).map_err(Failure::internal)?;
        Kpsa::new(secret, KeyLengthPolicy::AllowShort).map_err(Failure::internal)
    }

    fn credential(&self, registrar: &Registrar) -> Result<NewCredential, Failure> {
        let identity = self.psk_identity.parse().map_err(Failure::internal)?;
        let key = Self::kpsa(self.key_hex)?;
        let mut new = NewCredential::new(Function::Cse, identity, key, EntityKind::Ae);
        new.entity = self.stem()?.map(|stem| EntityId::Ae(AeId::of_stem(&registrar.cse, stem)));
        new.allow_short_key = true;
        Ok(new)
    }
}

/// A service rule as the operator types it. No credentials: for registrations without an association.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RuleText {
    pub(crate) name: &'static str,
    pub(crate) credentials: Option<&'static [&'static str]>,
    pub(crate) app_id: &'static str,
    pub(crate) ae_id: &'static str,
}

impl RuleText {
    fn read(&self) -> Result<ServiceRule, Failure> {
        let pattern = |text: &&str| text.parse::<CredentialPattern>().map_err(Failure::internal);
        let credentials = self.credentials.map(|texts| texts.iter().map(pattern).collect()).transpose()?;
        let app_id: AppIdPattern = self.app_id.parse().map_err(Failure::internal)?;
        let stem: StemPattern = self.ae_id.parse().map_err(Failure::internal)?;
        Ok(ServiceRule {
            name: self.name.parse().map_err(Failure::internal)?,
            rule: Rule { credentials, app_ids: vec![app_id], stems: vec![stem], roles: Vec::new() },
        })
    }
}

/// The gateway.
pub(crate) struct Gateway {
    pub(crate) server: Server,
}

const CONFIGURATION: &str = r#"
[store]
path = "gateway.db"

[cse]
id = "//example.org/mn-cse-123456"
base_name = "home_gateway"
service_subscription = "enforce"
infrastructure = "in-cse"

[[listener]]
address = "127.0.0.1:0"

[listener.certificate]
chain_file = "server.pem"
key_file = "server.key"

[listener.clients]
anchors_file = "root.pem"

[[plain]]
socket = "local.sock"

[[plain]]
loopback = "127.0.0.1:0"

[[plain]]
clear = "127.0.0.1:0"
"#;

/// The endpoints outside of any association, in the order of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Door {
    Socket,
    Loopback,
    Clear,
}

impl Gateway {
    /// `above` puts what it needs to register elsewhere into its folder and says with whom.
    pub(crate) async fn start(above: impl FnOnce(&Path) -> Result<String, Failure>) -> Result<Self, Failure> {
        Ok(Self { server: Server::start(CONFIGURATION, None, above).await? })
    }

    /// What `attache registrar status` says.
    pub(crate) fn registration(&self) -> Option<Value> {
        self.server.running.registration()
    }

    /// Address of a resource below the `<CSEBase>`.
    pub(crate) fn below(&self, resource: &str) -> String {
        format!("{}/{resource}", self.server.registrar.base_name)
    }

    /// What `attache credential add` does.
    pub(crate) async fn provision(&self, actor: &Actor) -> Result<(), Failure> {
        credential::add_key(&self.server.operator, actor.credential(&self.server.registrar)?).await?;
        Ok(())
    }

    /// What `attache subscription import` does.
    pub(crate) async fn allow(&self, rules: &[RuleText]) -> Result<(), Failure> {
        let rules = rules.iter().map(RuleText::read).collect::<Result<_, _>>()?;
        subscription::add_rules(&self.server.config, &self.server.operator, rules).await
    }

    /// What `attache subscription remove` does.
    pub(crate) async fn disallow(&self, rule: &RuleText) -> Result<(), Failure> {
        let name = rule.name.parse().map_err(Failure::internal)?;
        subscription::remove_rule(&self.server.config, &self.server.operator, name).await?;
        Ok(())
    }

    /// What `attache credential rebind` does.
    pub(crate) async fn rebind(&self, actor: &Actor) -> Result<(), Failure> {
        let new = actor.credential(&self.server.registrar)?;
        credential::replace(&self.server.operator, self.server.config.cse.settings(), new, false).await?;
        Ok(())
    }

    /// What `attache credential revoke` does.
    pub(crate) async fn revoke(&self, actor: &Actor) -> Result<(), Failure> {
        let identity = actor.psk_identity.parse().map_err(Failure::internal)?;
        credential::revoke(&self.server.operator, CredentialId::saef_key(&identity)).await?;
        Ok(())
    }

    /// A new connection and handshake.
    pub(crate) async fn attach(&self, actor: &Actor) -> Result<Attachment, DeviceError> {
        let (Ok(identity), Ok(key)) = (actor.psk_identity.parse(), Actor::kpsa(actor.key_hex)) else {
            return Err(DeviceError::NoRegistration("was not tried: the actor has no valid key"));
        };
        Attachment::open(&self.server.registrar, &identity, key).await
    }

    /// A new connection without a handshake.
    pub(crate) async fn enter(&self, door: Door) -> Result<OpenLine, Failure> {
        let doors = self.server.running.plain();
        let door = doors.get(door as usize).ok_or_else(|| Failure::internal("no such endpoint"))?;
        OpenLine::to(door).await
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
