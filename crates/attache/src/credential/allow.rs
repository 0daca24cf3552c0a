//! `attache credential allow`: another list of AEs that a device or node may speak as.

use std::process::ExitCode;

use identity::{CredentialState, Enrolment, Method, may_register};
use onem2m::id::{AeId, EntityId};
use serde_json::json;
use store::{AuditMut as _, Conflict, Enrolments as _, EnrolmentsMut as _, Resources as _, Tx};

use super::name::credential_named;
use crate::{
    cli::CredentialAllow,
    config::Config,
    outcome::{Done, Failure, say},
    stored::{self, by_operator},
};

/// What became of the list.
struct Allowed {
    enrolment: Enrolment,
    changed: bool,
    /// AEs that are registered with the credential and not in its list.
    stranded: Vec<String>,
}

pub(super) async fn run(arguments: CredentialAllow, json: bool) -> Done {
    let config = Config::load(&arguments.name.config.config)?;
    for ae in &arguments.allowed_ae_id {
        may_register(&EntityId::Ae(ae.clone()), &config.cse.id).map_err(Failure::usage)?;
    }
    let store = stored::open_existing(&config)?;
    let id = credential_named(&store, &arguments.name.psk_identity).await?;
    if Method::of(&id).is_none() {
        let what = "it is a provisioned key, which stands for one entity (`attache credential rebind`)";
        return Err(Failure::usage(format_args!("credential {id}: {what}")));
    }
    let list = arguments.allowed_ae_id;
    let allowed = store.write("credential.allow", move |tx| {
        let before = tx.enrolment(&id)?;
        let before = before.ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() })?;
        // Of one that is revoked the store says so.
        let changed = before.state == CredentialState::Revoked || !same(&before.allowed, &list);
        let enrolment = if changed { tx.set_allowed(&id, &list)? } else { before };
        if changed {
            let detail = format!("{} AE-IDs, version {}", enrolment.allowed.len(), enrolment.version);
            tx.append(&by_operator("credential.allow", id.as_str(), None, detail))?;
        }
        let stranded = stranded(tx, &enrolment)?;
        Ok(Allowed { enrolment, changed, stranded })
    });
    let Allowed { enrolment, changed, stranded } = allowed.await?;
    for ae in &stranded {
        eprintln!(
            "warning: {ae} is registered and not in the list: nobody can speak for it until it expires"
        );
    }
    let (id, list) = (&enrolment.credential_id, texts(&enrolment.allowed));
    let fact = json!({
        "allowed": id.as_str(),
        "allowed_ae_ids": list,
        "version": enrolment.version,
        "changed": changed,
        "stranded": stranded,
    });
    let how =
        if changed { "; its associations are being closed" } else { ", as before; nothing was changed" };
    say(json, &fact, format_args!("{id} may speak as {}{how}", list.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn texts(list: &[AeId]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// Whether the lists have the same AEs, each as often.
fn same(one: &[AeId], other: &[AeId]) -> bool {
    let sorted = |list: &[AeId]| {
        let mut texts = texts(list);
        texts.sort_unstable();
        texts
    };
    sorted(one) == sorted(other)
}

fn stranded(tx: &Tx<'_>, enrolment: &Enrolment) -> Result<Vec<String>, store::StoreError> {
    let allowed = texts(&enrolment.allowed);
    let registered = tx.resources_of_credential(&enrolment.credential_id)?;
    Ok(registered.into_iter().filter_map(|one| one.creator).filter(|ae| !allowed.contains(ae)).collect())
}
