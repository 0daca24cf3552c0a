//! Several processes on one file, here several stores.

use std::time::Duration;

use store::{ChangeKind, Event, Options, Resources as _, ResourcesMut as _, StoreError};

use crate::support::{Database, resource};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn two_stores_on_one_file_see_each_others_changes() {
    let database = Database::new();
    let (one, two) = (database.open(), database.open());
    let (mut hears_one, mut hears_two) = (one.subscribe().unwrap(), two.subscribe().unwrap());
    runtime().block_on(async {
        for (number, writer) in [&one, &two, &one].into_iter().enumerate() {
            writer.write("fill", move |tx| tx.insert(&resource(&format!("r{number}"), ""))).await.unwrap();
            for changes in [&mut hears_one, &mut hears_two] {
                let Some(Event::Change(change)) = changes.recv().await else { panic!() };
                assert_eq!((change.kind, change.key), (ChangeKind::Resource, format!("r{number}")));
            }
            for reader in [&one, &two] {
                let found = reader.read(move |reader| reader.resource(&format!("r{number}"))).await.unwrap();
                assert!(found.is_some());
            }
        }
    });
}

#[test]
fn own_commits_wake_the_follower_and_closing_ends_subscriptions() {
    let database = Database::new();
    let seldom = Options { poll_interval: Duration::from_secs(3600), ..Options::default() };
    let store = database.try_open(seldom).unwrap();
    let (mut first, mut second) = (store.subscribe().unwrap(), store.subscribe().unwrap());
    let talk = async {
        store.write("fill", |tx| tx.insert(&resource("base", ""))).await.unwrap();
        for changes in [&mut first, &mut second] {
            assert!(matches!(changes.recv().await, Some(Event::Change(change)) if change.key == "base"));
        }
        store.close();
        assert_eq!(first.recv().await, None);
        assert_eq!(second.recv().await, None);
    };
    runtime().block_on(async { tokio::time::timeout(Duration::from_secs(60), talk).await.unwrap() });
}

#[test]
fn a_subscriber_that_is_too_slow_is_told() {
    let database = Database::new();
    let store = database.open();
    let (mut slow, mut quick) = (store.subscribe().unwrap(), store.subscribe().unwrap());
    for _ in 0..10 {
        store
            .write_blocking("fill", |tx| {
                (0..500).try_for_each(|number| tx.insert(&resource(&format!("r{number}"), "")))?;
                (0..500).try_for_each(|number| tx.delete_tree(&format!("r{number}")).map(|_| ()))
            })
            .unwrap();
    }
    store.write_blocking("last", |tx| tx.insert(&resource("last", ""))).unwrap();
    let is_last = |event: &Event| matches!(event, Event::Change(change) if change.key == "last");
    runtime().block_on(async {
        // Once one has heard the last, everything was delivered, and the other is behind by 10 000.
        while !is_last(&quick.recv().await.unwrap()) {}
        assert_eq!(slow.recv().await, Some(Event::Lost));
        let mut heard = 0;
        while !is_last(&slow.recv().await.unwrap()) {
            heard += 1;
        }
        assert_eq!(heard, 4095, "after the loss it goes on with what is still there");
    });
}

#[test]
fn a_follower_that_comes_after_the_pruning_is_told() {
    let database = Database::new();
    let store = database.try_open(Options { keep_changes: 10, ..Options::default() }).unwrap();
    let mut follower = store.follower().unwrap();
    for round in 0..3 {
        store
            .write_blocking("fill", move |tx| {
                (0..700).try_for_each(|number| tx.insert(&resource(&format!("r{round}-{number}"), "")))
            })
            .unwrap();
    }
    let kept: i64 = database.raw().query_row("SELECT count(*) FROM changes", [], |row| row.get(0)).unwrap();
    assert!(kept <= 10 + 1024, "{kept}");
    assert_eq!(follower.poll_once().unwrap(), [Event::Lost]);
    assert_eq!(follower.poll_once().unwrap(), []);
    store.write_blocking("one more", |tx| tx.insert(&resource("more", ""))).unwrap();
    let events = follower.poll_once().unwrap();
    assert!(matches!(&events[..], [Event::Change(change)] if change.key == "more"), "{events:?}");
}

#[test]
fn an_unknown_kind_of_change_means_lost() {
    let database = Database::new();
    let store = database.open();
    let mut follower = store.follower().unwrap();
    database.raw().execute("INSERT INTO changes (kind, key) VALUES ('newer', 'x')", []).unwrap();
    assert_eq!(follower.poll_once().unwrap(), [Event::Lost]);
    assert_eq!(follower.poll_once().unwrap(), []);
}

#[test]
fn a_subscription_of_a_closed_store_is_over() {
    let database = Database::new();
    let store = database.open();
    store.close();
    assert_eq!(store.subscribe().err(), Some(StoreError::Closed));
}
