use std::net::SocketAddr;

use serde::Deserialize;

/// `[metrics]`: figures for Prometheus. None unless configured.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MetricsSection {
    /// Where they are read, e.g. `127.0.0.1:9464`. Whoever reaches it can read them.
    pub(crate) address: Option<SocketAddr>,
}
