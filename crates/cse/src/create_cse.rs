//! CREATE `<remoteCSE>`: the registration of a CSE (TS-0001 §10.2.2.7, TS-0004 §7.4.4.2.1).

use identity::{CseType, Speaker};
use onem2m::id::{CseId, EntityId, ResourceName};

use crate::{
    decision::Decision,
    marks,
    refuse::{Decided, Refuse},
    registration::{Registering, already_registered, expiry},
    representation::{REMOTE_CSE, named_cse},
    resolve::remote_cse_id,
};

/// The CSE that `speaker` may register.
pub(crate) fn registree(speaker: &Speaker) -> Decided<&CseId> {
    match speaker {
        Speaker::Cse(cse) => Ok(cse),
        Speaker::Ae(_) | Speaker::Claim(_) | Speaker::Unassigned(_) => {
            let refuse = Refuse::not_allowed("an AE does not create a <remoteCSE> (TS-0004 §7.4.4.2.1)");
            Err(Refuse { of_originator: true, ..refuse })
        }
        Speaker::Behind(..) => Err(Refuse::not_yours()),
    }
}

/// Decides a CREATE `<remoteCSE>` of `cse`. The order of the checks: this CSE's kind, target, representation,
/// second registration, name.
pub(crate) fn decide(making: &Registering<'_>, cse: &CseId) -> Decided<Decision> {
    let home = &making.settings.home;
    if home.cse_type == CseType::Asn {
        return Err(Refuse::not_allowed("an ASN-CSE registers no CSE (TS-0004 §7.4.4.2.1)"));
    }
    making.is_below_the_base()?;
    let mut new = REMOTE_CSE.new_resource(making.request.pc.as_ref(), home.cse.sp())?;
    named_cse(&mut new.attributes, cse, &home.cse)?;
    let expires = expiry(making.settings, &REMOTE_CSE, new.expires, making.now)?;
    let entity = EntityId::Cse(cse.clone());
    if let Some(old) = making.registered {
        marks::awaits(old).ok_or_else(already_registered)?;
        return Ok(making.replacement(entity, making.taken_over(&REMOTE_CSE, old, new, expires)));
    }
    // The name of a CSE may hold what a resourceName may not.
    let obvious = cse.name().as_str().parse::<ResourceName>().map_or("csr", |_| cse.name().as_str());
    let name = making.name(new.name, obvious)?;
    let ri = remote_cse_id(making.settings, cse);
    let resource = making.resource(&ri, name, &entity, expires, new.attributes);
    Ok(making.new_registration(entity, resource, String::new()))
}
