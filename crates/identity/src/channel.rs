use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};

use keys::CredentialId;
use onem2m::id::EntityId;
use thiserror::Error;

use crate::Peer;

/// How a request came in: what is known of its sender before From is looked at.
#[derive(Debug, Clone)]
pub enum Channel {
    /// Inside of a security association.
    Association(Arc<Peer>),
    /// Outside of any association, over an endpoint that only this equipment can reach and that the operator
    /// trusts (TS-0003 §6.1.2.2.1): a UNIX socket, or the loopback interface.
    Local(OsPeer),
    /// Outside of any association, over the network.
    Clear(SocketAddr),
}

impl Channel {
    /// The Credential-ID of the association; `None` outside of one, and before an identity token.
    #[must_use]
    pub fn credential_id(&self) -> Option<&CredentialId> {
        match self {
            Self::Association(peer) => peer.credential_id(),
            Self::Local(_) | Self::Clear(_) => None,
        }
    }

    /// The identity bound to the association; `None` if none is, and outside of an association.
    #[must_use]
    pub fn subject(&self) -> Option<&EntityId> {
        match self {
            Self::Association(peer) => peer.subject(),
            Self::Local(_) | Self::Clear(_) => None,
        }
    }
}

/// Where the request came from, for the audit: a network address, or the operating system's word.
impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Association(peer) => peer.source().fmt(f),
            Self::Local(peer) => write!(f, "local {peer}"),
            Self::Clear(source) => write!(f, "{source} in the clear"),
        }
    }
}

/// Whom the operating system says the other end of a local endpoint is. A registration over that endpoint
/// belongs to it: nobody else on the machine may use the AE-ID.
///
/// How narrow that is, the endpoint decides. An account ([`Self::Account`]) survives a restart of the
/// application; its processes can stand in for one another, as they can on most systems anyway, by looking
/// into each other's memory. A process or a connection does not survive, and the application registers anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OsPeer {
    /// Every process of one account, by its user number.
    Account(u32),
    /// One process of an account.
    Process {
        /// The user number.
        uid: u32,
        /// The process number.
        pid: u32,
    },
    /// One connection, by a number that this server never gives twice, not even after a restart. For
    /// endpoints where the system does not tell more, such as the loopback interface.
    Connection(u64),
}

/// The form in which it is stored: `uid 1000`, `uid 1000 pid 77`, `connection 5`.
impl fmt::Display for OsPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(uid) => write!(f, "uid {uid}"),
            Self::Process { uid, pid } => write!(f, "uid {uid} pid {pid}"),
            Self::Connection(number) => write!(f, "connection {number}"),
        }
    }
}

impl FromStr for OsPeer {
    type Err = NotAnOsPeer;

    fn from_str(text: &str) -> Result<Self, NotAnOsPeer> {
        let mut words = text.split(' ');
        let mut next = || words.next();
        let peer = match (next(), next(), next(), next(), next()) {
            (Some("uid"), Some(uid), None, ..) => uid.parse().ok().map(Self::Account),
            (Some("uid"), Some(uid), Some("pid"), Some(pid), None) => match (uid.parse(), pid.parse()) {
                (Ok(uid), Ok(pid)) => Some(Self::Process { uid, pid }),
                _ => None,
            },
            (Some("connection"), Some(number), None, ..) => number.parse().ok().map(Self::Connection),
            _ => None,
        };
        // Only the form that is written: no sign, no leading zero.
        peer.filter(|peer| peer.to_string() == text).ok_or(NotAnOsPeer)
    }
}

/// A stored text that names no local peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected `uid N`, `uid N pid N` or `connection N`")]
pub struct NotAnOsPeer;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_peer_has_one_stored_form() {
        for peer in [
            OsPeer::Account(0),
            OsPeer::Account(u32::MAX),
            OsPeer::Process { uid: 1000, pid: 77 },
            OsPeer::Connection(u64::MAX),
        ] {
            assert_eq!(peer.to_string().parse(), Ok(peer));
        }
        for bad in [
            "",
            "uid",
            "uid ",
            "uid -1",
            "uid +1",
            "uid 01",
            "uid 1 ",
            "uid 1 pid",
            "uid 1 pid x",
            "uid 1 pid 2 3",
            "pid 1",
            "connection",
            "connection 1 2",
            "uid 4294967296",
        ] {
            assert_eq!(bad.parse::<OsPeer>(), Err(NotAnOsPeer), "{bad:?}");
        }
    }

    #[test]
    fn a_channel_says_where_it_comes_from() {
        let local = Channel::Local(OsPeer::Process { uid: 1000, pid: 77 });
        assert_eq!(local.to_string(), "local uid 1000 pid 77");
        assert_eq!((local.credential_id(), local.subject()), (None, None));
        let clear = Channel::Clear("192.0.2.1:80".parse().unwrap());
        assert_eq!(clear.to_string(), "192.0.2.1:80 in the clear");
    }
}
