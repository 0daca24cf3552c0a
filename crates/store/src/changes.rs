//! Followers learn of every alteration, also of those that other processes make on the same file.
//!
//! Each transaction appends what it alters to the `changes` table. A follower polls `PRAGMA data_version`,
//! which moves when another connection commits, and reads what is behind the last number that it has seen.

use std::{
    collections::VecDeque,
    fmt,
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::sync::broadcast;

use crate::{Options, StoreError, connection};

/// Most announcements that one poll delivers.
const BATCH: u32 = 1024;
/// How many announcements a slow receiver may be behind before it is told that it lost some.
const BACKLOG: usize = 4096;

/// What kind of record was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A credential, be it a key or an enrolment; the key is its Credential-ID.
    Credential,
    /// A resource; the key is its resourceID.
    Resource,
    /// Credentials were added in bulk; the key is empty. Nothing that existed was altered.
    Import,
    /// The keys of session tickets took turns, or were dropped; the key is empty.
    TicketKeys,
}

impl ChangeKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Resource => "resource",
            Self::Import => "import",
            Self::TicketKeys => "ticket keys",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Credential, Self::Resource, Self::Import, Self::TicketKeys]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// One altered record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number; numbers rise by one in the order of committing.
    pub seq: i64,
    /// What kind of record.
    pub kind: ChangeKind,
    /// Which record.
    pub key: String,
}

/// What a follower hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A record was altered.
    Change(Change),
    /// Alterations were missed, or may have been: drop everything that was remembered.
    Lost,
}

/// Reads announcements as they are committed. [`crate::Store::subscribe`] runs one on a thread.
pub struct Follower {
    connection: Connection,
    data_version: Option<i64>,
    /// Number of the last announcement delivered.
    last: i64,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Follower {
    /// Follows from now on: what is committed after this returns is delivered.
    pub(crate) fn new(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let connection = connection::connect(path, options)?;
        connection::keep_pages(&connection, 256)?;
        let last = newest(&connection)?;
        Ok(Self { connection, data_version: None, last })
    }

    /// What was committed since the last call, in order, at most 1024 announcements; call again until there
    /// is nothing. Blocks for as long as reading takes.
    ///
    /// # Errors
    /// [`StoreError::Fault`]. The next call starts where this one did.
    pub fn poll_once(&mut self) -> Result<Vec<Event>, StoreError> {
        // Read before the table: a commit in between moves it again and is found by the next call.
        let version = self.connection.pragma_query_value(None, "data_version", |row| row.get(0))?;
        if self.data_version == Some(version) {
            return Ok(Vec::new());
        }
        let events = self.read_on()?;
        if events.is_empty() {
            self.data_version = Some(version);
        }
        Ok(events)
    }

    fn read_on(&mut self) -> Result<Vec<Event>, StoreError> {
        // One transaction, so that the numbers are those of one moment.
        let transaction = self.connection.transaction()?;
        let newest = newest(&transaction)?;
        let mut events = Vec::new();
        let mut reached = self.last;
        if newest > self.last {
            let sql = "SELECT seq, kind, key FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            let mut statement = transaction.prepare_cached(sql)?;
            let mut rows = statement.query((self.last, BATCH))?;
            while let Some(row) = rows.next()? {
                let seq: i64 = row.get(0)?;
                match ChangeKind::from_name(&row.get::<_, String>(1)?) {
                    Some(kind) if seq == reached + 1 => {
                        events.push(Event::Change(Change { seq, kind, key: row.get(2)? }));
                        reached = seq;
                    }
                    // Pruned before we came, or of a kind that only a newer release knows.
                    _ => {
                        reached = newest;
                        events = vec![Event::Lost];
                        break;
                    }
                }
            }
        }
        // Fewer than we have seen: the file was replaced. None of those that were there: all pruned.
        if newest < self.last || (newest > self.last && events.is_empty()) {
            reached = newest;
            events = vec![Event::Lost];
        }
        self.last = reached;
        Ok(events)
    }
}

fn newest(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'changes'), 0)";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// A subscription to the alterations of one store.
#[derive(Debug)]
pub struct Changes {
    pub(crate) receiver: broadcast::Receiver<Event>,
}

impl Changes {
    /// The next event; `None` once the store is closed. A receiver that was too slow gets [`Event::Lost`].
    ///
    /// Dropping the future loses no event.
    pub async fn recv(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Event::Lost),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// Wakes the follower's thread, and ends it.
#[derive(Default)]
pub(crate) struct Nudge {
    state: Mutex<Pending>,
    woken: Condvar,
}

#[derive(Default)]
struct Pending {
    nudged: bool,
    stopped: bool,
}

impl Nudge {
    pub(crate) fn nudge(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).nudged = true;
        self.woken.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.woken.notify_all();
    }

    /// Waits for a nudge, or for the next turn after `poll`; false once stopped.
    fn wait(&self, poll: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = |pending: &mut Pending| !pending.nudged && !pending.stopped;
        let (mut state, _) =
            self.woken.wait_timeout_while(state, poll, idle).unwrap_or_else(PoisonError::into_inner);
        state.nudged = false;
        !state.stopped
    }
}

/// The channel that subscriptions read from.
pub(crate) fn channel() -> broadcast::Sender<Event> {
    broadcast::Sender::new(BACKLOG)
}

/// The follower's thread.
pub(crate) fn follow(
    mut follower: Follower,
    poll: Duration,
    nudge: &Nudge,
    sender: &broadcast::WeakSender<Event>,
) {
    let mut failing = false;
    let mut waiting = VecDeque::new();
    while nudge.wait(poll) {
        loop {
            match follower.poll_once() {
                Ok(events) if events.is_empty() => break failing = false,
                Ok(events) => waiting.extend(events),
                Err(error) => {
                    // What cannot be followed must not be remembered: a revocation could be among it.
                    if !failing {
                        tracing::warn!(%error, "cannot follow changes of the store");
                    }
                    failing = true;
                    waiting.clear();
                    waiting.push_back(Event::Lost);
                }
            }
            let Some(sender) = sender.upgrade() else { return };
            for event in waiting.drain(..) {
                // No subscriber at the moment is no failure.
                let _ = sender.send(event);
            }
            if failing {
                break;
            }
        }
    }
}
