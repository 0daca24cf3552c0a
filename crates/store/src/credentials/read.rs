use identity::{Credential, CredentialState, Function, Validity};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, PskIdentity, Usage};
use onem2m::id::{EntityId, EntityKind};
use rusqlite::{OptionalExtension as _, Row};

use super::{
    CredentialPage, CredentialRecord, Credentials, KeyRecord, MAX_PAGE, credential_id, row_of, stored_form,
};
use crate::{Reader, StoreError, row::Named, schema, seal::Place, slot};

/// The facts of [`Credential`], from index 0 on. A macro, so that statements are constants.
macro_rules! facts {
    () => {
        "function, psk_identity, kind, entity, state, not_after, version, allow_short_key"
    };
}
/// How many columns `facts!` has.
const FACTS: usize = 8;

/// The row of an identity: parameters are those of [`RowKey`]. By its slot, and by no index.
macro_rules! of_identity {
    () => {
        " FROM psk_lookup_table NOT INDEXED
          WHERE slot BETWEEN ?3 AND ?4 AND psk_identity = ?2 AND function = ?1"
    };
}

const VALIDITY_SQL: &str = concat!("SELECT state, not_after, version", of_identity!());
const FACTS_SQL: &str = concat!("SELECT ", facts!(), of_identity!());
pub(crate) const PSK_SQL: &str = concat!("SELECT ", facts!(), ", psk", of_identity!());
/// The columns of `PSK_SQL` for an identity that has no row: those of a revoked AE.
const MADE_UP_SQL: &str = "SELECT ?1, ?2, 'ae', '//none.example.org/cse/Cnone', 'revoked', NULL, 1, 0, NULL";
const RECORD_SQL: &str = concat!("SELECT ", facts!(), ", usage, label, created, changed", of_identity!());
const PAGE_SQL: &str = concat!(
    "SELECT ",
    facts!(),
    ", usage, label, created, changed FROM psk_lookup_table
     WHERE function = ?1 AND psk_identity > ?2 ORDER BY psk_identity LIMIT ?3"
);
const ENTITY_SQL: &str = concat!(
    "SELECT ",
    facts!(),
    ", usage, label, created, changed FROM psk_lookup_table
     WHERE entity = ?1 AND kind = ?2 ORDER BY function, psk_identity LIMIT ?3"
);

impl Credentials for Reader<'_> {
    fn credential(
        &self,
        function: Function,
        identity: &PskIdentity,
    ) -> Result<Option<Credential>, StoreError> {
        self.facts(function, &stored_form(identity.as_str()))
    }

    fn credential_by_id(&self, id: &CredentialId) -> Result<Option<Credential>, StoreError> {
        let Some((function, identity)) = row_of(id) else { return Ok(None) };
        self.facts(function, &identity)
    }

    fn credential_record(&self, id: &CredentialId) -> Result<Option<CredentialRecord>, StoreError> {
        let Some((function, identity)) = row_of(id) else { return Ok(None) };
        let mut statement = self.connection.prepare_cached(RECORD_SQL)?;
        statement.query_row(row_key(function, &identity), |row| Ok(record(row))).optional()?.transpose()
    }

    fn psk(&self, function: Function, identity: &PskIdentity) -> Result<Option<KeyRecord>, StoreError> {
        let identity = stored_form(identity.as_str());
        let mut statement = self.connection.prepare_cached(PSK_SQL)?;
        let mut rows = statement.query(row_key(function, &identity))?;
        match rows.next()? {
            Some(row) => self.key_record(row, function, &identity).map(Some),
            None => {
                drop(rows);
                self.as_if_there(function, &identity)?;
                Ok(None)
            }
        }
    }

    fn credentials(&self, page: &CredentialPage) -> Result<Vec<CredentialRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(PAGE_SQL)?;
        let after = page.after.as_deref().unwrap_or_default();
        let mut rows = statement.query((page.function.as_str(), after, page.limit.min(MAX_PAGE)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record(row)?);
        }
        Ok(found)
    }

    fn credentials_of(&self, entity: &EntityId) -> Result<Vec<CredentialRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(ENTITY_SQL)?;
        let mut rows = statement.query((entity.to_string(), entity.kind().as_str(), MAX_PAGE))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(record(row)?);
        }
        Ok(found)
    }

    fn credential_count(&self) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM psk_lookup_table";
        let count: i64 = self.connection.query_row(sql, [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl Reader<'_> {
    fn key_record(&self, row: &Row<'_>, function: Function, identity: &str) -> Result<KeyRecord, StoreError> {
        let credential = facts(row)?;
        let named = Named { row, table: schema::CREDENTIALS, key: identity };
        let key = [function.as_str(), identity];
        let place = place_of_key(&key);
        let key = match row.get_ref(FACTS)?.as_blob_or_null().map_err(|error| named.damaged("psk", &error))? {
            None => {
                // Whoever times the refusal does not learn that the key was erased.
                self.sealer.open_nothing(&place);
                None
            }
            Some(cell) => {
                let secret = self.sealer.open(&place, cell)?;
                let policy = length_policy(credential.allow_short_key);
                Some(Kpsa::new(secret, policy).map_err(|error| named.damaged("psk", &error))?)
            }
        };
        Ok(KeyRecord { credential, key })
    }

    /// Does with a row made up for the purpose what is done with one that is found: whoever times the refusal
    /// does not learn that there is none.
    fn as_if_there(&self, function: Function, identity: &str) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(MADE_UP_SQL)?;
        let mut rows = statement.query((function.as_str(), identity))?;
        if let Some(row) = rows.next()? {
            drop(std::hint::black_box(self.key_record(row, function, identity)?));
        }
        Ok(())
    }

    pub(crate) fn key_validity(
        &self,
        function: Function,
        identity: &str,
    ) -> Result<Option<Validity>, StoreError> {
        let mut statement = self.connection.prepare_cached(VALIDITY_SQL)?;
        let mut rows = statement.query(row_key(function, identity))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let named = Named { row, table: schema::CREDENTIALS, key: identity };
        let version: i64 = named.get(2, "version")?;
        Ok(Some(Validity {
            function,
            state: named.parse(0, "state")?,
            not_after: named.time_optional(1, "not_after")?,
            version: u64::try_from(version).map_err(|error| named.damaged("version", &error))?,
        }))
    }

    fn facts(&self, function: Function, identity: &str) -> Result<Option<Credential>, StoreError> {
        let mut statement = self.connection.prepare_cached(FACTS_SQL)?;
        statement.query_row(row_key(function, identity), |row| Ok(facts(row))).optional()?.transpose()
    }
}

/// Function, `psk_identity` in its stored form, and the first and the last slot in which the row may lie.
type RowKey<'a> = (&'static str, &'a str, i64, i64);

fn row_key(function: Function, identity: &str) -> RowKey<'_> {
    let first = slot::first(function.as_str(), identity);
    (function.as_str(), identity, first, slot::last(first))
}

/// Where the sealed key of a row stands; `key` is function and `psk_identity`.
pub(crate) const fn place_of_key<'a>(key: &'a [&'a str]) -> Place<'a> {
    Place { table: schema::CREDENTIALS, column: "psk", key }
}

pub(crate) const fn length_policy(allow_short_key: bool) -> KeyLengthPolicy {
    if allow_short_key { KeyLengthPolicy::AllowShort } else { KeyLengthPolicy::Strict }
}

fn facts(row: &Row<'_>) -> Result<Credential, StoreError> {
    let key = row.get_ref(1)?.as_str().unwrap_or("(not text)");
    let named = Named { row, table: schema::CREDENTIALS, key };
    let function: Function = named.parse(0, "function")?;
    let psk_identity: PskIdentity = named.parse(1, "psk_identity")?;
    let kind: EntityKind = named.parse(2, "kind")?;
    let entity = match named.get::<Option<String>>(3, "entity")? {
        None => None,
        Some(text) => Some(EntityId::parse(kind, &text).map_err(|error| named.damaged("entity", &error))?),
    };
    let state: CredentialState = named.parse(4, "state")?;
    let version: i64 = named.get(6, "version")?;
    Ok(Credential {
        function,
        credential_id: credential_id(function, &psk_identity)?,
        psk_identity,
        kind,
        entity,
        state,
        not_after: named.time_optional(5, "not_after")?,
        version: u64::try_from(version).map_err(|error| named.damaged("version", &error))?,
        allow_short_key: named.get(7, "allow_short_key")?,
    })
}

fn record(row: &Row<'_>) -> Result<CredentialRecord, StoreError> {
    let credential = facts(row)?;
    let named = Named { row, table: schema::CREDENTIALS, key: credential.psk_identity.as_str() };
    Ok(CredentialRecord {
        usage: match named.get(FACTS, "usage")? {
            None => None,
            Some(code) => Some(Usage::from_code(code).map_err(|error| named.damaged("usage", &error))?),
        },
        label: named.get(FACTS + 1, "label")?,
        created: named.time(FACTS + 2, "created")?,
        changed: named.time(FACTS + 3, "changed")?,
        credential,
    })
}
