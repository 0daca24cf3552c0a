use std::{
    num::{NonZeroU16, NonZeroU32, NonZeroUsize},
    time::Duration,
};

use net::Limits;
use serde::Deserialize;

use super::Misfit;

/// `[limits]`: what one peer, or all of them together, may take. A limit of zero would refuse everybody.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsSection {
    /// Seconds from the TCP connection to the end of the handshake.
    pub(crate) handshake_seconds: NonZeroU16,
    /// Seconds that one key lookup may take.
    pub(crate) lookup_seconds: NonZeroU16,
    /// Seconds that the header of a request may take.
    pub(crate) header_seconds: NonZeroU16,
    /// Seconds without a request after which an association is closed.
    pub(crate) idle_seconds: NonZeroU32,
    /// Key lookups at a time.
    pub(crate) lookups: NonZeroUsize,
    /// Associations at a time.
    pub(crate) associations: NonZeroUsize,
    /// Connections at a time whose handshake is not done; one more ends the oldest.
    pub(crate) half_open: NonZeroUsize,
    /// Connections at a time from one IPv4 address or IPv6 /64 network.
    pub(crate) per_address: NonZeroUsize,
    /// Octets of a request's content.
    pub(crate) content_octets: NonZeroUsize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        let limits = Limits::default();
        let seconds = |duration: Duration| {
            u16::try_from(duration.as_secs()).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MAX)
        };
        let count = |number: usize| NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN);
        Self {
            handshake_seconds: seconds(limits.handshake_deadline),
            lookup_seconds: seconds(limits.lookup_deadline),
            header_seconds: seconds(limits.header_deadline),
            idle_seconds: seconds(limits.idle).into(),
            lookups: count(limits.max_lookups),
            associations: count(limits.max_associations),
            half_open: count(limits.max_half_open),
            per_address: count(limits.max_per_address),
            content_octets: count(limits.max_body),
        }
    }
}

impl LimitsSection {
    /// A part does not take longer than the whole.
    pub(super) fn check(&self) -> Result<(), Misfit> {
        let (lookup, handshake) = (self.lookup_seconds, self.handshake_seconds);
        if lookup > handshake {
            let what = format!(
                "{lookup} is longer than handshake_seconds = {handshake}, which a lookup is a part of"
            );
            return Err(Misfit::new("limits", "lookup_seconds", what));
        }
        Ok(())
    }

    /// What the listeners are told.
    pub(crate) fn limits(&self) -> Limits {
        let seconds = |seconds: NonZeroU16| Duration::from_secs(seconds.get().into());
        Limits {
            handshake_deadline: seconds(self.handshake_seconds),
            lookup_deadline: seconds(self.lookup_seconds),
            header_deadline: seconds(self.header_seconds),
            idle: Duration::from_secs(self.idle_seconds.get().into()),
            max_lookups: self.lookups.get(),
            max_associations: self.associations.get(),
            max_half_open: self.half_open.get(),
            max_per_address: self.per_address.get(),
            max_body: self.content_octets.get(),
            ..Limits::default()
        }
    }
}
