//! `attache credential import`: many credentials at once.

use std::{
    fs::File,
    io::{BufReader, IsTerminal as _, Write as _},
    ops::ControlFlow,
    process::ExitCode,
};

use identity::Function;
use serde_json::json;
use store::{ImportEnd, ImportOptions, ImportProgress, ImportReport, ImportStage, Options};

use crate::{
    cli::CredentialImport,
    config::Config,
    outcome::{Done, Failure, say},
    stored,
};

pub(crate) fn run(arguments: &CredentialImport, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let shown = arguments.file.display();
    let file = File::open(&arguments.file)
        .map_err(|error| Failure::usage(format_args!("cannot read {shown}: {error}")))?;
    let store = stored::open_with(&config, Options::for_bulk_import())?;
    let mut options = ImportOptions::new(Function::Cse);
    options.skip_bad = arguments.skip_bad;
    options.allow_short_keys = arguments.allow_short_key;
    options.source = Some(stored::operator());
    let mut bar = Bar::new(json);
    let report = store.import_credentials(BufReader::with_capacity(1 << 20, file), &options, |progress| {
        bar.show(progress);
        ControlFlow::Continue(())
    })?;
    bar.clear();
    for problem in &report.problems {
        eprintln!("{shown}: {problem}");
    }
    let unlisted = report.bad.saturating_sub(report.problems.len() as u64);
    if unlisted > 0 {
        eprintln!("{shown}: {unlisted} further bad lines are not listed");
    }
    end(&report, &shown.to_string(), json)
}

fn end(report: &ImportReport, shown: &str, json: bool) -> Done {
    match report.end {
        ImportEnd::Refused => Err(Failure::usage(format_args!(
            "{shown}: {} of {} lines are bad; nothing was imported (--skip-bad leaves them out)",
            report.bad, report.lines
        ))),
        ImportEnd::Interrupted => Err(Failure::internal(format_args!(
            "{shown}: interrupted after {} credentials; import the same file again to go on",
            report.imported
        ))),
        ImportEnd::Checked | ImportEnd::Done => {
            let fact = json!({
                "imported": report.imported,
                "present": report.present,
                "bad": report.bad,
                "lines": report.lines,
                "short_keys": report.short_keys,
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
