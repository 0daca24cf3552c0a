//! What an association costs beside bare OpenSSL: CPU time of a server's part of one handshake, and memory of
//! one that idles.
//!
//! ```text
//! cargo bench -p association --bench handshake [-- ROUNDS]
//! ```
//!
//! Both servers get the same octets, from clients of bare OpenSSL, over the same kind of memory transport, in
//! this one thread. Ours also finds the key among 10,000 credentials, judges the credential and makes the peer's
//! identity of it; the bare one copies a key that it knows. They take turns, batch by batch, and what counts is
//! the median of the batches' ratios: whatever else the machine does meets both.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a measurement that cannot go on has failed; it prints its result"
)]

mod support;

use std::{collections::HashMap, net::SocketAddr};

use association::{Association, KeyAnswer, Progress, Proved, ServerContext, ServerNames, SuitePolicy};
use identity::{Credential, CredentialState, Established, Function, Peer, usable};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use onem2m::{id::EntityKind, time::Timestamp};
use openssl::ssl::{
    Ssl, SslContext, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslStream, SslVersion,
};
use support::{Pipe, answer, cpu, flight, tenths};

const SUITE: &str = "TLS_PSK_WITH_AES_128_CBC_SHA256";
const OPENSSL_SUITE: &str = "PSK-AES128-CBC-SHA256";
const CREDENTIALS: usize = 10_000;
const BATCH: usize = 40;
const ROUNDS: usize = 300;
const IDLE: usize = 4_000;

fn main() {
    // `cargo test` runs benches with --test: one round shows that they still work.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let smoke = arguments.iter().any(|argument| argument == "--test");
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok());
    let rounds = if smoke { 1 } else { rounds.unwrap_or(ROUNDS) };

    println!("{SUITE}, {}", ossl::version());
    let bench = Bench::new();
    let (mut ours, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + rounds / 10 {
        let (our, their) = if round % 2 == 0 {
            let our = bench.ours();
            (our, bench.bare())
        } else {
            let their = bench.bare();
            (bench.ours(), their)
        };
        // The first tenth warms caches.
        if round >= rounds / 10 {
            ours.push(our);
            bare.push(their);
            ratios.push(our / their);
        }
    }
    let (low, middle, high) = tenths(&mut ours);
    println!("association  {middle:6.1} us of server CPU a handshake   (p10 {low:.1}, p90 {high:.1})");
    let (low, middle, high) = tenths(&mut bare);
    println!("bare OpenSSL {middle:6.1} us of server CPU a handshake   (p10 {low:.1}, p90 {high:.1})");
    let (low, middle, high) = tenths(&mut ratios);
    println!("ratio        {middle:6.3}                                (p10 {low:.3}, p90 {high:.3})");

    let idle = if smoke { 10 } else { IDLE };
    println!("idle         {:6.1} KiB of resident memory an association", bench.idle(idle));
}

struct Bench {
    clients: SslContext,
    ours: ServerContext,
    bare: SslContext,
    credentials: HashMap<PskIdentity, (Credential, Kpsa)>,
    now: Timestamp,
    source: SocketAddr,
}

impl Bench {
    fn new() -> Self {
        let mut clients = SslContext::builder(SslMethod::tls_client()).unwrap();
        clients.set_cipher_list(OPENSSL_SUITE).unwrap();
        clients.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        clients.set_options(SslOptions::NO_TICKET);
        clients.set_psk_client_callback(|_, _, identity, key| {
            let sent = text(CREDENTIALS / 2);
            identity[..sent.len()].copy_from_slice(sent.as_bytes());
            key[..16].copy_from_slice(&[7; 16]);
            Ok(16)
        });

        // The settings that ours has, so that the difference is what we add.
        let mut bare = SslContext::builder(SslMethod::tls_server()).unwrap();
        bare.set_cipher_list(OPENSSL_SUITE).unwrap();
        bare.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        bare.set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
        bare.set_session_cache_mode(SslSessionCacheMode::OFF);
        bare.set_mode(SslMode::RELEASE_BUFFERS);
        bare.set_groups_list("P-256").unwrap();
        bare.set_psk_server_callback(|_, _, key| {
            key[..16].copy_from_slice(&[7; 16]);
            Ok(16)
        });

        let policy = SuitePolicy::from_names([SUITE]).unwrap();
        Self {
            clients: clients.build(),
            ours: ServerContext::new(&policy, ServerNames::Any).unwrap(),
            bare: bare.build(),
            credentials: (0..CREDENTIALS).map(credential).collect(),
            now: "20260101T000000".parse().unwrap(),
            source: "127.0.0.1:1".parse().unwrap(),
        }
    }

    fn client(&self) -> SslStream<Pipe> {
        let mut ssl = Ssl::new(&self.clients).unwrap();
        ssl.set_connect_state();
        SslStream::new(ssl, Pipe::default()).unwrap()
    }

    /// Microseconds of CPU of one handshake, mean of a batch.
    fn ours(&self) -> f64 {
        let mut clients: Vec<_> = (0..BATCH).map(|_| self.client()).collect();
        let mut flights: Vec<_> = clients.iter_mut().map(flight).collect();
        let mut back: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        let start = cpu();
        let mut servers = Vec::with_capacity(BATCH);
        for flight in &flights {
            let mut server = Association::server(&self.ours);
            assert_eq!(server.feed(flight), flight.len());
            assert_eq!(server.step().unwrap(), Progress::WantsInput);
            let mut output = Vec::new();
            server.take_output(&mut output);
            back.push(output);
            servers.push(server);
        }
        let mut spent = cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        let start = cpu();
        let mut peers = Vec::with_capacity(BATCH);
        for (server, flight) in servers.iter_mut().zip(&flights) {
            assert_eq!(server.feed(flight), flight.len());
            peers.push(self.finish(server));
            let mut output = Vec::new();
            server.take_output(&mut output);
            back.push(output);
        }
        drop(peers);
        drop(servers);
        spent += cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        spent.as_secs_f64() * 1e6 / BATCH as f64
    }

    fn finish(&self, server: &mut Association) -> Peer {
        let Progress::NeedsKey(sent) = server.step().unwrap() else { panic!("no key asked for") };
        let identity = sent.check().unwrap();
        let (credential, key) = &self.credentials[&identity];
        usable(credential, Function::Cse, self.now).unwrap();
        let established = Established::by_key(credential);
        server.answer_key(KeyAnswer::Key(key.duplicate()));
        let Progress::Established(handshake) = server.step().unwrap() else { panic!("not established") };
        assert_eq!(handshake.proved, Proved::Key(identity));
        Peer::new(established, self.source)
    }

    /// The same of bare OpenSSL.
    fn bare(&self) -> f64 {
        let mut clients: Vec<_> = (0..BATCH).map(|_| self.client()).collect();
        let mut flights: Vec<_> = clients.iter_mut().map(flight).collect();
        let mut back: Vec<Vec<u8>> = Vec::with_capacity(BATCH);
        let start = cpu();
        let mut servers = Vec::with_capacity(BATCH);
        for flight in &flights {
            let mut ssl = Ssl::new(&self.bare).unwrap();
            ssl.set_accept_state();
            let mut server = SslStream::new(ssl, Pipe::default()).unwrap();
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
            back.push(std::mem::take(&mut server.get_mut().output));
        }
        drop(servers);
        spent += cpu() - start;
        answer(&mut clients, &mut flights, &mut back);
        spent.as_secs_f64() * 1e6 / BATCH as f64
    }

    /// KiB of resident memory of one established association that has carried a request and an answer.
    fn idle(&self, count: usize) -> f64 {
        let mut kept = Vec::with_capacity(count);
        // What the allocator keeps from before is used up first.
        let spare = count / 10;
        let mut before = 0;
        for number in 0..count + spare {
            if number == spare {
                before = resident();
            }
            let mut client = self.client();
            let mut server = Association::server(&self.ours);
            server.feed(&flight(&mut client));
            server.step().unwrap();
            client.get_mut().input.extend(server.output());
            server.consume_output(usize::MAX);
            server.feed(&flight(&mut client));
            let peer = self.finish(&mut server);
            client.get_mut().input.extend(server.output());
            server.consume_output(usize::MAX);
            client.do_handshake().unwrap();
            client.ssl_write(b"GET /in-cse HTTP/1.1\r\n\r\n").unwrap();
            server.feed(&std::mem::take(&mut client.get_mut().output));
            let mut request = [0; 100];
            while let association::ReadOutcome::Data(_) = server.read(&mut request).unwrap() {}
            server.write(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap();
            server.consume_output(usize::MAX);
            kept.push((server, peer));
        }
        let after = resident();
        drop(kept);
        after.saturating_sub(before) as f64 / 1024.0 / count as f64
    }
}

fn text(number: usize) -> String {
    format!("device-{number:06}@home.example.org")
}

fn credential(number: usize) -> (PskIdentity, (Credential, Kpsa)) {
    let identity: PskIdentity = text(number).parse().unwrap();
    let credential = Credential {
        function: Function::Cse,
        psk_identity: identity.clone(),
        credential_id: CredentialId::saef_key(&identity),
        kind: EntityKind::Ae,
        entity: None,
        state: CredentialState::Active,
        not_after: None,
        version: 1,
        allow_short_key: false,
    };
    let key = Kpsa::new(Secret::new(vec![7; 16]), KeyLengthPolicy::Strict).unwrap();
    (identity, (credential, key))
}

/// Resident memory of this process in octets.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size()
}
