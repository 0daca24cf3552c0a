//! Lookups that hang delay nobody else. Alone in its file: it counts the threads of the whole process.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed, helpers included"
)]

#[path = "net/stage.rs"]
#[expect(dead_code, reason = "made for the other tests too")]
mod stage;

use std::{sync::Arc, time::Duration};

use net::{DialLimits, Dialer, SuitePolicy};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, yield_now},
    time::{Instant, timeout},
};

use stage::{LIGHT, Lookup, NEVER, Stage, patient, psk};

const HANGING: usize = 200;
/// Attachments with a known key in one window, and how many at a time.
const ATTACHMENTS: usize = 200;
const AT_A_TIME: usize = 8;
/// Pairs of windows after which the medians are compared for the first and for the last time: a busy machine
/// needs more to come to the truth, and no number of them makes up for a real loss.
const PAIRS: std::ops::RangeInclusive<usize> = 8..=60;
const KEPT: f64 = 0.95;

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn dialer() -> Dialer {
    let limits = DialLimits {
        connect_deadline: NEVER,
        handshake_deadline: NEVER,
        request_deadline: NEVER,
        ..DialLimits::default()
    };
    Dialer::new(&SuitePolicy::default(), limits).unwrap()
}

/// How long it takes to attach so many times with a key that is there.
async fn window(stage: &Stage, dialer: &Dialer) -> Duration {
    let address = stage.address.to_string();
    let begun = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..AT_A_TIME {
        let (dialer, address) = (dialer.clone(), address.clone());
        clients.spawn(async move {
            for _ in 0..ATTACHMENTS / AT_A_TIME {
                drop(dialer.connect(&address, psk(LIGHT, 7), None).await.unwrap());
            }
        });
    }
    clients.join_all().await;
    begun.elapsed()
}

/// Until each of these identities has been looked up so many times.
async fn asked(stage: &Stage, identities: &[String], times: usize) {
    while identities.iter().any(|identity| stage.keys.asked(identity) < times) {
        yield_now().await;
    }
}

fn median(of: &[Duration]) -> Duration {
    let mut sorted = of.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_keys_keep_their_rate_while_lookups_hang() {
    let stage = Stage::open(patient());
    let dialer = dialer();
    let gate = Arc::new(Semaphore::new(0));
    let slow: Vec<String> = (0..HANGING).map(|number| format!("slow{number}@far.example.org")).collect();
    for identity in &slow {
        stage.keys.set(identity, Lookup::Gate(Arc::clone(&gate)));
    }
    window(&stage, &dialer).await;
    let before = threads();
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for pair in 1..=*PAIRS.end() {
        alone.push(window(&stage, &dialer).await);

        let mut hanging = JoinSet::new();
        for identity in &slow {
            let (dialer, address, psk) = (dialer.clone(), stage.address.to_string(), psk(identity, 7));
            hanging.spawn(async move { dialer.connect(&address, psk, None).await.map(drop) });
        }
        timeout(testkit::DEADLINE, asked(&stage, &slow, pair)).await.expect("every one is looked up");
        let window = timeout(testkit::DEADLINE, window(&stage, &dialer)).await;
        beside.push(window.expect("nobody waits for those that hang"));
        assert_eq!(threads(), before, "a thread for a lookup that hangs");
        gate.add_permits(HANGING);
        for connected in hanging.join_all().await {
            connected.unwrap();
        }

        let kept = median(&alone).as_secs_f64() / median(&beside).as_secs_f64();
        if pair >= *PAIRS.start() && kept >= KEPT {
            println!("{kept:.3} of the rate after {pair} pairs, {:?} alone", median(&alone));
            return;
        }
        assert!(pair < *PAIRS.end(), "{kept:.3} of the rate: {alone:?} alone, {beside:?} beside {HANGING}");
    }
}
