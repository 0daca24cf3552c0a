//! What two honest ends agree on.

use association::{
    Association, ClientContext, ClientPsk, Error, KeyAnswer, Progress, Proved, ReadOutcome, ServerContext,
    ServerNames, Suite, SuitePolicy,
};
use openssl::ssl::{SslOptions, SslVersion};

use crate::wire::{
    self, IDENTITY, bare_client, carry, client, established, key, policy, psk, read_all, run, run_bare,
    server,
};

/// TS-0003 §10.2.2, and every other suite that can be configured, octet by octet too.
#[test]
fn every_suite_completes_and_carries_data() {
    for suite in Suite::all().filter(|suite| !suite.is_certificate()) {
        for piece in [1, 7, 1 << 16] {
            let policy = policy(suite.name());
            let (mut client, mut server) = (client(&policy, psk(7)), server(&policy));
            let run = run(&mut client, &mut server, piece, |identity| {
                assert_eq!(identity.octets(), IDENTITY.as_bytes());
                KeyAnswer::Key(key(7))
            });
            let (at_client, at_server) = (run.client.unwrap(), run.server.unwrap());
            assert_eq!(at_server.suite, suite);
            assert_eq!(at_client, at_server);
            assert_eq!(at_server.proved, Proved::Key(IDENTITY.parse().unwrap()));
            assert_eq!(at_server.resumed, None);
            assert_eq!(at_server.server_name.as_deref(), Some("home.example.org"));
            assert!(at_server.extended_master_secret);

            assert_eq!(client.write(b"up").unwrap(), 2);
            carry(&mut client, &mut server);
            assert_eq!(read_all(&mut server).0, b"up");
            assert_eq!(server.write(b"down").unwrap(), 4);
            carry(&mut server, &mut client);
            assert_eq!(read_all(&mut client).0, b"down");
        }
    }
}

#[test]
fn the_key_may_come_late_and_nothing_is_taken_before() {
    let policy = policy("TLS_PSK_WITH_AES_128_CBC_SHA256");
    let (mut client, mut server) = (client(&policy, psk(7)), server(&policy));
    client.step().unwrap();
    carry(&mut client, &mut server);
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
    carry(&mut server, &mut client);
    client.step().unwrap();
    carry(&mut client, &mut server);
    for _ in 0..3 {
        assert!(matches!(server.step().unwrap(), Progress::NeedsKey(_)));
        assert_eq!(server.feed(b"more"), 0, "input while a key is awaited");
        assert!(server.output().is_empty());
    }
    server.answer_key(KeyAnswer::Key(key(7)));
    assert!(matches!(server.step().unwrap(), Progress::Established(_)));
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
}

/// Register A-51.
#[test]
fn the_server_prefers_forward_secrecy_and_takes_what_is_offered() {
    let chosen = |offered: &[&str]| {
        let offered = SuitePolicy::from_names(offered.iter().copied()).unwrap();
        let (mut client, mut server) = (client(&offered, psk(7)), server(&SuitePolicy::default()));
        run(&mut client, &mut server, 1 << 16, |_| KeyAnswer::Key(key(7)))
            .server
            .map(|done| done.suite.name())
    };
    let mandatory = "TLS_PSK_WITH_AES_128_CBC_SHA256";
    let ecdhe = "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256";
    let dhe = "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256";
    assert_eq!(chosen(&[mandatory]).unwrap(), mandatory);
    assert_eq!(chosen(&[mandatory, dhe]).unwrap(), dhe);
    assert_eq!(chosen(&[mandatory, dhe, ecdhe]).unwrap(), ecdhe);
    assert!(matches!(chosen(&["TLS_PSK_WITH_AES_256_GCM_SHA384"]), Err(Error::NoCommonSuite)));
}

#[test]
fn a_strict_server_takes_a_printed_suite_and_refuses_others() {
    let (mut all, mut strict) = (client(&SuitePolicy::default(), psk(7)), server(&SuitePolicy::strict()));
    let done = run(&mut all, &mut strict, 1 << 16, |_| KeyAnswer::Key(key(7)));
    assert_eq!(done.server.unwrap().suite.name(), "TLS_PSK_WITH_AES_128_CBC_SHA256");

    let ecdhe = policy("TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256");
    let (mut other, mut strict) = (client(&ecdhe, psk(7)), server(&SuitePolicy::strict()));
    let done = run(&mut other, &mut strict, 1 << 16, |_| KeyAnswer::Key(key(7)));
    assert!(matches!(done.server, Err(Error::NoCommonSuite)), "{:?}", done.server);
    assert_eq!(wire::last_alert(&done.from_server), Some([2, 40]), "handshake_failure");
}

/// TS-0003 §10.3.1.
#[test]
fn both_ends_export_the_same_key() {
    for suite in ["TLS_PSK_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"] {
        let (client, server, ..) = established(&policy(suite));
        let label = "EXPORTER-oneM2M-Bootstrap";
        let key = client.export(label, None, 48).unwrap();
        assert_eq!(key.len(), 48);
        assert!(server.export(label, None, 48).unwrap().ct_eq(key.expose()));
        assert!(!server.export(label, Some(b""), 48).unwrap().ct_eq(key.expose()));
        assert!(!server.export("EXPORTER-oneM2M-Connection", None, 48).unwrap().ct_eq(key.expose()));
    }
}

/// Register A-56: without it two different handshakes can be made to share a master secret.
#[test]
fn no_key_is_exported_without_extended_master_secret() {
    let mut client = bare_client(|context| {
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_cipher_list("PSK-AES128-CBC-SHA256").unwrap();
        // SSL_OP_NO_EXTENDED_MASTER_SECRET
        context.set_options(SslOptions::from_bits_retain(1));
    });
    let mut server = server(&SuitePolicy::default());
    let done = run_bare(&mut client, &mut server).server.unwrap();
    assert!(!done.extended_master_secret);
    let refused = server.export("EXPORTER-oneM2M-Bootstrap", None, 48);
    assert!(matches!(refused, Err(Error::NoExtendedMasterSecret)));
}

#[test]
fn nothing_is_exported_before_the_handshake() {
    let client = client(&SuitePolicy::default(), psk(7));
    assert!(matches!(client.export("EXPORTER-oneM2M-Bootstrap", None, 48), Err(Error::Ended)));
}

/// TS-0003 §10.2.1, RFC 6066 §3.
#[test]
fn an_address_is_never_sent_as_a_server_name() {
    let policy = SuitePolicy::default();
    let context = ClientContext::new(&policy).unwrap();
    let server_context = ServerContext::new(&policy, ServerNames::Any).unwrap();
    let named = |name: Option<&str>| {
        let mut client = Association::client(&context, psk(7), name)?;
        let mut server = Association::server(&server_context);
        run(&mut client, &mut server, 1 << 16, |_| KeyAnswer::Key(key(7))).server.map(|done| done.server_name)
    };
    for none in [None, Some(""), Some("127.0.0.1"), Some("::1"), Some("[2001:db8::1]")] {
        assert_eq!(named(none).unwrap(), None, "{none:?}");
    }
    assert_eq!(named(Some("in-cse.example.org.")).unwrap().as_deref(), Some("in-cse.example.org"));
    for bad in ["a b", "a\0b", "é.org", &"a".repeat(254)] {
        assert!(matches!(named(Some(bad)), Err(Error::ServerName { .. })), "{bad:?}");
    }
}

/// TS-0003 §10.2.1: the name chooses the virtual server.
#[test]
fn another_server_name_is_refused() {
    let policy = SuitePolicy::default();
    let names = ServerNames::Only(["in-cse.example.org".to_owned()].into());
    let server_context = ServerContext::new(&policy, names).unwrap();
    for (name, good) in [
        (Some("in-cse.example.org"), true),
        (Some("IN-CSE.Example.org"), true),
        (None, true),
        (Some("x.org"), false),
    ] {
        let mut client = Association::client(&ClientContext::new(&policy).unwrap(), psk(7), name).unwrap();
        let mut server = Association::server(&server_context);
        let run = run(&mut client, &mut server, 1 << 16, |_| KeyAnswer::Key(key(7)));
        assert_eq!(run.server.is_ok(), good, "{name:?}: {:?}", run.server);
        if !good {
            assert!(matches!(run.server, Err(Error::UnknownServerName)));
            assert_eq!(wire::last_alert(&run.from_server), Some([2, 112]));
            assert!(
                matches!(run.client, Err(Error::PeerAlert { alert }) if alert.to_string() == "unrecognized_name")
            );
        }
    }
}

#[test]
fn an_identity_of_256_octets_works() {
    let policy = SuitePolicy::default();
    let identity = "é".repeat(128);
    let psk = ClientPsk { identity: identity.parse().unwrap(), key: key(7) };
    let (mut client, mut server) = (client(&policy, psk), server(&policy));
    let run = run(&mut client, &mut server, 100, |sent| {
        assert_eq!(sent.check().unwrap().as_str(), identity);
        KeyAnswer::Key(key(7))
    });
    assert_eq!(run.server.unwrap().proved, Proved::Key(identity.parse().unwrap()));
}

#[test]
fn much_data_in_both_directions() {
    let (mut client, mut server, ..) = established(&SuitePolicy::default());
    let data: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    let (mut sent, mut got) = (0, Vec::new());
    while got.len() < data.len() {
        while sent < data.len() {
            let taken = client.write(&data[sent..]).unwrap();
            assert!(taken <= 1 << 14);
            if taken == 0 {
                break;
            }
            sent += taken;
        }
        assert!(client.output().len() < 64 * 1024 + (1 << 14) + 100, "unbounded output");
        let taken = server.feed(client.output());
        client.consume_output(taken);
        got.extend(read_all(&mut server).0);
    }
    assert_eq!(got, data);
}

#[test]
fn input_that_nobody_reads_is_bounded() {
    let (mut client, mut server, ..) = established(&SuitePolicy::default());
    let mut fed = 0;
    for _ in 0..20 {
        client.write(&[1; 10_000]).unwrap();
        let taken = server.feed(client.output());
        client.consume_output(taken);
        fed += taken;
    }
    assert!(fed <= 32 * 1024, "{fed}");
}

#[test]
fn an_orderly_close_is_told_from_a_cut() {
    let (mut client, mut server, ..) = established(&SuitePolicy::default());
    client.write(b"last words").unwrap();
    client.close();
    client.close();
    assert!(matches!(client.write(b"x"), Err(Error::Ended)));
    carry(&mut client, &mut server);
    server.feed_end();
    let (data, end) = read_all(&mut server);
    assert_eq!((data.as_slice(), end.unwrap()), (b"last words".as_slice(), ReadOutcome::Closed));
    server.close();
    carry(&mut server, &mut client);
    assert_eq!(read_all(&mut client).1.unwrap(), ReadOutcome::Closed);

    let (mut client, mut server, ..) = established(&SuitePolicy::default());
    client.write(b"half").unwrap();
    carry(&mut client, &mut server);
    server.feed_end();
    let (data, end) = read_all(&mut server);
    assert_eq!(data, b"half");
    assert!(matches!(end, Err(Error::Truncated)), "{end:?}");
    assert!(matches!(server.read(&mut [0; 10]), Err(Error::Ended)));
}

#[test]
fn an_end_during_the_handshake_is_an_error() {
    let policy = SuitePolicy::default();
    let (mut client, mut server) = (client(&policy, psk(7)), server(&policy));
    client.step().unwrap();
    carry(&mut client, &mut server);
    server.step().unwrap();
    server.feed_end();
    assert!(matches!(server.step(), Err(Error::ClosedInHandshake)));
    assert!(matches!(server.step(), Err(Error::Ended)));
    client.feed_end();
    assert!(matches!(client.step(), Err(Error::ClosedInHandshake)));
}
