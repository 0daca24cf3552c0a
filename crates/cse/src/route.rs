//! Where a request for another CSE goes next (TS-0004 §7.3.2.6), and as what it goes there.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use identity::{CseType, Speaker};
use keys::CredentialId;
use onem2m::{
    address::{Scope, Target},
    id::{CseId, EntityId},
    primitive::Request,
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
    time::Timestamp,
};
use serde_json::Value;
use store::{Enrolments, MAX_LISTED, Resource, Resources, StoreError};

use crate::{
    marks,
    refuse::{Decided, Refuse},
    representation,
    resolve::is_alive,
    settings::Settings,
    standing::{cse_registration, registration},
    task::{Stop, Task},
};

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the CSE that this one is registered with.
    Up,
    /// To a CSE that is registered here.
    Down,
}

/// The CSE that a request is passed on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextHop {
    /// Its CSE-ID.
    pub cse: CseId,
    /// Whether it is above or below this CSE.
    pub direction: Direction,
    /// resourceID of its `<remoteCSE>` here.
    pub ri: String,
    /// Where it can be reached, as it said itself, in the order in which it wants to be tried.
    pub points_of_access: Vec<String>,
    /// Credential-ID of the association over which it registered; `None` for the CSE above, with which that is a
    /// matter of configuration.
    pub credential_id: Option<CredentialId>,
    /// It knows release 1 alone.
    of_release_1: bool,
}

/// What the routing lists say, gathered from all `<remoteCSE>`. Made when it is needed, dropped when one of
/// them changes.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// By the CSE listed: the resourceID of the one `<remoteCSE>` that lists it; `None` if several do.
    below: HashMap<CseId, Option<String>>,
    /// resourceID of the `<remoteCSE>` of the CSE above.
    above: Option<String>,
}

/// The table, shared by all requests.
#[derive(Debug, Default)]
pub(crate) struct Routes(Mutex<(u64, Option<Arc<Table>>)>);

impl Routes {
    /// A `<remoteCSE>` has changed.
    pub(crate) fn forget(&self) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.0 += 1;
        kept.1 = None;
    }

    pub(crate) fn table(
        &self,
        records: &impl Resources,
        settings: &Settings,
    ) -> Result<Arc<Table>, StoreError> {
        let generation = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(table) = &kept.1 {
                return Ok(Arc::clone(table));
            }
            kept.0
        };
        let table = Arc::new(Table::read(records, settings)?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What was read before a change must not outlive it.
        if kept.0 == generation {
            kept.1 = Some(Arc::clone(&table));
        }
        Ok(table)
    }
}

impl Table {
    fn read(records: &impl Resources, settings: &Settings) -> Result<Self, StoreError> {
        let mut table = Self::default();
        let mut after: Option<String> = None;
        loop {
            let page =
                records.resources_of_type(ResourceType::RemoteCse.code(), after.as_deref(), MAX_LISTED)?;
            let Some(last) = page.last() else { return Ok(table) };
            after = Some(last.ri.clone());
            for resource in page {
                table.add(resource, settings);
            }
        }
    }

    fn add(&mut self, resource: Resource, settings: &Settings) {
        if marks::own_address(&resource).is_some() {
            self.above = Some(resource.ri);
            return;
        }
        for listed in representation::descendants(&resource.attributes, settings.home.cse.sp()) {
            match self.below.entry(listed) {
                Entry::Vacant(free) => drop(free.insert(Some(resource.ri.clone()))),
                Entry::Occupied(mut taken) => drop(taken.insert(None)),
            }
        }
    }

    /// Whether a registree lists `cse` as below it.
    pub(crate) fn lists(&self, cse: &CseId) -> bool {
        self.below.contains_key(cse)
    }
}

impl Task {
    /// The next hop of this request, which is for the CSE `target`.
    pub(crate) fn next_hop(
        &self,
        records: &(impl Resources + Enrolments),
        target: &CseId,
    ) -> Result<NextHop, Stop> {
        self.speaker_still_holds(records)?;
        if !self.serves(records)? {
            return Err(Refuse::no_privilege().into());
        }
        let from = match self.channel.subject() {
            Some(EntityId::Cse(cse)) => Some(cse),
            Some(EntityId::Ae(_)) | None => None,
        };
        let table = self.routes.table(records, &self.settings)?;
        let hop = Search { settings: &self.settings, table: &table, now: self.now }.hop(records, target)?;
        // Nothing goes back to where it came from.
        hop.filter(|hop| Some(&hop.cse) != from).ok_or_else(|| no_route().into())
    }

    /// Requests are passed on for those who are registered, and for what is behind them.
    fn serves(&self, records: &impl Resources) -> Result<bool, StoreError> {
        let registered = match &self.checked.speaker {
            Speaker::Ae(ae) => registration(records, ae, self.now)?,
            Speaker::Cse(cse) | Speaker::Behind(cse, _) => {
                cse_registration(records, &self.settings, cse, self.now)?
            }
            Speaker::Claim(_) | Speaker::Unassigned(_) => None,
        };
        Ok(registered.is_some())
    }

    /// The request as it goes to `hop`.
    pub(crate) fn retargeted(&self, hop: &NextHop, target: &CseId) -> Request {
        let mut request = Request::clone(&self.request);
        let (own, abroad) = (self.settings.home.cse.sp(), target.sp() != self.settings.home.cse.sp());
        request.fr = match &self.checked.speaker {
            Speaker::Ae(ae) if abroad => Some(ae.to_string()),
            Speaker::Ae(ae) => Some(ae.sp_relative()),
            Speaker::Cse(_) | Speaker::Behind(..) | Speaker::Claim(_) | Speaker::Unassigned(_) => {
                request.fr.map(|from| if abroad { absolute(&from, own) } else { from })
            }
        };
        if hop.of_release_1 {
            (request.rvi, request.vsi) = (None, None);
        }
        request
    }
}

/// A search for the next hop.
pub(crate) struct Search<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) table: &'a Table,
    pub(crate) now: Timestamp,
}

impl Search<'_> {
    /// The CSE itself, the one that leads there, or the one above.
    pub(crate) fn hop(&self, records: &impl Resources, target: &CseId) -> Result<Option<NextHop>, Stop> {
        let mut found = cse_registration(records, self.settings, target, self.now)?;
        if found.is_none() {
            found = self.listed(records, target)?;
        }
        if found.is_none() {
            found = self.above(records)?;
        }
        Ok(found.map(|resource| hop(self.settings, &resource)).transpose()?)
    }

    fn listed(&self, records: &impl Resources, target: &CseId) -> Result<Option<Resource>, Stop> {
        let ri = match self.table.below.get(target) {
            Some(Some(ri)) => ri,
            Some(None) => {
                let several = "several CSEs say that they lead there";
                return Err(Refuse::new(ResponseStatusCode::InternalServerError, several).into());
            }
            None => return Ok(None),
        };
        Ok(records.resource(ri)?.filter(|resource| is_alive(resource, self.now)))
    }

    /// The CSE above, unless there can be none.
    fn above(&self, records: &impl Resources) -> Result<Option<Resource>, StoreError> {
        match &self.table.above {
            Some(ri) if self.settings.home.cse_type != CseType::In => {
                Ok(records.resource(ri)?.filter(|resource| is_alive(resource, self.now)))
            }
            _ => Ok(None),
        }
    }
}

/// An SP-relative identifier of the domain `sp`, or an absolute one, in absolute form.
pub(crate) fn absolute(from: &str, sp: &onem2m::id::SpId) -> String {
    if from.starts_with("//") { from.to_owned() } else { format!("{sp}{from}") }
}

/// The CSE that an address names, unless it is this one (TS-0004 §7.3.2.8).
pub(crate) fn elsewhere(settings: &Settings, target: &Target) -> Option<CseId> {
    let home = &settings.home.cse;
    let named = match target.scope() {
        Scope::CseRelative => return None,
        Scope::SpRelative { cse } => CseId::new(home.sp().clone(), cse.clone()),
        Scope::Absolute { sp, cse } => CseId::new(sp.clone(), cse.clone()),
    };
    (named != *home).then_some(named)
}

pub(crate) fn no_route() -> Refuse {
    Refuse::new(ResponseStatusCode::NotFound, "there is no route to the CSE of this address")
}

fn hop(settings: &Settings, resource: &Resource) -> Decided<NextHop> {
    let text = |name: &str| resource.attributes.get(name).and_then(Value::as_str);
    let cse = text(attr::CSI).and_then(|csi| CseId::parse_in(csi, settings.home.cse.sp()).ok());
    let cse = cse.ok_or_else(no_route)?;
    let texts = |name: &str| {
        let list = resource.attributes.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let releases = texts(attr::SRV);
    let is_above = marks::own_address(resource).is_some();
    let reachable = is_above || resource.attributes.get(attr::RR) == Some(&Value::Bool(true));
    if !reachable {
        return Err(not_reachable());
    }
    Ok(NextHop {
        cse,
        direction: if is_above { Direction::Up } else { Direction::Down },
        ri: resource.ri.clone(),
        points_of_access: texts(attr::POA),
        credential_id: resource.credential_id.clone(),
        of_release_1: !releases.is_empty() && releases.iter().all(|release| release == "1"),
    })
}

/// The next hop takes no requests, or does not answer (TS-0004 §6.6.3.6).
pub(crate) fn not_reachable() -> Refuse {
    Refuse::new(ResponseStatusCode::TargetNotReachable, "the next CSE on the way could not be reached")
}
