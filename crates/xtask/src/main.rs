//! Checks of this repository that a machine can make, the program that Debian 12 lacks for the tests, and the build for
//! production.
//!
//! ```text
//! cargo xtask layers   compare the crates' dependencies with the table in ARCHITECTURE.md
//! cargo xtask audit    compare licences, sources and TLS libraries with deny.toml
//! cargo xtask openssl  build the `openssl` program of the linked OpenSSL unless it is there; print where
//! cargo xtask release  build `attache` optimised for what it does under load; print where
//! ```
//!
//! Each check is a pure function from what was read to a list of complaints; this file reads and prints.

mod audit;
mod layers;
mod licence;
mod openssl;
mod release;
mod step;
mod table;
mod workspace;

use std::process::ExitCode;

/// Why a check could not be made, as opposed to what it complains about.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("usage: cargo xtask layers | audit | openssl | release")]
    Usage,
    #[error("cannot read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not what it should be")]
    Toml { path: String, source: toml::de::Error },
    #[error("cargo metadata failed")]
    Metadata(#[from] cargo_metadata::Error),
    #[error("ARCHITECTURE.md: {0}")]
    Table(#[from] table::TableError),
    #[error(transparent)]
    Openssl(#[from] openssl::BuildError),
    #[error(transparent)]
    Release(#[from] release::ReleaseError),
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("layers"), None) => workspace::check_layers(),
        (Some("audit"), None) => workspace::check_audit(),
        (Some("openssl"), None) => workspace::build_openssl(),
        (Some("release"), None) => workspace::build_release(),
        _ => Err(Error::Usage),
    };
    match outcome {
        Ok(report) => {
            println!("{}", report.summary);
            for complaint in &report.complaints {
                eprintln!("error: {complaint}");
            }
            if report.complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::from(2)
        }
    }
}
