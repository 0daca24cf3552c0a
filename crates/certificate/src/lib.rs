//! Certificates: reading, naming, the profile of TS-0003 §10.1, path validation, revocation.
//!
//! Everything here is a function of its arguments: certificates, trust anchors and the time go in, a verdict
//! comes out. Nothing is fetched, no clock is read, no trust store of the system is ever looked at.
//!
//! What this crate does not do: take part in a handshake (`association`), say which entity a name stands for
//! (`identity`), or make certificates (`pki`).
//!
//! ```text
//!  octets ── Chain::from_der ──> Chain ──┬─ names, sole_name ──> Name: device, CSE, AE, node
//!            Chain::from_pem             ├─ key ───────────────> RawKey: P-256, for enrolment by hash
//!            RawKey::from_spki_der       ├─ check_profile ─────> every broken rule, with its clause
//!                                        ├─ verify ────────────> () or Refusal, which has an alert
//!  file ──── Anchors::from_pem ──────────┘    with the anchors, their CRLs, and the time
//!            Anchors::with_crls_pem      ├─ matches_server ────> is it the one that was meant?
//!  staple, ResponderKey ─────────────────┴─ check_staple ──────> good until when
//! ```
//!
//! A server judges its client by [`verify`] with [`Purpose::Client`], then takes the one name that it binds
//! ([`sole_name`]); or, where a key was enrolled by its hash, by [`Chain::key`] alone. A client judges its
//! server by [`verify`] with [`Purpose::Server`] and [`matches_server`], and by [`check_staple`] when it
//! knows an OCSP responder.
//!
//! OpenSSL validates the path (RFC 5280 §6.1). What it does not do, or not as TS-0003 wants it, is done here:
//! the profile, wildcards, constraints on otherName, and every time that is compared.
//!
//! ```
//! use certificate::{Anchors, Chain, Flavour, Purpose, check_profile, sole_name, verify};
//! use keys::SeededRng;
//! use pki::{Authority, Constraints, Profile, SubjectKey, Validity};
//!
//! let rng = SeededRng::new(1);
//! let now = "20260601T120000".parse()?;
//! let year = Validity::days("20260101T000000".parse()?, 365)?;
//! let root = Authority::new_root("Example root", year, &rng)?;
//! let hosts = Constraints::none().permit_uri_host(&"example.org".parse()?)?;
//! let issuer = root.intermediate("Example AEs", &hosts, year, &rng)?;
//! let lamp = Profile::AeId("//example.org/mn-cse/Clamp".parse()?);
//! let issued = issuer.issue(&lamp, SubjectKey::Fresh, year, &rng)?;
//!
//! let anchors = Anchors::from_pem(root.root_pem()?.as_bytes(), now)?;
//! let chain = Chain::from_der(&issued.chain_der)?;
//! assert!(check_profile(&chain, Flavour::AeId).is_empty());
//! verify(&anchors, &chain, Purpose::Client, now, true)?;
//! assert_eq!(sole_name(&chain, Flavour::AeId)?.as_text(), "//example.org/mn-cse/Clamp");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

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
pub use name::{Name, ae_uri, can_hold, names, node_uri, sole_name};
pub use ocsp::{
    CertStatusGood, MAX_STAPLE, OcspPolicy, OcspRefusal, ResponderKey, check_staple, ocsp_request, ocsp_url,
};
pub use path::{MAX_INTERMEDIATES, Purpose, verify, verify_path};
pub use pem::{MAX_PEM, PemError};
pub use profile::check_profile;
pub use refusal::{Reason, Refusal, RevocationProblem};
pub use rule::{Rule, Violation};
pub use server::{ExpectedServer, matches_key, matches_server};
