use identity::{Refusal, RefusalReason};
use onem2m::status::ResponseStatusCode;

/// A request that is not carried out: the status, and a line for the developer at the other end.
///
/// The line names what was wrong in the request. It never says anything about other entities, keys or rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refuse {
    pub(crate) rsc: ResponseStatusCode,
    pub(crate) debug: String,
    /// Who asked is the reason, whatever the status: worth an audit line.
    pub(crate) of_originator: bool,
}

impl Refuse {
    pub(crate) fn new(rsc: ResponseStatusCode, debug: impl Into<String>) -> Self {
        Self { rsc, debug: debug.into(), of_originator: false }
    }

    pub(crate) fn bad(debug: impl Into<String>) -> Self {
        Self::new(ResponseStatusCode::BadRequest, debug)
    }

    pub(crate) fn not_implemented(debug: impl Into<String>) -> Self {
        Self::new(ResponseStatusCode::NotImplemented, debug)
    }

    pub(crate) fn not_allowed(debug: impl Into<String>) -> Self {
        Self::new(ResponseStatusCode::OperationNotAllowed, debug)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(ResponseStatusCode::NotFound, "no resource has this address")
    }

    pub(crate) fn no_privilege() -> Self {
        Self::new(
            ResponseStatusCode::OriginatorHasNoPrivilege,
            "the originator has no privilege for this operation on this resource",
        )
    }

    /// The name is taken, or reserved. In the words of any other impersonation.
    pub(crate) fn not_yours() -> Self {
        Self::new(ResponseStatusCode::OriginatorNotAuthenticated, RefusalReason::Impersonation.to_string())
    }
}

impl From<Refusal> for Refuse {
    fn from(refusal: Refusal) -> Self {
        Self { of_originator: true, ..Self::new(refusal.rsc, refusal.reason.to_string()) }
    }
}

pub(crate) type Decided<T> = Result<T, Refuse>;
