//! Opening the database file: what may be opened, and how every connection is set up.

use std::{
    fs::File,
    io::{ErrorKind, Read as _},
    path::Path,
};

use keys::Rng;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::{
    Fault, KekError, KekSource, OpenError, Options, StoreError,
    kek::{directory, private},
    schema,
    seal::Sealer,
};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Offset of `user_version` and `application_id`, big-endian, in an SQLite file's header.
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;
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
    let fresh = inspect(path)? == Contents::None;
    let present = kek.read()?;
    if present.is_none() && !fresh {
        return Err(KekError::Missing { origin: kek.origin() }.into());
    }
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

/// Looks at the file without SQLite, which could already change it by opening.
fn inspect(path: &Path) -> Result<Contents, OpenError> {
    let folder = directory(path);
    let unreadable =
        |error: &std::io::Error| OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() };
    match folder.metadata() {
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
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Contents::None),
        Err(error) => return Err(unreadable(&error)),
    };
    let facts = file.metadata().map_err(|error| unreadable(&error))?;
    if facts.permissions().readonly() {
        return Err(OpenError::ReadOnly { path: path.to_owned() });
    }
    if !facts.is_file() {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    if facts.len() == 0 {
        return Ok(Contents::None);
    }
    let mut header = Vec::with_capacity(100);
    file.by_ref().take(100).read_to_end(&mut header).map_err(|error| unreadable(&error))?;
    check_header(&header, path)?;
    Ok(Contents::Database)
}

fn check_header(header: &[u8], path: &Path) -> Result<(), OpenError> {
    let number = |at: usize| {
        let octets = header.get(at..at + 4).and_then(|four| four.first_chunk());
        octets.copied().map(i32::from_be_bytes)
    };
    let (Some(found), Some(application_id)) = (number(USER_VERSION_AT), number(APPLICATION_ID_AT)) else {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    };
    if !header.starts_with(MAGIC) {
        return Err(OpenError::NotADatabase { path: path.to_owned() });
    }
    judge(path, application_id, found)
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
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::ReadOnly) => OpenError::ReadOnly { path }.into(),
        Some(rusqlite::ErrorCode::NotADatabase) => OpenError::NotADatabase { path }.into(),
        _ => OpenError::Unreadable { path, reason: error.to_string() }.into(),
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
