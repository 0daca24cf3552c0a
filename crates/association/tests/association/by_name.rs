//! Servers of their own under names in SNI, behind one address (TS-0003 §10.2.1, RFC 6066 §3).

use std::sync::Arc;

use association::{
    Association, ClientContext, ClientIdentity, ClientProof, Error, KeyAnswer, Presented, Proved,
    ServerContext, ServerNames, SessionAnswer, SuitePolicy, Verdict,
};

use crate::{
    maker::made,
    wire::{Answers, IDENTITY, Run, key, last_alert, psk},
};

const HERE: &str = "in-cse.example.org";
const TOKENS: &str = "tokens.example.org";

fn both() -> SuitePolicy {
    SuitePolicy::default().with_certificates()
}

/// Keys and certificates under one name, identity tokens under another.
fn server() -> Association {
    let only = |name: &str| ServerNames::Only([name.to_owned()].into());
    let builder =
        |name| ServerContext::builder(&both()).credential(made("server").server()).names(only(name));
    let tokens = builder(TOKENS).clients(ClientProof::Token).build().unwrap();
    Association::server(&builder(HERE).under("Tokens.Example.org", tokens).build().unwrap())
}

fn client(identity: ClientIdentity, name: Option<&str>, with_key: bool) -> Association {
    let builder = ClientContext::builder(&both()).identity(identity).server(Arc::new(|_: &Presented| Ok(())));
    Association::client_with(&builder.build().unwrap(), with_key.then(|| psk(7)), name, None).unwrap()
}

/// With each of the client's flights changed by `alter`.
fn run(client: &mut Association, alter: impl FnMut(Vec<u8>) -> Vec<u8>) -> Run {
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |_| Verdict::Accept,
        session: &mut |_| SessionAnswer::Full,
    };
    answers.run(client, &mut server(), 100, alter)
}

fn unaltered(flight: Vec<u8>) -> Vec<u8> {
    flight
}

#[test]
fn the_name_tells_how_clients_prove_themselves() {
    let me = made("light1");
    let (key, certificate) = (Proved::Key(IDENTITY.parse().unwrap()), Proved::Certificate(me.presented()));
    for (name, identity, with_key, expected) in [
        (Some(TOKENS), ClientIdentity::None, false, Proved::Nothing),
        (Some("TOKENS.example.ORG"), ClientIdentity::None, false, Proved::Nothing),
        // What is not asked for is not proved.
        (Some(TOKENS), me.client(), false, Proved::Nothing),
        (Some(HERE), me.client(), false, certificate.clone()),
        (None, me.client(), false, certificate),
        (Some(HERE), ClientIdentity::None, true, key.clone()),
        (None, ClientIdentity::None, true, key),
    ] {
        let done = run(&mut client(identity, name, with_key), unaltered).server.unwrap();
        assert_eq!(done.proved, expected, "{name:?}");
        assert_eq!(done.server_name.as_deref(), name);
    }
}

#[test]
fn nobody_gets_by_one_name_what_belongs_to_another() {
    for (name, with_key, alert) in [(Some(HERE), false, 40), (None, false, 40), (Some("x.org"), false, 112)] {
        let run = run(&mut client(ClientIdentity::None, name, with_key), unaltered);
        assert!(run.server.is_err(), "{name:?}");
        assert_eq!(last_alert(&run.from_server), Some([2, alert]), "{name:?}");
    }
    let context = ClientContext::new(&SuitePolicy::default()).unwrap();
    let run = run(&mut Association::client(&context, psk(7), Some(TOKENS)).unwrap(), unaltered);
    assert!(matches!(run.server, Err(Error::NoCommonSuite)), "{:?}", run.server);
    assert_eq!(last_alert(&run.from_server), Some([2, 40]));
}

/// The ClientHello in as many records as it has octets.
#[test]
fn the_name_is_found_wherever_the_records_cut_it() {
    let mut first = true;
    let cut = |flight: Vec<u8>| {
        if !std::mem::take(&mut first) {
            return flight;
        }
        flight[5..].iter().flat_map(|octet| [22, 3, 1, 0, 1, *octet]).collect()
    };
    let done = run(&mut client(ClientIdentity::None, Some(TOKENS), false), cut).server.unwrap();
    assert_eq!(done.proved, Proved::Nothing);
}

/// A message behind the ClientHello in the same record: it is not read here, but OpenSSL reads it, and finds a name
/// that this server leaves to the other.
#[test]
fn a_name_that_only_openssl_can_read_is_refused() {
    let mut first = true;
    let glue = |mut flight: Vec<u8>| {
        if std::mem::take(&mut first) {
            flight.extend([16, 0, 0, 3, 0, 1, 65]);
            let length = u16::try_from(flight.len() - 5).unwrap().to_be_bytes();
            flight[3..5].copy_from_slice(&length);
        }
        flight
    };
    let names_any = ServerContext::builder(&both()).credential(made("server").server());
    let tokens = ServerContext::builder(&both()).credential(made("server").server());
    let tokens = tokens.clients(ClientProof::Token).build().unwrap();
    let mut server = Association::server(&names_any.under(TOKENS, tokens).build().unwrap());
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |_| Verdict::Accept,
        session: &mut |_| SessionAnswer::Full,
    };
    let mut client = client(ClientIdentity::None, Some(TOKENS), true);
    let run = answers.run(&mut client, &mut server, 1 << 16, glue);
    assert!(matches!(run.server, Err(Error::UnknownServerName)), "{:?}", run.server);
    assert_eq!(last_alert(&run.from_server), Some([2, 112]));
}
