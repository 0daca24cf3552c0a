//! kill -9 while devices register: what was acknowledged is there, and nothing is there by halves.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use device::{Attachment, Registrar};
use serde_json::Value;
use support::{Device, World};
use testkit::Draws;
use tokio::sync::mpsc;

const CLIENTS: usize = 16;
const MOMENTS: usize = 20;
const DEVICES: usize = 2_000;

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

fn audited(world: &World) -> BTreeSet<String> {
    let finished = world.run(&["--json", "inspect", "audit", "--limit", "100000"]).success();
    finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|fact| fact["action"] == "registration.create")
        .map(|fact| fact["entity"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives() {
    let mut world = World::prepared("");
    let devices: Arc<Vec<Device>> = Arc::new((0..DEVICES).map(Device::numbered).collect());
    world.import(&devices);
    let next = Arc::new(AtomicUsize::new(0));
    let all = Arc::new(Mutex::new(BTreeSet::new()));
    let mut draws = Draws::named("crash");
    for moment in 0..MOMENTS {
        world.serve();
        let (acknowledge, mut acknowledged) = mpsc::unbounded_channel();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (devices, next) = (Arc::clone(&devices), Arc::clone(&next));
                tokio::spawn(client(world.registrar(), devices, next, acknowledge.clone()))
            })
            .collect();
        drop(acknowledge);
        for _ in 0..draws.below(60) + 1 {
            let ae = acknowledged.recv().await.expect("the clients register until the registrar dies");
            all.lock().unwrap().insert(ae);
        }
        for _ in 0..draws.below(50_000) {
            std::hint::spin_loop();
        }
        world.kill();
        while let Some(ae) = acknowledged.recv().await {
            all.lock().unwrap().insert(ae);
        }
        for client in clients {
            client.await.unwrap();
        }

        let there = registrations(&world);
        let audited = audited(&world);
        for ae in all.lock().unwrap().iter() {
            assert!(there.contains_key(ae), "moment {moment}: {ae} was acknowledged and is lost");
        }
        for (ae, fact) in &there {
            for attribute in ["ri", "rn", "pi", "ct", "lt", "et", "aei", "api", "rr", "srv"] {
                assert!(
                    !fact["representation"][attribute].is_null(),
                    "moment {moment}: {ae} has no {attribute}"
                );
            }
            assert!(!fact["credential_id"].is_null(), "moment {moment}: {ae} has no credential");
            assert!(audited.contains(ae), "moment {moment}: {ae} is there without its audit line");
        }
        assert_eq!(audited.len(), there.len(), "moment {moment}: an audit line without its registration");
    }
    let acknowledged = all.lock().unwrap().len();
    assert!(acknowledged >= MOMENTS, "{acknowledged} registrations were acknowledged");

    world.serve();
    let some = all.lock().unwrap().iter().next().unwrap().clone();
    let device = devices.iter().find(|device| device.ae_id() == some).unwrap();
    let mut attachment = world.attach(device).await;
    assert!(attachment.register(&device.description()).await.unwrap().already);
}
