use keys::CredentialId;
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::Timestamp,
};
use thiserror::Error;

pub use keys::CertificateFlavour as Flavour;

use crate::{Credential, CredentialState, Function, KeyRefusal};

/// What is enrolled, other than a symmetric key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// A public key, by its hash (TS-0003 §10.1.2; draft clause x.y.6): Credential-ID type 30.
    PublicKey,
    /// The name in a certificate of this flavour, whose chain leads to a configured anchor: types 31 to 34.
    Certificate(Flavour),
    /// An identity token (draft clause x.y.7).
    Token,
}

impl Method {
    /// The method of a credential with this Credential-ID; `None` for a symmetric key, and for what opens no
    /// association.
    #[must_use]
    pub const fn of(id: &CredentialId) -> Option<Self> {
        use keys::CredentialKind as Kind;
        match id.kind() {
            Kind::RawPublicKey => Some(Self::PublicKey),
            Kind::DeviceCertificate => Some(Self::Certificate(Flavour::Device)),
            Kind::CseIdCertificate => Some(Self::Certificate(Flavour::CseId)),
            Kind::AeIdCertificate => Some(Self::Certificate(Flavour::AeId)),
            Kind::NodeIdCertificate => Some(Self::Certificate(Flavour::NodeId)),
            Kind::IdentityToken => Some(Self::Token),
            _ => None,
        }
    }

    /// The name in records and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PublicKey | Self::Certificate(Flavour::RawPublicKey) => "public-key",
            Self::Certificate(Flavour::Device) => "device-certificate",
            Self::Certificate(Flavour::CseId) => "cse-id-certificate",
            Self::Certificate(Flavour::AeId) => "ae-id-certificate",
            Self::Certificate(Flavour::NodeId) => "node-id-certificate",
            Self::Token => "token",
        }
    }
}

/// Demands a chain of an enrolled public key, and so that what the certificate says beside the key counts as well:
/// its names, its dates, its maker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPolicy {
    /// The certificates, PEM, that the chain must lead to.
    pub anchors_pem: String,
}

/// A credential other than a symmetric key: what a proof of possession of it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    /// The function that it opens.
    pub function: Function,
    /// Its Credential-ID (TS-0003 §10.4).
    pub credential_id: CredentialId,
    /// What is enrolled.
    pub method: Method,
    /// What kind of entity holds it.
    pub kind: EntityKind,
    /// The CSE-ID or AE-ID that it stands for; `None` until the registrar has assigned one, and with a list.
    pub subject: Option<EntityId>,
    /// The AE-IDs that the holder may speak as, in place of one identity: for device and Node-ID certificates.
    pub allowed: Vec<AeId>,
    /// Whether it may be used.
    pub state: CredentialState,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// Raised by every change of the identity or the state.
    pub version: u64,
    /// What the chain of an enrolled public key must be.
    pub chain_policy: Option<ChainPolicy>,
}

/// Most AE-IDs of a list.
pub const MAX_ALLOWED: usize = 1000;

/// What cannot be enrolled in this way. Messages begin with what is enrolled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misfit {
    /// The Credential-ID is that of another kind of credential.
    #[error("a Credential-ID of another type")]
    Type,
    /// A CSE-ID certificate authenticates CSEs only, an AE-ID certificate AEs only (TS-0003 §8.1.2.1).
    #[error("a CSE-ID certificate stands for a CSE and an AE-ID certificate for an AE (TS-0003 §8.1.2.1)")]
    Kind,
    /// The identity is of the other kind.
    #[error("the identity is not of the kind that is given")]
    Subject,
    /// A list where there is one identity, or of something else than AEs.
    #[error("a list of AE-IDs takes the place of one identity, for the AEs of a device or node")]
    List,
    /// A list for something else than a device or Node-ID certificate.
    #[error("only a device or Node-ID certificate stands for a list of AE-IDs (TS-0003 §8.2.1)")]
    ListOf,
    /// The list is too long, or names one twice.
    #[error("a list has at most 1000 AE-IDs, each of them once")]
    ListLength,
    /// A token stands for one identity from the beginning.
    #[error("an identity token stands for one entity (register A-31)")]
    Nobody,
    /// Only an enrolled public key is without a chain otherwise.
    #[error("a chain policy goes with a public key")]
    Chain,
}

impl Enrolment {
    /// Whether its parts go together.
    ///
    /// # Errors
    /// The first [`Misfit`].
    pub fn check(&self) -> Result<(), Misfit> {
        if Method::of(&self.credential_id) != Some(self.method) {
            return Err(Misfit::Type);
        }
        match (self.method, self.kind) {
            (Method::Certificate(Flavour::CseId), EntityKind::Ae)
            | (Method::Certificate(Flavour::AeId), EntityKind::Cse) => return Err(Misfit::Kind),
            _ => {}
        }
        if self.subject.as_ref().is_some_and(|subject| subject.kind() != self.kind) {
            return Err(Misfit::Subject);
        }
        if self.method == Method::Token && self.subject.is_none() {
            return Err(Misfit::Nobody);
        }
        if self.chain_policy.is_some() && self.method != Method::PublicKey {
            return Err(Misfit::Chain);
        }
        self.check_list()
    }

    fn check_list(&self) -> Result<(), Misfit> {
        if self.allowed.is_empty() {
            return Ok(());
        }
        if !matches!(self.method, Method::Certificate(Flavour::Device | Flavour::NodeId)) {
            return Err(Misfit::ListOf);
        }
        if self.subject.is_some() || self.kind != EntityKind::Ae {
            return Err(Misfit::List);
        }
        let distinct: std::collections::HashSet<&AeId> = self.allowed.iter().collect();
        if self.allowed.len() > MAX_ALLOWED || distinct.len() < self.allowed.len() {
            return Err(Misfit::ListLength);
        }
        Ok(())
    }

    /// What it has in common with other credentials.
    #[must_use]
    pub fn facts(&self) -> CredentialFacts {
        CredentialFacts {
            function: self.function,
            credential_id: self.credential_id.clone(),
            kind: self.kind,
            subject: self.subject.clone(),
            allowed: self.allowed.clone(),
            state: self.state,
            not_after: self.not_after,
            version: self.version,
        }
    }
}

impl Credential {
    /// What it has in common with other credentials.
    #[must_use]
    pub fn facts(&self) -> CredentialFacts {
        CredentialFacts {
            function: self.function,
            credential_id: self.credential_id.clone(),
            kind: self.kind,
            subject: self.entity.clone(),
            allowed: Vec::new(),
            state: self.state,
            not_after: self.not_after,
            version: self.version,
        }
    }
}

/// What is known of every credential, whether a key, a certificate or a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialFacts {
    /// The function that it opens.
    pub function: Function,
    /// Its Credential-ID (TS-0003 §10.4).
    pub credential_id: CredentialId,
    /// What kind of entity holds it.
    pub kind: EntityKind,
    /// The identity that it stands for.
    pub subject: Option<EntityId>,
    /// The AE-IDs that its holder may speak as, in place of one identity.
    pub allowed: Vec<AeId>,
    /// Whether it may be used.
    pub state: CredentialState,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// Raised by every change of the key, the identity or the state.
    pub version: u64,
}

impl CredentialFacts {
    /// Whether it may be used for `function` at `now`.
    ///
    /// # Errors
    /// As for [`crate::usable`].
    pub fn usable(&self, function: Function, now: Timestamp) -> Result<(), KeyRefusal> {
        self.validity().usable(function, now)
    }

    /// The part of it that the life of an association depends on.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        let Self { function, state, not_after, version, .. } = *self;
        Validity { function, state, not_after, version }
    }
}

/// What the life of an association depends on, of a credential of any kind. Every request asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The function that it opens.
    pub function: Function,
    /// Whether it may be used.
    pub state: CredentialState,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// Raised by every change of the key, the identity or the state.
    pub version: u64,
}

impl Validity {
    /// Whether the credential may be used for `function` at `now`.
    ///
    /// # Errors
    /// As for [`crate::usable`].
    pub fn usable(&self, function: Function, now: Timestamp) -> Result<(), KeyRefusal> {
        judge(self.function == function, self.state, self.not_after, now)
    }
}

/// Whether `enrolment` may be used for `function` at `now`.
///
/// # Errors
/// [`KeyRefusal::Revoked`], [`KeyRefusal::Expired`], or [`KeyRefusal::Unknown`] for another function's, which does
/// not exist as far as this one is concerned.
pub fn usable_enrolment(enrolment: &Enrolment, function: Function, now: Timestamp) -> Result<(), KeyRefusal> {
    judge(enrolment.function == function, enrolment.state, enrolment.not_after, now)
}

/// The one rule by which credentials of every kind may be used or not.
pub(crate) fn judge(
    same_function: bool,
    state: CredentialState,
    not_after: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), KeyRefusal> {
    match (same_function, state) {
        (false, _) => Err(KeyRefusal::Unknown),
        (true, CredentialState::Revoked) => Err(KeyRefusal::Revoked),
        (true, CredentialState::Active) if not_after.is_some_and(|end| now > end) => Err(KeyRefusal::Expired),
        (true, CredentialState::Active) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Enrolment {
        Enrolment {
            function: Function::Cse,
            credential_id: "30-sha-256-120.U1aQV-Ev4rdLoHyJJWCi".parse().unwrap(),
            method: Method::PublicKey,
            kind: EntityKind::Ae,
            subject: None,
            allowed: Vec::new(),
            state: CredentialState::Active,
            not_after: None,
            version: 1,
            chain_policy: None,
        }
    }

    fn of_type(id: &str) -> Enrolment {
        let credential_id: CredentialId = id.parse().unwrap();
        Enrolment { method: Method::of(&credential_id).unwrap(), credential_id, ..key() }
    }

    #[test]
    fn only_active_unexpired_ones_of_the_function_are_usable() {
        let (now, later): (Timestamp, Timestamp) =
            ("20260101T000000".parse().unwrap(), "20260101T000000,000001".parse().unwrap());
        let good = Enrolment { not_after: Some(now), ..key() };
        for (enrolment, function, at, expected) in [
            (good.clone(), Function::Cse, now, Ok(())),
            (good.clone(), Function::Mef, now, Err(KeyRefusal::Unknown)),
            (good.clone(), Function::Cse, later, Err(KeyRefusal::Expired)),
            (key(), Function::Cse, later, Ok(())),
            (
                Enrolment { state: CredentialState::Revoked, ..good },
                Function::Cse,
                now,
                Err(KeyRefusal::Revoked),
            ),
        ] {
            assert_eq!(usable_enrolment(&enrolment, function, at), expected);
            assert_eq!(enrolment.facts().usable(function, at), expected);
        }
    }

    /// TS-0003 §8.1.2.1, §8.2.1: which certificate stands for whom.
    #[test]
    fn parts_go_together() {
        let ae: AeId = "//example.org/mn/Cone".parse().unwrap();
        let cse = EntityId::Cse("//example.org/mn".parse().unwrap());
        let one = Some(EntityId::Ae(ae.clone()));
        let chain = Some(ChainPolicy { anchors_pem: String::new() });
        let (device, node, of_cse, of_ae, token) = (
            of_type("31-0.2.481.1"),
            of_type("34-urn:x:1"),
            of_type("32-mn.in.example.org"),
            of_type("33-Sx.example.org"),
            of_type("90-abc"),
        );
        let cse_kind = |enrolment: &Enrolment| Enrolment { kind: EntityKind::Cse, ..enrolment.clone() };
        let listed = |enrolment: &Enrolment| Enrolment { allowed: vec![ae.clone()], ..enrolment.clone() };
        let many: Vec<AeId> =
            (0..=1000).map(|number| format!("//example.org/mn/C{number}").parse().unwrap()).collect();
        for (enrolment, expected) in [
            (key(), Ok(())),
            (Enrolment { subject: one.clone(), ..key() }, Ok(())),
            (Enrolment { chain_policy: chain.clone(), ..key() }, Ok(())),
            (cse_kind(&of_cse), Ok(())),
            (of_ae.clone(), Ok(())),
            (listed(&device), Ok(())),
            (listed(&node), Ok(())),
            (cse_kind(&device), Ok(())),
            (Enrolment { subject: one.clone(), ..token.clone() }, Ok(())),
            (Enrolment { method: Method::Token, ..key() }, Err(Misfit::Type)),
            (Enrolment { credential_id: "12-a@x.org".parse().unwrap(), ..key() }, Err(Misfit::Type)),
            (of_cse.clone(), Err(Misfit::Kind)),
            (cse_kind(&of_ae), Err(Misfit::Kind)),
            (Enrolment { subject: Some(cse), ..key() }, Err(Misfit::Subject)),
            (token.clone(), Err(Misfit::Nobody)),
            (Enrolment { chain_policy: chain, ..device.clone() }, Err(Misfit::Chain)),
            (listed(&key()), Err(Misfit::ListOf)),
            (listed(&of_ae), Err(Misfit::ListOf)),
            (listed(&Enrolment { subject: one.clone(), ..token }), Err(Misfit::ListOf)),
            (listed(&cse_kind(&device)), Err(Misfit::List)),
            (listed(&Enrolment { subject: one, ..device.clone() }), Err(Misfit::List)),
            (Enrolment { allowed: vec![ae.clone(), ae.clone()], ..device.clone() }, Err(Misfit::ListLength)),
            (Enrolment { allowed: many, ..device }, Err(Misfit::ListLength)),
        ] {
            assert_eq!(enrolment.check(), expected, "{:?}", enrolment.credential_id);
        }
    }
}
