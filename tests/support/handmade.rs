//! A client of TLS 1.2 written out by hand, for what no library lets a client send. It knows one suite,
//! `TLS_PSK_WITH_AES_128_GCM_SHA256` (RFC 5246, RFC 4279, RFC 5487), and makes no mistake but those it is told to.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use aes_gcm::{AeadInOut as _, Aes128Gcm, Nonce, aead::consts::U12};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

/// `TLS_PSK_WITH_AES_128_GCM_SHA256`.
pub(crate) const SUITE: u16 = 0x00A8;
pub(crate) const TLS_1_2: [u8; 2] = [3, 3];

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const SERVER_HELLO_DONE: u8 = 14;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const FINISHED: u8 = 20;
const MAX_RECORD: usize = 1 << 14;

/// What the ClientHello offers.
pub(crate) struct Hello<'a> {
    /// The version of its record and the one that it asks for.
    pub(crate) version: [u8; 2],
    pub(crate) suites: &'a [u16],
    pub(crate) extensions: &'a [u8],
}

impl Default for Hello<'_> {
    fn default() -> Self {
        Self { version: TLS_1_2, suites: &[SUITE], extensions: &[] }
    }
}

/// All that a client learns from an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Learnt {
    /// Content type and length of every record, in order.
    pub(crate) records: Vec<(u8, usize)>,
    /// Level and description of the alert, if the attempt ended in a plain one.
    pub(crate) alert: Option<[u8; 2]>,
    /// Whether the server's Finished came.
    pub(crate) established: bool,
}

/// The record of a ClientHello.
pub(crate) fn hello_record(hello: &Hello<'_>) -> Vec<u8> {
    record(HANDSHAKE, &message(CLIENT_HELLO, &hello_body(hello)))
}

/// The record of a ClientKeyExchange without a Diffie-Hellman value.
pub(crate) fn key_exchange_record(identity: &[u8]) -> Vec<u8> {
    record(HANDSHAKE, &message(CLIENT_KEY_EXCHANGE, &key_exchange_body(identity)))
}

/// Sends a ClientHello that the server will not like, and reads to the end of the connection.
pub(crate) fn greet(address: SocketAddr, hello: &Hello<'_>) -> Learnt {
    let mut client = Client::over(TcpStream::connect(address).unwrap());
    client.send_handshake(CLIENT_HELLO, &hello_body(hello));
    client.read_out();
    client.learnt
}

/// Attaches with these very octets for an identity, proving `key`, and reads what comes of it.
pub(crate) fn attach(address: SocketAddr, identity: &[u8], key: &[u8]) -> Learnt {
    attach_over(TcpStream::connect(address).unwrap(), identity, key)
}

/// The same on a connection that is there.
pub(crate) fn attach_over(tcp: TcpStream, identity: &[u8], key: &[u8]) -> Learnt {
    let mut client = Client::over(tcp);
    client.send_handshake(CLIENT_HELLO, &hello_body(&Hello::default()));
    let server_random = client.server_flight();
    client.send_handshake(CLIENT_KEY_EXCHANGE, &key_exchange_body(identity));

    let secret = PreShared { key, server_random };
    client.send(CHANGE_CIPHER_SPEC, &[1]);
    let finished = secret.finished(&client.transcript);
    client.send(HANDSHAKE, &finished);
    client.read_out();
    client.learnt
}

/// The same, with everything that follows the server's flight in one go, and how long the answer to that took.
pub(crate) fn attach_timed(address: SocketAddr, identity: &[u8], key: &[u8]) -> (Learnt, Duration) {
    let tcp = TcpStream::connect(address).unwrap();
    tcp.set_nodelay(true).unwrap();
    let mut client = Client::over(tcp);
    client.send_handshake(CLIENT_HELLO, &hello_body(&Hello::default()));
    let server_random = client.server_flight();
    let key_exchange = message(CLIENT_KEY_EXCHANGE, &key_exchange_body(identity));
    client.transcript.extend(&key_exchange);
    let finished = PreShared { key, server_random }.finished(&client.transcript);
    let last =
        [record(HANDSHAKE, &key_exchange), record(CHANGE_CIPHER_SPEC, &[1]), record(HANDSHAKE, &finished)];
    let begun = Instant::now();
    client.tcp.write_all(&last.concat()).unwrap();
    client.read_out();
    (client.learnt, begun.elapsed())
}

const CLIENT_RANDOM: [u8; 32] = [0x5A; 32];

fn hello_body(hello: &Hello<'_>) -> Vec<u8> {
    let suites: Vec<u8> = hello.suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let mut body = hello.version.to_vec();
    body.extend(CLIENT_RANDOM);
    body.push(0);
    body.extend(u16::try_from(suites.len()).unwrap().to_be_bytes());
    body.extend(suites);
    body.extend([1, 0]);
    if !hello.extensions.is_empty() {
        body.extend(u16::try_from(hello.extensions.len()).unwrap().to_be_bytes());
        body.extend(hello.extensions);
    }
    body
}

fn key_exchange_body(identity: &[u8]) -> Vec<u8> {
    [&u16::try_from(identity.len()).unwrap().to_be_bytes(), identity].concat()
}

fn record(content_type: u8, payload: &[u8]) -> Vec<u8> {
    let [version, minor] = TLS_1_2;
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [&[content_type, version, minor, high, low], payload].concat()
}

struct Client {
    tcp: TcpStream,
    transcript: Vec<u8>,
    learnt: Learnt,
}

impl Client {
    fn over(tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(testkit::DEADLINE)).unwrap();
        Self {
            tcp,
            transcript: Vec::new(),
            learnt: Learnt { records: Vec::new(), alert: None, established: false },
        }
    }

    fn send(&mut self, content_type: u8, payload: &[u8]) {
        for part in payload.chunks(MAX_RECORD) {
            // A server that has had enough says why; that it does not listen any more is no news then.
            let _ = self.tcp.write_all(&record(content_type, part));
        }
    }

    fn send_handshake(&mut self, kind: u8, body: &[u8]) {
        let message = message(kind, body);
        self.transcript.extend(&message);
        self.send(HANDSHAKE, &message);
    }

    /// The next record, or `None` at the end of the connection.
    fn record(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut header = [0; 5];
        self.tcp.read_exact(&mut header).ok()?;
        let [content_type, _, _, high, low] = header;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([high, low]))];
        self.tcp.read_exact(&mut payload).ok()?;
        self.learnt.records.push((content_type, payload.len()));
        Some((content_type, payload))
    }

    /// Reads up to ServerHelloDone; gives the server's random.
    fn server_flight(&mut self) -> [u8; 32] {
        let mut random = [0; 32];
        let mut flight = Vec::new();
        loop {
            let (content_type, payload) = self.record().unwrap();
            assert_eq!(content_type, HANDSHAKE, "{payload:?}");
            flight.extend(payload);
            while let [kind, _, high, low, rest @ ..] = flight.as_slice() {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(body) = rest.get(..length) else { break };
                if *kind == SERVER_HELLO {
                    random.copy_from_slice(&body[2..34]);
                }
                let (kind, message) = (*kind, 4 + length);
                self.transcript.extend(flight.drain(..message));
                if kind == SERVER_HELLO_DONE {
                    return random;
                }
            }
        }
    }

    /// Reads until the server has closed, or is established and says no more.
    fn read_out(&mut self) {
        let mut changed = false;
        while let Some((content_type, payload)) = self.record() {
            match (content_type, payload.as_slice()) {
                (ALERT, [level, description]) => self.learnt.alert = Some([*level, *description]),
                (CHANGE_CIPHER_SPEC, _) => changed = true,
                (HANDSHAKE, _) if changed => {
                    self.learnt.established = true;
                    return;
                }
                _ => {}
            }
        }
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

struct PreShared<'a> {
    key: &'a [u8],
    server_random: [u8; 32],
}

impl PreShared<'_> {
    /// The encrypted Finished (RFC 5246 §7.4.9, RFC 5288 §3).
    fn finished(&self, transcript: &[u8]) -> Vec<u8> {
        let length = u16::try_from(self.key.len()).unwrap().to_be_bytes();
        let zeros = vec![0; self.key.len()];
        let premaster = [&length, zeros.as_slice(), &length, self.key].concat();
        let seed = [CLIENT_RANDOM, self.server_random].concat();
        let master = prf(&premaster, b"master secret", &seed, 48);
        let seed = [self.server_random, CLIENT_RANDOM].concat();
        let block = prf(&master, b"key expansion", &seed, 40);
        let (write_key, salt) = (&block[..16], &block[32..36]);

        let verify = prf(&master, b"client finished", &Sha256::digest(transcript), 12);
        let mut payload = message(FINISHED, &verify);
        let explicit = [0; 8];
        let mut nonce = [0; 12];
        nonce[..4].copy_from_slice(salt);
        let [version, minor] = TLS_1_2;
        let associated = [&[0; 8][..], &[HANDSHAKE, version, minor, 0, 16]].concat();
        let cipher = Aes128Gcm::new_from_slice(write_key).unwrap();
        let tag = cipher
            .encrypt_inout_detached(&Nonce::<U12>::from(nonce), &associated, payload.as_mut_slice().into())
            .unwrap();
        [&explicit, payload.as_slice(), &tag].concat()
    }
}

/// RFC 5246 §5 with SHA-256.
fn prf(secret: &[u8], label: &[u8], seed: &[u8], octets: usize) -> Vec<u8> {
    let mac = |parts: &[&[u8]]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes()
    };
    let seed = [label, seed].concat();
    let mut out = Vec::new();
    let mut a = mac(&[&seed]);
    while out.len() < octets {
        out.extend(mac(&[&a, &seed]));
        a = mac(&[&a]);
    }
    out.truncate(octets);
    out
}
