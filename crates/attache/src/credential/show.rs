//! `attache credential show`.

use std::process::ExitCode;

use keys::{PublicKeyIdentifier, Usage};
use serde_json::{Value, json};
use store::{Conflict, CredentialRecord, Credentials as _, EnrolmentRecord, Enrolments as _, Resources as _};

use crate::{
    cli::CredentialName,
    config::Config,
    outcome::{Done, say},
    stored,
};

use super::{enrol::stands_for, name::credential_named};

pub(super) async fn run(arguments: CredentialName, json: bool) -> Done {
    let store = stored::open_existing(&Config::load(&arguments.config.config)?)?;
    let id = credential_named(&store, &arguments.psk_identity).await?;
    let (record, registered) = store
        .read(move |records| {
            let key = records.credential_record(&id)?.map(Record::Key);
            let record = match key {
                Some(key) => key,
                None => records
                    .enrolment_record(&id)?
                    .map(Record::Enrolment)
                    .ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() })?,
            };
            let resources = records.resources_of_credential(&id)?;
            let creators: Vec<String> =
                resources.into_iter().filter_map(|resource| resource.creator).collect();
            Ok((record, creators))
        })
        .await?;
    let (mut fact, text) = match &record {
        Record::Key(record) => (fact(record), text(record, &registered)),
        Record::Enrolment(record) => (enrolment_fact(record), enrolment_text(record, &registered)),
    };
    if let Some(fact) = fact.as_object_mut() {
        fact.insert("registered".into(), registered.into());
    }
    say(json, &fact, text);
    Ok(ExitCode::SUCCESS)
}

enum Record {
    Key(CredentialRecord),
    Enrolment(EnrolmentRecord),
}

/// Everything about an enrolment.
pub(super) fn enrolment_fact(record: &EnrolmentRecord) -> Value {
    let enrolment = &record.enrolment;
    let allowed: Vec<String> = enrolment.allowed.iter().map(ToString::to_string).collect();
    json!({
        "credential_id": enrolment.credential_id.as_str(),
        "method": enrolment.method.as_str(),
        "kind": enrolment.kind.as_str(),
        "entity": enrolment.subject.as_ref().map(ToString::to_string),
        "allowed_ae_ids": allowed,
        "state": enrolment.state.as_str(),
        "not_after": enrolment.not_after.map(|time| time.to_string()),
        "version": enrolment.version,
        "chain_demanded": enrolment.chain_policy.is_some(),
        "chain": record.chain_facts,
        "label": record.label,
        "created": record.created.to_string(),
        "changed": record.changed.to_string(),
    })
}

fn enrolment_text(record: &EnrolmentRecord, registered: &[String]) -> String {
    let enrolment = &record.enrolment;
    let not_after = enrolment.not_after.map(|time| time.to_string());
    let mut lines = vec![
        ("Credential-ID", enrolment.credential_id.to_string()),
        ("method", enrolment.method.as_str().to_owned()),
        ("state", format!("{}, version {}", enrolment.state, enrolment.version)),
        ("stands for", stands_for(enrolment)),
        ("registered", shown(registered)),
        ("valid until", not_after.unwrap_or_else(|| "it is revoked".into())),
        ("added", record.created.to_string()),
        ("changed", record.changed.to_string()),
    ];
    if let Ok(hash) = enrolment.credential_id.value().parse::<PublicKeyIdentifier>() {
        lines.push(("on a label", hash.to_nih()));
    }
    if enrolment.chain_policy.is_some() {
        lines.push(("chain", "demanded, to certificates of its own".into()));
    }
    if let Some(facts) = &record.chain_facts {
        lines.push(("chain says", facts.escape_debug().to_string()));
    }
    if !record.label.is_empty() {
        lines.push(("label", record.label.escape_debug().to_string()));
    }
    table(lines)
}

fn shown(registered: &[String]) -> String {
    if registered.is_empty() { "nobody".to_owned() } else { registered.join(", ") }
}

fn table(lines: Vec<(&str, String)>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|(name, value)| format!("{name:<14} {value}")).collect();
    lines.join("\n")
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
    let mut lines = vec![
        ("Credential-ID", credential.credential_id.to_string()),
        ("psk_identity", credential.psk_identity.to_string()),
        ("state", format!("{}, version {}", credential.state, credential.version)),
        ("stands for", entity.unwrap_or_else(|| format!("an {} that is not assigned yet", credential.kind))),
        ("registered", shown(registered)),
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
    table(lines)
}
