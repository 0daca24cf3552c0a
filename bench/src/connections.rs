//! Server CPU per connection, the servers taking turns.

use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use crate::credentials::Credentials;
use crate::load::Load;
use crate::report::{Measured, Report};
use crate::servers::{Attache, Mosquitto, Server, Stunnel};
use crate::{Error, directory, proc};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Connections per server and round, unless `--seconds` end the round first.
    #[arg(long, default_value_t = 2_000)]
    connections: usize,
    /// Rounds per server; the median counts.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Sizes of the credential set, each measured by itself.
    #[arg(long, value_delimiter = ',', default_value = "1,10000,1000000")]
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
    /// The clients of attache do not say in their request that it is their last.
    #[arg(long)]
    keep_alive: bool,
    /// Servers to measure. `NAME=PATH` is another attache binary, to be compared under that name.
    #[arg(long, value_delimiter = ',', default_value = "attache,mosquitto,stunnel")]
    servers: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, attache: &Path, seed: u64) -> Result<(), Error> {
    let mut report = Report::default();
    let sizes: Vec<Credentials> = arguments
        .credentials
        .iter()
        .map(|size| Credentials::new(size.get(), arguments.sample, seed))
        .collect();
    for measured in measure(arguments, attache, seed, &sizes)? {
        report.add(measured);
    }
    print!("{report}");
    Ok(())
}

/// A server that runs, what it holds, and what was measured of it.
struct Running<'a> {
    server: Box<dyn Server>,
    credentials: &'a Credentials,
    measured: Measured,
}

/// Starts every server with every size of the credential set, then takes turns between them all, so that whatever
/// else the machine does falls on all of them.
fn measure(
    arguments: &Arguments,
    attache_binary: &Path,
    seed: u64,
    sizes: &[Credentials],
) -> Result<Vec<Measured>, Error> {
    let directory = directory()?;
    let mut running = Vec::new();
    for credentials in sizes {
        for name in &arguments.servers {
            let size = credentials.len();
            eprintln!("{name}: starting with {size} credentials");
            let place = directory.path().join(running.len().to_string());
            std::fs::create_dir(&place).map_err(Error::io(format!("make {}", place.display())))?;
            let attache = |binary| {
                let server = Attache::start(binary, credentials, &place)?;
                Ok(server.kept_alive(arguments.keep_alive))
            };
            let server: Box<dyn Server> = match name.as_str() {
                "attache" => Box::new(attache(attache_binary)?),
                "mosquitto" => Box::new(Mosquitto::start(credentials, &place)?),
                "stunnel" => Box::new(Stunnel::start(credentials, &place)?),
                other => match other.split_once('=') {
                    Some((_, binary)) => Box::new(attache(Path::new(binary))?),
                    None => return Err(Error::UnknownServer(other.to_owned())),
                },
            };
            let name = name.split('=').next().unwrap_or_default();
            running.push(Running { server, credentials, measured: Measured::new(name, size) });
        }
    }
    let mut load = Load {
        clients: arguments.clients,
        connections: arguments.connections,
        span: Duration::from_secs(arguments.seconds),
        seed,
    };
    // The first connections fill caches and page in code; they are not counted.
    for Running { server, credentials, .. } in &running {
        Load { connections: arguments.connections.min(200), ..load }.put_on(server.as_ref(), credentials)?;
    }
    for round in 0..arguments.rounds {
        load.seed = load.seed.wrapping_add(1);
        for Running { server, credentials, measured } in &mut running {
            let before = proc::cpu(&server.processes())?;
            let done = load.put_on(server.as_ref(), credentials)?;
            let used = proc::cpu(&server.processes())?.saturating_sub(before);
            measured.add_round(done, used);
            eprintln!("{measured}: round {}: {done} connections, {used:?} CPU", round + 1);
        }
    }
    for Running { server, measured, .. } in &mut running {
        measured.set_resident(proc::resident(&server.processes())?);
    }
    Ok(running.into_iter().map(|running| running.measured).collect())
}
