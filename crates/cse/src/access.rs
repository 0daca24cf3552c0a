//! Who may do what where no `<accessControlPolicy>` is linked (TS-0001 §9.6.1.3.2, table 9.6.1.3.2-1).

use identity::Speaker;
use onem2m::resource::ResourceType;
use store::Resource;

use crate::refuse::{Decided, Refuse};

/// What the originator wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// See it.
    Retrieve,
    /// Change, remove, or put something below it.
    Alter,
}

/// The default rules: a registration is open to the entity that it represents and to nobody else; the
/// `<CSEBase>` can be seen by whoever is registered; what nobody on the wire created, such as service rules, is
/// closed. `registered` says whether the speaker is.
pub(crate) fn by_default(
    resource: &Resource,
    speaker: &Speaker,
    registered: bool,
    wish: Wish,
) -> Decided<()> {
    // The kind of the entity is part of its name: //sp/Sx can be a CSE and an AE.
    let own = |kind: ResourceType, identity: String| {
        resource.ty == kind.code() && resource.creator.as_deref() == Some(identity.as_str())
    };
    let permitted = match (speaker, ResourceType::from_code(resource.ty)) {
        (Speaker::Ae(_) | Speaker::Cse(_), Some(ResourceType::CseBase)) => {
            registered && wish == Wish::Retrieve
        }
        (Speaker::Ae(ae), _) => own(ResourceType::Ae, ae.to_string()),
        (Speaker::Cse(cse), _) => own(ResourceType::RemoteCse, cse.to_string()),
        (Speaker::Claim(_) | Speaker::Unassigned(_) | Speaker::Behind(..), _) => false,
    };
    if permitted { Ok(()) } else { Err(Refuse::no_privilege()) }
}
