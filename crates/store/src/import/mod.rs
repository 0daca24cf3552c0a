//! Adding credentials in bulk: first everything is checked, then it is written in transactions of bounded size.
//!
//! The checking pass seals each key and stages the row in a temporary database, so that memory is bounded, no
//! key is on the disk in the clear, and the input is read once only (it may be a pipe).

mod lines;
mod staging;

use std::{io::BufRead, ops::ControlFlow};

use identity::{Function, may_register};
use keys::Usage;
use onem2m::{id::CseId, time::Timestamp};

use crate::{
    AuditMut as _, AuditRecord, ChangeKind, Outcome, Store, StoreError, Tx,
    credentials::{Staged, Storing, check_draft_id, length_policy, place_of_key, stored_form},
    csv_import::{CsvCredential, Line, LineProblem, parse_line},
    row::bounded,
};
use lines::{Lines, Text};
use staging::Staging;

/// After how many lines or rows progress is reported while nothing is written.
const REPORT_EVERY: u64 = 10_000;

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The function that the credentials open.
    pub function: Function,
    /// Accepts keys of 8 to 15 octets.
    pub allow_short_keys: bool,
    /// The registrar that the entities will be known to: lines about others are bad.
    pub home: Option<CseId>,
    /// What the keys are for.
    pub usage: Option<Usage>,
    /// The label that each credential gets.
    pub label: String,
    /// Imports the good lines although others are bad.
    pub skip_bad: bool,
    /// Checks and reports only.
    pub check_only: bool,
    /// Most rows in one transaction.
    pub batch: usize,
    /// How many problems are listed; all are counted.
    pub listed_problems: usize,
    /// Who imports, for the audit.
    pub source: Option<String>,
}

impl ImportOptions {
    /// Strict: refuses the whole file if one line is bad.
    #[must_use]
    pub const fn new(function: Function) -> Self {
        Self {
            function,
            allow_short_keys: false,
            home: None,
            usage: None,
            label: String::new(),
            skip_bad: false,
            check_only: false,
            batch: 10_000,
            listed_problems: 100,
            source: None,
        }
    }
}

/// How far an import has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportProgress {
    /// What is being done.
    pub stage: ImportStage,
    /// Lines or rows done in this stage.
    pub done: u64,
    /// Rows to do in this stage, where that is known.
    pub total: Option<u64>,
}

/// The stages of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportStage {
    /// Reading and checking each line.
    Reading,
    /// Looking for duplicates, in the file and in the store.
    Comparing,
    /// Writing.
    Writing,
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportEnd {
    /// Only a check was asked for.
    Checked,
    /// There are bad lines, and nothing was written.
    Refused,
    /// Every good line is in the store.
    Done,
    /// The caller broke off. What was written stays; importing the same file again goes on from there.
    Interrupted,
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ImportReport {
    /// How it ended.
    pub end: ImportEnd,
    /// Lines with a credential, good or bad.
    pub lines: u64,
    /// Lines that cannot be imported.
    pub bad: u64,
    /// Lines whose credential is in the store already.
    pub present: u64,
    /// Credentials added.
    pub imported: u64,
    /// Lines with a key of 8 to 15 octets, allowed explicitly.
    pub short_keys: u64,
    /// The problems, as many as were to be listed, in the order of the lines.
    pub problems: Vec<ImportProblem>,
    /// Lines to be imported whose entity another credential stands for too, in the file or in the store: lawful while
    /// equipment is exchanged, and a mistake at other times.
    pub sharing: u64,
    /// These lines with their entities, as many as problems are listed, in the order of the lines.
    pub shared: Vec<(u64, String)>,
}

/// One line that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportProblem {
    /// The line, counted from 1.
    pub line: u64,
    /// The column, or `line` if it is none of them in particular.
    pub column: &'static str,
    /// What was expected. Never a part of the key.
    pub expected: String,
}

impl std::fmt::Display for ImportProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, {}: {}", self.line, self.column, self.expected)
    }
}

impl ImportReport {
    const fn new() -> Self {
        Self {
            end: ImportEnd::Checked,
            lines: 0,
            bad: 0,
            present: 0,
            imported: 0,
            short_keys: 0,
            problems: Vec::new(),
            sharing: 0,
            shared: Vec::new(),
        }
    }

    fn problem(&mut self, listed: usize, line: u64, problem: LineProblem) {
        self.bad += 1;
        // The smallest line numbers are the most useful ones, and later stages find problems in other orders.
        let at = self.problems.partition_point(|known| known.line <= line);
        if at < listed {
            let LineProblem { column, expected } = problem;
            self.problems.insert(at, ImportProblem { line, column, expected });
            self.problems.truncate(listed);
        }
    }

    fn ended(mut self, end: ImportEnd) -> Self {
        self.end = end;
        self
    }
}

impl Store {
    /// Adds the credentials of a CSV file: `psk_identity,psk_hex,entity_id,kind[,not_after]`, with or without
    /// that heading. `entity_id` is absolute, or empty for one that is assigned later.
    ///
    /// A line whose credential is in the store already is skipped, so that an interrupted import can be
    /// repeated. Bad lines are malformed ones, those that share a `psk_identity` or a key value with another
    /// line or with another credential of the store, and repetitions of an earlier line; of lines that
    /// contradict one another none is imported. `progress` hears how far it is and may break off. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Input`] if `input` cannot be read, [`crate::Unacceptable`] for the label, and
    /// what [`Store::write`] returns. Bad lines are no error: they are in the report.
    pub fn import_credentials(
        &self,
        input: impl BufRead,
        options: &ImportOptions,
        mut progress: impl FnMut(ImportProgress) -> ControlFlow<()>,
    ) -> Result<ImportReport, StoreError> {
        bounded("label", &options.label, crate::MAX_LABEL_OCTETS)?;
        let import = Import { store: self, options };
        import.run(input, &mut progress).map_err(|error| error.at(self.path()))
    }
}

/// Whether the caller wants to go on.
type Going = ControlFlow<()>;

struct Import<'a> {
    store: &'a Store,
    options: &'a ImportOptions,
}

impl Import<'_> {
    fn run(
        &self,
        input: impl BufRead,
        progress: &mut dyn FnMut(ImportProgress) -> Going,
    ) -> Result<ImportReport, StoreError> {
        let mut report = ImportReport::new();
        let mut staging = Staging::new(self.store.path(), self.store.options())?;
        if self.examine(input, &mut staging, &mut report, progress).map_err(staging::named)?.is_break() {
            return Ok(report.ended(ImportEnd::Interrupted));
        }
        if self.options.check_only {
            return Ok(report.ended(ImportEnd::Checked));
        }
        if report.bad > 0 && !self.options.skip_bad {
            return Ok(report.ended(ImportEnd::Refused));
        }
        self.write(&staging, report, progress)
    }

    /// Everything that can be said before anything is written.
    fn examine(
        &self,
        input: impl BufRead,
        staging: &mut Staging,
        report: &mut ImportReport,
        progress: &mut dyn FnMut(ImportProgress) -> Going,
    ) -> Result<Going, StoreError> {
        if self.stage(input, staging, report, progress)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let listed = self.options.listed_problems;
        staging.find_duplicates(|line, problem| report.problem(listed, line, problem))?;
        report.present =
            staging.compare(self.options.function, |line, problem| report.problem(listed, line, problem))?;
        (report.sharing, report.shared) = staging.shared_entities(listed)?;
        Ok(progress(ImportProgress {
            stage: ImportStage::Comparing,
            done: report.lines,
            total: Some(report.lines),
        }))
    }

    /// The checking pass: reads each line, seals its key and stages it.
    fn stage(
        &self,
        input: impl BufRead,
        staging: &mut Staging,
        report: &mut ImportReport,
        progress: &mut dyn FnMut(ImportProgress) -> Going,
    ) -> Result<Going, StoreError> {
        let mut lines = Lines::new(input);
        let mut stage = staging.begin(self.options.function)?;
        while let Some((number, text)) = lines.next()? {
            let checked = match text {
                Text::Line(text) => self.check(number, text, report),
                Text::Bad(problem) => {
                    report.lines += 1;
                    Err(Refused::Line(problem))
                }
            };
            match checked {
                Ok(None) => {}
                Ok(Some(row)) => stage.add(&row)?,
                Err(Refused::Line(problem)) => report.problem(self.options.listed_problems, number, problem),
                Err(Refused::Store(error)) => return Err(error),
            }
            let so_far = ImportProgress { stage: ImportStage::Reading, done: number, total: None };
            if number.is_multiple_of(REPORT_EVERY) && progress(so_far).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        stage.finish()?;
        Ok(ControlFlow::Continue(()))
    }

    fn check(&self, number: u64, text: &str, report: &mut ImportReport) -> Result<Option<Staged>, Refused> {
        let parsed = parse_line(text, length_policy(self.options.allow_short_keys));
        match parsed {
            Ok(Line::Blank) => Ok(None),
            Ok(Line::Heading) if report.lines == 0 => Ok(None),
            Ok(Line::Heading) => {
                report.lines += 1;
                Err(Refused::Line(LineProblem::new("line", "a heading behind the first credential")))
            }
            Ok(Line::Credential(credential)) => {
                report.lines += 1;
                report.short_keys += u64::from(credential.key.is_short());
                self.seal(number, &credential).map(Some)
            }
            Err(problem) => {
                report.lines += 1;
                Err(Refused::Line(problem))
            }
        }
    }

    fn seal(&self, number: u64, credential: &CsvCredential) -> Result<Staged, Refused> {
        if let (Some(entity), Some(home)) = (&credential.entity, &self.options.home) {
            may_register(entity, home).map_err(|error| LineProblem::new("entity_id", error))?;
        }
        let identity = stored_form(credential.psk_identity.as_str());
        check_draft_id(&identity, credential.kind, &credential.key).map_err(|_| {
            LineProblem::new("psk_identity", "has the form of a Kcc_ID/Kca_ID but is not the key's")
        })?;
        let sealer = self.store.sealer();
        let key = [self.options.function.as_str(), &identity];
        let psk = sealer.seal(&place_of_key(&key), credential.key.expose(), self.store.rng())?;
        Ok(Staged {
            line: i64::try_from(number).unwrap_or(i64::MAX),
            kind: credential.kind,
            entity: credential.entity.as_ref().map(ToString::to_string),
            not_after: credential.not_after.map(Timestamp::unix_micros),
            short_key: credential.key.is_short(),
            key_digest: sealer.key_digest(credential.key.expose()),
            psk,
            psk_identity: identity.into_owned(),
        })
    }

    fn write(
        &self,
        staging: &Staging,
        mut report: ImportReport,
        progress: &mut dyn FnMut(ImportProgress) -> Going,
    ) -> Result<ImportReport, StoreError> {
        let total = Some(report.lines - report.bad - report.present);
        let mut done = 0;
        let outcome = staging.for_each_batch(self.options.batch, |rows| {
            let count = rows.len() as u64;
            let written = self.write_batch(rows)?;
            report.imported += written.stored;
            report.present += written.present;
            for (line, problem) in written.refused {
                report.problem(self.options.listed_problems, line, problem);
            }
            done += count;
            Ok(progress(ImportProgress { stage: ImportStage::Writing, done, total }))
        })?;
        Ok(report.ended(if outcome.is_break() { ImportEnd::Interrupted } else { ImportEnd::Done }))
    }

    fn write_batch(&self, rows: Vec<Staged>) -> Result<Written, StoreError> {
        let options = self.options.clone();
        self.store.write_blocking("import credentials", move |tx| {
            let mut written = Written::default();
            for row in &rows {
                let line = row.line.unsigned_abs();
                match tx.store_staged(options.function, options.usage, &options.label, row)? {
                    Storing::Stored => written.stored += 1,
                    Storing::Present => written.present += 1,
                    Storing::IdentityTaken { revoked } => {
                        written.refused.push((line, identity_taken(revoked)));
                    }
                    Storing::KeyTaken { psk_identity, .. } => {
                        written.refused.push((line, key_taken(&psk_identity)));
                    }
                }
            }
            if written.stored > 0 {
                announce(tx, &options, written.stored)?;
            }
            Ok(written)
        })
    }
}

fn announce(tx: &mut Tx<'_>, options: &ImportOptions, stored: u64) -> Result<(), StoreError> {
    tx.announce(ChangeKind::Import, "")?;
    tx.append(&AuditRecord {
        at: tx.now(),
        action: "credential.import".to_owned(),
        outcome: Outcome::Done,
        credential_id: None,
        entity: None,
        source: options.source.clone(),
        detail: format!("{stored} credentials of function {}", options.function),
    })
}

/// What one transaction of an import did.
#[derive(Default)]
struct Written {
    stored: u64,
    present: u64,
    refused: Vec<(u64, LineProblem)>,
}

/// Why a line was not staged.
enum Refused {
    Line(LineProblem),
    Store(StoreError),
}

impl From<LineProblem> for Refused {
    fn from(problem: LineProblem) -> Self {
        Self::Line(problem)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn identity_taken(revoked: bool) -> LineProblem {
    let state = if revoked { "is that of a revoked credential" } else { "is in the store with other values" };
    LineProblem::new("psk_identity", state)
}

fn key_taken(psk_identity: &str) -> LineProblem {
    LineProblem::new("psk_hex", format_args!("the key value is that of \"{}\"", psk_identity.escape_debug()))
}
