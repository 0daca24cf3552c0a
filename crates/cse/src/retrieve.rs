//! RETRIEVE of a resource, of some of its attributes, or of what lies below it (TS-0004 §7.3.3.6).

use onem2m::{
    primitive::{Request, Response, ResultContent},
    status::ResponseStatusCode,
};
use serde_json::{Map, Value, json};
use store::Resource;

use crate::{
    access::{self, Wish},
    children::Below,
    receive::Checked,
    refuse::{Decided, Refuse},
    render,
};

/// Whether the speaker may see `target`, and asks for it in a way that makes sense.
pub(crate) fn permit(
    request: &Request,
    checked: &Checked,
    target: &Resource,
    registered: bool,
) -> Decided<()> {
    access::by_default(target, &checked.speaker, registered, Wish::Retrieve)?;
    let some_attributes = wanted_attributes(request, checked)?.is_some();
    if some_attributes && checked.result_content != ResultContent::Attributes {
        return Err(Refuse::bad("rcn: some of the attributes are asked for, which goes with rcn 1 only"));
    }
    Ok(())
}

/// The answer to a RETRIEVE, which is permitted, of `target`. `below` is what lies below it, if the answer is to
/// tell.
pub(crate) fn answer(
    request: &Request,
    checked: &Checked,
    target: &Resource,
    below: Option<&Below>,
) -> Decided<Response> {
    let content = match wanted_attributes(request, checked)? {
        Some(names) => Some(selected(target, &names)?),
        None => render::content(target, &Map::new(), checked.result_content),
    };
    let mut reply = render::reply(ResponseStatusCode::Ok, request, content);
    if let Some(below) = below {
        below.fill(&mut reply, target, checked.result_content, checked.identifiers);
    }
    Ok(reply)
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
