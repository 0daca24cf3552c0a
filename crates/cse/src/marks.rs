//! What a stored resource keeps for us beside its attributes. The names begin with `~`, which no attribute's
//! name may, so that nothing from the wire can set or read them; representations leave them out.

use identity::OsPeer;
use serde_json::{Map, Value, json};
use store::Resource;

const MARK: char = '~';
/// The local peer that registered an AE outside of any association.
const HOLDER: &str = "~holder";
/// The registration waits for its new equipment; true if that may bring another App-ID.
const AWAITS: &str = "~awaits";
/// The `<remoteCSE>` is that of the CSE that this one is registered with; the address of our own one there.
const OWN_ADDRESS: &str = "~own";
/// Changes with every change of the service rules.
const REVISION: &str = "~revision";

/// Removes what is not for others to see.
pub(crate) fn hide(attributes: &mut Map<String, Value>) {
    attributes.retain(|name, _| !name.starts_with(MARK));
}

/// The local peer that registered this AE; `None` if it was registered over an association.
pub(crate) fn holder(resource: &Resource) -> Option<OsPeer> {
    resource.attributes.get(HOLDER)?.as_str()?.parse().ok()
}

/// From now on the AE is this local peer's, or an association's.
pub(crate) fn set_holder(attributes: &mut Map<String, Value>, holder: Option<&OsPeer>) {
    match holder {
        Some(peer) => attributes.insert(HOLDER.into(), json!(peer.to_string())),
        None => attributes.remove(HOLDER),
    };
}

/// How a registration waits for the equipment that takes it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Awaits {
    /// The new equipment may bring another App-ID.
    pub(crate) any_app_id: bool,
}

/// Whether the registration waits for new equipment, and how.
pub(crate) fn awaits(resource: &Resource) -> Option<Awaits> {
    resource.attributes.get(AWAITS)?.as_bool().map(|any_app_id| Awaits { any_app_id })
}

/// From now on the registration waits, or does not.
pub(crate) fn set_awaits(attributes: &mut Map<String, Value>, awaits: Option<Awaits>) {
    match awaits {
        Some(awaits) => attributes.insert(AWAITS.into(), json!(awaits.any_app_id)),
        None => attributes.remove(AWAITS),
    };
}

/// Where our own `<remoteCSE>` is, if this is that of the CSE that we are registered with.
pub(crate) fn own_address(resource: &Resource) -> Option<&str> {
    resource.attributes.get(OWN_ADDRESS)?.as_str()
}

/// From now on the `<remoteCSE>` is that of the CSE that we are registered with.
pub(crate) fn set_own_address(attributes: &mut Map<String, Value>, address: &str) {
    attributes.insert(OWN_ADDRESS.into(), json!(address));
}

/// The revision of the service rules, kept on their profile.
pub(crate) fn revision(profile: &Resource) -> Option<&str> {
    profile.attributes.get(REVISION)?.as_str()
}

/// Gives the service rules another revision.
pub(crate) fn set_revision(attributes: &mut Map<String, Value>, revision: u64) {
    attributes.insert(REVISION.into(), json!(format!("{revision:016x}")));
}
