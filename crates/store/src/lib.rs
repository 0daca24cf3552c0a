//! Records that must survive: credentials, resources, audit; sealed, versioned, committed in groups.
//!
//! The engine is SQLite in one file. Nothing is acknowledged before it is on the disk; keys are sealed before
//! they reach the database; several processes may use one file, and each hears what the others alter.
//!
//! ```text
//!   async callers ---- write --> queue --> one writing thread: a savepoint each, one commit, then answers
//!                 ---- psk, read_brief: at once, on the caller's own thread; if that is slow or not possible:
//!                 ---- psk ----> queue --> lookup thread(s): one descent of one tree, open the sealed key
//!                 ---- read ---> queue --> reading threads: one consistent view each
//!                 <--- Event --- following thread: what this and other processes committed
//! ```
//!
//! What this crate does not do: decide who may do what (`identity`, `cse`), or remember anything in memory.
//!
//! ```
//! use std::sync::Arc;
//! use identity::Function;
//! use keys::{KeyLengthPolicy, Kpsa, OsRng, Secret};
//! use onem2m::{id::EntityKind, time::SystemClock};
//! use store::{CredentialsMut, KekSource, NewCredential, Options, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("attache.db");
//! let kek = KekSource::beside(&path);
//! let store = Store::open(&path, &kek, Arc::new(SystemClock), Arc::new(OsRng), Options::default())?;
//!
//! let key = Kpsa::new(Secret::from_hex("000102030405060708090a0b0c0d0e0f")?, KeyLengthPolicy::Strict)?;
//! let light = NewCredential::new(Function::Cse, "light1@home.example.org".parse()?, key, EntityKind::Ae);
//! let added = store.write_blocking("add credential", move |tx| tx.add_credential(&light))?;
//! assert_eq!(added.credential_id.as_str(), "12-light1@home.example.org");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod audit;
mod changes;
mod connection;
mod credentials;
pub mod csv_import;
mod enrolments;
mod error;
mod import;
mod kek;
mod known;
mod nearby;
mod options;
mod queue;
mod readers;
mod resources;
mod row;
mod schema;
mod seal;
mod sessions;
mod slot;
mod statistics;
mod store;
mod ticket_keys;
mod tx;
mod writer;

pub use audit::{Audit, AuditEntry, AuditMut, AuditRecord, MAX_AUDIT_PAGE, MAX_AUDIT_TEXT, Outcome};
pub use changes::{Change, ChangeKind, Changes, Event, Follower};
pub use credentials::{
    CredentialPage, CredentialRecord, Credentials, CredentialsMut, KeyRecord, MAX_LABEL_OCTETS, MAX_PAGE,
    NewCredential,
};
pub use enrolments::{
    Enrolled, EnrolmentPage, EnrolmentRecord, Enrolments, EnrolmentsMut, MAX_CHAIN_FACTS_OCTETS,
    MAX_CHAIN_POLICY_OCTETS, NewEnrolment,
};
pub use error::{Conflict, Damaged, Fault, FaultKind, KekError, OpenError, StoreError, Unacceptable};
pub use import::{ImportEnd, ImportOptions, ImportProblem, ImportProgress, ImportReport, ImportStage};
pub use kek::{KEK_OCTETS, KekSource};
pub use known::KnownCses;
pub use options::{CommitHook, Options};
pub use resources::{MAX_LISTED, Resource, Resources, ResourcesMut};
pub use sessions::{
    FoundSession, MAX_SESSION_OCTETS, NewSession, SESSIONS_KEPT, SessionDigest, Sessions, SessionsMut,
};
pub use statistics::Statistics;
pub use store::Store;
pub use ticket_keys::{
    TICKET_KEY_NAME_OCTETS, TICKET_KEY_OCTETS, TicketKey, TicketKeyTurn, TicketKeys, TicketKeysMut,
};
pub use tx::{Reader, Tx};
