//! CREATE `<AE>`: the registration of an AE (TS-0001 §10.2.2.2, TS-0004 §7.4.5.2.1).

use identity::{CseType, Speaker};
use keys::CredentialId;
use onem2m::{
    id::{AeId, AeIdStem, EntityId, ResourceName, StemKind},
    primitive::Request,
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
    time::Timestamp,
};
use serde_json::{Map, Value, json};
use store::Resource;

use crate::{
    decision::{AuditLine, Change, Decision},
    receive::Checked,
    refuse::{Decided, Refuse},
    render, representation,
    settings::Settings,
};

/// What the records say at the moment of the decision.
pub(crate) struct Records<'a> {
    /// The resource that the request addresses.
    pub(crate) target: &'a Resource,
    /// The AE-ID to register: the one the association is bound to, or a fresh one.
    pub(crate) ae: &'a AeId,
    /// True if `ae` was drawn for this request and is not bound to the credential yet.
    pub(crate) fresh: bool,
    /// What is registered under that AE-ID.
    pub(crate) registered: Option<&'a Resource>,
    /// Whether a child of the target has this name.
    pub(crate) name_taken: &'a dyn Fn(&str) -> Decided<bool>,
}

/// Octets of randomness that a registration takes along: for four stems of 64 bits.
pub(crate) const RANDOM_OCTETS: usize = 32;

/// Whose registration it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Of the AE-ID that the association is bound to.
    Known(AeId),
    /// Of an AE-ID that has yet to be drawn, with this letter.
    Fresh(StemKind),
}

/// Which AE-ID a registration by `speaker` is about (TS-0001 §10.2.2.2).
///
/// An S-type stem comes from the IN-CSE by way of `<AEAnnc>`, which does not exist here yet: an MN-CSE
/// answers 5001. An IN-CSE picks it itself.
pub(crate) fn whose(settings: &Settings, speaker: &Speaker) -> Decided<Whose> {
    match speaker {
        Speaker::Ae(ae) => Ok(Whose::Known(ae.clone())),
        Speaker::Cse(_) | Speaker::Behind(..) => Err(Refuse::new(
            ResponseStatusCode::OperationNotAllowed,
            "a CSE does not register as an AE (TS-0004 §7.4.5.2.1)",
        )),
        Speaker::Claim(_) => Err(Refuse::new(
            ResponseStatusCode::OriginatorNotAuthenticated,
            "From is not an identity that this sender may speak for",
        )),
        Speaker::Unassigned(Some(StemKind::S)) if settings.home.cse_type != CseType::In => {
            Err(Refuse::not_implemented(
                "an AE-ID of type S needs <AEAnnc> at the IN-CSE, which is not supported",
            ))
        }
        Speaker::Unassigned(letter) => Ok(Whose::Fresh(letter.unwrap_or(StemKind::C))),
    }
}

/// AE-IDs made of `random`, to be tried in this order.
pub(crate) fn candidates(settings: &Settings, letter: StemKind, random: [u8; RANDOM_OCTETS]) -> Vec<AeId> {
    let stem = |octets: &[u8]| AeIdStem::issue(letter, &hex(octets)).ok();
    let stems = random.chunks_exact(8).filter_map(stem);
    stems.map(|stem| AeId::of_stem(&settings.home.cse, stem)).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Decides a CREATE `<AE>`. The order of the checks is that of access control clause 4.3 of our sheets: target,
/// representation, second registration, App-ID, name.
pub(crate) fn decide(
    settings: &Settings,
    request: &Request,
    checked: &Checked,
    records: &Records<'_>,
    credential: &CredentialId,
    now: Timestamp,
) -> Decided<Decision> {
    if records.target.ty != ResourceType::CseBase.code() {
        return Err(Refuse::new(
            ResponseStatusCode::InvalidChildResourceType,
            "an <AE> is created below the <CSEBase> (TS-0004 table 7.4.3.1-4)",
        ));
    }
    let new = representation::new_ae(request.pc.as_ref())?;
    let expires = expiry(settings, new.expires, now)?;
    if records.registered.is_some() {
        return Err(Refuse::new(
            ResponseStatusCode::OriginatorHasAlreadyRegistered,
            format!("{} is registered; UPDATE or DELETE its <AE>", records.ae.stem()),
        ));
    }
    if let Some(fault) = new.app_id_fault {
        return Err(fault);
    }
    let name = name(new.name, records)?;
    let mut attributes = new.attributes;
    attributes.insert(attr::AEI.into(), json!(records.ae.stem().as_str()));
    let entity = EntityId::Ae(records.ae.clone());
    let resource = Resource {
        ri: records.ae.stem().as_str().to_owned(),
        ty: ResourceType::Ae.code(),
        rn: name,
        pi: records.target.ri.clone(),
        ct: now,
        lt: now,
        et: Some(expires),
        creator: Some(entity.to_string()),
        credential_id: Some(credential.clone()),
        attributes,
    };
    let address = format!("{}/{}", settings.base_name, resource.rn);
    let content = render::content(&resource, &address, given(request), checked.result_content);
    let audit = AuditLine {
        action: "registration.create",
        entity: entity.to_string(),
        detail: format!(
            "App-ID {}",
            resource.attributes.get(attr::API).and_then(Value::as_str).unwrap_or("")
        ),
    };
    let mut changes = vec![Change::Insert(resource)];
    if records.fresh {
        changes.push(Change::Assign(credential.clone(), entity.clone()));
    }
    Ok(Decision {
        reply: render::reply(ResponseStatusCode::Created, request, content),
        changes,
        audit: Some(audit),
        bind: Some(entity),
    })
}

/// When a registration ends that asks for `wanted`: no later than policy allows (TS-0001 §9.6.1.3.2).
pub(crate) fn expiry(settings: &Settings, wanted: Option<Timestamp>, now: Timestamp) -> Decided<Timestamp> {
    let latest = now.checked_add(settings.registration_lifetime).unwrap_or(now);
    match wanted {
        Some(wanted) if wanted <= now => Err(Refuse::bad("m2m:ae.et has passed")),
        Some(wanted) => Ok(wanted.min(latest)),
        None => Ok(latest),
    }
}

fn name(wanted: Option<ResourceName>, records: &Records<'_>) -> Decided<String> {
    let stem = records.ae.stem().as_str();
    match wanted {
        Some(name) if (records.name_taken)(name.as_str())? => {
            Err(Refuse::new(ResponseStatusCode::Conflict, "m2m:ae.rn: a resource of this name exists here"))
        }
        Some(name) => Ok(name.as_str().to_owned()),
        None if (records.name_taken)(stem)? => free_name(stem, records),
        None => Ok(stem.to_owned()),
    }
}

/// The stem is the obvious name; if another AE chose to be called so, a number follows it.
fn free_name(stem: &str, records: &Records<'_>) -> Decided<String> {
    for number in 2..100 {
        let name = format!("{stem}-{number}");
        if !(records.name_taken)(&name)? {
            return Ok(name);
        }
    }
    Err(Refuse::new(ResponseStatusCode::Conflict, "m2m:ae.rn is missing and no free name was found"))
}

/// The attributes that the request gave.
pub(crate) fn given(request: &Request) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    request
        .pc
        .as_ref()
        .and_then(Value::as_object)
        .and_then(|wrapper| wrapper.values().next())
        .and_then(Value::as_object)
        .unwrap_or(&NONE)
}
