//! The threads that read. Key lookups have threads of their own, so that a long listing delays no handshake.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use identity::Function;
use keys::PskIdentity;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::{
    Credentials as _, KeyRecord, Reader, StoreError, queue::Queue, seal::Sealer, statistics::Counters,
};

/// Most lookups served in one go.
const LOOKUP_GROUP: usize = 64;

/// A general read: a closure that also answers.
pub(crate) type Read = Box<dyn FnOnce(Result<&Reader<'_>, StoreError>) + Send>;

/// A key lookup.
pub(crate) struct Lookup {
    pub(crate) function: Function,
    pub(crate) identity: PskIdentity,
    pub(crate) answer: oneshot::Sender<Result<Option<KeyRecord>, StoreError>>,
}

/// What a reading thread owns.
pub(crate) struct ReadThread {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) counters: Arc<Counters>,
}

impl ReadThread {
    /// Serves general reads, each with a view of its own.
    pub(crate) fn serve_reads(self, queue: &Queue<Read>) {
        let mut taken: Vec<Read> = Vec::new();
        while queue.take(1, &mut taken) {
            for read in taken.drain(..) {
                self.counters.reads.fetch_add(1, Ordering::Relaxed);
                let begun = self.begin();
                let reader = Reader { connection: &self.connection, sealer: &self.sealer };
                // `Store::read` reports a panic of the body; this one keeps the thread alive.
                let _ = catch_unwind(AssertUnwindSafe(|| read(begun.map(|()| &reader))));
                self.end();
            }
        }
    }

    /// Serves key lookups: those that are waiting together share one view, which is newer than each of them.
    pub(crate) fn serve_lookups(self, queue: &Queue<Lookup>) {
        let mut taken: Vec<Lookup> = Vec::new();
        while queue.take(LOOKUP_GROUP, &mut taken) {
            self.counters.lookup_groups.fetch_add(1, Ordering::Relaxed);
            self.counters.lookups.fetch_add(taken.len() as u64, Ordering::Relaxed);
            let begun = self.begin();
            for lookup in taken.drain(..) {
                // Nobody waits any more: an overload is not to be made worse.
                if lookup.answer.is_closed() {
                    continue;
                }
                let reader = Reader { connection: &self.connection, sealer: &self.sealer };
                let found = begun.clone().and_then(|()| reader.psk(lookup.function, &lookup.identity));
                let _ = lookup.answer.send(found.map_err(|error| error.at(&self.path)));
            }
            self.end();
        }
    }

    fn begin(&self) -> Result<(), StoreError> {
        let begun = self.connection.prepare_cached("BEGIN").and_then(|mut begin| begin.execute([]));
        begun.map(|_| ()).map_err(|error| StoreError::from(error).at(&self.path))
    }

    fn end(&self) {
        let ended = self.connection.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
        // What was only read can as well be rolled back; what stays open would spoil the next view.
        if ended.is_err()
            && !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot end a read");
        }
    }
}
