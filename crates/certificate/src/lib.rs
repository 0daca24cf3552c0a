//! Certificates: reading, naming, the profile of TS-0003 §10.1, path validation, revocation.
//!
//! Everything here is a function of its arguments: certificates, trust anchors and the time go in, a verdict
//! comes out. Nothing is fetched, no clock is read, no system trust store is ever looked at.

mod anchors;
mod chain;
mod constraint;
mod crl;
mod extension;
mod flavour;
mod key;
mod name;
mod ocsp;
mod oid;
mod path;
mod pem;
mod profile;
mod refusal;
mod rule;
mod server;

pub use anchors::{AnchorError, Anchors};
pub use chain::{Broken, Chain, MAX_CERTIFICATES, MAX_CHAIN};
pub use crl::{CrlProblem, CrlState};
pub use flavour::Flavour;
pub use key::RawKey;
pub use name::{Name, ae_uri, names, node_uri, sole_name};
pub use ocsp::{
    CertStatusGood, MAX_STAPLE, OcspPolicy, OcspRefusal, ResponderKey, check_staple, ocsp_request, ocsp_url,
};
pub use path::{MAX_INTERMEDIATES, Purpose, verify};
pub use pem::{MAX_PEM, PemError};
pub use profile::check_profile;
pub use refusal::{Reason, Refusal, RevocationProblem};
pub use rule::{Rule, Violation};
pub use server::{ExpectedServer, matches_key, matches_server};
