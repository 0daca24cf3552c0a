//! `attache credential rebind`: new equipment takes the place, the name and the registration of the old one.

use std::process::ExitCode;

use cse::Replaced;
use identity::{Function, may_register};
use keys::{CredentialId, Kpsa};
use onem2m::id::EntityId;
use serde_json::json;
use store::{NewCredential, Store};

use super::{
    half::{Half, registered, secret, told},
    length_policy, not_reserved, not_yet_over, psk_identity,
};
use crate::{
    cli::{CredentialRebind, EntityArg},
    config::Config,
    device_file::Provisional,
    outcome::{Done, Failure, say},
    stored::{self, operator},
};

pub(super) async fn run(arguments: CredentialRebind, json: bool) -> Done {
    if arguments.enrol.is_given() {
        return super::enrol::rebind(arguments, json).await;
    }
    let config = Config::load(&arguments.config.config)?;
    let psk_identity = psk_identity(arguments.psk_identity.as_deref().unwrap_or_default())?;
    not_yet_over(arguments.not_after)?;
    let entity = arguments.entity.whose()?;
    may_register(&entity, &config.cse.id).map_err(Failure::usage)?;
    let key = Kpsa::new(secret(&arguments.key)?, length_policy(arguments.allow_short_key));
    let key = key.map_err(Failure::usage)?;
    let store = stored::open_existing(&config)?;
    not_reserved(&store, &psk_identity).await?;
    let registered = registered(&store, Some(&entity)).await?;
    let half =
        Half { config: &config, psk_identity: &psk_identity, entity: Some(&entity), key: &key, registered };
    let half = half.write(&arguments.half)?;
    let mut new = NewCredential::new(Function::Cse, psk_identity, key, entity.kind());
    new.entity = Some(entity.clone());
    new.not_after = arguments.not_after;
    new.allow_short_key = arguments.allow_short_key;
    let replaced = replace(&store, config.cse.settings(), new, arguments.any_app_id).await?;
    half.into_iter().for_each(Provisional::keep);
    warn_if_ruled_out(replaced.ruled_out);
    let device_file = arguments.half.device_file;
    let id = replaced.credential.credential_id.as_str();
    let withdrawn: Vec<&str> = replaced.withdrawn.iter().map(CredentialId::as_str).collect();
    let fact = json!({
        "rebound": entity.to_string(),
        "credential_id": id,
        "version": replaced.credential.version,
        "withdrawn": withdrawn,
        "awaited": replaced.awaited,
        "device_file": device_file,
    });
    say(
        json,
        &fact,
        format_args!("{}{}", line(&entity, id, &withdrawn, replaced.awaited), told(device_file.as_ref())),
    );
    Ok(ExitCode::SUCCESS)
}

/// Puts the equipment that holds `new` in the place of the old, in one transaction.
pub(crate) async fn replace(
    store: &Store,
    settings: cse::Settings,
    new: NewCredential,
    any_app_id: bool,
) -> Result<Replaced, Failure> {
    let source = operator();
    let replace =
        move |tx: &mut store::Tx<'_>| cse::replace_equipment(tx, &settings, &new, any_app_id, &source);
    Ok(store.write("credential.rebind", replace).await?)
}

impl EntityArg {
    pub(super) fn whose(&self) -> Result<EntityId, Failure> {
        match (&self.ae_id, &self.cse_id) {
            (Some(ae), _) => Ok(EntityId::Ae(ae.clone())),
            (None, Some(cse)) => Ok(EntityId::Cse(cse.clone())),
            (None, None) => Err(Failure::usage("--ae-id or --cse-id says whose equipment is replaced")),
        }
    }
}

pub(super) fn warn_if_ruled_out(ruled_out: bool) {
    if ruled_out {
        eprintln!(
            "warning: no service rule allows the new credential this identity; until one does it cannot register"
        );
    }
}

pub(super) fn line(entity: &EntityId, id: &str, withdrawn: &[&str], awaited: bool) -> String {
    let old =
        if withdrawn.is_empty() { String::new() } else { format!(", withdrawn: {}", withdrawn.join(", ")) };
    let waits = if awaited { "; its registration waits for the new equipment" } else { "" };
    format!("{entity} is bound to {id}{old}{waits}")
}
