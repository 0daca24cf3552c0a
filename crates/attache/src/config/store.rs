use std::{num::NonZeroU64, path::PathBuf};

use serde::Deserialize;

/// `[store]`: where credentials, registrations and the audit are kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreSection {
    /// The SQLite file; made if there is none.
    pub(crate) path: PathBuf,
    /// The file with the key-encryption key, 64 hexadecimal digits; made at the first start if there is
    /// none. Default: the name of the store with `.kek` behind it.
    pub(crate) kek_file: Option<PathBuf>,
    /// The environment variable that holds the key-encryption key instead.
    pub(crate) kek_env: Option<String>,
    /// Most octets of the file, its write-ahead log not counted. Default: as the disk allows.
    pub(crate) max_octets: Option<NonZeroU64>,
}
