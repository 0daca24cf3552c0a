//! Short reads on the caller's own thread.
//!
//! A lookup of one row takes a few microseconds; waking another thread for it and being woken by its answer takes
//! several times as long. So whoever asks for something short gets a connection and reads, as long as one is free
//! and reading has been quick. When a read took as long as only a disk takes that is busy or gone, the threads of
//! [`crate::readers`] take over for a while: nobody's event loop waits for that disk twice.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rusqlite::Connection;

use crate::{Fault, FaultKind, Reader, StoreError, seal::Sealer, statistics::Counters};

/// For how long the threads read after that.
const PAUSE: Duration = Duration::from_secs(1);

/// Connections for whoever reads on its own thread.
pub(crate) struct Nearby {
    shelf: Mutex<Shelf>,
    path: PathBuf,
    sealer: Arc<Sealer>,
    counters: Arc<Counters>,
    /// A read that took this long waited for something.
    slow: Duration,
    started: Instant,
    /// Microseconds after the start until which reads are left to the threads.
    paused_until: AtomicU64,
}

impl Nearby {
    pub(crate) fn new(
        connections: Vec<Connection>,
        slow: Duration,
        path: PathBuf,
        sealer: Arc<Sealer>,
        counters: Arc<Counters>,
    ) -> Self {
        let shelf = Mutex::new(Shelf { free: connections, closed: false });
        Self { shelf, path, sealer, counters, slow, started: now(), paused_until: AtomicU64::new(0) }
    }

    /// Reads now, from one consistent view. `None` if that is for a reading thread to do: no connection is free,
    /// reading is slow at present, or another process has locked the file.
    pub(crate) fn read<R>(
        &self,
        view: View,
        body: impl FnOnce(&Reader<'_>) -> Result<R, StoreError>,
    ) -> Option<Result<R, StoreError>> {
        let begun = self.started.elapsed();
        if self.is_paused(begun) {
            return None;
        }
        let connection = self.lock().free.pop()?;
        let reader = Reader { connection: &connection, sealer: &self.sealer };
        let outcome = catch_unwind(AssertUnwindSafe(|| match view {
            View::OneStatement => body(&reader),
            View::Several => seen_at_once(&connection, || body(&reader)),
        }))
        .unwrap_or(Err(StoreError::Panicked { name: "read" }));
        self.give_back(connection);
        self.took(begun, self.started.elapsed());
        if matches!(&outcome, Err(StoreError::Fault(Fault { kind: FaultKind::Locked, .. }))) {
            return None;
        }
        self.counters.nearby.fetch_add(1, Ordering::Relaxed);
        Some(outcome.map_err(|error| error.at(&self.path)))
    }

    /// Closes the connections; those in use are closed when they are given back.
    pub(crate) fn close(&self) {
        let mut shelf = self.lock();
        shelf.closed = true;
        shelf.free.clear();
    }

    fn give_back(&self, connection: Connection) {
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            // What stays open would spoil the next view: this connection reads no more.
            return tracing::error!(%error, "cannot end a read");
        }
        let mut shelf = self.lock();
        if !shelf.closed {
            shelf.free.push(connection);
        }
    }

    fn is_paused(&self, now: Duration) -> bool {
        micros(now) < self.paused_until.load(Ordering::Relaxed)
    }

    /// A read is over; both times count from the start.
    fn took(&self, begun: Duration, ended: Duration) {
        if ended.saturating_sub(begun) >= self.slow {
            self.paused_until.store(micros(ended + PAUSE), Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Shelf {
    /// The one that was given back last is taken first: its caches are the warmest.
    free: Vec<Connection>,
    closed: bool,
}

/// How much one read looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    /// A single statement, which is its own view.
    OneStatement,
    /// More than one.
    Several,
}

fn seen_at_once<R>(
    connection: &Connection,
    body: impl FnOnce() -> Result<R, StoreError>,
) -> Result<R, StoreError> {
    connection.prepare_cached("BEGIN")?.execute([])?;
    let outcome = body();
    connection.prepare_cached("COMMIT")?.execute([])?;
    outcome
}

#[expect(clippy::disallowed_methods, reason = "how long a read took decides who does the next one")]
fn now() -> Instant {
    Instant::now()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use keys::Secret;

    use super::*;

    fn nearby(connections: usize) -> Nearby {
        timed(connections, Duration::MAX)
    }

    fn timed(connections: usize, slow: Duration) -> Nearby {
        let connections = (0..connections).map(|_| Connection::open_in_memory().unwrap()).collect();
        let sealer = Sealer::new(&Secret::new(vec![1; 32]), &[1; 16]).unwrap();
        Nearby::new(connections, slow, PathBuf::new(), Arc::new(sealer), Arc::default())
    }

    #[test]
    fn who_finds_no_connection_goes_elsewhere() {
        let nearby = nearby(1);
        let nested =
            nearby.read(View::Several, |_| Ok(nearby.read(View::OneStatement, |_| Ok(())).is_none()));
        assert_eq!(nested, Some(Ok(true)));
        assert_eq!(nearby.read(View::OneStatement, |_| Ok(1)), Some(Ok(1)), "it was given back");
        nearby.close();
        assert_eq!(nearby.read(View::OneStatement, |_| Ok(1)), None);
    }

    #[test]
    fn nothing_is_given_back_after_the_end() {
        let nearby = nearby(1);
        let closed = nearby.read(View::Several, |_| {
            nearby.close();
            Ok(())
        });
        assert_eq!(closed, Some(Ok(())));
        assert!(nearby.lock().free.is_empty());
    }

    #[test]
    fn after_a_slow_read_the_threads_read_for_a_while() {
        let slow = Duration::from_millis(20);
        let nearby = timed(1, slow);
        let (begun, ended) = (Duration::from_secs(7), Duration::from_secs(7) + slow);
        nearby.took(begun, ended - Duration::from_micros(1));
        assert!(!nearby.is_paused(ended));
        nearby.took(begun, ended);
        assert!(nearby.is_paused(ended) && nearby.is_paused(ended + PAUSE - Duration::from_micros(1)));
        assert!(!nearby.is_paused(ended + PAUSE));
        assert_eq!(nearby.read(View::OneStatement, |_| Ok(1)), None, "it has just been opened");
    }

    #[test]
    fn a_read_that_fails_in_the_middle_leaves_a_usable_connection() {
        let nearby = nearby(1);
        let failed: Option<Result<(), _>> = nearby.read(View::Several, |_| Err(StoreError::Closed));
        assert_eq!(failed, Some(Err(StoreError::Closed)));
        let panicked: Option<Result<(), _>> = nearby.read(View::Several, |_| panic!("a body that panics"));
        assert_eq!(panicked, Some(Err(StoreError::Panicked { name: "read" })));
        assert_eq!(nearby.read(View::Several, |_| Ok(1)), Some(Ok(1)));
    }

    /// Another process holds the file: the threads wait for it, the caller does not.
    #[test]
    fn a_locked_file_is_left_to_the_threads() {
        let nearby = nearby(1);
        let locked = || Fault { kind: FaultKind::Locked, ..Fault::other("database is locked") };
        let read: Option<Result<(), _>> = nearby.read(View::Several, |_| Err(locked().into()));
        assert_eq!(read, None);
    }
}
