//! The one thread that writes: it takes the transactions that are waiting, runs each in its own savepoint,
//! commits them together, and only then answers.
//!
//! ```text
//!   callers --> queue (bounded) --> BEGIN IMMEDIATE
//!                                     SAVEPOINT  body 1  RELEASE
//!                                     SAVEPOINT  body 2  ROLLBACK TO, RELEASE   (its own error)
//!                                     SAVEPOINT  body 3  RELEASE
//!                                   COMMIT (the log reaches the disk) --> answers to 1, 2, 3
//! ```

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
};

use keys::Rng;
use onem2m::time::Clock;
use rusqlite::{Connection, ffi};

use crate::{
    CommitHook, Fault, FaultKind, Reader, StoreError, Tx, changes::Nudge, queue::Queue, seal::Sealer,
    statistics::Counters,
};

/// How many announcements are made between two prunings of their table.
const PRUNE_EVERY: u64 = 1024;
/// How many bodies may make the engine undo one group before the rest of it is given up.
const SPOILERS: usize = 8;

/// A transaction in the queue.
pub(crate) trait Job: Send {
    /// Runs the body. True if what it did is to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Answers the caller: `group` is how the commit of the whole group ended.
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
}

/// A [`Job`] from a closure and a way to answer.
pub(crate) struct Body<F, R, A> {
    pub(crate) name: &'static str,
    pub(crate) body: F,
    pub(crate) outcome: Option<Result<R, StoreError>>,
    pub(crate) answer: A,
}

impl<F, R, A> Job for Body<F, R, A>
where
    F: FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send,
    R: Send,
    A: FnOnce(Result<R, StoreError>) + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        // The body's own state is dropped with it, and the savepoint undoes the rest.
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.body)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Panicked { name: self.name }));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        let outcome = match (self.outcome, group) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(group)) => Err(group),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        (self.answer)(outcome);
    }
}

fn answer(job: Box<dyn Job>, group: Result<(), StoreError>) {
    // A panic while answering is that caller's; the next caller is not to suffer from it.
    let _ = catch_unwind(AssertUnwindSafe(|| job.answer(group)));
}

/// What the writing thread owns.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) sealer: Arc<Sealer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) group_limit: usize,
    pub(crate) keep_changes: u32,
    pub(crate) counters: Arc<Counters>,
    pub(crate) nudge: Arc<Nudge>,
    pub(crate) hook: Option<CommitHook>,
    /// Announcements since their table was pruned.
    pub(crate) since_pruned: u64,
    /// Set once the disk refused to confirm a write.
    pub(crate) stopped: Option<Fault>,
}

/// Why a group was not committed.
struct Failure {
    /// The one transaction that is to blame, by its place in the group.
    culprit: Option<usize>,
    error: StoreError,
}

impl<E: Into<StoreError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { culprit: None, error: error.into() }
    }
}

/// What a group that was carried out amounts to.
#[derive(Default)]
struct Done {
    kept: usize,
    announced: u64,
}

impl Writer {
    /// Serves the queue until it is closed and empty.
    pub(crate) fn serve(mut self, queue: &Queue<Box<dyn Job>>) {
        let mut group = Vec::new();
        while queue.take(self.group_limit, &mut group) {
            self.carry_out(&mut group);
        }
    }

    /// Commits the group and answers each caller. Where one body made the engine undo the transaction (no
    /// space left, for one), the others are run again without it.
    fn carry_out(&mut self, group: &mut Vec<Box<dyn Job>>) {
        for _ in 0..SPOILERS {
            match self.commit(group) {
                Err(Failure { culprit: Some(at), error }) if at < group.len() => {
                    answer(group.remove(at), Err(error));
                }
                outcome => {
                    let outcome = outcome.map_err(|failure| failure.error);
                    return group.drain(..).for_each(|job| answer(job, outcome.clone()));
                }
            }
        }
        let undone = Fault {
            path: Some(self.path.clone()),
            ..Fault::other("the database engine undid the transaction")
        };
        group.drain(..).for_each(|job| answer(job, Err(undone.clone().into())));
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        if let Some(fault) = &self.stopped {
            return Err(StoreError::from(fault.clone()).into());
        }
        let outcome = self.attempt(group);
        match &outcome {
            Ok(done) => self.record(group.len(), done),
            Err(Failure { error, .. }) => {
                tracing::error!(%error, transactions = group.len(), "store commit failed");
                self.counters.failed_commits.fetch_add(1, Ordering::Relaxed);
                self.abort();
            }
        }
        let path = &self.path;
        outcome.map(|_| ()).map_err(|failure| Failure { error: failure.error.at(path), ..failure })
    }

    fn attempt(&mut self, group: &mut [Box<dyn Job>]) -> Result<Done, Failure> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut done = Done::default();
        for (at, job) in group.iter_mut().enumerate() {
            let announced = self.run(job.as_mut())?;
            if self.connection.is_autocommit() {
                let error = Fault::other("the database engine undid the transaction").into();
                return Err(Failure { culprit: Some(at), error });
            }
            self.settle(announced.is_some())?;
            done.kept += usize::from(announced.is_some());
            done.announced += announced.unwrap_or_default();
        }
        if done.kept == 0 {
            self.connection.execute_batch("ROLLBACK")?;
            return Ok(done);
        }
        self.prune(done.announced)?;
        if let Err(error) = self.connection.execute_batch("COMMIT") {
            self.judge_commit(&error);
            return Err(error.into());
        }
        Ok(done)
    }

    /// Runs one body behind its savepoint; `Some` if it is to be kept, with the number of its announcements.
    fn run(&self, job: &mut dyn Job) -> Result<Option<u64>, StoreError> {
        self.connection.execute_batch("SAVEPOINT body")?;
        let reader = Reader { connection: &self.connection, sealer: &self.sealer };
        let mut tx = Tx::new(reader, self.rng.as_ref(), self.clock.now());
        let keep = job.run(&mut tx);
        Ok(keep.then(|| tx.announced()))
    }

    fn settle(&self, keep: bool) -> Result<(), StoreError> {
        let sql = if keep { "RELEASE body" } else { "ROLLBACK TO body; RELEASE body" };
        Ok(self.connection.execute_batch(sql)?)
    }

    /// Removes announcements that no follower needs any more.
    fn prune(&mut self, announced: u64) -> Result<(), StoreError> {
        self.since_pruned += announced;
        if self.since_pruned < PRUNE_EVERY {
            return Ok(());
        }
        self.since_pruned = 0;
        let sql = "DELETE FROM changes WHERE seq <= (SELECT max(seq) FROM changes) - ?1";
        self.connection.prepare_cached(sql)?.execute([self.keep_changes])?;
        Ok(())
    }

    /// After a failed flush the system may report the next one as done without having done it: the only safe
    /// thing is to acknowledge nothing more.
    fn judge_commit(&mut self, error: &rusqlite::Error) {
        let code = error.sqlite_error().map_or(0, |failure| failure.extended_code);
        if matches!(code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC) {
            let fault =
                Fault { kind: FaultKind::Stopped, path: Some(self.path.clone()), ..Fault::from(error) };
            self.stopped = Some(fault);
        }
    }

    fn abort(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "cannot roll back");
        }
    }

    fn record(&self, transactions: usize, done: &Done) {
        let counters = &self.counters;
        counters.transactions.fetch_add(transactions as u64, Ordering::Relaxed);
        if done.kept > 0 {
            counters.commits.fetch_add(1, Ordering::Relaxed);
        }
        if done.announced > 0 {
            self.nudge.nudge();
        }
        if let Some(hook) = &self.hook {
            // An observer's panic must not end the writer.
            let _ = catch_unwind(AssertUnwindSafe(|| hook(transactions)));
        }
    }
}
