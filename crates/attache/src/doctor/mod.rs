//! `attache doctor`: what is wrong with a deployment, and how to mend it.
//!
//! It looks and changes nothing, except that the server notes the probe of its listeners as a refused handshake.
//! Each check is one finding; judging is apart from looking, so that it can be tried without a broken machine.

mod certificates;
mod credentials;
mod machine;
mod network;
mod registrar;
mod store_file;

use std::{fmt, process::ExitCode, sync::Arc, time::Duration};

use onem2m::time::{Clock, SystemClock};
use serde_json::json;

use crate::{
    cli::ConfigArg,
    config::Config,
    outcome::{Done, say},
};

/// Something must be mended.
const MEND: u8 = 2;
/// What expires within this is worth a word.
const SOON: Duration = Duration::from_secs(30 * 86_400);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It could not be looked at, because of something else.
    Skipped,
    Fine,
    /// It works, and somebody should know.
    Warning,
    /// It does not work, or will not.
    Broken,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Broken => "broken",
        }
    }
}

/// One check.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    check: &'static str,
    state: State,
    found: String,
    /// What to do about it.
    mend: Option<String>,
}

impl Finding {
    fn fine(check: &'static str, found: impl fmt::Display) -> Self {
        Self { check, state: State::Fine, found: found.to_string(), mend: None }
    }

    fn skipped(check: &'static str, found: impl fmt::Display) -> Self {
        Self { check, state: State::Skipped, found: found.to_string(), mend: None }
    }

    fn warning(check: &'static str, found: impl fmt::Display, mend: impl fmt::Display) -> Self {
        Self { check, state: State::Warning, found: found.to_string(), mend: Some(mend.to_string()) }
    }

    fn broken(check: &'static str, found: impl fmt::Display, mend: impl fmt::Display) -> Self {
        Self { check, state: State::Broken, found: found.to_string(), mend: Some(mend.to_string()) }
    }
}

pub(crate) async fn run(arguments: ConfigArg, as_json: bool) -> Done {
    let findings = examine(&arguments).await;
    for finding in &findings {
        let fact = json!({
            "check": finding.check,
            "state": finding.state.as_str(),
            "found": finding.found,
            "mend": finding.mend,
        });
        let mend = finding.mend.as_ref().map(|mend| format!("\n{:25} -> {mend}", "")).unwrap_or_default();
        let line = format!("{:<8} {:<16} {}{mend}", finding.state.as_str(), finding.check, finding.found);
        say(as_json, &fact, line);
    }
    let broken = findings.iter().any(|finding| finding.state == State::Broken);
    Ok(if broken { ExitCode::from(MEND) } else { ExitCode::SUCCESS })
}

async fn examine(arguments: &ConfigArg) -> Vec<Finding> {
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return vec![Finding::broken("configuration", error, "correct the file")],
    };
    let path = arguments.config.display();
    let mut findings = vec![Finding::fine("configuration", format_args!("{path}, CSE-ID {}", config.cse.id))];
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let now = clock.now();
    let (store, about) = store_file::look(&config);
    findings.push(about);
    findings.push(machine::disk(&config));
    findings.push(machine::open_files(&config));
    findings.push(machine::clock(store.as_ref(), now));
    findings.extend(credentials::look(store.as_ref(), &config, now));
    findings.extend(certificates::look(&config, &clock).await);
    findings.extend(registrar::look(&config, store.as_ref(), &clock).await);
    findings.extend(network::look(&config).await);
    findings
}
