//! Measures the built `attache` from outside, by its processes' CPU time and memory.
//!
//! ```text
//! connections    server CPU per connection, beside mosquitto and stunnel; any number of credentials
//! start          time from its start to the first handshake, and memory, per number of credentials
//! idle           memory and threads of thousands of associations that say nothing
//! registrations  durable registrations per CPU-second
//! exercise       no measurement: a bit of everything, of which a build for production learns what is done often
//! ```
//!
//! Every connection of every measurement, `exercise` apart, is a new TCP connection with a full TLS 1.2 handshake and
//! `TLS_PSK_WITH_AES_128_CBC_SHA256`; the client asserts that it got that suite, and that the session is no
//! resumed one. BENCHMARKS.md says how to run this and what came out.
//!
//! ```text
//! credentials.rs    the seeded set of identities and keys
//! servers/          how each server is configured, filled, started and asked
//! load.rs           connections from several threads
//! proc.rs           CPU time and memory of process trees
//! connections.rs … registrations.rs   one measurement each
//! exercise.rs       the bit of everything
//! report.rs         medians and the table
//! ```

mod connections;
mod credentials;
mod exercise;
mod idle;
mod load;
mod proc;
mod registrations;
mod report;
mod servers;
mod start;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures attache from outside; see BENCHMARKS.md.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    measurement: Measurement,
    /// The attache binary; build it with `cargo build --release` first.
    #[arg(long, global = true, default_value = "target/release/attache")]
    attache: PathBuf,
    /// Draws the keys and the identities that connect.
    #[arg(long, global = true, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Subcommand)]
enum Measurement {
    /// Server CPU per connection: TCP, TLS-PSK handshake, one request, close; beside mosquitto and stunnel.
    Connections(connections::Arguments),
    /// Time from starting attache to its first handshake, and its resident memory.
    Start(start::Arguments),
    /// Resident memory and threads of attache per association that idles.
    Idle(idle::Arguments),
    /// Durable AE registrations of attache, handshake included, per second of its CPU time.
    Registrations(registrations::Arguments),
    /// Measures nothing: puts load of every kind on attache, in the proportions of a deployment. `cargo xtask release`
    /// optimises for what it does then.
    Exercise(exercise::Arguments),
    /// The HTTP server behind stunnel; started by `connections`.
    #[command(hide = true)]
    Web,
}

/// What keeps a measurement from being made.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{doing}")]
    Io { doing: String, source: std::io::Error },
    #[error("no server is called `{0}`: choose from attache, mosquitto, stunnel")]
    UnknownServer(String),
    #[error("connection as `{identity}` to {server}")]
    Connection { server: &'static str, identity: String, source: load::ConnectionError },
    #[error("{server} cannot be used: {problem}")]
    Server { server: &'static str, problem: String },
    #[error("at most {allowed} files may be open and {needed} are needed: raise the hard limit (ulimit -Hn)")]
    OpenFiles { allowed: u64, needed: u64 },
}

impl Error {
    fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

fn main() -> ExitCode {
    let Arguments { measurement, attache, seed } = Arguments::parse();
    let outcome = match &measurement {
        Measurement::Connections(arguments) => connections::run(arguments, &attache, seed),
        Measurement::Start(arguments) => start::run(arguments, &attache, seed),
        Measurement::Idle(arguments) => idle::run(arguments, &attache, seed),
        Measurement::Registrations(arguments) => registrations::run(arguments, &attache, seed),
        Measurement::Exercise(arguments) => exercise::run(arguments, &attache, seed),
        Measurement::Web => servers::serve_web(),
    };
    match outcome {
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

/// A directory for the servers' files.
fn directory() -> Result<tempfile::TempDir, Error> {
    tempfile::tempdir().map_err(Error::io("make a directory for the servers"))
}

/// Lets this process and those that it starts have `needed` files open.
fn allow_open_files(needed: u64) -> Result<(), Error> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(allowed) = maximum.filter(|maximum| *maximum < needed) {
        return Err(Error::OpenFiles { allowed, needed });
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum })
        .map_err(|error| Error::io("raise the limit of open files")(error.into()))
}
