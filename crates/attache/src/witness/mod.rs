//! What is worth keeping of what happens on the wire: logs at once, audit lines behind.
//!
//! Whoever is established has a line of its own. Refusals, which anybody can cause, are coalesced by address and
//! reason, in the log as in the audit. What cannot be written fast enough is counted, and the audit is cut to so
//! many lines: a flood can fill neither memory nor disk.

mod coalesce;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use net::{EndEvent, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, Observer};
use onem2m::time::Clock;
use store::{AuditMut as _, AuditRecord, Outcome, Store};
use tokio::{
    sync::{
        Notify,
        mpsc::{self, error::TryRecvError},
    },
    time::{MissedTickBehavior, interval, sleep},
};

use crate::metrics::Metrics;
use coalesce::{Coalescer, KINDS, Refusal};

/// Audit lines that wait to be written; more are counted and not kept.
const WAITING: usize = 4096;
/// Audit lines written in one transaction.
const AT_ONCE: usize = 1024;
/// What a handshake is called in the audit.
const ESTABLISH: &str = "association.establish";
/// How often it is looked for refusals that were counted for long enough.
const TURN: Duration = Duration::from_secs(1);
/// How long lines are gathered for one transaction. Each commit is a flush of the disk, and empties the caches of
/// those who read the store.
const GATHERED_FOR: Duration = Duration::from_millis(250);

/// Takes down what happens, without ever making a connection wait.
pub(crate) struct Journal {
    lines: mpsc::Sender<AuditRecord>,
    shared: Arc<Shared>,
}

/// The other end: writes the lines into the store. It ends when the journal is gone.
pub(crate) struct Scribe {
    lines: mpsc::Receiver<AuditRecord>,
    shared: Arc<Shared>,
    /// Audit lines that are kept; the oldest go first.
    kept: u64,
}

struct Shared {
    refusals: Mutex<Coalescer>,
    lost: AtomicU64,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// The scribe is to write now: many lines wait, or no more will come.
    hurry: Notify,
}

impl Shared {
    fn refusals(&self) -> MutexGuard<'_, Coalescer> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, lines: u64) {
        self.metrics.audit_lost(lines);
        self.lost.fetch_add(lines, Ordering::Relaxed);
    }
}

impl Journal {
    /// A journal whose scribe keeps the newest `kept` lines of the audit.
    pub(crate) fn new(clock: Arc<dyn Clock>, kept: u64, metrics: Metrics) -> (Arc<Self>, Scribe) {
        let (sender, lines) = mpsc::channel(WAITING);
        let refusals = Mutex::new(Coalescer::new(KINDS));
        let hurry = Notify::new();
        let shared = Arc::new(Shared { refusals, lost: AtomicU64::new(0), clock, metrics, hurry });
        (Arc::new(Self { lines: sender, shared: Arc::clone(&shared) }), Scribe { lines, shared, kept })
    }

    fn take_down(&self, line: AuditRecord) {
        if self.lines.try_send(line).is_err() {
            self.shared.lose(1);
        }
        if self.lines.capacity() <= WAITING / 2 {
            self.shared.hurry.notify_one();
        }
    }

    fn refused(&self, refusal: Refusal) {
        let line = self.shared.refusals().take(refusal, self.shared.clock.now());
        if let Some(line) = line {
            log_refusal(&line);
            self.take_down(line);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.hurry.notify_one();
    }
}

/// In the log stands what stands in the audit: a line for each refusal would be a flood as well.
fn log_refusal(line: &AuditRecord) {
    tracing::info!(
        action = line.action,
        credential = line.credential_id,
        source = line.source,
        detail = line.detail,
        "refused"
    );
}

impl cse::Witness for Journal {
    fn refused(&self, record: AuditRecord) {
        self.refused(Refusal {
            action: record.action,
            source: record.source.unwrap_or_default(),
            reason: None,
            said: Some(record.detail),
            credential_id: record.credential_id,
            entity: record.entity,
            proved: true,
        });
    }
}

impl Observer for Journal {
    fn handshake(&self, event: &HandshakeEvent) {
        self.shared.metrics.handshake(event);
        let nanoseconds = u64::try_from(event.duration.as_nanos()).unwrap_or(u64::MAX);
        tracing::trace!(outcome = event.outcome.as_str(), nanoseconds, "handshake");
        let credential_id = event.credential_id.as_ref().map(ToString::to_string);
        match event.outcome {
            HandshakeOutcome::Established { association, suite, framework, resumed } => {
                let suite = suite.name();
                tracing::debug!(association, credential = credential_id, source = %event.source, suite, "associated");
                self.take_down(AuditRecord {
                    at: self.shared.clock.now(),
                    action: ESTABLISH.into(),
                    outcome: Outcome::Done,
                    credential_id,
                    entity: None,
                    source: Some(event.source.to_string()),
                    detail: format!("{framework}{}, {suite}", if resumed { ", resumed" } else { "" }),
                });
            }
            // Said by nobody and proves nothing.
            HandshakeOutcome::Refused(HandshakeRefusal::Shutdown | HandshakeRefusal::PeerClosed) => {}
            HandshakeOutcome::Refused(reason) => self.refused(Refusal {
                action: ESTABLISH.into(),
                source: event.source.to_string(),
                reason: Some(reason.as_str()),
                said: match (&event.psk_identity, &event.detail) {
                    (Some(identity), _) => Some(format!("psk_identity {identity}")),
                    (None, detail) => detail.clone(),
                },
                credential_id,
                entity: None,
                proved: false,
            }),
        }
    }

    fn ended(&self, event: &EndEvent) {
        self.shared.metrics.ended(event.reason);
        tracing::debug!(
            association = event.association,
            credential = event.credential_id.as_ref().map(ToString::to_string),
            source = %event.source,
            reason = %event.reason,
            requests = event.requests,
            "association ended"
        );
    }
}

impl Scribe {
    /// Writes what is taken down until nobody is left who could.
    pub(crate) async fn write(mut self, store: Store) {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut lines = Vec::with_capacity(AT_ONCE);
        loop {
            let open = tokio::select! {
                taken = self.lines.recv_many(&mut lines, AT_ONCE) => taken > 0 && self.gather(&mut lines, sleep(GATHERED_FOR)).await,
                _ = turn.tick() => true,
            };
            let now = self.shared.clock.now();
            let counted =
                if open { self.shared.refusals().due(now) } else { self.shared.refusals().rest(now) };
            counted.iter().for_each(log_refusal);
            lines.extend(counted);
            while !lines.is_empty() {
                let rest = lines.split_off(lines.len().min(AT_ONCE));
                self.keep(std::mem::replace(&mut lines, rest), &store).await;
            }
            if !open {
                return;
            }
        }
    }

    /// Waits until `over` for more lines after the first ones and takes all that there are. False if no more will
    /// come.
    async fn gather(&mut self, lines: &mut Vec<AuditRecord>, over: impl Future<Output = ()>) -> bool {
        // Asleep instead of woken by each line. What runs late is at most as much as the queue holds.
        tokio::select! {
            () = self.shared.hurry.notified() => {}
            () = over => {}
        }
        loop {
            match self.lines.try_recv() {
                Ok(line) => lines.push(line),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    async fn keep(&self, mut batch: Vec<AuditRecord>, store: &Store) {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "audit lines were lost: more happened than could be written");
            batch.push(self.loss(lost));
        }
        let (kept, count) = (self.kept, batch.len() as u64);
        let written = store.write("audit.append", move |tx| {
            tx.append_many(&batch)?;
            tx.prune_audit(kept)
        });
        if let Err(error) = written.await {
            tracing::error!(%error, "audit lines were not written");
            // The line about earlier losses is not itself one; what it told of is told again.
            self.shared.lost.fetch_add(lost, Ordering::Relaxed);
            self.shared.lose(count - u64::from(lost > 0));
        }
    }

    fn loss(&self, lost: u64) -> AuditRecord {
        AuditRecord {
            at: self.shared.clock.now(),
            action: "audit.lose".into(),
            outcome: Outcome::Failed,
            credential_id: None,
            entity: None,
            source: None,
            detail: format!("{lost} lines"),
        }
    }
}

#[cfg(test)]
mod tests;
