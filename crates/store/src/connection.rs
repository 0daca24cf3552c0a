//! Opening the database file: what may be opened, and how every connection is set up.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use keys::Rng;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{
    Fault, KekError, KekSource, OpenError, Options, StoreError,
    kek::{directory, private},
    schema,
    seal::Sealer,
};

/// No database is smaller; SQLite takes a shorter file for an empty one.
const SMALLEST_PAGE: u64 = 512;
const STORE_ID_OCTETS: usize = 16;

/// Opens the store at `path`, which must be absolute, making or migrating it where needed.
///
/// Everything is checked before anything is written.
pub(crate) fn open(
    path: &Path,
    kek: &KekSource,
    rng: &dyn Rng,
    options: &Options,
) -> Result<(Connection, Sealer), StoreError> {
    // A handle that makes the file and closes it would drop the locks of another one that is opening it.
    static OPENING: Mutex<()> = Mutex::new(());
    let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = inspect(path)? == Contents::None;
    let present = kek.read()?;
    if present.is_none() && matches!(kek, KekSource::Env(_)) {
        return Err(KekError::Missing { origin: kek.origin() }.into());
    }
    if fresh {
        create_file(path)?;
    }
    let mut connection = connect(path, options)?;
    // Until the version is known to be ours, closing must not carry a newer program's log into the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let found = version(&connection, path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    // A store that holds something is unlocked before it is migrated: a wrong key must change nothing.
    let unlocked = if found == 0 { None } else { Some(unlock(&connection, path, kek)?) };
    if found < schema::supported() {
        bring_up(&mut connection, path, kek, rng)?;
    }
    use_log(&mut connection)?;
    let sealer = match unlocked {
        Some(sealer) => sealer,
        None => unlock(&connection, path, kek)?,
    };
    Ok((connection, sealer))
}

/// A further connection to a store that [`open`] has opened.
pub(crate) fn connect(path: &Path, options: &Options) -> Result<Connection, StoreError> {
    // No SQLITE_OPEN_CREATE: the file is made with our permissions. No SQLITE_OPEN_URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| refusal(path, &error))?;
    connection.busy_timeout(options.lock_timeout)?;
    connection.set_prepared_statement_cache_capacity(64);
    // A file that somebody else could alter must not be able to run anything through views or triggers.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Overwrites a revoked key's cell inside its page.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    // Queries that sort much (imports) use a file, not memory.
    connection.pragma_update(None, "temp_store", "FILE")?;
    if connection.is_readonly("main")? {
        return Err(OpenError::ReadOnly { path: path.to_owned() }.into());
    }
    Ok(connection)
}

/// Sets how many KiB of pages a connection keeps in memory.
pub(crate) fn keep_pages(connection: &Connection, kib: u32) -> Result<(), StoreError> {
    connection.pragma_update(None, "cache_size", -i64::from(kib))?;
    Ok(())
}

/// Makes the engine refuse to let the file grow beyond so many octets.
pub(crate) fn limit_size(connection: &Connection, octets: Option<u64>) -> Result<(), StoreError> {
    let Some(octets) = octets else { return Ok(()) };
    let page: u64 = connection.pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))?.into();
    let pages = u32::try_from(octets / page.max(1)).unwrap_or(u32::MAX - 1).max(1);
    connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Contents {
    /// There is no file, or it is empty.
    None,
    /// The header does not forbid opening it.
    Database,
}

/// Looks at the file in a way that cannot change it.
fn inspect(path: &Path) -> Result<Contents, OpenError> {
    let unreadable =
        |error: &std::io::Error| OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    match directory(path).metadata() {
        Ok(found) if !found.is_dir() => return Err(OpenError::NoDirectory { path: path.to_owned() }),
        Ok(found) if found.permissions().readonly() => {
            return Err(OpenError::UnwritableDirectory { path: path.to_owned() });
        }
        Ok(_) => {}
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Err(OpenError::NoDirectory { path: path.to_owned() });
        }
        Err(error) => return Err(unreadable(&error)),
    }
    let facts = match path.metadata() {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::None),
        Err(error) => return Err(unreadable(&error)),
    };
    if facts.permissions().readonly() {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    if facts.is_file() && facts.len() == 0 {
        return Ok(Contents::None);
    }
    if !facts.is_file() || facts.len() < SMALLEST_PAGE {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    // A first start was interrupted: what the file says counts only once SQLite has undone it.
    if !beside(path, "-journal").exists()
        && let Some((application_id, found)) = peek(path)?
    {
        judge(path, application_id, found)?;
    }
    Ok(Contents::Database)
}

/// The file that SQLite keeps beside the database under this ending.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Application and schema version as the file has them, the log not considered. `None` if they cannot be told without
/// the log: it is being carried into the file, or was when its program was killed, and the first page tells already how
/// long the file is going to be. Then what SQLite makes of both together counts.
///
/// Opened as immutable, nothing is locked, recovered or written. Reading the header with our own file handle
/// would be simpler, but closing that drops every lock that this process holds on the file (POSIX), those of
/// another open store included; SQLite takes care of that for its own handles.
fn peek(path: &Path) -> Result<Option<(i32, i32)>, OpenError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let number = |connection: &Connection, name| connection.pragma_query_value(None, name, |row| row.get(0));
    let look = || {
        let connection = Connection::open_with_flags(uri(path), flags)?;
        Ok((number(&connection, "application_id")?, number(&connection, "user_version")?))
    };
    let damaged =
        |error: &rusqlite::Error| error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt);
    let mut found = look();
    if found.as_ref().is_err_and(damaged) {
        if beside(path, "-wal").exists() {
            return Ok(None);
        }
        // Whoever carried the log into the file may have come to the end in between.
        found = look();
    }
    found.map(Some).map_err(|error| match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotADatabase { path: path.to_owned() },
        _ => unreadable(path, &error),
    })
}

/// SQLite names the file as it was given, which may be a URI, and keeps to itself what the operating system said.
///
/// That is asked without a handle of ours on the file, for the reason that [`peek`] has.
fn unreadable(path: &Path, error: &rusqlite::Error) -> OpenError {
    let reason = match rustix::fs::access(path, rustix::fs::Access::READ_OK) {
        Err(rustix::io::Errno::ACCESS) => "this account may not read the file (permission denied)".to_owned(),
        Err(error) => error.to_string(),
        Ok(()) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) => {
            "the file cannot be opened".to_owned()
        }
        Ok(()) => error.to_string(),
    };
    OpenError::Unreadable { path: path.to_owned(), reason }
}

fn uri(path: &Path) -> String {
    let mut uri = "file:".to_owned();
    for octet in path.as_os_str().as_encoded_bytes() {
        match octet {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*octet));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri + "?immutable=1"
}

/// Whether a database with this application and version is one that we may open.
fn judge(path: &Path, application_id: i32, found: i32) -> Result<(), OpenError> {
    if application_id != schema::APPLICATION_ID {
        return Err(OpenError::Foreign { path: path.to_owned(), application_id });
    }
    let supported = schema::supported();
    if found > supported {
        return Err(OpenError::NewerSchema { path: path.to_owned(), found, supported });
    }
    Ok(())
}

fn create_file(path: &Path) -> Result<(), OpenError> {
    match private().write(true).create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
            Err(OpenError::UnwritableDirectory { path: path.to_owned() })
        }
        Err(error) => Err(OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() }),
    }
}

fn refusal(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ReadOnly) => OpenError::ReadOnly { path: path.to_owned() }.into(),
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotADatabase { path: path.to_owned() }.into(),
        _ => unreadable(path, error).into(),
    }
}

/// The schema version; zero for a database that holds nothing yet.
fn version(connection: &Connection, path: &Path) -> Result<i32, StoreError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application_id = number("application_id").map_err(|error| refusal(path, &error))?;
    let found = number("user_version")?;
    if application_id == 0 && found == 0 {
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(0);
        }
    }
    judge(path, application_id, found)?;
    Ok(found)
}

/// Makes or migrates the schema under the write lock, so that of several first starts one does it.
fn bring_up(
    connection: &mut Connection,
    path: &Path,
    kek: &KekSource,
    rng: &dyn Rng,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction, path)?;
    if found == schema::supported() {
        return Ok(());
    }
    schema::migrate(&transaction, found)?;
    if found == 0 {
        let key = match kek.read()? {
            Some(key) => key,
            None => kek.create(rng)?,
        };
        let mut id = [0; STORE_ID_OCTETS];
        rng.fill(&mut id)?;
        let check = Sealer::new(&key, &id)?.seal_check(rng)?;
        let mut insert = transaction.prepare("INSERT INTO meta (name, value) VALUES (?1, ?2)")?;
        insert.execute(("store_id", &id[..]))?;
        insert.execute(("kek_check", check))?;
    }
    transaction.commit()?;
    tracing::info!(path = %path.display(), from = found, to = schema::supported(), "store schema brought up");
    Ok(())
}

/// Changes to the write-ahead log, which the file then remembers.
fn use_log(connection: &mut Connection) -> Result<(), StoreError> {
    // Changing the mode needs the file for itself for a moment and does not wait for it; waiting for the
    // write lock does.
    for _ in 0..20 {
        let changed =
            connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0));
        match changed {
            Ok(mode) if mode == "wal" => {
                connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
                return Ok(());
            }
            Ok(mode) => {
                return Err(Fault::other(format!("journal mode stays {mode}, write-ahead log needed")).into());
            }
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
                drop(connection.transaction_with_behavior(TransactionBehavior::Immediate)?);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault { kind: crate::FaultKind::Locked, ..Fault::other("changing to the write-ahead log") }.into())
}

/// Derives the keys and makes sure that they are the right ones.
fn unlock(connection: &Connection, path: &Path, kek: &KekSource) -> Result<Sealer, StoreError> {
    let key = kek.read()?.ok_or_else(|| KekError::Missing { origin: kek.origin() })?;
    let value = |name: &'static str| {
        let sql = "SELECT value FROM meta WHERE name = ?1";
        connection.query_row(sql, [name], |row| row.get::<_, Vec<u8>>(0)).map_err(|_| crate::Damaged::Value {
            table: "meta",
            column: "value",
            row: name.to_owned(),
            reason: "expected octets".to_owned(),
        })
    };
    let sealer = Sealer::new(&key, &value("store_id")?)?;
    if sealer.accepts_check(&value("kek_check")?) {
        Ok(sealer)
    } else {
        Err(KekError::Wrong { origin: kek.origin(), path: path.to_owned() }.into())
    }
}

#[cfg(test)]
mod tests {
    use keys::SeededRng;

    use super::*;

    /// What makes an answer durable and a foreign hand harmless must hold on every connection.
    #[test]
    fn every_connection_is_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let options = Options::default();
        let rng = SeededRng::new(1);
        let (first, _) = open(&path, &KekSource::beside(&path), &rng, &options).unwrap();
        for connection in [first, connect(&path, &options).unwrap()] {
            let text =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, String>(0)).unwrap();
            let number =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(text("journal_mode"), "wal");
            assert_eq!(number("synchronous"), 2, "FULL");
            assert_eq!(number("secure_delete"), 2, "FAST");
            assert_eq!(number("trusted_schema"), 0);
            assert_eq!(number("busy_timeout"), 5000);
            assert_eq!(number("application_id"), i64::from(schema::APPLICATION_ID));
            assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
        }
    }
}
