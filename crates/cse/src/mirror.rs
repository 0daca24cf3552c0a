//! The `<remoteCSE>` of the CSE that this one is registered with, on our own side (TS-0001 §10.2.2.7 step 004,
//! §10.2.2.10 step 004), and what is to be said up there of who is registered here.

use std::collections::BTreeSet;

use onem2m::{
    id::{CseId, EntityId},
    resource::{ResourceType, attr},
    time::Timestamp,
};
use serde_json::{Map, Value};
use store::{
    AuditMut as _, AuditRecord, MAX_LISTED, Outcome, Resource, Resources, ResourcesMut as _, StoreError, Tx,
};

use crate::{
    marks,
    registrar::Registrar,
    representation::{self, MAX_DESCENDANTS},
    resolve::{BASE_ID, is_alive, remote_cse_id},
    settings::Settings,
    standing::cse_registration,
    task,
};

/// What this CSE keeps of the one that it is registered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Mirror {
    /// The CSE above.
    pub registrar: CseId,
    /// Where our own `<remoteCSE>` is, up there.
    pub own_address: String,
    /// Until when the registration lasts.
    pub until: Timestamp,
    /// What else is known of the CSE above, under the short names of `<remoteCSE>`; `None` if that is as before.
    pub attributes: Option<Map<String, Value>>,
}

impl Registrar {
    /// Keeps `mirror`, in the place of what was known of the same CSE.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be written, or if that CSE is registered here, which would be a circle.
    pub async fn keep_mirror(&self, mirror: Mirror) -> Result<(), StoreError> {
        let (settings, now) = (std::sync::Arc::clone(&self.settings), self.clock.now());
        self.store.write("registrar.mirror", move |tx| keep(tx, &settings, &mirror, now)).await?;
        self.routes.forget();
        Ok(())
    }

    /// Forgets the CSEs above, `except` this one; says how many that were.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read or written.
    pub async fn drop_mirrors(&self, except: Option<&CseId>) -> Result<usize, StoreError> {
        let kept = except.map(|cse| remote_cse_id(&self.settings, cse));
        let now = self.clock.now();
        let dropped = self
            .store
            .write("registrar.forget", move |tx| {
                let above = above(&**tx)?;
                let gone = above.iter().filter(|resource| Some(&resource.ri) != kept.as_ref());
                let mut dropped = 0;
                for resource in gone {
                    let action = "registrar.leave";
                    task::remove(tx, resource, now, action, None)?;
                    dropped += 1;
                }
                Ok(dropped)
            })
            .await?;
        self.routes.forget();
        Ok(dropped)
    }

    /// Where our own `<remoteCSE>` at `registrar` was when we were last registered there.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    pub async fn own_address_at(&self, registrar: &CseId) -> Result<Option<String>, StoreError> {
        let ri = remote_cse_id(&self.settings, registrar);
        let found = self.store.read(move |records| records.resource(&ri)).await?;
        Ok(found.as_ref().and_then(marks::own_address).map(ToOwned::to_owned))
    }

    /// The CSEs that are reached through this one, in the order of their names: those registered here, and those
    /// that they list as descendantCSEs. At most 1000.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    pub async fn descendants(&self) -> Result<Vec<CseId>, StoreError> {
        let (settings, now) = (std::sync::Arc::clone(&self.settings), self.clock.now());
        let all = self.store.read(move |records| descendants(records, &settings, now)).await?;
        if all.len() > MAX_DESCENDANTS {
            tracing::warn!(
                all = all.len(),
                announced = MAX_DESCENDANTS,
                "more CSEs are below this one than a routing list holds: the CSE above hears of some only"
            );
        }
        Ok(all.into_iter().take(MAX_DESCENDANTS).collect())
    }

    /// Whether `ri` is the resourceID of the `<remoteCSE>` of `cse`.
    #[must_use]
    pub fn is_registration_of(&self, ri: &str, cse: &CseId) -> bool {
        remote_cse_id(&self.settings, cse) == ri
    }

    /// A `<remoteCSE>` was changed by somebody else, such as another process on the same store: what was
    /// remembered of the routes is dropped.
    pub fn routes_have_changed(&self) {
        self.routes.forget();
    }
}

fn above(records: &impl Resources) -> Result<Vec<Resource>, StoreError> {
    let mut found = all_of(records)?;
    found.retain(|resource| marks::own_address(resource).is_some());
    Ok(found)
}

fn all_of(records: &impl Resources) -> Result<Vec<Resource>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = records.resources_of_type(ResourceType::RemoteCse.code(), after.as_deref(), MAX_LISTED)?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.ri.clone());
        all.extend(page);
    }
}

fn descendants(
    records: &impl Resources,
    settings: &Settings,
    now: Timestamp,
) -> Result<BTreeSet<CseId>, StoreError> {
    let home = &settings.home.cse;
    let mut found = BTreeSet::new();
    let mut above = None;
    for resource in all_of(records)? {
        let csi = resource.attributes.get(attr::CSI).and_then(Value::as_str);
        let csi = csi.and_then(|csi| CseId::parse_in(csi, home.sp()).ok());
        if marks::own_address(&resource).is_some() {
            above = csi;
        } else if is_alive(&resource, now) {
            found.extend(csi);
            found.extend(representation::descendants(&resource.attributes, home.sp()));
        }
    }
    // Neither we nor the one we tell is below us, whatever a registree says.
    found.retain(|cse| cse != home && Some(cse) != above.as_ref());
    Ok(found)
}

fn keep(tx: &mut Tx<'_>, settings: &Settings, mirror: &Mirror, now: Timestamp) -> Result<(), StoreError> {
    let cse = &mirror.registrar;
    let ri = remote_cse_id(settings, cse);
    let registered = cse_registration(&**tx, settings, cse, now)?;
    let kept = || registered.as_ref().map(|old| old.attributes.clone()).unwrap_or_default();
    let mut attributes = mirror.attributes.clone().unwrap_or_else(kept);
    let home = &settings.home.cse;
    let csi = if cse.sp() == home.sp() { cse.sp_relative() } else { cse.to_string() };
    attributes.insert(attr::CSI.into(), Value::String(csi));
    marks::set_own_address(&mut attributes, &mirror.own_address);
    let entity = EntityId::Cse(cse.clone()).to_string();
    if let Some(old) = registered {
        if marks::own_address(&old).is_none() {
            return Err(StoreError::abandon(format!(
                "{cse} is registered here: this CSE cannot be registered with it as well"
            )));
        }
        return tx.update(&Resource { lt: now, et: Some(mirror.until), attributes, ..old });
    }
    tx.delete_tree(&ri)?;
    let resource = Resource {
        ri,
        ty: ResourceType::RemoteCse.code(),
        rn: free_name(tx, cse)?,
        pi: BASE_ID.into(),
        ct: now,
        lt: now,
        et: Some(mirror.until),
        creator: Some(entity.clone()),
        credential_id: None,
        attributes,
    };
    tx.insert(&resource)?;
    tx.append(&AuditRecord {
        at: now,
        action: "registrar.join".into(),
        outcome: Outcome::Done,
        credential_id: None,
        entity: Some(entity),
        source: None,
        detail: format!("registered there as {} until {}", mirror.own_address, mirror.until),
    })
}

fn free_name(tx: &Tx<'_>, cse: &CseId) -> Result<String, StoreError> {
    let obvious = cse.name().as_str().parse::<onem2m::id::ResourceName>();
    let obvious = obvious.map_or("registrar", |_| cse.name().as_str());
    for number in 1..100 {
        let name = if number == 1 { obvious.to_owned() } else { format!("{obvious}-{number}") };
        if tx.child_by_name(BASE_ID, &name)?.is_none() {
            return Ok(name);
        }
    }
    Err(StoreError::abandon("no free name for the <remoteCSE> of the registrar"))
}
