use std::num::NonZeroU64;

use serde::Deserialize;

/// `[audit]`: the record of security decisions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditSection {
    /// Lines that are kept; the oldest go first.
    pub(crate) lines: NonZeroU64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self { lines: NonZeroU64::new(1_000_000).unwrap_or(NonZeroU64::MIN) }
    }
}
