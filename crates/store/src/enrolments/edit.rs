use identity::{CredentialState, Enrolment, Method, Misfit};
use keys::{CertificateName, CertificateUse, CredentialId, PublicKeyHash};
use onem2m::{
    id::{AeId, EntityId},
    time::Timestamp,
};

use super::{
    Enrolled, Enrolments as _, EnrolmentsMut, MAX_CHAIN_FACTS_OCTETS, MAX_CHAIN_POLICY_OCTETS, NewEnrolment,
};
use crate::{
    ChangeKind, Conflict, MAX_LABEL_OCTETS, SessionsMut as _, StoreError, Tx, Unacceptable, row::bounded,
};

impl EnrolmentsMut for Tx<'_> {
    fn add_enrolment(&mut self, new: &NewEnrolment) -> Result<Enrolment, StoreError> {
        bounded("label", &new.label, MAX_LABEL_OCTETS)?;
        let enrolment = facts(new)?;
        let lookup = lookup(&new.what);
        if let Some(lookup) = &lookup
            && let Some(holder) = self.holder_of_lookup(lookup)?
        {
            return Err(if holder == enrolment.credential_id.as_str() {
                Conflict::Enrolled { credential_id: holder }.into()
            } else {
                Conflict::PublicKey { credential_id: holder }.into()
            });
        }
        let sql = "INSERT INTO enrolments (credential_id, function, kind, entity, state, not_after, version,
            listed, chain_policy, chain_facts, label, created, changed, lookup)
            VALUES (?1, ?2, ?3, ?4, 'active', ?5, 1, ?6, ?7, NULL, ?8, ?9, ?9, ?10) ON CONFLICT DO NOTHING";
        let stored = self.connection.prepare_cached(sql)?.execute((
            enrolment.credential_id.as_str(),
            enrolment.function.as_str(),
            enrolment.kind.as_str(),
            enrolment.subject.as_ref().map(ToString::to_string),
            enrolment.not_after.map(Timestamp::unix_micros),
            !enrolment.allowed.is_empty(),
            enrolment.chain_policy.as_ref().map(|policy| &policy.anchors_pem),
            &new.label,
            self.now().unix_micros(),
            lookup,
        ))?;
        if stored == 0 {
            return Err(Conflict::Enrolled { credential_id: enrolment.credential_id.to_string() }.into());
        }
        self.write_list(&enrolment.credential_id, &enrolment.allowed)?;
        self.enrolment_altered(&enrolment.credential_id)
    }

    fn set_allowed(&mut self, id: &CredentialId, allowed: &[AeId]) -> Result<Enrolment, StoreError> {
        let before = self.active_enrolment(id)?;
        let after = Enrolment { allowed: allowed.to_vec(), ..before };
        acceptable(&after)?;
        // An empty list would let it stand for whatever it registers as, in place of nobody.
        if allowed.is_empty() {
            return Err(misfit(&after, Misfit::List));
        }
        self.update_enrolment(id, "listed = 1, version = version + 1", &[])?;
        self.connection
            .prepare_cached("DELETE FROM enrolment_aes WHERE credential_id = ?1")?
            .execute([id.as_str()])?;
        self.write_list(id, allowed)?;
        self.enrolment_altered(id)
    }

    fn note_chain(&mut self, id: &CredentialId, facts: &str) -> Result<(), StoreError> {
        bounded("chain_facts", facts, MAX_CHAIN_FACTS_OCTETS)?;
        self.existing_enrolment(id)?;
        let sql = "UPDATE enrolments SET chain_facts = ?2 WHERE credential_id = ?1 AND chain_facts IS NOT ?2";
        self.connection.prepare_cached(sql)?.execute([id.as_str(), facts])?;
        Ok(())
    }
}

/// The enrolment that `new` describes, if its parts go together.
fn facts(new: &NewEnrolment) -> Result<Enrolment, StoreError> {
    let (method, credential_id) = match &new.what {
        Enrolled::PublicKey(key) => {
            let name = CertificateName::RawPublicKey(*key);
            (Method::PublicKey, CredentialId::certificate(CertificateUse::Tls, &name))
        }
        Enrolled::Certificate(id) => match Method::of(id) {
            Some(method @ Method::Certificate(_)) => (method, id.clone()),
            _ => {
                return Err(
                    Unacceptable::Enrolment { credential_id: id.to_string(), misfit: Misfit::Type }.into()
                );
            }
        },
        Enrolled::Token(digest) => (Method::Token, CredentialId::identity_token(digest)),
    };
    let mut allowed = new.allowed.clone();
    // As it is read back.
    allowed.sort_by_cached_key(ToString::to_string);
    let enrolment = Enrolment {
        function: new.function,
        credential_id,
        method,
        kind: new.kind,
        subject: new.subject.clone(),
        allowed,
        state: CredentialState::Active,
        not_after: new.not_after,
        version: 1,
        chain_policy: new.chain_policy.clone(),
    };
    acceptable(&enrolment)?;
    Ok(enrolment)
}

fn acceptable(enrolment: &Enrolment) -> Result<(), StoreError> {
    if let Some(policy) = &enrolment.chain_policy {
        bounded("chain_policy", &policy.anchors_pem, MAX_CHAIN_POLICY_OCTETS)?;
    }
    enrolment.check().map_err(|reason| misfit(enrolment, reason))
}

fn misfit(enrolment: &Enrolment, misfit: Misfit) -> StoreError {
    Unacceptable::Enrolment { credential_id: enrolment.credential_id.to_string(), misfit }.into()
}

/// By what it is found that is not its Credential-ID: the octets that all hashes of a public key begin with, or the
/// whole digest of a token. They differ in length, and so never meet.
fn lookup(what: &Enrolled) -> Option<Vec<u8>> {
    match what {
        Enrolled::PublicKey(key) => {
            Some(key.digest().iter().copied().take(PublicKeyHash::Sha256To120.octets()).collect())
        }
        Enrolled::Certificate(_) => None,
        Enrolled::Token(digest) => Some(digest.octets().to_vec()),
    }
}

impl Tx<'_> {
    pub(crate) fn existing_enrolment(&self, id: &CredentialId) -> Result<Enrolment, StoreError> {
        let found = self.enrolment(id)?;
        found.ok_or_else(|| Conflict::NoCredential { credential_id: id.to_string() }.into())
    }

    pub(crate) fn active_enrolment(&self, id: &CredentialId) -> Result<Enrolment, StoreError> {
        let found = self.existing_enrolment(id)?;
        match found.state {
            CredentialState::Active => Ok(found),
            CredentialState::Revoked => Err(Conflict::Revoked { credential_id: id.to_string() }.into()),
        }
    }

    /// The enrolment `id` with the entity `subject`, if it could stand for that.
    pub(crate) fn enrolment_for(
        &self,
        id: &CredentialId,
        subject: Option<&EntityId>,
    ) -> Result<Enrolment, StoreError> {
        let before = self.active_enrolment(id)?;
        let after = Enrolment { subject: subject.cloned(), ..before };
        acceptable(&after)?;
        Ok(after)
    }

    /// Alters a row; `assignments` may use parameters from `?3` on.
    pub(crate) fn update_enrolment(
        &self,
        id: &CredentialId,
        assignments: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<(), StoreError> {
        let sql = format!("UPDATE enrolments SET changed = ?2, {assignments} WHERE credential_id = ?1");
        let (id, now) = (id.as_str(), self.now().unix_micros());
        let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&id, &now];
        parameters.extend_from_slice(values);
        self.connection.prepare_cached(&sql)?.execute(parameters.as_slice())?;
        Ok(())
    }

    /// Ends what could be resumed, announces the alteration, and reads the row back.
    pub(crate) fn enrolment_altered(&mut self, id: &CredentialId) -> Result<Enrolment, StoreError> {
        self.forget_sessions_of_credential(id)?;
        self.announce(ChangeKind::Credential, id.as_str())?;
        self.existing_enrolment(id)
    }

    pub(crate) fn active_enrolments_of(&self, entity: &EntityId) -> Result<Vec<CredentialId>, StoreError> {
        let sql = "SELECT credential_id FROM enrolments
                   WHERE entity = ?1 AND kind = ?2 AND state = 'active' LIMIT 1000";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((entity.to_string(), entity.kind().as_str()))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_str().unwrap_or("(not text)");
            let named = crate::row::Named { row, table: crate::schema::ENROLMENTS, key };
            found.push(named.parse(0, "credential_id")?);
        }
        Ok(found)
    }

    fn write_list(&self, id: &CredentialId, allowed: &[AeId]) -> Result<(), StoreError> {
        let sql = "INSERT INTO enrolment_aes (ae, credential_id) VALUES (?1, ?2)";
        let mut insert = self.connection.prepare_cached(sql)?;
        for ae in allowed {
            insert.execute((ae.to_string(), id.as_str()))?;
        }
        Ok(())
    }

    fn holder_of_lookup(&self, lookup: &[u8]) -> Result<Option<String>, StoreError> {
        use rusqlite::OptionalExtension as _;
        let sql = "SELECT credential_id FROM enrolments WHERE lookup = ?1";
        Ok(self.connection.prepare_cached(sql)?.query_row([lookup], |row| row.get(0)).optional()?)
    }
}
