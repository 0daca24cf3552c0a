//! Durable registrations per CPU-second.

use std::path::Path;

use crate::credentials::Credentials;
use crate::servers::{Installation, Server, Settings};
use crate::{Error, directory, proc};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Devices that register, each with a credential of its own.
    #[arg(long, default_value_t = 20_000)]
    devices: usize,
    /// Devices at the same time.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// How often, each time with a new store.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The devices do not say in their request that it is their last.
    #[arg(long)]
    keep_alive: bool,
}

pub(crate) fn run(arguments: &Arguments, attache: &Path, seed: u64) -> Result<(), Error> {
    println!(
        "| Registrations | at the same time | server CPU | per CPU-second | µs each | in the store after SIGKILL |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for round in 0..arguments.rounds {
        let seed = seed.wrapping_add(u64::try_from(round).unwrap_or_default());
        println!("{}", measure(arguments, attache, seed)?);
    }
    Ok(())
}

fn measure(arguments: &Arguments, attache: &Path, seed: u64) -> Result<String, Error> {
    let Arguments { devices, clients, keep_alive, .. } = *arguments;
    let directory = directory()?;
    let credentials = Credentials::new(devices, devices, seed);
    let installation = Installation::new(attache, &credentials, directory.path(), &Settings::default())?;
    let server = installation.serve().kept_alive(keep_alive);
    let before = proc::cpu(&server.processes())?;
    server.register_all(clients, &credentials)?;
    let used = proc::cpu(&server.processes())?.saturating_sub(before);
    // Dropping kills: what was acknowledged has to be there all the same.
    drop(server);
    let kept = installation.registrations(devices)?;
    let micros = u64::try_from(used.as_micros()).unwrap_or(u64::MAX);
    let count = u64::try_from(devices).unwrap_or(u64::MAX);
    let rate = count.saturating_mul(1_000_000).checked_div(micros).unwrap_or(0);
    let each = micros.checked_div(count).unwrap_or(0);
    Ok(format!("| {devices} | {clients} | {used:?} | {rate} | {each} | {kept} |"))
}
