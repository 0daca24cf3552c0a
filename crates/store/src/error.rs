//! What can go wrong, grouped by whose fault it is. No message carries key material.

use std::{fmt, path::PathBuf};

use identity::{Function, Misfit};
use keys::{KeyError, RngError};
use rusqlite::ErrorCode;
use thiserror::Error;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The file, its directory or its contents do not allow the store to be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The key-encryption key is missing, malformed, exposed or not the one of this store.
    #[error(transparent)]
    Kek(#[from] KekError),
    /// The request does not fit the records as they are. Nothing was changed.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// A value that was to be stored is not acceptable.
    #[error(transparent)]
    Unacceptable(#[from] Unacceptable),
    /// Too much is waiting already; the request was not accepted.
    #[error("store: {waiting} requests are waiting in the {queue} queue, which is its limit")]
    Busy {
        /// `write`, `read` or `lookup`.
        queue: &'static str,
        /// How many requests the queue holds.
        waiting: usize,
    },
    /// The store was closed, or is closing.
    #[error("the store is closed")]
    Closed,
    /// The body of a transaction panicked. Nothing of it was kept.
    #[error("store transaction \"{name}\": its body panicked")]
    Panicked {
        /// Name of the transaction.
        name: &'static str,
    },
    /// The body of a transaction gave up of its own accord. Nothing of it was kept.
    #[error("{reason}")]
    Abandoned {
        /// Why, in the words of the body.
        reason: String,
    },
    /// A stored value is not what this program, holding the right key, would have written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The database engine or the disk failed.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The generator of random numbers failed.
    #[error("store: {0}")]
    Random(String),
    /// Input for an import could not be read.
    #[error("import, line {line}: {reason}")]
    Input {
        /// The line being read, counted from 1.
        line: u64,
        /// What the reader reported.
        reason: String,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(Fault::from(&error))
    }
}

impl From<RngError> for StoreError {
    fn from(error: RngError) -> Self {
        Self::Random(error.to_string())
    }
}

impl From<KeyError> for StoreError {
    fn from(error: KeyError) -> Self {
        Self::Unacceptable(Unacceptable::Key(error))
    }
}

impl StoreError {
    /// A body's own reason to give up: its savepoint is rolled back, the rest of the group is not.
    pub fn abandon(reason: impl Into<String>) -> Self {
        Self::Abandoned { reason: reason.into() }
    }

    /// Names the database file in an engine failure that does not name it yet.
    pub(crate) fn at(self, path: &std::path::Path) -> Self {
        match self {
            Self::Fault(fault) if fault.path.is_none() => {
                Self::Fault(Fault { path: Some(path.to_owned()), ..fault })
            }
            other => other,
        }
    }
}

/// Why a database file was not opened. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The directory of the file is not there.
    #[error("store {}: its directory does not exist", path.display())]
    NoDirectory {
        /// The database file.
        path: PathBuf,
    },
    /// The directory cannot be written to, which the write-ahead log needs even for an existing file.
    #[error("store {}: its directory is not writable", path.display())]
    UnwritableDirectory {
        /// The database file.
        path: PathBuf,
    },
    /// The file cannot be written to.
    #[error("store {}: the file is read-only", path.display())]
    ReadOnly {
        /// The database file.
        path: PathBuf,
    },
    /// The file cannot be read or created.
    #[error("store {}: {reason}", path.display())]
    Unreadable {
        /// The database file.
        path: PathBuf,
        /// What the operating system said.
        reason: String,
    },
    /// The file is something else than an SQLite database.
    #[error("store {}: the file is not a database", path.display())]
    NotADatabase {
        /// The database file.
        path: PathBuf,
    },
    /// The file is another program's SQLite database.
    #[error("store {}: the database belongs to another program (application_id {application_id:#010x})", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
        /// SQLite's `application_id` of that program; zero if it set none.
        application_id: i32,
    },
    /// The file was written by a newer release.
    #[error(
        "store {}: its schema has version {found}, this program knows up to {supported}; use the newer release",
        path.display()
    )]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The schema version found.
        found: i32,
        /// The newest schema version that this program knows.
        supported: i32,
    },
}

/// What is wrong with the key-encryption key. `origin` names the file or the environment variable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KekError {
    /// It is not there. A key is made only together with a new database, never for an existing one.
    #[error("key-encryption key: {origin} does not exist, and the store cannot be read without it")]
    Missing {
        /// File or environment variable.
        origin: String,
    },
    /// The file cannot be read or written.
    #[error("key-encryption key: {origin}: {reason}")]
    Unreadable {
        /// File or environment variable.
        origin: String,
        /// What the operating system said.
        reason: String,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "key-encryption key: {origin} has mode {mode:04o}, so that others than its owner have access; \
         set it to 0600, and replace the key if anybody else has an account on this machine"
    )]
    Exposed {
        /// The file.
        origin: String,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not 32 octets in hexadecimal digits.
    #[error("key-encryption key: {origin}: expected 64 hexadecimal digits (32 octets)")]
    Malformed {
        /// File or environment variable.
        origin: String,
    },
    /// It is a key, but not the one that sealed this store.
    #[error("key-encryption key: {origin} is not the key that sealed the store {}", path.display())]
    Wrong {
        /// File or environment variable.
        origin: String,
        /// The database file.
        path: PathBuf,
    },
}

/// A request that does not fit the records as they are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Conflict {
    /// The function has a credential with this `psk_identity`, active or revoked.
    #[error("psk_identity \"{psk_identity}\" exists already")]
    PskIdentity {
        /// The function.
        function: Function,
        /// The identity.
        psk_identity: String,
    },
    /// Another credential has, or had until it was revoked, the same key value. For the operator only: a
    /// peer must not learn of it.
    #[error("the key value is that of psk_identity \"{psk_identity}\" already")]
    KeyValue {
        /// Function of the other credential.
        function: Function,
        /// `psk_identity` of the other credential.
        psk_identity: String,
    },
    /// There is an enrolment with this Credential-ID, active or revoked.
    #[error("credential {credential_id} exists already")]
    Enrolled {
        /// The Credential-ID.
        credential_id: String,
    },
    /// The same public key is enrolled, or was until it was revoked, under another of its hashes.
    #[error("the public key is enrolled as {credential_id} already")]
    PublicKey {
        /// The Credential-ID of that enrolment.
        credential_id: String,
    },
    /// There is no credential with this Credential-ID.
    #[error("there is no credential {credential_id}")]
    NoCredential {
        /// The Credential-ID.
        credential_id: String,
    },
    /// The credential is revoked, which is final.
    #[error("credential {credential_id} is revoked")]
    Revoked {
        /// The Credential-ID.
        credential_id: String,
    },
    /// The credential stands for another entity.
    #[error("credential {credential_id} is bound to {entity} already")]
    BoundElsewhere {
        /// The Credential-ID.
        credential_id: String,
        /// The absolute identity that it stands for.
        entity: String,
    },
    /// There is no resource with this resourceID.
    #[error("there is no resource with ri \"{ri}\"")]
    NoResource {
        /// The resourceID.
        ri: String,
    },
    /// A resource with this resourceID exists.
    #[error("a resource with ri \"{ri}\" exists already")]
    ResourceId {
        /// The resourceID.
        ri: String,
    },
    /// The parent has a child with this resourceName.
    #[error("the resource \"{pi}\" has a child \"{rn}\" already")]
    ResourceName {
        /// resourceID of the parent; empty for the base.
        pi: String,
        /// The resourceName.
        rn: String,
    },
    /// The parent named by a new resource is not there.
    #[error("there is no resource with ri \"{pi}\" to be the parent")]
    NoParent {
        /// resourceID of the parent.
        pi: String,
    },
}

/// A value that is not acceptable whatever the records say.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unacceptable {
    /// The key or the key identifier is not acceptable.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The entity is not of the credential's kind.
    #[error("{entity} is not of the credential's kind ({kind})")]
    EntityKind {
        /// The absolute identity.
        entity: String,
        /// `ae` or `cse`.
        kind: &'static str,
    },
    /// The `psk_identity` is a hash of the key in the drafts' form, but not of this key.
    #[error("psk_identity \"{psk_identity}\" has the form of a Kcc_ID/Kca_ID but is not the one of this key")]
    DraftKeyId {
        /// The identity.
        psk_identity: String,
    },
    /// The parts of an enrolment do not go together.
    #[error("{credential_id}: {misfit}")]
    Enrolment {
        /// Its Credential-ID.
        credential_id: String,
        /// What is wrong.
        misfit: Misfit,
    },
    /// A ticket key cannot take turns in this way.
    #[error("ticket keys: a turn lasts more than no time, and no more than 30 days")]
    Turn,
    /// A text is longer than its column may be.
    #[error("{column}: {octets} octets, at most {limit} are stored")]
    TooLong {
        /// The column.
        column: &'static str,
        /// Length of the refused text.
        octets: usize,
        /// The limit.
        limit: usize,
    },
}

/// A stored value that this program would not have written, named by table, column and row.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Damaged {
    /// A sealed value does not open: altered, or moved from another place.
    #[error("table {table}, column {column}, row {row}: the sealed value was altered or moved")]
    Seal {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Primary key of the row.
        row: String,
    },
    /// A value has the wrong type or form.
    #[error("table {table}, column {column}, row {row}: {reason}")]
    Value {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Primary key of the row.
        row: String,
        /// What was expected or found; never a secret.
        reason: String,
    },
}

/// A failure of the database engine or of what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What kind of failure.
    pub kind: FaultKind,
    /// The database file, where it is known.
    pub path: Option<PathBuf>,
    /// The engine's own words.
    pub message: String,
    /// SQLite's extended result code; zero if the failure is not SQLite's.
    pub code: i32,
}

/// Kinds of engine failure that an operator mends in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No space is left on the disk, or the file has reached its configured size.
    Full,
    /// Another process held the file locked for longer than we wait.
    Locked,
    /// The file or its filesystem became read-only.
    ReadOnly,
    /// Reading or writing failed.
    Io,
    /// The database file is malformed.
    Malformed,
    /// A log could not be made durable, so that nothing more is acknowledged before a restart.
    Stopped,
    /// Anything else.
    Other,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "no space is left",
            Self::Locked => "another process keeps it locked",
            Self::ReadOnly => "it is read-only",
            Self::Io => "reading or writing failed",
            Self::Malformed => "the file is malformed",
            Self::Stopped => "writing stopped after a failure to reach the disk; restart",
            Self::Other => "the database engine failed",
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("store")?;
        if let Some(path) = &self.path {
            write!(f, " {}", path.display())?;
        }
        write!(f, ": {} ({})", self.kind, self.message)
    }
}

impl std::error::Error for Fault {}

impl Fault {
    pub(crate) fn other(message: impl Into<String>) -> Self {
        Self { kind: FaultKind::Other, path: None, message: message.into(), code: 0 }
    }
}

impl From<&rusqlite::Error> for Fault {
    fn from(error: &rusqlite::Error) -> Self {
        let (kind, code) = match error.sqlite_error() {
            Some(failure) => (kind_of(failure.code), failure.extended_code),
            None => (FaultKind::Other, 0),
        };
        Self { kind, path: None, message: error.to_string(), code }
    }
}

const fn kind_of(code: ErrorCode) -> FaultKind {
    match code {
        ErrorCode::DiskFull => FaultKind::Full,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => FaultKind::Locked,
        ErrorCode::ReadOnly => FaultKind::ReadOnly,
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed => {
            FaultKind::Io
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => FaultKind::Malformed,
        _ => FaultKind::Other,
    }
}
