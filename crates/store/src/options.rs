//! How a store is run.

use std::{fmt, num::NonZeroUsize, sync::Arc, thread, time::Duration};

/// Called on the writing thread after each commit and before its callers are answered, with the number of
/// transactions in the group.
pub type CommitHook = Arc<dyn Fn(usize) + Send + Sync>;

/// Most connections for reads on their caller's own thread: each has a page cache.
const MOST_NEARBY: usize = 8;

/// How a store is run. The defaults suit a server.
#[derive(Clone)]
pub struct Options {
    /// Connections for short reads on the caller's own thread; more callers than these are served by the threads.
    pub nearby_readers: usize,
    /// A read on the caller's own thread that took this long leaves the next ones to the threads, for a second.
    pub nearby_slow: Duration,
    /// Threads for key lookups.
    pub lookup_threads: usize,
    /// Threads for every other read.
    pub reader_threads: usize,
    /// How many write transactions may wait.
    pub write_queue: usize,
    /// How many general reads may wait.
    pub read_queue: usize,
    /// How many key lookups may wait.
    pub lookup_queue: usize,
    /// Most transactions in one commit.
    pub group: usize,
    /// Page cache of each reading connection, in KiB.
    pub reader_cache_kib: u32,
    /// Page cache of the writing thread, in KiB.
    pub writer_cache_kib: u32,
    /// How long to wait for another process that is writing.
    pub lock_timeout: Duration,
    /// How often a subscription looks for what other processes commit; its own process's commits wake it.
    pub poll_interval: Duration,
    /// How many announced changes are kept for followers of other processes.
    pub keep_changes: u32,
    /// Largest size of the database file in octets, the write-ahead log not counted; `None` for no limit.
    pub max_file_octets: Option<u64>,
    /// An observer of commits.
    pub on_commit: Option<CommitHook>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nearby_readers: thread::available_parallelism().map_or(1, NonZeroUsize::get).min(MOST_NEARBY),
            nearby_slow: Duration::from_millis(20),
            lookup_threads: 1,
            reader_threads: 2,
            write_queue: 1024,
            read_queue: 256,
            lookup_queue: 1024,
            group: 256,
            reader_cache_kib: 8 * 1024,
            writer_cache_kib: 16 * 1024,
            lock_timeout: Duration::from_secs(5),
            poll_interval: Duration::from_millis(100),
            keep_changes: 65_536,
            max_file_octets: None,
            on_commit: None,
        }
    }
}

impl Options {
    /// For a program that imports a great many credentials and ends: a larger cache for the writer.
    #[must_use]
    pub fn for_bulk_import() -> Self {
        Self { writer_cache_kib: 256 * 1024, ..Self::default() }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("nearby_readers", &self.nearby_readers)
            .field("lookup_threads", &self.lookup_threads)
            .field("reader_threads", &self.reader_threads)
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}
