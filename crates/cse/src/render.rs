//! Resources as their originators see them (TS-0004 §8.4; result content TS-0001 table 8.1.2-1).

use onem2m::{
    primitive::{Request, Response, ResultContent},
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
};
use serde_json::{Map, Value, json};
use store::Resource;

use crate::marks;

/// The representation of `resource`: its own attributes and the universal ones.
pub(crate) fn attributes(resource: &Resource) -> Map<String, Value> {
    let mut all = resource.attributes.clone();
    marks::hide(&mut all);
    all.insert(attr::RN.into(), json!(resource.rn));
    all.insert(attr::TY.into(), json!(resource.ty));
    all.insert(attr::RI.into(), json!(resource.ri));
    all.insert(attr::PI.into(), json!(resource.pi));
    all.insert(attr::CT.into(), json!(resource.ct.to_string()));
    all.insert(attr::LT.into(), json!(resource.lt.to_string()));
    if let Some(expires) = &resource.et {
        all.insert(attr::ET.into(), json!(expires.to_string()));
    }
    all
}

/// The member that holds the representation, e.g. `m2m:ae`.
pub(crate) fn element_name(resource: &Resource) -> &'static str {
    ResourceType::from_code(resource.ty).map_or("m2m:resource", ResourceType::element_name)
}

/// The content of an answer about `resource` alone. `given` is what the request carried, for "modified
/// attributes".
pub(crate) fn content(
    resource: &Resource,
    given: &Map<String, Value>,
    wanted: ResultContent,
) -> Option<Value> {
    let name = element_name(resource);
    match wanted {
        ResultContent::Nothing => None,
        ResultContent::ModifiedAttributes => {
            let mut modified = attributes(resource);
            modified.retain(|name, value| given.get(name) != Some(value));
            (!modified.is_empty()).then(|| json!({ name: modified }))
        }
        _ => Some(json!({ name: attributes(resource) })),
    }
}

/// As [`content`], for a resource that was created and has this hierarchical address below this CSE.
pub(crate) fn created(
    resource: &Resource,
    address: &str,
    given: &Map<String, Value>,
    wanted: ResultContent,
) -> Option<Value> {
    match wanted {
        ResultContent::HierarchicalAddress => Some(json!({ "m2m:uri": address })),
        ResultContent::HierarchicalAddressAndAttributes => {
            Some(json!({ "m2m:rce": { "uri": address, element_name(resource): attributes(resource) } }))
        }
        _ => content(resource, given, wanted),
    }
}

/// An answer with `content`.
pub(crate) fn reply(rsc: ResponseStatusCode, request: &Request, content: Option<Value>) -> Response {
    let mut response = Response::new(rsc, request);
    response.pc = content;
    response
}
