use std::{num::NonZeroU64, path::PathBuf};

use serde::{Deserialize, Deserializer, de::Error};

/// `[store]`: where credentials, registrations and the audit are kept.
#[derive(Debug)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    path: PathBuf,
    kek_file: Option<PathBuf>,
    kek_env: Option<String>,
    max_octets: Option<NonZeroU64>,
}

impl<'de> Deserialize<'de> for StoreSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Keys { path, kek_file, kek_env, max_octets } = Keys::deserialize(deserializer)?;
        if kek_file.is_some() && kek_env.is_some() {
            return Err(D::Error::custom("kek_file and kek_env are both given, expected one of them"));
        }
        if kek_env.as_ref().is_some_and(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(D::Error::custom("kek_env: expected the name of an environment variable"));
        }
        Ok(Self { path, kek_file, kek_env, max_octets })
    }
}
