//! How soon attache serves after it is started, and how much memory it takes.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use crate::credentials::Credentials;
use crate::load;
use crate::servers::{Installation, Operation, Server, Settings};
use crate::{Error, directory, proc};

/// Connections that are being opened at the same time.
const CLIENTS: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Sizes of the credential set.
    #[arg(long, value_delimiter = ',', default_value = "1,10000,1000000")]
    credentials: Vec<NonZeroUsize>,
    /// How often attache is started with each.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Connections of different devices after the first one, before memory is read again.
    #[arg(long, default_value_t = 20_000)]
    connections: usize,
}

pub(crate) fn run(arguments: &Arguments, attache: &Path, seed: u64) -> Result<(), Error> {
    println!(
        "| Credentials | first handshake after, median (worst) | resident MiB then | after {} connections |",
        arguments.connections
    );
    println!("| ---: | ---: | ---: | ---: |");
    for size in &arguments.credentials {
        let credentials = Credentials::new(size.get(), arguments.connections, seed);
        println!("{}", measure(arguments, attache, size.get(), &credentials)?);
    }
    Ok(())
}

fn measure(
    arguments: &Arguments,
    attache: &Path,
    size: usize,
    credentials: &Credentials,
) -> Result<String, Error> {
    let directory = directory()?;
    eprintln!("importing {size} credentials");
    let installation = Installation::new(attache, credentials, directory.path(), &Settings::default())?;
    let mut times = Vec::new();
    let (mut first, mut later) = (0, 0);
    for (turn, credential) in credentials.sample().iter().cycle().take(arguments.starts.max(1)).enumerate() {
        #[expect(clippy::disallowed_methods, reason = "the time that somebody waits is what is measured")]
        let begun = Instant::now();
        let server = installation.serve();
        let mut stream = server.named(&credential.identity, || load::open(server.address(), credential))?;
        times.push(begun.elapsed());
        // Registered once; at further starts the registration is there.
        server.named(&credential.identity, || {
            if turn < credentials.sample().len() {
                server.request(&mut stream, &credential.stem, Operation::Register)
            } else {
                server.ask(&mut stream, credential)
            }
        })?;
        drop(stream);
        first = first.max(proc::resident(&server.processes())?);
        if turn + 1 == arguments.starts.max(1) {
            load::each(CLIENTS, credentials, |credential| {
                server.named(&credential.identity, || load::open(server.address(), credential).map(drop))
            })?;
            later = proc::resident(&server.processes())?;
        }
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let worst = times.last().copied().unwrap_or_default();
    Ok(format!(
        "| {size} | {} ms ({} ms) | {} | {} |",
        median.as_millis(),
        worst.as_millis(),
        first / 1_024,
        later / 1_024
    ))
}
