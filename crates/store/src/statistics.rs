use std::sync::atomic::{AtomicU64, Ordering};

/// What the threads of a store count.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) transactions: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) failed_commits: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) lookups: AtomicU64,
    pub(crate) lookup_groups: AtomicU64,
    pub(crate) nearby: AtomicU64,
}

/// What a store has done since it was opened, and what is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// Write transactions that were answered, refused ones included.
    pub transactions: u64,
    /// Commits that reached the disk. Fewer than `transactions`, for they are grouped.
    pub commits: u64,
    /// Groups that failed as a whole.
    pub failed_commits: u64,
    /// General reads, wherever they were served.
    pub reads: u64,
    /// Key lookups, wherever they were served.
    pub lookups: u64,
    /// Times that a lookup thread woke up; it serves several lookups at a time.
    pub lookup_groups: u64,
    /// Lookups and brief reads that were served on their caller's own thread.
    pub nearby: u64,
    /// Write transactions waiting now.
    pub waiting_writes: usize,
    /// General reads waiting now.
    pub waiting_reads: usize,
    /// Key lookups waiting now.
    pub waiting_lookups: usize,
}

impl Counters {
    pub(crate) fn snapshot(&self, writes: usize, reads: usize, lookups: usize) -> Statistics {
        let value = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            transactions: value(&self.transactions),
            commits: value(&self.commits),
            failed_commits: value(&self.failed_commits),
            reads: value(&self.reads),
            lookups: value(&self.lookups),
            lookup_groups: value(&self.lookup_groups),
            nearby: value(&self.nearby),
            waiting_writes: writes,
            waiting_reads: reads,
            waiting_lookups: lookups,
        }
    }
}
