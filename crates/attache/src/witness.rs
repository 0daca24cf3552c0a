//! What is worth keeping of what happens on the wire: logs at once, audit lines behind.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use net::{EndEvent, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, Observer};
use onem2m::time::Clock;
use store::{AuditMut as _, AuditRecord, Outcome, Store};
use tokio::sync::mpsc;

/// Audit lines that wait to be written; more are counted and not kept.
const WAITING: usize = 4096;
/// Audit lines written in one transaction.
const AT_ONCE: usize = 256;
/// Audit lines that are kept; the oldest go first.
const KEPT: u64 = 1_000_000;

/// Takes down what happens, without ever making a connection wait.
pub(crate) struct Journal {
    lines: mpsc::Sender<AuditRecord>,
    lost: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

/// The other end: writes the lines into the store. It ends when the journal is gone.
pub(crate) struct Scribe {
    lines: mpsc::Receiver<AuditRecord>,
    lost: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Journal {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> (Arc<Self>, Scribe) {
        let (sender, lines) = mpsc::channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let scribe = Scribe { lines, lost: Arc::clone(&lost), clock: Arc::clone(&clock) };
        (Arc::new(Self { lines: sender, lost, clock }), scribe)
    }

    fn take_down(&self, line: AuditRecord) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl cse::Witness for Journal {
    fn refused(&self, record: AuditRecord) {
        tracing::info!(
            credential = record.credential_id,
            source = record.source,
            detail = record.detail,
            "request refused"
        );
        self.take_down(record);
    }
}

impl Observer for Journal {
    fn handshake(&self, event: &HandshakeEvent) {
        let credential = event.credential_id.as_ref().map(ToString::to_string);
        let (outcome, detail) = match event.outcome {
            HandshakeOutcome::Established { association, suite } => {
                tracing::info!(association, credential, source = %event.source, suite = suite.name(), "associated");
                (Outcome::Done, suite.name().to_owned())
            }
            // Said by nobody and proves nothing.
            HandshakeOutcome::Refused(HandshakeRefusal::Shutdown | HandshakeRefusal::PeerClosed) => return,
            HandshakeOutcome::Refused(reason) => {
                let identity = event.psk_identity.as_deref();
                tracing::info!(%reason, identity, source = %event.source, "handshake refused");
                let identity =
                    identity.map(|identity| format!(", psk_identity {identity}")).unwrap_or_default();
                (Outcome::Refused, format!("{reason}{identity}"))
            }
        };
        self.take_down(AuditRecord {
            at: self.clock.now(),
            action: "association.establish".into(),
            outcome,
            credential_id: credential,
            entity: None,
            source: Some(event.source.to_string()),
            detail,
        });
    }

    fn ended(&self, event: &EndEvent) {
        tracing::info!(
            association = event.association,
            credential = %event.credential_id,
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
        let mut lines = Vec::with_capacity(AT_ONCE);
        while self.lines.recv_many(&mut lines, AT_ONCE).await > 0 {
            let lost = self.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                tracing::warn!(lost, "audit lines were lost: more happened than could be written");
                lines.push(self.loss(lost));
            }
            let batch = std::mem::take(&mut lines);
            let written = store.write("audit.append", move |tx| {
                tx.append_many(&batch)?;
                tx.prune_audit(KEPT)
            });
            if let Err(error) = written.await {
                tracing::error!(%error, "audit lines were not written");
            }
        }
    }

    fn loss(&self, lost: u64) -> AuditRecord {
        AuditRecord {
            at: self.clock.now(),
            action: "audit.lose".into(),
            outcome: Outcome::Failed,
            credential_id: None,
            entity: None,
            source: None,
            detail: format!("{lost} lines"),
        }
    }
}
