//! RETRIEVE of a resource or of one of its attributes (TS-0004 §7.3.3.5).

use onem2m::{primitive::Request, status::ResponseStatusCode};
use serde_json::{Map, Value, json};
use store::Resource;

use crate::{
    access::{self, Wish},
    decision::Decision,
    receive::Checked,
    refuse::{Decided, Refuse},
    render,
};

/// Decides a RETRIEVE of `target`, at `address`.
pub(crate) fn decide(
    request: &Request,
    checked: &Checked,
    target: &Resource,
    address: &str,
    registered: bool,
) -> Decided<Decision> {
    access::by_default(target, &checked.speaker, registered, Wish::Retrieve)?;
    let content = match wanted_attributes(request, checked)? {
        Some(names) => Some(selected(target, &names)?),
        None => render::content(target, address, &Map::new(), checked.result_content),
    };
    Ok(Decision::only(render::reply(ResponseStatusCode::Ok, request, content)))
}

/// The attributes asked for: after `#` in the target, or as `m2m:atrl` in the content.
fn wanted_attributes(request: &Request, checked: &Checked) -> Decided<Option<Vec<String>>> {
    if let Some(name) = &checked.attribute {
        return Ok(Some(vec![name.clone()]));
    }
    let Some(content) = &request.pc else { return Ok(None) };
    let wrong = || Refuse::bad("content: expected {\"m2m:atrl\": [attribute names]}");
    let wrapper = content.as_object().filter(|object| object.len() == 1).ok_or_else(wrong)?;
    let names = wrapper.get("m2m:atrl").and_then(Value::as_array).ok_or_else(wrong)?;
    let names: Option<Vec<String>> = names.iter().map(|name| name.as_str().map(ToOwned::to_owned)).collect();
    names.filter(|names| !names.is_empty()).map(Some).ok_or_else(wrong)
}

fn selected(target: &Resource, names: &[String]) -> Decided<Value> {
    let mut all = render::attributes(target);
    let mut chosen = Map::new();
    for name in names {
        let Some((name, value)) = all.remove_entry(name) else {
            let shown: String = name.escape_debug().take(64).collect();
            return Err(Refuse::bad(format!("the resource has no attribute {shown}")));
        };
        chosen.insert(name, value);
    }
    Ok(json!({ render::element_name(target): chosen }))
}
