//! Full queues refuse at once, and a slow read delays no lookup.

use std::sync::{Mutex, mpsc};

use identity::Function;
use store::{Credentials as _, Options, StoreError};

use crate::support::{Database, psk_identity};

#[test]
fn a_full_queue_refuses_at_once_and_lookups_go_on() {
    let database = Database::new();
    let options =
        Options { nearby_readers: 0, reader_threads: 1, read_queue: 2, write_queue: 2, ..Options::default() };
    let store = database.try_open(options).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let (release_read, held_read) = mpsc::channel::<()>();
        let (release_write, held_write) = mpsc::channel::<()>();
        let (entered, inside) = mpsc::channel();
        let (reader, writer, entered_too) = (store.clone(), store.clone(), entered.clone());
        let reading = tokio::spawn(async move {
            let hold = move |_: &store::Reader<'_>| {
                entered.send(()).unwrap();
                let _ = held_read.recv();
                Ok(())
            };
            reader.read(hold).await
        });
        let held_write = Mutex::new(held_write);
        let writing = tokio::spawn(async move {
            let hold = move |_: &mut store::Tx<'_>| {
                entered_too.send(()).unwrap();
                let _ = held_write.lock().unwrap().recv();
                Ok(())
            };
            writer.write("hold", hold).await
        });
        tokio::task::block_in_place(|| (inside.recv().unwrap(), inside.recv().unwrap()));
        let waiting: Vec<_> = (0..4)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move {
                    if number % 2 == 0 {
                        store.read(|reader| reader.credential_count()).await
                    } else {
                        store.write("count", |tx| tx.credential_count()).await
                    }
                })
            })
            .collect();
        while store.statistics().waiting_reads < 2 || store.statistics().waiting_writes < 2 {
            tokio::task::yield_now().await;
        }
        let busy = |queue| Err(StoreError::Busy { queue, waiting: 2 });
        assert_eq!(store.read(|reader| reader.credential_count()).await, busy("read"));
        assert_eq!(store.write("count", |tx| tx.credential_count()).await, busy("write"));
        assert!(store.psk(Function::Cse, psk_identity("a@x.org")).await.unwrap().is_none());
        drop((release_read, release_write));
        reading.await.unwrap().unwrap();
        writing.await.unwrap().unwrap();
        for outcome in waiting {
            assert_eq!(outcome.await.unwrap(), Ok(0));
        }
    });
}

#[test]
fn lookups_that_wait_together_share_one_wake_up() {
    let database = Database::new();
    let store = database.try_open(Options { nearby_readers: 0, ..Options::default() }).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let lookups: Vec<_> = (0..1000)
            .map(|number| {
                let store = store.clone();
                let name = psk_identity(&format!("light{number}@x.org"));
                tokio::spawn(async move { store.psk(Function::Cse, name).await })
            })
            .collect();
        for lookup in lookups {
            assert!(lookup.await.unwrap().unwrap().is_none());
        }
    });
    let after = store.statistics();
    assert_eq!(after.lookups, 1000);
    assert!((1..=1000).contains(&after.lookup_groups), "{after:?}");
    assert_eq!(after.nearby, 0);
}
