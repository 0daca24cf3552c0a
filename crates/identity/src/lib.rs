//! What a handshake proved, which identity it stands for, and whether an originator may speak.
//!
//! This is the only place where identities are compared. Everything that receives a primitive asks
//! [`check_originator`]; a registration also asks the [`RuleBook`]; everything that finds a key asks [`usable`].
//!
//! What this crate does not do: find credentials (`store`), run handshakes (`association`), or decide what
//! an originator may do with a resource once it is known who speaks (`cse`).

mod certified;
mod channel;
mod credential;
mod enrolment;
mod originator;
mod peer;
mod placement;
mod resumption;
mod rule;

pub use certified::{Named, Surroundings, Unresolved, certified, credential_id_of, named_by};
pub use channel::{Channel, NotAnOsPeer, OsPeer};
pub use credential::{Credential, CredentialState, Function, KeyRefusal, UnknownName, usable};
pub use enrolment::{
    ChainPolicy, CredentialFacts, Enrolment, Flavour, MAX_ALLOWED, Method, Misfit, Validity, usable_enrolment,
};
pub use originator::{Attempt, Home, Known, Refusal, RefusalReason, Speaker, behind_which, check_originator};
pub use peer::{AlreadyBound, Established, Framework, MAX_WRONG_TOKENS, Peer};
pub use placement::{Misplaced, may_register};
pub use resumption::{MAX_RESUMPTION, Made, Present, SessionRecord, WhyFull, may_resume};
pub use rule::{Admitted, AppIdPattern, Applicant, PatternError, Rule, RuleBook, StemPattern, Wanted};

/// What kind of CSE this is (T4 §6.3.4.2: cseType).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CseType {
    /// 1: infrastructure node.
    In,
    /// 2: middle node, a gateway.
    Mn,
    /// 3: application service node; registers AEs, but no CSE.
    Asn,
}

impl CseType {
    /// The number of the `cst` attribute.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::In => 1,
            Self::Mn => 2,
            Self::Asn => 3,
        }
    }
}
