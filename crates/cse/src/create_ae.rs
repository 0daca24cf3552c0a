//! CREATE `<AE>`: the registration of an AE (TS-0001 §10.2.2.2, TS-0004 §7.4.5.2.1).

use onem2m::{
    id::{AeId, EntityId},
    primitive::Request,
    resource::attr,
};
use serde_json::{Value, json};
use store::Resource;

use crate::{
    admission,
    decision::{Change, Decision},
    marks,
    refuse::{Decided, Refuse},
    registration::{Registering, already_registered, expiry},
    representation::{AE, New},
};

/// Under which AE-ID.
#[derive(Debug)]
pub(crate) enum Assigned {
    /// The one that the sender is known by.
    Known(AeId),
    /// One that is nobody's, and becomes the sender's.
    New(AeId),
    /// As [`Self::New`], where a local peer that is no more has left a registration.
    Abandoned(AeId),
    /// One that needs an announcement.
    NotPossible,
}

/// Decides a CREATE `<AE>` of a sender that may register. The order of the checks: target, representation,
/// second registration, App-ID, AE-ID, name.
pub(crate) fn decide(making: &Registering<'_>, assigned: &Assigned) -> Decided<Decision> {
    making.is_below_the_base()?;
    let new = AE.new_resource(making.request.pc.as_ref(), making.settings.home.cse.sp())?;
    let expires = expiry(making.settings, &AE, new.expires, making.now)?;
    let awaited = match (assigned, making.registered) {
        (Assigned::Known(_), Some(old)) if marks::awaits(old).is_some() => Some(old),
        (Assigned::Known(_), Some(_)) => return Err(already_registered()),
        _ => None,
    };
    if let Some(fault) = new.app_id_fault {
        return Err(fault);
    }
    registered_form(making.request, &new)?;
    let ae = match assigned {
        Assigned::Known(ae) | Assigned::New(ae) | Assigned::Abandoned(ae) => ae,
        Assigned::NotPossible => return Err(admission::no_announcement()),
    };
    let entity = EntityId::Ae(ae.clone());
    if let Some(old) = awaited {
        app_id_may_replace(old, &new)?;
        return Ok(making.replacement(entity, making.taken_over(&AE, old, new, expires)));
    }
    let stem = ae.stem().as_str();
    let name = making.name(new.name, stem)?;
    let mut attributes = new.attributes;
    attributes.insert(attr::AEI.into(), json!(stem));
    marks::set_holder(&mut attributes, making.local());
    let resource = making.resource(stem, name, &entity, expires, attributes);
    let detail = format!("App-ID {}", app_id(&resource));
    let mut decision = making.new_registration(entity.clone(), resource, detail);
    if let Assigned::Abandoned(_) = assigned {
        decision.changes.insert(0, Change::Remove(stem.to_owned()));
    }
    if let (Assigned::New(_), Some(credential)) = (assigned, making.channel.credential_id()) {
        decision.changes.push(Change::Assign(credential.clone(), entity));
    }
    Ok(decision)
}

/// Release 4 knows no App-ID that begins with `r` (TS-0001 §7.2).
fn registered_form(request: &Request, new: &New) -> Decided<()> {
    let later = !matches!(request.rvi.as_deref(), None | Some("1" | "2" | "2a" | "3"));
    let given = new.attributes.get(attr::API).and_then(Value::as_str).unwrap_or_default();
    if later && given.starts_with('r') {
        return Err(Refuse::bad("m2m:ae.api: from release 4 on it begins with R or N (TS-0001 §7.2)"));
    }
    Ok(())
}

/// New equipment runs the same application, unless the operator allowed another.
fn app_id_may_replace(old: &Resource, new: &New) -> Decided<()> {
    let any = marks::awaits(old).is_some_and(|awaits| awaits.any_app_id);
    if any || new.attributes.get(attr::API) == old.attributes.get(attr::API) {
        return Ok(());
    }
    Err(Refuse::bad(
        "m2m:ae.api is not the App-ID of the equipment that this one replaces; the operator can allow it",
    ))
}

fn app_id(resource: &Resource) -> &str {
    resource.attributes.get(attr::API).and_then(Value::as_str).unwrap_or_default()
}

/// The App-ID that service rules are held against: whatever the request gives for one, since its form is
/// checked later.
pub(crate) fn given_app_id(request: &Request) -> &str {
    let given = request.pc.as_ref().and_then(|content| content.get(AE.element_name()));
    given.and_then(|ae| ae.get(attr::API)).and_then(Value::as_str).unwrap_or_default()
}
