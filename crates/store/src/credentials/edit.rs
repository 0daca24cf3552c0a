use identity::{Credential, CredentialFacts, CredentialState, Function};
use keys::{CredentialId, DraftKeyId, Kpsa, Usage, kca_id, kcc_id};
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};
use rusqlite::OptionalExtension as _;

use super::{
    Credentials, CredentialsMut, MAX_LABEL_OCTETS, NewCredential, place_of_key, row_of, stored_form,
};
use crate::{
    ChangeKind, Conflict, Enrolments as _, SessionsMut as _, StoreError, Tx, Unacceptable, row::bounded,
    schema, seal::KEY_DIGEST_OCTETS, slot,
};

const INSERT_SQL: &str =
    "INSERT INTO psk_lookup_table (function, psk_identity, kind, entity, state, not_after, version,
    allow_short_key, usage, label, created, changed, psk, key_digest, slot)
    VALUES (?1, ?2, ?3, ?4, 'active', ?5, 1, ?6, ?7, ?8, ?9, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING";

impl CredentialsMut for Tx<'_> {
    fn add_credential(&mut self, new: &NewCredential) -> Result<Credential, StoreError> {
        keep_length(&new.key, new.allow_short_key)?;
        bounded("label", &new.label, MAX_LABEL_OCTETS)?;
        if let Some(entity) = &new.entity {
            check_kind(entity, new.kind)?;
        }
        let identity = stored_form(new.psk_identity.as_str());
        check_draft_id(&identity, new.kind, &new.key)?;
        let row = Staged {
            line: 0,
            kind: new.kind,
            entity: new.entity.as_ref().map(ToString::to_string),
            not_after: new.not_after.map(Timestamp::unix_micros),
            short_key: new.allow_short_key,
            psk: self.seal_key(new.function, &identity, &new.key)?,
            key_digest: self.sealer.key_digest(new.key.expose()),
            psk_identity: identity.into_owned(),
        };
        match self.store_staged(new.function, new.usage, &new.label, &row)? {
            Storing::Stored => {}
            Storing::Present | Storing::IdentityTaken { .. } => {
                return Err(
                    Conflict::PskIdentity { function: new.function, psk_identity: row.psk_identity }.into()
                );
            }
            Storing::KeyTaken { function, psk_identity } => {
                return Err(Conflict::KeyValue { function, psk_identity }.into());
            }
        }
        let id = super::credential_id(new.function, &new.psk_identity)?;
        self.altered(&id)
    }

    fn revoke(&mut self, id: &CredentialId) -> Result<CredentialFacts, StoreError> {
        let before = self.facts(id)?;
        if before.state == CredentialState::Revoked {
            return Ok(before);
        }
        if row_of(id).is_some() {
            let before = self.existing(id)?;
            self.update(&before, "state = 'revoked', psk = NULL, version = version + 1", &[])?;
        } else {
            self.update_enrolment(id, "state = 'revoked', version = version + 1", &[])?;
        }
        self.facts_altered(id)
    }

    fn revoke_all_of(&mut self, entity: &EntityId) -> Result<Vec<CredentialId>, StoreError> {
        let mut revoked = Vec::new();
        loop {
            let mut page = self.active_of(entity)?;
            page.extend(self.active_enrolments_of(entity)?);
            if page.is_empty() {
                return Ok(revoked);
            }
            for id in page {
                self.revoke(&id)?;
                revoked.push(id);
            }
        }
    }

    fn bind_entity(&mut self, id: &CredentialId, entity: &EntityId) -> Result<CredentialFacts, StoreError> {
        let before = self.active_facts(id)?;
        check_kind(entity, before.kind)?;
        match &before.subject {
            Some(bound) if bound == entity => return Ok(before),
            Some(bound) => {
                let (credential_id, entity) = (id.to_string(), bound.to_string());
                return Err(Conflict::BoundElsewhere { credential_id, entity }.into());
            }
            None => {}
        }
        self.set_entity(id, Some(entity), false)
    }

    fn rebind_entity(
        &mut self,
        id: &CredentialId,
        entity: Option<&EntityId>,
    ) -> Result<CredentialFacts, StoreError> {
        let before = self.active_facts(id)?;
        if let Some(entity) = entity {
            check_kind(entity, before.kind)?;
        }
        self.set_entity(id, entity, true)
    }

    fn rotate_key(&mut self, id: &CredentialId, key: &Kpsa) -> Result<Credential, StoreError> {
        let before = self.active(id)?;
        keep_length(key, before.allow_short_key)?;
        check_draft_id(before.psk_identity.as_str(), before.kind, key)?;
        let digest = self.sealer.key_digest(key.expose());
        if let Some((function, psk_identity)) = self.holder_of(&digest)? {
            return Err(Conflict::KeyValue { function, psk_identity }.into());
        }
        let cell = self.seal_key(before.function, before.psk_identity.as_str(), key)?;
        self.update(&before, "psk = ?4, key_digest = ?5, version = version + 1", &[&cell, &digest])?;
        self.altered(id)
    }

    fn set_not_after(
        &mut self,
        id: &CredentialId,
        end: Option<Timestamp>,
    ) -> Result<CredentialFacts, StoreError> {
        self.active_facts(id)?;
        let end = end.map(Timestamp::unix_micros);
        if row_of(id).is_some() {
            let before = self.active(id)?;
            self.update(&before, "not_after = ?4", &[&end])?;
        } else {
            self.update_enrolment(id, "not_after = ?3", &[&end])?;
        }
        self.facts_altered(id)
    }
}

/// A row that is ready to be stored, its key sealed already.
pub(crate) struct Staged {
    /// The line that it came from; for messages.
    pub(crate) line: i64,
    pub(crate) psk_identity: String,
    pub(crate) kind: EntityKind,
    pub(crate) entity: Option<String>,
    pub(crate) not_after: Option<i64>,
    pub(crate) short_key: bool,
    pub(crate) psk: Vec<u8>,
    pub(crate) key_digest: [u8; KEY_DIGEST_OCTETS],
}

/// What became of a staged row.
pub(crate) enum Storing {
    Stored,
    /// The same credential is there already.
    Present,
    /// Another credential has the identity.
    IdentityTaken {
        revoked: bool,
    },
    /// Another credential has the key value.
    KeyTaken {
        function: Function,
        psk_identity: String,
    },
}

impl Tx<'_> {
    /// Stores a row unless its identity or key value is taken. Announces nothing.
    pub(crate) fn store_staged(
        &mut self,
        function: Function,
        usage: Option<Usage>,
        label: &str,
        row: &Staged,
    ) -> Result<Storing, StoreError> {
        let now = self.now().unix_micros();
        let first = slot::first(function.as_str(), &row.psk_identity);
        let slot = slot::free(self.connection, schema::CREDENTIALS, first)?;
        let mut insert = self.connection.prepare_cached(INSERT_SQL)?;
        let stored = insert.execute(rusqlite::params![
            function.as_str(),
            row.psk_identity,
            row.kind.as_str(),
            row.entity,
            row.not_after,
            row.short_key,
            usage.map(Usage::code),
            label,
            now,
            row.psk,
            row.key_digest,
            slot,
        ])?;
        if stored > 0 {
            return Ok(Storing::Stored);
        }
        drop(insert);
        self.what_stands_in_the_way(function, row)
    }

    fn what_stands_in_the_way(&self, function: Function, row: &Staged) -> Result<Storing, StoreError> {
        let sql = "SELECT state = 'revoked', kind = ?3 AND (?4 IS NULL OR entity IS ?4) AND not_after IS ?5
                   AND key_digest = ?6 AND state = 'active'
                   FROM psk_lookup_table WHERE function = ?1 AND psk_identity = ?2";
        let parameters = (
            function.as_str(),
            &row.psk_identity,
            row.kind.as_str(),
            &row.entity,
            row.not_after,
            &row.key_digest[..],
        );
        let found: Option<(bool, bool)> = self
            .connection
            .prepare_cached(sql)?
            .query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match found {
            Some((_, true)) => Ok(Storing::Present),
            Some((revoked, false)) => Ok(Storing::IdentityTaken { revoked }),
            None => match self.holder_of(&row.key_digest)? {
                Some((function, psk_identity)) => Ok(Storing::KeyTaken { function, psk_identity }),
                None => Err(crate::Fault::other("a credential was not stored for no visible reason").into()),
            },
        }
    }

    /// The credential that has, or had until it was revoked, the key value with this digest.
    fn holder_of(&self, digest: &[u8]) -> Result<Option<(Function, String)>, StoreError> {
        let sql = "SELECT function, psk_identity FROM psk_lookup_table WHERE key_digest = ?1";
        let found: Option<(String, String)> = self
            .connection
            .prepare_cached(sql)?
            .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((function, psk_identity)) = found else { return Ok(None) };
        let function = function.parse().map_err(|error: identity::UnknownName| crate::Damaged::Value {
            table: schema::CREDENTIALS,
            column: "function",
            row: psk_identity.clone(),
            reason: error.to_string(),
        })?;
        Ok(Some((function, psk_identity)))
    }

    pub(crate) fn seal_key(
        &self,
        function: Function,
        identity: &str,
        key: &Kpsa,
    ) -> Result<Vec<u8>, StoreError> {
        self.sealer.seal(&place_of_key(&[function.as_str(), identity]), key.expose(), self.rng)
    }

    fn existing(&self, id: &CredentialId) -> Result<Credential, StoreError> {
        let found = self.credential_by_id(id)?;
        found.ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() }.into())
    }

    fn active(&self, id: &CredentialId) -> Result<Credential, StoreError> {
        let found = self.existing(id)?;
        match found.state {
            CredentialState::Active => Ok(found),
            CredentialState::Revoked => Err(Conflict::Revoked { credential_id: id.to_string() }.into()),
        }
    }

    fn active_of(&self, entity: &EntityId) -> Result<Vec<CredentialId>, StoreError> {
        let sql = "SELECT function, psk_identity FROM psk_lookup_table
                   WHERE entity = ?1 AND kind = ?2 AND state = 'active'
                   ORDER BY function, psk_identity LIMIT 1000";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((entity.to_string(), entity.kind().as_str()))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(1)?.as_str().unwrap_or("(not text)");
            let named = crate::row::Named { row, table: schema::CREDENTIALS, key };
            found.push(super::credential_id(named.parse(0, "function")?, &named.parse(1, "psk_identity")?)?);
        }
        Ok(found)
    }

    /// Alters the row of `before`; `assignments` may use parameters from `?4` on.
    fn update(
        &self,
        before: &Credential,
        assignments: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<(), StoreError> {
        let sql = format!(
            "UPDATE psk_lookup_table SET changed = ?3, {assignments} WHERE function = ?1 AND psk_identity = ?2"
        );
        let function = before.function.as_str();
        let identity = before.psk_identity.as_str();
        let now = self.now().unix_micros();
        let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&function, &identity, &now];
        parameters.extend_from_slice(values);
        self.connection.prepare_cached(&sql)?.execute(parameters.as_slice())?;
        Ok(())
    }

    /// Ends what could be resumed, announces the alteration, and reads the row back.
    fn altered(&mut self, id: &CredentialId) -> Result<Credential, StoreError> {
        let after = self.existing(id)?;
        self.forget_sessions_of_credential(&after.credential_id)?;
        self.announce(ChangeKind::Credential, after.credential_id.as_str())?;
        Ok(after)
    }

    /// As [`Self::altered`], for a credential of any kind.
    fn facts_altered(&mut self, id: &CredentialId) -> Result<CredentialFacts, StoreError> {
        if row_of(id).is_some() {
            return Ok(self.altered(id)?.facts());
        }
        Ok(self.enrolment_altered(id)?.facts())
    }

    fn facts(&self, id: &CredentialId) -> Result<CredentialFacts, StoreError> {
        let found = self.credential_facts(id)?;
        found.ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() }.into())
    }

    fn active_facts(&self, id: &CredentialId) -> Result<CredentialFacts, StoreError> {
        let found = self.facts(id)?;
        match found.state {
            CredentialState::Active => Ok(found),
            CredentialState::Revoked => Err(Conflict::Revoked { credential_id: id.to_string() }.into()),
        }
    }

    /// Lets an active credential of any kind stand for `entity`, which is of its kind.
    fn set_entity(
        &mut self,
        id: &CredentialId,
        entity: Option<&EntityId>,
        raise: bool,
    ) -> Result<CredentialFacts, StoreError> {
        let raised = if raise { ", version = version + 1" } else { "" };
        let text = entity.map(ToString::to_string);
        if row_of(id).is_some() {
            let before = self.active(id)?;
            self.update(&before, &format!("entity = ?4{raised}"), &[&text])?;
        } else {
            self.enrolment_for(id, entity)?;
            self.update_enrolment(id, &format!("entity = ?3{raised}"), &[&text])?;
        }
        self.facts_altered(id)
    }
}

fn keep_length(key: &Kpsa, allow_short_key: bool) -> Result<(), StoreError> {
    if key.is_short() && !allow_short_key {
        let (octets, minimum) = (key.octets(), keys::MIN_KEY_OCTETS);
        return Err(Unacceptable::Key(keys::KeyError::TooShort { octets, minimum }).into());
    }
    Ok(())
}

fn check_kind(entity: &EntityId, kind: EntityKind) -> Result<(), StoreError> {
    if entity.kind() == kind {
        return Ok(());
    }
    Err(Unacceptable::EntityKind { entity: entity.to_string(), kind: kind.as_str() }.into())
}

/// An identity in the drafts' form is a hash of the key; both sides recompute it when a key is installed
/// (draft clauses a.b.1, a.b.2).
pub(crate) fn check_draft_id(identity: &str, kind: EntityKind, key: &Kpsa) -> Result<(), StoreError> {
    let Ok(given) = identity.parse::<DraftKeyId>() else { return Ok(()) };
    let computed = match kind {
        EntityKind::Ae => kca_id(key),
        EntityKind::Cse => kcc_id(key),
    };
    if given == computed {
        return Ok(());
    }
    Err(Unacceptable::DraftKeyId { psk_identity: identity.to_owned() }.into())
}
