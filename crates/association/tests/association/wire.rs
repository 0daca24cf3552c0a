//! Two ends and the octets between them, as the tests of this crate need them.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
};

use association::{
    Association, ClientContext, ClientPsk, Error, Handshake, IdentityAsSent, KeyAnswer, Presented, Progress,
    ReadOutcome, ServerContext, ServerNames, SessionAnswer, SessionHandle, SuitePolicy, Verdict,
};
use keys::{KeyLengthPolicy, Kpsa, Secret};
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslMethod, SslStream};

pub(crate) const IDENTITY: &str = "light1@home.example.org";

pub(crate) fn key(octet: u8) -> Kpsa {
    Kpsa::new(Secret::new(vec![octet; 16]), KeyLengthPolicy::Strict).unwrap()
}

pub(crate) fn psk(octet: u8) -> ClientPsk {
    ClientPsk { identity: IDENTITY.parse().unwrap(), key: key(octet) }
}

pub(crate) fn policy(name: &str) -> SuitePolicy {
    SuitePolicy::from_names([name]).unwrap()
}

pub(crate) fn server(policy: &SuitePolicy) -> Association {
    Association::server(&ServerContext::new(policy, ServerNames::Any).unwrap())
}

pub(crate) fn client(policy: &SuitePolicy, psk: ClientPsk) -> Association {
    Association::client(&ClientContext::new(policy).unwrap(), psk, Some("home.example.org")).unwrap()
}

/// One record as somebody on the wire sees it: content type, length, and what it says if it is a plaintext
/// alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) content_type: u8,
    pub(crate) octets: usize,
    pub(crate) alert: Option<[u8; 2]>,
}

pub(crate) fn records(mut octets: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    while let [content_type, _, _, high, low, rest @ ..] = octets {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let alert = (*content_type == 21 && length == 2).then(|| [rest[0], rest[1]]);
        seen.push(Seen { content_type: *content_type, octets: length, alert });
        octets = &rest[length..];
    }
    assert!(octets.is_empty(), "half a record: {octets:?}");
    seen
}

/// The alert that ends a flight of records, as (level, description).
pub(crate) fn last_alert(octets: &[u8]) -> Option<[u8; 2]> {
    records(octets).last().and_then(|record| record.alert)
}

/// How a handshake went.
pub(crate) struct Run {
    pub(crate) client: Result<Handshake, Error>,
    pub(crate) server: Result<Handshake, Error>,
    pub(crate) from_client: Vec<u8>,
    pub(crate) from_server: Vec<u8>,
}

impl Run {
    fn new() -> Self {
        let nothing = || Err(Error::ClosedInHandshake);
        Self { client: nothing(), server: nothing(), from_client: Vec::new(), from_server: Vec::new() }
    }
}

/// How a test answers a server.
pub(crate) struct Answers<'a> {
    pub(crate) key: &'a mut dyn FnMut(&IdentityAsSent) -> KeyAnswer,
    pub(crate) verdict: &'a mut dyn FnMut(&Presented) -> Verdict,
    pub(crate) session: &'a mut dyn FnMut(&SessionHandle) -> SessionAnswer,
}

impl Answers<'_> {
    /// Drives an end until it needs input or is through.
    fn progress(&mut self, end: &mut Association, result: &mut Result<Handshake, Error>, over: &mut bool) {
        while !*over {
            match end.step() {
                Ok(Progress::WantsInput) => break,
                Ok(Progress::NeedsKey(identity)) => end.answer_key((self.key)(&identity)),
                Ok(Progress::NeedsSession(handle)) => end.answer_session((self.session)(&handle)),
                Ok(Progress::NeedsVerdict(presented)) => end.answer_verdict((self.verdict)(&presented)),
                Ok(Progress::Established(handshake)) => (*result, *over) = (Ok(handshake), true),
                Err(error) => (*result, *over) = (Err(error), true),
            }
        }
    }

    /// Carries octets between the ends in pieces of `piece` octets until neither has any more.
    /// `alter` sees each of the client's flights before the server does.
    pub(crate) fn run(
        &mut self,
        client: &mut Association,
        server: &mut Association,
        piece: usize,
        mut alter: impl FnMut(Vec<u8>) -> Vec<u8>,
    ) -> Run {
        let mut run = Run::new();
        let mut over = [false; 2];
        loop {
            self.progress(client, &mut run.client, &mut over[0]);
            let mut flight = Vec::new();
            client.take_output(&mut flight);
            let flight = alter(flight);
            for part in flight.chunks(piece) {
                let mut part = part;
                while !part.is_empty() {
                    let taken = server.feed(part);
                    part = &part[taken..];
                    self.progress(server, &mut run.server, &mut over[1]);
                }
            }
            run.from_client.extend(&flight);
            let mut back = Vec::new();
            server.take_output(&mut back);
            for part in back.chunks(piece) {
                assert_eq!(client.feed(part), part.len());
                self.progress(client, &mut run.client, &mut over[0]);
            }
            run.from_server.extend(&back);
            if back.is_empty() && client.output().is_empty() {
                return run;
            }
        }
    }
}

/// Like [`Answers::run`] with a server that is asked for keys only.
pub(crate) fn run_altered(
    client: &mut Association,
    server: &mut Association,
    piece: usize,
    mut answer: impl FnMut(&IdentityAsSent) -> KeyAnswer,
    alter: impl FnMut(Vec<u8>) -> Vec<u8>,
) -> Run {
    let mut answers = Answers {
        key: &mut answer,
        verdict: &mut |presented| panic!("asked for a verdict on {presented:?}"),
        session: &mut |handle| panic!("asked for session {handle:?}"),
    };
    answers.run(client, server, piece, alter)
}

pub(crate) fn run(
    client: &mut Association,
    server: &mut Association,
    piece: usize,
    answer: impl FnMut(&IdentityAsSent) -> KeyAnswer,
) -> Run {
    run_altered(client, server, piece, answer, |flight| flight)
}

/// Two ends that have finished a handshake.
pub(crate) fn established(policy: &SuitePolicy) -> (Association, Association, Handshake, Handshake) {
    let (mut client, mut server) = (client(policy, psk(7)), server(policy));
    let run = run(&mut client, &mut server, 1 << 16, |_| KeyAnswer::Key(key(7)));
    (client, server, run.client.unwrap(), run.server.unwrap())
}

pub(crate) fn carry(from: &mut Association, to: &mut Association) {
    let mut octets = Vec::new();
    from.take_output(&mut octets);
    assert_eq!(to.feed(&octets), octets.len());
}

pub(crate) fn read_all(end: &mut Association) -> (Vec<u8>, Result<ReadOutcome, Error>) {
    let mut all = Vec::new();
    let mut part = [0; 1000];
    loop {
        match end.read(&mut part) {
            Ok(ReadOutcome::Data(count)) => all.extend(&part[..count]),
            other => return (all, other),
        }
    }
}

/// A transport for an OpenSSL of its own, where a test needs a peer that ours cannot be.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    pub(crate) input: VecDeque<u8>,
    pub(crate) output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.input.read(out) }
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client of plain OpenSSL with the identity and key of [`psk`]`(7)`, set up by `with`.
pub(crate) fn bare_client(with: impl FnOnce(&mut SslContextBuilder)) -> SslStream<Pipe> {
    let mut context = SslContext::builder(SslMethod::tls()).unwrap();
    context.set_psk_client_callback(|_, _, identity, key| {
        identity[..IDENTITY.len()].copy_from_slice(IDENTITY.as_bytes());
        key[..16].copy_from_slice(&[7; 16]);
        Ok(16)
    });
    with(&mut context);
    let mut ssl = Ssl::new(&context.build()).unwrap();
    ssl.set_connect_state();
    SslStream::new(ssl, Pipe::default()).unwrap()
}

/// Carries octets between a plain client and ours until neither has any more.
pub(crate) fn run_bare(client: &mut SslStream<Pipe>, server: &mut Association) -> Run {
    let mut answers = Answers {
        key: &mut |_| KeyAnswer::Key(key(7)),
        verdict: &mut |_| Verdict::Accept,
        session: &mut |_| SessionAnswer::Full,
    };
    answers.run_bare(client, server)
}

impl Answers<'_> {
    /// Like [`Answers::run`] with a client of plain OpenSSL.
    pub(crate) fn run_bare(&mut self, client: &mut SslStream<Pipe>, server: &mut Association) -> Run {
        let mut run = Run::new();
        let mut over = false;
        loop {
            let _ = client.do_handshake();
            let flight = std::mem::take(&mut client.get_mut().output);
            let mut rest = flight.as_slice();
            while !rest.is_empty() {
                let taken = server.feed(rest);
                rest = &rest[taken..];
                self.progress(server, &mut run.server, &mut over);
            }
            run.from_client.extend(&flight);
            let mut back = Vec::new();
            server.take_output(&mut back);
            client.get_mut().input.extend(&back);
            run.from_server.extend(&back);
            if back.is_empty() && flight.is_empty() {
                return run;
            }
        }
    }
}
