use serde::Deserialize;

/// `[audit]`: the record of security decisions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AuditSection {
    /// Lines that are kept; the oldest go first.
    pub(crate) lines: u64,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self { lines: 1_000_000 }
    }
}
