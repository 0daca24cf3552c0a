//! Files that are whole or absent.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

use rustix::fs::{FlockOperation, flock};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::PkiError;

/// The longest file that is read, octets.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readers {
    All,
    Owner,
}

impl Readers {
    const fn mode(self) -> u32 {
        match self {
            Self::All => 0o644,
            Self::Owner => 0o600,
        }
    }
}

/// Writes a file beside its place, onto the disk, and then puts it there.
pub(super) fn put(path: &Path, octets: &[u8], readers: Readers) -> Result<(), PkiError> {
    let failed = |error: std::io::Error| PkiError::file("write", path, &error);
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(readers.mode())).map_err(failed)?;
    file.write_all(octets).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// Reads a file that may hold a key.
pub(super) fn get(path: &Path) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let failed = |error: std::io::Error| PkiError::file("read", path, &error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > MAX_FILE {
        return Err(failed(std::io::Error::new(ErrorKind::FileTooLarge, "it is longer than 64 MiB")));
    }
    // Allocated once, to leave no copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(length).read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}

/// Waits until nobody else writes in the directory; held until dropped.
pub(super) fn lock(path: &Path) -> Result<File, PkiError> {
    let failed = |error: std::io::Error| PkiError::file("lock", path, &error);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| failed(error.into()))?;
    Ok(file)
}
