//! `attache inspect`: what the store holds, and who is connected to the running server.

use std::process::ExitCode;

use identity::{CredentialFacts, Function, KeyRefusal, Method};
use keys::CredentialId;
use onem2m::{
    resource::{ResourceType, attr},
    time::{Clock as _, SystemClock, Timestamp},
};
use serde_json::{Value, json};
use store::{Audit as _, Enrolments, Resource, Resources as _, Store, StoreError};

use crate::{
    cli::{InspectAssociations, InspectAudit, InspectCommand, InspectRegistrations},
    config::Config,
    control::{self, Question},
    outcome::{Done, Failure, more_follow, say},
    registrar_command, stored,
};

pub(crate) async fn run(command: InspectCommand, json: bool) -> Done {
    match command {
        InspectCommand::Associations(arguments) => associations(arguments, json).await,
        InspectCommand::Registrations(arguments) => registrations(arguments, json).await,
        InspectCommand::Audit(arguments) => audit(arguments, json).await,
        InspectCommand::Remote(arguments) => registrar_command::remote(&arguments, json).await,
        InspectCommand::Digest(arguments) => {
            let store = stored::open_existing(&Config::load(&arguments.config)?)?;
            let digest = hex::encode(store.digest().await?);
            say(json, &json!({ "digest": digest }), &digest);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn associations(arguments: InspectAssociations, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let (mut after, mut left) = (arguments.after, arguments.limit);
    while left > 0 {
        let question = Question::Associations { after, limit: left.min(control::PAGE) };
        let (facts, more) = control::ask(&config, &question).await?;
        left = left.saturating_sub(facts.len().max(1));
        for fact in facts {
            let fact = fact.get("association").unwrap_or(&Value::Null);
            let text =
                |name: &str| fact.get(name).and_then(Value::as_str).unwrap_or("-").escape_debug().to_string();
            after = fact.get("id").and_then(Value::as_u64).unwrap_or(after);
            let line = format!(
                "{after:>8}  {}  {}  {}  {}  {}",
                text("since"),
                text("entity"),
                text("credential_id"),
                text("source"),
                text("suite")
            );
            say(json, fact, line);
        }
        if !more {
            break;
        }
        if left == 0 {
            more_follow(format_args!("--after {after}"));
        }
    }
    note_if(after == arguments.after && left > 0, "nobody is connected");
    Ok(ExitCode::SUCCESS)
}

/// Says to a person that nothing was listed, which an empty screen leaves open.
fn note_if(nothing: bool, note: &str) {
    if nothing {
        eprintln!("{note}");
    }
}

/// AE-ID-Stems come before the resourceIDs of CSEs, which begin with a small letter: one order for both types.
const REGISTRATIONS: [ResourceType; 2] = [ResourceType::Ae, ResourceType::RemoteCse];

async fn registrations(arguments: InspectRegistrations, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let store = stored::open_existing(&config)?;
    let (mut left, now) = (arguments.limit, SystemClock.now());
    let mut shown = None;
    for ty in REGISTRATIONS {
        let mut after = arguments.after.clone();
        while left > 0 {
            let (from, limit) = (after.clone(), left.min(store::MAX_LISTED));
            let rows = store
                .read(move |records| {
                    let rows = records.resources_of_type(ty.code(), from.as_deref(), limit)?;
                    let rows = rows.into_iter().map(|row| Registration::of(row, records, now));
                    rows.collect::<Result<Vec<_>, _>>()
                })
                .await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.row.ri.clone());
            shown.clone_from(&after);
            left -= u32::try_from(rows.len()).unwrap_or(left);
            for registration in rows {
                say(json, &registration.fact(), registration.line(&config));
            }
        }
    }
    note_if(left == arguments.limit && left > 0, "nobody is registered");
    if let Some(last) = shown.filter(|_| left == 0) {
        let how = format!("--after {}", last.escape_debug());
        let more = move |records: &store::Reader<'_>| {
            for ty in REGISTRATIONS {
                if !records.resources_of_type(ty.code(), Some(&last), 1)?.is_empty() {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        if store.read(more).await? {
            more_follow(how);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A registration, and what has become of the credential that it was made with.
struct Registration {
    row: Resource,
    /// `active`, `chain`, `revoked`, `expired` or `missing`; `None` outside of an association.
    credential: Option<&'static str>,
    /// Whether the registration itself has expired, and is about to be removed.
    expired: bool,
}

impl Registration {
    fn of(row: Resource, records: &impl Enrolments, now: Timestamp) -> Result<Self, StoreError> {
        let credential = match &row.credential_id {
            Some(id) => Some(state(id, records.credential_facts(id)?.as_ref(), now)),
            None => None,
        };
        let expired = row.et.is_some_and(|until| until <= now);
        Ok(Self { row, credential, expired })
    }

    fn text(&self, name: &str) -> &str {
        self.row.attributes.get(name).and_then(Value::as_str).unwrap_or("-")
    }

    fn fact(&self) -> Value {
        let row = &self.row;
        let entity = if row.ty == ResourceType::Ae.code() { "ae_id" } else { "cse_id" };
        json!({
            entity: row.creator,
            "credential_id": row.credential_id.as_ref().map(ToString::to_string),
            "credential": self.credential,
            "local": cse::local_holder(row).map(|peer| peer.to_string()),
            "awaits_equipment": cse::awaits_equipment(row),
            "expired": self.expired,
            "registrar": cse::is_of_our_registrar(row),
            "representation": cse::representation(row),
        })
    }

    fn line(&self, config: &Config) -> String {
        let row = &self.row;
        let what = if row.ty == ResourceType::Ae.code() {
            format!("App-ID {}", self.text(attr::API))
        } else {
            format!("CSEBase {}", self.text(attr::CB))
        };
        let by = match (&row.credential_id, cse::local_holder(row)) {
            (Some(id), _) => id.to_string(),
            (None, Some(peer)) => format!("local {peer}"),
            (None, None) => "-".to_owned(),
        };
        let credential = self.credential.filter(|state| !matches!(*state, "active" | "chain"));
        let marks = [
            credential.map(|state| format!("CREDENTIAL {}", state.to_uppercase())),
            self.expired.then(|| "EXPIRED".to_owned()),
            cse::is_of_our_registrar(row).then(|| "this CSE is registered there".to_owned()),
            cse::awaits_equipment(row).then(|| "waits for new equipment".to_owned()),
        ];
        let marks: Vec<String> = marks.into_iter().flatten().collect();
        let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join(", ")) };
        format!(
            "{}  {}/{}  {what}  by {by}  until {}{marks}",
            row.creator.as_deref().unwrap_or("-"),
            config.cse.base_name,
            row.rn,
            row.et.map(|time| time.to_string()).as_deref().unwrap_or("-"),
        )
    }
}

/// What has become of a credential, in a word.
fn state(id: &CredentialId, credential: Option<&CredentialFacts>, now: Timestamp) -> &'static str {
    use identity::Flavour::{AeId, CseId};
    match credential.map(|credential| credential.usable(Function::Cse, now)) {
        // Of a certificate that its chain alone vouches for there is no record.
        None if matches!(Method::of(id), Some(Method::Certificate(CseId | AeId))) => "chain",
        None => "missing",
        Some(Ok(())) => "active",
        Some(Err(KeyRefusal::Expired)) => "expired",
        Some(Err(_)) => "revoked",
    }
}

async fn audit(arguments: InspectAudit, json: bool) -> Done {
    let store = stored::open_existing(&Config::load(&arguments.config.config)?)?;
    pages(&store, arguments.limit, json).await?;
    Ok(ExitCode::SUCCESS)
}

async fn pages(store: &Store, limit: u32, json: bool) -> Result<(), Failure> {
    let mut before = None;
    let mut left = limit;
    while left > 0 {
        let page = left.min(store::MAX_AUDIT_PAGE);
        let entries = store.read(move |records| records.audit_page(before, page)).await?;
        let Some(last) = entries.last() else { break };
        before = Some(last.id);
        left -= u32::try_from(entries.len()).unwrap_or(left);
        for entry in entries {
            let record = entry.record;
            let fact = json!({
                "id": entry.id,
                "at": record.at.to_string(),
                "action": record.action,
                "outcome": record.outcome.as_str(),
                "credential_id": record.credential_id,
                "entity": record.entity,
                "source": record.source,
                "detail": record.detail,
            });
            let shown = |text: &Option<String>| text.as_deref().unwrap_or("-").escape_debug().to_string();
            let line = format!(
                "{}  {:<20} {:<8} {}  {}  {}  {}",
                record.at,
                record.action,
                record.outcome.as_str(),
                shown(&record.credential_id),
                shown(&record.entity),
                shown(&record.source),
                record.detail.escape_debug()
            );
            say(json, &fact, line);
        }
    }
    if left == 0
        && before.is_some()
        && !store.read(move |records| records.audit_page(before, 1)).await?.is_empty()
    {
        more_follow(format_args!("older ones with a --limit above {limit}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use identity::CredentialState;

    use super::*;

    #[test]
    fn the_state_of_a_credential_is_one_word() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("20260601T120000");
        let id: CredentialId = "12-a@x.org".parse().unwrap();
        let credential = |state, not_after| CredentialFacts {
            function: Function::Cse,
            credential_id: id.clone(),
            kind: onem2m::id::EntityKind::Ae,
            subject: None,
            allowed: Vec::new(),
            state,
            not_after,
            version: 1,
        };
        let (active, past) = (CredentialState::Active, Some(time("20260601T115959")));
        for (found, expected) in [
            (None, "missing"),
            (Some(credential(active, None)), "active"),
            (Some(credential(active, Some(time("20260601T120001")))), "active"),
            (Some(credential(active, past)), "expired"),
            (Some(credential(CredentialState::Revoked, past)), "revoked"),
        ] {
            assert_eq!(state(&id, found.as_ref(), now), expected, "{found:?}");
        }
        for (certificate, expected) in [
            ("32-mn-7.in-cse.example.org", "chain"),
            ("33-Sx.example.org", "chain"),
            ("31-0.2.481.1", "missing"),
            ("90-x", "missing"),
        ] {
            assert_eq!(state(&certificate.parse().unwrap(), None, now), expected, "{certificate}");
        }
    }
}
