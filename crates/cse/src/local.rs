//! Which local peers are here: processes and connections end, and with them their registrations.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use identity::OsPeer;

/// The local peers that have spoken since this registrar started and have not ended, each with the
/// resourceIDs of what it registered. Accounts do not end and are not kept.
#[derive(Debug, Default)]
pub(crate) struct LocalPeers(Mutex<HashMap<OsPeer, Vec<String>>>);

impl LocalPeers {
    /// The peer has spoken.
    pub(crate) fn came(&self, peer: &OsPeer) {
        if !matches!(peer, OsPeer::Account(_)) {
            let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            here.entry(peer.clone()).or_default();
        }
    }

    /// The peer has registered this resource.
    pub(crate) fn registered(&self, peer: &OsPeer, ri: &str) {
        let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = here.get_mut(peer) {
            held.push(ri.to_owned());
        }
    }

    /// The peer has ended; returns what it registered.
    pub(crate) fn ended(&self, peer: &OsPeer) -> Vec<String> {
        let mut here = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        here.remove(peer).unwrap_or_default()
    }

    /// Whether a registration of `holder` may go to `claimant`, because the holder is no more: it was a process
    /// of the same account, or a connection as the claimant is one.
    pub(crate) fn has_left(&self, holder: &OsPeer, claimant: &OsPeer) -> bool {
        let alike = match (holder, claimant) {
            (
                OsPeer::Process { uid, .. },
                OsPeer::Process { uid: claiming, .. } | OsPeer::Account(claiming),
            ) => uid == claiming,
            (OsPeer::Connection(_), OsPeer::Connection(_)) => true,
            _ => false,
        };
        alike && !self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_local_peer_leaves_behind() {
        let peers = LocalPeers::default();
        let (one, two) = (OsPeer::Process { uid: 7, pid: 1 }, OsPeer::Process { uid: 7, pid: 2 });
        peers.came(&one);
        peers.registered(&one, "Ca");
        assert!(!peers.has_left(&one, &two), "it is here");
        assert_eq!(peers.ended(&one), ["Ca"]);
        assert!(peers.has_left(&one, &two) && peers.has_left(&one, &OsPeer::Account(7)));
        assert!(!peers.has_left(&one, &OsPeer::Account(8)), "another account");
        assert!(!peers.has_left(&OsPeer::Account(7), &one), "an account does not end");
        assert!(!peers.has_left(&one, &OsPeer::Connection(1)));
        assert!(peers.has_left(&OsPeer::Connection(1), &OsPeer::Connection(2)), "of an earlier run");
        peers.came(&OsPeer::Account(7));
        peers.registered(&OsPeer::Account(7), "Cb");
        assert!(peers.ended(&OsPeer::Account(7)).is_empty());
    }
}
