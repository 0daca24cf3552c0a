//! What associations cost that say nothing.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::credentials::Credentials;
use crate::load;
use crate::servers::{Installation, Server, Settings};
use crate::{Error, allow_open_files, directory, proc};

/// Files that a process has open beside its connections.
const OTHER_FILES: u64 = 200;

/// Connections that are being opened at the same time.
const CLIENTS: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Associations, each of a device of its own.
    #[arg(long, default_value_t = 9_500)]
    associations: u32,
}

pub(crate) fn run(arguments: &Arguments, attache: &Path, seed: u64) -> Result<(), Error> {
    let count = arguments.associations;
    allow_open_files(u64::from(count) + OTHER_FILES)?;
    let directory = directory()?;
    let devices = usize::try_from(count).unwrap_or(usize::MAX);
    let credentials = Credentials::new(devices, devices, seed);
    let limits = format!("associations = {count}\nper_address = {count}\nhalf_open = {count}");
    let settings = Settings { limits: &limits, ..Settings::default() };
    let installation = Installation::new(attache, &credentials, directory.path(), &settings)?;

    eprintln!("registering {count} devices");
    let server = installation.serve();
    server.register_all(CLIENTS, &credentials)?;
    drop(server);

    // A server that has met everybody once, one at a time: the caches of its store are full, which is no association's
    // doing, and no more is left behind to be used again than one connection needs.
    let server = installation.serve().kept_alive(true);
    load::each(1, &credentials, |credential| {
        server.named(&credential.identity, || {
            let mut stream = load::open(server.address(), credential)?;
            server.ask(&mut stream, credential)?;
            load::close(&mut stream);
            Ok(())
        })
    })?;
    let (resident, threads) = figures(&server)?;
    eprintln!("opening {count} associations, one request each");
    let held = Mutex::new(Vec::new());
    load::each(CLIENTS, &credentials, |credential| {
        server.named(&credential.identity, || {
            let mut stream = load::open(server.address(), credential)?;
            server.ask(&mut stream, credential)?;
            held.lock().unwrap_or_else(PoisonError::into_inner).push((credential, stream));
            Ok(())
        })
    })?;
    let (resident_then, threads_then) = figures(&server)?;
    // They were idle, not gone.
    for (credential, stream) in &mut *held.lock().unwrap_or_else(PoisonError::into_inner) {
        server.named(&credential.identity, || server.ask(stream, credential))?;
    }
    println!(
        "| Idle associations | resident KiB before | resident KiB with them | KiB each | threads before | threads with them |"
    );
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    let tenths =
        resident_then.saturating_sub(resident).saturating_mul(10).checked_div(count.into()).unwrap_or(0);
    println!(
        "| {count} | {resident} | {resident_then} | {}.{} | {threads} | {threads_then} |",
        tenths / 10,
        tenths % 10
    );
    drop(held);
    Ok(())
}

fn figures(server: &dyn Server) -> Result<(u64, u64), Error> {
    Ok((proc::resident(&server.processes())?, proc::threads(&server.processes())?))
}
