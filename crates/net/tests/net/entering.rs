//! From a connection to an association.

use std::{sync::Arc, time::Duration};

use association::{Error, SuitePolicy};
use identity::KeyRefusal;
use net::{DialLimits, Dialer, HandshakeOutcome, HandshakeRefusal, Limits, NetError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use crate::stage::{LIGHT, Lookup, PHONE, Raw, SOON, Stage, credential_id, patient, psk, request};

#[tokio::test]
async fn a_device_is_known_by_its_key() {
    let mut stage = Stage::open(patient());
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    let event = stage.handshake().await;
    let HandshakeOutcome::Established { association, suite, .. } = event.outcome else { panic!("{event:?}") };
    assert_eq!(suite, light.handshake().suite);
    assert_eq!(event.psk_identity.as_deref(), Some(LIGHT));
    assert_eq!(event.credential_id, Some(credential_id(LIGHT)));
    let answer = light.request(&request("/in-cse/server")).await.unwrap();
    assert_eq!(answer.pc.unwrap()["m2m:dbg"], credential_id(LIGHT).as_str());
    let listed = stage.live.list();
    assert_eq!(listed.len(), 1);
    assert_eq!((listed[0].id, listed[0].suite), (association, suite));
    assert_eq!(listed[0].credential_id, Some(credential_id(LIGHT)));
    light.close().await;
    assert_eq!(stage.end().await.reason.as_str(), "peer_closed");
    assert!(stage.live.is_empty());
}

/// One device's lookup hangs in a foreign function; the others must not notice.
#[tokio::test]
async fn a_lookup_that_never_answers_is_its_device_s_alone() {
    let mut stage = Stage::open(Limits { max_lookups: 2, ..patient() });
    stage.keys.set(LIGHT, Lookup::Never);
    let mut waiting = Vec::new();
    for _ in 0..5 {
        let mut raw = Raw::dial(stage.address, psk(LIGHT, 7)).await;
        waiting.push(tokio::spawn(async move { raw.shake_hands().await.is_ok() }));
    }
    // All five are at the lookup when the one task has been asked for them.
    while stage.keys.asked(LIGHT) == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        let mut phone = stage.connect(PHONE, 7).await.unwrap();
        phone.request(&request("/in-cse")).await.unwrap();
        phone.close().await;
    }
    assert_eq!(stage.keys.asked(LIGHT), 1, "five handshakes wait for one lookup");
    assert!(waiting.iter().all(|task| !task.is_finished()));
    stage.shutdown.cancel();
    (&mut stage.serving).await.unwrap();
    for task in waiting {
        assert!(!task.await.unwrap());
    }
}

#[tokio::test]
async fn one_lookup_serves_all_that_wait_for_it() {
    let mut stage = Stage::open(patient());
    let gate = Arc::new(Semaphore::new(0));
    stage.keys.set(LIGHT, Lookup::Gate(Arc::clone(&gate)));
    let address = stage.address;
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            tokio::spawn(async move {
                let mut raw = Raw::dial(address, psk(LIGHT, 7)).await;
                raw.shake_hands().await.map(|()| raw)
            })
        })
        .collect();
    while stage.keys.asked(LIGHT) == 0 {
        tokio::task::yield_now().await;
    }
    // Those that come too late for the first lookup make another one, and there is room for it.
    gate.add_permits(4);
    for task in waiting {
        drop(task.await.unwrap().unwrap());
        assert!(matches!(stage.handshake().await.outcome, HandshakeOutcome::Established { .. }));
    }
    // The next lookup is a new one.
    let asked = stage.keys.asked(LIGHT);
    stage.keys.set(LIGHT, Lookup::Key);
    stage.connect(LIGHT, 7).await.unwrap();
    assert_eq!(stage.keys.asked(LIGHT), asked + 1);
}

#[tokio::test]
async fn a_lookup_that_takes_too_long_or_breaks_is_a_refusal() {
    for lookup in [Lookup::Never, Lookup::Panic] {
        let mut stage = Stage::open(Limits { lookup_deadline: SOON, ..patient() });
        stage.keys.set(LIGHT, lookup);
        let Err(NetError::Refused { source, .. }) = stage.connect(LIGHT, 7).await else {
            panic!("connected")
        };
        assert!(matches!(source, Error::KeyRefused { .. }), "{source}");
        assert_eq!(stage.refusal().await, HandshakeRefusal::Unavailable);
        // And the identity is not blocked for good.
        stage.keys.set(LIGHT, Lookup::Key);
        stage.connect(LIGHT, 7).await.unwrap();
    }
}

/// TS-0003 §8.2.2.1, on the wire.
#[tokio::test]
async fn every_refused_key_looks_the_same() {
    let mut stage = Stage::open(Limits { lookup_deadline: SOON, ..patient() });
    let mut seen = Vec::new();
    let cases = [
        (Lookup::Key, 8, HandshakeRefusal::WrongKey),
        (Lookup::Refuse(KeyRefusal::Unknown), 7, HandshakeRefusal::Unknown),
        (Lookup::Refuse(KeyRefusal::Revoked), 7, HandshakeRefusal::Revoked),
        (Lookup::Refuse(KeyRefusal::Expired), 7, HandshakeRefusal::Expired),
        (Lookup::Refuse(KeyRefusal::Malformed), 7, HandshakeRefusal::Malformed),
        (Lookup::Never, 7, HandshakeRefusal::Unavailable),
    ];
    for (lookup, octet, reason) in cases {
        stage.keys.set(LIGHT, lookup);
        let mut raw = Raw::dial(stage.address, psk(LIGHT, octet)).await;
        let error = raw.shake_hands().await.unwrap_err();
        assert!(matches!(error, Error::KeyRefused { .. }), "{reason}: {error}");
        assert!(!raw.take().await, "then the connection ends");
        let event = stage.handshake().await;
        assert_eq!(event.outcome, HandshakeOutcome::Refused(reason));
        assert_eq!(event.psk_identity.as_deref(), Some(LIGHT));
        seen.push(raw.wire);
    }
    // The randoms differ; lengths, types and the alert do not.
    let shape = |wire: &Vec<u8>| {
        let mut rest = &wire[..];
        let mut shape = Vec::new();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
            shape.push((rest[0], length));
            rest = &rest[5 + length..];
        }
        (shape, wire[wire.len() - 7..].to_vec())
    };
    assert_eq!(shape(&seen[0]).1, [21, 3, 3, 0, 2, 2, 20], "bad_record_mac");
    for other in &seen[1..] {
        assert_eq!(shape(other), shape(&seen[0]));
    }
}

#[tokio::test]
async fn a_flood_of_half_open_connections_evicts_the_oldest() {
    let mut stage = Stage::open(Limits { max_half_open: 3, ..patient() });
    let mut flood = Vec::new();
    for number in 0..10_usize {
        flood.push(TcpStream::connect(stage.address).await.unwrap());
        if number >= 3 {
            let event = stage.handshake().await;
            assert_eq!(event.outcome, HandshakeOutcome::Refused(HandshakeRefusal::Evicted));
            assert_eq!(event.source, flood[number - 3].local_addr().unwrap(), "the oldest");
        }
    }
    // A device gets in all the same, and is not evicted once it is.
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    for _ in 0..10 {
        flood.push(TcpStream::connect(stage.address).await.unwrap());
        assert_eq!(stage.refusal().await, HandshakeRefusal::Evicted);
    }
    light.request(&request("/in-cse")).await.unwrap();
    assert_eq!(flood[0].read(&mut [0; 10]).await.unwrap_or(0), 0, "closed without a word");
}

#[tokio::test]
async fn an_unfinished_handshake_meets_its_deadline() {
    let mut stage = Stage::open(Limits { handshake_deadline: SOON, ..patient() });
    let mut silent = TcpStream::connect(stage.address).await.unwrap();
    assert_eq!(stage.refusal().await, HandshakeRefusal::Timeout);
    assert_eq!(silent.read(&mut [0; 10]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn one_address_and_all_together_are_bounded() {
    let mut stage = Stage::open(Limits { max_per_address: 2, ..patient() });
    let _first = stage.connect(LIGHT, 7).await.unwrap();
    let _second = stage.connect(PHONE, 7).await.unwrap();
    let mut third = TcpStream::connect(stage.address).await.unwrap();
    assert_eq!(stage.refusal().await, HandshakeRefusal::Overload);
    assert_eq!(third.read(&mut [0; 10]).await.unwrap_or(0), 0);

    let mut stage = Stage::open(Limits { max_associations: 1, ..patient() });
    let first = stage.connect(LIGHT, 7).await.unwrap();
    let _refused = TcpStream::connect(stage.address).await.unwrap();
    assert_eq!(stage.refusal().await, HandshakeRefusal::Overload);
    first.close().await;
    stage.end().await;
    stage.connect(PHONE, 7).await.unwrap();
}

#[tokio::test]
async fn clear_text_gets_no_answer() {
    let mut stage = Stage::open(patient());
    let mut tcp = TcpStream::connect(stage.address).await.unwrap();
    tcp.write_all(b"GET /in-cse HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = tcp.read_to_end(&mut answer).await;
    assert!(answer.is_empty(), "{answer:?}");
    assert_eq!(stage.refusal().await, HandshakeRefusal::NotTls);
    assert_eq!(stage.handler.entered.available_permits(), 0);
}

#[tokio::test]
async fn what_is_not_in_common_is_told() {
    let strict = SuitePolicy::from_names(["TLS_PSK_WITH_AES_256_GCM_SHA384"]).unwrap();
    let mut stage = Stage::open_with(patient(), &strict);
    let Err(NetError::Refused { source, .. }) = stage.connect(LIGHT, 7).await else { panic!("connected") };
    assert_eq!(source.to_string(), "the peer ended the association with alert handshake_failure");
    assert_eq!(stage.refusal().await, HandshakeRefusal::NoCommonSuite);
}

/// The key was read, then the credential was revoked, then the handshake ended.
#[tokio::test]
async fn a_credential_revoked_during_the_handshake_gives_no_association() {
    let mut stage = Stage::open(patient());
    let gate = Arc::new(Semaphore::new(0));
    stage.keys.set(LIGHT, Lookup::Gate(Arc::clone(&gate)));
    let mut raw = Raw::dial(stage.address, psk(LIGHT, 7)).await;
    let device = tokio::spawn(async move {
        raw.shake_hands().await.unwrap();
        raw.hear_out().await.1.is_err()
    });
    while stage.keys.asked(LIGHT) == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stage.live.close(&credential_id(LIGHT)), 0);
    gate.add_permits(1);
    assert_eq!(stage.refusal().await, HandshakeRefusal::Revoked);
    assert!(device.await.unwrap(), "cut");
    assert!(stage.live.is_empty());
}

#[tokio::test]
async fn a_client_tells_unreachable_from_silent_from_refused() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let limits = DialLimits { handshake_deadline: SOON, ..DialLimits::default() };
    let dialer = Dialer::new(&SuitePolicy::default(), limits).unwrap();
    let error = dialer.connect(&address, psk(LIGHT, 7), None).await.err().unwrap();
    assert!(matches!(error, NetError::Unreachable { .. }), "{error}");
    assert_eq!(error.to_string(), format!("could not reach {address}"));

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let error = dialer.connect(&address, psk(LIGHT, 7), None).await.err().unwrap();
    assert!(matches!(error, NetError::Timeout { what: "the handshake", .. }), "{error}");

    let dialer = Dialer::new(&SuitePolicy::default(), DialLimits::default()).unwrap();
    let serving = tokio::spawn(async move {
        drop(silent.accept().await.unwrap());
        let (mut tcp, _) = silent.accept().await.unwrap();
        let (mut other, _) = silent.accept().await.unwrap();
        tcp.write_all(b"220 mail.example.org ESMTP\r\n").await.unwrap();
        let _ = other.shutdown().await;
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop((tcp, other));
    });
    let first = dialer.connect(&address, psk(LIGHT, 7), None);
    let second = dialer.connect(&address, psk(LIGHT, 7), None);
    let (first, second) = tokio::join!(first, second);
    for error in [first.err().unwrap(), second.err().unwrap()] {
        assert!(matches!(error, NetError::Refused { .. }), "{error:?}");
    }
    serving.abort();
    let error = dialer.connect(&address, psk(LIGHT, 7), Some("a b")).await.err().unwrap();
    assert!(matches!(error, NetError::Tls(Error::ServerName { .. })), "{error}");
}
