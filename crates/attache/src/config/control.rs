use std::path::PathBuf;

use serde::Deserialize;

/// `[control]`: the socket at which the running server tells its operator what only it knows.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ControlSection {
    /// A UNIX socket, mode 0600. Default: the store's name with `.sock`.
    pub(crate) socket: Option<PathBuf>,
}
