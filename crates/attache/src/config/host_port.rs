use std::{fmt, net::SocketAddr, str::FromStr};

use onem2m::resource::PointOfAccess;
use serde::{Deserialize, Deserializer};

/// Where somebody else reaches a listener: a host name or an IP address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPort(String);

/// A text that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\": expected host:port, the host a name in lower case or an address that others reach ([…] around IPv6)"
)]
pub(crate) struct NotHostPort(String);

impl HostPort {
    /// That address, unless it is one that nobody can connect to.
    pub(crate) fn of(address: SocketAddr) -> Option<Self> {
        let reachable = !address.ip().is_unspecified() && address.port() != 0;
        reachable.then(|| Self(address.to_string()))
    }
}

impl FromStr for HostPort {
    type Err = NotHostPort;

    fn from_str(text: &str) -> Result<Self, NotHostPort> {
        let wrong = || NotHostPort(text.escape_debug().take(64).collect());
        let point: PointOfAccess = format!("https://{text}").parse().map_err(|_| wrong())?;
        let nowhere = text.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified());
        let complete = point.port().is_some_and(|port| port != 0) && point.path().is_empty();
        if complete && !nowhere { Ok(Self(text.to_owned())) } else { Err(wrong()) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostPort {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::parsed(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_reached_at_a_host_and_a_port() {
        for good in ["gw.example.org:8443", "192.0.2.1:1", "[2001:db8::1]:8443", "localhost:65535"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in [
            "gw.example.org",
            "gw.example.org:0",
            "gw:65536",
            "gw:",
            ":8443",
            "0.0.0.0:8443",
            "[::]:8443",
            "a/b:1",
            "https://gw:1",
            "gw:1/x",
            "2001:db8::1:8443",
            "",
        ] {
            let error = bad.parse::<HostPort>().unwrap_err().to_string();
            assert!(error.contains("expected host:port"), "{bad}: {error}");
        }
        assert_eq!(HostPort::of("0.0.0.0:1".parse().unwrap()), None);
        assert_eq!(HostPort::of("192.0.2.1:0".parse().unwrap()), None);
        assert_eq!(HostPort::of("192.0.2.1:1".parse().unwrap()), Some(HostPort("192.0.2.1:1".into())));
    }
}
