//! `<remoteCSE>` (TS-0004 tables 7.4.4.1-2, 7.4.4.1-3).

use onem2m::{
    id::{CseId, SpId},
    resource::attr,
};
use serde_json::{Map, Value, json};

use super::{
    Form,
    Presence::{Mandatory as M, NotPermitted as NP, Optional as O, Unsupported as Un},
    Rule, Table, cse_of_address, rule,
};
use crate::refuse::{Decided, Refuse};

pub(crate) static REMOTE_CSE: Table = Table {
    element: "m2m:csr",
    resource: "<remoteCSE>",
    clause: "TS-0004 §7.4.4.1",
    rules: RULES,
    of_equipment: &[attr::CB, attr::CST, attr::POA, attr::RR, attr::SRV, attr::NL, attr::DCSE],
};

const RULES: &[Rule] = &[
    rule(attr::RN, O, NP, Form::Name, true),
    rule(attr::TY, NP, NP, Form::Any, true),
    rule(attr::RI, NP, NP, Form::Any, true),
    rule(attr::PI, NP, NP, Form::Any, true),
    rule(attr::CT, NP, NP, Form::Any, true),
    rule(attr::LT, NP, NP, Form::Any, true),
    rule(attr::CB, M, NP, Form::Address, true),
    rule(attr::CSI, O, NP, Form::CseId, true),
    rule(attr::CST, O, NP, Form::CseType, true),
    rule(attr::RR, M, O, Form::Boolean, true),
    rule(attr::SRV, M, O, Form::Releases, true),
    // null in an UPDATE of et lets the CSE choose again (TS-0001 §9.6.1.3.2), hence not kept.
    rule(attr::ET, O, O, Form::Time, false),
    rule(attr::LBL, O, O, Form::Labels, false),
    rule(attr::POA, O, O, Form::PointsOfAccess, false),
    rule(attr::NL, O, O, Form::Text, false),
    rule(attr::CSZ, O, O, Form::Serializations, false),
    rule(attr::DCSE, O, O, Form::CseIds, false),
    rule(attr::ACPI, Un, Un, Form::Any, false),
    rule(attr::AT, Un, Un, Form::Any, false),
    rule(attr::AA, Un, Un, Form::Any, false),
    rule(attr::DACI, Un, Un, Form::Any, false),
    rule(attr::ESI, Un, Un, Form::Any, false),
    rule(attr::MEI, Un, Un, Form::Any, false),
    rule(attr::TRI, Un, Un, Form::Any, false),
    rule(attr::TRN, Un, Un, Form::Any, false),
    rule(attr::TREN, Un, Un, Form::Any, false),
    rule(attr::APE, Un, Un, Form::Any, false),
    rule(attr::MTCC, Un, Un, Form::Any, false),
    rule(attr::EGID, Un, Un, Form::Any, false),
];

/// Checks what the attributes of a `<remoteCSE>` say of other CSEs than `originator`, whom it represents, and
/// sets `csi` to it (TS-0004 §7.4.4.2.1). `home` is the receiver.
pub(crate) fn named_cse(
    attributes: &mut Map<String, Value>,
    originator: &CseId,
    home: &CseId,
) -> Decided<()> {
    let given = attributes.get(attr::CSI).map(|given| REMOTE_CSE.cse_id(attr::CSI, given, home.sp()));
    if given.transpose()?.is_some_and(|given| given != *originator) {
        return Err(Refuse::bad("m2m:csr.csi is not the CSE-ID in From (TS-0004 §7.4.4.2.1)"));
    }
    let base = attributes.get(attr::CB).and_then(Value::as_str);
    if base.and_then(|text| cse_of_address(text, home.sp())).is_some_and(|named| named != *originator) {
        return Err(Refuse::bad("m2m:csr.cb is the address of another CSE than the one in From"));
    }
    named_descendants(attributes, originator, home)?;
    let csi = if originator.sp() == home.sp() { originator.sp_relative() } else { originator.to_string() };
    attributes.insert(attr::CSI.into(), json!(csi));
    Ok(())
}

/// Checks the routing list in `attributes`, if there is one: neither the receiver nor the registree itself is
/// below the registree.
pub(crate) fn named_descendants(
    attributes: &Map<String, Value>,
    originator: &CseId,
    home: &CseId,
) -> Decided<()> {
    let Some(given) = attributes.get(attr::DCSE) else { return Ok(()) };
    let listed = REMOTE_CSE.cse_ids(attr::DCSE, given, home.sp())?;
    if listed.iter().any(|cse| cse == originator || cse == home) {
        return Err(Refuse::bad("m2m:csr.dcse: neither this CSE nor the registree is below the registree"));
    }
    Ok(())
}

/// The CSEs of a stored routing list.
pub(crate) fn descendants(attributes: &Map<String, Value>, sp: &SpId) -> Vec<CseId> {
    let members = attributes.get(attr::DCSE).and_then(Value::as_array).into_iter().flatten();
    members.filter_map(Value::as_str).filter_map(|text| CseId::parse_in(text, sp).ok()).collect()
}
