//! What the registration with another CSE needs.

use std::{sync::Arc, time::Duration};

use onem2m::time::Clock;
use serde_json::Value;
use store::Store;
use tokio::{net::lookup_host, time::timeout};

use super::{Finding, SOON};
use crate::{
    config::{Config, RegistrarSection},
    control::{self, Question},
    mcc,
};

const CHECK: &str = "registrar";
/// How long a name may take to be found.
const PATIENCE: Duration = Duration::from_secs(5);

/// What there is to say of `[registrar]`, if there is one.
pub(super) async fn look(config: &Config, store: Option<&Store>, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let Some(section) = &config.registrar else { return Vec::new() };
    let mut findings = vec![credential(section, store, clock).await, address(section).await];
    findings.extend(registered(config, section).await);
    findings
}

async fn credential(section: &RegistrarSection, store: Option<&Store>, clock: &Arc<dyn Clock>) -> Finding {
    let Some(store) = store else {
        return Finding::skipped(CHECK, "there is no store that opens");
    };
    let soon = clock.now().saturating_add(SOON);
    match mcc::credential_of(section, store, clock).await {
        Ok((id, Some(end))) => {
            let found = format_args!("{id} can be used until {end}");
            if end < soon {
                Finding::warning(CHECK, found, "agree on another one with the registrar in time")
            } else {
                Finding::fine(CHECK, found)
            }
        }
        Ok((id, None)) => Finding::fine(CHECK, format_args!("{id} can be used")),
        Err(error) => {
            let how = "correct `psk_identity` or `server_name` in [registrar], or give it a credential (`attache credential`)";
            Finding::broken(CHECK, error, how)
        }
    }
}

async fn address(section: &RegistrarSection) -> Finding {
    let address = section.address.to_string();
    let how = "correct `address` in [registrar], or see that this machine resolves the name";
    match timeout(PATIENCE, lookup_host(&address)).await {
        Ok(Ok(mut found)) => match found.next() {
            Some(first) => Finding::fine(CHECK, format_args!("{address}: at {}", first.ip())),
            None => Finding::broken(CHECK, format_args!("{address}: the name has no address"), how),
        },
        Ok(Err(error)) => Finding::broken(CHECK, format_args!("{address}: {error}"), how),
        Err(_) => Finding::broken(CHECK, format_args!("{address}: not found within {PATIENCE:?}"), how),
    }
}

/// What the running server says; nothing if none does.
async fn registered(config: &Config, section: &RegistrarSection) -> Option<Finding> {
    let question = Question::Registrar { order: control::Order::Look };
    let (facts, _) = control::ask(config, &question).await.ok()?;
    let fact = facts.first()?.get("registrar")?;
    let text = |name: &str| fact.get(name).and_then(Value::as_str);
    let cse = &section.cse_id;
    Some(match (text("registered_until"), text("trouble")) {
        (Some(until), _) => Finding::fine(CHECK, format_args!("registered with {cse} until {until}")),
        (None, Some(trouble)) => {
            let found = format_args!("not registered with {cse}: {}", trouble.escape_debug());
            Finding::broken(CHECK, found, "mend what it says; the server tries again by itself")
        }
        (None, None) => Finding::warning(
            CHECK,
            format_args!("not registered with {cse}"),
            "`attache registrar join` after `leave`; else see `attache registrar status`",
        ),
    })
}
