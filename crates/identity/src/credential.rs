use std::{fmt, str::FromStr};

use keys::{CredentialId, PskIdentity};
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};
use thiserror::Error;

/// Which function a credential opens. A key for one never opens another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Function {
    /// The registrar CSE.
    Cse,
    /// The M2M Authentication Function.
    Maf,
    /// The M2M Enrolment Function.
    Mef,
}

impl Function {
    /// The name as it is stored and written in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cse => "cse",
            Self::Maf => "maf",
            Self::Mef => "mef",
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Function {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Cse, Self::Maf, Self::Mef]
            .into_iter()
            .find(|function| function.as_str() == text)
            .ok_or_else(|| UnknownName::of(text))
    }
}

/// Whether a credential may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialState {
    /// It may.
    Active,
    /// It was withdrawn for good; its identity stays reserved and its key is erased.
    Revoked,
}

impl CredentialState {
    /// The name as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CredentialState {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Active, Self::Revoked]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownName::of(text))
    }
}

/// A stored name that is none of those defined.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{0}\" is not one of the defined names")]
pub struct UnknownName(String);

impl UnknownName {
    pub(crate) fn of(text: &str) -> Self {
        Self(text.escape_debug().take(64).collect())
    }
}

/// One row of the psk-lookup-table without its key: what a proof of possession of that key stands for
/// (TS-0003 §8.2.2.1, TR-0038 §7.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The function that it opens.
    pub function: Function,
    /// What the peer sends in its ClientKeyExchange: a KpsaID, or the hexadecimal `Kcc_ID`/`Kca_ID` of the drafts.
    pub psk_identity: PskIdentity,
    /// Its Credential-ID (TS-0003 §10.4).
    pub credential_id: CredentialId,
    /// What kind of entity holds it. Carried beside the identity because `/Sabc` could be either kind.
    pub kind: EntityKind,
    /// The CSE-ID or AE-ID that it stands for; `None` until the registrar has assigned one.
    pub entity: Option<EntityId>,
    /// Whether it may be used.
    pub state: CredentialState,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// Raised by every change of the key, the identity or the state.
    pub version: u64,
    /// A key of 8 to 15 octets was allowed explicitly.
    pub allow_short_key: bool,
}

/// Why a key was not handed to a handshake. For logs, metrics and the audit only: seen from outside all of
/// these, and a wrong key, are one behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum KeyRefusal {
    /// No credential has this identity.
    #[error("unknown identity")]
    Unknown,
    /// The credential was revoked.
    #[error("revoked")]
    Revoked,
    /// The credential has expired.
    #[error("expired")]
    Expired,
    /// The identity is empty, over 256 octets, not UTF-8, or contains NUL.
    #[error("malformed identity")]
    Malformed,
    /// The lookup failed, found no free place, or took longer than it may.
    #[error("lookup unavailable")]
    Unavailable,
}

/// Whether `credential` may be used for `function` at `now`.
///
/// # Errors
/// [`KeyRefusal::Revoked`], [`KeyRefusal::Expired`], or [`KeyRefusal::Unknown`] for another function's
/// credential, which does not exist as far as this one is concerned.
pub fn usable(credential: &Credential, function: Function, now: Timestamp) -> Result<(), KeyRefusal> {
    crate::enrolment::judge(credential.function == function, credential.state, credential.not_after, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_unexpired_credential_of_the_function_is_usable() {
        let now: Timestamp = "20260101T000000".parse().unwrap();
        let psk_identity: PskIdentity = "light1@home.example.org".parse().unwrap();
        let good = Credential {
            function: Function::Cse,
            credential_id: CredentialId::saef_key(&psk_identity),
            psk_identity,
            kind: EntityKind::Ae,
            entity: None,
            state: CredentialState::Active,
            not_after: Some(now),
            version: 1,
            allow_short_key: false,
        };
        assert_eq!(usable(&good, Function::Cse, now), Ok(()));
        assert_eq!(usable(&good, Function::Maf, now), Err(KeyRefusal::Unknown));
        let revoked = Credential { state: CredentialState::Revoked, ..good.clone() };
        assert_eq!(usable(&revoked, Function::Cse, now), Err(KeyRefusal::Revoked));
        let later: Timestamp = "20260101T000000,000001".parse().unwrap();
        assert_eq!(usable(&good, Function::Cse, later), Err(KeyRefusal::Expired));
        let endless = Credential { not_after: None, ..good };
        assert_eq!(usable(&endless, Function::Cse, later), Ok(()));
    }

    #[test]
    fn names_round_trip() {
        for function in [Function::Cse, Function::Maf, Function::Mef] {
            assert_eq!(function.as_str().parse(), Ok(function));
        }
        for state in [CredentialState::Active, CredentialState::Revoked] {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("CSE".parse::<Function>().is_err());
    }
}
