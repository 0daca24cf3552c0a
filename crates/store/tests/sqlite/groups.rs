//! Group commit: many transactions, few commits, and no answer before its commit.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use store::{
    Conflict, Credentials as _, CredentialsMut as _, FaultKind, Options, Resources as _, ResourcesMut as _,
    Store, StoreError,
};

use crate::support::{Database, credential, resource};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

/// Starts `count` writes while the writer is held up, so that they form one group; returns their outcomes.
fn together<R: Send + 'static>(
    store: &Store,
    count: usize,
    body: impl Fn(usize, &mut store::Tx<'_>) -> Result<R, StoreError> + Send + Sync + 'static,
) -> Vec<Result<R, StoreError>> {
    let (release, held) = mpsc::channel::<()>();
    let held = Mutex::new(held);
    let (entered, inside) = mpsc::channel();
    let body = Arc::new(body);
    runtime().block_on(async {
        let holder = store.clone();
        let holding = tokio::spawn(async move {
            let hold = move |_: &mut store::Tx<'_>| {
                entered.send(()).unwrap();
                let _ = held.lock().unwrap().recv();
                Ok(())
            };
            holder.write("hold", hold).await
        });
        tokio::task::block_in_place(|| inside.recv().unwrap());
        let writes: Vec<_> = (0..count)
            .map(|number| {
                let (store, body) = (store.clone(), Arc::clone(&body));
                tokio::spawn(async move { store.write("one of many", move |tx| body(number, tx)).await })
            })
            .collect();
        while store.statistics().waiting_writes < count {
            tokio::task::yield_now().await;
        }
        drop(release);
        holding.await.unwrap().unwrap();
        let mut outcomes = Vec::new();
        for write in writes {
            outcomes.push(write.await.unwrap());
        }
        outcomes
    })
}

#[test]
fn waiting_writes_share_one_commit() {
    let database = Database::new();
    let store = database.open();
    let before = store.statistics();
    let outcomes = together(&store, 100, |number, tx| tx.insert(&resource(&format!("r{number}"), "")));
    assert!(outcomes.iter().all(Result::is_ok));
    let after = store.statistics();
    assert_eq!(after.transactions - before.transactions, 101);
    assert_eq!(after.commits - before.commits, 2, "one for the holder, one for the hundred");
}

#[test]
fn a_group_is_bounded() {
    let database = Database::new();
    let store = database.try_open(Options { group: 10, ..Options::default() }).unwrap();
    let outcomes = together(&store, 95, |number, tx| tx.insert(&resource(&format!("r{number}"), "")));
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(store.statistics().commits, 1 + 10);
}

#[test]
fn one_body_of_a_group_fails_alone() {
    let database = Database::new();
    let store = database.open();
    let outcomes = together(&store, 9, |number, tx| {
        tx.insert(&resource(&format!("r{number}"), ""))?;
        match number % 3 {
            0 => Ok(number),
            1 => tx.insert(&resource(&format!("r{number}"), "")).map(|()| number),
            _ => panic!("on purpose"),
        }
    });
    for (number, outcome) in outcomes.into_iter().enumerate() {
        let expected = match number % 3 {
            0 => Ok(number),
            1 => Err(Conflict::ResourceId { ri: format!("r{number}") }.into()),
            _ => Err(StoreError::Panicked { name: "one of many" }),
        };
        assert_eq!(outcome, expected);
        let there = store.read_blocking(move |reader| reader.resource(&format!("r{number}"))).unwrap();
        assert_eq!(there.is_some(), number % 3 == 0, "{number}");
    }
    assert_eq!(store.statistics().commits, 2);
}

#[test]
fn no_answer_before_the_commit_is_visible_to_others() {
    let database = Database::new();
    let answered = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let hook: store::CommitHook = {
        let (answered, seen, path) = (Arc::clone(&answered), Arc::clone(&seen), database.path());
        Arc::new(move |transactions| {
            let other = rusqlite::Connection::open(&path).unwrap();
            let rows: i64 =
                other.query_row("SELECT count(*) FROM registrations", [], |row| row.get(0)).unwrap();
            seen.lock().unwrap().push((transactions, rows, answered.load(Ordering::SeqCst)));
        })
    };
    let store = database.try_open(Options { on_commit: Some(hook), ..Options::default() }).unwrap();
    for number in 0..3 {
        store.write_blocking("fill", move |tx| tx.insert(&resource(&format!("r{number}"), ""))).unwrap();
        answered.fetch_add(1, Ordering::SeqCst);
    }
    store.close();
    assert_eq!(*seen.lock().unwrap(), [(1, 1, 0), (1, 2, 1), (1, 3, 2)], "(group, committed rows, answered)");
}

#[test]
fn a_full_disk_is_an_error_and_what_was_answered_stays() {
    let database = Database::new();
    database.open().close();
    let limit = database.path().metadata().unwrap().len() + 64 * 1024;
    let options = Options { max_file_octets: Some(limit), ..Options::default() };
    let store = database.try_open(options).unwrap();
    let mut stored = 0;
    let error = loop {
        let mut large = resource(&format!("r{stored}"), "");
        large.attributes.insert("x".into(), "y".repeat(10_000).into());
        match store.write_blocking("fill", move |tx| tx.insert(&large)) {
            Ok(()) => stored += 1,
            Err(error) => break error,
        }
    };
    let StoreError::Fault(fault) = &error else { panic!("{error}") };
    assert_eq!((fault.kind, fault.path.clone()), (FaultKind::Full, Some(database.path())), "{error}");
    assert!((2..7).contains(&stored), "{stored}");
    // Others of the same group are not harmed, and there is room again once something is removed.
    let outcomes = together(&store, 2, |number, tx| {
        if number == 0 {
            return tx.delete_tree("r0").map(|_| ());
        }
        let mut huge = resource("huge", "");
        huge.attributes.insert("x".into(), "y".repeat(1_000_000).into());
        tx.insert(&huge)
    });
    assert_eq!(outcomes[0], Ok(()));
    assert!(matches!(&outcomes[1], Err(StoreError::Fault(fault)) if fault.kind == FaultKind::Full));
    store.write_blocking("small", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
    store.close();
    let store = database.open();
    let rows = store.read_blocking(|reader| reader.resources_of_type(2, None, 1000)).unwrap().len();
    assert_eq!(rows, stored - 1);
    assert_eq!(store.read_blocking(|reader| reader.credential_count()), Ok(1));
}

#[test]
fn another_process_that_keeps_writing_is_an_error_after_the_timeout() {
    let database = Database::new();
    let options = Options { lock_timeout: std::time::Duration::from_millis(20), ..Options::default() };
    let store = database.try_open(options).unwrap();
    let other = database.raw();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let outcome = store.write_blocking("fill", |tx| tx.insert(&resource("base", "")));
    let Err(StoreError::Fault(fault)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((fault.kind, fault.path), (FaultKind::Locked, Some(database.path())));
    assert_eq!(store.read_blocking(|reader| reader.resource("base")), Ok(None), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    store.write_blocking("fill", |tx| tx.insert(&resource("base", ""))).unwrap();
    assert_eq!(store.statistics().failed_commits, 1);
}

#[test]
fn a_group_of_spoilers_ends() {
    let database = Database::new();
    database.open().close();
    let limit = database.path().metadata().unwrap().len();
    let store = database.try_open(Options { max_file_octets: Some(limit), ..Options::default() }).unwrap();
    let outcomes = together(&store, 50, |number, tx| {
        let mut huge = resource(&format!("r{number}"), "");
        huge.attributes.insert("x".into(), "y".repeat(1_000_000).into());
        tx.insert(&huge)
    });
    let failed = |outcome: &Result<(), StoreError>| matches!(outcome, Err(StoreError::Fault(fault)) if fault.path == Some(database.path()));
    assert!(outcomes.iter().all(failed), "{outcomes:?}");
    store.write_blocking("small", |tx| tx.add_credential(&credential("a@x.org", 1))).unwrap();
}
