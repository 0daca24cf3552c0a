use std::net::SocketAddr;

use net::SuitePolicy;
use serde::{Deserialize, Deserializer, de::Error};

use super::HostPort;

/// `[[listener]]`: an address at which peers are served over TLS 1.2 with provisioned symmetric keys, in HTTP.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerSection {
    /// Address and port, e.g. `0.0.0.0:8443`; port 0 lets the system choose.
    pub(crate) address: SocketAddr,
    /// Where devices reach it: `host:port`. Default: `address`, unless that stands for all addresses of this machine.
    pub(crate) advertise: Option<HostPort>,
    /// Cipher suites by their standard names, most preferred first. Default: forward secrecy and AEAD first,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256` among the last.
    #[serde(default, deserialize_with = "suites")]
    pub(crate) suites: SuitePolicy,
}

impl ListenerSection {
    /// Where others reach it; `bound` is where it listens. `None` if nobody says.
    pub(crate) fn reached_at(&self, bound: SocketAddr) -> Option<HostPort> {
        match &self.advertise {
            Some(advertised) => Some(advertised.clone()),
            None => HostPort::of(bound),
        }
    }
}

fn suites<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SuitePolicy, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    SuitePolicy::from_names(names.iter().map(String::as_str)).map_err(D::Error::custom)
}
