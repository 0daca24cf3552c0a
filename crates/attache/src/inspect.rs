//! `attache inspect`: what the store holds, and who is connected to the running server.

use std::process::ExitCode;

use onem2m::resource::{ResourceType, attr};
use serde_json::{Value, json};
use store::{Audit as _, Resources as _, Store};

use crate::{
    cli::{CredentialList, InspectAssociations, InspectAudit, InspectCommand},
    config::Config,
    control::{self, Question},
    outcome::{Done, Failure, say},
    stored,
};

pub(crate) async fn run(command: InspectCommand, json: bool) -> Done {
    match command {
        InspectCommand::Associations(arguments) => associations(arguments, json).await,
        InspectCommand::Registrations(arguments) => registrations(arguments, json).await,
        InspectCommand::Audit(arguments) => audit(arguments, json).await,
        InspectCommand::Digest(arguments) => {
            let store = stored::open_existing(&Config::load(&arguments.config)?)?;
            let digest = hex::encode(store.digest().await?);
            say(json, &json!({ "digest": digest }), &digest);
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn associations(arguments: InspectAssociations, json: bool) -> Done {
    let socket = Config::load(&arguments.config.config)?.control_path();
    let (mut after, mut left) = (arguments.after, arguments.limit);
    while left > 0 {
        let question = Question::Associations { after, limit: left.min(control::PAGE) };
        let (facts, more) = control::ask(&socket, &question).await?;
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
    }
    Ok(ExitCode::SUCCESS)
}

async fn registrations(arguments: CredentialList, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let store = stored::open_existing(&config)?;
    let mut after = arguments.after;
    let mut left = arguments.limit;
    while left > 0 {
        let (from, limit) = (after.clone(), left.min(store::MAX_LISTED));
        let rows = store
            .read(move |records| records.resources_of_type(ResourceType::Ae.code(), from.as_deref(), limit))
            .await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.ri.clone());
        left -= u32::try_from(rows.len()).unwrap_or(left);
        for row in rows {
            let text = |name: &str| row.attributes.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
            let (ae, app) = (row.creator.clone().unwrap_or_default(), text(attr::API));
            let credential = row.credential_id.as_ref().map(ToString::to_string);
            let until = row.et.map(|time| time.to_string());
            let line = format!(
                "{ae}  {}/{}  App-ID {app}  by {}  until {}",
                config.cse.base_name,
                row.rn,
                credential.as_deref().unwrap_or("-"),
                until.as_deref().unwrap_or("-")
            );
            let fact = json!({
                "ae_id": ae,
                "credential_id": credential,
                "representation": cse::representation(&row),
            });
            say(json, &fact, line);
        }
    }
    Ok(ExitCode::SUCCESS)
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
                record.outcome,
                shown(&record.credential_id),
                shown(&record.entity),
                shown(&record.source),
                record.detail.escape_debug()
            );
            say(json, &fact, line);
        }
    }
    Ok(())
}
