//! DELETE of a registration: de-registration (TS-0001 §10.2.2.5, §10.2.2.10, TS-0004 §7.3.3.8).

use onem2m::{primitive::Request, resource::ResourceType, status::ResponseStatusCode};
use serde_json::Map;
use store::Resource;

use crate::{
    access::{self, Wish},
    children::Below,
    decision::{AuditLine, Change, Decision},
    receive::Checked,
    refuse::{Decided, Refuse},
    render,
};

/// Whether the speaker may remove `target`.
pub(crate) fn permit(checked: &Checked, target: &Resource) -> Decided<()> {
    if target.ty == ResourceType::CseBase.code() {
        return Err(Refuse::not_allowed("the <CSEBase> is not deleted over the wire (TS-0004 §7.4.3.2)"));
    }
    access::by_default(target, &checked.speaker, true, Wish::Alter)
}

/// Decides a DELETE, which is permitted, of `target`. `below` is what lies below it, if the answer is to tell.
pub(crate) fn decide(
    request: &Request,
    checked: &Checked,
    target: &Resource,
    below: Option<&Below>,
) -> Decision {
    let content = render::content(target, &Map::new(), checked.result_content);
    let mut reply = render::reply(ResponseStatusCode::Deleted, request, content);
    if let Some(below) = below {
        below.fill(&mut reply, target, checked.result_content, checked.identifiers);
    }
    Decision {
        reply,
        changes: vec![Change::Remove(target.ri.clone())],
        audit: Some(AuditLine {
            action: "registration.delete",
            entity: target.creator.clone().unwrap_or_default(),
            detail: "by its originator".into(),
        }),
        bind: None,
    }
}
