//! Secrets, key types, key identifiers, derivations, Credential-ID.
//!
//! A key is a type, not a byte string: what may be done with it is what its type offers. No secret type
//! here prints itself, copies itself silently, or outlives its owner in memory.
//!
//! What this crate does not do: store keys (`store`), decide whom a key stands for (`identity`), or run a
//! handshake (`association`).
//!
//! ```text
//!  MEF handshake ── BootstrapExport ──> RelativeKeId ──> KeId
//!                                       Ke ── usage_constrained(usage, target) ──> UsageKey: Km, Kpsa, …
//!                                       Ke ── legacy_derivation() ──> Km, Kpsa
//!  MAF handshake ── ConnectionExport ─> KcId ──> RelativeKeyId ──> KeyIdentifier
//!                                       into_key(usage) ──> UsageKey: Kc, PairwiseEsprimKey, …
//!  ESCertKE ─────── EsCertKeExport ───> PairwiseE2eKeyId, PairwiseE2eKey ──> PairwiseEsprimKey
//!  association ──── KeyGeneration ────> Kpsa with its DraftKeyId
//!
//!  Kpsa, SourceGeneratedValue ──> Ke2eMaster ──> Ke2eKeys
//!  PairwiseEsprimKey + both rand objects ──> SessionEsprimKey ──> ContentEncryptionKey
//!  Kpsa, Kc, Km, Kpm ──> Psk, the key of a handshake
//! ```
//!
//! Numbers such as `TS-0003 §10.3.7` name clauses of the oneM2M specifications; "register A-nn" is the
//! project's list of readings where a clause leaves octets open.
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
mod dispatch;
mod error;
mod exporter;
mod hmac;
mod id;
mod identity_token;
mod key;
mod key_generation;
#[cfg(doctest)]
mod misuse;
pub mod pattern;
mod psk_identity;
mod rng;
mod secret;
mod usage;

pub use credential_id::{
    CertificateFlavour, CertificateName, CertificateUse, CredentialId, CredentialKind, EsdataKeyUse,
    HardwareId, IDENTITY_TOKEN_TYPE,
};
pub use dispatch::{LocalKeyName, MefKeyName, PskSource, TrustFunctions, psk_source};
pub use error::KeyError;
pub use exporter::{BootstrapExport, ConnectionExport, EsCertKeExport, ExporterLabel};
pub use hmac::nfkc;
pub use id::{
    BTid, DraftKeyId, FetchCredentials, GbaIdentity, GbaKey, KcId, KeId, KeyIdentifier, KmId, KpmId, KpsaId,
    PairwiseE2eKeyId, PublicKeyHash, PublicKeyIdentifier, RelativeKeId, RelativeKeyId, SymmetricKeyId,
    kca_id, kcc_id,
};
pub use identity_token::{IdentityToken, MAX_TOKEN_OCTETS, MIN_TOKEN_OCTETS, TokenDigest};
pub use key::{
    ContentEncryptionKey, EnrolmentTarget, EsdataEncryptionKey, EsdataSignatureKey, EsprimKeyGenAlgorithm,
    EsprimProtocol, Kc, Ke, Ke2eAttAuth, Ke2eAttConf, Ke2eKeys, Ke2eMaster, Ke2eMsgAuth, Ke2eMsgConf,
    KeyLengthPolicy, Km, Kpm, Kpsa, LegacyDerivation, MAX_KEY_OCTETS, MIN_KEY_OCTETS, MIN_SHORT_KEY_OCTETS,
    OriginatorRandObject, PairwiseE2eKey, PairwiseEsprimKey, Psk, RandValue, ReceiverRandObject,
    SessionEsprimKey, SourceGeneratedValue, UsageKey,
};
pub use key_generation::{DraftKeyKind, GeneratedKey, KeyGeneration, Nonce};
pub use psk_identity::{MAX_PSK_IDENTITY_OCTETS, PskIdentity};
pub use rng::{OsRng, Rng, RngError, SeededRng};
pub use secret::Secret;
pub use usage::{Usage, UsageOrigin, UsageScope};
