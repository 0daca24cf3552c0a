//! Several threads, each with an event loop of its own.

use std::{collections::BTreeSet, num::NonZeroUsize};

use association::SuitePolicy;
use net::{Crew, EndReason, HandshakeOutcome};

use crate::stage::{LIGHT, Lookup, PHONE, Raw, Stage, patient, psk, request};

fn stage() -> Stage {
    let crew = Crew::start(NonZeroUsize::new(2).unwrap()).unwrap();
    Stage::open_on(Some(crew), patient(), &SuitePolicy::default())
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn one_after_the_other_is_served_by_one_thread() {
    let mut stage = stage();
    for _ in 0..20 {
        let mut light = stage.connect(LIGHT, 7).await.unwrap();
        light.request(&request("/in-cse")).await.unwrap();
        light.close().await;
        assert_eq!(stage.end().await.reason, EndReason::PeerClosed);
    }
    assert_eq!(stage.keys.threads(), names(&["net-0"]));
}

#[tokio::test]
async fn many_at_a_time_are_served_by_all_threads_and_all_of_them_are_stopped() {
    let mut stage = stage();
    let mut hanging = Vec::new();
    for number in 0..12 {
        // Each of them asks by itself.
        let identity = format!("hanging{number}");
        stage.keys.set(&identity, Lookup::Never);
        let mut raw = Raw::dial(stage.address, psk(&identity, 7)).await;
        hanging.push(tokio::spawn(async move { raw.shake_hands().await.is_err() }));
    }
    let mut phones = Vec::new();
    while stage.keys.threads() != names(&["net-0", "net-1"]) {
        phones.push(stage.connect(PHONE, 7).await.unwrap());
    }
    for phone in &mut phones {
        phone.request(&request("/in-cse")).await.unwrap();
    }
    assert_eq!(stage.live.len(), phones.len());
    // One that is stopped before it has said anything may see its connection reset instead.
    for number in 0..12 {
        while stage.keys.asked(&format!("hanging{number}")) == 0 {
            tokio::task::yield_now().await;
        }
    }
    stage.shutdown.cancel();
    for _ in &phones {
        assert_eq!(stage.end().await.reason, EndReason::Shutdown);
    }
    (&mut stage.serving).await.unwrap();
    for one in hanging {
        assert!(one.await.unwrap());
    }
}

#[tokio::test]
async fn what_was_closed_ends_on_whichever_thread() {
    let mut stage = stage();
    // More than one thread may be ahead of the other.
    let mut lights = Vec::new();
    while stage.keys.threads().len() < 2 {
        lights.push(stage.raw(LIGHT).await);
        // The device is done before the server, which runs on another thread here.
        assert!(matches!(stage.handshake().await.outcome, HandshakeOutcome::Established { .. }));
    }
    assert_eq!(stage.live.close(&crate::stage::credential_id(LIGHT)), lights.len());
    for _ in &lights {
        assert_eq!(stage.end().await.reason, EndReason::Closed);
    }
    assert!(stage.live.is_empty());
}
