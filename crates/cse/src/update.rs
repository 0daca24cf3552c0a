//! UPDATE of a registration (TS-0004 §7.3.3.4, §7.3.3.7, §7.4.4.2.3, §7.4.5.2.3).

use identity::Speaker;
use onem2m::{primitive::Request, resource::ResourceType, status::ResponseStatusCode, time::Timestamp};
use store::Resource;

use crate::{
    access::{self, Wish},
    decision::{AuditLine, Change, Decision},
    receive::Checked,
    refuse::{Decided, Refuse},
    registration::{expiry, given},
    render,
    representation::{AE, REMOTE_CSE, Table, named_descendants},
    settings::Settings,
};

/// Decides an UPDATE of `target`. `children_until` is the latest expirationTime below it; with `token_shown`, it may be
/// that nothing is to be altered.
pub(crate) fn decide(
    settings: &Settings,
    request: &Request,
    checked: &Checked,
    target: &Resource,
    children_until: Option<Timestamp>,
    token_shown: bool,
    now: Timestamp,
) -> Decided<Decision> {
    if target.ty == ResourceType::CseBase.code() {
        return Err(Refuse::not_allowed("the <CSEBase> is not updated over the wire (TS-0004 §7.4.3.2)"));
    }
    access::by_default(target, &checked.speaker, true, Wish::Alter)?;
    let table = table(target)?;
    if token_shown && table.is_bare(request.pc.as_ref()) {
        return Ok(nothing_but_a_token(request, checked, target));
    }
    let home = &settings.home.cse;
    let changes = table.changes(request.pc.as_ref(), home.sp())?;
    if let Speaker::Cse(cse) = &checked.speaker {
        named_descendants(&changes.set, cse, home)?;
    }
    let mut updated = target.clone();
    if let Some(wanted) = changes.expires {
        let until = expiry(settings, table, wanted, now)?;
        if target.et.is_some_and(|before| until < before)
            && children_until.is_some_and(|latest| latest > until)
        {
            return Err(Refuse::bad(format!(
                "{}.et is earlier than that of a child (TS-0004 §7.3.3.4)",
                table.element_name()
            )));
        }
        updated.et = Some(until);
    }
    for name in &changes.remove {
        updated.attributes.remove(name);
    }
    updated.attributes.extend(changes.set);
    updated.lt = now;
    let content = render::content(&updated, given(request), checked.result_content);
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

/// A device that comes back shows its token, and alters nothing (register A-31).
fn nothing_but_a_token(request: &Request, checked: &Checked, target: &Resource) -> Decision {
    let content = render::content(target, given(request), checked.result_content);
    Decision {
        reply: render::reply(ResponseStatusCode::Updated, request, content),
        changes: Vec::new(),
        audit: None,
        bind: None,
    }
}

fn table(target: &Resource) -> Decided<&'static Table> {
    match ResourceType::from_code(target.ty) {
        Some(ResourceType::Ae) => Ok(&AE),
        Some(ResourceType::RemoteCse) => Ok(&REMOTE_CSE),
        _ => Err(Refuse::not_implemented("UPDATE of this type of resource is not supported")),
    }
}
