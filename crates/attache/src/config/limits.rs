use std::time::Duration;

use net::Limits;
use serde::Deserialize;

/// `[limits]`: what one peer, or all of them together, may take.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    /// Seconds from the TCP connection to the end of the handshake.
    pub(crate) handshake_seconds: u16,
    /// Seconds that one key lookup may take.
    pub(crate) lookup_seconds: u16,
    /// Seconds that the header of a request may take.
    pub(crate) header_seconds: u16,
    /// Seconds without a request after which an association is closed.
    pub(crate) idle_seconds: u32,
    /// Key lookups at a time.
    pub(crate) lookups: usize,
    /// Associations at a time.
    pub(crate) associations: usize,
    /// Connections at a time whose handshake is not done; one more ends the oldest.
    pub(crate) half_open: usize,
    /// Connections at a time from one IPv4 address or IPv6 /64 network.
    pub(crate) per_address: usize,
    /// Octets of a request's content.
    pub(crate) content_octets: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let limits = Limits::default();
        let seconds = |duration: Duration| u16::try_from(duration.as_secs()).unwrap_or(u16::MAX);
        Self {
            handshake_seconds: seconds(limits.handshake_deadline),
            lookup_seconds: seconds(limits.lookup_deadline),
            header_seconds: seconds(limits.header_deadline),
            idle_seconds: seconds(limits.idle).into(),
            lookups: limits.max_lookups,
            associations: limits.max_associations,
            half_open: limits.max_half_open,
            per_address: limits.max_per_address,
            content_octets: limits.max_body,
        }
    }
}

impl LimitsSection {
    /// What the listeners are told.
    pub(crate) fn limits(&self) -> Limits {
        let seconds = |seconds: u16| Duration::from_secs(seconds.into());
        Limits {
            handshake_deadline: seconds(self.handshake_seconds),
            lookup_deadline: seconds(self.lookup_seconds),
            header_deadline: seconds(self.header_seconds),
            idle: Duration::from_secs(self.idle_seconds.into()),
            max_lookups: self.lookups,
            max_associations: self.associations,
            max_half_open: self.half_open,
            max_per_address: self.per_address,
            max_body: self.content_octets,
            ..Limits::default()
        }
    }
}
