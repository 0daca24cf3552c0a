//! Certificate suites: who presents what, who judges it, and what a peer without the private key learns.

use std::sync::{Arc, Mutex};

use association::{
    Alert, Association, ClientContext, ClientIdentity, ClientProof, CredentialError, Error, KeyAnswer,
    Presented, Progress, Proved, ServerContext, ServerCredential, SessionAnswer, Suite, SuitePolicy, Verdict,
};
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
    rsa::Rsa,
    ssl::{SslContextBuilder, SslVersion},
};
use proptest::prelude::*;

use crate::{
    maker::{Made, made},
    wire::{
        Answers, IDENTITY, Run, bare_client, carry, key, last_alert, policy, psk, read_all, records, run_bare,
    },
};

pub(crate) const CBC: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256";

pub(crate) fn server_context(policy: &SuitePolicy) -> ServerContext {
    ServerContext::builder(policy).credential(made("server").server()).build().unwrap()
}

pub(crate) fn client_context(policy: &SuitePolicy, identity: ClientIdentity) -> ClientContext {
    ClientContext::builder(policy).identity(identity).server(Arc::new(|_| Ok(()))).build().unwrap()
}

pub(crate) fn client(context: &ClientContext) -> Association {
    Association::client_with(context, None, Some("home.example.org"), None).unwrap()
}

/// Runs a handshake; tells how it went and what the server was asked to judge.
fn judged(
    client: &mut Association,
    server: &mut Association,
    piece: usize,
    verdict: Verdict,
    alter: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> (Run, Vec<Presented>) {
    let mut asked = Vec::new();
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |presented| {
            asked.push(presented.clone());
            verdict
        },
        session: &mut |_| SessionAnswer::Full,
    };
    let run = answers.run(client, server, piece, alter);
    (run, asked)
}

fn unaltered(flight: Vec<u8>) -> Vec<u8> {
    flight
}

/// TS-0003 §10.2.3.
#[test]
fn every_certificate_suite_completes_and_carries_data() {
    for suite in Suite::all().filter(|suite| suite.is_certificate()) {
        for piece in [1, 7, 1 << 16] {
            let policy = policy(suite.name());
            let me = made("light1");
            let mut client = client(&client_context(&policy, me.client()));
            let mut server = Association::server(&server_context(&policy));
            let (run, asked) = judged(&mut client, &mut server, piece, Verdict::Accept, unaltered);
            let (at_client, at_server) = (run.client.unwrap(), run.server.unwrap());
            assert_eq!((at_server.suite, at_client.suite), (suite, suite));
            assert_eq!(asked, [me.presented()]);
            assert_eq!(at_server.proved, Proved::Certificate(me.presented()));
            assert_eq!(at_client.proved, Proved::Certificate(made("server").presented()));
            assert_eq!(at_server.server_name.as_deref(), Some("home.example.org"));
            assert!(at_server.extended_master_secret);
            assert_eq!((at_server.resumed, at_client.resumed), (None, None));

            assert_eq!(client.write(b"up").unwrap(), 2);
            carry(&mut client, &mut server);
            assert_eq!(read_all(&mut server).0, b"up");
            assert_eq!(server.write(b"down").unwrap(), 4);
            carry(&mut server, &mut client);
            assert_eq!(read_all(&mut client).0, b"down");
            assert!(
                client
                    .export("EXPORTER-oneM2M-Bootstrap", None, 48)
                    .unwrap()
                    .ct_eq(server.export("EXPORTER-oneM2M-Bootstrap", None, 48).unwrap().expose())
            );
        }
    }
}

#[test]
fn a_chain_arrives_as_it_was_sent() {
    let (me, issuer) = (made("light1"), made("issuer"));
    let chain_der = vec![me.der(), issuer.der(), made("root").der()];
    let identity = ClientIdentity::Chain { chain_der: chain_der.clone(), key: me.private_key() };
    let policy = policy(CBC);
    let server_chain = vec![made("server").der(), issuer.der()];
    let credential =
        ServerCredential::Chain { chain_der: server_chain.clone(), key: made("server").private_key() };
    let context = ServerContext::builder(&policy).credential(credential).build().unwrap();
    let mut client = client(&client_context(&policy, identity));
    let mut server = Association::server(&context);
    let (run, asked) = judged(&mut client, &mut server, 100, Verdict::Accept, unaltered);
    assert_eq!(asked, [Presented::Chain(chain_der)]);
    assert_eq!(run.client.unwrap().proved, Proved::Certificate(Presented::Chain(server_chain)));
}

#[test]
fn the_verdict_may_come_late_and_nothing_is_taken_before() {
    let policy = policy(CBC);
    let mut client = client(&client_context(&policy, made("light1").client()));
    let mut server = Association::server(&server_context(&policy));
    client.step().unwrap();
    carry(&mut client, &mut server);
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
    carry(&mut server, &mut client);
    client.step().unwrap();
    carry(&mut client, &mut server);
    for _ in 0..3 {
        assert_eq!(server.step().unwrap(), Progress::NeedsVerdict(made("light1").presented()));
        assert_eq!(server.feed(b"more"), 0, "input while a verdict is awaited");
        assert!(server.output().is_empty());
        // Answers to other questions are none.
        server.answer_key(KeyAnswer::Key(key(7)));
        server.answer_session(SessionAnswer::Full);
    }
    server.answer_verdict(Verdict::Accept);
    assert!(matches!(server.step().unwrap(), Progress::Established(_)));
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
}

#[test]
fn a_refusal_is_the_alert_that_was_given() {
    let policy = policy(CBC);
    for alert in [
        Alert::BAD_CERTIFICATE,
        Alert::UNSUPPORTED_CERTIFICATE,
        Alert::CERTIFICATE_REVOKED,
        Alert::CERTIFICATE_EXPIRED,
        Alert::CERTIFICATE_UNKNOWN,
        Alert::UNKNOWN_CA,
    ] {
        let mut client = client(&client_context(&policy, made("light1").client()));
        let mut server = Association::server(&server_context(&policy));
        let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Refuse(alert), unaltered);
        assert_eq!(asked.len(), 1);
        assert!(matches!(run.server, Err(Error::CertificateRefused { alert: sent }) if sent == alert));
        assert!(matches!(run.client, Err(Error::CertificateDenied { alert: got }) if got == alert));
        assert_eq!(last_alert(&run.from_server), Some([2, alert.0]));
        assert!(matches!(server.step(), Err(Error::Ended)));
        assert!(matches!(server.write(b"x"), Err(Error::Ended)));
        server.answer_verdict(Verdict::Accept);
        assert!(matches!(server.step(), Err(Error::Ended)));
    }
}

/// Puts `other` in the place of the certificate `own` in a flight.
fn with_certificate(flight: &[u8], own: &[u8], other: &[u8]) -> Vec<u8> {
    let Some(at) = flight.windows(own.len()).position(|window| window == own) else { return flight.to_vec() };
    [&flight[..at], other, &flight[at + own.len()..]].concat()
}

/// F-08: somebody who has seen a certificate, but has not its key, is told that and no more, whatever is thought
/// of the certificate.
#[test]
fn a_wrong_private_key_is_found_before_anybody_is_asked() {
    let own = made("light1");
    let victim = std::iter::repeat_with(|| Made::new("light1"))
        .find(|victim| victim.der().len() == own.der().len())
        .unwrap();
    let policy = policy(CBC);
    for piece in [1, 1 << 16] {
        let mut client = client(&client_context(&policy, own.client()));
        let mut server = Association::server(&server_context(&policy));
        let (run, asked) = judged(&mut client, &mut server, piece, Verdict::Accept, |flight| {
            with_certificate(&flight, &own.der(), &victim.der())
        });
        assert!(matches!(run.server, Err(Error::WrongPrivateKey)), "{:?}", run.server);
        assert_eq!(last_alert(&run.from_server), Some([2, 51]), "decrypt_error");
        assert_eq!(asked, []);
    }
}

/// The messages of a flight's handshake records in the clear, and what comes behind these.
fn messages(mut flight: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut messages = Vec::new();
    while let [22, _, _, high, low, rest @ ..] = flight {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        messages.extend(&rest[..length]);
        flight = &rest[length..];
    }
    (messages, flight)
}

fn record(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    record.extend(payload);
    record
}

/// The signature is cut, and ChangeCipherSpec comes in its midst: no proof, so no question.
#[test]
fn half_a_signature_is_none() {
    let policy = policy(CBC);
    for missing in [1, 10, 70] {
        let mut client = client(&client_context(&policy, made("light1").client()));
        let mut server = Association::server(&server_context(&policy));
        let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, |flight| {
            let (all, rest) = messages(&flight);
            if all.first() != Some(&11) {
                return flight;
            }
            [&record(22, &all[..all.len() - missing]), rest].concat()
        });
        assert!(run.server.is_err());
        assert_eq!(asked, [], "{missing}");
    }
}

/// Certificate and key exchange, but no signature.
#[test]
fn no_signature_is_no_proof() {
    let policy = policy(CBC);
    let mut client = client(&client_context(&policy, made("light1").client()));
    let mut server = Association::server(&server_context(&policy));
    let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, |flight| {
        let (all, rest) = messages(&flight);
        if all.first() != Some(&11) {
            return flight;
        }
        let certificate = 4 + usize::from(u16::from_be_bytes([all[2], all[3]]));
        let exchange = 4 + usize::from(all[certificate + 3]);
        [&record(22, &all[..certificate + exchange]), rest].concat()
    });
    assert!(matches!(run.server, Err(Error::Protocol { .. })), "{:?}", run.server);
    assert_eq!(last_alert(&run.from_server), Some([2, 10]), "unexpected_message");
    assert_eq!(asked, []);
}

/// F-07.
#[test]
fn a_client_that_presents_nothing_is_refused() {
    for policy in [policy(CBC), SuitePolicy::default().with_certificates()] {
        let mut client = client(&client_context(&policy, ClientIdentity::None));
        let mut server = Association::server(&server_context(&policy));
        let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, unaltered);
        assert!(matches!(run.server, Err(Error::NoCertificate)), "{:?}", run.server);
        assert_eq!(last_alert(&run.from_server), Some([2, 40]), "handshake_failure");
        assert_eq!(asked, []);
    }
}

fn offering(list: &str, with: impl FnOnce(&mut SslContextBuilder)) -> impl FnOnce(&mut SslContextBuilder) {
    move |context| {
        context.set_cipher_list(list).unwrap();
        with(context);
    }
}

/// A client that has a key and offers certificate suites as well must end with its key, whatever it would like
/// best: with a certificate suite it would prove nothing.
#[test]
fn a_key_goes_before_a_certificate() {
    let both = SuitePolicy::default().with_certificates();
    // mosquitto_pub --psk does this: everything, and TLS 1.3 first.
    for list in ["ALL:PSK", "ECDHE-ECDSA-AES128-GCM-SHA256:PSK-AES128-CBC-SHA256"] {
        let mut client = bare_client(offering(list, |_| {}));
        let mut server = Association::server(&server_context(&both));
        let done = run_bare(&mut client, &mut server).server.unwrap();
        assert_eq!(done.proved, Proved::Key(IDENTITY.parse().unwrap()));
        assert!(!done.suite.is_certificate());
    }
    // Ours, with a certificate too.
    let context = client_context(&both, made("light1").client());
    let mut client = Association::client(&context, psk(7), None).unwrap();
    let mut server = Association::server(&server_context(&both));
    let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, unaltered);
    assert_eq!(run.server.unwrap().proved, Proved::Key(IDENTITY.parse().unwrap()));
    assert_eq!(asked, []);
}

#[test]
fn a_client_without_a_key_offers_no_suite_that_needs_one() {
    let both = SuitePolicy::default().with_certificates();
    let mut client = client(&client_context(&both, made("light1").client()));
    let mut server = Association::server(&server_context(&both));
    let (run, _) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, unaltered);
    assert_eq!(run.server.unwrap().suite.name(), "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256");
}

/// A wrong key on the mixed port looks as it does on one for keys alone.
#[test]
fn a_refused_key_gets_no_second_chance() {
    let both = SuitePolicy::default().with_certificates();
    let context = client_context(&both, made("light1").client());
    let mut client = Association::client(&context, psk(8), None).unwrap();
    let mut server = Association::server(&server_context(&both));
    let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, unaltered);
    assert!(matches!(run.server, Err(Error::WrongKey)), "{:?}", run.server);
    assert!(matches!(run.client, Err(Error::KeyRefused { alert: Alert::BAD_RECORD_MAC })));
    assert_eq!(asked, []);
}

/// A server for clients with tokens proves itself and asks for nothing.
#[test]
fn a_client_with_a_token_is_asked_for_nothing() {
    let both = SuitePolicy::default().with_certificates();
    let context = ServerContext::builder(&both)
        .credential(made("server").server())
        .clients(ClientProof::Token)
        .build()
        .unwrap();
    for identity in [ClientIdentity::None, made("light1").client()] {
        let mut client = client(&client_context(&both, identity));
        let mut server = Association::server(&context);
        let (run, asked) = judged(&mut client, &mut server, 7, Verdict::Accept, unaltered);
        assert_eq!(run.server.unwrap().proved, Proved::Nothing);
        assert_eq!(run.client.unwrap().proved, Proved::Certificate(made("server").presented()));
        assert_eq!(asked, []);
        let (sent, _) = messages(&run.from_server);
        let hello = 4 + usize::from(u16::from_be_bytes([sent[2], sent[3]]));
        let certificate = 4 + usize::from(u16::from_be_bytes([sent[hello + 2], sent[hello + 3]]));
        assert_eq!((sent[hello], sent[hello + certificate]), (11, 12), "no CertificateRequest");
    }
    // A pre-shared key is of no use there.
    let mut client = bare_client(offering("PSK-AES128-CBC-SHA256", |_| {}));
    let run = run_bare(&mut client, &mut Association::server(&context));
    assert!(matches!(run.server, Err(Error::NoCommonSuite | Error::Version)), "{:?}", run.server);
    assert!(matches!(
        ServerContext::builder(&SuitePolicy::default()).clients(ClientProof::Token).build(),
        Err(Error::NoSuites)
    ));
}

#[test]
fn a_server_that_the_check_refuses_learns_why_and_gets_nothing() {
    let policy = policy(CBC);
    for (alert, sent) in
        [(40, 40), (42, 42), (43, 43), (44, 44), (45, 45), (46, 46), (48, 48), (51, 51), (10, 46)]
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let saw = Arc::clone(&seen);
        let context = ClientContext::builder(&policy)
            .identity(made("light1").client())
            .server(Arc::new(move |presented: &Presented| {
                saw.lock().unwrap().push(presented.clone());
                Err(Alert(alert))
            }))
            .build()
            .unwrap();
        let mut client = client(&context);
        let mut server = Association::server(&server_context(&policy));
        let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, unaltered);
        assert!(matches!(run.client, Err(Error::CertificateRefused { alert: Alert(why) }) if why == alert));
        assert_eq!(last_alert(&run.from_client), Some([2, sent]));
        assert!(matches!(run.server, Err(Error::PeerAlert { alert: Alert(got) }) if got == sent));
        assert_eq!(asked, []);
        assert_eq!(*seen.lock().unwrap(), [made("server").presented()]);
        let me = made("light1").der();
        assert!(!run.from_client.windows(me.len()).any(|window| window == me), "sent its certificate");
    }
}

#[test]
fn a_check_that_panics_refuses() {
    let policy = policy(CBC);
    let check = Arc::new(|_: &Presented| -> Result<(), Alert> { panic!("on purpose") });
    let context = ClientContext::builder(&policy).server(check).build().unwrap();
    let mut server = Association::server(&server_context(&policy));
    let (run, _) = judged(&mut client(&context), &mut server, 1 << 16, Verdict::Accept, unaltered);
    assert!(run.client.is_err() && run.server.is_err());
    assert_eq!(last_alert(&run.from_client), Some([2, 80]), "internal_error");
}

#[test]
fn what_cannot_work_is_refused_when_it_is_configured() {
    let policy = policy(CBC);
    let of = |credential: Option<ServerCredential>| {
        let builder = ServerContext::builder(&policy);
        let builder = match credential {
            Some(credential) => builder.credential(credential),
            None => builder,
        };
        match builder.build().err().unwrap() {
            Error::Credential(error) => error,
            other => panic!("{other}"),
        }
    };
    let chain = |chain_der: Vec<Vec<u8>>| {
        Some(ServerCredential::Chain { chain_der, key: made("server").private_key() })
    };
    assert_eq!(of(None), CredentialError::Missing);
    assert_eq!(of(chain(vec![])), CredentialError::EmptyChain);
    assert_eq!(of(chain(vec![made("light1").der()])), CredentialError::KeyMismatch);
    let mut longer = made("root").der();
    longer.push(0);
    assert_eq!(
        of(chain(vec![made("server").der(), made("root").der(), longer])),
        CredentialError::UnreadableCertificate { position: 2 }
    );
    let client = ClientContext::builder(&policy).build();
    assert!(matches!(client, Err(Error::Credential(CredentialError::NoServerCheck))));
}

/// TS-0003 §10.1.1: P-256 and ECDSA only.
#[test]
fn other_keys_than_p_256_are_refused() {
    let p384 = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let others = [
        PKey::from_ec_key(EcKey::generate(&p384).unwrap()).unwrap(),
        PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap(),
    ];
    for other in others {
        let made = Made::with_key("other", &other);
        let mut client = bare_client(offering("ECDHE-ECDSA-AES128-SHA256", |context| {
            context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            context.set_certificate(&made.certificate).unwrap();
            context.set_private_key(&made.key).unwrap();
        }));
        let mut server = Association::server(&server_context(&policy(CBC)));
        let run = run_bare(&mut client, &mut server);
        assert!(run.server.is_err());
        assert!(matches!(last_alert(&run.from_server), Some([2, 40 | 43 | 47])), "{:?}", run.server);
    }
}

#[test]
fn a_chain_without_end_is_refused() {
    let me = made("light1");
    let mut client = bare_client(offering("ECDHE-ECDSA-AES128-SHA256", |context| {
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_certificate(&me.certificate).unwrap();
        context.set_private_key(&me.key).unwrap();
        for _ in 0..60 {
            context.add_extra_chain_cert(me.certificate.clone()).unwrap();
        }
    }));
    let mut server = Association::server(&server_context(&policy(CBC)));
    let run = run_bare(&mut client, &mut server);
    assert!(matches!(run.server, Err(Error::Protocol { .. })), "{:?}", run.server);
    assert_eq!(last_alert(&run.from_server), Some([2, 47]), "illegal_parameter");
}

#[test]
fn a_certificate_that_is_none_is_refused() {
    let me = made("light1");
    let policy = policy(CBC);
    let mut nonsense = me.der();
    nonsense[0] = 0x31;
    let mut client = client(&client_context(&policy, me.client()));
    let mut server = Association::server(&server_context(&policy));
    let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, |flight| {
        with_certificate(&flight, &me.der(), &nonsense)
    });
    assert!(run.server.is_err());
    assert_eq!(last_alert(&run.from_server), Some([2, 50]), "decode_error");
    assert_eq!(asked, []);
}

/// ServerHello, Certificate, ServerKeyExchange, CertificateRequest, ServerHelloDone are in the clear, and so is
/// the certificate of the client; everything else is not.
#[test]
fn a_server_says_nothing_before_the_verdict() {
    let policy = policy(CBC);
    let mut client = client(&client_context(&policy, made("light1").client()));
    let mut server = Association::server(&server_context(&policy));
    let refuse = Verdict::Refuse(Alert::CERTIFICATE_UNKNOWN);
    let (run, _) = judged(&mut client, &mut server, 1 << 16, refuse, unaltered);
    let kinds: Vec<u8> = records(&run.from_server).iter().map(|record| record.content_type).collect();
    let (last, before) = kinds.split_last().unwrap();
    assert_eq!(*last, 21);
    assert!(before.iter().all(|kind| *kind == 22), "{kinds:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A good handshake with one octet changed: nobody is asked about, or established with, another certificate
    /// than the one whose key the client holds.
    #[test]
    fn one_changed_octet_proves_nothing_else(
        flight in 0_usize..2,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let policy = policy(CBC);
        let mut client = client(&client_context(&policy, made("light1").client()));
        let mut server = Association::server(&server_context(&policy));
        let mut count = 0;
        let (run, asked) = judged(&mut client, &mut server, 1 << 16, Verdict::Accept, |mut octets| {
            if count == flight && !octets.is_empty() {
                let at = at.index(octets.len());
                octets[at] ^= 1 << bit;
            }
            count += 1;
            octets
        });
        prop_assert!(asked.iter().all(|presented| *presented == made("light1").presented()));
        if let Ok(done) = run.server {
            prop_assert_eq!(done.proved, Proved::Certificate(made("light1").presented()));
        }
    }

    /// Records of any kind behind the ServerHello of a certificate suite.
    #[test]
    fn records_of_any_kind_prove_nothing(
        payloads in prop::collection::vec((20_u8..24, prop::collection::vec(any::<u8>(), 0..100)), 0..20),
        kind in prop::sample::select(vec![11_u8, 15, 16, 20]),
    ) {
        let policy = policy(CBC);
        let mut client = client(&client_context(&policy, made("light1").client()));
        let mut server = Association::server(&server_context(&policy));
        client.step().unwrap();
        carry(&mut client, &mut server);
        server.step().unwrap();
        for (content_type, mut payload) in payloads {
            if let (22, [first, ..]) = (content_type, payload.as_mut_slice()) {
                *first = kind;
            }
            server.feed(&record(content_type, &payload));
            if let Ok(progress) = server.step() {
                prop_assert_eq!(progress, Progress::WantsInput);
            }
        }
    }
}
