//! Certificates: reading, naming, the profile of TS-0003 §10.1, path validation, revocation.
//!
//! Everything here is a function of its arguments: certificates, trust anchors and the time go in, a verdict
//! comes out. Nothing is fetched, no clock is read, no system trust store is ever looked at.

mod chain;
mod constraint;
mod extension;
mod flavour;
mod key;
mod name;
mod oid;
mod pem;
mod profile;
mod rule;

pub use chain::{Broken, Chain, MAX_CERTIFICATES, MAX_CHAIN};
pub use flavour::Flavour;
pub use key::RawKey;
pub use name::{Name, ae_uri, names, node_uri, sole_name};
pub use pem::{MAX_PEM, PemError};
pub use profile::check_profile;
pub use rule::{Rule, Violation};
