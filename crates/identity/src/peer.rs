use std::{
    fmt,
    net::SocketAddr,
    str::FromStr,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use keys::CredentialId;
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::Timestamp,
};
use thiserror::Error;

use crate::{Credential, Enrolment, Flavour, Function, Method, UnknownName, Validity};

/// After so many wrong identity tokens an association is to be closed (register A-32).
pub const MAX_WRONG_TOKENS: u32 = 5;

/// How a peer was authenticated (TS-0003 §8.2, and the drafts' ways).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framework {
    /// Provisioned symmetric key (TS-0003 §8.2.2.1).
    ProvisionedKey,
    /// Certificate of this flavour, or raw public key (TS-0003 §8.2.2.2).
    Certificate(Flavour),
    /// Certificate, perhaps self-signed, whose public key is enrolled by its hash (draft clause x.y.6).
    PublicKeyHash,
    /// Identity token inside of a session in which the registrar alone was authenticated (draft clause x.y.7).
    Token,
}

impl Framework {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ProvisionedKey,
        Self::Certificate(Flavour::RawPublicKey),
        Self::Certificate(Flavour::Device),
        Self::Certificate(Flavour::CseId),
        Self::Certificate(Flavour::AeId),
        Self::Certificate(Flavour::NodeId),
        Self::PublicKeyHash,
        Self::Token,
    ];

    /// The name in logs, metrics and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProvisionedKey => "psk",
            Self::Certificate(Flavour::RawPublicKey) => "raw-public-key",
            Self::Certificate(Flavour::Device) => "device-certificate",
            Self::Certificate(Flavour::CseId) => "cse-id-certificate",
            Self::Certificate(Flavour::AeId) => "ae-id-certificate",
            Self::Certificate(Flavour::NodeId) => "node-id-certificate",
            Self::PublicKeyHash => "public-key-hash",
            Self::Token => "token",
        }
    }
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Framework {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Self::ALL.into_iter().find(|framework| framework.as_str() == text);
        found.ok_or_else(|| UnknownName::of(text))
    }
}

/// What a finished handshake proved, and what our own records say that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Established {
    /// How the peer was authenticated.
    pub framework: Framework,
    /// The Credential-ID of what it proved to hold; `None` if it proved nothing yet, as before an identity token.
    pub credential_id: Option<CredentialId>,
    /// The version of that credential at the handshake. Zero if there is no record of it: a certificate that
    /// only its chain vouches for, or no credential.
    pub version: u64,
    /// AE or CSE, if something is proved.
    pub kind: Option<EntityKind>,
    /// The identity that the credential stands for, if one is assigned already.
    pub subject: Option<EntityId>,
    /// The AE-IDs that a device or node may speak as, in place of one identity; empty otherwise (TS-0003
    /// §8.2.1).
    pub allowed: Vec<AeId>,
    /// The last moment at which the credential may be used: the association does not outlive it (TS-0001
    /// §11.3.2).
    pub not_after: Option<Timestamp>,
}

impl Established {
    /// The association of a peer that proved to hold the key of `credential`.
    #[must_use]
    pub fn by_key(credential: &Credential) -> Self {
        Self {
            framework: Framework::ProvisionedKey,
            credential_id: Some(credential.credential_id.clone()),
            version: credential.version,
            kind: Some(credential.kind),
            subject: credential.entity.clone(),
            allowed: Vec::new(),
            not_after: credential.not_after,
        }
    }

    /// The association of a peer that proved to hold the private key of what is enrolled: `framework` says in
    /// which way. Whether the enrolment may be used, [`crate::usable_enrolment`] says.
    #[must_use]
    pub fn by_enrolment(framework: Framework, enrolment: &Enrolment) -> Self {
        Self {
            framework,
            credential_id: Some(enrolment.credential_id.clone()),
            version: enrolment.version,
            kind: Some(enrolment.kind),
            subject: enrolment.subject.clone(),
            allowed: enrolment.allowed.clone(),
            not_after: enrolment.not_after,
        }
    }

    /// The session of a peer that authenticated us alone, and has yet to show an identity token.
    #[must_use]
    pub const fn by_nothing() -> Self {
        Self {
            framework: Framework::Token,
            credential_id: None,
            version: 0,
            kind: None,
            subject: None,
            allowed: Vec::new(),
            not_after: None,
        }
    }

    /// The same, but no longer than until `end`: that of a certificate, for one.
    #[must_use]
    pub fn until(self, end: Timestamp) -> Self {
        let not_after = self.not_after.map_or(end, |own| own.min(end));
        Self { not_after: Some(not_after), ..self }
    }
}

/// What a peer holds, once that is proved.
#[derive(Debug)]
struct Proof {
    credential_id: CredentialId,
    version: u64,
    kind: EntityKind,
}

/// The other end of one live association. Its identity is set at most once and never changes
/// (TS-0003 §8.2.1).
#[derive(Debug)]
pub struct Peer {
    framework: Framework,
    proof: OnceLock<Proof>,
    subject: OnceLock<EntityId>,
    allowed: Vec<AeId>,
    not_after: OnceLock<Timestamp>,
    wrong_tokens: AtomicU32,
    source: SocketAddr,
}

impl Peer {
    /// The peer that `established` describes, connected from `source`.
    #[must_use]
    pub fn new(established: Established, source: SocketAddr) -> Self {
        let (proof, subject, not_after) = (OnceLock::new(), OnceLock::new(), OnceLock::new());
        if let (Some(credential_id), Some(kind)) = (established.credential_id, established.kind) {
            proof.get_or_init(|| Proof { credential_id, version: established.version, kind });
        }
        if let Some(identity) = established.subject {
            subject.get_or_init(|| identity);
        }
        if let Some(end) = established.not_after {
            not_after.get_or_init(|| end);
        }
        Self {
            framework: established.framework,
            proof,
            subject,
            allowed: established.allowed,
            not_after,
            wrong_tokens: AtomicU32::new(0),
            source,
        }
    }

    /// How it was authenticated, or is to be.
    #[must_use]
    pub const fn framework(&self) -> Framework {
        self.framework
    }

    /// The Credential-ID that it proved; `None` before an identity token.
    #[must_use]
    pub fn credential_id(&self) -> Option<&CredentialId> {
        self.proof.get().map(|proof| &proof.credential_id)
    }

    /// The version of the credential when it was proved; zero if there was no record of it.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.proof.get().map_or(0, |proof| proof.version)
    }

    /// AE or CSE; `None` before an identity token.
    #[must_use]
    pub fn kind(&self) -> Option<EntityKind> {
        self.proof.get().map(|proof| proof.kind)
    }

    /// The identity bound to the association, if one is bound.
    #[must_use]
    pub fn subject(&self) -> Option<&EntityId> {
        self.subject.get()
    }

    /// The AE-IDs that it may speak as, where the association is bound to a list in place of one identity;
    /// otherwise empty.
    #[must_use]
    pub fn allowed(&self) -> &[AeId] {
        &self.allowed
    }

    /// The last moment at which the credential may be used, as far as was known when it was proved.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after.get().copied()
    }

    /// The address that it connected from.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// Binds the identity that a registration assigned. Binding the same identity again is no error, and on an
    /// association that is bound to a list, a member of it is none either: the list stays.
    ///
    /// # Errors
    /// [`AlreadyBound`] if another identity is bound, or nothing is proved yet.
    pub fn bind(&self, identity: &EntityId) -> Result<(), AlreadyBound> {
        if self.proof.get().is_none() {
            return Err(AlreadyBound);
        }
        if !self.allowed.is_empty() {
            let member = identity.ae().is_some_and(|ae| self.allowed.contains(ae));
            return if member { Ok(()) } else { Err(AlreadyBound) };
        }
        let bound = self.subject.get_or_init(|| identity.clone());
        if bound == identity { Ok(()) } else { Err(AlreadyBound) }
    }

    /// Takes the identity token that `enrolment` records, which this session has shown, for proof of its
    /// identity. To be called only after [`crate::usable_enrolment`]. Showing the same token again is no error.
    ///
    /// # Errors
    /// [`AlreadyBound`] if the peer was authenticated in another way or by another token, or if `enrolment` is
    /// not a token's or names nobody.
    pub fn prove(&self, enrolment: &Enrolment) -> Result<(), AlreadyBound> {
        let (Framework::Token, Method::Token, Some(subject)) =
            (self.framework, enrolment.method, &enrolment.subject)
        else {
            return Err(AlreadyBound);
        };
        let proof = self.proof.get_or_init(|| Proof {
            credential_id: enrolment.credential_id.clone(),
            version: enrolment.version,
            kind: enrolment.kind,
        });
        if proof.credential_id != enrolment.credential_id || proof.version != enrolment.version {
            return Err(AlreadyBound);
        }
        if let Some(end) = enrolment.not_after {
            self.not_after.get_or_init(|| end);
        }
        if self.subject.get_or_init(|| subject.clone()) == subject { Ok(()) } else { Err(AlreadyBound) }
    }

    /// Whether the association still stands for what it was made for: `validity` is what our records say of its
    /// credential now, `None` if there is no record. A certificate that only its chain vouches for needs none, and
    /// holds as long as there is none.
    #[must_use]
    pub fn still_holds(&self, validity: Option<&Validity>, function: Function, now: Timestamp) -> bool {
        match validity {
            Some(validity) => validity.version == self.version() && validity.usable(function, now).is_ok(),
            None => {
                self.version() == 0
                    && matches!(self.framework, Framework::Certificate(Flavour::CseId | Flavour::AeId))
                    && self.not_after().is_none_or(|end| now <= end)
            }
        }
    }

    /// Counts a wrong identity token, and says how many there were. At [`MAX_WRONG_TOKENS`] the association is
    /// to be closed, and its address slowed down.
    pub fn wrong_token(&self) -> u32 {
        // Never wraps: nobody may go on for that long.
        self.wrong_tokens.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// How many wrong identity tokens there were.
    #[must_use]
    pub fn wrong_tokens(&self) -> u32 {
        self.wrong_tokens.load(Ordering::Relaxed)
    }
}

/// The association is bound to another identity already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the association is bound to another identity already")]
pub struct AlreadyBound;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CredentialState;

    fn token(name: &str, stem: &str) -> Enrolment {
        Enrolment {
            function: Function::Cse,
            credential_id: format!("90-{name}").parse().unwrap(),
            method: Method::Token,
            kind: EntityKind::Ae,
            subject: Some(of(stem)),
            allowed: Vec::new(),
            state: CredentialState::Active,
            not_after: Some("20270101T000000".parse().unwrap()),
            version: 3,
            chain_policy: None,
        }
    }

    fn of(stem: &str) -> EntityId {
        EntityId::Ae(format!("//example.org/mn/{stem}").parse().unwrap())
    }

    fn connected(established: Established) -> Peer {
        Peer::new(established, "127.0.0.1:5000".parse().unwrap())
    }

    #[test]
    fn names_round_trip() {
        for framework in Framework::ALL {
            assert_eq!(framework.as_str().parse(), Ok(framework));
        }
        assert!("PSK".parse::<Framework>().is_err());
    }

    /// Register A-31: a session is nobody's until its token, and then one entity's for good.
    #[test]
    fn a_token_binds_once() {
        let peer = connected(Established::by_nothing());
        assert_eq!(
            (peer.credential_id(), peer.kind(), peer.subject(), peer.version()),
            (None, None, None, 0)
        );
        assert_eq!(peer.bind(&of("Clight1")), Err(AlreadyBound), "a registration alone binds nothing");
        let one = token("one", "Clight1");
        assert_eq!(peer.prove(&Enrolment { method: Method::PublicKey, ..one.clone() }), Err(AlreadyBound));
        assert_eq!(peer.prove(&Enrolment { subject: None, ..one.clone() }), Err(AlreadyBound));
        assert_eq!(peer.subject(), None);
        peer.prove(&one).unwrap();
        peer.prove(&one).unwrap();
        assert_eq!(peer.credential_id(), Some(&one.credential_id));
        assert_eq!((peer.kind(), peer.version(), peer.not_after()), (Some(EntityKind::Ae), 3, one.not_after));
        assert_eq!(peer.subject(), one.subject.as_ref());
        for other in [
            token("two", "Clight1"),
            token("one", "Clight2"),
            token("two", "Clight2"),
            Enrolment { version: 4, ..one.clone() },
        ] {
            assert_eq!(peer.prove(&other), Err(AlreadyBound), "{other:?}");
        }
        assert_eq!(peer.subject(), one.subject.as_ref());
        peer.bind(&of("Clight1")).unwrap();
        assert_eq!(peer.bind(&of("Clight2")), Err(AlreadyBound));
    }

    #[test]
    fn a_peer_that_proved_a_key_needs_no_token() {
        let one = token("one", "Clight1");
        let key = Enrolment { method: Method::PublicKey, ..one.clone() };
        let peer = connected(Established::by_enrolment(Framework::PublicKeyHash, &key));
        assert_eq!(peer.prove(&one), Err(AlreadyBound));
    }

    #[test]
    fn wrong_tokens_are_counted() {
        let peer = connected(Established::by_nothing());
        assert_eq!([peer.wrong_token(), peer.wrong_token(), peer.wrong_tokens()], [1, 2, 2]);
    }

    /// TS-0003 §8.2.1: bound to a list, an association stays bound to the list.
    #[test]
    fn a_list_stays_a_list() {
        let listed: Vec<AeId> =
            ["Cone", "Ctwo"].map(|stem| of(stem).ae().unwrap().clone()).into_iter().collect();
        let device = Enrolment {
            credential_id: "31-0.2.481.1".parse().unwrap(),
            method: Method::Certificate(Flavour::Device),
            subject: None,
            allowed: listed.clone(),
            ..token("x", "Cone")
        };
        let framework = Framework::Certificate(Flavour::Device);
        let peer = connected(Established::by_enrolment(framework, &device));
        assert_eq!((peer.allowed(), peer.subject()), (&*listed, None));
        peer.bind(&of("Cone")).unwrap();
        peer.bind(&of("Ctwo")).unwrap();
        assert_eq!(peer.bind(&of("Cthree")), Err(AlreadyBound));
        assert_eq!(peer.subject(), None);
    }

    /// F-19: what the records say today counts; a certificate alone holds while there is no record of it.
    #[test]
    fn an_association_holds_while_its_credential_does() {
        let (now, end) = ("20260601T000000".parse().unwrap(), "20260701T000000".parse().unwrap());
        let enrolment = Enrolment { method: Method::PublicKey, ..token("one", "Cone") };
        let facts = enrolment.facts().validity();
        let made = Established::by_enrolment(Framework::PublicKeyHash, &enrolment);
        let by_key = connected(made.clone());
        assert!(by_key.still_holds(Some(&facts), Function::Cse, now));
        for changed in [
            Validity { version: 4, ..facts },
            Validity { state: CredentialState::Revoked, ..facts },
            Validity { not_after: Some("20260101T000000".parse().unwrap()), ..facts },
            Validity { function: Function::Maf, ..facts },
        ] {
            assert!(!by_key.still_holds(Some(&changed), Function::Cse, now), "{changed:?}");
        }
        assert!(!by_key.still_holds(None, Function::Cse, now));
        let framework = Framework::Certificate(Flavour::CseId);
        let alone = Established { framework, version: 0, not_after: Some(end), ..made };
        assert!(connected(alone.clone()).still_holds(None, Function::Cse, now));
        assert!(!connected(alone.clone()).still_holds(Some(&facts), Function::Cse, now));
        assert!(!connected(alone.clone()).still_holds(
            None,
            Function::Cse,
            "20260701T000001".parse().unwrap()
        ));
        let of_key = Established { framework: Framework::PublicKeyHash, ..alone };
        assert!(!connected(of_key).still_holds(None, Function::Cse, now));
        assert!(!connected(Established::by_nothing()).still_holds(None, Function::Cse, now));
    }

    #[test]
    fn an_association_ends_with_the_first_to_end() {
        let enrolment = Enrolment { method: Method::PublicKey, ..token("one", "Cone") };
        let made = Established::by_enrolment(Framework::PublicKeyHash, &enrolment);
        let (sooner, later) = ("20260601T000000".parse().unwrap(), "20280101T000000".parse().unwrap());
        assert_eq!(made.clone().until(sooner).not_after, Some(sooner));
        assert_eq!(made.clone().until(later).not_after, enrolment.not_after);
        assert_eq!(Established { not_after: None, ..made }.until(later).not_after, Some(later));
    }
}
