//! Sealed keys: never in the file in the clear, and bound to their rows.

use identity::Function;
use keys::{KeyLengthPolicy, Kpsa, Secret};
use store::{Credentials as _, CredentialsMut as _, Damaged, Store, StoreError};

use crate::support::{Database, credential, psk_identity};

fn with_two_credentials() -> (Database, Store) {
    let database = Database::new();
    let store = database.open();
    for (name, octet) in [("a@x.org", 0xA7), ("b@x.org", 0xB6)] {
        store
            .write_blocking("add", move |tx| {
                let mut new = credential(name, 0);
                new.key = Kpsa::new(Secret::new(vec![octet; 32]), KeyLengthPolicy::Strict)?;
                tx.add_credential(&new)
            })
            .unwrap();
    }
    (database, store)
}

fn read(store: &Store, name: &'static str) -> Result<Option<store::KeyRecord>, StoreError> {
    store.read_blocking(move |reader| reader.psk(Function::Cse, &psk_identity(name)))
}

#[test]
fn no_file_holds_a_key_in_the_clear() {
    let (database, store) = with_two_credentials();
    for entry in std::fs::read_dir(database.folder.path()).unwrap() {
        let contents = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!contents.windows(16).any(|window| window == [0xA7; 16]));
    }
    store.close();
    assert!(!std::fs::read(database.path()).unwrap().windows(16).any(|window| window == [0xA7; 16]));
}

#[test]
fn a_revoked_cell_is_gone_from_the_file() {
    let (database, store) = with_two_credentials();
    let cell: Vec<u8> = database
        .raw()
        .query_row("SELECT psk FROM psk_lookup_table WHERE psk_identity = 'b@x.org'", [], |row| row.get(0))
        .unwrap();
    // Pages are split and refilled, so that the cell has lain in several places.
    for number in 0..200 {
        let name = format!("{}{number}@x.org", if number % 2 == 0 { "a" } else { "c" });
        let new = credential(&name, number + 1);
        store.write_blocking("add", move |tx| tx.add_credential(&new)).unwrap();
    }
    store.write_blocking("revoke", |tx| tx.revoke(&"12-b@x.org".parse().unwrap())).unwrap();
    store.close();
    let contents = std::fs::read(database.path()).unwrap();
    for part in cell.windows(8) {
        assert!(!contents.windows(8).any(|window| window == part));
    }
}

#[test]
fn an_altered_cell_is_named() {
    let (database, store) = with_two_credentials();
    let alter =
        "UPDATE psk_lookup_table SET psk = CAST(substr(psk, 1, 20) || x'0000' || substr(psk, 23) AS BLOB)
                 WHERE psk_identity = 'a@x.org'";
    let digest = store.digest_blocking();
    assert_eq!(database.raw().execute(alter, []).unwrap(), 1);
    assert_ne!(store.digest_blocking(), digest);
    let expected = Damaged::Seal { table: "psk_lookup_table", column: "psk", row: "cse/a@x.org".into() };
    assert_eq!(read(&store, "a@x.org").err(), Some(expected.into()));
    assert!(read(&store, "b@x.org").unwrap().is_some());
}

#[test]
fn a_cell_moved_to_another_row_is_named() {
    let (database, store) = with_two_credentials();
    let copy = "UPDATE psk_lookup_table SET psk =
                (SELECT psk FROM psk_lookup_table WHERE psk_identity = 'b@x.org') WHERE psk_identity = 'a@x.org'";
    assert_eq!(database.raw().execute(copy, []).unwrap(), 1);
    let expected = StoreError::from(Damaged::Seal {
        table: "psk_lookup_table",
        column: "psk",
        row: "cse/a@x.org".into(),
    });
    assert_eq!(read(&store, "a@x.org").err(), Some(expected.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let looked_up = runtime.block_on(store.psk(Function::Cse, psk_identity("a@x.org")));
    assert_eq!(looked_up.err(), Some(expected));
    // A whole row in the place of another, of its own function and of another one.
    store
        .write_blocking("add", |tx| {
            let mut new = credential("c@x.org", 0);
            new.key = Kpsa::new(Secret::new(vec![0xC5; 32]), KeyLengthPolicy::Strict)?;
            new.function = Function::Mef;
            tx.add_credential(&new)
        })
        .unwrap();
    let replace = |function: &str, identity: &str| {
        let raw = database.raw();
        let place = "SELECT slot FROM psk_lookup_table WHERE function = ?1 AND psk_identity = ?2";
        let slot: i64 = raw.query_row(place, [function, identity], |row| row.get(0)).unwrap();
        raw.execute("DELETE FROM psk_lookup_table WHERE slot = ?1", [slot]).unwrap();
        let moved = "UPDATE psk_lookup_table SET function = ?1, psk_identity = ?2, slot = ?3
                     WHERE key_digest = (SELECT max(key_digest) FROM psk_lookup_table WHERE function = 'cse')";
        assert_eq!(raw.execute(moved, (function, identity, slot)).unwrap(), 1);
    };
    let other = || store.read_blocking(|reader| reader.psk(Function::Mef, &psk_identity("c@x.org")));
    assert!(other().unwrap().is_some());
    replace("mef", "c@x.org");
    assert!(matches!(other(), Err(StoreError::Damaged(Damaged::Seal { .. }))));
}

#[test]
fn a_damaged_value_is_named() {
    let (database, store) = with_two_credentials();
    let alter = "UPDATE psk_lookup_table SET entity = 'not an identifier' WHERE psk_identity = 'a@x.org'";
    database.raw().execute(alter, []).unwrap();
    let error = read(&store, "a@x.org").unwrap_err();
    assert!(error.to_string().starts_with("table psk_lookup_table, column entity, row a@x.org: "), "{error}");
}

#[test]
fn what_is_printed_shows_no_key() {
    let (_database, store) = with_two_credentials();
    let printed = format!("{:?} {store:?}", read(&store, "a@x.org").unwrap().unwrap());
    assert!(!printed.contains("167, 167") && !printed.to_lowercase().contains("a7a7"), "{printed}");
}
