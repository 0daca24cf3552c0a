//! OCSP stapling, at both ends.

use std::sync::{Arc, Mutex};

use association::{
    Alert, Association, ClientContext, ClientProof, Error, KeyAnswer, Presented, ServerContext,
    SessionAnswer, Staple, StapleCheck, SuitePolicy, Verdict,
};

use crate::{
    certificate::CBC,
    maker::made,
    wire::{Answers, Run, key, last_alert, policy, psk},
};

/// The shortest responses there are: `OCSPResponse` with a status and nothing else (RFC 6960 §4.2.1). What a
/// good one is like is the check's affair.
const GOOD: &[u8] = &[0x30, 3, 0x0A, 1, 6];
const BAD: &[u8] = &[0x30, 3, 0x0A, 1, 3];

type Seen = Arc<Mutex<Vec<Option<Vec<u8>>>>>;

/// A check that takes exactly this response, and what it has seen.
fn wanting(response: &'static [u8]) -> (StapleCheck, Seen) {
    let seen = Seen::default();
    let saw = Arc::clone(&seen);
    let check: StapleCheck = Arc::new(move |staple: Option<&[u8]>, presented: &Presented| {
        assert_eq!(*presented, made("server").presented());
        saw.lock().unwrap().push(staple.map(<[u8]>::to_vec));
        if staple == Some(response) { Ok(()) } else { Err(Alert::CERTIFICATE_REVOKED) }
    });
    (check, seen)
}

fn client(policy: &SuitePolicy, check: StapleCheck) -> ClientContext {
    let builder = ClientContext::builder(policy).identity(made("light1").client()).staple_check(check);
    builder.server(Arc::new(|_| Ok(()))).build().unwrap()
}

fn server(policy: &SuitePolicy, staple: &Staple) -> ServerContext {
    let builder = ServerContext::builder(policy).credential(made("server").server());
    builder.staple(staple.clone()).build().unwrap()
}

fn run(client: &mut Association, server: &ServerContext) -> Run {
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |_| Verdict::Accept,
        session: &mut |_| SessionAnswer::Full,
    };
    answers.run(client, &mut Association::server(server), 1 << 16, |flight| flight)
}

fn fresh(context: &ClientContext) -> Association {
    Association::client_with(context, None, None, None).unwrap()
}

/// Replaced while the server runs.
#[test]
fn the_response_of_the_moment_is_stapled() {
    let policy = policy(CBC);
    let staple = Staple::new();
    let server = server(&policy, &staple);
    let (check, seen) = wanting(GOOD);
    let client = client(&policy, check);
    staple.set(Some(GOOD.to_vec()));
    let first = run(&mut fresh(&client), &server);
    assert!(first.client.is_ok() && first.server.is_ok());
    staple.set(Some(BAD.to_vec()));
    let second = run(&mut fresh(&client), &server);
    assert!(second.client.is_err() && second.server.is_err());
    assert_eq!(*seen.lock().unwrap(), [Some(GOOD.to_vec()), Some(BAD.to_vec())]);
}

/// F-11: a client that wants a response goes no further without one that it likes.
#[test]
fn a_bad_or_missing_response_ends_the_handshake() {
    let policy = policy(CBC);
    for response in [None, Some(BAD.to_vec())] {
        let staple = Staple::new();
        staple.set(response.clone());
        let (check, seen) = wanting(GOOD);
        let run = run(&mut fresh(&client(&policy, check)), &server(&policy, &staple));
        assert_eq!(*seen.lock().unwrap(), [response]);
        let why = Alert::CERTIFICATE_REVOKED;
        assert!(
            matches!(run.client, Err(Error::StapleRefused { alert }) if alert == why),
            "{:?}",
            run.client
        );
        assert_eq!(last_alert(&run.from_client), Some([2, 113]), "bad_certificate_status_response");
        let sent = Alert::BAD_CERTIFICATE_STATUS_RESPONSE;
        assert!(matches!(run.server, Err(Error::PeerAlert { alert }) if alert == sent));
        let me = made("light1").der();
        assert!(!run.from_client.windows(me.len()).any(|window| window == me), "sent its certificate");
    }
}

#[test]
fn a_check_that_panics_refuses() {
    let policy = policy(CBC);
    let check: StapleCheck = Arc::new(|_, _| panic!("on purpose"));
    let run = run(&mut fresh(&client(&policy, check)), &server(&policy, &Staple::new()));
    assert!(matches!(run.client, Err(Error::StapleRefused { alert: Alert::INTERNAL_ERROR })));
}

/// Who does not ask gets none, and does not miss it.
#[test]
fn a_client_that_does_not_ask_is_sent_nothing() {
    let policy = policy(CBC);
    let staple = Staple::new();
    staple.set(Some(GOOD.to_vec()));
    let context = ClientContext::builder(&policy)
        .identity(made("light1").client())
        .server(Arc::new(|_| Ok(())))
        .build()
        .unwrap();
    let run = run(&mut fresh(&context), &server(&policy, &staple));
    run.client.unwrap();
    let response = staple.get().unwrap();
    assert!(!run.from_server.windows(response.len()).any(|window| *window == *response));
}

/// With a pre-shared key there is no certificate to ask about.
#[test]
fn a_key_needs_no_response() {
    let both = SuitePolicy::default().with_certificates();
    let (check, seen) = wanting(GOOD);
    let context = client(&both, check);
    let mut client = Association::client(&context, psk(7), None).unwrap();
    let run = run(&mut client, &server(&both, &Staple::new()));
    run.client.unwrap();
    assert_eq!(*seen.lock().unwrap(), []);
}

/// A client with a token sends it over the association, so that it needs the check most.
#[test]
fn a_server_for_tokens_staples_too() {
    let policy = policy(CBC);
    let staple = Staple::new();
    staple.set(Some(GOOD.to_vec()));
    let builder = ServerContext::builder(&policy).credential(made("server").server());
    let server = builder.clients(ClientProof::Token).staple(staple.clone()).build().unwrap();
    let (check, _) = wanting(GOOD);
    let client = client(&policy, check);
    run(&mut fresh(&client), &server).client.unwrap();
    staple.set(None);
    assert!(matches!(run(&mut fresh(&client), &server).client, Err(Error::StapleRefused { .. })));
}
