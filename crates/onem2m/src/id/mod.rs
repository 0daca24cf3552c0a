//! Identifiers of service providers, CSEs, AEs, applications and nodes (TS-0001 §7.2, TS-0004 §6.2.3).
//!
//! # Two alphabets
//!
//! TS-0001 lets an identifier segment use every "unreserved" character of RFC 3986 §2.3; the grammar of
//! TS-0004 §6.2.3 is narrower: a letter or digit first, then letters, digits, `-`, `.` and `_`. The parsers
//! here accept the wider set, because other implementations send it, and refuse a segment without any letter
//! or digit (`.`, `..`, `~`, `_` and `-` mean something else in a path). What this side hands out comes from
//! the `issue` constructors, which keep to the narrow form; `is_narrow` tells which one a foreign identifier
//! has. Certificates, derivations and Credential-IDs take the narrow form only.
//!
//! # Lengths
//!
//! No identifier exceeds 255 octets in any form. The parts are bounded so that every combination fits and
//! composing an identifier cannot fail: an M2M-SP-ID has at most [`MAX_SP_ID`] octets, a CSE name
//! [`MAX_CSE_NAME`], an AE-ID-Stem [`MAX_AE_ID_STEM`], and `102 + 1 + 64 + 1 + 87 = 255`.
//!
//! # Comparing
//!
//! Identifiers are case-sensitive, octet by octet. [`CseId`] and [`AeId`] always hold the absolute form, so
//! equality of two values is equality of two entities; the shorter forms exist as text only. Text alone
//! cannot tell an S-type AE-ID (`/Sabc`) from a CSE-ID with the same spelling: [`EntityId`] carries the kind
//! next to it.

mod ae;
mod app;
mod cse;
mod domain;
mod entity;
mod fqdn;
mod from_param;
mod node;
mod resource_name;
mod role;
mod text;

pub use ae::{AeId, AeIdStem, MAX_AE_ID_STEM, StemKind};
pub use app::{AppId, AppIdKind};
pub use cse::{CseId, CseName, MAX_CSE_NAME, MAX_SP_ID, SpId};
pub use domain::{AeDomainName, CseDomainName};
pub use entity::{EntityId, EntityKind};
pub use fqdn::Fqdn;
pub use from_param::{AbsoluteId, FromParam, SpRelativeId};
pub use node::NodeId;
pub use resource_name::{ResourceName, VIRTUAL_NAMES};
pub use role::RoleId;
pub use text::{IdError, IdProblem, MAX_ID};

pub(crate) use cse::split_sp;
pub(crate) use text::{address_segment, shown};
