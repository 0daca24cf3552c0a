use keys::CredentialId;
use onem2m::{id::EntityId, primitive::Response};
use store::Resource;

/// What an operation comes to. Carried out as one, or not at all.
#[derive(Debug)]
pub(crate) struct Decision {
    /// What the originator is told once the changes are durable.
    pub(crate) reply: Response,
    /// What becomes of the records, in this order.
    pub(crate) changes: Vec<Change>,
    /// The line for the audit; `None` if nothing changes.
    pub(crate) audit: Option<AuditLine>,
    /// The identity that the association is bound to from now on.
    pub(crate) bind: Option<EntityId>,
}

/// One change of the records.
#[derive(Debug)]
pub(crate) enum Change {
    Insert(Resource),
    Replace(Resource),
    /// Removes the resource with this `ri` and everything below it.
    Remove(String),
    /// From now on this credential stands for this identity.
    Assign(CredentialId, EntityId),
}

/// What the audit says of a change, beside who and when.
#[derive(Debug)]
pub(crate) struct AuditLine {
    pub(crate) action: &'static str,
    pub(crate) entity: String,
    pub(crate) detail: String,
}
