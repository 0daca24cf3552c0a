use identity::{ChainPolicy, CredentialFacts, CredentialState, Enrolment, Function, Method, Validity};
use keys::{CredentialId, PublicKeyHash, PublicKeyIdentifier, TokenDigest};
use onem2m::id::{AeId, EntityId, EntityKind};
use rusqlite::{OptionalExtension as _, Params, Row};

use super::{EnrolmentPage, EnrolmentRecord, Enrolments};
use crate::{Credentials as _, MAX_PAGE, Reader, StoreError, credentials::row_of, row::Named, schema};

/// The columns that a row is read from.
const COLUMNS_SQL: &str = "SELECT credential_id, function, kind, entity, state, not_after, version, listed,
    chain_policy, chain_facts, label, created, changed FROM enrolments";

impl Enrolments for Reader<'_> {
    fn enrolment(&self, id: &CredentialId) -> Result<Option<Enrolment>, StoreError> {
        Ok(self.enrolment_record(id)?.map(|record| record.enrolment))
    }

    fn enrolment_record(&self, id: &CredentialId) -> Result<Option<EnrolmentRecord>, StoreError> {
        self.one_enrolment("WHERE credential_id = ?1", [id.as_str()])
    }

    fn enrolment_of_key(&self, spki: &[u8]) -> Result<Option<Enrolment>, StoreError> {
        let shortest = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256To120, spki);
        let found = self.one_enrolment("WHERE lookup = ?1", [shortest.digest()])?;
        let Some(record) = found else { return Ok(None) };
        // The first octets of all three hashes are the same; the rest must be, too.
        let whole = record.enrolment.credential_id.value().parse::<PublicKeyIdentifier>();
        Ok(whole.is_ok_and(|whole| whole.matches(spki)).then_some(record.enrolment))
    }

    fn enrolment_of_token(&self, digest: &TokenDigest) -> Result<Option<Enrolment>, StoreError> {
        let found = self.one_enrolment("WHERE lookup = ?1", [&digest.octets()[..]])?;
        Ok(found.map(|record| record.enrolment))
    }

    fn enrolments(&self, page: &EnrolmentPage) -> Result<Vec<EnrolmentRecord>, StoreError> {
        self.listed_enrolments(
            "WHERE function = ?1 AND credential_id > ?2 ORDER BY credential_id LIMIT ?3",
            (page.function.as_str(), page.after.as_deref().unwrap_or_default(), page.limit.min(MAX_PAGE)),
        )
    }

    fn enrolments_of(&self, entity: &EntityId) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let mut found = self.listed_enrolments(
            "WHERE entity = ?1 AND kind = ?2 ORDER BY credential_id LIMIT ?3",
            (entity.to_string(), entity.kind().as_str(), MAX_PAGE),
        )?;
        if let EntityId::Ae(ae) = entity {
            found.extend(self.listed_enrolments(
                "WHERE credential_id IN (SELECT credential_id FROM enrolment_aes WHERE ae = ?1)
                 ORDER BY credential_id LIMIT ?2",
                (ae.to_string(), MAX_PAGE),
            )?);
        }
        Ok(found)
    }

    fn enrolment_count(&self) -> Result<u64, StoreError> {
        let count: i64 =
            self.connection.query_row("SELECT count(*) FROM enrolments", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn credential_facts(&self, id: &CredentialId) -> Result<Option<CredentialFacts>, StoreError> {
        if row_of(id).is_some() {
            return Ok(self.credential_by_id(id)?.map(|credential| credential.facts()));
        }
        Ok(self.enrolment(id)?.map(|enrolment| enrolment.facts()))
    }

    fn credential_validity(&self, id: &CredentialId) -> Result<Option<Validity>, StoreError> {
        match row_of(id) {
            Some((function, identity)) => self.key_validity(function, &identity),
            None => Ok(self.enrolment(id)?.map(|enrolment| enrolment.facts().validity())),
        }
    }

    fn holders_of(&self, entity: &EntityId) -> Result<Vec<CredentialFacts>, StoreError> {
        let keys = self.credentials_of(entity)?;
        let mut found: Vec<_> = keys.into_iter().map(|record| record.credential.facts()).collect();
        found.extend(self.enrolments_of(entity)?.into_iter().map(|record| record.enrolment.facts()));
        Ok(found)
    }
}

impl Reader<'_> {
    fn one_enrolment(
        &self,
        filter: &str,
        parameters: impl Params,
    ) -> Result<Option<EnrolmentRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS_SQL} {filter}"))?;
        let found = statement.query_row(parameters, |row| Ok(record(row))).optional()?.transpose()?;
        found.map(|found| self.with_list(found)).transpose()
    }

    fn listed_enrolments(
        &self,
        filter: &str,
        parameters: impl Params,
    ) -> Result<Vec<EnrolmentRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS_SQL} {filter}"))?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(self.with_list(record(row)?)?);
        }
        Ok(found)
    }

    /// Reads the list of AE-IDs, which few have.
    fn with_list(&self, found: Read) -> Result<EnrolmentRecord, StoreError> {
        let Read { mut record, listed } = found;
        if listed {
            let id = record.enrolment.credential_id.as_str();
            let sql = "SELECT ae FROM enrolment_aes WHERE credential_id = ?1 ORDER BY ae";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([id])?;
            let mut allowed: Vec<AeId> = Vec::new();
            while let Some(row) = rows.next()? {
                let named = Named { row, table: schema::ENROLMENT_AES, key: id };
                allowed.push(named.parse(0, "ae")?);
            }
            record.enrolment.allowed = allowed;
        }
        Ok(record)
    }
}

/// A row, its list still to be read.
struct Read {
    record: EnrolmentRecord,
    listed: bool,
}

fn record(row: &Row<'_>) -> Result<Read, StoreError> {
    let key = row.get_ref(0)?.as_str().unwrap_or("(not text)");
    let named = Named { row, table: schema::ENROLMENTS, key };
    let credential_id: CredentialId = named.parse(0, "credential_id")?;
    let function: Function = named.parse(1, "function")?;
    let kind: EntityKind = named.parse(2, "kind")?;
    let subject = match named.get::<Option<String>>(3, "entity")? {
        None => None,
        Some(text) => Some(EntityId::parse(kind, &text).map_err(|error| named.damaged("entity", &error))?),
    };
    let state: CredentialState = named.parse(4, "state")?;
    let version: i64 = named.get(6, "version")?;
    let method = Method::of(&credential_id)
        .ok_or_else(|| named.damaged("credential_id", &"expected type 30 to 34 or that of a token"))?;
    let enrolment = Enrolment {
        function,
        method,
        kind,
        subject,
        allowed: Vec::new(),
        state,
        not_after: named.time_optional(5, "not_after")?,
        version: u64::try_from(version).map_err(|error| named.damaged("version", &error))?,
        chain_policy: named
            .get::<Option<String>>(8, "chain_policy")?
            .map(|anchors_pem| ChainPolicy { anchors_pem }),
        credential_id,
    };
    Ok(Read {
        listed: named.get(7, "listed")?,
        record: EnrolmentRecord {
            chain_facts: named.get(9, "chain_facts")?,
            label: named.get(10, "label")?,
            created: named.time(11, "created")?,
            changed: named.time(12, "changed")?,
            enrolment,
        },
    })
}
