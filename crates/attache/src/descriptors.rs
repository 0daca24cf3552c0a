//! File descriptors: every connection takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// What the process opens besides connections: store, log, signals, listeners.
const OTHERS: u64 = 128;

/// Raises the limit on open files as far as the process may by itself. The customary 1,024 is meant for programs
/// that use `select`, and would be met before the configured limits are.
pub(crate) fn raise_limit(config: &Config) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, ..limit };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit on open files stays as it was");
        }
    }
    let needed = needed(config);
    if let Some(open_files) = getrlimit(Resource::Nofile).current.filter(|most| *most < needed) {
        tracing::warn!(
            open_files,
            needed,
            "the limit on open files will be met before `limits.associations` and `limits.half_open` are"
        );
    }
}

/// Files that are open when every limit of the configuration is met.
pub(crate) fn needed(config: &Config) -> u64 {
    let each = config.limits.associations.get().saturating_add(config.limits.half_open.get());
    OTHERS.saturating_add(config.listener.len().saturating_mul(each) as u64)
}
