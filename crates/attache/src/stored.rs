//! The store, opened as the configuration says.

use std::{num::NonZeroU64, sync::Arc};

use keys::OsRng;
use onem2m::time::{Clock, SystemClock};
use store::{AuditRecord, KekSource, Options, Outcome, Store, StoreError};

use crate::{
    config::Config,
    outcome::{Failure, Fault},
};

/// Opens the store, making it if there is none.
pub(crate) fn open(config: &Config) -> Result<Store, Failure> {
    open_with(config, Options::default())
}

/// Opens a store that is there already: who only looks must not make one because of a misspelt path.
pub(crate) fn open_existing(config: &Config) -> Result<Store, Failure> {
    let path = config.store_path();
    if !path.exists() {
        return Err(Failure::usage(format_args!(
            "store {}: there is none; `attache serve` or `attache credential add` makes it",
            path.display()
        )));
    }
    open(config)
}

/// Opens the store, and says in the store's own words why it does not.
pub(crate) fn open_raw(config: &Config) -> Result<Store, StoreError> {
    opened(config, Options::default())
}

/// Opens the store for a run that is not a server's.
pub(crate) fn open_with(config: &Config, options: Options) -> Result<Store, Failure> {
    Ok(opened(config, options)?)
}

fn opened(config: &Config, options: Options) -> Result<Store, StoreError> {
    let kek = match &config.store.kek_env {
        Some(name) => KekSource::Env(name.clone()),
        None => KekSource::File(config.kek_path()),
    };
    let options = Options { max_file_octets: config.store.max_octets.map(NonZeroU64::get), ..options };
    Store::open(&config.store_path(), &kek, Arc::new(SystemClock), Arc::new(OsRng), options)
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let fault = match &error {
            StoreError::Open(_)
            | StoreError::Kek(_)
            | StoreError::Conflict(_)
            | StoreError::Unacceptable(_)
            | StoreError::Abandoned { .. }
            | StoreError::Input { .. } => Fault::Usage,
            StoreError::Busy { .. }
            | StoreError::Closed
            | StoreError::Panicked { .. }
            | StoreError::Damaged(_)
            | StoreError::Fault(_)
            | StoreError::Random(_) => Fault::Internal,
        };
        Self::new(fault, error)
    }
}

/// Who types: the account that the system knows, for the audit. Names in the environment are anybody's to set.
pub(crate) fn operator() -> String {
    use std::os::unix::fs::MetadataExt as _;

    // The folder of the running process belongs to the account that it runs under.
    std::fs::metadata("/proc/self").map_or_else(
        |_| "operator of unknown uid".to_owned(),
        |process| format!("operator uid {}", process.uid()),
    )
}

/// An audit line for something that the operator did from the command line.
pub(crate) fn by_operator(
    action: &str,
    credential: &str,
    entity: Option<String>,
    detail: String,
) -> AuditRecord {
    AuditRecord {
        at: SystemClock.now(),
        action: action.to_owned(),
        outcome: Outcome::Done,
        credential_id: Some(credential.to_owned()),
        entity,
        source: Some(operator()),
        detail,
    }
}
