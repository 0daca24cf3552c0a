//! How associations end.

use std::time::Duration;

use association::Error;
use net::{EndReason, HandshakeRefusal, Limits, NetError};
use tokio::net::TcpStream;

use crate::stage::{LIGHT, Lookup, PHONE, SOON, Stage, credential_id, get, now, patient, request};

#[tokio::test]
async fn a_closed_credential_ends_its_associations_and_no_others() {
    let mut stage = Stage::open(patient());
    let mut idle = stage.raw(LIGHT).await;
    let mut busy = stage.raw(LIGHT).await;
    busy.say(&get("/hold", "r1")).await;
    stage.handler.entered.acquire().await.unwrap().forget();
    let mut phone = stage.connect(PHONE, 7).await.unwrap();

    assert_eq!(stage.live.close(&credential_id(LIGHT)), 2);
    for raw in [&mut idle, &mut busy] {
        let (answer, end) = raw.hear_out().await;
        assert!(answer.is_empty(), "{answer}");
        end.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(stage.end().await.reason, EndReason::Closed);
    }
    phone.request(&request("/in-cse")).await.unwrap();
    assert_eq!(stage.live.list().len(), 1);
    // The credential itself may come back: closing does not revoke.
    stage.connect(LIGHT, 7).await.unwrap();
}

#[tokio::test]
async fn the_client_of_a_closed_association_is_told() {
    let mut stage = Stage::open(patient());
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    light.request(&request("/in-cse")).await.unwrap();
    stage.live.close(&credential_id(LIGHT));
    stage.end().await;
    let error = light.request(&request("/in-cse")).await.unwrap_err();
    assert!(matches!(error, NetError::Closed { .. }), "{error:?}");
    assert!(!light.is_open());
}

/// After an answer hyper is gone and the association waits by itself.
#[tokio::test]
async fn an_idle_association_ends() {
    let mut stage = Stage::open(Limits { idle: SOON, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    raw.say(&get("/in-cse", "r1")).await;
    raw.hear("}").await;
    let end = stage.end().await;
    assert_eq!((end.reason, end.requests), (EndReason::Idle, 1));
    raw.hear_out().await.1.unwrap();
}

/// TS-0001 §11.3.2: shorter than its credential.
#[tokio::test]
async fn an_association_ends_with_its_credential_or_its_lifetime() {
    let mut stage = Stage::open(patient());
    stage.keys.set(LIGHT, Lookup::KeyUntil(now().checked_add(SOON).unwrap()));
    let mut raw = stage.raw(LIGHT).await;
    raw.say(&get("/hold", "r1")).await;
    assert_eq!(stage.end().await.reason, EndReason::Expired);
    raw.hear_out().await.1.unwrap();

    let mut stage = Stage::open(Limits { lifetime: SOON, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    assert_eq!(stage.end().await.reason, EndReason::Expired);
    raw.hear_out().await.1.unwrap();
}

#[tokio::test]
async fn a_cut_is_no_orderly_end() {
    let mut stage = Stage::open(patient());
    let raw = stage.raw(LIGHT).await;
    drop(raw);
    assert_eq!(stage.end().await.reason, EndReason::Broken);
}

#[tokio::test]
async fn stopping_answers_what_is_in_progress() {
    let mut stage = Stage::open(patient());
    let mut idle = stage.raw(PHONE).await;
    let mut busy = stage.raw(LIGHT).await;
    let mut half_open = TcpStream::connect(stage.address).await.unwrap();
    busy.say(&get("/hold", "r1")).await;
    stage.handler.entered.acquire().await.unwrap().forget();

    stage.shutdown.cancel();
    idle.hear_out().await.1.unwrap();
    assert_eq!(stage.end().await.reason, EndReason::Shutdown);
    assert_eq!(stage.refusal().await, HandshakeRefusal::Shutdown);
    assert_eq!(tokio::io::AsyncReadExt::read(&mut half_open, &mut [0; 9]).await.unwrap_or(0), 0);
    assert!(TcpStream::connect(stage.address).await.is_err(), "the port is closed");
    assert!(!stage.serving.is_finished());

    stage.handler.hold.add_permits(1);
    let (answer, end) = busy.hear_out().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    end.unwrap();
    assert_eq!(stage.end().await.reason, EndReason::Shutdown);
    (&mut stage.serving).await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let mut stage = Stage::open(Limits { drain_deadline: SOON, ..patient() });
    let mut busy = stage.raw(LIGHT).await;
    busy.say(&get("/hold", "r1")).await;
    stage.handler.entered.acquire().await.unwrap().forget();
    stage.shutdown.cancel();
    let (answer, end) = busy.hear_out().await;
    assert!(answer.is_empty());
    end.unwrap();
    (&mut stage.serving).await.unwrap();
    assert_eq!(stage.end().await.reason, EndReason::Shutdown);
}

#[tokio::test]
async fn a_client_says_goodbye() {
    let mut stage = Stage::open(patient());
    let light = stage.connect(LIGHT, 7).await.unwrap();
    light.close().await;
    assert_eq!(stage.end().await.reason, EndReason::PeerClosed);
    let dropped = stage.connect(LIGHT, 7).await.unwrap();
    drop(dropped);
    let end = stage.end().await;
    assert!(matches!(end.reason, EndReason::Broken | EndReason::PeerClosed), "{end:?}");
    assert!(end.duration < Duration::from_secs(3600));
}

#[test]
fn errors_of_the_peer_have_names() {
    assert_eq!(HandshakeRefusal::from(&Error::NoCommonSuite).as_str(), "no_common_suite");
}
