//! A development certification authority: roots, intermediates with name constraints, and certificates that
//! keep to the profiles of TS-0003 §10.1. Other crates' tests use it to make what they need.
//!
//! What this crate does not do: judge certificates (`certificate`), or guard keys as an authority run in
//! earnest must. Time and randomness are arguments, so that a seeded source repeats every octet.
//!
//! ```text
//! Authority::new_root ── intermediate(Constraints) ── issue(Profile, SubjectKey) ──> Issued: chain, key
//! Directory: the same on a disk, with an index, keys, revocation lists, who signs status
//! self_signed ──────────────────────────────────────────────────────────────────> the same, trusted by hash
//! ```
//!
//! ```
//! use keys::SeededRng;
//! use pki::{Authority, Constraints, Profile, SubjectKey, Validity};
//!
//! let rng = SeededRng::new(1);
//! let year = Validity::days("20260101T000000".parse()?, 365)?;
//! let domain = "example.org".parse()?;
//! let names = Constraints::none().permit_dns(&domain)?.permit_uri_host(&domain)?;
//! let root = Authority::new_root("Example root", year, &rng)?;
//! let issuer = root.intermediate("Example names", &names, year, &rng)?;
//! let lamp = Profile::AeId("//example.org/mn-cse/Clamp".parse()?);
//! let issued = issuer.issue(&lamp, SubjectKey::Fresh, year, &rng)?;
//! assert_eq!(issued.chain_der.len(), 2);
//! assert!(issued.key_pem.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod authority;
mod constraints;
mod crl;
pub mod directory;
mod draft;
mod error;
mod key;
mod lint;
pub mod ocsp;
mod pem;
mod profile;
mod request;
mod serial;
#[cfg(feature = "testing")]
pub mod testing;
mod validity;

pub use authority::{Authority, Issued, self_signed};
pub use constraints::{Constraints, DeviceSubtree};
pub use crl::{Crl, Reason, Revocation};
pub use error::PkiError;
pub use key::{PrivateKey, public_key, public_key_pem};
pub use profile::{DeviceId, Profile};
pub use request::{MAX_REQUEST_FILE, Request};
pub use serial::Serial;
pub use validity::Validity;

/// Whose public key a certificate is for.
#[derive(Debug, Clone, Copy)]
pub enum SubjectKey<'a> {
    /// A key that is made now, and returned.
    Fresh,
    /// A key whose private half stays where it is: DER `SubjectPublicKeyInfo`.
    Public(&'a [u8]),
    /// The key of a certificate signing request, PEM or DER, which must ask for the names of the profile.
    Csr(&'a [u8]),
    /// The public half of this one.
    Private(&'a PrivateKey),
}
