//! Finding keys without letting one slow answer hold up anything else.

use std::{
    collections::HashMap,
    future::{Future, ready},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use association::{Alert, Handshake, NewSession, Presented, SavedSession, SessionHandle};
use identity::{Credential, Established, KeyRefusal, Peer};
use keys::{CredentialId, Kpsa, PskIdentity};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout, timeout_at},
};

use crate::{HandshakeRefusal, Limits, Live, live::Moment};

/// Where keys are found, certificates judged, and sessions remembered. Who only has keys implements
/// [`key`](Self::key) alone: certificates are then refused and nothing is resumed.
pub trait KeySource: Send + Sync + 'static {
    /// The credential and key of an identity, if it may be used now ([`identity::usable`]). May take as long as
    /// it needs: a deadline ends it by dropping the future. At most one lookup of an identity runs at a time;
    /// its answer serves every handshake that waits for it.
    fn key(
        &self,
        identity: PskIdentity,
    ) -> impl Future<Output = Result<(Credential, Kpsa), KeyRefusal>> + Send;

    /// Whom a certificate or raw public key stands for, whose private key the peer has proved to hold. A
    /// deadline ends it as it does [`key`](Self::key).
    fn certificate(
        &self,
        _presented: Presented,
    ) -> impl Future<Output = Result<Established, CertificateRefusal>> + Send {
        ready(Err(CertificateRefusal::not_enrolled(HandshakeRefusal::Unknown, "certificates are not served")))
    }

    /// What is remembered of a session, if it may be resumed. The deadline of [`key`](Self::key) ends it; a
    /// full handshake follows.
    fn session(&self, _offered: SessionHandle) -> impl Future<Output = Option<Remembered>> + Send {
        ready(None)
    }

    /// Remembers a session, whose peer is bound to an identity by now.
    fn remember(
        &self,
        _session: NewSession,
        _handshake: &Handshake,
        _peer: &Peer,
    ) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Forgets sessions by what they are known by (SHA-256 of the ID or ticket), at most two: an association of
    /// theirs has ended with a fatal alert, and they must not be resumed any more (RFC 5246 §7.2.2).
    fn forget(&self, _sessions: Vec<[u8; 32]>) -> impl Future<Output = ()> + Send {
        ready(())
    }
}

/// A session that may be resumed.
pub struct Remembered {
    /// What the peer proved when it was made, as our records see it today.
    pub established: Established,
    /// The session.
    pub session: SavedSession,
}

/// Why a certificate or raw public key was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRefusal {
    /// What the peer is told.
    pub alert: Alert,
    /// What metrics and the audit are told.
    pub reason: HandshakeRefusal,
    /// What exactly was wrong, for the audit: certificate, field, clause.
    pub detail: String,
    /// The Credential-ID of what was presented, where it has one.
    pub credential_id: Option<CredentialId>,
}

impl CertificateRefusal {
    /// The refusal of what our own records do not allow. The peer is told the same for whatever reason, so that
    /// nobody learns who is enrolled.
    #[must_use]
    pub fn not_enrolled(reason: HandshakeRefusal, detail: impl Into<String>) -> Self {
        Self { alert: Alert::CERTIFICATE_UNKNOWN, reason, detail: detail.into(), credential_id: None }
    }
}

/// What was found, and a moment before which it was not read.
pub(crate) struct Found {
    pub(crate) answer: Result<(Credential, Kpsa), KeyRefusal>,
    pub(crate) read: Moment,
}

impl Found {
    fn duplicate(&self) -> Self {
        let answer = match &self.answer {
            Ok((credential, key)) => Ok((credential.clone(), key.duplicate())),
            Err(refusal) => Err(*refusal),
        };
        Self { answer, read: self.read }
    }
}

pub(crate) struct Lookups<K> {
    source: Arc<K>,
    live: Live,
    deadline: Duration,
    places: Arc<Semaphore>,
    under_way: Arc<UnderWay>,
}

/// Who waits for which identity. Bounded by the places for lookups and the unfinished handshakes.
#[derive(Default)]
struct UnderWay(Mutex<HashMap<PskIdentity, Vec<oneshot::Sender<Found>>>>);

type Lookup = Pin<Box<dyn Future<Output = Found> + Send>>;

impl<K: KeySource> Lookups<K> {
    pub(crate) fn new(source: Arc<K>, live: Live, limits: &Limits) -> Self {
        Self {
            source,
            live,
            deadline: limits.lookup_deadline,
            places: Arc::new(Semaphore::new(limits.max_lookups.clamp(1, Semaphore::MAX_PERMITS))),
            under_way: Arc::default(),
        }
    }

    /// The key of an identity, or why there is none; always within the deadline.
    pub(crate) async fn key(&self, identity: PskIdentity) -> Found {
        // Most answers are there at once: those need neither a deadline nor a task of their own.
        let mut begun = None;
        if !self.under_way.has(&identity)
            && let Ok(place) = Arc::clone(&self.places).try_acquire_owned()
        {
            let mut lookup = self.start(identity.clone());
            if let Some(found) = poll_once(&mut lookup).await {
                return found;
            }
            begun = Some((lookup, place));
        }
        let deadline = Instant::now() + self.deadline;
        match timeout_at(deadline, self.find(identity, begun, deadline)).await {
            Ok(found) => found,
            Err(_) => self.unavailable(),
        }
    }

    async fn find(
        &self,
        identity: PskIdentity,
        begun: Option<(Lookup, OwnedSemaphorePermit)>,
        deadline: Instant,
    ) -> Found {
        if let Some((lookup, place)) = begun {
            let answer = self.under_way.lead(identity, lookup, place, deadline);
            return answer.await.unwrap_or_else(|_| self.unavailable());
        }
        if let Some(answer) = self.under_way.join(&identity) {
            return answer.await.unwrap_or_else(|_| self.unavailable());
        }
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return self.unavailable() };
        if let Some(answer) = self.under_way.join(&identity) {
            drop(place);
            return answer.await.unwrap_or_else(|_| self.unavailable());
        }
        let mut lookup = self.start(identity.clone());
        if let Some(found) = poll_once(&mut lookup).await {
            return found;
        }
        let answer = self.under_way.lead(identity, lookup, place, deadline);
        answer.await.unwrap_or_else(|_| self.unavailable())
    }

    /// The verdict on a certificate; always within the deadline.
    pub(crate) async fn certificate(
        &self,
        presented: Presented,
    ) -> (Result<Established, CertificateRefusal>, Moment) {
        let read = self.live.moment();
        let judged = timeout(self.deadline, async {
            let _place = self.places.acquire().await;
            self.source.certificate(presented).await
        });
        let unavailable =
            || CertificateRefusal::not_enrolled(HandshakeRefusal::Unavailable, "the lookup took too long");
        (judged.await.unwrap_or_else(|_| Err(unavailable())), read)
    }

    /// The session that a client offers, if it may be resumed.
    pub(crate) async fn session(&self, offered: SessionHandle) -> Option<(Remembered, Moment)> {
        let read = self.live.moment();
        let found = timeout(self.deadline, async {
            let _place = self.places.acquire().await;
            self.source.session(offered).await
        });
        Some((found.await.ok().flatten()?, read))
    }

    pub(crate) fn moment(&self) -> Moment {
        self.live.moment()
    }

    pub(crate) const fn source(&self) -> &Arc<K> {
        &self.source
    }

    fn start(&self, identity: PskIdentity) -> Lookup {
        let source = Arc::clone(&self.source);
        let read = self.live.moment();
        Box::pin(async move { Found { answer: source.key(identity).await, read } })
    }

    fn unavailable(&self) -> Found {
        Found { answer: Err(KeyRefusal::Unavailable), read: self.live.moment() }
    }
}

impl UnderWay {
    /// Whether a lookup of this identity runs already.
    fn has(&self, identity: &PskIdentity) -> bool {
        self.lock().contains_key(identity)
    }

    /// Waits for a lookup that runs already.
    fn join(&self, identity: &PskIdentity) -> Option<oneshot::Receiver<Found>> {
        let (sender, receiver) = oneshot::channel();
        self.lock().get_mut(identity)?.push(sender);
        Some(receiver)
    }

    /// Lets a lookup run in a task that serves all who join; or joins one that was faster.
    fn lead(
        self: &Arc<Self>,
        identity: PskIdentity,
        lookup: Lookup,
        place: OwnedSemaphorePermit,
        deadline: Instant,
    ) -> oneshot::Receiver<Found> {
        let (sender, receiver) = oneshot::channel();
        let mut under_way = self.lock();
        if let Some(waiting) = under_way.get_mut(&identity) {
            waiting.push(sender);
            return receiver;
        }
        under_way.insert(identity.clone(), vec![sender]);
        drop(under_way);
        let landing = Landing { under_way: Arc::clone(self), identity, landed: false };
        tokio::spawn(async move {
            let found = timeout_at(deadline, lookup).await;
            drop(place);
            if let Ok(found) = found {
                landing.deliver(found);
            }
        });
        receiver
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PskIdentity, Vec<oneshot::Sender<Found>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the entry away however the lookup ends; those who still wait then get nothing.
struct Landing {
    under_way: Arc<UnderWay>,
    identity: PskIdentity,
    landed: bool,
}

impl Landing {
    fn deliver(mut self, found: Found) {
        // The next lookup of this identity may begin before this is dropped, and its entry is not ours.
        self.landed = true;
        let mut waiting = self.under_way.lock().remove(&self.identity).unwrap_or_default();
        let last = waiting.pop();
        for sender in waiting {
            // One who no longer waits does not mind.
            let _ = sender.send(found.duplicate());
        }
        if let Some(last) = last {
            let _ = last.send(found);
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.under_way.lock().remove(&self.identity);
        }
    }
}

async fn poll_once(lookup: &mut Lookup) -> Option<Found> {
    std::future::poll_fn(|context| match lookup.as_mut().poll(context) {
        Poll::Ready(found) => Poll::Ready(Some(found)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two handshakes that asked at the same moment: the slower lookup is dropped and its handshake served by
    /// the other.
    #[tokio::test]
    async fn of_two_lookups_that_started_together_one_goes_on() {
        let under_way = Arc::new(UnderWay::default());
        let places = Arc::new(Semaphore::new(2));
        let identity: PskIdentity = "a@x.org".parse().unwrap();
        let deadline = Instant::now() + Duration::from_secs(3600);
        let read = Live::new().moment();
        let first: Lookup = Box::pin(async move { Found { answer: Err(KeyRefusal::Revoked), read } });
        let second: Lookup = Box::pin(async move { Found { answer: Err(KeyRefusal::Unknown), read } });
        let mut answers = Vec::new();
        for lookup in [first, second] {
            let place = Arc::clone(&places).acquire_owned().await.unwrap();
            answers.push(under_way.lead(identity.clone(), lookup, place, deadline));
        }
        assert_eq!(places.available_permits(), 1);
        for answer in answers {
            assert_eq!(answer.await.unwrap().answer.unwrap_err(), KeyRefusal::Revoked);
        }
        assert!(under_way.join(&identity).is_none(), "nothing is left behind");
    }
}
