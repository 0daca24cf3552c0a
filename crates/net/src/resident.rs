//! An established association with all that belongs to it, from its handshake to its end.

use std::{
    future::poll_fn,
    net::SocketAddr,
    ops::ControlFlow,
    sync::{Arc, Mutex},
    time::Duration,
};

use association::{Handshake, NewSession};
use identity::{Channel, Peer};
use tokio::time::{Instant, timeout};

use crate::{
    EndEvent, EndReason, Handler, KeySource, Observer,
    admission::Place,
    crew::Seat,
    exchange::{AfterRequest, Desk, Phase},
    listener::Hall,
    live::Registration,
    serve::{Endings, serve},
    stream::TlsStream,
    tether::Order,
};

/// A session that waits for its peer to be bound to an identity.
pub(crate) struct ToRemember {
    pub(crate) session: NewSession,
    pub(crate) handshake: Handshake,
}

fn is_bound(peer: &Peer) -> bool {
    peer.subject().is_some() || !peer.allowed().is_empty()
}

/// Whoever is connected. Kept small: most associations are idle.
pub(crate) struct Resident<K, H, O> {
    pub(crate) hall: Arc<Hall<K, H, O>>,
    pub(crate) stream: TlsStream,
    pub(crate) session: Option<Box<ToRemember>>,
    pub(crate) registration: Registration,
    pub(crate) place: Place,
    /// Held for as long as the connection lasts.
    pub(crate) seat: Option<Seat>,
    pub(crate) source: SocketAddr,
    /// When the handshake was done.
    pub(crate) begun: Instant,
}

impl<K: KeySource, H: Handler, O: Observer> Resident<K, H, O> {
    /// Serves the association until it ends.
    pub(crate) async fn stay(mut self) {
        let desk = Desk {
            handler: Arc::clone(&self.hall.handler),
            channel: Channel::Association(Arc::clone(self.registration.peer())),
            limits: Arc::clone(&self.hall.limits),
            phase: Arc::new(Phase::default()),
            while_unbound: self.remember().await,
        };
        let reason = self.serve(&desk).await;
        let failed = self.stream.failed_sessions();
        // Of whom nothing was remembered, there is nothing to be forgotten: nobody makes us write for nothing.
        if !failed.is_empty() && is_bound(self.registration.peer()) {
            self.hall.lookups.source().forget(failed).await;
        }
        self.hall.observer.ended(&EndEvent {
            association: self.registration.id(),
            credential_id: self.registration.peer().credential_id().cloned(),
            source: self.source,
            reason,
            requests: desk.phase.answered(),
            duration: self.begun.elapsed(),
        });
        if matches!(reason, EndReason::WrongTokens) {
            let Self { hall, stream, registration, place, seat, .. } = self;
            drop((stream, registration));
            let drained = poll_fn(|context| place.tether().poll(context, &[Order::Drain]));
            // Whichever is first; until then the address has one place less.
            let _ = timeout(hall.limits.wrong_token_penalty, drained).await;
            drop((place, seat));
        }
    }

    async fn serve(&mut self, desk: &Desk<H>) -> EndReason {
        loop {
            let expires = self.begun + self.remaining();
            // Until it is bound to an identity each request may bring one, with an end of its own.
            let until_bound = !is_bound(self.registration.peer());
            let before = self.hall.live.moment();
            let endings = Endings { tether: self.registration.tether(), expires };
            let served = serve(&mut self.stream, desk, &endings, until_bound).await;
            if let ControlFlow::Break(reason) = served {
                return reason;
            }
            // The token that was shown may have been withdrawn before it counted as shown.
            if self.hall.live.was_closed(self.registration.peer(), before) {
                self.registration.tether().give(Order::Closed);
            }
        }
    }

    /// How long the association may live in all (TS-0001 §11.3.2).
    fn remaining(&self) -> Duration {
        let until_expiry = self
            .registration
            .peer()
            .not_after()
            .map(|end| self.begun.elapsed() + end.since(self.hall.clock.now()).unwrap_or_default());
        until_expiry.map_or(self.hall.limits.lifetime, |expiry| expiry.min(self.hall.limits.lifetime))
    }

    /// Remembers the session as soon as the peer is bound to an identity, and never before: nobody is to resume
    /// what proved nothing. If that takes a request, before the answer: whoever has it may resume.
    async fn remember(&mut self) -> Option<AfterRequest> {
        let due = self.session.take()?;
        let (hall, peer) = (Arc::clone(&self.hall), Arc::clone(self.registration.peer()));
        if is_bound(&peer) {
            hall.lookups.source().remember(due.session, &due.handshake, &peer).await;
            return None;
        }
        let due = Arc::new(Mutex::new(Some(due)));
        Some(Arc::new(move || {
            let (hall, peer, due) = (Arc::clone(&hall), Arc::clone(&peer), Arc::clone(&due));
            Box::pin(async move {
                let due = if is_bound(&peer) { due.lock().ok().and_then(|mut due| due.take()) } else { None };
                if let Some(due) = due {
                    hall.lookups.source().remember(due.session, &due.handshake, &peer).await;
                }
            })
        }))
    }
}
