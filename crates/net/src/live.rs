use std::{
    collections::{HashMap, VecDeque, hash_map},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use association::Suite;
use identity::{Framework, Peer};
use keys::CredentialId;
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};

use crate::tether::{Order, Tether};

/// Closings that are remembered for handshakes which were under way. A lookup that outlasts so many is refused.
const REMEMBERED: usize = 1024;

/// The associations that are established now, by credential. Shared by the listeners of a process and by whoever
/// follows changes of credentials; cheap to clone.
#[derive(Clone, Default)]
pub struct Live(Arc<Mutex<Registry>>);

/// One established association.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveAssociation {
    /// Its number, never used again in this process.
    pub id: u64,
    /// The credential that the peer proved; `None` before an identity token.
    pub credential_id: Option<CredentialId>,
    /// Whom it stands for, once that is known.
    pub subject: Option<EntityId>,
    /// How the peer was authenticated, or is to be.
    pub framework: Framework,
    /// AE or CSE; `None` before an identity token.
    pub kind: Option<EntityKind>,
    /// Where the connection came from.
    pub source: SocketAddr,
    /// The cipher suite.
    pub suite: Suite,
    /// When the handshake was done.
    pub since: Timestamp,
}

/// A moment between two closings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

/// The credential was closed while the handshake was under way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ClosedMeanwhile;

#[derive(Default)]
struct Registry {
    last_id: u64,
    /// By what was proved in the handshake. Most credentials have one association; those under `None` may have
    /// proved one since, by an identity token.
    established: HashMap<Option<CredentialId>, Vec<Entry>>,
    closings: u64,
    /// The closing's number, whose it was, and the first version that it left alone.
    recent: VecDeque<(u64, CredentialId, u64)>,
}

struct Entry {
    id: u64,
    peer: Arc<Peer>,
    suite: Suite,
    since: Timestamp,
    tether: Arc<Tether>,
}

impl Live {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Closes every association of a credential, and those whose handshake is under way with a key that was
    /// read before now. Returns how many were established. Call it after the change of the credential is
    /// durable.
    pub fn close(&self, credential_id: &CredentialId) -> usize {
        self.close_before(credential_id, u64::MAX)
    }

    /// Like [`Self::close`], but only those that were established with an earlier version of the credential
    /// than `version`: a handshake with the new key that was quicker than this call is left alone.
    pub fn close_before(&self, credential_id: &CredentialId, version: u64) -> usize {
        let closed: Vec<Entry> = {
            let mut registry = self.lock();
            registry.closings += 1;
            let closing = registry.closings;
            registry.recent.push_back((closing, credential_id.clone(), version));
            if registry.recent.len() > REMEMBERED {
                registry.recent.pop_front();
            }
            registry.remove_before(credential_id, version)
        };
        for entry in &closed {
            entry.tether.give(Order::Closed);
        }
        closed.len()
    }

    /// All established associations, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<LiveAssociation> {
        let mut list: Vec<_> = {
            let registry = self.lock();
            let entries = registry.established.values().flatten();
            entries.map(Entry::describe).collect()
        };
        list.sort_by_key(|association| association.id);
        list
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().established.values().map(Vec::len).sum()
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().established.is_empty()
    }

    /// Now. To be taken before a credential is read.
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.lock().closings)
    }

    /// Whether what `peer` holds was closed after `read`.
    pub(crate) fn was_closed(&self, peer: &Peer, read: Moment) -> bool {
        self.lock().closed_since(peer, read)
    }

    /// Registers an association whose credential was read after `read`.
    pub(crate) fn register(
        &self,
        peer: &Arc<Peer>,
        suite: Suite,
        since: Timestamp,
        read: Moment,
        tether: &Arc<Tether>,
    ) -> Result<Registration, ClosedMeanwhile> {
        let mut registry = self.lock();
        if registry.closed_since(peer, read) {
            return Err(ClosedMeanwhile);
        }
        registry.last_id += 1;
        let id = registry.last_id;
        let entry = Entry { id, peer: Arc::clone(peer), suite, since, tether: Arc::clone(tether) };
        let proved = peer.credential_id().cloned();
        match registry.established.entry(proved.clone()) {
            hash_map::Entry::Occupied(entries) => entries.into_mut().push(entry),
            hash_map::Entry::Vacant(place) => {
                place.insert(vec![entry]);
            }
        }
        drop(registry);
        Ok(Registration {
            live: self.clone(),
            id,
            proved,
            peer: Arc::clone(peer),
            tether: Arc::clone(tether),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn closed_since(&self, peer: &Peer, read: Moment) -> bool {
        let forgotten = self.closings - self.recent.len() as u64;
        let mut since = self.recent.iter().rev().take_while(|(at, ..)| *at > read.0);
        forgotten > read.0
            || since.any(|(_, id, version)| Some(id) == peer.credential_id() && peer.version() < *version)
    }

    fn remove_before(&mut self, credential_id: &CredentialId, version: u64) -> Vec<Entry> {
        let mut closed = Vec::new();
        for proved in [Some(credential_id.clone()), None] {
            let Some(entries) = self.established.get_mut(&proved) else { continue };
            closed.extend(entries.extract_if(.., |entry| {
                entry.peer.credential_id() == Some(credential_id) && entry.peer.version() < version
            }));
            if entries.is_empty() {
                self.established.remove(&proved);
            }
        }
        closed
    }
}

impl Entry {
    fn describe(&self) -> LiveAssociation {
        LiveAssociation {
            id: self.id,
            credential_id: self.peer.credential_id().cloned(),
            subject: self.peer.subject().cloned(),
            framework: self.peer.framework(),
            kind: self.peer.kind(),
            source: self.peer.source(),
            suite: self.suite,
            since: self.since,
        }
    }
}

/// An association's place in the registry, for as long as it lives.
pub(crate) struct Registration {
    live: Live,
    id: u64,
    /// What was proved in the handshake: under what it is registered.
    proved: Option<CredentialId>,
    peer: Arc<Peer>,
    tether: Arc<Tether>,
}

impl Registration {
    pub(crate) const fn id(&self) -> u64 {
        self.id
    }

    pub(crate) const fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// Where the association is told to end, by [`Live::close`] among others.
    pub(crate) const fn tether(&self) -> &Arc<Tether> {
        &self.tether
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut registry = self.live.lock();
        if let Some(entries) = registry.established.get_mut(&self.proved) {
            entries.retain(|entry| entry.id != self.id);
            if entries.is_empty() {
                registry.established.remove(&self.proved);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use identity::{Established, Framework};

    use super::*;

    fn peer(name: &str, version: u64) -> Arc<Peer> {
        let established = Established {
            framework: Framework::ProvisionedKey,
            credential_id: Some(credential(name)),
            version,
            kind: Some(EntityKind::Ae),
            subject: None,
            allowed: Vec::new(),
            not_after: None,
        };
        Arc::new(Peer::new(established, "127.0.0.1:1".parse().unwrap()))
    }

    fn credential(name: &str) -> CredentialId {
        CredentialId::saef_key(&name.parse().unwrap())
    }

    fn register(live: &Live, name: &str, read: Moment) -> Result<Registration, ClosedMeanwhile> {
        register_version(live, name, 1, read)
    }

    fn register_version(
        live: &Live,
        name: &str,
        version: u64,
        read: Moment,
    ) -> Result<Registration, ClosedMeanwhile> {
        let suite = "TLS_PSK_WITH_AES_128_CBC_SHA256".parse().unwrap();
        live.register(&peer(name, version), suite, "20260101T000000".parse().unwrap(), read, &Arc::default())
    }

    #[test]
    fn closing_cancels_all_of_one_credential_and_no_other() {
        let live = Live::new();
        let now = live.moment();
        let first = register(&live, "a@x.org", now).unwrap();
        let second = register(&live, "a@x.org", now).unwrap();
        let other = register(&live, "b@x.org", now).unwrap();
        assert_eq!(live.list().iter().map(|one| one.id).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(live.close(&credential("a@x.org")), 2);
        assert!(first.tether().has(Order::Closed) && second.tether().has(Order::Closed));
        assert!(!other.tether().has(Order::Closed));
        assert_eq!(live.len(), 1);
        drop((first, second, other));
        assert!(live.is_empty());
    }

    #[test]
    fn a_handshake_under_way_does_not_outlive_the_closing() {
        let live = Live::new();
        let before = live.moment();
        live.close(&credential("a@x.org"));
        assert!(register(&live, "a@x.org", before).is_err());
        assert!(register(&live, "b@x.org", before).is_ok());
        assert!(register(&live, "a@x.org", live.moment()).is_ok());
    }

    #[test]
    fn a_handshake_with_the_new_version_is_left_alone() {
        let live = Live::new();
        let before = live.moment();
        let old = register_version(&live, "a@x.org", 1, before).unwrap();
        let new = register_version(&live, "a@x.org", 2, before).unwrap();
        assert_eq!(live.close_before(&credential("a@x.org"), 2), 1);
        assert!(old.tether().has(Order::Closed) && !new.tether().has(Order::Closed));
        assert!(register_version(&live, "a@x.org", 1, before).is_err());
        assert!(register_version(&live, "a@x.org", 2, before).is_ok());
        drop(old);
        assert_eq!(live.len(), 1);
    }

    /// An association that proved nothing in its handshake is closed with the token that it showed later.
    #[test]
    fn a_token_shown_since_is_closed_with_its_association() {
        use identity::{CredentialState, Enrolment, Function, Method};
        let live = Live::new();
        let suite = "TLS_PSK_WITH_AES_128_CBC_SHA256".parse().unwrap();
        let nobody = || Arc::new(Peer::new(Established::by_nothing(), "127.0.0.1:1".parse().unwrap()));
        let (shown, waiting) = (nobody(), nobody());
        let register = |peer| {
            live.register(peer, suite, "20260101T000000".parse().unwrap(), live.moment(), &Arc::default())
                .unwrap()
        };
        let (first, second) = (register(&shown), register(&waiting));
        let token = Enrolment {
            function: Function::Cse,
            credential_id: "90-x".parse().unwrap(),
            method: Method::Token,
            kind: EntityKind::Ae,
            subject: Some(EntityId::Ae("//example.org/Sone".parse().unwrap())),
            allowed: Vec::new(),
            state: CredentialState::Active,
            not_after: None,
            version: 1,
            chain_policy: None,
        };
        shown.prove(&token).unwrap();
        assert_eq!(live.close(&"90-y".parse().unwrap()), 0);
        assert_eq!(live.close(&token.credential_id), 1);
        assert!(first.tether().has(Order::Closed) && !second.tether().has(Order::Closed));
        drop((first, second));
        assert!(live.is_empty());
    }

    #[test]
    fn what_was_forgotten_counts_as_closed() {
        let live = Live::new();
        let before = live.moment();
        for number in 0..REMEMBERED {
            live.close(&credential(&format!("{number}@x.org")));
        }
        assert!(register(&live, "a@x.org", before).is_ok());
        live.close(&credential("b@x.org"));
        assert!(register(&live, "a@x.org", before).is_err());
        assert!(register(&live, "a@x.org", live.moment()).is_ok());
        assert_eq!(live.lock().recent.len(), REMEMBERED);
    }
}
