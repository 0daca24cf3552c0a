//! The `<CSEBase>` (TS-0004 §7.4.3): made at the first start, changed by configuration alone.

use identity::CseType;
use onem2m::{
    resource::{ResourceType, attr},
    time::Timestamp,
};
use serde_json::{Map, Value, json};
use store::{Resource, Resources as _, ResourcesMut as _, StoreError, Tx};

use crate::{resolve::BASE_ID, settings::Settings};

/// Makes the `<CSEBase>` that `settings` describes, or brings the stored one up to date.
pub(crate) fn bring_up_to_date(
    tx: &mut Tx<'_>,
    settings: &Settings,
    points_of_access: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    let attributes = attributes(settings, points_of_access);
    match tx.resource(BASE_ID)? {
        None => tx.insert(&Resource {
            ri: BASE_ID.into(),
            ty: ResourceType::CseBase.code(),
            rn: settings.base_name.as_str().to_owned(),
            pi: String::new(),
            ct: now,
            lt: now,
            et: None,
            creator: None,
            credential_id: None,
            attributes,
        }),
        Some(stored) if stored.rn != settings.base_name.as_str() => Err(StoreError::abandon(format!(
            "cse.base_name: the store was made for a <CSEBase> called \"{}\"; a name is given once",
            stored.rn
        ))),
        Some(stored) if stored.attributes.get(attr::CSI) != attributes.get(attr::CSI) => {
            Err(StoreError::abandon(format!(
                "cse.id: the store was made for the CSE-ID {}; one store belongs to one CSE",
                stored.attributes.get(attr::CSI).and_then(Value::as_str).unwrap_or("?")
            )))
        }
        Some(stored) if stored.attributes == attributes => Ok(()),
        Some(stored) => tx.update(&Resource { lt: now, attributes, ..stored }),
    }
}

/// Makes the `<CSEBase>` if there is none, for what the operator puts below it before the first start.
pub(crate) fn make_if_missing(tx: &mut Tx<'_>, settings: &Settings) -> Result<(), StoreError> {
    match tx.resource(BASE_ID)? {
        Some(_) => Ok(()),
        None => {
            let now = tx.now();
            bring_up_to_date(tx, settings, &[], now)
        }
    }
}

/// The types that a CREATE may name here.
fn supported_types(settings: &Settings) -> Vec<u32> {
    match settings.home.cse_type {
        CseType::In | CseType::Mn => vec![ResourceType::Ae.code(), ResourceType::RemoteCse.code()],
        CseType::Asn => vec![ResourceType::Ae.code()],
    }
}

fn attributes(settings: &Settings, points_of_access: &[String]) -> Map<String, Value> {
    let mut attributes = Map::new();
    attributes.insert(attr::CST.into(), json!(settings.home.cse_type.code()));
    attributes.insert(attr::CSI.into(), json!(settings.home.cse.sp_relative()));
    attributes.insert(attr::SRT.into(), json!(supported_types(settings)));
    attributes.insert(attr::POA.into(), json!(points_of_access));
    attributes.insert(attr::CSZ.into(), json!(["json"]));
    attributes.insert(attr::SRV.into(), json!(settings.releases));
    attributes
}
