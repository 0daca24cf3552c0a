//! What registrations of AEs and of CSEs have in common.

use identity::{Channel, OsPeer};
use onem2m::{
    id::{EntityId, ResourceName},
    primitive::Request,
    resource::ResourceType,
    status::ResponseStatusCode,
    time::Timestamp,
};
use serde_json::{Map, Value};
use store::Resource;

use crate::{
    decision::{AuditLine, Change, Decision},
    marks,
    receive::Checked,
    refuse::{Decided, Refuse},
    render,
    representation::{New, Table},
    settings::Settings,
    subscription,
};

/// A registration in the making, with the records around it at the moment of the decision.
pub(crate) struct Registering<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) channel: &'a Channel,
    pub(crate) request: &'a Request,
    pub(crate) checked: &'a Checked,
    /// The resource that the request addresses.
    pub(crate) target: &'a Resource,
    /// The live registration of the entity, if there is one.
    pub(crate) registered: Option<&'a Resource>,
    /// Whether a live child of the target has this name.
    pub(crate) name_taken: &'a dyn Fn(&str) -> Decided<bool>,
    pub(crate) now: Timestamp,
}

impl Registering<'_> {
    /// Both kinds are registered below the `<CSEBase>` (TS-0004 table 7.4.3.1-4).
    pub(crate) fn is_below_the_base(&self) -> Decided<()> {
        if self.target.ty == ResourceType::CseBase.code() {
            return Ok(());
        }
        Err(Refuse::new(
            ResponseStatusCode::InvalidChildResourceType,
            "a registration is created below the <CSEBase> (TS-0004 table 7.4.3.1-4)",
        ))
    }

    /// The name that a new resource gets: the one asked for, else `obvious`, with a number if that is taken.
    pub(crate) fn name(&self, wanted: Option<ResourceName>, obvious: &str) -> Decided<String> {
        let taken = |name: &str| Ok::<_, Refuse>(subscription::is_reserved(name) || (self.name_taken)(name)?);
        let conflict = |text: &str| Refuse::new(ResponseStatusCode::Conflict, text);
        match wanted {
            Some(name) if taken(name.as_str())? => {
                return Err(conflict("rn: a resource of this name exists here"));
            }
            Some(name) => return Ok(name.as_str().to_owned()),
            None if !taken(obvious)? => return Ok(obvious.to_owned()),
            None => {}
        }
        for number in 2..100 {
            let name = format!("{obvious}-{number}");
            if !taken(&name)? {
                return Ok(name);
            }
        }
        Err(conflict("rn is missing and no free name was found"))
    }

    /// A new registration of `entity`.
    pub(crate) fn resource(
        &self,
        ri: &str,
        name: String,
        entity: &EntityId,
        expires: Timestamp,
        attributes: Map<String, Value>,
    ) -> Resource {
        let ty = match entity {
            EntityId::Ae(_) => ResourceType::Ae,
            EntityId::Cse(_) => ResourceType::RemoteCse,
        };
        Resource {
            ri: ri.to_owned(),
            ty: ty.code(),
            rn: name,
            pi: self.target.ri.clone(),
            ct: self.now,
            lt: self.now,
            et: Some(expires),
            creator: Some(entity.to_string()),
            credential_id: self.channel.credential_id().cloned(),
            attributes,
        }
    }

    /// The registration `old` as its new equipment takes it over (register A-34): it keeps its identifiers, its
    /// name and what lies below it; what belongs to the equipment is replaced.
    pub(crate) fn taken_over(&self, table: &Table, old: &Resource, new: New, expires: Timestamp) -> Resource {
        let mut resource = old.clone();
        for name in table.of_equipment {
            resource.attributes.remove(*name);
        }
        resource.attributes.extend(new.attributes);
        marks::set_awaits(&mut resource.attributes, None);
        marks::set_holder(&mut resource.attributes, self.local());
        resource.credential_id = self.channel.credential_id().cloned();
        resource.et = Some(expires);
        resource.lt = self.now;
        resource
    }

    /// The local peer at the other end, outside of an association.
    pub(crate) const fn local(&self) -> Option<&OsPeer> {
        match self.channel {
            Channel::Local(peer) => Some(peer),
            Channel::Association(_) | Channel::Clear(_) => None,
        }
    }

    /// The decision to register `entity` with `resource`, which is new.
    pub(crate) fn new_registration(&self, entity: EntityId, resource: Resource, detail: String) -> Decision {
        let content = self.content(&resource);
        self.decision(entity, "registration.create", detail, content, Change::Insert(resource))
    }

    /// The decision to let new equipment of `entity` take `resource` over.
    pub(crate) fn replacement(&self, entity: EntityId, resource: Resource) -> Decision {
        let detail = "new equipment took the registration over".to_owned();
        let content = self.content(&resource);
        self.decision(entity, "registration.replace", detail, content, Change::Replace(resource))
    }

    fn content(&self, resource: &Resource) -> Option<Value> {
        let address = format!("{}/{}", self.target.rn, resource.rn);
        render::created(resource, &address, given(self.request), self.checked.result_content)
    }

    fn decision(
        &self,
        entity: EntityId,
        action: &'static str,
        detail: String,
        content: Option<Value>,
        change: Change,
    ) -> Decision {
        Decision {
            reply: render::reply(ResponseStatusCode::Created, self.request, content),
            changes: vec![change],
            audit: Some(AuditLine { action, entity: entity.to_string(), detail }),
            bind: Some(entity),
        }
    }
}

/// When a registration ends that asks for `wanted`: no later than policy allows (TS-0001 §9.6.1.3.2).
pub(crate) fn expiry(
    settings: &Settings,
    table: &Table,
    wanted: Option<Timestamp>,
    now: Timestamp,
) -> Decided<Timestamp> {
    let latest = now.checked_add(settings.registration_lifetime).unwrap_or(now);
    match wanted {
        Some(wanted) if wanted <= now => Err(Refuse::bad(format!("{}.et has passed", table.element_name()))),
        Some(wanted) => Ok(wanted.min(latest)),
        None => Ok(latest),
    }
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

/// The entity is registered already, and no new equipment is awaited (TS-0004 §7.4.4.2.1, §7.4.5.2.1).
pub(crate) fn already_registered() -> Refuse {
    Refuse::new(
        ResponseStatusCode::OriginatorHasAlreadyRegistered,
        "the originator is registered; UPDATE or DELETE its registration",
    )
}
