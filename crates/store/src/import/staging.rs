use std::{ops::ControlFlow, path::Path};

use identity::Function;
use onem2m::id::EntityKind;
use rusqlite::{CachedStatement, Connection, Row};

use super::{identity_taken, key_taken};
use crate::{
    Fault, Options, StoreError, connection, credentials::Staged, csv_import::LineProblem,
    seal::KEY_DIGEST_OCTETS, slot,
};

/// Enough to sort a million rows in a few runs.
const MOST_CACHE_KIB: u32 = 64 * 1024;

// Order of writing is that of the slots, so that the tree grows at its end; `excluded` holds what is not to be
// written.
const TABLES: &str = "
CREATE TEMP TABLE staged (
    line         INTEGER PRIMARY KEY,
    slot         INTEGER NOT NULL,
    psk_identity TEXT NOT NULL,
    kind         TEXT NOT NULL,
    entity       TEXT,
    not_after    INTEGER,
    short_key    INTEGER NOT NULL,
    psk          BLOB NOT NULL,
    key_digest   BLOB NOT NULL
) STRICT;
CREATE TEMP TABLE excluded (line INTEGER PRIMARY KEY) STRICT;
";

const INDEXES: &str = "
CREATE INDEX temp.staged_identity ON staged (psk_identity, line);
CREATE INDEX temp.staged_key ON staged (key_digest, line);
CREATE INDEX temp.staged_slot ON staged (slot);
";

/// Checked rows on their way into the store: a temporary database in a file of its own, beside a view of the store.
pub(super) struct Staging {
    connection: Connection,
}

/// What is told of each bad line.
type Problem<'a> = &'a mut dyn FnMut(u64, LineProblem);

impl Staging {
    pub(super) fn new(store: &Path, options: &Options) -> Result<Self, StoreError> {
        let connection = connection::connect(store, options)?;
        connection::keep_pages(&connection, options.reader_cache_kib)?;
        // It is thrown away in any case.
        connection.pragma_update_and_check(Some("temp"), "journal_mode", "OFF", |_| Ok(()))?;
        let cache = options.writer_cache_kib.min(MOST_CACHE_KIB);
        connection.pragma_update(Some("temp"), "cache_size", -i64::from(cache))?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection })
    }

    /// Rows for `function` are added until [`Adding::finish`].
    pub(super) fn begin(&mut self, function: Function) -> Result<Adding<'_>, StoreError> {
        self.connection.execute_batch("BEGIN")?;
        let insert = self.connection.prepare_cached(
            "INSERT INTO staged (line, psk_identity, kind, entity, not_after, short_key, psk, key_digest, slot)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        Ok(Adding { connection: &self.connection, insert, function })
    }

    /// Finds lines that repeat or contradict one another.
    pub(super) fn find_duplicates(
        &self,
        mut problem: impl FnMut(u64, LineProblem),
    ) -> Result<(), StoreError> {
        self.each_group("psk_identity", |connection, identity: String| {
            same_identity(connection, &identity, &mut problem)
        })?;
        self.each_group("key_digest", |connection, digest: Vec<u8>| {
            same_key(connection, &digest, &mut problem)
        })
    }

    fn each_group<T: rusqlite::types::FromSql>(
        &self,
        column: &str,
        mut group: impl FnMut(&Connection, T) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let sql = format!("SELECT {column} FROM staged GROUP BY {column} HAVING count(*) > 1");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            group(&self.connection, row.get(0)?)?;
        }
        Ok(())
    }

    /// Compares with what is in the store; returns how many lines are there already.
    pub(super) fn compare(
        &self,
        function: Function,
        mut problem: impl FnMut(u64, LineProblem),
    ) -> Result<u64, StoreError> {
        if !self.connection.prepare("SELECT 1 FROM main.psk_lookup_table LIMIT 1")?.exists([])? {
            return Ok(0);
        }
        let present = self.compare_identities(function, &mut problem)?;
        self.compare_keys(function, &mut problem)?;
        Ok(present)
    }

    fn compare_identities(&self, function: Function, problem: Problem<'_>) -> Result<u64, StoreError> {
        let mut present = 0;
        // CROSS JOIN keeps this order: one descent of the store's tree for each staged row.
        let mut statement = self.connection.prepare(
            "SELECT s.line, c.state = 'revoked',
                    c.state = 'active' AND c.kind = s.kind AND (s.entity IS NULL OR c.entity IS s.entity)
                    AND c.not_after IS s.not_after AND c.key_digest = s.key_digest
             FROM temp.staged AS s CROSS JOIN main.psk_lookup_table AS c
             ON c.function = ?1 AND c.psk_identity = s.psk_identity",
        )?;
        let mut rows = statement.query([function.as_str()])?;
        while let Some(row) = rows.next()? {
            let line: i64 = row.get(0)?;
            if !exclude(&self.connection, line)? {
                continue;
            }
            if row.get(2)? {
                present += 1;
            } else {
                problem(line.unsigned_abs(), identity_taken(row.get(1)?));
            }
        }
        Ok(present)
    }

    fn compare_keys(&self, function: Function, problem: Problem<'_>) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT s.line, c.psk_identity
             FROM temp.staged AS s CROSS JOIN main.psk_lookup_table AS c ON c.key_digest = s.key_digest
             WHERE NOT (c.function = ?1 AND c.psk_identity = s.psk_identity)",
        )?;
        let mut rows = statement.query([function.as_str()])?;
        while let Some(row) = rows.next()? {
            let line: i64 = row.get(0)?;
            if exclude(&self.connection, line)? {
                problem(line.unsigned_abs(), key_taken(&row.get::<_, String>(1)?));
            }
        }
        Ok(())
    }

    /// The lines to be written whose entity another credential stands for too; how many, and the first `listed`.
    pub(super) fn shared_entities(&self, listed: usize) -> Result<(u64, Vec<(u64, String)>), StoreError> {
        let mut statement = self.connection.prepare(
            "SELECT line, entity FROM temp.staged AS s
             WHERE entity IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM temp.excluded WHERE excluded.line = s.line)
             AND (entity IN (SELECT entity FROM temp.staged WHERE entity IS NOT NULL
                             GROUP BY kind, entity HAVING count(*) > 1)
                  OR EXISTS (SELECT 1 FROM main.psk_lookup_table AS c
                             WHERE c.entity = s.entity AND c.kind = s.kind AND c.state = 'active'))
             ORDER BY line",
        )?;
        let mut rows = statement.query([])?;
        let (mut count, mut first) = (0, Vec::new());
        while let Some(row) = rows.next()? {
            count += 1;
            if first.len() < listed {
                first.push((row.get::<_, i64>(0)?.unsigned_abs(), row.get(1)?));
            }
        }
        Ok((count, first))
    }

    /// Hands out what is left, in bounded portions, until `write` breaks off.
    pub(super) fn for_each_batch(
        &self,
        size: usize,
        mut write: impl FnMut(Vec<Staged>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<ControlFlow<()>, StoreError> {
        let size = size.max(1);
        let mut statement = self.connection.prepare(
            "SELECT line, psk_identity, kind, entity, not_after, short_key, psk, key_digest FROM temp.staged
             WHERE NOT EXISTS (SELECT 1 FROM temp.excluded WHERE excluded.line = staged.line)
             ORDER BY slot",
        )?;
        let mut rows = statement.query([])?;
        let mut batch = Vec::new();
        while let Some(row) = rows.next()? {
            batch.push(staged(row)?);
            if batch.len() == size && write(std::mem::take(&mut batch))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if batch.is_empty() { Ok(ControlFlow::Continue(())) } else { write(batch) }
    }
}

/// Rows being staged.
pub(super) struct Adding<'a> {
    connection: &'a Connection,
    insert: CachedStatement<'a>,
    function: Function,
}

impl Adding<'_> {
    pub(super) fn add(&mut self, row: &Staged) -> Result<(), StoreError> {
        self.insert.execute((
            row.line,
            &row.psk_identity,
            row.kind.as_str(),
            &row.entity,
            row.not_after,
            row.short_key,
            &row.psk,
            &row.key_digest[..],
            slot::first(self.function.as_str(), &row.psk_identity),
        ))?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<(), StoreError> {
        // Built at once, which sorts, instead of growing with each row.
        self.connection.execute_batch(INDEXES)?;
        self.connection.execute_batch("COMMIT")?;
        Ok(())
    }
}

/// Says that it is the temporary database that failed: it lies in another directory than the store.
pub(super) fn named(error: StoreError) -> StoreError {
    match error {
        StoreError::Fault(fault) => {
            let message = format!("temporary database of the import, see SQLITE_TMPDIR: {}", fault.message);
            Fault { message, ..fault }.into()
        }
        other => other,
    }
}

fn staged(row: &Row<'_>) -> Result<Staged, StoreError> {
    let kind = if row.get_ref(2)?.as_str() == Ok("cse") { EntityKind::Cse } else { EntityKind::Ae };
    Ok(Staged {
        line: row.get(0)?,
        psk_identity: row.get(1)?,
        kind,
        entity: row.get(3)?,
        not_after: row.get(4)?,
        short_key: row.get(5)?,
        psk: row.get(6)?,
        key_digest: row.get::<_, [u8; KEY_DIGEST_OCTETS]>(7)?,
    })
}

/// Keeps a line from being written; false if it was kept from it already.
fn exclude(connection: &Connection, line: i64) -> Result<bool, StoreError> {
    let sql = "INSERT INTO temp.excluded (line) VALUES (?1) ON CONFLICT DO NOTHING";
    Ok(connection.prepare_cached(sql)?.execute([line])? > 0)
}

/// Of lines with one `psk_identity` the first stands, if all others merely repeat it; otherwise none does.
fn same_identity(connection: &Connection, identity: &str, problem: Problem<'_>) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.line, f.line, s.key_digest = f.key_digest AND s.kind = f.kind AND s.entity IS f.entity
                                AND s.not_after IS f.not_after
         FROM temp.staged AS s, temp.staged AS f
         WHERE s.psk_identity = ?1 AND s.line > f.line
         AND f.line = (SELECT min(line) FROM temp.staged WHERE psk_identity = ?1)
         ORDER BY s.line",
    )?;
    let mut rows = statement.query([identity])?;
    while let Some(row) = rows.next()? {
        let (line, first): (i64, i64) = (row.get(0)?, row.get(1)?);
        if row.get(2)? {
            if exclude(connection, line)? {
                problem(
                    line.unsigned_abs(),
                    LineProblem::new("psk_identity", format_args!("repeats line {first}")),
                );
            }
            continue;
        }
        for (line, other) in [(first, line), (line, first)] {
            if exclude(connection, line)? {
                let contradicts = format_args!("line {other} has the same psk_identity with other values");
                problem(line.unsigned_abs(), LineProblem::new("psk_identity", contradicts));
            }
        }
    }
    Ok(())
}

/// Of lines with one key value and several identities none stands.
fn same_key(connection: &Connection, digest: &[u8], problem: Problem<'_>) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT s.line, f.line FROM temp.staged AS s, temp.staged AS f
         WHERE s.key_digest = ?1 AND s.line > f.line AND s.psk_identity <> f.psk_identity
         AND f.line = (SELECT min(line) FROM temp.staged WHERE key_digest = ?1)
         ORDER BY s.line",
    )?;
    let mut rows = statement.query([digest])?;
    while let Some(row) = rows.next()? {
        let (line, first): (i64, i64) = (row.get(0)?, row.get(1)?);
        for (line, other) in [(first, line), (line, first)] {
            if exclude(connection, line)? {
                let shared = format_args!("line {other} has the same key value for another psk_identity");
                problem(line.unsigned_abs(), LineProblem::new("psk_hex", shared));
            }
        }
    }
    Ok(())
}
