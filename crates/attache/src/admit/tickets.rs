//! The keys that seal session tickets: shared by all processes on one store, and replaced in turn.

use std::time::Duration;

use keys::Secret;
use net::{TicketKey, TicketKeys};
use store::{Store, StoreError, TicketKeyTurn, TicketKeysMut as _};
use tokio::{sync::watch, time::timeout};

use crate::outcome::{Failure, causes};

/// A new key every hour; the old ones open tickets for as long as any session may be resumed.
const TURN: TicketKeyTurn =
    TicketKeyTurn { seals: Duration::from_secs(3600), opens: Duration::from_secs(24 * 3600) };
/// How often it is looked whether a key's turn is over.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(60);

/// The ring of keys of this process.
pub(crate) struct Tickets {
    keys: TicketKeys,
    store: Store,
}

impl Tickets {
    /// The keys in the store; a first one if there is none.
    pub(crate) async fn open(store: &Store) -> Result<Self, Failure> {
        let (current, previous) = turn(store).await.map_err(|error| Failure::internal(causes(&error)))?;
        Ok(Self { keys: TicketKeys::new(current, previous), store: store.clone() })
    }

    /// The ring, as listeners need it.
    pub(crate) fn keys(&self) -> TicketKeys {
        self.keys.clone()
    }

    /// Keeps the ring up to date, for ever: when a key's turn is over, and when another process has made one.
    pub(crate) async fn keep(self, mut turned: watch::Receiver<()>) {
        loop {
            // Whichever comes first.
            let _ = timeout(LOOKED_AT_EVERY, turned.changed()).await;
            match turn(&self.store).await {
                Ok((current, previous)) => self.keys.replace(current, previous),
                Err(error) => tracing::error!(%error, "the keys of session tickets did not take turns"),
            }
        }
    }
}

async fn turn(store: &Store) -> Result<(TicketKey, Vec<TicketKey>), StoreError> {
    let stored = store.write("turn ticket keys", |tx| tx.turn_ticket_keys(TURN)).await?;
    let mut keys = stored.into_iter().filter_map(|key| {
        let mut octets = key.name.to_vec();
        octets.extend_from_slice(key.key.expose());
        TicketKey::new(Secret::new(octets)).ok()
    });
    let current = keys.next().ok_or(StoreError::Closed)?;
    Ok((current, keys.collect()))
}
