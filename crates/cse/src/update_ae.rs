//! UPDATE `<AE>` (TS-0004 §7.3.3.6, §7.4.5.2.3).

use onem2m::{primitive::Request, resource::ResourceType, status::ResponseStatusCode, time::Timestamp};
use store::Resource;

use crate::{
    access::{self, Wish},
    create_ae::{expiry, given},
    decision::{AuditLine, Change, Decision},
    receive::Checked,
    refuse::{Decided, Refuse},
    render, representation,
    settings::Settings,
};

/// Decides an UPDATE of `target`, at `address`.
pub(crate) fn decide(
    settings: &Settings,
    request: &Request,
    checked: &Checked,
    target: &Resource,
    address: &str,
    now: Timestamp,
) -> Decided<Decision> {
    if target.ty == ResourceType::CseBase.code() {
        return Err(Refuse::new(
            ResponseStatusCode::OperationNotAllowed,
            "the <CSEBase> is not updated over the wire (TS-0004 §7.4.3.2)",
        ));
    }
    access::by_default(target, &checked.speaker, true, Wish::Alter)?;
    let changes = representation::ae_changes(request.pc.as_ref())?;
    let mut updated = target.clone();
    if let Some(wanted) = changes.expires {
        updated.et = Some(expiry(settings, wanted, now)?);
    }
    for name in &changes.remove {
        updated.attributes.remove(name);
    }
    updated.attributes.extend(changes.set);
    updated.lt = now;
    let content = render::content(&updated, address, given(request), checked.result_content);
    let audit = AuditLine {
        action: "registration.update",
        entity: updated.creator.clone().unwrap_or_default(),
        detail: format!(
            "attributes {}",
            given(request).keys().map(String::as_str).collect::<Vec<_>>().join(",")
        ),
    };
    Ok(Decision {
        reply: render::reply(ResponseStatusCode::Updated, request, content),
        changes: vec![Change::Replace(updated)],
        audit: Some(audit),
        bind: None,
    })
}
