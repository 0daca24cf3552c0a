//! Secrets, key types, key identifiers, derivations, Credential-ID.
//!
//! A key is a type, not a byte string: what may be done with it is what its type offers. No secret type
//! here prints itself, copies itself silently, or outlives its owner in memory.
//!
//! What this crate does not do: store keys (`store`), decide whom a key stands for (`identity`), or run a
//! handshake (`association`).
//!
//! ```
//! use keys::{Kpsa, KpsaId, KeyLengthPolicy, Secret};
//!
//! let secret = Secret::from_hex("000102030405060708090a0b0c0d0e0f")?;
//! let kpsa = Kpsa::new(secret, KeyLengthPolicy::Strict)?;
//! let id: KpsaId = "light1@home.example.org".parse()?;
//! assert_eq!(kpsa.octets(), 16);
//! assert_eq!(format!("{kpsa:?}"), "Kpsa(16 octets)");
//! assert_eq!(id.issuer().as_str(), "home.example.org");
//! # Ok::<(), keys::KeyError>(())
//! ```

mod credential_id;
mod error;
mod kpsa;
mod psk_identity;
mod rng;
mod secret;

pub use credential_id::{CredentialId, CredentialKind};
pub use error::KeyError;
pub use kpsa::{
    DraftKeyId, KeyLengthPolicy, Kpsa, KpsaId, MAX_KEY_OCTETS, MIN_KEY_OCTETS, MIN_SHORT_KEY_OCTETS, kca_id,
    kcc_id,
};
pub use psk_identity::{MAX_PSK_IDENTITY_OCTETS, PskIdentity};
pub use rng::{OsRng, Rng, RngError, SeededRng};
pub use secret::Secret;
