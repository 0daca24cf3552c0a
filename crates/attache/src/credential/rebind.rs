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
    length_policy, not_yet_over, psk_identity,
};
use crate::{
    cli::CredentialRebind,
    config::Config,
    device_file::Provisional,
    outcome::{Done, Failure, say},
    stored::{self, operator},
};

pub(super) async fn run(arguments: CredentialRebind, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let psk_identity = psk_identity(&arguments.psk_identity)?;
    not_yet_over(arguments.not_after)?;
    let entity = match (arguments.entity.ae_id, arguments.entity.cse_id) {
        (Some(ae), _) => EntityId::Ae(ae),
        (None, Some(cse)) => EntityId::Cse(cse),
        (None, None) => return Err(Failure::usage("--ae-id or --cse-id says whose equipment is replaced")),
    };
    may_register(&entity, &config.cse.id).map_err(Failure::usage)?;
    let key = Kpsa::new(secret(&arguments.key)?, length_policy(arguments.allow_short_key));
    let key = key.map_err(Failure::usage)?;
    let store = stored::open_existing(&config)?;
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
    if replaced.ruled_out {
        eprintln!(
            "warning: no service rule allows the new key this identity; until one does it cannot register"
        );
    }
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
        format_args!("{}{}", line(&entity, id, &withdrawn, &replaced), told(device_file.as_ref())),
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

fn line(entity: &EntityId, id: &str, withdrawn: &[&str], replaced: &Replaced) -> String {
    let old =
        if withdrawn.is_empty() { String::new() } else { format!(", withdrawn: {}", withdrawn.join(", ")) };
    let waits = if replaced.awaited { "; its registration waits for the new equipment" } else { "" };
    format!("{entity} is bound to {id}{old}{waits}")
}
