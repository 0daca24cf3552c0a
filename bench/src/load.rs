//! Connections, one after the other on each of several threads.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use openssl::ssl::{
    HandshakeError, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslSessionCacheMode,
    SslStream, SslVersion,
};
use testkit::Draws;

use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::servers::Server;

/// The suite that oneM2M makes mandatory for PSK over TLS (TS-0003 §10.2.2), in OpenSSL's spelling.
const SUITE: &str = "PSK-AES128-CBC-SHA256";

/// A server that takes longer than this for one message is broken, not slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much load to put on a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) connections: usize,
    pub(crate) span: Duration,
    pub(crate) seed: u64,
}

/// Why one connection did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("the connection broke")]
    Io(#[from] std::io::Error),
    #[error("OpenSSL refused")]
    Openssl(#[from] openssl::error::ErrorStack),
    #[error("the handshake failed: {0}")]
    Handshake(String),
    #[error("negotiated {suite} in {version} instead of {wanted} in TLSv1.2")]
    Suite { suite: String, version: &'static str, wanted: &'static str },
    #[error("the session was {}resumed", if *.resumed { "" } else { "not " })]
    Session { resumed: bool },
    #[error("the handshake should have been refused")]
    Admitted,
    #[error("unexpected answer: {0}")]
    Answer(String),
}

impl Load {
    /// Opens connections until there were enough or the time is over, and returns how many there were.
    pub(crate) fn put_on(&self, server: &dyn Server, credentials: &Credentials) -> Result<usize, Error> {
        self.repeat(credentials.sample(), |credential| connect_once(server, credential))
    }

    /// Does `visit`, each time with one that is drawn from `all`, until it was done often enough or the time is over, and
    /// returns how often that was.
    pub(crate) fn repeat<T: Sync>(
        &self,
        all: &[T],
        visit: impl Fn(&T) -> Result<(), Error> + Sync,
    ) -> Result<usize, Error> {
        let begun = AtomicUsize::new(0);
        #[expect(clippy::disallowed_methods, reason = "bounds a round; what is measured is CPU time")]
        let start = Instant::now();
        let outcomes: Vec<Result<usize, Error>> = thread::scope(|scope| {
            let clients: Vec<_> = (0_u64..)
                .take(self.clients)
                .map(|client| {
                    let (begun, visit) = (&begun, &visit);
                    let mut draws = Draws::seeded(self.seed.wrapping_mul(1_000).wrapping_add(client));
                    scope.spawn(move || {
                        let mut done = 0;
                        while begun.fetch_add(1, Ordering::Relaxed) < self.connections
                            && start.elapsed() < self.span
                        {
                            let Some(one) = draws.choose(all) else { break };
                            visit(one)?;
                            done += 1;
                        }
                        Ok(done)
                    })
                })
                .collect();
            clients.into_iter().filter_map(|client| client.join().ok()).collect()
        });
        outcomes.into_iter().sum()
    }
}

/// Does `visit` once for each device of the sample, `clients` of them at the same time.
pub(crate) fn each<'a>(
    clients: usize,
    credentials: &'a Credentials,
    visit: impl Fn(&'a Credential) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    let next = AtomicUsize::new(0);
    let outcomes: Vec<Result<(), Error>> = thread::scope(|scope| {
        let client = || {
            while let Some(credential) = credentials.sample().get(next.fetch_add(1, Ordering::Relaxed)) {
                visit(credential)?;
            }
            Ok(())
        };
        let clients: Vec<_> = (0..clients).map(|_| scope.spawn(client)).collect();
        clients.into_iter().filter_map(|client| client.join().ok()).collect()
    });
    outcomes.into_iter().collect()
}

fn connect_once(server: &dyn Server, credential: &Credential) -> Result<(), Error> {
    let attempt = || {
        let mut stream = open(server.address(), credential)?;
        server.ask(&mut stream, credential)?;
        close(&mut stream);
        Ok(())
    };
    attempt().map_err(|source| Error::Connection {
        server: server.name(),
        identity: credential.identity.clone(),
        source,
    })
}

/// A new TCP connection and a full handshake, checked.
pub(crate) fn open(
    address: SocketAddr,
    credential: &Credential,
) -> Result<SslStream<TcpStream>, ConnectionError> {
    open_with(SUITE, address, credential)
}

/// The same with another suite.
pub(crate) fn open_with(
    suite: &'static str,
    address: SocketAddr,
    credential: &Credential,
) -> Result<SslStream<TcpStream>, ConnectionError> {
    handshake(address, suite, &context(suite, credential)?, None)
}

/// A new TCP connection and a handshake with this suite, which resumes `session` if there is one and is a full one
/// otherwise.
pub(crate) fn handshake(
    address: SocketAddr,
    wanted: &'static str,
    context: &SslContext,
    session: Option<&[u8]>,
) -> Result<SslStream<TcpStream>, ConnectionError> {
    let tcp = TcpStream::connect(address)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    tcp.set_write_timeout(Some(PATIENCE))?;
    let mut ssl = Ssl::new(context)?;
    if let Some(session) = session {
        ossl::offer_session(&mut ssl, session)?;
    }
    let stream = ssl.connect(tcp).map_err(|error| match error {
        HandshakeError::SetupFailure(stack) => ConnectionError::Openssl(stack),
        HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream) => {
            ConnectionError::Handshake(stream.error().to_string())
        }
    })?;
    let ssl = stream.ssl();
    let suite = ssl.current_cipher().map_or("none", |cipher| cipher.name());
    if suite != wanted || ssl.version2() != Some(SslVersion::TLS1_2) {
        return Err(ConnectionError::Suite { suite: suite.to_owned(), version: ssl.version_str(), wanted });
    }
    let resumed = ssl.session_reused();
    if resumed != session.is_some() {
        return Err(ConnectionError::Session { resumed });
    }
    Ok(stream)
}

/// A client with one suite and the one version.
pub(crate) fn client(suite: &str) -> Result<SslContextBuilder, openssl::error::ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::tls_client())?;
    builder.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    builder.set_cipher_list(suite)?;
    Ok(builder)
}

/// Nothing to resume from. A context of its own for every connection, as a device would have.
fn context(suite: &str, credential: &Credential) -> Result<SslContext, openssl::error::ErrorStack> {
    let mut builder = client(suite)?;
    builder.set_options(SslOptions::NO_TICKET);
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    let (identity, key) = (credential.identity.clone(), credential.key);
    builder.set_psk_client_callback(move |_, _, identity_out, key_out| {
        let named =
            identity.bytes().chain([0]).zip(identity_out.iter_mut()).map(|(from, to)| *to = from).count();
        let keyed = key.iter().zip(key_out.iter_mut()).map(|(from, to)| *to = *from).count();
        // No key fails the handshake: the buffers were too small.
        Ok(if named == identity.len() + 1 { keyed } else { 0 })
    });
    Ok(builder.build())
}

pub(crate) fn close(stream: &mut SslStream<TcpStream>) {
    // The measurement is done; a server that closed first is no error.
    let _ = stream.shutdown();
}

/// Reads exactly as many octets as `answer` holds.
pub(crate) fn read_exactly(
    stream: &mut SslStream<TcpStream>,
    answer: &mut [u8],
) -> Result<(), ConnectionError> {
    Ok(stream.read_exact(answer)?)
}

/// Writes all of `request`.
pub(crate) fn write(stream: &mut SslStream<TcpStream>, request: &[u8]) -> Result<(), ConnectionError> {
    Ok(stream.write_all(request)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::process::Command;
    use testkit::{Process, require};

    /// The `openssl` program as a server that knows one key, remarks on any other identity than that of
    /// `credential`, answers with what it read, backwards, and ends after two connections.
    fn server(credential: &Credential) -> (Process, SocketAddr) {
        let mut command = Command::new(require("openssl", "openssl"));
        command.args(["s_server", "-accept", "127.0.0.1:0", "-naccept", "2", "-nocert", "-tls1_2"]);
        command.args(["-cipher", "PSK", "-rev"]);
        command.args(["-psk", &credential.key_hex(), "-psk_identity", &credential.identity]);
        let process = Process::spawn(command);
        let port = process.wait_for_line("its port", |line| {
            line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.parse::<u16>().ok()
        });
        (process, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    #[test]
    fn the_measured_handshake_works_and_a_wrong_key_does_not() {
        let credentials = Credentials::new(20, 20, 1);
        let credential = &credentials.sample()[7];
        let (server, address) = server(credential);
        let mut stream = open(address, credential).expect("a full handshake with the one suite");
        write(&mut stream, b"redro ni\n").expect("write over TLS");
        let mut answer = [0; 9];
        read_exactly(&mut stream, &mut answer).expect("read over TLS");
        assert_eq!(&answer, b"in order\n");
        close(&mut stream);
        drop(stream);

        let strangers = Credentials::new(20, 20, 2);
        let stranger = &strangers.sample()[7];
        assert_eq!(stranger.identity, credential.identity);
        let refused = open(address, stranger).err();
        assert!(matches!(refused, Some(ConnectionError::Handshake(_))), "{refused:?}");

        // The program takes every identity and only remarks on a strange one, in words that come out at its end.
        let said = server.finish().stdout;
        assert!(said.contains("2 server accepts (SSL_accept())"), "{said}");
        assert!(!said.contains("PSK warning"), "{said}");
    }

    #[test]
    fn whoever_wants_to_resume_is_told_when_the_server_does_not() {
        let credentials = Credentials::new(1, 1, 1);
        let credential = &credentials.sample()[0];
        let context = context(SUITE, credential).expect("a client");
        let (_first, address) = server(credential);
        let mut stream = handshake(address, SUITE, &context, None).expect("a full handshake");
        let session = stream.ssl().session().expect("a session").to_der().expect("its octets");
        close(&mut stream);
        drop(stream);
        handshake(address, SUITE, &context, Some(&session)).expect("a resumed session");

        let (_second, address) = server(credential);
        let anew = handshake(address, SUITE, &context, Some(&session)).err();
        assert!(matches!(anew, Some(ConnectionError::Session { resumed: false })), "{anew:?}");
        let other = handshake(address, "PSK-AES128-GCM-SHA256", &context, None).err();
        assert!(matches!(other, Some(ConnectionError::Suite { .. })), "{other:?}");
    }
}
