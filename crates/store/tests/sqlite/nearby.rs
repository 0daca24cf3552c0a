//! Reads on the caller's own thread: served there, and as true as any.

use std::time::Duration;

use identity::{CredentialState, Function};
use store::{Credentials as _, CredentialsMut as _, Options, StoreError};

use crate::support::{Database, credential, key, psk_identity};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Revoked or changed by one process, seen by the very next lookup of another: nothing is remembered.
#[test]
fn the_next_lookup_sees_what_another_process_committed() {
    let database = Database::new();
    let patient = Options { nearby_slow: Duration::MAX, ..Options::default() };
    let (server, operator) = (database.try_open(patient).unwrap(), database.open());
    let added = operator.write_blocking("add", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
    runtime().block_on(async {
        let look_up = || server.psk(Function::Cse, psk_identity("a@x.org"));
        for seed in 2..50 {
            let id = added.credential_id.clone();
            operator.write("rotate", move |tx| tx.rotate_key(&id, &key(seed))).await.unwrap();
            let found = look_up().await.unwrap().unwrap();
            assert!(found.key.unwrap().expose() == key(seed).expose());
            let id = added.credential_id.clone();
            let read = server.read_brief(move |reader| reader.credential_by_id(&id)).await.unwrap().unwrap();
            assert_eq!(u128::from(read.version), seed);
        }
        let id = added.credential_id.clone();
        operator.write("revoke", move |tx| tx.revoke(&id)).await.unwrap();
        let found = look_up().await.unwrap().unwrap();
        assert_eq!((found.credential.state, found.key.is_none()), (CredentialState::Revoked, true));
    });
    let done = server.statistics();
    assert_eq!((done.lookups, done.reads, done.nearby), (49, 48, 97), "{done:?}");
}

#[test]
fn without_connections_for_it_the_threads_read() {
    let database = Database::new();
    let store = database.try_open(Options { nearby_readers: 0, ..Options::default() }).unwrap();
    store.write_blocking("add", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
    runtime().block_on(async {
        assert!(store.psk(Function::Cse, psk_identity("a@x.org")).await.unwrap().is_some());
        assert_eq!(store.read_brief(|reader| reader.credential_count()).await, Ok(1));
    });
    let done = store.statistics();
    assert_eq!((done.lookups, done.reads, done.nearby), (1, 1, 0), "{done:?}");
}

#[test]
fn a_closed_store_reads_nothing() {
    let database = Database::new();
    let store = database.open();
    store.close();
    runtime().block_on(async {
        let found = store.psk(Function::Cse, psk_identity("a@x.org")).await;
        assert!(matches!(found, Err(StoreError::Closed)), "{found:?}");
        assert_eq!(store.read_brief(|reader| reader.credential_count()).await, Err(StoreError::Closed));
    });
}
