//! What the tests of this crate share.
#![allow(dead_code, reason = "each test program uses its part")]
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{path::PathBuf, sync::Arc};

use identity::Function;
use keys::{KeyLengthPolicy, Kpsa, PskIdentity, Secret, SeededRng};
use onem2m::{
    id::{EntityId, EntityKind},
    time::{ManualClock, Timestamp},
};
use store::{KekSource, NewCredential, Options, Resource, Store, StoreError};

/// One database in a folder of its own; every store opened through it sees the same records.
pub(crate) struct Database {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Database {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::new("20260101T000000".parse().unwrap()));
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("attache.db")
    }

    pub(crate) fn kek(&self) -> KekSource {
        KekSource::beside(&self.path())
    }

    pub(crate) fn open(&self) -> Store {
        self.try_open(Options::default()).unwrap()
    }

    pub(crate) fn try_open(&self, options: Options) -> Result<Store, StoreError> {
        let rng = Arc::new(SeededRng::new(1));
        Store::open(&self.path(), &self.kek(), Arc::<ManualClock>::clone(&self.clock), rng, options)
    }

    /// The file as SQLite sees it, past the store.
    pub(crate) fn raw(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn key(seed: u128) -> Kpsa {
    Kpsa::new(Secret::new(seed.to_be_bytes().to_vec()), KeyLengthPolicy::Strict).unwrap()
}

pub(crate) fn psk_identity(text: &str) -> PskIdentity {
    text.parse().unwrap()
}

pub(crate) fn ae(stem: &str) -> EntityId {
    EntityId::parse(EntityKind::Ae, &format!("//sp.example.org/{stem}")).unwrap()
}

pub(crate) fn credential(name: &str, seed: u128) -> NewCredential {
    NewCredential::new(Function::Cse, psk_identity(name), key(seed), EntityKind::Ae)
}

pub(crate) fn resource(ri: &str, pi: &str) -> Resource {
    Resource {
        ri: ri.to_owned(),
        ty: 2,
        rn: format!("name-of-{ri}"),
        pi: pi.to_owned(),
        ct: time("20260101T000000"),
        lt: time("20260101T000000"),
        et: None,
        creator: None,
        credential_id: None,
        attributes: serde_json::Map::new(),
    }
}
