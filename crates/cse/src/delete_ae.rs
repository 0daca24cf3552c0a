//! DELETE `<AE>`: de-registration (TS-0001 §10.2.2.5, TS-0004 §7.3.3.7).

use onem2m::{primitive::Request, resource::ResourceType, status::ResponseStatusCode};
use serde_json::Map;
use store::Resource;

use crate::{
    access::{self, Wish},
    decision::{AuditLine, Change, Decision},
    receive::Checked,
    refuse::{Decided, Refuse},
    render,
};

/// Decides a DELETE of `target`, at `address`.
pub(crate) fn decide(
    request: &Request,
    checked: &Checked,
    target: &Resource,
    address: &str,
) -> Decided<Decision> {
    if target.ty == ResourceType::CseBase.code() {
        return Err(Refuse::new(
            ResponseStatusCode::OperationNotAllowed,
            "the <CSEBase> is not deleted over the wire (TS-0004 §7.4.3.2)",
        ));
    }
    access::by_default(target, &checked.speaker, true, Wish::Alter)?;
    let content = render::content(target, address, &Map::new(), checked.result_content);
    Ok(Decision {
        reply: render::reply(ResponseStatusCode::Deleted, request, content),
        changes: vec![Change::Remove(target.ri.clone())],
        audit: Some(AuditLine {
            action: "registration.delete",
            entity: target.creator.clone().unwrap_or_default(),
            detail: "by its originator".into(),
        }),
        bind: None,
    })
}
