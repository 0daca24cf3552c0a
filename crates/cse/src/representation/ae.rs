//! `<AE>` (TS-0004 tables 7.4.5.1-2, 7.4.5.1-3).

use onem2m::resource::attr;

use super::{
    Form,
    Presence::{Mandatory as M, NotPermitted as NP, Optional as O, Unsupported as Un},
    Rule, Table, rule,
};

pub(crate) static AE: Table = Table {
    element: "m2m:ae",
    resource: "<AE>",
    clause: "TS-0004 §7.4.5.1",
    rules: RULES,
    of_equipment: &[attr::API, attr::POA, attr::RR, attr::SRV, attr::NL],
};

const RULES: &[Rule] = &[
    rule(attr::RN, O, NP, Form::Name, true),
    rule(attr::TY, NP, NP, Form::Any, true),
    rule(attr::RI, NP, NP, Form::Any, true),
    rule(attr::PI, NP, NP, Form::Any, true),
    rule(attr::CT, NP, NP, Form::Any, true),
    rule(attr::LT, NP, NP, Form::Any, true),
    rule(attr::AEI, NP, NP, Form::Any, true),
    rule(attr::API, M, NP, Form::AppId, true),
    rule(attr::RR, M, O, Form::Boolean, true),
    rule(attr::SRV, M, O, Form::Releases, true),
    // null in an UPDATE of et lets the CSE choose again (TS-0001 §9.6.1.3.2), hence not kept.
    rule(attr::ET, O, O, Form::Time, false),
    rule(attr::LBL, O, O, Form::Labels, false),
    rule(attr::APN, O, O, Form::Text, false),
    rule(attr::POA, O, O, Form::PointsOfAccess, false),
    rule(attr::OR, O, O, Form::Text, false),
    rule(attr::NL, O, O, Form::Text, false),
    rule(attr::CSZ, O, O, Form::Serializations, false),
    rule(attr::ACPI, Un, Un, Form::Any, false),
    rule(attr::AT, Un, Un, Form::Any, false),
    rule(attr::AA, Un, Un, Form::Any, false),
    rule(attr::DACI, Un, Un, Form::Any, false),
    rule(attr::ESI, Un, Un, Form::Any, false),
    rule(attr::MEI, Un, Un, Form::Any, false),
    rule(attr::REGS, Un, Un, Form::Any, false),
    rule(attr::TRPS, Un, Un, Form::Any, false),
    rule(attr::SCP, Un, Un, Form::Any, false),
    rule(attr::TREN, Un, Un, Form::Any, false),
    rule(attr::APE, Un, Un, Form::Any, false),
    rule(attr::TRI, Un, Un, Form::Any, false),
    rule(attr::TRN, Un, Un, Form::Any, false),
];
