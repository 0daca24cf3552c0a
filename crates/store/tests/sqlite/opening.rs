//! What may be opened, and that everything else is refused with nothing written.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use sha2::{Digest as _, Sha256};
use store::{KekError, KekSource, OpenError, Options, Resources as _, ResourcesMut as _, Store, StoreError};

use crate::support::{Database, resource};

/// Names, sizes and contents of everything in the folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                Sha256::digest(fs::read(entry.path()).unwrap()).to_vec(),
            )
        })
        .collect();
    found.sort();
    found
}

/// Opening is refused, and leaves everything as it was.
fn refused(database: &Database) -> StoreError {
    let before = contents(database.folder.path());
    let error = database.try_open(Options::default()).unwrap_err();
    assert_eq!(contents(database.folder.path()), before);
    assert!(error.to_string().contains("attache.db"), "{error}");
    error
}

fn filled() -> Database {
    let database = Database::new();
    let store = database.open();
    store.write_blocking("fill", |tx| tx.insert(&resource("base", ""))).unwrap();
    store.close();
    database
}

#[test]
fn files_are_private_and_the_log_is_folded_in_at_the_end() {
    let database = filled();
    let names: Vec<_> = contents(database.folder.path()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["attache.db", "attache.db.kek"]);
    for name in names {
        let mode = database.folder.path().join(&name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let store = database.open();
    store.write_blocking("again", |tx| tx.insert(&resource("other", ""))).unwrap();
    for entry in fs::read_dir(database.folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
    }
}

#[test]
fn a_newer_schema_is_named_and_left_alone() {
    let database = filled();
    database.raw().pragma_update(None, "user_version", 99).unwrap();
    let expected = OpenError::NewerSchema { path: database.path(), found: 99, supported: 5 };
    assert_eq!(refused(&database), StoreError::Open(expected));
}

#[test]
fn a_newer_schema_that_is_still_in_the_log_is_left_alone() {
    let database = filled();
    let newer = database.raw();
    newer.pragma_update(None, "user_version", 99).unwrap();
    // The log of a program that was killed: copied while that program has the file open.
    let copy = Database::new();
    for name in ["attache.db", "attache.db-wal", "attache.db.kek"] {
        let from = database.folder.path().join(name);
        fs::copy(&from, copy.folder.path().join(name)).unwrap();
    }
    let main = |database: &Database| fs::read(database.path()).unwrap();
    let log = |database: &Database| fs::read(database.folder.path().join("attache.db-wal")).unwrap();
    let before = (main(&copy), log(&copy));
    let error = copy.try_open(Options::default()).unwrap_err();
    let expected = OpenError::NewerSchema { path: copy.path(), found: 99, supported: 5 };
    assert_eq!(error, StoreError::Open(expected));
    assert_eq!((main(&copy), log(&copy)), before);
}

/// A program was killed while it carried its log into the file, and had written the first page, which tells how long the
/// file is going to be. Who only opens a store that a server is using can meet the same moment.
#[test]
fn a_file_that_is_shorter_than_it_says_is_read_with_its_log() {
    const PAGE: usize = 4096;
    let database = filled();
    let store = database.open();
    let children = |number: usize| resource(&format!("child{number}"), "base");
    store
        .write_blocking("grow", move |tx| (0..200).try_for_each(|number| tx.insert(&children(number))))
        .unwrap();
    let copy = Database::new();
    for name in ["attache.db", "attache.db-wal", "attache.db.kek"] {
        fs::copy(database.folder.path().join(name), copy.folder.path().join(name)).unwrap();
    }
    let log = fs::read(copy.folder.path().join("attache.db-wal")).unwrap();
    let mut file = fs::read(copy.path()).unwrap();
    // A header of 32 octets; then each page behind its number and 20 octets more.
    let first = log[32..].chunks(24 + PAGE).rfind(|frame| frame[..4] == 1_u32.to_be_bytes()).unwrap();
    file[..PAGE].copy_from_slice(&first[24..]);
    let pages = u32::from_be_bytes(file[28..32].try_into().unwrap());
    assert!(usize::try_from(pages).unwrap() * PAGE > file.len());
    fs::write(copy.path(), &file).unwrap();
    let store = copy.open();
    let found = store.read_blocking(|reader| reader.children("base", None, 1000)).unwrap();
    assert_eq!(found.len(), 200);
    store.close();
    // Without its log such a file is damaged.
    fs::write(copy.path(), &file).unwrap();
    let error = refused(&copy);
    assert!(error.to_string().contains("malformed"), "{error}");
}

#[test]
fn another_programs_database_is_left_alone() {
    let database = Database::new();
    let other = rusqlite::Connection::open(database.path()).unwrap();
    other.execute_batch("CREATE TABLE t (x); PRAGMA application_id = 258;").unwrap();
    drop(other);
    let foreign =
        |application_id| StoreError::Open(OpenError::Foreign { path: database.path(), application_id });
    assert_eq!(refused(&database), foreign(258));
    database.raw().pragma_update(None, "application_id", 0).unwrap();
    assert_eq!(refused(&database), foreign(0));
}

#[test]
fn something_else_than_a_database_is_left_alone() {
    for text in [&b"x"[..], b"SQLite format 3\0", &[b'#'; 511], &[b'#'; 5000]] {
        let database = Database::new();
        fs::write(database.path(), text).unwrap();
        assert_eq!(refused(&database), StoreError::Open(OpenError::NotADatabase { path: database.path() }));
    }
    let database = Database::new();
    fs::create_dir(database.path()).unwrap();
    let error = database.try_open(Options::default()).unwrap_err();
    assert_eq!(error, StoreError::Open(OpenError::NotADatabase { path: database.path() }));
}

#[test]
fn a_read_only_file_or_folder_is_named() {
    let database = filled();
    fs::set_permissions(database.path(), fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(refused(&database), StoreError::Open(OpenError::ReadOnly { path: database.path() }));
    fs::set_permissions(database.path(), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(database.folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    let expected = OpenError::UnwritableDirectory { path: database.path() };
    assert_eq!(refused(&database), StoreError::Open(expected));
    fs::set_permissions(database.folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    database.open();
}

#[test]
fn a_missing_folder_is_named() {
    let database = Database::new();
    for below in ["none/attache.db", "file/attache.db"] {
        fs::write(database.folder.path().join("file"), "").unwrap();
        let path = database.folder.path().join(below);
        let clock = std::sync::Arc::<onem2m::time::ManualClock>::clone(&database.clock);
        let error = Store::open(
            &path,
            &KekSource::beside(&path),
            clock,
            std::sync::Arc::new(keys::SeededRng::new(1)),
            Options::default(),
        );
        assert_eq!(error.unwrap_err(), StoreError::Open(OpenError::NoDirectory { path }));
    }
}

#[test]
fn a_wrong_key_is_noticed_at_once() {
    let database = filled();
    let kek = database.folder.path().join("attache.db.kek");
    fs::write(&kek, "00".repeat(32)).unwrap();
    let expected = KekError::Wrong { origin: format!("file {}", kek.display()), path: database.path() };
    assert_eq!(refused(&database), StoreError::Kek(expected));
}

#[test]
fn a_lost_key_is_not_replaced() {
    let database = filled();
    let kek = database.folder.path().join("attache.db.kek");
    fs::remove_file(&kek).unwrap();
    let expected = KekError::Missing { origin: format!("file {}", kek.display()) };
    assert_eq!(refused(&database), StoreError::Kek(expected));
}

#[test]
fn an_exposed_or_malformed_key_stops_even_a_first_start() {
    let database = Database::new();
    let kek = database.folder.path().join("attache.db.kek");
    fs::write(&kek, "00".repeat(32)).unwrap();
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o644)).unwrap();
    let origin = format!("file {}", kek.display());
    assert_eq!(
        refused(&database),
        StoreError::Kek(KekError::Exposed { origin: origin.clone(), mode: 0o644 })
    );
    fs::set_permissions(&kek, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&kek, "00").unwrap();
    assert_eq!(refused(&database), StoreError::Kek(KekError::Malformed { origin }));
    fs::write(&kek, "00".repeat(32)).unwrap();
    database.open();
    assert_eq!(fs::read(&kek).unwrap(), "00".repeat(32).into_bytes(), "a key that is there is used");
}

#[test]
fn an_unset_variable_stops_even_a_first_start() {
    let database = Database::new();
    let error = Store::open(
        &database.path(),
        &KekSource::Env("ATTACHE_TEST_NO_SUCH_VARIABLE".into()),
        std::sync::Arc::<onem2m::time::ManualClock>::clone(&database.clock),
        std::sync::Arc::new(keys::SeededRng::new(1)),
        Options::default(),
    );
    let origin = "environment variable ATTACHE_TEST_NO_SUCH_VARIABLE".to_owned();
    assert_eq!(error.unwrap_err(), StoreError::Kek(KekError::Missing { origin }));
    assert!(contents(database.folder.path()).is_empty());
}

#[test]
fn of_many_first_starts_one_makes_the_store() {
    for _ in 0..20 {
        let database = Database::new();
        let begin = std::sync::Barrier::new(4);
        let stores: Vec<Store> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        database.open()
                    })
                })
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        for (number, store) in stores.iter().enumerate() {
            store.write_blocking("fill", move |tx| tx.insert(&resource(&format!("r{number}"), ""))).unwrap();
        }
        let digest = stores[0].digest_blocking().unwrap();
        assert!(stores.iter().all(|store| store.digest_blocking() == Ok(digest)));
    }
}

/// Closing any handle on a file drops all of a process's locks on it (POSIX). Without its lock a second process
/// could fold in and remove the log under the first.
#[cfg(target_os = "linux")]
#[test]
fn opening_again_takes_no_lock_from_the_first() {
    use std::os::unix::fs::MetadataExt as _;
    let database = Database::new();
    let _first = database.open();
    let inode = database.path().metadata().unwrap().ino();
    let is_locked = || fs::read_to_string("/proc/locks").unwrap().contains(&format!(":{inode} "));
    assert!(is_locked());
    drop(database.open());
    assert!(is_locked());
}

#[test]
fn a_path_is_not_a_uri() {
    let database = Database::new();
    let path = database.folder.path().join("file:x?mode=memory");
    let clock = std::sync::Arc::<onem2m::time::ManualClock>::clone(&database.clock);
    let rng = std::sync::Arc::new(keys::SeededRng::new(1));
    let store = Store::open(&path, &KekSource::beside(&path), clock, rng, Options::default()).unwrap();
    store.write_blocking("fill", |tx| tx.insert(&resource("base", ""))).unwrap();
    assert!(path.metadata().unwrap().len() > 0);
}
