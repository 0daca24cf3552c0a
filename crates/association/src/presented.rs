//! What a peer proves, and what it presents to prove it.

use std::fmt;

use keys::PskIdentity;
use ossl::Shown;

/// What a peer presents: octets as they were on the wire. Whether they mean anything is decided elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented {
    /// Certificates in DER, the peer's own first; never empty. Of a session that is resumed the first alone.
    Chain(Vec<Vec<u8>>),
    /// A raw public key (RFC 7250): `SubjectPublicKeyInfo` in DER.
    RawKey(Vec<u8>),
}

impl From<Shown> for Presented {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Chain(chain) => Self::Chain(chain),
            Shown::RawKey(key) => Self::RawKey(key),
        }
    }
}

impl fmt::Debug for Presented {
    /// Kind and number; the octets are for a parser.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(chain) => write!(f, "Chain({} certificates)", chain.len()),
            Self::RawKey(key) => write!(f, "RawKey({} octets)", key.len()),
        }
    }
}

/// What the peer of a finished handshake has proved to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proved {
    /// The key of this identity.
    Key(PskIdentity),
    /// The private key that belongs to what it presented, and that was accepted.
    Certificate(Presented),
    /// Nothing: a client of [`crate::ClientProof::Token`], which has yet to say who it is.
    Nothing,
}
