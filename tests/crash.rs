//! kill -9 while devices register: what was acknowledged is there, and nothing is there by halves.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use device::{Attachment, Registrar};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use support::{Device, World};
use testkit::Draws;
use tokio::sync::mpsc;

const CLIENTS: usize = 64;
/// The store is a new one now and then, so that looking through it does not take longer and longer.
const STORES: usize = 5;
const KILLS_OF_EACH: usize = 20;
/// Acknowledgements in one life of the registrar are fewer.
const MOST: usize = 300;
const DEVICES: usize = KILLS_OF_EACH * (MOST + CLIENTS);

/// Registers one device after the other until the registrar is gone; reports each acknowledgement.
async fn client(
    registrar: Registrar,
    devices: Arc<Vec<Device>>,
    next: Arc<AtomicUsize>,
    acknowledged: mpsc::UnboundedSender<String>,
) {
    while let Some(device) = devices.get(next.fetch_add(1, Ordering::Relaxed)) {
        let Ok(mut attachment) = Attachment::open(&registrar, &device.identity(), device.key()).await else {
            return;
        };
        match attachment.register(&device.description()).await {
            Ok(registered) => {
                let _ = acknowledged.send(registered.ae.to_string());
            }
            Err(_) => return,
        }
    }
}

/// What the store holds, read by a process that was not there when it happened.
fn registrations(world: &World) -> BTreeMap<String, Value> {
    let finished = world.run(&["--json", "inspect", "registrations", "--limit", "100000"]).success();
    finished
        .stdout
        .lines()
        .map(|line| {
            let fact: Value = serde_json::from_str(line).unwrap();
            (fact["ae_id"].as_str().unwrap().to_owned(), fact)
        })
        .collect()
}

fn audited(world: &World) -> Vec<String> {
    let finished = world.run(&["--json", "inspect", "audit", "--limit", "100000"]).success();
    finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|fact| fact["action"] == "registration.create")
        .map(|fact| fact["entity"].as_str().unwrap().to_owned())
        .collect()
}

/// What the database engine itself says of the file, which it may only read: all pages and indexes fit together.
fn assert_whole(world: &World, moment: &str) {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(world.path("attache.db"), flags).unwrap();
    let said: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(said, "ok", "{moment}");
    let mut dangling = database.prepare("PRAGMA foreign_key_check").unwrap();
    assert!(!dangling.exists([]).unwrap(), "{moment}: a reference to nothing");
}

fn assert_nothing_lost(world: &World, acknowledged: &BTreeSet<String>, moment: &str) {
    let there = registrations(world);
    let audited = audited(world);
    for ae in acknowledged {
        assert!(there.contains_key(ae), "{moment}: {ae} was acknowledged and is lost");
    }
    let lines: BTreeSet<&String> = audited.iter().collect();
    for (ae, fact) in &there {
        for attribute in ["ri", "rn", "pi", "ct", "lt", "et", "aei", "api", "rr", "srv"] {
            assert!(!fact["representation"][attribute].is_null(), "{moment}: {ae} has no {attribute}");
        }
        assert!(!fact["credential_id"].is_null(), "{moment}: {ae} has no credential");
        assert!(lines.contains(ae), "{moment}: {ae} is there without its audit line");
    }
    assert_eq!(audited.len(), there.len(), "{moment}: audit lines and registrations");
}

/// One store whose registrar is killed again and again; gives the acknowledgements.
async fn killed_again_and_again(store: usize, draws: &mut Draws) -> usize {
    let mut world = World::prepared("[log]\nlevel = \"warn\"\n");
    let devices: Arc<Vec<Device>> = Arc::new((0..DEVICES).map(Device::numbered).collect());
    world.import(&devices);
    let next = Arc::new(AtomicUsize::new(0));
    let mut all = BTreeSet::new();
    for kill in 0..KILLS_OF_EACH {
        world.serve();
        let (acknowledge, mut acknowledged) = mpsc::unbounded_channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (devices, next) = (Arc::clone(&devices), Arc::clone(&next));
                tokio::spawn(client(world.registrar(), devices, next, acknowledge.clone()))
            })
            .collect();
        drop(acknowledge);
        for _ in 0..draws.below(MOST) {
            all.insert(acknowledged.recv().await.expect("the clients register until the registrar dies"));
        }
        for _ in 0..draws.below(50_000) {
            std::hint::spin_loop();
        }
        world.kill();
        // An answer may have been on its way.
        while let Some(ae) = acknowledged.recv().await {
            all.insert(ae);
        }
        for client in clients {
            client.await.unwrap();
        }
        let moment = format!("store {store}, kill {kill}");
        assert_nothing_lost(&world, &all, &moment);
        assert_whole(&world, &moment);
    }

    world.serve();
    let some = all.first().unwrap();
    let device = devices.iter().find(|device| device.ae_id() == *some).unwrap();
    let mut attachment = world.attach(device).await;
    assert!(attachment.register(&device.description()).await.unwrap().already);
    all.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives() {
    let mut draws = Draws::named("crash");
    let mut acknowledged = 0;
    for store in 0..STORES {
        acknowledged += killed_again_and_again(store, &mut draws).await;
    }
    println!("{acknowledged} registrations were acknowledged before {} kills", STORES * KILLS_OF_EACH);
    assert!(acknowledged >= STORES * KILLS_OF_EACH * CLIENTS);
}
