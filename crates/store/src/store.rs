//! The handle that everybody holds.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::Ordering, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use identity::Function;
use keys::{PskIdentity, Rng};
use onem2m::time::Clock;
use tokio::sync::{broadcast, oneshot};

use crate::{
    Changes, Credentials as _, Event, Fault, Follower, KekSource, KeyRecord, OpenError, Options, Reader,
    Statistics, StoreError, Tx,
    changes::{self, Nudge},
    connection,
    nearby::{Nearby, View},
    queue::Queue,
    readers::{Lookup, Read, ReadThread},
    seal::Sealer,
    statistics::Counters,
    writer::{Body, Job, Writer},
};

/// A handle to one open store; clones share its threads. The last one closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    options: Options,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    counters: Arc<Counters>,
    writes: Arc<Queue<Box<dyn Job>>>,
    reads: Arc<Queue<Read>>,
    lookups: Arc<Queue<Lookup>>,
    nearby: Nearby,
    nudge: Arc<Nudge>,
    /// The sender of announcements, once somebody has subscribed.
    announcements: Mutex<Option<broadcast::Sender<Event>>>,
    readers: Mutex<Vec<JoinHandle<()>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in the file `path`, making it if there is none. Blocks for file access.
    ///
    /// # Errors
    /// [`StoreError::Open`] or [`StoreError::Kek`] with nothing written, or [`StoreError::Fault`].
    pub fn open(
        path: &Path,
        kek: &KekSource,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        options: Options,
    ) -> Result<Self, StoreError> {
        let path = std::path::absolute(path)
            .map_err(|error| OpenError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        let (connection, sealer) =
            connection::open(&path, kek, rng.as_ref(), &options).map_err(|error| error.at(&path))?;
        connection::keep_pages(&connection, options.writer_cache_kib)?;
        connection::limit_size(&connection, options.max_file_octets)?;
        let (sealer, counters) = (Arc::new(sealer), Arc::<Counters>::default());
        let at_once = Options { lock_timeout: Duration::ZERO, ..options.clone() };
        let nearby = (0..options.nearby_readers).map(|_| reading_connection(&path, &at_once));
        let nearby = nearby.collect::<Result<Vec<_>, _>>()?;
        let inner = Arc::new(Inner {
            nearby: Nearby::new(
                nearby,
                options.nearby_slow,
                path.clone(),
                Arc::clone(&sealer),
                Arc::clone(&counters),
            ),
            sealer,
            counters,
            writes: Arc::new(Queue::new("write", options.write_queue)),
            reads: Arc::new(Queue::new("read", options.read_queue)),
            lookups: Arc::new(Queue::new("lookup", options.lookup_queue)),
            nudge: Arc::default(),
            announcements: Mutex::new(None),
            readers: Mutex::new(Vec::new()),
            writer: Mutex::new(None),
            path,
            options,
            clock,
            rng,
        });
        inner.start_writer(connection)?;
        inner.start_readers()?;
        Ok(Self { inner })
    }

    /// Carries out a transaction. Resolves only once it is durable, or with nothing of it kept.
    ///
    /// The body may be run more than once, so that it takes what it needs by reference. If the future is
    /// dropped the transaction may be carried out nevertheless.
    ///
    /// # Errors
    /// The body's own error; [`StoreError::Busy`] if too many transactions are waiting;
    /// [`StoreError::Fault`] if the commit failed, in which case nothing of the group was kept.
    pub async fn write<R, F>(&self, name: &'static str, body: F) -> Result<R, StoreError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.inner.writes.offer(self.write_job(name, body, move |outcome| {
            // A caller that has gone away does not want to know.
            let _ = sender.send(outcome);
        }))?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Like [`Self::write`] for callers without a runtime; waits for a place in the queue.
    ///
    /// # Errors
    /// As for [`Self::write`], without [`StoreError::Busy`].
    pub fn write_blocking<R, F>(&self, name: &'static str, body: F) -> Result<R, StoreError>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.inner.writes.put(self.write_job(name, body, move |outcome| {
            let _ = sender.send(outcome);
        }))?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// Reads on one of the reading threads, from one consistent view that is not older than this call.
    ///
    /// # Errors
    /// The body's own error, [`StoreError::Busy`] if too many reads are waiting, or [`StoreError::Fault`].
    pub async fn read<R, F>(&self, body: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Reader<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.inner.reads.offer(self.read_job(body, move |outcome| {
            let _ = sender.send(outcome);
        }))?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Like [`Self::read`], for a body that reads a handful of rows by their keys: run on the caller's own thread
    /// where that is quick, else as any other read. The body may be run more than once.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn read_brief<R, F>(&self, body: F) -> Result<R, StoreError>
    where
        F: Fn(&Reader<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        match self.inner.nearby.read(View::Several, &body) {
            Some(outcome) => {
                self.inner.counters.reads.fetch_add(1, Ordering::Relaxed);
                outcome
            }
            None => self.read(body).await,
        }
    }

    /// Like [`Self::read`] for callers without a runtime; waits for a place in the queue.
    ///
    /// # Errors
    /// As for [`Self::read`], without [`StoreError::Busy`].
    pub fn read_blocking<R, F>(&self, body: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Reader<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.inner.reads.put(self.read_job(body, move |outcome| {
            let _ = sender.send(outcome);
        }))?;
        receiver.recv().unwrap_or(Err(StoreError::Closed))
    }

    /// The credential of `function` with this `psk_identity`, and its key: what a handshake waits for. One
    /// descent of one tree, at once on the caller's own thread where that is quick, else on a thread that does
    /// nothing else. Takes as long for an identity that is not there, or whose key was erased, as for any other.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Damaged`] or [`StoreError::Fault`].
    pub async fn psk(
        &self,
        function: Function,
        identity: PskIdentity,
    ) -> Result<Option<KeyRecord>, StoreError> {
        if let Some(found) =
            self.inner.nearby.read(View::OneStatement, |reader| reader.psk(function, &identity))
        {
            self.inner.counters.lookups.fetch_add(1, Ordering::Relaxed);
            return found;
        }
        let (answer, receiver) = oneshot::channel();
        self.inner.lookups.offer(Lookup { function, identity, answer })?;
        receiver.await.unwrap_or(Err(StoreError::Closed))
    }

    /// SHA-256 over every record except the audit and the announcements; see [`Reader::digest`].
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub async fn digest(&self) -> Result<[u8; 32], StoreError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the bare method serves one lifetime only"
        )]
        self.read(|reader| reader.digest()).await
    }

    /// Like [`Self::digest`] for callers without a runtime.
    ///
    /// # Errors
    /// As for [`Self::read_blocking`].
    pub fn digest_blocking(&self) -> Result<[u8; 32], StoreError> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the bare method serves one lifetime only"
        )]
        self.read_blocking(|reader| reader.digest())
    }

    /// From now on, every alteration that any process commits. Starts the following thread at first use.
    ///
    /// # Errors
    /// [`StoreError::Closed`] or [`StoreError::Fault`].
    pub fn subscribe(&self) -> Result<Changes, StoreError> {
        let mut announcements = self.inner.announcements.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = announcements.as_ref() {
            return Ok(Changes { receiver: sender.subscribe() });
        }
        if self.inner.reads.is_closed() {
            return Err(StoreError::Closed);
        }
        let follower = self.follower()?;
        let sender = changes::channel();
        let receiver = sender.subscribe();
        let (nudge, thread_sender) = (Arc::clone(&self.inner.nudge), sender.downgrade());
        let poll = self.inner.options.poll_interval;
        self.inner
            .spawn_reader("store-follow", move || changes::follow(follower, poll, &nudge, &thread_sender))?;
        *announcements = Some(sender);
        Ok(Changes { receiver })
    }

    /// A follower that is polled by hand.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    pub fn follower(&self) -> Result<Follower, StoreError> {
        Follower::new(&self.inner.path, &self.inner.options).map_err(|error| error.at(&self.inner.path))
    }

    /// What the store has done since it was opened, and what is waiting.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let inner = &self.inner;
        inner.counters.snapshot(inner.writes.len(), inner.reads.len(), inner.lookups.len())
    }

    /// The database file, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Carries out what was accepted, accepts nothing more, and waits until the file is closed. Other clones
    /// answer [`StoreError::Closed`] from then on. Dropping the last clone does the same.
    pub fn close(&self) {
        self.inner.shut();
    }

    pub(crate) fn sealer(&self) -> &Sealer {
        &self.inner.sealer
    }

    pub(crate) fn rng(&self) -> &dyn Rng {
        self.inner.rng.as_ref()
    }

    pub(crate) fn options(&self) -> &Options {
        &self.inner.options
    }

    fn write_job<R, F>(
        &self,
        name: &'static str,
        body: F,
        answer: impl FnOnce(Result<R, StoreError>) + Send + 'static,
    ) -> Box<dyn Job>
    where
        F: FnMut(&mut Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let path = self.inner.path.clone();
        let answer = move |outcome: Result<R, StoreError>| answer(outcome.map_err(|error| error.at(&path)));
        Box::new(Body { name, body, outcome: None, answer })
    }

    fn read_job<R, F>(&self, body: F, answer: impl FnOnce(Result<R, StoreError>) + Send + 'static) -> Read
    where
        F: FnOnce(&Reader<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        let path = self.inner.path.clone();
        Box::new(move |reader| {
            let outcome = reader.and_then(|reader| {
                catch_unwind(AssertUnwindSafe(|| body(reader)))
                    .unwrap_or(Err(StoreError::Panicked { name: "read" }))
            });
            answer(outcome.map_err(|error| error.at(&path)));
        })
    }
}

impl Inner {
    fn start_writer(&self, connection: rusqlite::Connection) -> Result<(), StoreError> {
        let writer = Writer {
            connection,
            path: self.path.clone(),
            sealer: Arc::clone(&self.sealer),
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
            group_limit: self.options.group,
            keep_changes: self.options.keep_changes,
            counters: Arc::clone(&self.counters),
            nudge: Arc::clone(&self.nudge),
            hook: self.options.on_commit.clone(),
            since_pruned: 0,
            stopped: None,
        };
        let queue = Arc::clone(&self.writes);
        let thread = spawn("store-write", move || writer.serve(&queue))?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    fn start_readers(&self) -> Result<(), StoreError> {
        for _ in 0..self.options.lookup_threads.max(1) {
            let (thread, queue) = (self.read_thread()?, Arc::clone(&self.lookups));
            self.spawn_reader("store-lookup", move || thread.serve_lookups(&queue))?;
        }
        for _ in 0..self.options.reader_threads.max(1) {
            let (thread, queue) = (self.read_thread()?, Arc::clone(&self.reads));
            self.spawn_reader("store-read", move || thread.serve_reads(&queue))?;
        }
        Ok(())
    }

    fn read_thread(&self) -> Result<ReadThread, StoreError> {
        Ok(ReadThread {
            connection: reading_connection(&self.path, &self.options)?,
            path: self.path.clone(),
            sealer: Arc::clone(&self.sealer),
            counters: Arc::clone(&self.counters),
        })
    }

    fn spawn_reader(&self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
        let thread = spawn(name, run)?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Ends the threads: readers first, so that the writer's connection is the last and tidies up the log.
    fn shut(&self) {
        self.reads.close();
        self.lookups.close();
        self.nearby.close();
        self.nudge.stop();
        // Ends the subscriptions.
        drop(self.announcements.lock().unwrap_or_else(PoisonError::into_inner).take());
        let readers = std::mem::take(&mut *self.readers.lock().unwrap_or_else(PoisonError::into_inner));
        readers.into_iter().for_each(join);
        self.writes.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        writer.into_iter().for_each(join);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shut();
    }
}

fn reading_connection(path: &Path, options: &Options) -> Result<rusqlite::Connection, StoreError> {
    let connection = connection::connect(path, options)?;
    connection.pragma_update(None, "query_only", true)?;
    connection::keep_pages(&connection, options.reader_cache_kib)?;
    Ok(connection)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned.map_err(|error| Fault::other(format!("cannot start thread {name}: {error}")).into())
}

fn join(thread: JoinHandle<()>) {
    // A body may hold the last handle, so that closing happens on one of our own threads; it ends by itself.
    if thread.thread().id() != thread::current().id() && thread.join().is_err() {
        tracing::error!("a thread of the store panicked");
    }
}
