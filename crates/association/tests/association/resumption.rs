//! Resumption: what is offered and remembered, who decides, and what is never inherited.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use association::{
    Alert, Association, ClientContext, ClientContextBuilder, ClientIdentity, ClientProof, ClientSession,
    CredentialError, Error, KeyAnswer, NewSession, Presented, Progress, Proved, Resumption, SavedSession,
    ServerContext, ServerContextBuilder, SessionAnswer, SessionHandle, SessionKind, Staple, SuitePolicy,
    TicketKey, TicketKeys, Verdict,
};
use keys::{OsRng, Secret, SeededRng};
use openssl::ssl::{SslOptions, SslStream, SslVersion};
use proptest::prelude::*;

use crate::{
    certificate::CBC,
    maker::{Made, made},
    wire::{Answers, Pipe, Run, bare_client, carry, key, last_alert, policy, psk, records},
};

const NAME: &str = "home.example.org";

fn ticket_key(seed: u64) -> TicketKey {
    TicketKey::draw(&SeededRng::new(seed)).unwrap()
}

fn tickets() -> Resumption {
    let keys = TicketKeys::new(ticket_key(1), vec![]);
    Resumption { tickets: Some(keys), ids: true, for_psk: false }
}

fn ids() -> Resumption {
    Resumption { tickets: None, ids: true, for_psk: false }
}

fn server(policy: &SuitePolicy, resumption: Resumption) -> ServerContextBuilder {
    let builder = ServerContext::builder(policy).credential(made("server").server());
    builder.raw_keys(ossl::RAW_PUBLIC_KEYS).resumption(resumption)
}

fn client(policy: &SuitePolicy, identity: ClientIdentity) -> ClientContextBuilder {
    ClientContext::builder(policy).identity(identity).server(Arc::new(|_| Ok(())))
}

/// What a server's store holds.
#[derive(Default)]
struct Store(HashMap<[u8; 32], Option<Secret>>);

impl Store {
    fn remember(&mut self, new: Option<NewSession>) -> Option<SessionKind> {
        let new = new?;
        assert!(new.by_id.is_some() != new.by_ticket.is_some());
        let kind = if new.by_id.is_some() { SessionKind::Id } else { SessionKind::Ticket };
        self.0.extend(new.by_id.map(|(digest, session)| (digest, Some(session))));
        self.0.extend(new.by_ticket.map(|digest| (digest, None)));
        Some(kind)
    }

    fn answer(&self, handle: &SessionHandle) -> SessionAnswer {
        match (self.0.get(&handle.digest), handle.kind) {
            (Some(Some(session)), SessionKind::Id) => {
                SessionAnswer::Resume(SavedSession::ById(session.duplicate()))
            }
            (Some(None), SessionKind::Ticket) => SessionAnswer::Resume(SavedSession::ByTicket),
            _ => SessionAnswer::Full,
        }
    }
}

/// How an attachment went.
struct Attached {
    run: Run,
    server: Association,
    client: Association,
    /// What the server was asked to resume and to judge.
    offered: Vec<SessionHandle>,
    judged: Vec<Presented>,
}

/// One attachment; sessions are looked up with `answer`.
fn attach_with(
    mut client: Association,
    server: &ServerContext,
    answer: &mut dyn FnMut(&SessionHandle) -> SessionAnswer,
) -> Attached {
    let mut server = Association::server(server);
    let (mut offered, mut judged) = (Vec::new(), Vec::new());
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |presented| {
            judged.push(presented.clone());
            Verdict::Accept
        },
        session: &mut |handle| {
            offered.push(handle.clone());
            answer(handle)
        },
    };
    let run = answers.run(&mut client, &mut server, 50, |flight| flight);
    Attached { run, server, client, offered, judged }
}

/// One attachment; the store answers and remembers, and the client gets a session.
fn attach(
    context: &ClientContext,
    resume: Option<&ClientSession>,
    server: &ServerContext,
    store: &mut Store,
) -> Attached {
    let client = Association::client_with(context, None, Some(NAME), resume).unwrap();
    let mut attached = attach_with(client, server, &mut |handle| store.answer(handle));
    store.remember(attached.server.new_session().unwrap());
    attached
}

fn resumed(attached: &Attached) -> bool {
    let at_server = attached.run.server.as_ref().unwrap();
    let at_client = attached.run.client.as_ref().unwrap();
    assert_eq!(at_server.resumed.is_some(), at_client.resumed.is_some());
    assert_eq!(attached.judged.is_empty(), at_server.resumed.is_some(), "either a verdict or a session");
    at_server.resumed.is_some()
}

fn talk(attached: &mut Attached) {
    assert_eq!(attached.client.write(b"up").unwrap(), 2);
    carry(&mut attached.client, &mut attached.server);
    assert_eq!(crate::wire::read_all(&mut attached.server).0, b"up");
    let label = "EXPORTER-oneM2M-Bootstrap";
    let exported = attached.client.export(label, None, 48).unwrap();
    assert!(exported.ct_eq(attached.server.export(label, None, 48).unwrap().expose()));
}

#[test]
fn a_session_comes_back_by_id_and_by_ticket() {
    for (resumption, kind) in [(ids(), SessionKind::Id), (tickets(), SessionKind::Ticket)] {
        for suite in ["TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", CBC] {
            let policy = policy(suite);
            let server = server(&policy, resumption.clone()).build().unwrap();
            let me = made("light1");
            let context = client(&policy, me.client()).build().unwrap();
            let mut store = Store::default();
            let mut first = attach(&context, None, &server, &mut store);
            assert!(!resumed(&first));
            assert_eq!(first.offered, []);
            talk(&mut first);
            let session = first.client.client_session().unwrap();
            // As it comes back from a device's memory.
            let session = ClientSession::from_der(session.der().duplicate()).unwrap();
            for _ in 0..3 {
                let mut again = attach(&context, Some(&session), &server, &mut store);
                assert!(resumed(&again));
                talk(&mut again);
                let (at_client, at_server) = (again.run.client.unwrap(), again.run.server.unwrap());
                assert_eq!(at_server.proved, Proved::Certificate(me.presented()));
                assert_eq!(at_client.proved, Proved::Certificate(made("server").presented()));
                assert_eq!(at_server.suite.name(), suite);
                assert_eq!(at_server.server_name.as_deref(), Some(NAME));
                assert!(at_server.extended_master_secret);
                let handle = at_server.resumed.unwrap();
                assert_eq!(again.offered, std::slice::from_ref(&handle));
                assert_eq!((handle.kind, handle.server_name.as_deref()), (kind, Some(NAME)));
                assert_eq!(at_client.resumed.unwrap().digest, handle.digest);
                // Nothing new to be remembered.
                assert!(again.server.new_session().unwrap().is_none());
                assert_eq!(again.client.client_session().unwrap().handle().digest, handle.digest);
            }
        }
    }
}

/// The ServerHello waits for the answer.
#[test]
fn the_answer_may_come_late_and_nothing_is_said_before() {
    let policy = policy(CBC);
    let server = server(&policy, ids()).build().unwrap();
    let context = client(&policy, made("light1").client()).build().unwrap();
    let mut store = Store::default();
    let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
    let mut client = Association::client_with(&context, None, Some(NAME), Some(&session)).unwrap();
    let mut server = Association::server(&server);
    client.step().unwrap();
    let mut hello = Vec::new();
    client.take_output(&mut hello);
    // In two records, and in two halves.
    let (first, second) = hello[5..].split_at(60);
    let cut: Vec<u8> = [first, second]
        .iter()
        .flat_map(|part| [&[22, 3, 1, 0, u8::try_from(part.len()).unwrap()], *part].concat())
        .collect();
    let (first, second) = cut.split_at(100);
    server.feed(first);
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
    server.feed(second);
    for _ in 0..3 {
        let Progress::NeedsSession(handle) = server.step().unwrap() else { panic!("not asked") };
        assert_eq!(handle, *session.handle());
        assert_eq!(server.feed(b"more"), 0, "input while an answer is awaited");
        assert!(server.output().is_empty());
        server.answer_verdict(Verdict::Accept);
        server.answer_key(KeyAnswer::Refuse);
    }
    server.answer_session(store.answer(session.handle()));
    assert_eq!(server.step().unwrap(), Progress::WantsInput);
    carry(&mut server, &mut client);
    assert!(matches!(client.step().unwrap(), Progress::Established(_)));
    carry(&mut client, &mut server);
    assert!(matches!(server.step().unwrap(), Progress::Established(_)));
}

/// F-15: whoever is denied gets a full handshake, is judged again, and inherits nothing.
#[test]
fn who_is_denied_starts_over() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let server = server(&policy, resumption).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
        let kind = session.handle().kind;
        type Denial = fn(&Store, &SessionHandle) -> SessionAnswer;
        let denials: [Denial; 4] = [
            |_, _| SessionAnswer::Full,
            // The other kind than was asked for.
            |store, handle| match store.answer(handle) {
                SessionAnswer::Resume(SavedSession::ByTicket) => {
                    SessionAnswer::Resume(SavedSession::ById(Secret::new(vec![1; 200])))
                }
                _ => SessionAnswer::Resume(SavedSession::ByTicket),
            },
            // Nonsense, and nothing.
            |_, _| SessionAnswer::Resume(SavedSession::ById(Secret::new(vec![0x30, 0]))),
            |_, _| SessionAnswer::Resume(SavedSession::ById(Secret::new(vec![]))),
        ];
        for deny in denials {
            let client = Association::client_with(&context, None, Some(NAME), Some(&session)).unwrap();
            let mut denied = attach_with(client, &server, &mut |handle| deny(&store, handle));
            assert!(!resumed(&denied));
            assert_eq!(denied.offered.len(), 1);
            assert_eq!(denied.judged, [made("light1").presented()]);
            talk(&mut denied);
            // And a new session instead of the old one.
            assert_eq!(store.remember(denied.server.new_session().unwrap()), Some(kind));
            assert_ne!(denied.client.client_session().unwrap().handle().digest, session.handle().digest);
        }
    }
}

/// The wrong session for an ID, as a store gone wrong might have it.
#[test]
fn the_session_of_another_id_is_not_resumed() {
    let policy = policy(CBC);
    let server = server(&policy, ids()).build().unwrap();
    let mut store = Store::default();
    let of = |name: &str, store: &mut Store| {
        let context = client(&policy, made(name).client()).build().unwrap();
        let session = attach(&context, None, &server, store).client.client_session().unwrap();
        (context, session)
    };
    let (context, mine) = of("light1", &mut store);
    let (_, others) = of("light2", &mut store);
    let client = Association::client_with(&context, None, Some(NAME), Some(&mine)).unwrap();
    let crossed = attach_with(client, &server, &mut |_| store.answer(others.handle()));
    assert!(!resumed(&crossed));
    assert_eq!(crossed.judged, [made("light1").presented()]);
}

/// RFC 6066 §3: a session is resumed under the name that it was made under, whatever the caller says.
#[test]
fn another_server_name_gets_a_full_handshake() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let server = server(&policy, resumption).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
        for (name, good) in
            [(Some(NAME), true), (Some("HOME.example.org"), true), (Some("x.org"), false), (None, false)]
        {
            let client = Association::client_with(&context, None, name, Some(&session)).unwrap();
            let attached = attach_with(client, &server, &mut |handle| {
                assert_eq!(handle.server_name.as_deref(), name);
                store.answer(handle)
            });
            assert_eq!(resumed(&attached), good, "{name:?}");
            assert_eq!(attached.offered.len(), 1);
        }
    }
}

fn bare(tickets: bool, extended_master_secret: bool) -> SslStream<Pipe> {
    let me = made("light1");
    bare_client(|context| {
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context.set_cipher_list("ECDHE-ECDSA-AES128-SHA256").unwrap();
        context.set_certificate(&me.certificate).unwrap();
        context.set_private_key(&me.key).unwrap();
        if !tickets {
            context.set_options(SslOptions::NO_TICKET);
        }
        if !extended_master_secret {
            // SSL_OP_NO_EXTENDED_MASTER_SECRET
            context.set_options(SslOptions::from_bits_retain(1));
        }
    })
}

/// RFC 7627 §5: without it two different handshakes can be made to share a master secret.
#[test]
fn nothing_is_resumed_without_extended_master_secret() {
    for with_tickets in [false, true] {
        let policy = policy(CBC);
        let context = server(&policy, tickets()).build().unwrap();
        let mut answers = Answers {
            key: &mut |_| KeyAnswer::Refuse,
            verdict: &mut |_| Verdict::Accept,
            session: &mut |handle| panic!("asked for {handle:?}"),
        };
        // Neither remembered …
        let mut first = bare(with_tickets, false);
        let mut server = Association::server(&context);
        let run = answers.run_bare(&mut first, &mut server);
        assert!(!run.server.unwrap().extended_master_secret);
        assert!(server.new_session().unwrap().is_none());
        let given = first.ssl().session().unwrap();
        assert!(given.id().is_empty(), "an ID or a ticket for a session that cannot be resumed");

        // … nor asked about when it was remembered with, and offered without.
        let mut good = bare(with_tickets, true);
        let mut server = Association::server(&context);
        answers.run_bare(&mut good, &mut server).server.unwrap();
        assert!(server.new_session().unwrap().is_some());
        let session = good.ssl().session().unwrap().to_der().unwrap();
        let mut without = bare_with(with_tickets, &session);
        let mut server = Association::server(&context);
        let run = answers.run_bare(&mut without, &mut server);
        assert!(run.server.unwrap().resumed.is_none());
    }
}

/// A client that leaves out `extended_master_secret` and offers a session.
fn bare_with(tickets: bool, session: &[u8]) -> SslStream<Pipe> {
    let stream = bare(tickets, false);
    let mut ssl = openssl::ssl::Ssl::new(stream.ssl().ssl_context()).unwrap();
    ossl::offer_session(&mut ssl, session).unwrap();
    ssl.set_connect_state();
    SslStream::new(ssl, Pipe::default()).unwrap()
}

/// OpenSSL's own client resumes too.
#[test]
fn a_plain_client_resumes() {
    for with_tickets in [false, true] {
        let policy = policy(CBC);
        let context = server(&policy, tickets()).build().unwrap();
        let mut store = Store::default();
        let mut first = bare(with_tickets, true);
        let mut server = Association::server(&context);
        let mut answers = Answers {
            key: &mut |_| KeyAnswer::Refuse,
            verdict: &mut |_| Verdict::Accept,
            session: &mut |_| SessionAnswer::Full,
        };
        answers.run_bare(&mut first, &mut server).server.unwrap();
        let kind = store.remember(server.new_session().unwrap()).unwrap();
        assert_eq!(kind == SessionKind::Ticket, with_tickets);
        let session = first.ssl().session().unwrap().to_der().unwrap();
        let mut ssl = openssl::ssl::Ssl::new(first.ssl().ssl_context()).unwrap();
        ossl::offer_session(&mut ssl, &session).unwrap();
        ssl.set_connect_state();
        let mut again = SslStream::new(ssl, Pipe::default()).unwrap();
        let mut answers = Answers {
            key: &mut |_| KeyAnswer::Refuse,
            verdict: &mut |presented| panic!("asked about {presented:?}"),
            session: &mut |handle| store.answer(handle),
        };
        let run = answers.run_bare(&mut again, &mut Association::server(&context));
        let done = run.server.unwrap();
        assert_eq!(done.resumed.unwrap().kind, kind);
        assert_eq!(done.proved, Proved::Certificate(made("light1").presented()));
        assert!(again.ssl().session_reused());
    }
}

/// Two servers with one store and one ring of keys.
#[test]
fn a_session_made_at_one_server_comes_back_at_another() {
    for resumption in [ids(), tickets()] {
        let policy = SuitePolicy::default().with_certificates();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let here = server(&policy, resumption.clone()).build().unwrap();
        let there = server(&policy, resumption).build().unwrap();
        let mut store = Store::default();
        let session = attach(&context, None, &here, &mut store).client.client_session().unwrap();
        assert!(resumed(&attach(&context, Some(&session), &there, &mut store)));
    }
}

#[test]
fn ticket_keys_rotate() {
    let policy = policy(CBC);
    let keys = TicketKeys::new(ticket_key(1), vec![]);
    let resumption = Resumption { tickets: Some(keys.clone()), ids: false, for_psk: false };
    let server = server(&policy, resumption).build().unwrap();
    let context = client(&policy, made("light1").client()).build().unwrap();
    let mut store = Store::default();
    let first = attach(&context, None, &server, &mut store).client.client_session().unwrap();

    // A ticket under the key before is good, and replaced.
    keys.replace(ticket_key(2), vec![ticket_key(1)]);
    let mut again = attach(&context, Some(&first), &server, &mut store);
    assert!(resumed(&again));
    talk(&mut again);
    let second = again.client.client_session().unwrap();
    assert_ne!(second.handle().digest, first.handle().digest);
    assert!(store.0.contains_key(&second.handle().digest), "the new ticket was not reported");

    // One under a key that is gone is not.
    keys.replace(ticket_key(3), vec![ticket_key(2)]);
    assert!(!resumed(&attach(&context, Some(&first), &server, &mut store)));
    assert!(resumed(&attach(&context, Some(&second), &server, &mut store)));
    // Nor one under a key with the same name and other octets.
    let mut forged = ticket_key(2).octets().expose().to_vec();
    forged[20] ^= 1;
    keys.replace(TicketKey::new(Secret::new(forged)).unwrap(), vec![]);
    assert!(!resumed(&attach(&context, Some(&second), &server, &mut store)));
}

/// RFC 5077 §3.4 lets a client leave out the session ID that tells it whether its ticket was taken.
#[test]
fn a_ticket_needs_no_session_id() {
    let policy = policy(CBC);
    let server = server(&policy, tickets()).build().unwrap();
    let context = client(&policy, made("light1").client()).build().unwrap();
    let mut store = Store::default();
    let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
    let mut der = session.der().expose().to_vec();
    // SEQUENCE of a length in two octets; version, version of the protocol, suite, session ID.
    assert_eq!((&der[..2], &der[15..17]), (&[0x30, 0x82][..], &[4, 32][..]));
    der[16] = 0;
    der.drain(17..49);
    let length = u16::try_from(der.len() - 4).unwrap();
    der[2..4].copy_from_slice(&length.to_be_bytes());
    let without = ClientSession::from_der(Secret::new(der)).unwrap();
    assert_eq!(without.handle(), session.handle());
    // OpenSSL's client does not notice without an ID; what counts is that the server resumes.
    for session in [without, session] {
        let mut client = Association::client_with(&context, None, Some(NAME), Some(&session)).unwrap();
        let mut server = Association::server(&server);
        client.step().unwrap();
        carry(&mut client, &mut server);
        let Progress::NeedsSession(handle) = server.step().unwrap() else { panic!("not asked") };
        assert_eq!(handle.kind, SessionKind::Ticket);
        server.answer_session(store.answer(&handle));
        assert_eq!(server.step().unwrap(), Progress::WantsInput);
        let sent: Vec<u8> = records(server.output()).iter().map(|record| record.content_type).collect();
        assert_eq!(sent, [22, 20, 22], "ServerHello, ChangeCipherSpec, Finished");
    }
}

#[test]
fn a_ticket_key_has_80_octets() {
    let key = TicketKey::draw(&OsRng).unwrap();
    assert_eq!(key.octets().len(), 80);
    assert_eq!(key.name(), &key.octets().expose()[..16]);
    for octets in [0, 79, 81] {
        let refused = TicketKey::new(Secret::new(vec![0; octets])).err();
        assert_eq!(refused, Some(CredentialError::TicketKey { octets }));
    }
}

/// A session in which nobody proved who he is must not open a door where one has to.
#[test]
fn a_session_stays_with_its_kind_of_server() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let asking = server(&policy, resumption.clone()).build().unwrap();
        let for_tokens = server(&policy, resumption.clone()).clients(ClientProof::Token).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let nameless = Association::client_with(&context, None, Some(NAME), None).unwrap();
        let mut nameless = attach_with(nameless, &for_tokens, &mut |_| SessionAnswer::Full);
        store.remember(nameless.server.new_session().unwrap());
        let session = nameless.client.client_session().unwrap();

        let crossed = attach(&context, Some(&session), &asking, &mut store);
        assert!(!resumed(&crossed));
        assert_eq!(crossed.judged, [made("light1").presented()]);

        // Where it was made it comes back, and proves as little as before.
        let client = Association::client_with(&context, None, Some(NAME), Some(&session)).unwrap();
        let again = attach_with(client, &for_tokens, &mut |handle| store.answer(handle));
        let done = again.run.server.unwrap();
        assert!(done.resumed.is_some());
        assert_eq!(done.proved, Proved::Nothing);

        // Other suites are another server too.
        let other = server(&SuitePolicy::default().with_certificates(), resumption).build().unwrap();
        let mine = attach(&context, None, &asking, &mut store).client.client_session().unwrap();
        assert!(!resumed(&attach(&context, Some(&mine), &other, &mut store)));
    }
}

#[test]
fn a_raw_public_key_is_remembered() {
    if !ossl::RAW_PUBLIC_KEYS {
        return;
    }
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let me = made("light1");
        let server = server(&policy, resumption).build().unwrap();
        let identity = ClientIdentity::RawKey { key: me.private_key() };
        let context = client(&policy, identity).build().unwrap();
        let mut store = Store::default();
        let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
        let again = attach(&context, Some(&session), &server, &mut store);
        assert!(resumed(&again));
        let key = me.private_key().public_key_der().unwrap();
        assert_eq!(again.run.server.unwrap().proved, Proved::Certificate(Presented::RawKey(key)));
    }
}

/// Sessions with pre-shared keys are given nothing to come back with, unless it is asked for.
#[test]
fn pre_shared_keys_are_resumed_only_where_that_is_on() {
    let both = SuitePolicy::default().with_certificates();
    for for_psk in [false, true] {
        for resumption in [ids(), tickets()] {
            let server = server(&both, Resumption { for_psk, ..resumption }).build().unwrap();
            let context = client(&both, ClientIdentity::None).build().unwrap();
            let client = Association::client(&context, psk(7), Some(NAME)).unwrap();
            let mut first = attach_with(client, &server, &mut |_| SessionAnswer::Full);
            first.run.server.as_ref().unwrap();
            let mut store = Store::default();
            let kind = store.remember(first.server.new_session().unwrap());
            assert_eq!(kind.is_some(), for_psk);
            let session = first.client.client_session();
            assert_eq!(session.is_some(), for_psk);
            let Some(session) = session else { continue };
            let client =
                Association::client_with(&context, Some(psk(7)), Some(NAME), Some(&session)).unwrap();
            let mut keys = 0;
            let mut server = Association::server(&server);
            let mut client = client;
            let mut answers = Answers {
                key: &mut |_| {
                    keys += 1;
                    KeyAnswer::Refuse
                },
                verdict: &mut |presented| panic!("asked about {presented:?}"),
                session: &mut |handle| store.answer(handle),
            };
            let run = answers.run(&mut client, &mut server, 1 << 16, |flight| flight);
            assert_eq!(run.server.unwrap().proved, Proved::Key(crate::wire::IDENTITY.parse().unwrap()));
            assert_eq!(run.client.unwrap().proved, Proved::Key(crate::wire::IDENTITY.parse().unwrap()));
            assert_eq!(keys, 0);
        }
    }
}

/// Without resumption there is no question, no ID and no ticket.
#[test]
fn a_server_without_resumption_asks_nothing() {
    let policy = policy(CBC);
    let resuming = server(&policy, tickets()).build().unwrap();
    let context = client(&policy, made("light1").client()).build().unwrap();
    let mut store = Store::default();
    let session = attach(&context, None, &resuming, &mut store).client.client_session().unwrap();
    let nothing = Resumption { tickets: None, ids: false, for_psk: true };
    for plain in [
        ServerContext::builder(&policy).credential(made("server").server()).build().unwrap(),
        server(&policy, nothing).build().unwrap(),
    ] {
        let attached = attach(&context, Some(&session), &plain, &mut Store::default());
        assert!(!resumed(&attached));
        assert_eq!(attached.offered, []);
        assert!(attached.client.client_session().is_none());
    }
    // A server for IDs alone does not look at a ticket, and one for tickets alone not at an ID.
    let for_ids = server(&policy, ids()).build().unwrap();
    let attached = attach(&context, Some(&session), &for_ids, &mut store);
    assert!(!resumed(&attached));
    assert!(attached.offered.iter().all(|handle| handle.kind == SessionKind::Id));
    let by_id = attached.client.client_session().unwrap();
    let only = Resumption { ids: false, ..tickets() };
    let attached = attach(&context, Some(&by_id), &server(&policy, only).build().unwrap(), &mut store);
    assert!(!resumed(&attached));
    assert_eq!(attached.offered, []);
}

#[test]
fn a_client_that_does_not_resume_remembers_nothing() {
    let policy = policy(CBC);
    let resuming = server(&policy, Resumption { ids: false, ..tickets() }).build().unwrap();
    let context = client(&policy, made("light1").client()).resumption(false).build().unwrap();
    let attached = attach(&context, None, &resuming, &mut Store::default());
    assert!(!resumed(&attached));
    assert!(attached.client.client_session().is_none());
}

/// OpenSSL forgets sessions whose association ended badly; ours outlive it, since they were taken before.
#[test]
fn an_association_may_end_in_any_way() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let server = server(&policy, resumption).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        for close in [true, false] {
            let mut first = attach(&context, None, &server, &mut store);
            if close {
                first.client.close();
                carry(&mut first.client, &mut first.server);
                first.server.close();
                carry(&mut first.server, &mut first.client);
            }
            drop(first.server);
            // Taken as late as can be.
            let session = first.client.client_session().unwrap();
            drop(first.client);
            let again = attach(&context, Some(&session), &server, &mut store);
            assert!(resumed(&again));
            drop(again);
            assert!(resumed(&attach(&context, Some(&session), &server, &mut store)));
        }
    }
}

/// Neither check nor staple is looked at again: the client was certain when the session was made.
#[test]
fn a_resumed_client_does_not_check_again() {
    let policy = policy(CBC);
    let staple = Staple::new();
    staple.set(Some(vec![0x30, 3, 0x0A, 1, 6]));
    let server = server(&policy, tickets()).staple(staple).build().unwrap();
    let checks = Arc::new(Mutex::new((0, 0)));
    let (one, two) = (Arc::clone(&checks), Arc::clone(&checks));
    let context = ClientContext::builder(&policy)
        .identity(made("light1").client())
        .server(Arc::new(move |_| {
            one.lock().unwrap().0 += 1;
            Ok(())
        }))
        .staple_check(Arc::new(move |staple, _| {
            two.lock().unwrap().1 += 1;
            staple.map(|_| ()).ok_or(Alert::BAD_CERTIFICATE_STATUS_RESPONSE)
        }))
        .build()
        .unwrap();
    let mut store = Store::default();
    let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
    assert!(resumed(&attach(&context, Some(&session), &server, &mut store)));
    assert_eq!(*checks.lock().unwrap(), (1, 1));
}

/// A thief of a session ID or ticket has not the secret that goes with it.
#[test]
fn a_session_without_its_secret_is_worth_nothing() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let server = server(&policy, resumption).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
        let mut stolen = session.der().expose().to_vec();
        // The master secret: OCTET STRING of 48.
        let at = stolen.windows(2).position(|window| window == [4, 48]).unwrap();
        stolen[at + 10] ^= 1;
        let stolen = ClientSession::from_der(Secret::new(stolen)).unwrap();
        let thief = Association::client_with(&context, None, Some(NAME), Some(&stolen)).unwrap();
        let attached = attach_with(thief, &server, &mut |handle| store.answer(handle));
        assert!(attached.run.server.is_err() && attached.run.client.is_err());
        assert_eq!(attached.judged, []);
    }
}

#[test]
fn what_is_no_session_is_refused() {
    for octets in [&b""[..], b"\x30\x00", &[7; 100]] {
        assert!(matches!(ClientSession::from_der(Secret::new(octets.to_vec())), Err(Error::Engine(_))));
    }
}

/// The last alert of a refused full handshake is as without resumption.
#[test]
fn a_denied_session_and_a_refused_certificate() {
    let policy = policy(CBC);
    let context = server(&policy, tickets()).build().unwrap();
    let clients = client(&policy, Made::new("light1").client()).build().unwrap();
    let mut store = Store::default();
    let session = attach(&clients, None, &context, &mut store).client.client_session().unwrap();
    let mut client = Association::client_with(&clients, None, Some(NAME), Some(&session)).unwrap();
    let mut server = Association::server(&context);
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Refuse,
        verdict: &mut |_| Verdict::Refuse(Alert::CERTIFICATE_UNKNOWN),
        session: &mut |_| SessionAnswer::Full,
    };
    let run = answers.run(&mut client, &mut server, 1 << 16, |flight| flight);
    assert!(matches!(run.server, Err(Error::CertificateRefused { .. })));
    assert_eq!(last_alert(&run.from_server), Some([2, 46]));
    assert!(records(&run.from_server).iter().all(|record| record.content_type != 20));
    assert!(matches!(server.new_session(), Err(Error::Ended)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// A resumption with one octet of it changed: nobody gets anything but a refusal, or what is his.
    #[test]
    fn one_changed_octet_resumes_nothing_else(
        by_ticket in any::<bool>(),
        flight in 0_usize..2,
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let policy = policy(CBC);
        let context = server(&policy, if by_ticket { tickets() } else { ids() }).build().unwrap();
        let clients = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let session = attach(&clients, None, &context, &mut store).client.client_session().unwrap();
        let mut client = Association::client_with(&clients, None, Some(NAME), Some(&session)).unwrap();
        let mut server = Association::server(&context);
        let mut answers = Answers {
            key: &mut |_| KeyAnswer::Refuse,
            verdict: &mut |_| Verdict::Accept,
            session: &mut |handle| store.answer(handle),
        };
        let mut count = 0;
        let run = answers.run(&mut client, &mut server, 1 << 16, |mut octets| {
            if count == flight && !octets.is_empty() {
                let at = at.index(octets.len());
                octets[at] ^= 1 << bit;
            }
            count += 1;
            octets
        });
        if let Ok(done) = run.server {
            prop_assert_eq!(done.proved, Proved::Certificate(made("light1").presented()));
            if let Some(handle) = done.resumed {
                prop_assert_eq!(handle.digest, session.handle().digest);
            }
        }
    }
}

/// A record that does not verify.
const GARBLED: [u8; 69] = {
    let mut record = [0; 69];
    (record[0], record[1], record[2], record[4]) = (23, 3, 3, 64);
    record
};

/// RFC 5246 §7.2.2: a fatal alert ends the session of its association, whoever sends it and however that came about;
/// nothing else does.
#[test]
fn a_fatal_alert_ends_the_session() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let server = server(&policy, resumption).build().unwrap();
        let context = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let first = attach(&context, None, &server, &mut store);
        let session = first.client.client_session().unwrap();
        let digest = session.handle().digest;
        let resume = |store: &mut Store| attach(&context, Some(&session), &server, store);
        let mut fresh = vec![first];
        fresh.extend((0..4).map(|_| resume(&mut store)));
        let [mut garbled, mut told, mut closed, mut cut, mut going_on] =
            <[Attached; 5]>::try_from(fresh).ok().unwrap();

        garbled.server.feed(&GARBLED);
        assert!(matches!(garbled.server.read(&mut [0; 9]), Err(Error::Protocol { .. })));
        assert_eq!(garbled.server.failed_sessions(), [digest], "the alert is ours");

        told.client.feed(&GARBLED);
        assert!(told.client.read(&mut [0; 9]).is_err());
        carry(&mut told.client, &mut told.server);
        assert!(matches!(told.server.read(&mut [0; 9]), Err(Error::PeerAlert { .. })));
        assert_eq!(told.server.failed_sessions(), [digest], "the alert is the peer's");
        assert_eq!(told.client.failed_sessions(), [[0; 32]; 0]);

        closed.client.close();
        carry(&mut closed.client, &mut closed.server);
        closed.server.read(&mut [0; 9]).unwrap();
        closed.server.close();
        assert!(closed.server.write(b"more").is_err());
        cut.server.feed_end();
        assert!(matches!(cut.server.read(&mut [0; 9]), Err(Error::Truncated)));
        talk(&mut going_on);
        for whole in [&closed, &cut, &going_on] {
            assert_eq!(whole.server.failed_sessions(), [[0; 32]; 0]);
        }
    }
}

/// The same while it is being resumed. Who leaves without an alert ends nothing, and neither does a handshake that
/// resumes nothing.
#[test]
fn a_session_that_fails_to_be_resumed_has_ended() {
    for resumption in [ids(), tickets()] {
        let policy = policy(CBC);
        let context = server(&policy, resumption).build().unwrap();
        let clients = client(&policy, made("light1").client()).build().unwrap();
        let mut store = Store::default();
        let session = attach(&clients, None, &context, &mut store).client.client_session().unwrap();
        let half_way = |answer: SessionAnswer| {
            let mut client = Association::client_with(&clients, None, Some(NAME), Some(&session)).unwrap();
            let mut server = Association::server(&context);
            client.step().unwrap();
            carry(&mut client, &mut server);
            assert!(matches!(server.step().unwrap(), Progress::NeedsSession(_)));
            server.answer_session(answer);
            assert_eq!(server.step().unwrap(), Progress::WantsInput);
            assert_eq!(server.failed_sessions(), [[0; 32]; 0]);
            server
        };
        let resuming = || half_way(store.answer(session.handle()));

        let mut server = resuming();
        server.feed(&[&[20, 3, 3, 0, 1, 1][..], &[22], &GARBLED[1..]].concat());
        assert!(server.step().is_err());
        assert_eq!(server.failed_sessions(), [session.handle().digest]);
        let mut server = resuming();
        server.feed(&[21, 3, 3, 0, 2, 2, 40]);
        assert!(matches!(server.step(), Err(Error::PeerAlert { .. })));
        assert_eq!(server.failed_sessions(), [session.handle().digest]);

        let mut server = resuming();
        server.feed_end();
        assert!(matches!(server.step(), Err(Error::ClosedInHandshake)));
        assert_eq!(server.failed_sessions(), [[0; 32]; 0]);
        let mut server = half_way(SessionAnswer::Full);
        server.feed(&[21, 3, 3, 0, 2, 2, 40]);
        assert!(server.step().is_err());
        assert_eq!(server.failed_sessions(), [[0; 32]; 0]);
    }
}

/// A session that got a new ticket is known by both, and one with a key by none.
#[test]
fn what_a_session_was_known_by_ends_with_it() {
    let keys = TicketKeys::new(ticket_key(1), vec![]);
    let resumption = Resumption { tickets: Some(keys.clone()), ids: true, for_psk: false };
    let policy = SuitePolicy::default().with_certificates();
    let server = server(&policy, resumption).build().unwrap();
    let context = client(&policy, made("light1").client()).build().unwrap();
    let mut store = Store::default();
    let session = attach(&context, None, &server, &mut store).client.client_session().unwrap();
    keys.replace(ticket_key(2), vec![ticket_key(1)]);
    let mut renewed = attach(&context, Some(&session), &server, &mut store);
    assert!(resumed(&renewed));
    let new = renewed.client.client_session().unwrap().handle().digest;
    renewed.server.feed(&GARBLED);
    assert!(renewed.server.read(&mut [0; 9]).is_err());
    assert_eq!(renewed.server.failed_sessions(), [session.handle().digest, new]);

    let client = Association::client(&context, psk(7), Some(NAME)).unwrap();
    let mut by_key = attach_with(client, &server, &mut |_| SessionAnswer::Full);
    assert!(matches!(by_key.run.server.as_ref().unwrap().proved, Proved::Key(_)));
    by_key.server.feed(&GARBLED);
    assert!(by_key.server.read(&mut [0; 9]).is_err());
    assert_eq!(by_key.server.failed_sessions(), [[0; 32]; 0]);
}
