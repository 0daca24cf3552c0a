use store::{KekError, OpenError, Store, StoreError};

use super::Finding;
use crate::{config::Config, stored};

const CHECK: &str = "store";

/// Opens the store, if there is one.
pub(super) fn look(config: &Config) -> (Option<Store>, Finding) {
    let path = config.store_path();
    if !path.exists() {
        let found = format_args!("{}: there is none yet", path.display());
        let how = "`attache serve` makes it at its first start, or correct `path` in [store]";
        return (None, Finding::warning(CHECK, found, how));
    }
    match stored::open_raw(config) {
        Ok(store) => {
            let found = format!("{}: opens, its key-encryption key fits", path.display());
            (Some(store), Finding::fine(CHECK, found))
        }
        Err(error) => (None, Finding::broken(CHECK, &error, mend(&error))),
    }
}

fn mend(error: &StoreError) -> &'static str {
    match error {
        StoreError::Open(error) => match error {
            OpenError::NoDirectory { .. } => "make the directory, or correct `path` in [store]",
            OpenError::UnwritableDirectory { .. } => {
                "give the account that runs attache write access to the directory"
            }
            OpenError::ReadOnly { .. } => {
                "give the account that runs attache write access to the file, and see that its filesystem is not \
                 mounted read-only"
            }
            OpenError::Unreadable { .. } => "run doctor, and attache, under the account that owns the store",
            OpenError::NotADatabase { .. } | OpenError::Foreign { .. } => {
                "correct `path` in [store], or restore the file from its backup"
            }
            OpenError::NewerSchema { .. } => {
                "install the newer release again, or restore a backup that this one wrote"
            }
        },
        StoreError::Kek(error) => match error {
            KekError::Missing { .. } => {
                "restore the key from its backup: without it every key in the store is lost"
            }
            KekError::Unreadable { .. } => "run doctor, and attache, under the account that owns the key",
            KekError::Exposed { .. } => "chmod 600 the file",
            KekError::Malformed { .. } | KekError::Wrong { .. } => {
                "correct `kek_file` or `kek_env` in [store], or restore the key from its backup"
            }
        },
        StoreError::Damaged(_) => "restore the store from its backup",
        StoreError::Conflict(_)
        | StoreError::Unacceptable(_)
        | StoreError::Busy { .. }
        | StoreError::Closed
        | StoreError::Panicked { .. }
        | StoreError::Abandoned { .. }
        | StoreError::Fault(_)
        | StoreError::Random(_)
        | StoreError::Input { .. } => {
            "see that the disk is healthy and has space, and that nobody locks the file"
        }
    }
}
