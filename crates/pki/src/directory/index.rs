//! What was issued and withdrawn: one file, replaced as a whole.

use std::path::Path;

use onem2m::{id::Fqdn, time::Timestamp};
use serde::{Deserialize, Serialize};

use super::files;
use crate::{PkiError, Serial};

pub(super) const VERSION: u32 = 1;

/// The contents of `index.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) version: u32,
    /// The domains that the authority for names may certify.
    pub(super) domains: Vec<Fqdn>,
    pub(super) ocsp_url: Option<String>,
    /// The number of the last revocation lists; grows.
    pub(super) crl_number: u64,
    pub(super) certificates: Vec<Entry>,
}

/// One certificate on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Serial number.
    #[serde(with = "serial")]
    pub serial: Serial,
    /// Which authority of the directory issued it.
    pub authority: String,
    /// Its kind: `authority`, `ocsp-responder`, `cse-id`, `ae-id`, `node-id`, `device` or `fqdn`.
    pub kind: String,
    /// Whom it names.
    pub name: String,
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
    /// Whether it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Withdrawn>,
}

/// When and why a certificate was withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    /// When.
    pub at: Timestamp,
    /// The name of the reason in RFC 5280 §5.3.1, unless unspecified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Index {
    pub(super) fn read(path: &Path) -> Result<Self, PkiError> {
        let octets = files::get(path)?;
        let damaged = |problem: String| PkiError::Index { path: path.display().to_string(), problem };
        let index: Self = serde_json::from_slice(&octets).map_err(|error| damaged(error.to_string()))?;
        if index.version != VERSION {
            return Err(damaged(format!("version {}, expected {VERSION}", index.version)));
        }
        Ok(index)
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), PkiError> {
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| PkiError::Encoding { what: "index", problem: error.to_string() })?;
        files::put(path, &text, files::Readers::All)
    }

    pub(super) fn find(&self, serial: &Serial) -> Option<&Entry> {
        self.certificates.iter().find(|entry| entry.serial == *serial)
    }
}

mod serial {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::Serial;

    pub(super) fn serialize<S: Serializer>(serial: &Serial, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(serial)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Serial, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
