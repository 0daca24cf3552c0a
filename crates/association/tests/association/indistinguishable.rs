//! TS-0003 §8.2.2.1: what an outsider learns from a failed handshake is that it failed. An unknown identity, a
//! wrong key, a revoked or expired credential and a malformed identity give the same records and the same alert.

use association::{Alert, Error, KeyAnswer, SuitePolicy};

use crate::wire::{Run, Seen, client, key, policy, psk, records, run_altered, server};

/// Puts `identity` in the place of the one in the flight's ClientKeyExchange, cut after every `cut` octets.
fn with_identity(flight: &[u8], identity: &[u8], cut: usize) -> Vec<u8> {
    if flight.get(5) != Some(&16) {
        return flight.to_vec();
    }
    let record = 5 + usize::from(u16::from_be_bytes([flight[3], flight[4]]));
    let old = usize::from(u16::from_be_bytes([flight[9], flight[10]]));
    let tail = &flight[11 + old..record];
    let mut message = vec![16];
    message.extend(&u32::try_from(2 + identity.len() + tail.len()).unwrap().to_be_bytes()[1..]);
    message.extend(u16::try_from(identity.len()).unwrap().to_be_bytes());
    message.extend(identity);
    message.extend(tail);
    let mut altered = Vec::new();
    for part in message.chunks(cut) {
        altered.extend([22, 3, 3]);
        altered.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        altered.extend(part);
    }
    altered.extend(&flight[record..]);
    altered
}

/// What the server shows a peer that sends `identity` (`None`: its own) when the lookup says `answer`.
fn shown(
    policy: &SuitePolicy,
    identity: Option<(&[u8], usize)>,
    answer: fn() -> KeyAnswer,
) -> (Vec<Seen>, Run) {
    let (mut client, mut server) = (client(policy, psk(7)), server(policy));
    let run = run_altered(
        &mut client,
        &mut server,
        1 << 16,
        |_| answer(),
        |flight| match identity {
            Some((identity, cut)) => with_identity(&flight, identity, cut),
            None => flight,
        },
    );
    (records(&run.from_server), run)
}

fn wrong() -> KeyAnswer {
    KeyAnswer::Key(key(8))
}

fn refuse() -> KeyAnswer {
    KeyAnswer::Refuse
}

#[test]
fn every_refusal_looks_the_same() {
    for suite in [
        "TLS_PSK_WITH_AES_128_CBC_SHA256",
        "TLS_PSK_WITH_AES_128_CCM_8",
        "TLS_PSK_WITH_AES_128_GCM_SHA256",
        "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    ] {
        let policy = policy(suite);
        let (wrong_key, run) = shown(&policy, None, wrong);
        assert_eq!(wrong_key.last().unwrap().alert, Some([2, 20]), "{suite}: {wrong_key:?}");
        assert!(matches!(run.server, Err(Error::WrongKey)), "{suite}: {:?}", run.server);
        let (unknown, run) = shown(&policy, None, refuse);
        assert_eq!(unknown, wrong_key, "{suite}");
        assert!(matches!(run.server, Err(Error::Refused)), "{suite}: {:?}", run.server);

        let identities: [&[u8]; 9] = [
            b"",
            b"\0",
            b"light1@home.example.org\0x",
            b"\xff\xfe",
            &[b'a'; 256],
            &[b'a'; 257],
            &[b'a'; 2000],
            &[b'a'; 16_300],
            &[b'a'; 65_535],
        ];
        for identity in identities {
            for cut in [1000, 16_384] {
                // Even a lookup that answers such an identity with a key gives the peer nothing.
                for answer in [refuse, wrong, || KeyAnswer::Key(key(7))] {
                    let (malformed, run) = shown(&policy, Some((identity, cut)), answer);
                    assert_eq!(malformed, wrong_key, "{suite}, {} octets by {cut}", identity.len());
                    assert!(matches!(run.server, Err(Error::Refused | Error::WrongKey)), "{:?}", run.server);
                }
            }
        }
    }
}

#[test]
fn the_client_is_told_plainly() {
    let (_, run) = shown(&SuitePolicy::default(), None, refuse);
    let Err(error @ Error::KeyRefused { alert: Alert::BAD_RECORD_MAC }) = run.client else {
        panic!("{:?}", run.client)
    };
    assert_eq!(error.to_string(), "the registrar refused the key or identity (alert bad_record_mac)");
}

/// An identity that OpenSSL would cut at its NUL must not be taken for the one before it.
#[test]
fn a_nul_does_not_turn_one_identity_into_another() {
    let (_, run) = shown(
        &policy("TLS_PSK_WITH_AES_128_CBC_SHA256"),
        Some((b"light1@home.example.org\0@evil", 16_384)),
        || KeyAnswer::Key(key(7)),
    );
    assert!(matches!(run.server, Err(Error::Refused)), "{:?}", run.server);
}
