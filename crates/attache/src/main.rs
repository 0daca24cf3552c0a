//! The `attache` program: command line, configuration, and the one place where the parts are put together.
//!
//! ```text
//! cli ─> serve        registrar of a configuration file: store + cse + net
//!        credential   writes to the store; a running server follows
//!        subscription the same for service rules
//!        registrar    asks the running server
//!        device       Entity A from a device file
//!        pki          a directory of its own: certificates
//!        inspect      reads the store
//!        doctor       looks at all of these
//!        demo         all of these, on loopback
//! ```

mod admit;
mod cli;
mod config;
mod control;
mod credential;
mod demo;
mod descriptors;
mod device_command;
mod device_file;
mod device_proof;
mod doctor;
mod import;
mod inspect;
mod key_pair;
mod log;
mod mcc;
mod metrics;
mod outcome;
mod pki;
mod registrar_command;
mod reload;
mod serve;
mod stored;
mod subscription;
mod witness;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    cli::{Cli, Command, DemoCommand},
    outcome::{Done, Failure},
};

// It takes the place of `malloc`, for OpenSSL and SQLite as well, which allocate some hundred times in each connection.
// Rust comes to it by the same way: named as the global allocator it would be asked for an alignment each time, at a
// twentieth more CPU for each connection.
use mimalloc as _;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    run(cli).unwrap_or_else(|failure| failure.report(json))
}

fn run(cli: Cli) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::internal(format_args!("cannot start: {error}")))?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(arguments) => serve::run(&arguments.config, cli.json).await,
            Command::Credential(command) => credential::run(*command, cli.json).await,
            Command::Subscription(command) => subscription::run(command, cli.json).await,
            Command::Registrar(command) => registrar_command::run(command, cli.json).await,
            Command::Device(command) => device_command::run(command, cli.json).await,
            Command::Doctor(arguments) => doctor::run(arguments, cli.json).await,
            Command::Pki(command) => pki::run(command, cli.json).await,
            Command::Inspect(command) => inspect::run(command, cli.json).await,
            Command::Demo(DemoCommand::SmartHome) => demo::smart_home(cli.json).await,
        }
    })
}
