//! Which attributes of a resource a request may carry, and in which form: the tables of TS-0004 §7.4, one file
//! each, and what reads a content by them.

mod ae;
mod remote_cse;

use onem2m::{
    address::{Scope, Target},
    id::{AppId, CseId, ResourceName, SpId},
    resource::{
        FormError, attr, check_labels, check_points_of_access, check_release_versions, check_serializations,
    },
    time::Timestamp,
};
use serde_json::{Map, Value};

use crate::refuse::{Decided, Refuse};

pub(crate) use ae::AE;
pub(crate) use remote_cse::{REMOTE_CSE, descendants, named_cse, named_descendants};

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
    /// The address of a `<CSEBase>`.
    Address,
    CseId,
    CseIds,
    CseType,
    Boolean,
    Time,
    Labels,
    PointsOfAccess,
    Serializations,
    Releases,
    /// Never looked at.
    Any,
}

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

/// One resource type's table.
pub(crate) struct Table {
    element: &'static str,
    resource: &'static str,
    clause: &'static str,
    rules: &'static [Rule],
    /// Attributes that new equipment brings with it: what it does not give, the old equipment's value must not
    /// remain for (register A-34).
    pub(crate) of_equipment: &'static [&'static str],
}

/// The attributes of a CREATE, checked, with `rn`, `et` and the App-ID's letter taken out.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) name: Option<ResourceName>,
    pub(crate) expires: Option<Timestamp>,
    /// Why the App-ID is not one, to be raised after the check for a second registration.
    pub(crate) app_id_fault: Option<Refuse>,
    pub(crate) attributes: Map<String, Value>,
}

/// What an UPDATE changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// `Some(None)`: let the CSE choose again.
    pub(crate) expires: Option<Option<Timestamp>>,
    pub(crate) set: Map<String, Value>,
    pub(crate) remove: Vec<String>,
}

impl Table {
    /// Reads the content of a CREATE. Identifiers in SP-relative form are of the domain `sp`.
    pub(crate) fn new_resource(&self, content: Option<&Value>, sp: &SpId) -> Decided<New> {
        let given = self.element(content)?;
        for rule in self.rules {
            let present = given.contains_key(rule.name);
            match rule.create {
                Presence::Mandatory if !present => {
                    let (element, name, clause) = (self.element, rule.name, self.clause);
                    return Err(Refuse::bad(format!("{element}.{name} is missing ({clause})")));
                }
                Presence::NotPermitted if present => return Err(self.not_permitted(rule.name)),
                Presence::Unsupported if present => return Err(self.unsupported(rule.name)),
                _ => {}
            }
        }
        let mut new = New { name: None, expires: None, app_id_fault: None, attributes: Map::new() };
        for (name, value) in given {
            let rule = self.known(name)?;
            if value.is_null() {
                return Err(Refuse::bad(format!("{}.{name}: null creates nothing", self.element)));
            }
            match rule.form {
                Form::Name => new.name = Some(self.resource_name(value)?),
                Form::Time => new.expires = Some(self.time(rule.name, value)?),
                form => {
                    if form == Form::AppId {
                        new.app_id_fault = self.app_id(value)?;
                    }
                    self.check_form(name, form, value, sp)?;
                    new.attributes.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(new)
    }

    /// Reads the content of an UPDATE. Identifiers in SP-relative form are of the domain `sp`.
    pub(crate) fn changes(&self, content: Option<&Value>, sp: &SpId) -> Decided<Changes> {
        let mut changes = Changes::default();
        let given = self.element(content)?;
        if given.contains_key(attr::ACPI) && given.len() > 1 {
            let text = format!("{}.acpi is changed alone (TS-0001 §9.6.1.3.2)", self.element);
            return Err(Refuse::bad(text));
        }
        for (name, value) in given {
            let rule = self.known(name)?;
            match rule.update {
                Presence::NotPermitted => return Err(self.not_permitted(name)),
                Presence::Unsupported => return Err(self.unsupported(name)),
                Presence::Mandatory | Presence::Optional => {}
            }
            match (rule.form, value) {
                (Form::Time, Value::Null) => changes.expires = Some(None),
                (Form::Time, value) => changes.expires = Some(Some(self.time(name, value)?)),
                (_, Value::Null) if rule.kept => {
                    return Err(Refuse::bad(format!("{}.{name} cannot be removed", self.element)));
                }
                (_, Value::Null) => changes.remove.push(name.clone()),
                (form, value) => {
                    self.check_form(name, form, value, sp)?;
                    changes.set.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(changes)
    }

    /// Whether the content is of this type and gives no attribute at all.
    pub(crate) fn is_bare(&self, content: Option<&Value>) -> bool {
        let wrapper = content.and_then(Value::as_object).filter(|object| object.len() == 1);
        let given = wrapper.and_then(|object| object.get(self.element)).and_then(Value::as_object);
        given.is_some_and(Map::is_empty)
    }

    /// The member that holds the representation, e.g. `m2m:ae`.
    pub(crate) const fn element_name(&self) -> &'static str {
        self.element
    }

    fn element<'a>(&self, content: Option<&'a Value>) -> Decided<&'a Map<String, Value>> {
        let element = self.element;
        let wrong = || Refuse::bad(format!("content: expected an object with the one member \"{element}\""));
        let wrapper =
            content.and_then(Value::as_object).filter(|object| object.len() == 1).ok_or_else(wrong)?;
        let given = wrapper.get(element).and_then(Value::as_object).ok_or_else(wrong)?;
        if given.is_empty() {
            return Err(Refuse::bad(format!("{element} is empty")));
        }
        Ok(given)
    }

    fn known(&self, name: &str) -> Decided<&'static Rule> {
        self.rules.iter().find(|rule| rule.name == name).ok_or_else(|| {
            let shown: String = name.escape_debug().take(64).collect();
            let (element, resource, clause) = (self.element, self.resource, self.clause);
            Refuse::bad(format!("{element}.{shown} is not an attribute of {resource} ({clause})"))
        })
    }

    fn not_permitted(&self, name: &str) -> Refuse {
        Refuse::bad(format!("{}.{name} is set by the CSE and may not be given here", self.element))
    }

    fn unsupported(&self, name: &str) -> Refuse {
        Refuse::not_implemented(format!("{}.{name} is not supported", self.element))
    }

    fn expected(&self, name: &str, what: &str) -> Refuse {
        Refuse::bad(format!("{}.{name}: expected {what}", self.element))
    }

    fn text<'a>(&self, name: &str, value: &'a Value) -> Decided<&'a str> {
        value.as_str().ok_or_else(|| self.expected(name, "a string"))
    }

    fn time(&self, name: &str, value: &Value) -> Decided<Timestamp> {
        let element = self.element;
        let text = self.text(name, value)?;
        text.parse().map_err(|error| Refuse::bad(format!("{element}.{name}: {error}")))
    }

    fn resource_name(&self, value: &Value) -> Decided<ResourceName> {
        ResourceName::for_creation(self.text(attr::RN, value)?)
            .map_err(|error| Refuse::bad(format!("{}.rn: {error}", self.element)))
    }

    /// The outer error is a wrong type; the inner one a wrong App-ID, which the standard checks later.
    fn app_id(&self, value: &Value) -> Decided<Option<Refuse>> {
        let fault = self.text(attr::API, value)?.parse::<AppId>().err();
        Ok(fault.map(|error| Refuse::bad(format!("{}.api: {error}", self.element))))
    }

    fn check_form(&self, name: &str, form: Form, value: &Value, sp: &SpId) -> Decided<()> {
        let element = self.element;
        let list = |checked: Result<(), FormError>| {
            checked.map_err(|error| Refuse::bad(format!("{element}.{name}: {error}")))
        };
        match form {
            Form::Text => self.text(name, value).map(|_| ()),
            Form::Address => is_address(self.text(name, value)?)
                .then_some(())
                .ok_or_else(|| self.expected(name, "the address of a <CSEBase>, e.g. /mn-cse/base")),
            Form::CseId => self.cse_id(name, value, sp).map(|_| ()),
            Form::CseIds => self.cse_ids(name, value, sp).map(|_| ()),
            Form::CseType if value.as_u64().is_some_and(|code| (1..=3).contains(&code)) => Ok(()),
            Form::CseType => Err(self.expected(name, "1 (IN), 2 (MN) or 3 (ASN)")),
            Form::Boolean if value.is_boolean() => Ok(()),
            Form::Boolean => Err(self.expected(name, "true or false")),
            Form::Labels => list(check_labels(value)),
            Form::PointsOfAccess => list(check_points_of_access(value)),
            Form::Serializations => list(check_serializations(value)),
            Form::Releases => list(check_release_versions(value)),
            Form::Name | Form::AppId | Form::Time | Form::Any => Ok(()),
        }
    }

    fn cse_id(&self, name: &str, value: &Value, sp: &SpId) -> Decided<CseId> {
        CseId::parse_in(self.text(name, value)?, sp)
            .map_err(|error| Refuse::bad(format!("{}.{name}: {error}", self.element)))
    }

    fn cse_ids(&self, name: &str, value: &Value, sp: &SpId) -> Decided<Vec<CseId>> {
        let members = value.as_array().filter(|members| !members.is_empty());
        let members = members.ok_or_else(|| self.expected(name, "an array of CSE-IDs with a member"))?;
        if members.len() > MAX_DESCENDANTS {
            return Err(self.expected(name, "at most 1000 CSE-IDs"));
        }
        members.iter().map(|member| self.cse_id(name, member, sp)).collect()
    }
}

/// Most entries of a routing list.
pub(crate) const MAX_DESCENDANTS: usize = 1000;

/// An xs:anyURI that can be an address of ours, or of another kind: what is certain is that it has no spaces and
/// is not endless.
fn is_address(text: &str) -> bool {
    !text.is_empty() && text.len() <= 1024 && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// The CSE that an address names, if it has the form of one.
fn cse_of_address(text: &str, sp: &SpId) -> Option<CseId> {
    match Target::parse(text).ok()?.scope() {
        Scope::CseRelative => None,
        Scope::SpRelative { cse } => Some(CseId::new(sp.clone(), cse.clone())),
        Scope::Absolute { sp, cse } => Some(CseId::new(sp.clone(), cse.clone())),
    }
}
