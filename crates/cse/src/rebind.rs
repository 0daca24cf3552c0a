//! Replacing equipment (register A-34): new equipment with a credential of its own takes the place, the name and the
//! registration of the old one, in one step.

use identity::{Applicant, Credential, CredentialFacts, CredentialState, Enrolment, Function, Wanted};
use keys::CredentialId;
use onem2m::{id::EntityId, resource::attr, time::Timestamp};
use serde_json::Value;
use store::{
    AuditMut as _, AuditRecord, Credentials as _, CredentialsMut as _, Enrolments as _, EnrolmentsMut as _,
    NewCredential, NewEnrolment, Outcome, Resource, Resources, ResourcesMut as _, SessionsMut as _,
    StoreError, Tx,
};

use crate::{
    marks::{self, Awaits},
    settings::Settings,
    standing::{cse_registration, registration},
    subscription::{self, Profile},
};

/// What the replacement of equipment came to. `C` is the credential of the new equipment: a key, or an enrolment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced<C = Credential> {
    /// The credential of the new equipment.
    pub credential: C,
    /// The credentials of the old equipment, which were withdrawn: associations made with them end.
    pub withdrawn: Vec<CredentialId>,
    /// The entity is registered, and its registration waits for the new equipment to take it over.
    pub awaited: bool,
    /// Service rules apply here, and none of them allows the new credential this AE-ID: until one does, the new
    /// equipment cannot register (4126).
    pub ruled_out: bool,
}

/// What is to be done.
#[derive(Debug)]
struct Plan {
    withdraw: Vec<CredentialId>,
    /// The old equipment used the same identity: it gets the new key.
    rotate: Option<CredentialId>,
    registration: Option<Resource>,
}

/// Whose equipment is replaced, and how.
struct Replacing<'a> {
    settings: &'a Settings,
    entity: &'a EntityId,
    function: Function,
    any_app_id: bool,
    source: &'a str,
}

/// Puts new equipment in the place of the old: withdraws every credential of `new.entity`, adds `new`, and lets the
/// registration wait for it. From the moment of the transaction the old equipment's handshake fails, nothing of it is
/// resumed, and its associations end. The next CREATE of the new equipment is answered 2001 with the same resourceID,
/// what lies below is kept, and the App-ID is the same unless `any_app_id`. If `new` has the `psk_identity` of the old
/// equipment, that credential gets the new key instead.
///
/// `source` is who does it, for the audit. A certificate that only its chain vouches for has no record that could be
/// withdrawn: its name is revoked by enrolling and revoking it, or in a CRL.
///
/// # Errors
/// [`StoreError::Abandoned`], in words for the operator, if `new` names no entity, is for another function than
/// the CSE, if there is no equipment to be replaced, or if the entity is in the list of a device that speaks as
/// others, too; [`StoreError::Conflict`] and [`StoreError::Unacceptable`] as when adding a credential.
pub fn replace_equipment(
    tx: &mut Tx<'_>,
    settings: &Settings,
    new: &NewCredential,
    any_app_id: bool,
    source: &str,
) -> Result<Replaced, StoreError> {
    let entity = whose(new.entity.as_ref())?;
    let same = tx.credential(new.function, &new.psk_identity)?.map(|same| same.credential_id);
    let replacing = Replacing { settings, entity, function: new.function, any_app_id, source };
    replacing.carry_out(tx, same.as_ref(), Credential::facts, |tx, rotate| match rotate {
        None => tx.add_credential(new),
        Some(id) => {
            tx.set_not_after(id, new.not_after)?;
            tx.rotate_key(id, &new.key)
        }
    })
}

/// As [`replace_equipment`], for new equipment with a public key, a certificate or a token.
///
/// # Errors
/// As for [`replace_equipment`]; what is enrolled already does not come again.
pub fn replace_by_enrolment(
    tx: &mut Tx<'_>,
    settings: &Settings,
    new: &NewEnrolment,
    any_app_id: bool,
    source: &str,
) -> Result<Replaced<Enrolment>, StoreError> {
    let entity = whose(new.subject.as_ref())?;
    let replacing = Replacing { settings, entity, function: new.function, any_app_id, source };
    replacing.carry_out(tx, None, Enrolment::facts, |tx, _| tx.add_enrolment(new))
}

fn whose(entity: Option<&EntityId>) -> Result<&EntityId, StoreError> {
    entity.ok_or_else(|| StoreError::abandon("whose equipment is replaced is not said"))
}

impl Replacing<'_> {
    /// `same` is the credential that has the new one's identity; `add` adds the new one, or alters that.
    fn carry_out<C>(
        &self,
        tx: &mut Tx<'_>,
        same: Option<&CredentialId>,
        facts: fn(&C) -> CredentialFacts,
        add: impl FnOnce(&mut Tx<'_>, Option<&CredentialId>) -> Result<C, StoreError>,
    ) -> Result<Replaced<C>, StoreError> {
        let old = tx.holders_of(self.entity)?;
        let registered = registration_of(&**tx, self.settings, self.entity, tx.now())?;
        let plan = self.decide(&old, same, registered)?;
        for id in &plan.withdraw {
            tx.revoke(id)?;
        }
        tx.forget_sessions_of(self.entity)?;
        let credential = add(tx, plan.rotate.as_ref())?;
        let added = facts(&credential);
        let ruled_out = is_ruled_out(&**tx, self.settings, &added, plan.registration.as_ref())?;
        let awaited = plan.registration.is_some();
        if let Some(resource) = plan.registration {
            tx.update(&Resource { credential_id: Some(added.credential_id.clone()), ..resource })?;
        }
        let withdrawn: Vec<&str> = plan.withdraw.iter().map(CredentialId::as_str).collect();
        let waits = if awaited { "; the registration waits for it" } else { "" };
        tx.append(&AuditRecord {
            at: tx.now(),
            action: "credential.rebind".into(),
            outcome: Outcome::Done,
            credential_id: Some(added.credential_id.as_str().to_owned()),
            entity: Some(self.entity.to_string()),
            source: Some(self.source.to_owned()),
            detail: format!("withdrawn: {}{waits}", withdrawn.join(", ")),
        })?;
        Ok(Replaced { credential, withdrawn: plan.withdraw, awaited, ruled_out })
    }

    /// `old` are all credentials of the entity.
    fn decide(
        &self,
        old: &[CredentialFacts],
        same: Option<&CredentialId>,
        registered: Option<Resource>,
    ) -> Result<Plan, StoreError> {
        if self.function != Function::Cse {
            return Err(StoreError::abandon(format!(
                "a key for the {} replaces no equipment here",
                self.function
            )));
        }
        let mut active: Vec<&CredentialFacts> = old
            .iter()
            .filter(|credential| {
                credential.function == Function::Cse && credential.state == CredentialState::Active
            })
            .collect();
        if active.is_empty() && registered.is_none() {
            return Err(StoreError::abandon(format!(
                "{} has no credential and no registration: there is no equipment to replace",
                self.entity
            )));
        }
        // More were not read, and one that is left out would stay open.
        if old.len() >= usize::try_from(store::MAX_PAGE).unwrap_or(usize::MAX) {
            return Err(StoreError::abandon("the entity has 1000 credentials or more: revoke some first"));
        }
        if let Some(list) = active.iter().find(|credential| !credential.allowed.is_empty()) {
            return Err(StoreError::abandon(format!(
                "the entity is in the list of {}, which speaks as others, too: take it out of the list first",
                list.credential_id
            )));
        }
        let same = same.and_then(|same| active.iter().position(|old| old.credential_id == *same));
        let rotate = same.map(|at| active.swap_remove(at).credential_id.clone());
        Ok(Plan {
            withdraw: active.into_iter().map(|credential| credential.credential_id.clone()).collect(),
            rotate,
            registration: registered.map(|mut resource| {
                let any_app_id = self.any_app_id;
                marks::set_awaits(&mut resource.attributes, Some(Awaits { any_app_id }));
                marks::set_holder(&mut resource.attributes, None);
                resource
            }),
        })
    }
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
    credential: &CredentialFacts,
    registered: Option<&Resource>,
) -> Result<bool, StoreError> {
    let (Some(EntityId::Ae(ae)), Some(registered)) = (&credential.subject, registered) else {
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
