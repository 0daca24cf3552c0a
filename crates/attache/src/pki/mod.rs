//! `attache pki`: a development certification authority, and a look at certificates of others.

mod arguments;
mod check;
mod issue;
mod responder;

use std::{fs, path::Path, process::ExitCode, time::Duration};

use certificate::Chain;
use keys::OsRng;
use onem2m::time::{Clock as _, SystemClock, Timestamp};
use pki::{
    PkiError, Serial, Validity,
    directory::{self, Directory, Office, Plan, Records},
    ocsp::{Span, Status},
};
use serde_json::json;

pub(crate) use self::arguments::PkiCommand;
use self::arguments::{PkiCrl, PkiInit, PkiOcsp, PkiRevoke, WhichArg};
use crate::{
    device_file::replace_public,
    outcome::{Done, Failure, say},
};

/// The longest file of a certificate, key or request that is read.
const MAX_FILE: u64 = 1 << 20;

pub(crate) async fn run(command: PkiCommand, json: bool) -> Done {
    match command {
        PkiCommand::Init(arguments) => init(arguments, json),
        PkiCommand::Issue(arguments) => issue::run(&arguments, json),
        PkiCommand::Revoke(arguments) => revoke(&arguments, json),
        PkiCommand::Crl(arguments) => crl(&arguments, json),
        PkiCommand::Ocsp(arguments) => match arguments.listen {
            Some(address) => responder::run(address, &arguments, json).await,
            None => ocsp(&arguments, json),
        },
        PkiCommand::Check(arguments) => check::run(&arguments, json),
    }
}

impl From<PkiError> for Failure {
    fn from(error: PkiError) -> Self {
        match error {
            PkiError::Randomness(_) => Self::internal(error),
            _ => Self::usage(error),
        }
    }
}

fn init(arguments: PkiInit, json: bool) -> Done {
    let now = SystemClock.now();
    let plan = Plan {
        domains: arguments.domains,
        devices: arguments.devices,
        ocsp_url: arguments.ocsp_url,
        validity: Validity::days(now, arguments.days)?,
    };
    let path = arguments.directory.path;
    drop(Directory::create(&path, &plan, now, &OsRng)?);
    let (root, private) = (path.join("root.pem"), path.join("private"));
    let authorities: Vec<_> = Office::ALL.iter().map(|office| office.name()).collect();
    let fact = json!({
        "directory": path,
        "root": root,
        "authorities": authorities,
        "not_after": plan.validity.not_after(),
    });
    let line = format_args!(
        "made {}: give {} to those who are to believe its certificates; keep {} to yourself",
        path.display(),
        root.display(),
        private.display(),
    );
    say(json, &fact, line);
    Ok(ExitCode::SUCCESS)
}

fn revoke(arguments: &PkiRevoke, json: bool) -> Done {
    let serial = which(&arguments.which)?;
    let now = SystemClock.now();
    let mut directory = Directory::open(&arguments.directory.path)?;
    let entry = directory.revoke(&serial, arguments.reason, now, later(now, arguments.days, DAY))?;
    let lists = directory.records().lists_path();
    let fact = json!({
        "revoked": serial.to_string(),
        "kind": entry.kind,
        "name": entry.name,
        "reason": arguments.reason.map(pki::Reason::name),
        "crl": lists,
    });
    let line = format_args!(
        "revoked {serial} ({} {}); the revocation lists are in {}",
        entry.kind,
        entry.name,
        lists.display()
    );
    say(json, &fact, line);
    Ok(ExitCode::SUCCESS)
}

fn crl(arguments: &PkiCrl, json: bool) -> Done {
    let now = SystemClock.now();
    let mut directory = Directory::open(&arguments.directory.path)?;
    let next = later(now, arguments.days, DAY);
    drop(directory.write_lists(now, next)?);
    let revoked = directory.records().certificates().iter().filter(|entry| entry.revoked.is_some()).count();
    let lists = directory.records().lists_path();
    let fact = json!({ "crl": lists, "revoked": revoked, "next_update": next });
    say(json, &fact, format_args!("{}: {revoked} revoked, valid until {next}", lists.display()));
    Ok(ExitCode::SUCCESS)
}

/// The status of one certificate, into a file.
fn ocsp(arguments: &PkiOcsp, json: bool) -> Done {
    let serial = which(&arguments.which)?;
    let out = arguments.out.as_deref().ok_or_else(|| Failure::usage("--out is missing"))?;
    let records = Records::read(&arguments.directory.path)?;
    let (answer, status) = directory::staple(&records, &serial, span(arguments.hours))?;
    replace_public(out, &answer)?;
    let status = word(status);
    let fact = json!({ "serial": serial.to_string(), "status": status, "out": out });
    say(json, &fact, format_args!("{}: {serial} is {status}", out.display()));
    Ok(ExitCode::SUCCESS)
}

const fn word(status: Status) -> &'static str {
    match status {
        Status::Good => "good",
        Status::Revoked { .. } => "revoked",
        Status::Unknown => "unknown",
    }
}

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn later(now: Timestamp, count: u32, unit: u64) -> Timestamp {
    now.saturating_add(Duration::from_secs(u64::from(count) * unit)).whole_seconds()
}

/// From now for so many hours.
fn span(hours: u32) -> Span {
    let now = SystemClock.now();
    Span { this_update: now, next_update: Some(later(now, hours, HOUR)) }
}

/// The serial number that was typed, or that of the first certificate in a file.
fn which(arguments: &WhichArg) -> Result<Serial, Failure> {
    match (&arguments.serial, &arguments.file) {
        (Some(serial), _) => Ok(serial.clone()),
        (None, Some(path)) => {
            let octets = read(path)?;
            let named = |error: String| Failure::usage(format_args!("{}: {error}", path.display()));
            let chain = Chain::from_pem(&octets).map_err(|error| named(error.to_string()))?;
            Serial::of_certificate(chain.leaf_der()).map_err(|error| named(error.to_string()))
        }
        (None, None) => Err(Failure::usage("name the certificate: its file, or --serial")),
    }
}

/// Reads a file of at most [`MAX_FILE`] octets without secrets in it.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |problem: &dyn std::fmt::Display| {
        Failure::usage(format_args!("cannot read {}: {problem}", path.display()))
    };
    let length = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if length > MAX_FILE {
        return Err(failed(&"it is longer than 1 MiB"));
    }
    fs::read(path).map_err(|error| failed(&error))
}
