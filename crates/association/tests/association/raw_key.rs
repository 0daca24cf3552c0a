//! Raw public keys (RFC 7250), and that they live beside certificates and pre-shared keys.

use std::sync::Arc;

use association::{
    Alert, Association, ClientContext, ClientIdentity, CredentialError, Error, KeyAnswer, Presented, Proved,
    Resumption, ServerContext, ServerCredential, SessionAnswer, SuitePolicy, Verdict,
};
use openssl::{
    ec::{EcGroup, EcKey},
    nid::Nid,
    pkey::PKey,
    ssl::SslVersion,
};
use ossl::Kinds;

use crate::{
    certificate::CBC,
    maker::{Made, made},
    wire::{Answers, IDENTITY, Run, bare_client, key, last_alert, policy, psk, run_bare},
};

fn raw_client(policy: &SuitePolicy, me: &Made) -> ClientContext {
    let identity = ClientIdentity::RawKey { key: me.private_key() };
    let builder = ClientContext::builder(policy).identity(identity).raw_server_keys(true);
    builder.server(Arc::new(|_| Ok(()))).build().unwrap()
}

fn server(policy: &SuitePolicy, credential: ServerCredential) -> Association {
    let builder = ServerContext::builder(policy).credential(credential).raw_keys(true);
    Association::server(&builder.build().unwrap())
}

fn raw(made: &Made) -> Presented {
    Presented::RawKey(made.private_key().public_key_der().unwrap())
}

fn run(context: &ClientContext, server: &mut Association, verdict: Verdict) -> (Run, Vec<Presented>) {
    let mut client = Association::client_with(context, None, Some("home.example.org"), None).unwrap();
    let mut asked = Vec::new();
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Refuse,
        verdict: &mut |presented| {
            asked.push(presented.clone());
            verdict
        },
        session: &mut |_| SessionAnswer::Full,
    };
    let run = answers.run(&mut client, server, 100, |flight| flight);
    (run, asked)
}

#[test]
fn raw_keys_at_both_ends() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let policy = policy(CBC);
    let me = made("light1");
    let context = raw_client(&policy, &me);
    let mut server = server(&policy, ServerCredential::RawKey { key: made("server").private_key() });
    let (run, asked) = run(&context, &mut server, Verdict::Accept);
    assert_eq!(asked, [raw(&me)]);
    assert_eq!(run.server.unwrap().proved, Proved::Certificate(raw(&me)));
    assert_eq!(run.client.unwrap().proved, Proved::Certificate(raw(&made("server"))));
    let certificate = me.der();
    assert!(!run.from_client.windows(certificate.len()).any(|window| window == certificate));
}

#[test]
fn a_raw_key_is_judged_like_a_certificate() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let policy = policy(CBC);
    let context = raw_client(&policy, &made("light1"));
    let mut server = server(&policy, made("server").server());
    let (run, asked) = run(&context, &mut server, Verdict::Refuse(Alert::CERTIFICATE_UNKNOWN));
    assert_eq!(asked, [raw(&made("light1"))]);
    assert!(matches!(run.server, Err(Error::CertificateRefused { alert: Alert::CERTIFICATE_UNKNOWN })));
    assert_eq!(last_alert(&run.from_server), Some([2, 46]));
}

/// One server for all of them.
#[test]
fn raw_keys_certificates_and_pre_shared_keys_share_a_server() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let both = SuitePolicy::default().with_certificates();
    let me = made("light1");
    let check = Arc::new(|_: &Presented| Ok(()));
    let with = |identity| ClientContext::builder(&both).identity(identity).server(check.clone());
    let raw_identity = || ClientIdentity::RawKey { key: me.private_key() };
    let server_chain = Proved::Certificate(made("server").presented());
    let cases = [
        (with(raw_identity()), raw(&me), server_chain.clone()),
        // Our client prefers certificates where it takes either.
        (with(raw_identity()).raw_server_keys(true), raw(&me), server_chain.clone()),
        (with(me.client()), me.presented(), server_chain),
    ];
    for (builder, presented, of_server) in cases {
        let mut server = server(&both, made("server").server());
        let (run, asked) = run(&builder.build().unwrap(), &mut server, Verdict::Accept);
        assert_eq!(asked, std::slice::from_ref(&presented));
        assert_eq!(run.server.unwrap().proved, Proved::Certificate(presented));
        assert_eq!(run.client.unwrap().proved, of_server);
    }
    let mut bare = bare_client(|context| context.set_cipher_list("ALL:PSK").unwrap());
    let done = run_bare(&mut bare, &mut server(&both, made("server").server())).server.unwrap();
    assert_eq!(done.proved, Proved::Key(IDENTITY.parse().unwrap()));
    let context = raw_client(&both, &me);
    let mut client = Association::client(&context, psk(7), None).unwrap();
    let mut server = server(&both, made("server").server());
    let done = crate::wire::run(&mut client, &mut server, 100, |_| KeyAnswer::Key(key(7)));
    assert_eq!(done.server.unwrap().proved, Proved::Key(IDENTITY.parse().unwrap()));
}

/// RFC 7250 §4.1: a client names what it takes in its order of preference, and the server goes by that. Nothing is
/// resumed here: the ClientHello is read for this alone.
#[test]
fn the_order_of_the_client_counts() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let (me, key) = (made("light1"), made("server").private_key().public_key_der().unwrap());
    let chain = || made("server").server();
    let raw_key = || ServerCredential::RawKey { key: made("server").private_key() };
    // What the client takes, what the server has, and whether it shows its raw key.
    for (takes, credential, raw_shown) in [
        (Kinds::RawKeysFirst, chain(), true),
        (Kinds::Both, chain(), false),
        (Kinds::RawKeys, chain(), true),
        (Kinds::Certificates, chain(), false),
        (Kinds::Both, raw_key(), true),
        (Kinds::RawKeysFirst, raw_key(), true),
    ] {
        let mut client = bare_client(|context| {
            context.set_cipher_list("ECDHE-ECDSA-AES128-SHA256").unwrap();
            context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            context.set_private_key(&me.key).unwrap();
            ossl::set_kinds(context, Kinds::RawKeys, takes).unwrap();
        });
        let run = run_bare(&mut client, &mut server(&policy(CBC), credential));
        assert_eq!(run.server.unwrap().proved, Proved::Certificate(raw(&me)));
        let shown = (ossl::peer_raw_key(client.ssl()), client.ssl().peer_certificate().is_some());
        assert_eq!(shown, (raw_shown.then(|| key.clone()), !raw_shown), "{takes:?}");
    }
    // Where raw keys are off, none is shown to whom prefers them.
    let mut client = bare_client(|context| {
        context.set_cipher_list("ECDHE-ECDSA-AES128-SHA256").unwrap();
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        ossl::set_kinds(context, Kinds::Both, Kinds::RawKeysFirst).unwrap();
    });
    // This one reads the ClientHello, for what it may resume.
    let resumption = Resumption { tickets: None, ids: true, for_psk: false };
    let plain = ServerContext::builder(&policy(CBC)).credential(chain()).resumption(resumption);
    drop(run_bare(&mut client, &mut Association::server(&plain.build().unwrap())));
    assert_eq!(ossl::peer_raw_key(client.ssl()), None);
    assert!(client.ssl().peer_certificate().is_some());
}

/// A client that would rather show its key shows its certificate where keys are not accepted of clients; one that has
/// nothing else is told so. The server's own key is another matter.
#[test]
fn a_server_may_show_a_key_and_take_none() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let me = made("light1");
    let context = || {
        let builder = ServerContext::builder(&policy(CBC)).credential(made("server").server()).raw_keys(true);
        builder.raw_client_keys(false).build().unwrap()
    };
    for (of_client, shown) in [(Kinds::RawKeysFirst, Some(me.presented())), (Kinds::RawKeys, None)] {
        let mut client = bare_client(|context| {
            context.set_cipher_list("ECDHE-ECDSA-AES128-SHA256").unwrap();
            context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            context.set_certificate(&me.certificate).unwrap();
            context.set_private_key(&me.key).unwrap();
            ossl::set_kinds(context, of_client, Kinds::RawKeys).unwrap();
        });
        let run = run_bare(&mut client, &mut Association::server(&context()));
        assert!(ossl::peer_raw_key(client.ssl()).is_some() || shown.is_none());
        match (shown, run.server) {
            (Some(shown), done) => assert_eq!(done.unwrap().proved, Proved::Certificate(shown)),
            (None, done) => {
                assert!(done.is_err());
                assert_eq!(last_alert(&run.from_server), Some([2, 43]));
            }
        }
    }
}

/// Somebody else's public key in the client's Certificate message.
#[test]
fn a_raw_key_of_somebody_else_is_found_before_anybody_is_asked() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let policy = policy(CBC);
    let (me, victim) = (made("light1"), made("light2"));
    let (Presented::RawKey(own), Presented::RawKey(other)) = (raw(&me), raw(&victim)) else { unreachable!() };
    let context = raw_client(&policy, &me);
    let mut client = Association::client_with(&context, None, None, None).unwrap();
    let mut server = server(&policy, made("server").server());
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Refuse,
        verdict: &mut |presented| panic!("asked about {presented:?}"),
        session: &mut |_| SessionAnswer::Full,
    };
    let run = answers.run(&mut client, &mut server, 1 << 16, |mut flight| {
        if let Some(at) = flight.windows(own.len()).position(|window| window == own) {
            flight[at..at + other.len()].copy_from_slice(&other);
        }
        flight
    });
    assert!(matches!(run.server, Err(Error::WrongPrivateKey)), "{:?}", run.server);
    assert_eq!(last_alert(&run.from_server), Some([2, 51]), "decrypt_error");
}

/// TS-0003 §10.1.1: P-256 only, as for certificates.
#[test]
fn a_raw_key_of_another_curve_is_refused() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let p384 = EcGroup::from_curve_name(Nid::SECP384R1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&p384).unwrap()).unwrap();
    let mut client = bare_client(|context| {
        context.set_cipher_list("ECDHE-ECDSA-AES128-SHA256").unwrap();
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_private_key(&key).unwrap();
        ossl::set_kinds(context, Kinds::RawKeys, Kinds::Certificates).unwrap();
    });
    let run = run_bare(&mut client, &mut server(&policy(CBC), made("server").server()));
    assert!(run.server.is_err());
    assert!(matches!(last_alert(&run.from_server), Some([2, 40 | 43 | 47])), "{:?}", run.server);
}

/// Neither end negotiates them unless it is told to.
#[test]
fn raw_keys_are_off_unless_they_are_on() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let policy = policy(CBC);
    let context = raw_client(&policy, &made("light1"));
    let plain = ServerContext::builder(&policy).credential(made("server").server()).build().unwrap();
    let (refused, asked) = run(&context, &mut Association::server(&plain), Verdict::Accept);
    assert!(matches!(refused.server, Err(Error::NoCertificate)), "{:?}", refused.server);
    assert_eq!(last_alert(&refused.from_server), Some([2, 40]));
    assert_eq!(asked, []);

    // A client for certificates finds no server in one that has none.
    let certificates = ClientContext::builder(&policy).server(Arc::new(|_| Ok(()))).build().unwrap();
    let mut raw_server = server(&policy, ServerCredential::RawKey { key: made("server").private_key() });
    let (refused, _) = run(&certificates, &mut raw_server, Verdict::Accept);
    assert!(refused.server.is_err() && refused.client.is_err());
}

/// An OpenSSL that cannot is found out when a context is made, not when a peer comes.
#[test]
fn an_openssl_without_raw_keys_is_named() {
    if ossl::RAW_PUBLIC_KEYS {
        return;
    }
    let policy = policy(CBC);
    let builder = ServerContext::builder(&policy).credential(made("server").server()).raw_keys(true);
    let refused = builder.build().err().unwrap();
    assert!(matches!(refused, Error::Credential(CredentialError::NoRawPublicKeys)));
    assert!(refused.to_string().starts_with("raw public keys need OpenSSL 3.2 or later, and OpenSSL"));
}
