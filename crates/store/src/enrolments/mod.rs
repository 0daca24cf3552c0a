//! Enrolments: public keys, names in certificates, and identity tokens, and for whom each stands (TS-0003 §8.2.2.2,
//! §10.4).

mod edit;
mod read;

use identity::{ChainPolicy, CredentialFacts, Enrolment, Function, Validity};
use keys::{CredentialId, PublicKeyIdentifier, TokenDigest};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::Timestamp,
};

use crate::StoreError;

/// Most octets of the certificates of a chain policy.
pub const MAX_CHAIN_POLICY_OCTETS: usize = 65_536;
/// Most octets of what is noted of a chain.
pub const MAX_CHAIN_FACTS_OCTETS: usize = 4096;

/// What is enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolled {
    /// A public key, by its hash. Whichever of the three hashes it is, a key is enrolled once.
    PublicKey(PublicKeyIdentifier),
    /// The name in a certificate: a Credential-ID of type 31 to 34.
    Certificate(CredentialId),
    /// An identity token, by its digest.
    Token(TokenDigest),
}

/// An enrolment to be made.
#[derive(Debug, Clone)]
pub struct NewEnrolment {
    /// The function that it opens.
    pub function: Function,
    /// What is enrolled.
    pub what: Enrolled,
    /// What kind of entity holds it.
    pub kind: EntityKind,
    /// The entity that it stands for; `None` until the registrar assigns one.
    pub subject: Option<EntityId>,
    /// The AE-IDs that its holder may speak as, in place of one identity.
    pub allowed: Vec<AeId>,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// What the chain of an enrolled public key must be; at most [`MAX_CHAIN_POLICY_OCTETS`] octets.
    pub chain_policy: Option<ChainPolicy>,
    /// The operator's own words, at most [`crate::MAX_LABEL_OCTETS`] octets.
    pub label: String,
}

impl NewEnrolment {
    /// An enrolment without expiry or label, that stands for nobody yet.
    #[must_use]
    pub const fn new(function: Function, what: Enrolled, kind: EntityKind) -> Self {
        Self {
            function,
            what,
            kind,
            subject: None,
            allowed: Vec::new(),
            not_after: None,
            chain_policy: None,
            label: String::new(),
        }
    }
}

/// An enrolment as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentRecord {
    /// The facts.
    pub enrolment: Enrolment,
    /// What the last verified chain said of the equipment: its maker, for one.
    pub chain_facts: Option<String>,
    /// The operator's own words.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// Which enrolments to list, in the order of their Credential-IDs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolmentPage {
    /// Only those of this function.
    pub function: Function,
    /// Only those behind this Credential-ID: the last one of the page before.
    pub after: Option<String>,
    /// How many at most, up to [`crate::MAX_PAGE`].
    pub limit: u32,
}

/// Reading enrolments, and what all credentials have in common.
pub trait Enrolments {
    /// The enrolment with this Credential-ID, of types 30 to 34 and of identity tokens.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Fault`].
    fn enrolment(&self, id: &CredentialId) -> Result<Option<Enrolment>, StoreError>;

    /// The enrolment with this Credential-ID, as an operator sees it.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn enrolment_record(&self, id: &CredentialId) -> Result<Option<EnrolmentRecord>, StoreError>;

    /// The enrolment of the public key in `spki`, a DER `SubjectPublicKeyInfo`, whichever of its three hashes
    /// (TS-0003 §10.1.2) was enrolled.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn enrolment_of_key(&self, spki: &[u8]) -> Result<Option<Enrolment>, StoreError>;

    /// The enrolment of the identity token with this digest.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn enrolment_of_token(&self, digest: &TokenDigest) -> Result<Option<Enrolment>, StoreError>;

    /// One page of the enrolments of a function.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn enrolments(&self, page: &EnrolmentPage) -> Result<Vec<EnrolmentRecord>, StoreError>;

    /// The enrolments, active and revoked, that stand for `entity`, by themselves or in a list; at most
    /// [`crate::MAX_PAGE`].
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn enrolments_of(&self, entity: &EntityId) -> Result<Vec<EnrolmentRecord>, StoreError>;

    /// How many enrolments there are. Reads a whole table: for operators, not for handshakes.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn enrolment_count(&self) -> Result<u64, StoreError>;

    /// What is known of the credential with this Credential-ID, be it a key or an enrolment.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn credential_facts(&self, id: &CredentialId) -> Result<Option<CredentialFacts>, StoreError>;

    /// Of [`Self::credential_facts`] that what an association depends on: every request asks for it.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn credential_validity(&self, id: &CredentialId) -> Result<Option<Validity>, StoreError>;

    /// Every credential, key or enrolment, active or revoked, that stands for `entity`, by itself or in a list; at
    /// most [`crate::MAX_PAGE`] of each.
    ///
    /// # Errors
    /// As for [`Self::enrolment`].
    fn holders_of(&self, entity: &EntityId) -> Result<Vec<CredentialFacts>, StoreError>;
}

/// Altering enrolments; what they have in common with keys is altered through [`crate::CredentialsMut`]. Each
/// alteration is announced to followers ([`crate::Event`]) as one of a credential, and ends the sessions that could
/// have been resumed with it.
pub trait EnrolmentsMut {
    /// Adds an enrolment with version 1.
    ///
    /// # Errors
    /// [`crate::Conflict::Enrolled`], [`crate::Conflict::PublicKey`], or [`crate::Unacceptable`].
    fn add_enrolment(&mut self, new: &NewEnrolment) -> Result<Enrolment, StoreError>;

    /// Lets the holder speak as the AEs of another list, and raises the version.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`], [`crate::Conflict::Revoked`], or [`crate::Unacceptable::Enrolment`], for
    /// one that stands for one entity, for example.
    fn set_allowed(&mut self, id: &CredentialId, allowed: &[AeId]) -> Result<Enrolment, StoreError>;

    /// Notes what a verified chain said of the equipment. Announces nothing: it is not what associations depend on.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`] or [`crate::Unacceptable::TooLong`].
    fn note_chain(&mut self, id: &CredentialId, facts: &str) -> Result<(), StoreError>;
}
