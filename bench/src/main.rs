//! Server CPU per connection: new TCP connection, full TLS-PSK handshake, one request, close.
//!
//! Two servers in one interleaved run: `attache serve`, asked by HTTP to RETRIEVE the device's own `<AE>`, and
//! `mosquitto`, asked by MQTT to CONNECT. Both take `TLS_PSK_WITH_AES_128_CBC_SHA256` in TLS 1.2 and hold the
//! same credentials. The client asserts on every connection that it got that suite, and that the session is no
//! resumed one. BENCHMARKS.md says how to run this and what came out.
//!
//! ```text
//! credentials.rs  the seeded set of identities and keys
//! servers/        how each server is configured, filled, started and asked
//! load.rs         connections from several threads
//! proc.rs         CPU time and memory of a process tree
//! report.rs       medians and the table
//! ```

mod credentials;
mod load;
mod proc;
mod report;
mod servers;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use credentials::Credentials;
use load::Load;
use report::{Measured, Report};
use servers::{Attache, Mosquitto, Server};

/// Measures server CPU per TLS-PSK connection, attache beside mosquitto.
#[derive(Debug, Parser)]
struct Arguments {
    /// Connections per server and round, unless `--seconds` end the round first.
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// Rounds per server; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Sizes of the credential set, each measured by itself.
    #[arg(long, value_delimiter = ',', default_value = "1,1000000")]
    credentials: Vec<NonZeroUsize>,
    /// How many of them, drawn uniformly, connect (all when there are fewer); attache registers their AEs first.
    #[arg(long, default_value_t = 1_000)]
    sample: usize,
    /// Connections open at the same time.
    #[arg(long, default_value_t = 4)]
    clients: usize,
    /// A round of one server ends after this time.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Draws the keys and the identities that connect.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Servers to measure.
    #[arg(long, value_delimiter = ',', default_value = "attache,mosquitto")]
    servers: Vec<String>,
    /// The attache binary; build it with `cargo build --release` first.
    #[arg(long, default_value = "target/release/attache")]
    attache: PathBuf,
}

/// What keeps a measurement from being made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{doing}")]
    Io { doing: String, source: std::io::Error },
    #[error("no server is called `{0}`: choose from attache, mosquitto")]
    UnknownServer(String),
    #[error("connection as `{identity}` to {server}")]
    Connection { server: &'static str, identity: String, source: load::ConnectionError },
    #[error("{server} cannot be used: {problem}")]
    Server { server: &'static str, problem: String },
}

impl Error {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut report = Report::default();
    for &size in &arguments.credentials {
        for measured in measure(arguments, size.get())? {
            report.add(measured);
        }
    }
    print!("{report}");
    Ok(())
}

/// One size of the credential set: starts every server, then takes turns between them, so that whatever else
/// the machine does falls on all of them.
fn measure(arguments: &Arguments, size: usize) -> Result<Vec<Measured>, Error> {
    let directory = tempfile::tempdir().map_err(Error::io("make a directory for the servers"))?;
    let credentials = Credentials::new(size, arguments.sample, arguments.seed);
    let mut measured = Vec::new();
    let mut running = Vec::new();
    for name in &arguments.servers {
        eprintln!("{name}: starting with {size} credentials");
        let place = directory.path().join(name);
        std::fs::create_dir(&place).map_err(Error::io(format!("make {}", place.display())))?;
        let server: Box<dyn Server> = match name.as_str() {
            "attache" => Box::new(Attache::start(&arguments.attache, &credentials, &place)?),
            "mosquitto" => Box::new(Mosquitto::start(&credentials, &place)?),
            other => return Err(Error::UnknownServer(other.to_owned())),
        };
        measured.push(Measured::new(server.name(), size));
        running.push(server);
    }
    let mut load = Load {
        clients: arguments.clients,
        connections: arguments.connections,
        span: Duration::from_secs(arguments.seconds),
        seed: arguments.seed,
    };
    // The first connections fill caches and page in code; they are not counted.
    for server in &running {
        Load { connections: arguments.connections.min(200), ..load }.put_on(server.as_ref(), &credentials)?;
    }
    for round in 0..arguments.rounds {
        load.seed = load.seed.wrapping_add(1);
        for (server, measured) in running.iter().zip(&mut measured) {
            let before = proc::cpu(server.process())?;
            let done = load.put_on(server.as_ref(), &credentials)?;
            let used = proc::cpu(server.process())?.saturating_sub(before);
            measured.add_round(done, used);
            eprintln!("{}: round {}: {done} connections, {used:?} CPU", server.name(), round + 1);
        }
    }
    for (server, measured) in running.iter().zip(&mut measured) {
        measured.set_resident(proc::resident(server.process())?);
    }
    Ok(measured)
}
