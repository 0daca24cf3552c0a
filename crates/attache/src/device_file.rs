//! The device file: everything that a device needs to attach, in one TOML file, and beside it what it learnt.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use keys::{KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use onem2m::id::{AeId, AeIdStem, CseId, ResourceName};
use serde::Deserialize;

use crate::{
    config::{located, parsed},
    outcome::Failure,
};

/// The file as it is written by hand or by `attache credential add --device-file`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeviceFile {
    pub(crate) registrar: RegistrarSection,
    credential: CredentialSection,
    pub(crate) ae: AeSection,
    #[serde(skip)]
    path: PathBuf,
}

/// Whom to attach to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrarSection {
    /// Where it listens: `host:port`.
    pub(crate) address: String,
    /// Its absolute CSE-ID.
    #[serde(deserialize_with = "parsed")]
    pub(crate) cse_id: CseId,
    /// resourceName of its `<CSEBase>`; `-` stands for it whatever it is called.
    #[serde(default = "any_base")]
    pub(crate) base_name: String,
    /// The name to send as SNI, if the registrar serves several.
    pub(crate) server_name: Option<String>,
}

/// With what.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialSection {
    #[serde(deserialize_with = "parsed")]
    psk_identity: PskIdentity,
    /// The key in hexadecimal digits, here or in a file of its own.
    #[serde(default, deserialize_with = "secret")]
    key_hex: Option<Secret>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    allow_short_key: bool,
}

impl std::fmt::Debug for CredentialSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialSection").field("psk_identity", &self.psk_identity).finish_non_exhaustive()
    }
}

/// As whom, and what to register.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AeSection {
    /// AE-ID-Stem; without it the registrar assigns one, which is remembered beside this file.
    #[serde(default, deserialize_with = "parsed_option")]
    pub(crate) stem: Option<AeIdStem>,
    /// resourceName of the `<AE>`.
    #[serde(deserialize_with = "parsed")]
    pub(crate) name: ResourceName,
    /// App-ID.
    pub(crate) app_id: String,
    /// Where it can be reached, if it can.
    #[serde(default)]
    pub(crate) points_of_access: Vec<String>,
    /// Release versions that it supports.
    #[serde(default = "release_3")]
    pub(crate) releases: Vec<String>,
}

fn any_base() -> String {
    "-".into()
}

fn release_3() -> Vec<String> {
    vec!["3".into()]
}

fn parsed_option<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<AeIdStem>, D::Error> {
    parsed(deserializer).map(Some)
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let digits = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
    Secret::from_hex(&digits).map(Some).map_err(serde::de::Error::custom)
}

impl DeviceFile {
    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|error| {
            let path = path.display();
            Failure::usage(format_args!(
                "cannot read the device file {path}: {error} (--device names another)"
            ))
        })?);
        let open = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if open && text.contains("key_hex") {
            return Err(Failure::usage(format_args!(
                "{}: holds a key and may be read by others than its owner; `chmod 600` it",
                path.display()
            )));
        }
        let mut file: Self = toml::from_str(&text).map_err(|error| {
            Failure::usage(format_args!("{}: {}", path.display(), located(&text, &error)))
        })?;
        file.path = path.to_owned();
        if file.ae.stem.is_none() {
            file.ae.stem = file.remembered()?;
        }
        Ok(file)
    }

    /// Where it was read.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The `psk_identity` to send.
    pub(crate) const fn psk_identity(&self) -> &PskIdentity {
        &self.credential.psk_identity
    }

    /// The key.
    pub(crate) fn key(&self) -> Result<Kpsa, Failure> {
        let shown = self.path.display();
        let secret = match (&self.credential.key_hex, &self.credential.key_file) {
            (Some(key), None) => key.duplicate(),
            (None, Some(file)) => {
                let file = self.path.parent().unwrap_or_else(|| Path::new("")).join(file);
                read_key(&file)?
            }
            _ => {
                return Err(Failure::usage(format_args!(
                    "{shown}: [credential] needs either key_hex or key_file"
                )));
            }
        };
        let policy = if self.credential.allow_short_key {
            KeyLengthPolicy::AllowShort
        } else {
            KeyLengthPolicy::Strict
        };
        Kpsa::new(secret, policy)
            .map_err(|error| Failure::usage(format_args!("{shown}: credential: {error}")))
    }

    /// Keeps the AE-ID that the registrar assigned, for the next attachment.
    pub(crate) fn remember(&self, ae: &AeId) -> Result<(), Failure> {
        let path = self.memory();
        replace_private(&path, format!("{}\n", ae.stem()).as_bytes())
    }

    fn remembered(&self) -> Result<Option<AeIdStem>, Failure> {
        let path = self.memory();
        match fs::read_to_string(&path) {
            Ok(text) => text
                .trim_end()
                .parse()
                .map(Some)
                .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::usage(format_args!("cannot read {}: {error}", path.display()))),
        }
    }

    fn memory(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".ae-id");
        name.into()
    }
}

/// Reads a key, written in hexadecimal digits, from `path`.
pub(crate) fn read_key(path: &Path) -> Result<Secret, Failure> {
    let text = zeroize::Zeroizing::new(fs::read_to_string(path).map_err(|error| {
        Failure::usage(format_args!("cannot read the key file {}: {error}", path.display()))
    })?);
    Secret::from_hex(text.trim_end())
        .map_err(|error| Failure::usage(format_args!("{}: {error}", path.display())))
}

/// Writes `octets` to a file that its owner alone may read, in the place of what was there: whole or not at all.
fn replace_private(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    let mut name = path.to_owned().into_os_string();
    name.push(".new");
    let new = PathBuf::from(name);
    // Left over from a run that was interrupted here.
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(unwritten(&new, &error));
    }
    Provisional::write(&new, octets)?.keep();
    fs::rename(&new, path).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format_args!("cannot write {}: {error}", path.display()))
}

/// A new file that its owner alone may read. It is on the disk before what it is about is done, so that a key
/// drawn here cannot be lost, and is removed again unless that was done.
pub(crate) struct Provisional {
    path: PathBuf,
    kept: bool,
}

impl Provisional {
    /// Writes the file; there must be none.
    pub(crate) fn write(path: &Path, octets: &[u8]) -> Result<Self, Failure> {
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let mut file = made.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::usage(format_args!("{} exists; remove it or choose another name", path.display()))
            }
            _ => unwritten(path, &error),
        })?;
        // From here on a failure removes it.
        let provisional = Self { path: path.to_owned(), kept: false };
        file.write_all(octets).and_then(|()| file.sync_all()).map_err(|error| unwritten(path, &error))?;
        Ok(provisional)
    }

    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Provisional {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing depends on it: the key in it opens nothing.
            let _ = fs::remove_file(&self.path);
        }
    }
}
