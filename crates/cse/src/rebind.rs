//! Replacing equipment (register A-34): new equipment with a key of its own takes the place, the name and the
//! registration of the old one, in one step.

use identity::{Applicant, Credential, CredentialState, Function, Wanted};
use keys::CredentialId;
use onem2m::{id::EntityId, resource::attr, time::Timestamp};
use serde_json::Value;
use store::{
    AuditMut as _, AuditRecord, CredentialRecord, Credentials as _, CredentialsMut as _, NewCredential,
    Outcome, Resource, Resources, ResourcesMut as _, StoreError, Tx,
};

use crate::{
    marks::{self, Awaits},
    settings::Settings,
    standing::{cse_registration, registration},
    subscription::{self, Profile},
};

/// What the replacement of equipment came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The key of the new equipment.
    pub credential: Credential,
    /// The keys of the old equipment, which were withdrawn: associations made with them end.
    pub withdrawn: Vec<CredentialId>,
    /// The entity is registered, and its registration waits for the new equipment to take it over.
    pub awaited: bool,
    /// Service rules apply here, and none of them allows the new key this AE-ID: until one does, the new
    /// equipment cannot register (4126).
    pub ruled_out: bool,
}

/// What is to be done with the key.
#[derive(Debug, PartialEq, Eq)]
enum KeyStep {
    /// It is added.
    Add,
    /// The old equipment used the same identity: it gets the new key.
    Rotate(CredentialId),
}

/// What is to be done.
#[derive(Debug)]
struct Plan {
    withdraw: Vec<CredentialId>,
    key: KeyStep,
    registration: Option<Resource>,
}

/// Puts new equipment in the place of the old: withdraws every key of `new.entity`, adds `new`, and lets the
/// registration wait for it. From the moment of the transaction the old equipment's handshake fails and its
/// associations end. The next CREATE of the new equipment is answered 2001 with the same resourceID, what lies below
/// is kept, and the App-ID is the same unless `any_app_id`. If `new` has the `psk_identity` of the old
/// equipment, that credential gets the new key instead.
///
/// `source` is who does it, for the audit.
///
/// # Errors
/// [`StoreError::Abandoned`], in words for the operator, if `new` names no entity, is for another function than
/// the CSE, or if there is no equipment to be replaced; [`StoreError::Conflict`] and
/// [`StoreError::Unacceptable`] as when adding a credential.
pub fn replace_equipment(
    tx: &mut Tx<'_>,
    settings: &Settings,
    new: &NewCredential,
    any_app_id: bool,
    source: &str,
) -> Result<Replaced, StoreError> {
    let Some(entity) = &new.entity else {
        return Err(StoreError::abandon("whose equipment is replaced is not said"));
    };
    let old = tx.credentials_of(entity)?;
    let registered = registration_of(&**tx, settings, entity, tx.now())?;
    let same = tx.credential(new.function, &new.psk_identity)?;
    let plan = decide(&old, same.as_ref(), registered, new, any_app_id)?;
    for id in &plan.withdraw {
        tx.revoke(id)?;
    }
    let credential = match &plan.key {
        KeyStep::Add => tx.add_credential(new)?,
        KeyStep::Rotate(id) => {
            tx.set_not_after(id, new.not_after)?;
            tx.rotate_key(id, &new.key)?
        }
    };
    let ruled_out = is_ruled_out(&**tx, settings, &credential, plan.registration.as_ref())?;
    let awaited = plan.registration.is_some();
    if let Some(resource) = plan.registration {
        tx.update(&Resource { credential_id: Some(credential.credential_id.clone()), ..resource })?;
    }
    let withdrawn: Vec<&str> = plan.withdraw.iter().map(CredentialId::as_str).collect();
    let waits = if awaited { "; the registration waits for it" } else { "" };
    tx.append(&AuditRecord {
        at: tx.now(),
        action: "credential.rebind".into(),
        outcome: Outcome::Done,
        credential_id: Some(credential.credential_id.as_str().to_owned()),
        entity: Some(entity.to_string()),
        source: Some(source.to_owned()),
        detail: format!("withdrawn: {}{waits}", withdrawn.join(", ")),
    })?;
    Ok(Replaced { credential, withdrawn: plan.withdraw, awaited, ruled_out })
}

/// `old` are all credentials of the entity; `same` is the credential that has the new one's `psk_identity`.
fn decide(
    old: &[CredentialRecord],
    same: Option<&Credential>,
    registered: Option<Resource>,
    new: &NewCredential,
    any_app_id: bool,
) -> Result<Plan, StoreError> {
    if new.function != Function::Cse {
        return Err(StoreError::abandon(format!(
            "a key for the {} replaces no equipment here",
            new.function
        )));
    }
    let mut active: Vec<&Credential> = old
        .iter()
        .map(|record| &record.credential)
        .filter(|credential| {
            credential.function == Function::Cse && credential.state == CredentialState::Active
        })
        .collect();
    if active.is_empty() && registered.is_none() {
        let entity = new.entity.as_ref().map(ToString::to_string).unwrap_or_default();
        return Err(StoreError::abandon(format!(
            "{entity} has no credential and no registration: there is no equipment to replace"
        )));
    }
    // More were not read, and one that is left out would stay open.
    if old.len() >= usize::try_from(store::MAX_PAGE).unwrap_or(usize::MAX) {
        return Err(StoreError::abandon("the entity has 1000 credentials or more: revoke some first"));
    }
    let same = same.and_then(|same| active.iter().position(|old| old.credential_id == same.credential_id));
    let key = match same {
        Some(at) => KeyStep::Rotate(active.swap_remove(at).credential_id.clone()),
        None => KeyStep::Add,
    };
    Ok(Plan {
        withdraw: active.into_iter().map(|credential| credential.credential_id.clone()).collect(),
        key,
        registration: registered.map(|mut resource| {
            marks::set_awaits(&mut resource.attributes, Some(Awaits { any_app_id }));
            marks::set_holder(&mut resource.attributes, None);
            resource
        }),
    })
}

fn registration_of(
    records: &impl Resources,
    settings: &Settings,
    entity: &EntityId,
    now: Timestamp,
) -> Result<Option<Resource>, StoreError> {
    match entity {
        EntityId::Ae(ae) => registration(records, ae, now),
        EntityId::Cse(cse) => cse_registration(records, settings, cse, now),
    }
}

fn is_ruled_out(
    records: &impl Resources,
    settings: &Settings,
    credential: &Credential,
    registered: Option<&Resource>,
) -> Result<bool, StoreError> {
    let (Some(EntityId::Ae(ae)), Some(registered)) = (&credential.entity, registered) else {
        return Ok(false);
    };
    let app_id = registered.attributes.get(attr::API).and_then(Value::as_str).unwrap_or_default();
    Ok(match subscription::profile(records, settings)? {
        Profile::None => false,
        Profile::NoNode => true,
        Profile::Rules(book) => {
            let applicant = Applicant { credential: Some(&credential.credential_id), app_id, roles: &[] };
            book.admit(&applicant, Wanted::Known(ae.stem())).is_err()
        }
    })
}
