//! `attache credential show`.

use std::process::ExitCode;

use keys::{CredentialId, PskIdentity, Usage};
use serde_json::{Value, json};
use store::{Conflict, CredentialRecord, Credentials as _, Resources as _};

use crate::{
    cli::CredentialName,
    config::Config,
    outcome::{Done, Failure, say},
    stored,
};

pub(super) async fn run(arguments: CredentialName, json: bool) -> Done {
    let store = stored::open_existing(&Config::load(&arguments.config.config)?)?;
    let identity: PskIdentity = arguments.psk_identity.parse().map_err(Failure::usage)?;
    let id = CredentialId::saef_key(&identity);
    let (record, registered) = store
        .read(move |records| {
            let record = records.credential_record(&id)?;
            let record = record.ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() })?;
            let resources = records.resources_of_credential(&record.credential.credential_id)?;
            let creators: Vec<String> =
                resources.into_iter().filter_map(|resource| resource.creator).collect();
            Ok((record, creators))
        })
        .await?;
    let mut fact = fact(&record);
    if let Some(fact) = fact.as_object_mut() {
        fact.insert("registered".into(), registered.clone().into());
    }
    say(json, &fact, text(&record, &registered));
    Ok(ExitCode::SUCCESS)
}

/// Everything about a credential but its key.
pub(super) fn fact(record: &CredentialRecord) -> Value {
    let credential = &record.credential;
    json!({
        "credential_id": credential.credential_id.as_str(),
        "psk_identity": credential.psk_identity.as_str(),
        "kind": credential.kind.as_str(),
        "entity": credential.entity.as_ref().map(ToString::to_string),
        "state": credential.state.as_str(),
        "not_after": credential.not_after.map(|time| time.to_string()),
        "version": credential.version,
        "short_key_allowed": credential.allow_short_key,
        "usage": record.usage.map(Usage::code),
        "label": record.label,
        "created": record.created.to_string(),
        "changed": record.changed.to_string(),
    })
}

fn text(record: &CredentialRecord, registered: &[String]) -> String {
    let credential = &record.credential;
    let entity = credential.entity.as_ref().map(ToString::to_string);
    let not_after = credential.not_after.map(|time| time.to_string());
    let registered = if registered.is_empty() { "nobody".to_owned() } else { registered.join(", ") };
    let mut lines = vec![
        ("Credential-ID", credential.credential_id.to_string()),
        ("psk_identity", credential.psk_identity.to_string()),
        ("state", format!("{}, version {}", credential.state, credential.version)),
        ("stands for", entity.unwrap_or_else(|| format!("an {} that is not assigned yet", credential.kind))),
        ("registered", registered),
        ("valid until", not_after.unwrap_or_else(|| "it is revoked".into())),
        ("added", record.created.to_string()),
        ("changed", record.changed.to_string()),
    ];
    if credential.allow_short_key {
        lines.push(("warning", "a key of under 16 octets is allowed".into()));
    }
    if !record.label.is_empty() {
        lines.push(("label", record.label.escape_debug().to_string()));
    }
    let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name:<14} {value}")).collect();
    lines.join("\n")
}
