use identity::Function;
use store::{
    AuditMut as _, AuditRecord, Change, ChangeKind, Conflict, Credentials as _, CredentialsMut as _, Event,
    Outcome, Resources as _, ResourcesMut as _, Store, StoreError,
};

use crate::support::{ae, credential, key, psk_identity, resource, time};

type Open<'a> = &'a dyn Fn() -> Store;

pub(crate) fn a_body_that_fails_keeps_nothing(open: Open<'_>) {
    let store = open();
    let failed: Result<(), _> = store.write_blocking("give up", |tx| {
        tx.insert(&resource("base", ""))?;
        tx.add_credential(&credential("a@x.org", 1))?;
        Err(StoreError::abandon("changed my mind"))
    });
    assert_eq!(failed, Err(StoreError::Abandoned { reason: "changed my mind".into() }));
    let failed: Result<(), _> = store.write_blocking("conflict", |tx| {
        tx.insert(&resource("base", ""))?;
        tx.insert(&resource("base", ""))
    });
    assert_eq!(failed, Err(Conflict::ResourceId { ri: "base".into() }.into()));
    assert_eq!(store.read_blocking(|reader| reader.resource("base")).unwrap(), None);
    assert_eq!(store.read_blocking(|reader| reader.credential_count()).unwrap(), 0);
}

pub(crate) fn a_body_that_panics_keeps_nothing(open: Open<'_>) {
    let store = open();
    let failed: Result<(), _> = store.write_blocking("stumble", |tx| {
        tx.insert(&resource("base", ""))?;
        panic!("on purpose");
    });
    assert_eq!(failed, Err(StoreError::Panicked { name: "stumble" }));
    assert_eq!(store.read_blocking(|reader| reader.resource("base")).unwrap(), None);
    store.write_blocking("go on", |tx| tx.insert(&resource("base", ""))).unwrap();
}

pub(crate) fn a_panicking_read_harms_nobody(open: Open<'_>) {
    let store = open();
    for _ in 0..10 {
        let failed: Result<(), _> = store.read_blocking(|reader| {
            reader.credential_count()?;
            panic!("on purpose");
        });
        assert_eq!(failed, Err(StoreError::Panicked { name: "read" }));
    }
    store.write_blocking("go on", |tx| tx.insert(&resource("base", ""))).unwrap();
    assert!(store.read_blocking(|reader| reader.resource("base")).unwrap().is_some());
}

pub(crate) fn a_body_sees_its_own_changes(open: Open<'_>) {
    let store = open();
    let seen = store.write_blocking("look", |tx| {
        let added = tx.add_credential(&credential("a@x.org", 1))?;
        let bound = tx.bind_entity(&added.credential_id, &ae("Sone"))?;
        let found = tx.psk(Function::Cse, &psk_identity("a@x.org"))?;
        Ok(found.is_some_and(|record| record.credential.facts() == bound && record.key.is_some()))
    });
    assert_eq!(seen, Ok(true));
}

pub(crate) fn what_was_answered_is_there_after_reopening(open: Open<'_>) {
    let store = open();
    let before = store.write_blocking("fill", |tx| {
        tx.insert(&resource("base", ""))?;
        tx.add_credential(&credential("a@x.org", 1))
    });
    let before = before.unwrap();
    let digest = store.digest_blocking().unwrap();
    store.close();
    let store = open();
    let after =
        store.read_blocking(|reader| reader.credential(Function::Cse, &psk_identity("a@x.org"))).unwrap();
    assert_eq!(after, Some(before));
    assert_eq!(store.digest_blocking().unwrap(), digest);
}

pub(crate) fn the_digest_tells_whether_anything_changed(open: Open<'_>) {
    let store = open();
    let digest = || store.digest_blocking().unwrap();
    let mut seen = vec![digest()];
    let mut expect_new = |what: &str| {
        let now = digest();
        assert!(!seen.contains(&now), "{what}");
        seen.push(now);
    };
    store.write_blocking("1", |tx| tx.insert(&resource("base", ""))).unwrap();
    expect_new("a resource");
    let id = || "12-a@x.org".parse().unwrap();
    store.write_blocking("2", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
    expect_new("a credential");
    store.write_blocking("3", move |tx| tx.rotate_key(&id(), &key(2))).unwrap();
    expect_new("another key");
    let mut changed = resource("base", "");
    changed.lt = time("20260101T000001");
    store.write_blocking("4", move |tx| tx.update(&changed)).unwrap();
    expect_new("an attribute");

    let still = digest();
    let record = AuditRecord {
        at: time("20260101T000000"),
        action: "test".into(),
        outcome: Outcome::Done,
        credential_id: None,
        entity: None,
        source: None,
        detail: String::new(),
    };
    store.write_blocking("audit", move |tx| tx.append(&record)).unwrap();
    let _ = store.write_blocking("refused", |tx| tx.insert(&resource("base", "")));
    let _: Result<(), _> = store.write_blocking("abandoned", move |tx| {
        tx.revoke(&id())?;
        Err(StoreError::abandon(""))
    });
    store.read_blocking(|reader| reader.psk(Function::Cse, &psk_identity("a@x.org"))).unwrap();
    assert_eq!(digest(), still);
    assert_eq!(open().digest_blocking().unwrap(), still);
}

fn drain(follower: &mut store::Follower) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let more = follower.poll_once().unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
}

pub(crate) fn followers_hear_changes_in_order(open: Open<'_>) {
    let (writing, following) = (open(), open());
    writing.write_blocking("before", |tx| tx.insert(&resource("base", ""))).unwrap();
    let mut follower = following.follower().unwrap();
    assert_eq!(drain(&mut follower), []);
    let id = || "12-a@x.org".parse().unwrap();
    writing.write_blocking("1", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
    writing.write_blocking("2", |tx| tx.insert(&resource("C1", "base"))).unwrap();
    writing
        .write_blocking("3", move |tx| {
            tx.revoke(&id())?;
            tx.delete_tree("base")
        })
        .unwrap();
    let expected = [
        (ChangeKind::Credential, "12-a@x.org"),
        (ChangeKind::Resource, "C1"),
        (ChangeKind::Credential, "12-a@x.org"),
        (ChangeKind::Resource, "base"),
        (ChangeKind::Resource, "C1"),
    ];
    let expected = (2..)
        .zip(expected)
        .map(|(seq, (kind, key))| Event::Change(Change { seq, kind, key: key.to_owned() }));
    assert_eq!(drain(&mut follower), expected.collect::<Vec<_>>());
    assert_eq!(drain(&mut follower), []);
    writing.write_blocking("same again", move |tx| tx.revoke(&id())).unwrap();
    assert_eq!(drain(&mut follower), []);
}

pub(crate) fn a_failed_body_announces_nothing(open: Open<'_>) {
    let store = open();
    let mut follower = store.follower().unwrap();
    let _: Result<(), _> = store.write_blocking("give up", |tx| {
        tx.insert(&resource("base", ""))?;
        Err(StoreError::abandon(""))
    });
    store.write_blocking("go on", |tx| tx.insert(&resource("other", ""))).unwrap();
    let events = drain(&mut follower);
    assert_eq!(events, [Event::Change(Change { seq: 1, kind: ChangeKind::Resource, key: "other".into() })]);
}

pub(crate) fn a_closed_store_answers_closed(open: Open<'_>) {
    let store = open();
    let clone = store.clone();
    store.close();
    store.close();
    assert_eq!(clone.write_blocking("late", |_| Ok(())), Err(StoreError::Closed));
    assert_eq!(clone.read_blocking(|_| Ok(())), Err(StoreError::Closed));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let found = runtime.block_on(clone.psk(Function::Cse, psk_identity("a@x.org")));
    assert_eq!(found.err(), Some(StoreError::Closed));
}

pub(crate) fn a_read_has_one_view(open: Open<'_>) {
    let store = open();
    let writing = store.clone();
    let counts = store.read_blocking(move |reader| {
        let before = reader.credential_count()?;
        writing.write_blocking("meanwhile", |tx| tx.add_credential(&credential("a@x.org", 1)))?;
        Ok((before, reader.credential_count()?))
    });
    assert_eq!(counts, Ok((0, 0)));
    assert_eq!(store.read_blocking(|reader| reader.credential_count()), Ok(1));
}

pub(crate) fn a_body_may_hold_the_last_handle(open: Open<'_>) {
    use std::sync::{Mutex, mpsc};
    let store = open();
    let (entered, inside) = mpsc::channel::<()>();
    let (release, held) = mpsc::channel::<()>();
    let (done, end) = mpsc::channel::<()>();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let (inner, held) = (store.clone(), Mutex::new(held));
    let caller = runtime.spawn(async move {
        let body = move |_: &mut store::Tx<'_>| {
            let _ = entered.send(());
            let _ = held.lock().map(|held| held.recv());
            let _ = (&inner, &done);
            Ok(())
        };
        store.write("hold", body).await
    });
    inside.recv().unwrap();
    caller.abort();
    // The caller and its handle are gone; the body goes on with the last one.
    assert!(runtime.block_on(caller).unwrap_err().is_cancelled());
    drop(release);
    assert!(end.recv().is_err(), "the body is gone, and with it the last handle");
    open().write_blocking("go on", |tx| tx.insert(&resource("base", ""))).unwrap();
}

pub(crate) fn what_was_accepted_is_carried_out_at_closing(open: Open<'_>) {
    let store = open();
    let (entered, inside) = std::sync::mpsc::channel::<()>();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    std::thread::scope(|scope| {
        let hold = scope.spawn(|| {
            store.write_blocking("hold", move |_| {
                let _ = entered.send(());
                let _ = held.lock().map(|held| held.recv());
                Ok(())
            })
        });
        inside.recv().unwrap();
        let waiting = scope.spawn(|| store.write_blocking("wait", |tx| tx.insert(&resource("base", ""))));
        while store.statistics().waiting_writes == 0 {
            std::thread::yield_now();
        }
        let closing = scope.spawn(|| store.close());
        release.send(()).unwrap();
        closing.join().unwrap();
        assert_eq!(hold.join().unwrap(), Ok(()));
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
    assert!(open().read_blocking(|reader| reader.resource("base")).unwrap().is_some());
}
