//! The tables, their versions, and the steps from one version to the next.

use rusqlite::Connection;

use crate::{StoreError, slot};

/// SQLite's `application_id` of our databases: "Atch".
pub(crate) const APPLICATION_ID: i32 = 0x4174_6368;

/// The psk-lookup-table: one row a credential, its key sealed.
pub(crate) const CREDENTIALS: &str = "psk_lookup_table";
/// Resources of the CSE, registrations among them.
pub(crate) const RESOURCES: &str = "registrations";
/// Public keys, names in certificates, and tokens.
pub(crate) const ENROLMENTS: &str = "enrolments";
/// The AE-IDs that the holder of an enrolment may speak as.
pub(crate) const ENROLMENT_AES: &str = "enrolment_aes";
/// Sessions that may be resumed, those without ticket sealed.
pub(crate) const SESSIONS: &str = "sessions";
/// The keys of tickets, sealed.
pub(crate) const TICKET_KEYS: &str = "ticket_keys";

/// Leads from one schema version to the next.
enum Step {
    Sql(&'static str),
    Code(fn(&Connection) -> Result<(), StoreError>),
}

/// Step `n` leads from schema version `n` to `n + 1`. Append only: released steps never change.
const MIGRATIONS: &[Step] = &[
    Step::Sql(VERSION_1),
    Step::Sql(VERSION_2),
    Step::Code(version_3),
    Step::Sql(VERSION_4),
    Step::Sql(VERSION_5),
];

// The secret column and the digest come last: reading the facts of a row does not touch them.
const VERSION_1: &str = "
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE psk_lookup_table (
    function        TEXT NOT NULL CHECK (function IN ('cse', 'maf', 'mef')),
    psk_identity    TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('ae', 'cse')),
    entity          TEXT,
    state           TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    not_after       INTEGER,
    version         INTEGER NOT NULL CHECK (version > 0),
    allow_short_key INTEGER NOT NULL CHECK (allow_short_key IN (0, 1)),
    usage           INTEGER,
    label           TEXT NOT NULL,
    created         INTEGER NOT NULL,
    changed         INTEGER NOT NULL,
    psk             BLOB,
    key_digest      BLOB NOT NULL,
    PRIMARY KEY (function, psk_identity),
    CHECK ((psk IS NULL) = (state = 'revoked'))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX psk_lookup_table_key ON psk_lookup_table (key_digest);
CREATE INDEX psk_lookup_table_entity ON psk_lookup_table (entity) WHERE entity IS NOT NULL;

CREATE TABLE registrations (
    ri            TEXT NOT NULL PRIMARY KEY,
    ty            INTEGER NOT NULL,
    rn            TEXT NOT NULL,
    pi            TEXT NOT NULL,
    ct            INTEGER NOT NULL,
    lt            INTEGER NOT NULL,
    et            INTEGER,
    creator       TEXT,
    credential_id TEXT,
    attributes    TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX registrations_name ON registrations (pi, rn);
CREATE INDEX registrations_type ON registrations (ty, ri);
CREATE INDEX registrations_expiry ON registrations (et) WHERE et IS NOT NULL;
CREATE INDEX registrations_credential ON registrations (credential_id) WHERE credential_id IS NOT NULL;

CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    at            INTEGER NOT NULL,
    action        TEXT NOT NULL,
    outcome       TEXT NOT NULL,
    credential_id TEXT,
    entity        TEXT,
    source        TEXT,
    detail        TEXT NOT NULL
) STRICT;

CREATE TABLE changes (
    seq  INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL
) STRICT;
";

// Sessions have a number of their own, so that the oldest are known without counting. What a session depends on is
// looked up with it, for which the registration of an entity needs an index.
const VERSION_2: &str = "
CREATE TABLE enrolments (
    credential_id TEXT NOT NULL PRIMARY KEY,
    function      TEXT NOT NULL CHECK (function IN ('cse', 'maf', 'mef')),
    kind          TEXT NOT NULL CHECK (kind IN ('ae', 'cse')),
    entity        TEXT,
    state         TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    not_after     INTEGER,
    version       INTEGER NOT NULL CHECK (version > 0),
    listed        INTEGER NOT NULL CHECK (listed IN (0, 1)),
    chain_policy  TEXT,
    chain_facts   TEXT,
    label         TEXT NOT NULL,
    created       INTEGER NOT NULL,
    changed       INTEGER NOT NULL,
    lookup        BLOB,
    CHECK (listed = 0 OR entity IS NULL)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX enrolments_lookup ON enrolments (lookup) WHERE lookup IS NOT NULL;
CREATE INDEX enrolments_entity ON enrolments (entity) WHERE entity IS NOT NULL;
CREATE INDEX enrolments_function ON enrolments (function, credential_id);

CREATE TABLE enrolment_aes (
    ae            TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    PRIMARY KEY (ae, credential_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolment_aes_credential ON enrolment_aes (credential_id);

CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    digest        BLOB NOT NULL UNIQUE,
    function      TEXT NOT NULL,
    framework     TEXT NOT NULL,
    credential_id TEXT NOT NULL,
    version       INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    entity        TEXT,
    allowed       TEXT,
    server_name   TEXT,
    ems           INTEGER NOT NULL,
    suite         TEXT NOT NULL,
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    not_after     INTEGER,
    session       BLOB
) STRICT;
CREATE INDEX sessions_credential ON sessions (credential_id);
CREATE INDEX sessions_entity ON sessions (entity) WHERE entity IS NOT NULL;
CREATE INDEX sessions_expiry ON sessions (expires);

CREATE TABLE ticket_keys (
    name    BLOB NOT NULL PRIMARY KEY,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    keys    BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_entity ON registrations (creator) WHERE ty IN (2, 16);
";

// A tree of whole rows in the order of their identities holds a dozen rows a page, so that a million of them are six
// pages deep. A number for key makes it three, and comparing quicker.
const VERSION_3: &str = "
CREATE TABLE psk_lookup_table_3 (
    slot            INTEGER PRIMARY KEY,
    function        TEXT NOT NULL CHECK (function IN ('cse', 'maf', 'mef')),
    psk_identity    TEXT NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('ae', 'cse')),
    entity          TEXT,
    state           TEXT NOT NULL CHECK (state IN ('active', 'revoked')),
    not_after       INTEGER,
    version         INTEGER NOT NULL CHECK (version > 0),
    allow_short_key INTEGER NOT NULL CHECK (allow_short_key IN (0, 1)),
    usage           INTEGER,
    label           TEXT NOT NULL,
    created         INTEGER NOT NULL,
    changed         INTEGER NOT NULL,
    psk             BLOB,
    key_digest      BLOB NOT NULL,
    CHECK ((psk IS NULL) = (state = 'revoked'))
) STRICT;
";

const VERSION_3_INDEXES: &str = "
DROP TABLE psk_lookup_table;
ALTER TABLE psk_lookup_table_3 RENAME TO psk_lookup_table;
CREATE UNIQUE INDEX psk_lookup_table_identity ON psk_lookup_table (function, psk_identity);
CREATE UNIQUE INDEX psk_lookup_table_key ON psk_lookup_table (key_digest);
CREATE INDEX psk_lookup_table_entity ON psk_lookup_table (entity) WHERE entity IS NOT NULL;
";

// CSE-IDs in whatever letter case, as names in certificates are: few rows beside a million AEs.
const VERSION_4: &str = "
CREATE INDEX psk_lookup_table_cse ON psk_lookup_table (entity COLLATE NOCASE)
    WHERE kind = 'cse' AND entity IS NOT NULL;
CREATE INDEX enrolments_cse ON enrolments (entity COLLATE NOCASE) WHERE kind = 'cse' AND entity IS NOT NULL;
CREATE INDEX registrations_cse ON registrations (creator COLLATE NOCASE) WHERE ty = 16;
";

// Whether an entity is registered is told by the index alone.
const VERSION_5: &str = "
DROP INDEX registrations_entity;
CREATE INDEX registrations_entity ON registrations (creator, ty, et) WHERE ty IN (2, 16);
";

fn version_3(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(VERSION_3)?;
    let mut insert = connection.prepare(
        "INSERT INTO psk_lookup_table_3
         SELECT ?1, function, psk_identity, kind, entity, state, not_after, version, allow_short_key, usage, label,
                created, changed, psk, key_digest
         FROM psk_lookup_table WHERE function = ?2 AND psk_identity = ?3",
    )?;
    let mut keys = connection.prepare("SELECT function, psk_identity FROM psk_lookup_table")?;
    let mut keys = keys.query([])?;
    while let Some(key) = keys.next()? {
        let (function, identity): (String, String) = (key.get(0)?, key.get(1)?);
        let slot = slot::free(connection, "psk_lookup_table_3", slot::first(&function, &identity))?;
        insert.execute((slot, &function, &identity))?;
    }
    connection.execute_batch(VERSION_3_INDEXES)?;
    Ok(())
}

/// The tables whose contents [`crate::Reader::digest`] covers, each with its primary key.
pub(crate) const DIGESTED: &[(&str, &str)] = &[
    ("meta", "name"),
    (CREDENTIALS, "function, psk_identity"),
    (RESOURCES, "ri"),
    (ENROLMENTS, "credential_id"),
    (ENROLMENT_AES, "ae, credential_id"),
];

/// The tables that it leaves out: what is noted beside the records, and what comes and goes with connections.
#[cfg(test)]
const NOT_DIGESTED: &[&str] = &["audit", "changes", SESSIONS, TICKET_KEYS];

/// The schema version that this program writes.
pub(crate) fn supported() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

impl Step {
    fn take(&self, connection: &Connection) -> Result<(), StoreError> {
        match self {
            Self::Sql(sql) => Ok(connection.execute_batch(sql)?),
            Self::Code(code) => code(connection),
        }
    }
}

/// Takes every step that is still to be taken from version `from`, within the caller's transaction.
pub(crate) fn migrate(connection: &Connection, from: i32) -> Result<(), StoreError> {
    let taken = usize::try_from(from).unwrap_or(0);
    for step in MIGRATIONS.iter().skip(taken) {
        step.take(connection)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", supported())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lookup_is_one_descent_of_one_tree() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0).unwrap();
        let plan: String = connection
            .query_row(
                &format!("EXPLAIN QUERY PLAN {}", crate::credentials::PSK_SQL),
                ("cse", "x", 0, 15),
                |row| row.get(3),
            )
            .unwrap();
        assert_eq!(plan, "SEARCH psk_lookup_table USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
    }

    #[test]
    fn every_table_is_digested_or_left_out_on_purpose() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0).unwrap();
        let mut tables: Vec<String> = connection
            .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        tables.retain(|table| !NOT_DIGESTED.contains(&table.as_str()));
        tables.sort_unstable();
        let mut digested: Vec<&str> = DIGESTED.iter().map(|(table, _)| *table).collect();
        digested.sort_unstable();
        assert_eq!(tables, digested);
    }

    /// A store that was brought up from the version before has the schema of a new one.
    #[test]
    fn every_version_comes_to_the_same_schema() {
        let schema = |connection: &Connection| -> Vec<(String, String)> {
            connection
                .prepare("SELECT name, coalesce(sql, '') FROM sqlite_schema ORDER BY name")
                .unwrap()
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        let fresh = Connection::open_in_memory().unwrap();
        migrate(&fresh, 0).unwrap();
        for from in 1..MIGRATIONS.len() {
            let old = Connection::open_in_memory().unwrap();
            MIGRATIONS[..from].iter().for_each(|step| step.take(&old).unwrap());
            let columns = if from < 3 { "" } else { "slot, " };
            let slot = if from < 3 { "" } else { "16, " };
            old.execute(
                &format!(
                    "INSERT INTO psk_lookup_table ({columns}function, psk_identity, kind, state, version,
                     allow_short_key, label, created, changed, psk, key_digest)
                     VALUES ({slot}'cse', 'a@x.org', 'ae', 'active', 7, 0, 'kept', 1, 2, x'01', x'02')"
                ),
                [],
            )
            .unwrap();
            old.execute(
                "INSERT INTO registrations (ri, ty, rn, pi, ct, lt, creator, attributes)
                 VALUES ('C1', 2, 'one', '', 0, 0, '//sp/C1', '{}')",
                [],
            )
            .unwrap();
            migrate(&old, i32::try_from(from).unwrap()).unwrap();
            assert_eq!(schema(&old), schema(&fresh), "from version {from}");
            let version: i32 = old.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, supported());
            let kept: String = old
                .query_row(
                    "SELECT rn FROM registrations WHERE creator = '//sp/C1' AND ty IN (2, 16)",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(kept, "one");
            let kept: (String, i64) = old
                .query_row(
                    "SELECT label, version FROM psk_lookup_table WHERE psk_identity = 'a@x.org'",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            assert_eq!(kept, ("kept".to_owned(), 7));
        }
    }

    /// What resumption and the purge of sessions ask for is found by an index, with a million of them.
    #[test]
    fn sessions_are_found_and_forgotten_by_index() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, 0).unwrap();
        for (sql, expected) in [
            ("SELECT 1 FROM sessions WHERE digest = x'00'", "sqlite_autoindex_sessions_1"),
            ("DELETE FROM sessions WHERE credential_id = 'x'", "sessions_credential"),
            ("DELETE FROM sessions WHERE entity = 'x' AND kind = 'ae'", "sessions_entity"),
            ("SELECT id FROM sessions WHERE expires <= 1 ORDER BY expires LIMIT 4", "sessions_expiry"),
            (
                "SELECT 1 FROM registrations WHERE creator = 'x' AND ty IN (2, 16) AND ty = 2
                 AND (et IS NULL OR et > 1)",
                "COVERING INDEX registrations_entity",
            ),
            (
                "SELECT 1 FROM sessions WHERE allowed IS NOT NULL AND credential_id =
                 (SELECT credential_id FROM registrations WHERE ri = 'x' AND ty IN (2, 16))",
                "sessions_credential",
            ),
            ("SELECT 1 FROM enrolments WHERE lookup = x'00'", "enrolments_lookup"),
            ("SELECT 1 FROM enrolments WHERE entity = 'x' AND kind = 'ae'", "enrolments_entity"),
            (
                "SELECT entity FROM psk_lookup_table WHERE kind = 'cse' AND entity = 'x' COLLATE NOCASE",
                "psk_lookup_table_cse",
            ),
            (
                "SELECT entity FROM enrolments WHERE kind = 'cse' AND entity = 'x' COLLATE NOCASE",
                "enrolments_cse",
            ),
            (
                "SELECT creator FROM registrations WHERE ty = 16 AND creator = 'x' COLLATE NOCASE",
                "registrations_cse",
            ),
        ] {
            let plan: String =
                connection.query_row(&format!("EXPLAIN QUERY PLAN {sql}"), [], |row| row.get(3)).unwrap();
            assert!(plan.starts_with("SEARCH") && plan.contains(expected), "{sql}: {plan}");
        }
    }
}
