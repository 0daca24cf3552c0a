//! The device file: everything that a device needs to attach, in one TOML file, and beside it what it learnt.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use device::{Device, Registrar, RememberedSession};
use keys::Secret;
use onem2m::id::{AeId, AeIdStem, CseId, ResourceName};
use serde::Deserialize;

use crate::{
    config::{located, parsed},
    device_proof::{self, CredentialSection, TrustSection},
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
    /// By what the device knows it, other than by a symmetric key.
    #[serde(default)]
    trust: TrustSection,
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

    /// The device that it describes.
    pub(crate) fn device(&self) -> Result<Device, Failure> {
        let registrar = Registrar {
            address: self.registrar.address.clone(),
            cse: self.registrar.cse_id.clone(),
            base_name: self.registrar.base_name.clone(),
            server_name: self.registrar.server_name.clone(),
        };
        device_proof::device(&self.path, registrar, &self.credential, &self.registrar.trust)
    }

    /// What was remembered of an earlier association; `None` also where that cannot be read, for then it is made
    /// anew.
    pub(crate) fn session(&self) -> Option<RememberedSession> {
        if !self.credential.resume {
            return None;
        }
        let octets = fs::read(self.beside(".session")).ok()?;
        RememberedSession::from_secret(&Secret::new(octets))
    }

    /// Keeps the session for the next attachment, or forgets the one that was kept.
    pub(crate) fn keep_session(&self, session: Option<&RememberedSession>) -> Result<(), Failure> {
        let path = self.beside(".session");
        match session.filter(|_| self.credential.resume) {
            Some(session) => replace_private(&path, session.to_secret().expose()),
            None => match fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unwritten(&path, &error)),
                _ => Ok(()),
            },
        }
    }

    /// Keeps the AE-ID that the registrar assigned, for the next attachment.
    pub(crate) fn remember(&self, ae: &AeId) -> Result<(), Failure> {
        let path = self.beside(".ae-id");
        replace_private(&path, format!("{}\n", ae.stem()).as_bytes())
    }

    fn remembered(&self) -> Result<Option<AeIdStem>, Failure> {
        let path = self.beside(".ae-id");
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

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(ending);
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
    replace(path, octets, PRIVATE)
}

/// The same for a file without secrets, which everybody may read.
pub(crate) fn replace_public(path: &Path, octets: &[u8]) -> Result<(), Failure> {
    replace(path, octets, PUBLIC)
}

/// Modes of files.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

fn replace(path: &Path, octets: &[u8], mode: u32) -> Result<(), Failure> {
    let mut name = path.to_owned().into_os_string();
    name.push(".new");
    let new = PathBuf::from(name);
    // Left over from a run that was interrupted here.
    if let Err(error) = fs::remove_file(&new)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(unwritten(&new, &error));
    }
    Provisional::write_as(&new, octets, mode)?.keep();
    fs::rename(&new, path).map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format_args!("cannot write {}: {error}", path.display()))
}

/// A new file, which its owner alone may read unless said otherwise. It is on the disk before what it is about is done, so that a key
/// drawn here cannot be lost, and is removed again unless that was done.
pub(crate) struct Provisional {
    path: PathBuf,
    kept: bool,
}

impl Provisional {
    /// Writes the file; there must be none.
    pub(crate) fn write(path: &Path, octets: &[u8]) -> Result<Self, Failure> {
        Self::write_as(path, octets, PRIVATE)
    }

    /// The same for a file without secrets, which everybody may read.
    pub(crate) fn write_public(path: &Path, octets: &[u8]) -> Result<Self, Failure> {
        Self::write_as(path, octets, PUBLIC)
    }

    fn write_as(path: &Path, octets: &[u8], mode: u32) -> Result<Self, Failure> {
        let made = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
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
