//! Where the key-encryption key comes from.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use keys::{Rng, Secret};
use zeroize::Zeroizing;

use crate::{KekError, StoreError};

/// Octets of a key-encryption key.
pub const KEK_OCTETS: usize = 32;

/// Where the key-encryption key is found: 32 octets, written as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KekSource {
    /// A file that none but its owner may access. Made, with mode 0600, when the database is new and the
    /// file is not there.
    File(PathBuf),
    /// The environment variable of this name.
    Env(String),
}

impl KekSource {
    /// The default: a file beside the database, with `.kek` appended to its name.
    #[must_use]
    pub fn beside(database: &Path) -> Self {
        let mut name = database.as_os_str().to_owned();
        name.push(".kek");
        Self::File(name.into())
    }

    /// How messages call it.
    pub(crate) fn origin(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Env(name) => format!("environment variable {name}"),
        }
    }

    /// The key, or `None` if there is none at this place.
    pub(crate) fn read(&self) -> Result<Option<Secret>, KekError> {
        match self {
            Self::File(path) => self.read_file(path),
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => self.parse(&Zeroizing::new(text)).map(Some),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => Err(KekError::Malformed { origin: self.origin() }),
            },
        }
    }

    /// Makes a key and keeps it. Only for a database that does not exist yet, and while its write lock is
    /// held, so that two first starts do not make two keys.
    pub(crate) fn create(&self, rng: &dyn Rng) -> Result<Secret, StoreError> {
        let Self::File(path) = self else {
            return Err(KekError::Missing { origin: self.origin() }.into());
        };
        let mut octets = Zeroizing::new(vec![0; KEK_OCTETS]);
        rng.fill(&mut octets)?;
        let mut text = Zeroizing::new(vec![0; 2 * KEK_OCTETS + 1]);
        let digits = text.get_mut(..2 * KEK_OCTETS).unwrap_or_default();
        hex::encode_to_slice(&*octets, digits).map_err(|_| KekError::Malformed { origin: self.origin() })?;
        if let Some(end) = text.last_mut() {
            *end = b'\n';
        }
        write_private(path, &text).map_err(|error| self.unreadable(&error))?;
        Ok(Secret::new(std::mem::take(&mut *octets)))
    }

    fn read_file(&self, path: &Path) -> Result<Option<Secret>, KekError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(&error)),
        };
        self.refuse_exposed(&file)?;
        // One octet more than allowed, to notice longer files; allocated once, to leave no copies behind.
        let mut text = Zeroizing::new(String::with_capacity(128));
        match file.take(128).read_to_string(&mut text) {
            Ok(_) => self.parse(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                Err(KekError::Malformed { origin: self.origin() })
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    #[cfg(unix)]
    fn refuse_exposed(&self, file: &File) -> Result<(), KekError> {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|error| self.unreadable(&error))?.permissions().mode() & 0o7777;
        if mode & 0o077 == 0 { Ok(()) } else { Err(KekError::Exposed { origin: self.origin(), mode }) }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the unix twin needs both")]
    fn refuse_exposed(&self, _: &File) -> Result<(), KekError> {
        Ok(())
    }

    fn parse(&self, text: &str) -> Result<Secret, KekError> {
        let malformed = || KekError::Malformed { origin: self.origin() };
        let secret = Secret::from_hex(text.trim()).map_err(|_| malformed())?;
        if secret.len() == KEK_OCTETS { Ok(secret) } else { Err(malformed()) }
    }

    fn unreadable(&self, error: &std::io::Error) -> KekError {
        KekError::Unreadable { origin: self.origin(), reason: error.to_string() }
    }
}

/// Writes a new file that only its owner can read. It appears under its name whole or not at all.
fn write_private(path: &Path, contents: &[u8]) -> std::io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    // Left over from a start that was interrupted here; nobody else writes, see `KekSource::create`.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().write(true).create_new(true).open(&unfinished)?;
    file.write_all(contents)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    // Without this the database could survive a power cut that its key does not.
    File::open(directory(path))?.sync_all()
}

/// Options for a file that is created with access for its owner alone.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The directory of a file.
pub(crate) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use keys::SeededRng;

    use super::*;

    fn file(contents: &str) -> (tempfile::TempDir, KekSource) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        private().write(true).create_new(true).open(&path).unwrap().write_all(contents.as_bytes()).unwrap();
        (folder, KekSource::File(path))
    }

    #[test]
    fn a_made_key_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let source = KekSource::beside(&folder.path().join("a.db"));
        assert!(source.read().unwrap().is_none());
        let made = source.create(&SeededRng::new(1)).unwrap();
        assert!(source.read().unwrap().unwrap().ct_eq(made.expose()));
        let names: Vec<_> =
            folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["a.db.kek"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_made_key_is_private_and_an_exposed_one_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        let source = KekSource::File(path.clone());
        source.create(&SeededRng::new(1)).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(source.read().unwrap_err(), KekError::Exposed { origin: source.origin(), mode });
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(source.read().is_ok());
    }

    #[test]
    fn only_32_octets_are_a_key() {
        let good = "0123456789abcdefABCDEF00".repeat(3)[..64].to_owned();
        assert!(file(&good).1.read().unwrap().is_some());
        assert!(file(&format!("{good}\r\n")).1.read().unwrap().is_some());
        for bad in ["", "00", &good[..62], &format!("{good}00"), &format!("{good}\n{good}"), &"zz".repeat(32)]
        {
            let (_folder, source) = file(bad);
            assert_eq!(source.read().unwrap_err(), KekError::Malformed { origin: source.origin() }, "{bad}");
        }
    }

    #[test]
    fn the_message_for_a_malformed_key_does_not_quote_it() {
        let (_folder, source) = file("5ec12e75ec12e7");
        assert!(!source.read().unwrap_err().to_string().contains("5ec12e7"));
    }

    #[test]
    fn a_variable_is_named_in_messages() {
        let absent = KekSource::Env("ATTACHE_TEST_NO_SUCH_VARIABLE".into());
        assert!(absent.read().unwrap().is_none());
        let error = absent.create(&SeededRng::new(1)).err().unwrap();
        assert!(error.to_string().contains("environment variable ATTACHE_TEST_NO_SUCH_VARIABLE"), "{error}");
        let malformed = KekSource::Env("CARGO_PKG_NAME".into()).read().unwrap_err();
        assert_eq!(
            malformed.to_string(),
            "key-encryption key: environment variable CARGO_PKG_NAME: expected 64 hexadecimal digits (32 octets)"
        );
    }
}
