//! Which attributes of an `<AE>` a request may carry, and in which form (TS-0004 tables 7.4.5.1-2, 7.4.5.1-3).

use onem2m::{
    id::{AppId, ResourceName},
    resource::{
        FormError, attr, check_labels, check_points_of_access, check_release_versions, check_serializations,
    },
    time::Timestamp,
};
use serde_json::{Map, Value};

use crate::refuse::{Decided, Refuse};

/// Whether an attribute may, must or must not be in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presence {
    Mandatory,
    Optional,
    NotPermitted,
    /// Optional in the standard, not supported here: 5001.
    Unsupported,
}

/// The form of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Name,
    AppId,
    Text,
    Boolean,
    Time,
    Labels,
    PointsOfAccess,
    Serializations,
    Releases,
    /// Never looked at.
    Any,
}

use Presence::{Mandatory as M, NotPermitted as NP, Optional as O, Unsupported as Un};

struct Rule {
    name: &'static str,
    create: Presence,
    update: Presence,
    form: Form,
    /// Multiplicity 1 once stored: `null` cannot remove it.
    kept: bool,
}

const fn rule(name: &'static str, create: Presence, update: Presence, form: Form, kept: bool) -> Rule {
    Rule { name, create, update, form, kept }
}

const AE: &[Rule] = &[
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

const ELEMENT: &str = "m2m:ae";

/// The attributes of a CREATE `<AE>`, checked, with `rn`, `et` and the App-ID's letter taken out.
#[derive(Debug)]
pub(crate) struct NewAe {
    pub(crate) name: Option<ResourceName>,
    pub(crate) expires: Option<Timestamp>,
    /// Why the App-ID is not one, to be raised after the check for a second registration.
    pub(crate) app_id_fault: Option<Refuse>,
    pub(crate) attributes: Map<String, Value>,
}

/// Reads the content of a CREATE `<AE>`.
pub(crate) fn new_ae(content: Option<&Value>) -> Decided<NewAe> {
    let given = element(content)?;
    for rule in AE {
        let present = given.contains_key(rule.name);
        match rule.create {
            M if !present => {
                return Err(Refuse::bad(format!("{ELEMENT}.{} is missing (TS-0004 §7.4.5.1)", rule.name)));
            }
            NP if present => return Err(not_permitted(rule.name)),
            Un if present => return Err(unsupported(rule.name)),
            _ => {}
        }
    }
    let mut new = NewAe { name: None, expires: None, app_id_fault: None, attributes: Map::new() };
    for (name, value) in given {
        let rule = known(name)?;
        if value.is_null() {
            return Err(Refuse::bad(format!("{ELEMENT}.{name}: null creates nothing")));
        }
        match rule.form {
            Form::Name => new.name = Some(resource_name(value)?),
            Form::Time => new.expires = Some(time(rule.name, value)?),
            Form::AppId => {
                new.app_id_fault = app_id(value)?;
                new.attributes.insert(name.clone(), value.clone());
            }
            form => {
                check_form(name, form, value)?;
                new.attributes.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(new)
}

/// What an UPDATE `<AE>` changes.
#[derive(Debug, Default)]
pub(crate) struct AeChanges {
    /// `Some(None)`: let the CSE choose again.
    pub(crate) expires: Option<Option<Timestamp>>,
    pub(crate) set: Map<String, Value>,
    pub(crate) remove: Vec<String>,
}

/// Reads the content of an UPDATE `<AE>`.
pub(crate) fn ae_changes(content: Option<&Value>) -> Decided<AeChanges> {
    let mut changes = AeChanges::default();
    for (name, value) in element(content)? {
        let rule = known(name)?;
        match rule.update {
            NP => return Err(not_permitted(name)),
            Un => return Err(unsupported(name)),
            M | O => {}
        }
        match (rule.form, value) {
            (Form::Time, Value::Null) => changes.expires = Some(None),
            (Form::Time, value) => changes.expires = Some(Some(time(name, value)?)),
            (_, Value::Null) if rule.kept => {
                return Err(Refuse::bad(format!("{ELEMENT}.{name} cannot be removed")));
            }
            (_, Value::Null) => changes.remove.push(name.clone()),
            (form, value) => {
                check_form(name, form, value)?;
                changes.set.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(changes)
}

fn element(content: Option<&Value>) -> Decided<&Map<String, Value>> {
    let wrong = || Refuse::bad(format!("content: expected an object with the one member \"{ELEMENT}\""));
    let wrapper = content.and_then(Value::as_object).filter(|object| object.len() == 1).ok_or_else(wrong)?;
    let given = wrapper.get(ELEMENT).and_then(Value::as_object).ok_or_else(wrong)?;
    if given.is_empty() {
        return Err(Refuse::bad(format!("{ELEMENT} is empty")));
    }
    Ok(given)
}

fn known(name: &str) -> Decided<&'static Rule> {
    AE.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let shown: String = name.escape_debug().take(64).collect();
        Refuse::bad(format!("{ELEMENT}.{shown} is not an attribute of <AE> (TS-0004 §7.4.5.1)"))
    })
}

fn not_permitted(name: &str) -> Refuse {
    Refuse::bad(format!("{ELEMENT}.{name} is set by the CSE and may not be given here"))
}

fn unsupported(name: &str) -> Refuse {
    Refuse::not_implemented(format!("{ELEMENT}.{name} is not supported"))
}

fn expected(name: &str, what: &str) -> Refuse {
    Refuse::bad(format!("{ELEMENT}.{name}: expected {what}"))
}

fn text<'a>(name: &str, value: &'a Value) -> Decided<&'a str> {
    value.as_str().ok_or_else(|| expected(name, "a string"))
}

fn time(name: &str, value: &Value) -> Decided<Timestamp> {
    text(name, value)?.parse().map_err(|error| Refuse::bad(format!("{ELEMENT}.{name}: {error}")))
}

fn resource_name(value: &Value) -> Decided<ResourceName> {
    ResourceName::for_creation(text(attr::RN, value)?)
        .map_err(|error| Refuse::bad(format!("{ELEMENT}.rn: {error}")))
}

/// The outer error is a wrong type; the inner one a wrong App-ID, which the standard checks later.
fn app_id(value: &Value) -> Decided<Option<Refuse>> {
    let fault = text(attr::API, value)?.parse::<AppId>().err();
    Ok(fault.map(|error| Refuse::bad(format!("{ELEMENT}.api: {error}"))))
}

fn check_form(name: &str, form: Form, value: &Value) -> Decided<()> {
    let list = |checked: Result<(), FormError>| {
        checked.map_err(|error| Refuse::bad(format!("{ELEMENT}.{name}: {error}")))
    };
    match form {
        Form::Text => text(name, value).map(|_| ()),
        Form::Boolean if value.is_boolean() => Ok(()),
        Form::Boolean => Err(expected(name, "true or false")),
        Form::Labels => list(check_labels(value)),
        Form::PointsOfAccess => list(check_points_of_access(value)),
        Form::Serializations => list(check_serializations(value)),
        Form::Releases => list(check_release_versions(value)),
        Form::Name | Form::AppId | Form::Time | Form::Any => Ok(()),
    }
}
