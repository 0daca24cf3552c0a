//! Peers that break the rules: refused by the right alert, within bounds, without a panic.

use association::{Association, Error, KeyAnswer, Progress, Proved, ReadOutcome, SuitePolicy};
use openssl::ssl::{SslOptions, SslVersion};
use proptest::prelude::*;

use crate::wire::{
    bare_client, carry, client, established, key, last_alert, policy, psk, read_all, records, run, run_bare,
    server,
};

const MANDATORY: &str = "TLS_PSK_WITH_AES_128_CBC_SHA256";

/// TS-0003 §10.2.1: TLS 1.2 and no other.
#[test]
fn other_versions_are_refused_by_protocol_version() {
    for version in [SslVersion::TLS1, SslVersion::TLS1_1, SslVersion::TLS1_3] {
        let mut client = bare_client(|context| {
            context.set_security_level(0);
            context.set_cipher_list("PSK-AES128-CBC-SHA").unwrap();
            context.set_min_proto_version(Some(version)).unwrap();
            context.set_max_proto_version(Some(version)).unwrap();
        });
        let mut server =
            server(&SuitePolicy::from_names(["TLS_PSK_WITH_AES_128_CBC_SHA", MANDATORY]).unwrap());
        let run = run_bare(&mut client, &mut server);
        assert!(matches!(run.server, Err(Error::Version)), "{version:?}: {:?}", run.server);
        assert_eq!(last_alert(&run.from_server), Some([2, 70]), "{version:?}");
    }
}

/// A client that would like TLS 1.3 and certificate suites as well gets TLS 1.2 with its key, never an
/// anonymous association.
#[test]
fn a_client_that_offers_everything_gets_a_key_exchange() {
    let mut client = bare_client(|context| {
        context.set_cipher_list("ALL:PSK").unwrap();
    });
    let mut server = server(&SuitePolicy::default());
    let done = run_bare(&mut client, &mut server).server.unwrap();
    assert!(SuitePolicy::default().suites().contains(&done.suite));
    assert_eq!(client.ssl().version_str(), "TLSv1.2");
}

#[test]
fn suites_without_encryption_or_authentication_are_refused() {
    for list in
        ["PSK-NULL-SHA256", "ECDHE-PSK-NULL-SHA256", "ADH-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"]
    {
        let mut client = bare_client(|context| {
            context.set_security_level(0);
            context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            context.set_cipher_list(list).unwrap();
        });
        let mut server = server(&SuitePolicy::default());
        let run = run_bare(&mut client, &mut server);
        assert!(matches!(run.server, Err(Error::NoCommonSuite)), "{list}: {:?}", run.server);
        assert_eq!(last_alert(&run.from_server), Some([2, 40]), "{list}");
    }
}

#[test]
fn renegotiation_is_refused_and_the_association_goes_on() {
    let mut client = bare_client(|context| {
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_cipher_list("PSK-AES128-CBC-SHA256").unwrap();
    });
    let mut server = server(&SuitePolicy::default());
    run_bare(&mut client, &mut server).server.unwrap();
    ossl::request_renegotiation(&mut client).unwrap();
    assert!(client.do_handshake().is_err());
    let hello = std::mem::take(&mut client.get_mut().output);
    assert_eq!(records(&hello).len(), 1, "a ClientHello");
    server.feed(&hello);
    let (data, outcome) = read_all(&mut server);
    assert_eq!((data.len(), outcome.unwrap()), (0, ReadOutcome::WantsInput));
    // One encrypted alert, no ServerHello.
    let answer = records(server.output());
    assert_eq!(answer.iter().map(|record| record.content_type).collect::<Vec<_>>(), [21]);
    client.get_mut().input.extend(server.output());
    server.consume_output(usize::MAX);
    let refused = client.do_handshake().unwrap_err();
    assert!(refused.to_string().contains("no renegotiation"), "{refused}");
}

#[test]
fn sessions_are_not_resumed() {
    let mut client = bare_client(|context| {
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.clear_options(SslOptions::NO_TICKET);
        context.set_cipher_list("PSK-AES128-CBC-SHA256").unwrap();
    });
    let mut server = server(&SuitePolicy::default());
    let run = run_bare(&mut client, &mut server);
    run.server.unwrap();
    // ServerHello with an empty session_id, and no NewSessionTicket (type 4) anywhere in the clear.
    assert_eq!(run.from_server[5], 2);
    assert_eq!(run.from_server[5 + 38], 0, "session_id");
    let plain: Vec<u8> = records(&run.from_server).iter().map(|record| record.content_type).collect();
    assert_eq!(plain, [22, 22, 20, 22], "ServerHello, ServerHelloDone, ChangeCipherSpec, Finished");
    assert!(client.ssl().session().is_some_and(|session| session.id().is_empty()));
}

#[test]
fn clear_text_is_no_tls_and_gets_no_answer() {
    for text in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", "PUT /x", "\0\0\0\0\0\0", "\x16\x02\x00\x00\x01\x01"] {
        let mut server = server(&SuitePolicy::default());
        server.feed(text.as_bytes());
        assert!(matches!(server.step(), Err(Error::NotTls)), "{text:?}");
        assert!(server.output().is_empty());
        assert_eq!(server.feed(b"anything"), 8, "dropped");
    }
}

#[test]
fn a_client_hello_is_bounded() {
    let mut server = server(&SuitePolicy::default());
    let record = |payload: u16| {
        let mut record = vec![22, 3, 1];
        record.extend(payload.to_be_bytes());
        record.extend(vec![0; usize::from(payload)]);
        record
    };
    // A ClientHello that announces 100,000 octets, in records of 10,000.
    let mut first = record(10_000);
    first[5..9].copy_from_slice(&[1, 1, 0x86, 0xa0]);
    server.feed(&first);
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
    let mut second = &record(10_000)[..];
    let result = loop {
        let taken = server.feed(second);
        second = &second[taken..];
        match server.step() {
            Ok(_) => assert!(!second.is_empty(), "taken"),
            Err(error) => break error,
        }
    };
    assert!(matches!(result, Error::HelloTooLong { limit: 16_384 }), "{result}");
    assert_eq!(last_alert(server.output()), Some([2, 47]));
}

#[test]
fn a_broken_key_exchange_is_refused_by_its_alert() {
    let cases: [(&[u8], u8); 5] = [
        (&[22, 3, 3, 0, 0], 10),
        (&[22, 3, 3, 0x40, 1], 22),
        (&[22, 3, 3, 0, 8, 16, 0, 0, 4, 0, 3, 1, 2], 50),
        (&[22, 3, 3, 0, 6, 16, 0xff, 0, 0, 0, 0], 47),
        (&[22, 3, 3, 0, 8, 16, 0, 0, 3, 0, 1, 65, 20], 10),
    ];
    for (octets, alert) in cases {
        let (mut client, mut server) = (client(&policy(MANDATORY), psk(7)), server(&policy(MANDATORY)));
        client.step().unwrap();
        carry(&mut client, &mut server);
        server.step().unwrap();
        server.consume_output(usize::MAX);
        server.feed(octets);
        assert!(matches!(server.step(), Err(Error::KeyExchange(_))));
        assert_eq!(last_alert(server.output()), Some([2, alert]), "{octets:?}");
    }
}

/// No key exchange, so no lookup, and no association.
#[test]
fn finishing_without_a_key_exchange_is_refused() {
    for octets in [&[20, 3, 3, 0, 1, 1][..], &[22, 3, 3, 0, 4, 14, 0, 0, 0], &[23, 3, 3, 0, 1, 0]] {
        let (mut client, mut server) = (client(&policy(MANDATORY), psk(7)), server(&policy(MANDATORY)));
        client.step().unwrap();
        carry(&mut client, &mut server);
        server.step().unwrap();
        server.consume_output(usize::MAX);
        server.feed(octets);
        assert!(matches!(server.step(), Err(Error::Protocol { .. })), "{octets:?}");
        assert_eq!(last_alert(server.output()), Some([2, 10]), "{octets:?}");
    }
}

/// A ClientHello with a ClientKeyExchange glued behind it in the same record: the identity was never asked for.
#[test]
fn a_key_exchange_that_comes_before_its_time_meets_no_key() {
    let (mut client, mut server) = (client(&policy(MANDATORY), psk(7)), server(&policy(MANDATORY)));
    client.step().unwrap();
    let mut hello = Vec::new();
    client.take_output(&mut hello);
    let glued = [16, 0, 0, 3, 0, 1, 65];
    let length = u16::try_from(hello.len() - 5 + glued.len()).unwrap();
    hello[3..5].copy_from_slice(&length.to_be_bytes());
    hello.extend(glued);
    server.feed(&hello);
    let mut finish = vec![20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 80];
    finish.extend([0; 80]);
    let outcome = server.step().and_then(|_| {
        server.feed(&finish);
        server.step()
    });
    assert!(outcome.is_err(), "{outcome:?}");
}

#[test]
fn an_alert_from_the_peer_is_reported() {
    let (mut client, mut server) = (client(&policy(MANDATORY), psk(7)), server(&policy(MANDATORY)));
    client.step().unwrap();
    carry(&mut client, &mut server);
    server.step().unwrap();
    server.feed(&[21, 3, 3, 0, 2, 2, 80]);
    let error = server.step().unwrap_err();
    assert_eq!(error.to_string(), "the peer ended the association with alert internal_error");
}

#[test]
fn a_changed_record_ends_the_association() {
    let (mut client, mut server, ..) = established(&SuitePolicy::default());
    client.write(b"pay 1").unwrap();
    let mut octets = Vec::new();
    client.take_output(&mut octets);
    *octets.last_mut().unwrap() ^= 1;
    server.feed(&octets);
    let (data, end) = read_all(&mut server);
    assert!(data.is_empty());
    assert!(matches!(end, Err(Error::Protocol { .. })), "{end:?}");
    assert!(matches!(server.write(b"x"), Err(Error::Ended)));
}

#[derive(Debug, Clone, Copy)]
enum Moment {
    Start,
    AfterHello,
    AfterKey,
    Established,
}

/// Feeds everything, drives everything, answers everything; what counts is that it ends and does not panic.
fn survive(end: &mut Association, octets: &[u8], piece: usize) {
    for part in octets.chunks(piece) {
        let mut part = part;
        for _ in 0..100 {
            let taken = end.feed(part);
            part = &part[taken..];
            if let Ok(Progress::NeedsKey(identity)) = end.step() {
                let _ = (identity.to_string(), identity.check().is_ok());
                end.answer_key(KeyAnswer::Key(key(7)));
            }
            let _ = read_all(end);
            if part.is_empty() {
                break;
            }
        }
        assert!(end.output().len() < 100_000);
        end.consume_output(usize::MAX);
    }
    end.feed_end();
    assert!(end.step().is_err() || end.read(&mut [0; 10]).is_err());
}

fn at(moment: Moment) -> (Association, Association) {
    let policy = SuitePolicy::default();
    let (mut client, mut server) = (client(&policy, psk(7)), server(&policy));
    match moment {
        Moment::Start => {}
        Moment::AfterHello | Moment::AfterKey => {
            client.step().unwrap();
            carry(&mut client, &mut server);
            server.step().unwrap();
            carry(&mut server, &mut client);
            client.step().unwrap();
            if let Moment::AfterKey = moment {
                let record = 5 + usize::from(u16::from_be_bytes([client.output()[3], client.output()[4]]));
                server.feed(&client.output()[..record]);
                server.step().unwrap();
                server.answer_key(KeyAnswer::Key(key(7)));
            }
        }
        Moment::Established => {
            run(&mut client, &mut server, 1 << 16, |_| KeyAnswer::Key(key(7))).server.unwrap();
        }
    }
    (client, server)
}

fn moments() -> impl Strategy<Value = Moment> {
    prop::sample::select(vec![Moment::Start, Moment::AfterHello, Moment::AfterKey, Moment::Established])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn octets_of_any_kind_do_no_harm(
        moment in moments(),
        octets in prop::collection::vec(any::<u8>(), 0..2000),
        piece in 1_usize..2000,
    ) {
        let (mut client, mut server) = at(moment);
        survive(&mut server, &octets, piece);
        survive(&mut client, &octets, piece);
    }

    #[test]
    fn records_of_any_kind_do_no_harm(
        moment in moments(),
        payloads in prop::collection::vec((20_u8..24, prop::collection::vec(any::<u8>(), 0..100)), 0..20),
        piece in 1_usize..500,
    ) {
        let mut octets = Vec::new();
        for (content_type, payload) in payloads {
            octets.extend([content_type, 3, 3, 0, u8::try_from(payload.len()).unwrap()]);
            octets.extend(payload);
        }
        let (mut client, mut server) = at(moment);
        survive(&mut server, &octets, piece);
        survive(&mut client, &octets, piece);
    }

    /// A good handshake with one octet changed: it may fail in any way, but never with another identity.
    #[test]
    fn one_changed_octet_does_no_harm(flight in 0_usize..2, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let policy = policy(MANDATORY);
        let (mut client, mut server) = (client(&policy, psk(7)), server(&policy));
        let mut count = 0;
        let run = crate::wire::run_altered(
            &mut client,
            &mut server,
            1 << 16,
            |identity| match identity.check() {
                Ok(identity) if identity.as_str() == crate::wire::IDENTITY => KeyAnswer::Key(key(7)),
                _ => KeyAnswer::Refuse,
            },
            |mut octets| {
                if count == flight && !octets.is_empty() {
                    let at = at.index(octets.len());
                    octets[at] ^= 1 << bit;
                }
                count += 1;
                octets
            },
        );
        if let Ok(done) = run.server {
            prop_assert_eq!(done.proved, Proved::Key(crate::wire::IDENTITY.parse().unwrap()));
        }
    }
}
