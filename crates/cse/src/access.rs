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

/// The default rules: a resource is open to the originator that created it and to nobody else; the
/// `<CSEBase>` can be seen by whoever is registered. `registered` says whether the speaker is.
pub(crate) fn by_default(
    resource: &Resource,
    speaker: &Speaker,
    registered: bool,
    wish: Wish,
) -> Decided<()> {
    let identity = match speaker {
        Speaker::Ae(ae) => ae.to_string(),
        Speaker::Cse(cse) => cse.to_string(),
        Speaker::Claim(_) | Speaker::Unassigned(_) | Speaker::Behind(..) => {
            return Err(Refuse::no_privilege());
        }
    };
    let is_base = resource.ty == ResourceType::CseBase.code();
    let permitted = if is_base {
        registered && wish == Wish::Retrieve
    } else {
        resource.creator.as_deref() == Some(identity.as_str())
    };
    if permitted { Ok(()) } else { Err(Refuse::no_privilege()) }
}
