//! `attache credential import`: many credentials at once.
//!
//! Each transaction of the store is whole, so that an import can be broken off anywhere (SIGINT, SIGKILL, power)
//! and is gone on with by importing the same file again: what is there already is recognised.

use std::{
    fs::File,
    io::{BufRead, BufReader, IsTerminal as _, Write as _},
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use identity::Function;
use serde_json::json;
use store::{ImportEnd, ImportOptions, ImportProgress, ImportReport, ImportStage, Options};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    cli::CredentialImport,
    config::Config,
    outcome::{Done, Failure, Fault, say},
    stored,
};

pub(crate) fn run(arguments: &CredentialImport, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let (input, shown) = open(&arguments.file)?;
    let stop = stop_on_interrupt()?;
    let store = stored::open_with(&config, Options::for_bulk_import())?;
    let mut options = ImportOptions::new(Function::Cse);
    options.skip_bad = arguments.skip_bad;
    options.check_only = arguments.check;
    options.allow_short_keys = arguments.allow_short_key;
    options.home = Some(config.cse.id.clone());
    options.source = Some(stored::operator());
    let mut bar = Bar::new(json);
    let report = store.import_credentials(input, &options, |progress| {
        bar.show(progress);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bar.clear();
    for problem in &report.problems {
        eprintln!("{shown}: {problem}");
    }
    let unlisted = report.bad.saturating_sub(report.problems.len() as u64);
    if unlisted > 0 {
        eprintln!("{shown}: {unlisted} further bad lines are not listed");
    }
    for (line, entity) in &report.shared {
        eprintln!(
            "warning: {shown}: line {line}, entity_id: another key stands for {entity} too: the holders of both are \
             one to the registrar"
        );
    }
    let unlisted = report.sharing.saturating_sub(report.shared.len() as u64);
    if unlisted > 0 {
        eprintln!("warning: {shown}: {unlisted} further lines with an entity that another key stands for");
    }
    if report.lines == 0 {
        eprintln!("warning: {shown}: there is no credential in it");
    }
    end(&report, &shown, json)
}

fn open(path: &Path) -> Result<(Box<dyn BufRead>, String), Failure> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), "standard input".to_owned()));
    }
    let shown = path.display().to_string();
    let file =
        File::open(path).map_err(|error| Failure::usage(format_args!("cannot read {shown}: {error}")))?;
    Ok((Box::new(BufReader::with_capacity(1 << 20, file)), shown))
}

/// The first Ctrl-C breaks off in order, which may take until the running transaction is done; the second one at
/// once, which is no less safe.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::internal)?;
    tokio::spawn(async move {
        interrupt.recv().await;
        told.store(true, Ordering::Relaxed);
        eprintln!("\nbreaking off; once more to end at once");
        interrupt.recv().await;
        std::process::exit(i32::from(Fault::Interrupted.code()));
    });
    Ok(stop)
}

fn end(report: &ImportReport, shown: &str, json: bool) -> Done {
    match report.end {
        ImportEnd::Checked if report.bad > 0 => Err(Failure::usage(format_args!(
            "{shown}: {} of {} lines are bad; nothing was imported",
            report.bad, report.lines
        ))),
        ImportEnd::Checked => {
            let fact = json!({
                "checked": report.lines,
                "new": report.lines - report.present,
                "present": report.present,
                "short_keys": report.short_keys,
                "sharing": report.sharing,
            });
            let new = report.lines - report.present;
            say(
                json,
                &fact,
                format_args!("{} lines are good: {new} new, {} already there", report.lines, report.present),
            );
            Ok(ExitCode::SUCCESS)
        }
        ImportEnd::Refused => Err(Failure::usage(format_args!(
            "{shown}: {} of {} lines are bad; nothing was imported (--skip-bad leaves them out)",
            report.bad, report.lines
        ))),
        ImportEnd::Interrupted => {
            let how = format_args!(
                "{shown}: broken off after {} credentials, which are in the store; import the same file again to \
                 go on",
                report.imported
            );
            Err(Failure::new(Fault::Interrupted, how))
        }
        ImportEnd::Done => {
            let fact = json!({
                "imported": report.imported,
                "present": report.present,
                "bad": report.bad,
                "lines": report.lines,
                "short_keys": report.short_keys,
                "sharing": report.sharing,
            });
            let line = format!(
                "imported {}, already there {}, left out {}",
                report.imported, report.present, report.bad
            );
            say(json, &fact, line);
            if report.short_keys > 0 {
                eprintln!(
                    "warning: {} keys are shorter than 16 octets (--allow-short-key)",
                    report.short_keys
                );
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// One line on a terminal that is overwritten as the import goes on.
struct Bar {
    shown: bool,
}

impl Bar {
    fn new(json: bool) -> Self {
        Self { shown: !json && std::io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: ImportProgress) {
        if !self.shown {
            return;
        }
        let stage = match progress.stage {
            ImportStage::Reading => "checking",
            ImportStage::Comparing => "comparing",
            ImportStage::Writing => "writing",
        };
        let line = match progress.total {
            Some(total) if total > 0 => {
                let tenths = usize::try_from(progress.done * 20 / total).unwrap_or(20).min(20);
                format!(
                    "{stage} [{}{}] {} of {total}",
                    "#".repeat(tenths),
                    ".".repeat(20 - tenths),
                    progress.done
                )
            }
            _ => format!("{stage} {}", progress.done),
        };
        // A terminal that cannot be written to has nobody before it.
        let _ = write!(std::io::stderr(), "\r{line:<70}");
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r{:70}\r", "");
        }
    }
}
