use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use net::PlainEndpoint;
use serde::{Deserialize, Deserializer, de::Error};

/// `[[plain]]`: an endpoint outside of any security association, in HTTP. Exactly one of its keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlainSection {
    /// A UNIX socket for the applications on the same equipment, known by their account.
    Socket(PathBuf),
    /// A loopback address for the applications on the same equipment, known by their connection.
    Loopback(SocketAddr),
    /// Any address, in the clear: for what TS-0004 §7.3.2.1 allows outside of an association, and no more.
    Clear(SocketAddr),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    socket: Option<PathBuf>,
    loopback: Option<SocketAddr>,
    clear: Option<SocketAddr>,
}

impl<'de> Deserialize<'de> for PlainSection {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys = Keys::deserialize(deserializer)?;
        match (keys.socket, keys.loopback, keys.clear) {
            (Some(path), None, None) => Ok(Self::Socket(path)),
            (None, Some(address), None) if !address.ip().is_loopback() => Err(D::Error::custom(format!(
                "loopback: {address} is no loopback address, and whoever reaches it would be trusted"
            ))),
            (None, Some(address), None) => Ok(Self::Loopback(address)),
            (None, None, Some(address)) => Ok(Self::Clear(address)),
            _ => Err(D::Error::custom("expected exactly one of the keys socket, loopback and clear")),
        }
    }
}

impl PlainSection {
    /// The endpoint; a relative path starts from `base`.
    pub(crate) fn endpoint(&self, base: &Path) -> PlainEndpoint {
        match self {
            Self::Socket(path) => PlainEndpoint::Socket(base.join(path)),
            Self::Loopback(address) => PlainEndpoint::Loopback(*address),
            Self::Clear(address) => PlainEndpoint::Clear(*address),
        }
    }
}
