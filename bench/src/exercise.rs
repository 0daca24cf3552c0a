//! A bit of everything that a registrar does under load, bounded by counts. Nothing is measured: a build for production
//! learns from it what is done often.
//!
//! Symmetric keys are by far the most, as in the field. Every server ends in good order, for only then does an
//! instrumented one write down what it did.

use std::path::Path;
use std::time::Duration;

use openssl::ssl::{SslContext, SslFiletype, SslOptions, SslSessionRef, SslVerifyMode};

use crate::credentials::{Credential, Credentials};
use crate::load::{self, ConnectionError, Load};
use crate::servers::{Attache, CSE, Installation, Operation, Server, Settings};
use crate::{Error, directory};

/// Devices that connect, of all that have a credential.
const SAMPLE: usize = 1_000;

/// Devices that register at the same time.
const REGISTRANTS: usize = 64;

/// The suites, besides the mandatory one, that clients get from a server with its default settings, in OpenSSL's
/// spelling; the first is the one that a client which knows all of them gets.
const MODERN: [&str; 4] =
    ["ECDHE-PSK-CHACHA20-POLY1305", "ECDHE-PSK-AES128-CBC-SHA256", "PSK-AES128-GCM-SHA256", "PSK-AES128-CCM"];

/// Suites of peers with certificates; that which oneM2M makes mandatory comes last.
const CERTIFIED: [&str; 2] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256"];

/// Takes symmetric keys as well as certificates.
const CERTIFICATES: &str = "[listener.certificate]\nchain_file = \"in.pem\"\nkey_file = \"in.key.pem\"\n\n\
                            [listener.clients]\nanchors_file = \"pki/root.pem\"\ncrl_file = \"pki/crl.pem\"";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Connections of the most frequent kind; of others there are in proportion.
    #[arg(long, default_value_t = 4_000)]
    connections: usize,
    /// Size of the larger one of the two credential sets.
    #[arg(long, default_value_t = 10_000)]
    credentials: usize,
}

pub(crate) fn run(arguments: &Arguments, attache: &Path, seed: u64) -> Result<(), Error> {
    // A bound on the time is for measurements.
    let load = Load { clients: 4, connections: arguments.connections, span: Duration::MAX, seed };
    keys(&load, attache, &Credentials::new(1, SAMPLE, seed), &Settings::default())?;
    let modern = Settings { listener: "", ..Settings::default() };
    keys(&load, attache, &Credentials::new(arguments.credentials, SAMPLE, seed), &modern)?;
    certificates(&load, attache, seed)
}

/// A server and devices with symmetric keys.
fn keys(
    load: &Load,
    attache: &Path,
    credentials: &Credentials,
    settings: &Settings<'_>,
) -> Result<(), Error> {
    eprintln!("{} symmetric keys", credentials.len());
    let directory = directory()?;
    let installation = Installation::new(attache, credentials, directory.path(), settings)?;
    let server = installation.serve();
    server.register_all(REGISTRANTS, credentials)?;
    let registered = installation.registrations(SAMPLE)?;
    if registered != credentials.sample().len() {
        let problem = format!("{registered} of {} are registered", credentials.sample().len());
        return Err(Error::Server { server: server.name(), problem });
    }
    let crowd = Load { clients: 32, ..*load };
    load.put_on(&server, credentials)?;
    crowd.put_on(&server, credentials)?;
    let server = server.kept_alive(true);
    load.put_on(&server, credentials)?;
    crowd.put_on(&server, credentials)?;
    // With its default settings it has other suites than the one.
    if settings.listener.is_empty() {
        for suite in MODERN {
            part(load, 4).repeat(credentials.sample(), |credential| {
                server.named(&credential.identity, || {
                    let mut stream = load::open_with(suite, server.address(), credential)?;
                    server.ask(&mut stream, credential)?;
                    load::close(&mut stream);
                    Ok(())
                })
            })?;
        }
    }
    lives(&server, credentials)?;
    refusals(load, &server, credentials)?;
    server.end()
}

/// Several requests of each device on one association.
fn lives(server: &Attache, credentials: &Credentials) -> Result<(), Error> {
    use Operation::{Deregister, Register, Retrieve, Update};
    load::each(REGISTRANTS, credentials, |credential| {
        server.named(&credential.identity, || {
            let mut stream = load::open(server.address(), credential)?;
            for operation in [Retrieve, Update, Retrieve, Deregister, Register, Retrieve] {
                server.request(&mut stream, &credential.stem, operation)?;
            }
            load::close(&mut stream);
            Ok(())
        })
    })
}

/// Handshakes of whom nobody knows, and with other keys than are known.
fn refusals(load: &Load, server: &Attache, credentials: &Credentials) -> Result<(), Error> {
    // The same identities, with other keys.
    let wrong = Credentials::new(credentials.len(), SAMPLE, load.seed.wrapping_add(1));
    let unknown = |known: &Credential| Credential {
        identity: format!("un{}", known.identity),
        key: known.key,
        stem: known.stem.clone(),
    };
    let refused = |credential: &Credential| {
        server.named(&credential.identity, || refusal(load::open(server.address(), credential)))
    };
    part(load, 8).repeat(wrong.sample(), |credential| refused(credential))?;
    part(load, 8).repeat(credentials.sample(), |credential| refused(&unknown(credential)))?;
    Ok(())
}

/// The handshake has to have been refused.
fn refusal<T>(outcome: Result<T, ConnectionError>) -> Result<(), ConnectionError> {
    match outcome {
        Err(ConnectionError::Handshake(_)) => Ok(()),
        Err(other) => Err(other),
        Ok(_) => Err(ConnectionError::Admitted),
    }
}

/// A peer with a certificate that connects in one way.
struct Peer {
    name: &'static str,
    suite: &'static str,
    context: SslContext,
    /// To be resumed.
    session: Option<Vec<u8>>,
}

impl Peer {
    /// With the files that `attache pki issue --out NAME` has left in `place`.
    fn new(name: &'static str, suite: &'static str, tickets: bool, place: &Path) -> Result<Self, Error> {
        let context = || {
            let mut builder = load::client(suite)?;
            builder.set_certificate_chain_file(place.join(format!("{name}.pem")))?;
            builder.set_private_key_file(place.join(format!("{name}.key.pem")), SslFiletype::PEM)?;
            builder.set_ca_file(place.join("pki/root.pem"))?;
            builder.set_verify(SslVerifyMode::PEER);
            if !tickets {
                builder.set_options(SslOptions::NO_TICKET);
            }
            Ok(builder.build())
        };
        let context = context().map_err(|error: openssl::error::ErrorStack| Error::Connection {
            server: "attache",
            identity: name.to_owned(),
            source: error.into(),
        })?;
        Ok(Self { name, suite, context, session: None })
    }

    /// Its AE-ID-Stem.
    fn stem(&self) -> String {
        stem(self.name)
    }

    /// A connection with these requests; returns the session.
    fn connect(
        &self,
        server: &Attache,
        operations: &[Operation],
    ) -> Result<Option<Vec<u8>>, ConnectionError> {
        let session = self.session.as_deref();
        let mut stream = load::handshake(server.address(), self.suite, &self.context, session)?;
        for operation in operations {
            server.request(&mut stream, &self.stem(), *operation)?;
        }
        load::close(&mut stream);
        Ok(stream.ssl().session().map(SslSessionRef::to_der).transpose()?)
    }
}

fn stem(name: &str) -> String {
    format!("C{name}")
}

/// A server and devices with certificates: one is known by the hash of its key, one by its name in a certificate of an
/// authority, one is unknown. Beside them, devices with symmetric keys.
fn certificates(load: &Load, attache: &Path, seed: u64) -> Result<(), Error> {
    eprintln!("certificates");
    let directory = directory()?;
    let place = directory.path();
    let credentials = Credentials::new(SAMPLE, SAMPLE, seed);
    let settings = Settings { kind: "in", listener: CERTIFICATES, ..Settings::default() };
    let installation = Installation::new(attache, &credentials, place, &settings)?;
    let domain = CSE.split('/').nth(2).unwrap_or_default();
    installation.pki(&["init", "--domain", domain])?;
    installation.pki(&["crl"])?;
    installation.pki(&["issue", "--cse-id", CSE, "--out", "in"])?;
    installation.pki(&["issue", "--ae-id", &format!("{CSE}/{}", stem("phone")), "--out", "phone"])?;
    for name in ["lamp", "stranger"] {
        installation.pki(&["issue", "--self-signed", name, "--out", name])?;
    }
    installation.enrol("lamp.pem", &stem("lamp"))?;
    let server = installation.serve();
    server.register_all(REGISTRANTS, &credentials)?;
    load.put_on(&server, &credentials)?;

    let mut full = Vec::new();
    let mut resumed = Vec::new();
    let mut unknown = Vec::new();
    for suite in CERTIFIED {
        for name in ["lamp", "phone"] {
            full.push(Peer::new(name, suite, true, place)?);
            for tickets in [true, false] {
                resumed.push(Peer::new(name, suite, tickets, place)?);
            }
        }
        unknown.push(Peer::new("stranger", suite, true, place)?);
    }
    for peer in full.iter().take(2) {
        server.named(peer.name, || peer.connect(&server, &[Operation::Register]))?;
    }
    for peer in &mut resumed {
        peer.session = server.named(peer.name, || peer.connect(&server, &[Operation::Retrieve]))?;
    }
    let connect =
        |peer: &Peer| server.named(peer.name, || peer.connect(&server, &[Operation::Retrieve]).map(drop));
    part(load, 4).repeat(&full, connect)?;
    part(load, 4).repeat(&resumed, connect)?;
    part(load, 20)
        .repeat(&unknown, |peer| server.named(peer.name, || refusal(peer.connect(&server, &[]))))?;
    server.end()
}

/// So many times fewer connections.
fn part(load: &Load, fewer: usize) -> Load {
    Load { connections: load.connections.div_ceil(fewer), ..*load }
}
