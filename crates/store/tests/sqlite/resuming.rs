//! Sessions, tickets and their keys, on several processes, here several stores, and in a file that was tampered with.

use std::{collections::BTreeSet, sync::Barrier, time::Duration};

use keys::{OsRng, Secret};
use store::{
    ChangeKind, CredentialsMut as _, Damaged, Event, NewSession, Options, Sessions as _, SessionsMut as _,
    Store, StoreError, TicketKeyTurn, TicketKeys as _, TicketKeysMut as _,
};

use crate::{
    suite::sessions::{found, registered, remember, resumes},
    support::{Database, time},
};

const TURN: TicketKeyTurn =
    TicketKeyTurn { seals: Duration::from_secs(3600), opens: Duration::from_secs(7200) };

/// A session of one process resumes at another; a revocation at one is known at the other at once.
#[test]
fn processes_share_sessions_and_their_end() {
    let database = Database::new();
    let (one, two) = (database.open(), database.open());
    let record = registered(&one, "Sone");
    remember(&one, 1, &record);
    assert_eq!(resumes(&two, 1), Ok(()));
    two.write_blocking("revoke", move |tx| tx.revoke(&record.credential_id)).unwrap();
    assert!(found(&one, 1).is_none() && found(&two, 1).is_none());
}

fn ring(store: &Store) -> Vec<[u8; 16]> {
    let ring = store.read_blocking(|reader| reader.ticket_keys(time("20260101T000000"))).unwrap();
    ring.into_iter().map(|key| key.name).collect()
}

/// Of several processes that make the turn at the same moment, one makes the key.
#[test]
fn processes_agree_on_ticket_keys() {
    let database = Database::new();
    let open = || {
        let clock = std::sync::Arc::<onem2m::time::ManualClock>::clone(&database.clock);
        let rng = std::sync::Arc::new(OsRng);
        Store::open(&database.path(), &database.kek(), clock, rng, Options::default()).unwrap()
    };
    let stores: Vec<Store> = (0..4).map(|_| open()).collect();
    let mut follower = stores[0].follower().unwrap();
    for turn in 1..=3 {
        let together = Barrier::new(stores.len());
        let names: BTreeSet<[u8; 16]> = std::thread::scope(|scope| {
            let turns: Vec<_> = stores
                .iter()
                .map(|store| {
                    scope.spawn(|| {
                        together.wait();
                        let ring = store.write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
                        ring[0].name
                    })
                })
                .collect();
            turns.into_iter().map(|turn| turn.join().unwrap()).collect()
        });
        assert_eq!(names.len(), 1, "one key in turn {turn}");
        let heard = follower.poll_once().unwrap();
        let [Event::Change(change)] = &*heard else { panic!("{heard:?}") };
        assert_eq!(change.kind, ChangeKind::TicketKeys);
        assert!(follower.poll_once().unwrap().is_empty());
        database.clock.advance(Duration::from_secs(3600));
    }
    // The clock of the reading above stands at the beginning: all three open.
    assert_eq!(ring(&stores[0]).len(), 3);
    database.clock.advance(Duration::from_secs(3600));
    let kept = stores[1].write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
    assert_eq!(kept.len(), 2, "the new one, and the one that was sealing three hours ago is over");
}

#[test]
fn no_file_holds_a_session_or_ticket_key_in_the_clear() {
    let database = Database::new();
    let store = database.open();
    let record = registered(&store, "Sone");
    remember(&store, 0xA7, &record);
    let ring = store.write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
    let key = ring[0].key.expose()[..16].to_vec();
    for entry in std::fs::read_dir(database.folder.path()).unwrap() {
        let contents = std::fs::read(entry.unwrap().path()).unwrap();
        // The digest that it is known by has 32 octets of the same value; the session 200.
        assert!(!contents.windows(40).any(|window| window == [0xA7; 40]));
        assert!(!contents.windows(16).any(|window| window == key));
    }
}

#[test]
fn a_session_that_was_altered_or_moved_does_not_open() {
    let database = Database::new();
    let store = database.open();
    let record = registered(&store, "Sone");
    remember(&store, 1, &record);
    remember(&store, 2, &record);
    let read = |number: u8| {
        store
            .read_blocking(move |reader| reader.session(&[number; 32], time("20260101T000000")))
            .map(|found| found.unwrap().session.is_some())
    };
    assert_eq!(read(1), Ok(true));
    let sealed = |number: u8| {
        StoreError::from(Damaged::Seal {
            table: "sessions",
            column: "session",
            row: format!("{number:02x}").repeat(32),
        })
    };
    database
        .raw()
        .execute(
            "UPDATE sessions SET session = (SELECT session FROM sessions WHERE digest = ?1) WHERE digest = ?2",
            [[1_u8; 32], [2; 32]],
        )
        .unwrap();
    assert_eq!(read(2), Err(sealed(2)));
    database
        .raw()
        .execute("UPDATE sessions SET session = zeroblob(60) WHERE digest = ?1", [[1_u8; 32]])
        .unwrap();
    assert_eq!(read(1), Err(sealed(1)));
    database.raw().execute("UPDATE sessions SET framework = 'none' WHERE digest = ?1", [[1_u8; 32]]).unwrap();
    assert!(matches!(read(1), Err(StoreError::Damaged(Damaged::Value { column: "framework", .. }))));
}

#[test]
fn a_ticket_key_that_was_altered_or_moved_does_not_open() {
    let database = Database::new();
    let store = database.open();
    store.write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
    let read =
        || store.read_blocking(|reader| reader.ticket_keys(time("20260101T000000"))).map(|ring| ring.len());
    assert_eq!(read(), Ok(1));
    database.raw().execute("UPDATE ticket_keys SET name = zeroblob(16)", []).unwrap();
    let row = "0".repeat(32);
    assert_eq!(read(), Err(Damaged::Seal { table: "ticket_keys", column: "keys", row }.into()));
}

/// A store of the version before is brought up with what it holds; the keys in it still open.
#[test]
fn a_store_of_version_1_is_brought_up() {
    use store::{Credentials as _, Enrolments as _, Resources as _};

    let database = Database::new();
    let store = database.open();
    let new = crate::support::credential("a@x.org", 7);
    store.write_blocking("add", move |tx| tx.add_credential(&new)).unwrap();
    store
        .write_blocking("register", |tx| {
            use store::ResourcesMut as _;
            tx.insert(&crate::suite::sessions::registration("Sone", &crate::support::ae("Sone")))
        })
        .unwrap();
    store.close();
    database
        .raw()
        .execute_batch(
            "DROP TABLE enrolments; DROP TABLE enrolment_aes; DROP TABLE sessions; DROP TABLE ticket_keys;
             DROP INDEX registrations_entity; DROP INDEX registrations_cse; DELETE FROM sqlite_sequence WHERE name = 'sessions';
             CREATE TABLE before (
                 function TEXT NOT NULL, psk_identity TEXT NOT NULL, kind TEXT NOT NULL, entity TEXT,
                 state TEXT NOT NULL, not_after INTEGER, version INTEGER NOT NULL, allow_short_key INTEGER NOT NULL,
                 usage INTEGER, label TEXT NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, psk BLOB,
                 key_digest BLOB NOT NULL, PRIMARY KEY (function, psk_identity)
             ) STRICT, WITHOUT ROWID;
             INSERT INTO before SELECT function, psk_identity, kind, entity, state, not_after, version,
                 allow_short_key, usage, label, created, changed, psk, key_digest FROM psk_lookup_table;
             DROP TABLE psk_lookup_table;
             ALTER TABLE before RENAME TO psk_lookup_table;
             PRAGMA user_version = 1;",
        )
        .unwrap();
    let (one, two) = (database.open(), database.open());
    let version: i32 = database.raw().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 5);
    let key = one
        .read_blocking(|reader| reader.psk(identity::Function::Cse, &"a@x.org".parse()?))
        .unwrap()
        .unwrap();
    assert!(key.key.is_some());
    assert!(two.read_blocking(|reader| reader.resource("Sone")).unwrap().is_some());
    assert_eq!(two.read_blocking(|reader| reader.enrolment_count()).unwrap(), 0);
    let record = registered(&two, "Stwo");
    remember(&two, 1, &record);
    assert_eq!(resumes(&one, 1), Ok(()));
}

/// Sessions that nobody can read do not keep those away that can be: the digest alone is the place.
#[test]
fn a_session_without_its_secret_is_a_tickets() {
    let database = Database::new();
    let store = database.open();
    let record = registered(&store, "Sone");
    for (number, session) in [(1, None), (2, Some(()))] {
        let record = record.clone();
        store
            .write_blocking("remember", move |tx| {
                let session = session.map(|()| Secret::new(vec![9; 10]));
                let new = NewSession { digest: [number; 32], record: record.clone(), session, keep: 10 };
                tx.remember_session(&new)
            })
            .unwrap();
    }
    assert!(found(&store, 1).unwrap().session.is_none());
    assert!(found(&store, 2).unwrap().session.is_some());
}
