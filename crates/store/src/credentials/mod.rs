//! Credentials: the psk-lookup-table (TS-0003 §8.2.2.1, TR-0038 §7.1).

mod edit;
mod read;

use std::borrow::Cow;

use identity::{Credential, CredentialFacts, Function};
use keys::{CredentialId, Kpsa, PskIdentity, Usage};
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};

use crate::StoreError;

pub(crate) use edit::{Staged, Storing, check_draft_id};
#[cfg(test)]
pub(crate) use read::PSK_SQL;
pub(crate) use read::{length_policy, place_of_key};

/// Most octets of a credential's label.
pub const MAX_LABEL_OCTETS: usize = 1024;
/// Most rows of one page of credentials.
pub const MAX_PAGE: u32 = 1000;

/// What a handshake needs: the facts of a credential and its key.
#[derive(Debug)]
pub struct KeyRecord {
    /// The facts; whether it may be used is for [`identity::usable`] to say.
    pub credential: Credential,
    /// The key; `None` once the credential is revoked, for its key is erased then.
    pub key: Option<Kpsa>,
}

/// A credential as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// The facts.
    pub credential: Credential,
    /// What the key is for.
    pub usage: Option<Usage>,
    /// The operator's own words.
    pub label: String,
    /// When it was added.
    pub created: Timestamp,
    /// When it was changed last.
    pub changed: Timestamp,
}

/// A credential to be added.
#[derive(Debug)]
pub struct NewCredential {
    /// The function that it opens.
    pub function: Function,
    /// What the peer will send. Where the part before the `@`, or all of it, is 32 hexadecimal digits, it is
    /// stored in upper case (register ).
    pub psk_identity: PskIdentity,
    /// The key, 16 to 64 octets, or 8 to 64 with `allow_short_key`.
    pub key: Kpsa,
    /// What kind of entity holds it.
    pub kind: EntityKind,
    /// The entity that it stands for; `None` until the registrar assigns one.
    pub entity: Option<EntityId>,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
    /// Accepts a key of 8 to 15 octets.
    pub allow_short_key: bool,
    /// What the key is for.
    pub usage: Option<Usage>,
    /// The operator's own words, at most [`MAX_LABEL_OCTETS`] octets.
    pub label: String,
}

impl NewCredential {
    /// A credential without expiry, usage or label, bound to nobody yet.
    #[must_use]
    pub const fn new(function: Function, psk_identity: PskIdentity, key: Kpsa, kind: EntityKind) -> Self {
        Self {
            function,
            psk_identity,
            key,
            kind,
            entity: None,
            not_after: None,
            allow_short_key: false,
            usage: None,
            label: String::new(),
        }
    }
}

/// Which credentials to list, in the order of function and `psk_identity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialPage {
    /// Only those of this function.
    pub function: Function,
    /// Only those behind this `psk_identity`: the last one of the page before.
    pub after: Option<String>,
    /// How many at most, up to [`MAX_PAGE`].
    pub limit: u32,
}

/// Reading credentials.
pub trait Credentials {
    /// The credential of `function` that has this `psk_identity`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Fault`].
    fn credential(
        &self,
        function: Function,
        identity: &PskIdentity,
    ) -> Result<Option<Credential>, StoreError>;

    /// The credential with this Credential-ID. Types other than 10, 11 and 12 have none here.
    ///
    /// # Errors
    /// As for [`Self::credential`].
    fn credential_by_id(&self, id: &CredentialId) -> Result<Option<Credential>, StoreError>;

    /// Everything but the key.
    ///
    /// # Errors
    /// As for [`Self::credential`].
    fn credential_record(&self, id: &CredentialId) -> Result<Option<CredentialRecord>, StoreError>;

    /// The credential with its key.
    ///
    /// # Errors
    /// As for [`Self::credential`]; [`crate::Damaged::Seal`] if the sealed key was tampered with.
    fn psk(&self, function: Function, identity: &PskIdentity) -> Result<Option<KeyRecord>, StoreError>;

    /// One page of the credentials of a function.
    ///
    /// # Errors
    /// As for [`Self::credential`].
    fn credentials(&self, page: &CredentialPage) -> Result<Vec<CredentialRecord>, StoreError>;

    /// The credentials, active and revoked, that stand for `entity`; at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// As for [`Self::credential`].
    fn credentials_of(&self, entity: &EntityId) -> Result<Vec<CredentialRecord>, StoreError>;

    /// How many credentials there are. Reads a whole index: for operators, not for handshakes.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn credential_count(&self) -> Result<u64, StoreError>;
}

/// Altering credentials. Each alteration is announced to followers ([`crate::Event`]), and ends the sessions that
/// could have been resumed with the credential.
///
/// The version is raised by whatever makes earlier associations invalid: another key, another entity,
/// revocation. It is not raised by the first assignment of an entity, which an association itself brings about.
pub trait CredentialsMut {
    /// Adds a credential with version 1.
    ///
    /// # Errors
    /// [`crate::Conflict::PskIdentity`], [`crate::Conflict::KeyValue`], or [`crate::Unacceptable`].
    fn add_credential(&mut self, new: &NewCredential) -> Result<Credential, StoreError>;

    /// Withdraws a credential of any kind for good: erases its key, raises its version, keeps its identity
    /// reserved. Revoking twice is no error and changes nothing.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`].
    fn revoke(&mut self, id: &CredentialId) -> Result<CredentialFacts, StoreError>;

    /// Revokes every credential of `entity`, of any kind, and says which were active. A device or node that may
    /// speak as `entity` among others keeps its credential.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn revoke_all_of(&mut self, entity: &EntityId) -> Result<Vec<CredentialId>, StoreError>;

    /// Assigns the entity that a credential of any kind stands for, if none is. Assigning the same one again is
    /// no error and changes nothing.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`], [`crate::Conflict::Revoked`], [`crate::Conflict::BoundElsewhere`],
    /// [`crate::Unacceptable::EntityKind`] or [`crate::Unacceptable::Enrolment`].
    fn bind_entity(&mut self, id: &CredentialId, entity: &EntityId) -> Result<CredentialFacts, StoreError>;

    /// Lets a credential of any kind stand for another entity, or for none yet, and raises its version.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`], [`crate::Conflict::Revoked`], [`crate::Unacceptable::EntityKind`] or
    /// [`crate::Unacceptable::Enrolment`].
    fn rebind_entity(
        &mut self,
        id: &CredentialId,
        entity: Option<&EntityId>,
    ) -> Result<CredentialFacts, StoreError>;

    /// Replaces the key and raises the version.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`], [`crate::Conflict::Revoked`], [`crate::Conflict::KeyValue`] (also
    /// for the same key again), or [`crate::Unacceptable`].
    fn rotate_key(&mut self, id: &CredentialId, key: &Kpsa) -> Result<Credential, StoreError>;

    /// Sets the last moment at which a credential of any kind may be used.
    ///
    /// # Errors
    /// [`crate::Conflict::NoCredential`] or [`crate::Conflict::Revoked`].
    fn set_not_after(
        &mut self,
        id: &CredentialId,
        end: Option<Timestamp>,
    ) -> Result<CredentialFacts, StoreError>;
}

/// The form in which an identity is stored and looked up: 32 hexadecimal digits, alone or before an `@`, stand
/// for 16 octets and compare without regard to case; everything else compares as it is.
pub(crate) fn stored_form(identity: &str) -> Cow<'_, str> {
    let (left, rest) = identity.split_at(identity.find('@').unwrap_or(identity.len()));
    let is_octets = left.len() == 32 && left.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_octets && left.bytes().any(|digit| digit.is_ascii_lowercase()) {
        Cow::Owned(left.to_ascii_uppercase() + rest)
    } else {
        Cow::Borrowed(identity)
    }
}

/// The Credential-ID of a symmetric key towards `function` (TS-0003 §10.4, types 10 to 12).
pub(crate) fn credential_id(function: Function, identity: &PskIdentity) -> Result<CredentialId, StoreError> {
    match function {
        Function::Cse => Ok(CredentialId::saef_key(identity)),
        Function::Maf => Ok(format!("11-{}", identity.as_str()).parse()?),
        Function::Mef => Ok(format!("10-{}", identity.as_str()).parse()?),
    }
}

/// The primary key of the row that a Credential-ID names; `None` if no row can.
pub(crate) fn row_of(id: &CredentialId) -> Option<(Function, Cow<'_, str>)> {
    let function = match id.kind().code() {
        12 => Function::Cse,
        11 => Function::Maf,
        10 => Function::Mef,
        _ => return None,
    };
    Some((function, stored_form(id.value())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_octets_in_hexadecimal_have_one_form() {
        let upper = "0123456789ABCDEF0123456789ABCDEF";
        assert_eq!(stored_form(&upper.to_lowercase()), upper);
        assert_eq!(
            stored_form(&format!("{}@mef.example.org", upper.to_lowercase())),
            format!("{upper}@mef.example.org")
        );
        for kept in [
            "light1@home.example.org",
            "abcdef",
            &format!("{}00", upper.to_lowercase()),
            "größe",
            "@",
            "ab@cd@ef",
        ] {
            assert_eq!(stored_form(kept), kept);
        }
    }

    #[test]
    fn a_credential_id_leads_back_to_its_row() {
        let identity: PskIdentity = "12-odd@x.org".parse().unwrap();
        for function in [Function::Cse, Function::Maf, Function::Mef] {
            let id = credential_id(function, &identity).unwrap();
            assert_eq!(row_of(&id), Some((function, "12-odd@x.org".into())));
        }
        assert_eq!(row_of(&"30-x".parse().unwrap()), None);
    }
}
