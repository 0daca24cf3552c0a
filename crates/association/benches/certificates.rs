//! What a mutual certificate handshake costs beside bare OpenSSL, and what one that is resumed costs beside one
//! that is not: CPU time of a server's part.
//!
//! ```text
//! cargo bench -p association --bench certificates [-- ROUNDS]
//! ```
//!
//! Both servers get the same octets, from clients of bare OpenSSL, over the same kind of memory transport, in
//! this one thread. The bare one takes any certificate, without a path validation. Ours takes the public key
//! out of the certificate, finds its hash among 100,000 that are enrolled, and says yes; where a session is offered
//! it finds its digest among 1,000,000. All take turns, batch by batch, and what counts is the median of the
//! batches' ratios: whatever else the machine does meets all.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot go on has failed; it prints its result"
)]

mod support;

use std::collections::{HashMap, HashSet};

use association::{
    Association, Presented, PrivateKey, Progress, Resumption, SavedSession, ServerContext, ServerCredential,
    SessionAnswer, SessionHandle, SuitePolicy, TicketKey, TicketKeys, Verdict,
};
use keys::{OsRng, Secret};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    sha::sha256,
    ssl::{
        Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSession, SslSessionCacheMode,
        SslStream, SslVerifyMode, SslVersion,
    },
    x509::{X509, X509Name},
};
use support::{Pipe, answer, cpu, flight, tenths};

const SUITE: &str = "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256";
const OPENSSL_SUITE: &str = "ECDHE-ECDSA-AES128-SHA256";
const ENROLLED: u32 = 100_000;
const REMEMBERED: u32 = 1_000_000;
const BATCH: usize = 20;
const ROUNDS: usize = 150;

fn main() {
    // `cargo test` runs benches with --test: one round shows that they still work.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok());
    let rounds = if smoke { 1 } else { rounds.unwrap_or(ROUNDS) };

    println!("{SUITE}, mutual, {}", ossl::version());
    let bench = Bench::new(if smoke { 100 } else { 1 });
    let mut spent: [Vec<f64>; 5] = Default::default();
    for round in 0..rounds + rounds / 10 {
        let mut batch = [0.0; 5];
        for turn in 0..5 {
            let which = (round + turn) % 5;
            batch[which] = match which {
                0 => bench.full(),
                1 => bench.bare(None),
                2 => bench.resumed(&bench.by_ticket),
                3 => bench.resumed(&bench.by_id),
                _ => bench.bare(Some(&bench.by_bare_ticket)),
            };
        }
        // The first tenth warms caches.
        if round >= rounds / 10 {
            spent.iter_mut().zip(batch).for_each(|(all, one)| all.push(one));
        }
    }
    let [full, bare, by_ticket, by_id, bare_by_ticket] = spent;
    let ratios =
        |above: &[f64], below: &[f64]| above.iter().zip(below).map(|(a, b)| a / b).collect::<Vec<_>>();
    let (to_bare, to_ticket, to_id) =
        (ratios(&full, &bare), ratios(&full, &by_ticket), ratios(&full, &by_id));
    for (what, mut values) in [
        ("association, full", full),
        ("bare OpenSSL, full", bare),
        ("association, resumed by ticket", by_ticket),
        ("association, resumed by ID", by_id),
        ("bare OpenSSL, resumed by ticket", bare_by_ticket),
    ] {
        let (low, middle, high) = tenths(&mut values);
        println!("{what:31} {middle:6.1} us of server CPU a handshake   (p10 {low:.1}, p90 {high:.1})");
    }
    for (what, mut values) in [
        ("full to bare OpenSSL", to_bare),
        ("full to resumed by ticket", to_ticket),
        ("full to resumed by ID", to_id),
    ] {
        let (low, middle, high) = tenths(&mut values);
        println!("{what:31} {middle:6.3}                                (p10 {low:.3}, p90 {high:.3})");
    }
}

struct Bench {
    clients: SslContext,
    ours: ServerContext,
    bare: SslContext,
    enrolled: HashSet<[u8; 32]>,
    sessions: HashMap<[u8; 32], Option<Secret>>,
    by_ticket: Returning,
    by_id: Returning,
    by_bare_ticket: Vec<u8>,
}

/// Clients with a session to come back with, and what they come back to.
struct Returning {
    context: SslContext,
    session: Vec<u8>,
}

struct Made {
    key: PKey<Private>,
    certificate: X509,
}

impl Bench {
    /// With so many times fewer records than it should be.
    fn new(fewer: u32) -> Self {
        let (light, registrar) = (made("light1"), made("registrar"));
        let resumption = Resumption {
            tickets: Some(TicketKeys::new(TicketKey::draw(&OsRng).unwrap(), vec![])),
            ids: true,
            for_psk: false,
        };
        let credential = ServerCredential::Chain {
            chain_der: vec![registrar.certificate.to_der().unwrap()],
            key: PrivateKey::from_der(&registrar.key.private_key_to_der().unwrap()).unwrap(),
        };
        let ours = ServerContext::builder(&SuitePolicy::default().with_certificates())
            .credential(credential)
            .resumption(resumption)
            .build()
            .unwrap();
        let mut enrolled: HashSet<_> =
            (0..ENROLLED / fewer).map(|number| sha256(&number.to_be_bytes())).collect();
        enrolled.insert(sha256(&light.key.public_key_to_der().unwrap()));
        let remembered = (0..REMEMBERED / fewer).map(|number| (sha256(&number.to_le_bytes()), None));
        let clients = client_context(&light, true);
        let nothing = || Returning { context: clients.clone(), session: Vec::new() };
        let mut bench = Self {
            ours,
            bare: bare_server(&registrar),
            enrolled,
            sessions: remembered.collect(),
            by_ticket: nothing(),
            by_id: nothing(),
            by_bare_ticket: Vec::new(),
            clients,
        };
        bench.by_ticket = bench.first(bench.clients.clone());
        bench.by_id = bench.first(client_context(&light, false));
        bench.by_bare_ticket = bench.first_bare();
        bench
    }

    /// A client's first attachment, after which it can return.
    fn first(&mut self, context: SslContext) -> Returning {
        let mut client = new_client(&context, None);
        let mut server = Association::server(&self.ours);
        server.feed(&flight(&mut client));
        assert_eq!(server.step().unwrap(), Progress::WantsInput);
        client.get_mut().input.extend(server.output());
        server.consume_output(usize::MAX);
        server.feed(&flight(&mut client));
        self.judge(&mut server);
        client.get_mut().input.extend(server.output());
        client.do_handshake().unwrap();
        let new = server.new_session().unwrap().unwrap();
        self.sessions.extend(new.by_ticket.map(|digest| (digest, None)));
        self.sessions.extend(new.by_id.map(|(digest, session)| (digest, Some(session))));
        let session = client.ssl().session().unwrap().to_der().unwrap();
        Returning { context, session }
    }

    /// The same at the bare server.
    fn first_bare(&self) -> Vec<u8> {
        let mut client = new_client(&self.clients, None);
        let mut server = new_server(&self.bare);
        for _ in 0..2 {
            server.get_mut().input.extend(flight(&mut client));
            let _ = server.do_handshake();
            client.get_mut().input.extend(std::mem::take(&mut server.get_mut().output));
        }
        client.do_handshake().unwrap();
        client.ssl().session().unwrap().to_der().unwrap()
    }

    /// From the client's second flight to the end.
    fn judge(&self, server: &mut Association) {
        let Progress::NeedsVerdict(Presented::Chain(chain)) = server.step().unwrap() else {
            panic!("no chain")
        };
        let hash = sha256(public_key_info(&chain[0]));
        server.answer_verdict(if self.enrolled.contains(&hash) {
            Verdict::Accept
        } else {
            panic!("not enrolled")
        });
        let Progress::Established(handshake) = server.step().unwrap() else { panic!("not established") };
        assert!(handshake.resumed.is_none());
    }

    fn find(&self, handle: &SessionHandle) -> SessionAnswer {
        SessionAnswer::Resume(match &self.sessions[&handle.digest] {
            Some(session) => SavedSession::ById(session.duplicate()),
            None => SavedSession::ByTicket,
        })
    }

    /// Microseconds of CPU of one full handshake of ours, mean of a batch.
    fn full(&self) -> f64 {
        let mut clients: Vec<_> = (0..BATCH).map(|_| new_client(&self.clients, None)).collect();
        let mut flights: Vec<_> = clients.iter_mut().map(flight).collect();
        let mut back: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        let start = cpu();
        let mut servers = Vec::with_capacity(BATCH);
        for flight in &flights {
            let mut server = Association::server(&self.ours);
            server.feed(flight);
            assert_eq!(server.step().unwrap(), Progress::WantsInput);
            back.push(taken(&mut server));
            servers.push(server);
        }
        let mut spent = cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        let start = cpu();
        for (server, flight) in servers.iter_mut().zip(&flights) {
            server.feed(flight);
            self.judge(server);
            assert!(server.new_session().unwrap().is_some());
            back.push(taken(server));
        }
        drop(servers);
        spent += cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        spent.as_secs_f64() * 1e6 / BATCH as f64
    }

    /// The same of one that is resumed.
    fn resumed(&self, returning: &Returning) -> f64 {
        let session = Some(returning.session.as_slice());
        let mut clients: Vec<_> = (0..BATCH).map(|_| new_client(&returning.context, session)).collect();
        let mut flights: Vec<_> = clients.iter_mut().map(flight).collect();
        let mut back: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        let start = cpu();
        let mut servers = Vec::with_capacity(BATCH);
        for flight in &flights {
            let mut server = Association::server(&self.ours);
            server.feed(flight);
            let Progress::NeedsSession(handle) = server.step().unwrap() else { panic!("not asked") };
            server.answer_session(self.find(&handle));
            assert_eq!(server.step().unwrap(), Progress::WantsInput);
            back.push(taken(&mut server));
            servers.push(server);
        }
        let mut spent = cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        let start = cpu();
        for (server, flight) in servers.iter_mut().zip(&flights) {
            server.feed(flight);
            let Progress::Established(handshake) = server.step().unwrap() else { panic!("not established") };
            assert!(handshake.resumed.is_some());
            assert!(server.new_session().unwrap().is_none());
        }
        drop(servers);
        spent += cpu() - start;
        spent.as_secs_f64() * 1e6 / BATCH as f64
    }

    /// A handshake of bare OpenSSL, full or with a session.
    fn bare(&self, session: Option<&[u8]>) -> f64 {
        let mut clients: Vec<_> = (0..BATCH).map(|_| new_client(&self.clients, session)).collect();
        let mut flights: Vec<_> = clients.iter_mut().map(flight).collect();
        let mut back: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        let start = cpu();
        let mut servers = Vec::with_capacity(BATCH);
        for flight in &flights {
            let mut server = new_server(&self.bare);
            server.get_mut().input.extend(flight);
            assert!(server.do_handshake().is_err());
            back.push(std::mem::take(&mut server.get_mut().output));
            servers.push(server);
        }
        let mut spent = cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        let start = cpu();
        for (server, flight) in servers.iter_mut().zip(&flights) {
            server.get_mut().input.extend(flight);
            server.do_handshake().unwrap();
            assert_eq!(server.ssl().session_reused(), session.is_some());
            back.push(std::mem::take(&mut server.get_mut().output));
        }
        drop(servers);
        spent += cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        spent.as_secs_f64() * 1e6 / BATCH as f64
    }
}

fn new_server(context: &SslContext) -> SslStream<Pipe> {
    let mut ssl = Ssl::new(context).unwrap();
    ssl.set_accept_state();
    SslStream::new(ssl, Pipe::default()).unwrap()
}

/// The settings that ours has, so that the difference is what we add.
fn bare_server(made: &Made) -> SslContext {
    let mut bare = SslContext::builder(SslMethod::tls_server()).unwrap();
    common(&mut bare, made);
    bare.set_options(SslOptions::NO_RENEGOTIATION);
    bare.set_session_cache_mode(SslSessionCacheMode::SERVER | SslSessionCacheMode::NO_INTERNAL);
    bare.set_session_id_context(b"bench").unwrap();
    bare.set_mode(SslMode::RELEASE_BUFFERS | SslMode::NO_AUTO_CHAIN);
    bare.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    ossl::set_certificate_judge(&mut bare, |_, _| Ok(())).unwrap();
    bare.build()
}

fn client_context(made: &Made, tickets: bool) -> SslContext {
    let mut context = SslContext::builder(SslMethod::tls_client()).unwrap();
    common(&mut context, made);
    context.set_mode(SslMode::NO_AUTO_CHAIN);
    if !tickets {
        context.set_options(SslOptions::NO_TICKET);
    }
    context.build()
}

fn common(context: &mut SslContextBuilder, made: &Made) {
    context.set_cipher_list(OPENSSL_SUITE).unwrap();
    context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
    context.set_groups_list("P-256").unwrap();
    context.set_sigalgs_list("ECDSA+SHA256").unwrap();
    context.set_certificate(&made.certificate).unwrap();
    context.set_private_key(&made.key).unwrap();
}

fn made(name: &str) -> Made {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&subject).unwrap();
    builder.set_issuer_name(&subject).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    Made { key, certificate: builder.build() }
}

fn new_client(context: &SslContext, session: Option<&[u8]>) -> SslStream<Pipe> {
    let mut ssl = Ssl::new(context).unwrap();
    if let Some(session) = session {
        assert!(SslSession::from_der(session).is_ok());
        ossl::offer_session(&mut ssl, session).unwrap();
    }
    ssl.set_connect_state();
    SslStream::new(ssl, Pipe::default()).unwrap()
}

/// The `SubjectPublicKeyInfo` in a certificate: the one part of it that an enrolled key needs.
fn public_key_info(certificate: &[u8]) -> &[u8] {
    let (_, tbs) = split(certificate);
    let (_, mut fields) = split(tbs);
    // Version, serial number, algorithm, issuer, validity, subject.
    for _ in 0..6 {
        let (whole, _) = split(fields);
        fields = &fields[whole.len()..];
    }
    split(fields).0
}

/// The element at the front, and what is in it.
fn split(der: &[u8]) -> (&[u8], &[u8]) {
    let (header, length) = match der[1] {
        0x81 => (3, usize::from(der[2])),
        0x82 => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
        short => (2, usize::from(short)),
    };
    (&der[..header + length], &der[header..header + length])
}

fn taken(server: &mut Association) -> Vec<u8> {
    let mut output = Vec::new();
    server.take_output(&mut output);
    output
}
