//! `attache pki check`: does a certificate follow the profile, whoever made it?
//!
//! Exit code 0 if it does, 1 if it breaks a rule, 2 if it cannot be read.

use std::process::ExitCode;

use certificate::{Anchors, Chain, Flavour, Name, Purpose, RawKey, Rule, Violation};
use keys::{PublicKeyHash, PublicKeyIdentifier};
use onem2m::time::{Clock as _, SystemClock};
use serde_json::{Value, json};

use super::{
    arguments::{Judged, PkiCheck},
    read,
};
use crate::outcome::{Done, Failure, Fault, put, say};

/// What was found out.
struct Finding {
    /// As what it was judged.
    judged: &'static str,
    names: Vec<String>,
    identifier: String,
    broken: Vec<Problem>,
}

/// A broken rule, or why there is no path to the roots.
struct Problem {
    text: String,
    fact: Value,
}

impl From<Violation> for Problem {
    fn from(violation: Violation) -> Self {
        let fact = json!({
            "rule": rule_name(violation.rule),
            "place": violation.place,
            "clause": violation.clause,
            "found": violation.found,
            "message": violation.to_string(),
        });
        Self { text: violation.to_string(), fact }
    }
}

pub(super) fn run(arguments: &PkiCheck, json: bool) -> Done {
    let file = arguments.file.display().to_string();
    let octets = read(&arguments.file)?;
    let unreadable = |error: &dyn std::fmt::Display| Failure::usage(format_args!("{file}: {error}"));
    let finding = if has_block(&octets, "PUBLIC KEY") {
        if arguments.judged.is_some_and(|judged| judged != Judged::RawKey) || arguments.anchors.is_some() {
            return Err(unreadable(
                &"is a public key, not a certificate; it can be judged --as raw-key alone",
            ));
        }
        public_key(&octets).map_err(|error| unreadable(&error))?
    } else {
        let chain = Chain::from_pem(&octets).map_err(|error| unreadable(&error))?;
        judge(&chain, arguments)?
    };
    if finding.broken.is_empty() {
        let names = finding.names.join(", ");
        let whom = if names.is_empty() { String::new() } else { format!(" for {names}") };
        let line = format_args!(
            "{file}: follows the profile of {}{whom}; key {}",
            finding.judged, finding.identifier
        );
        say(json, &finding.fact(&file), line);
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        put(finding.fact(&file));
    } else {
        for problem in &finding.broken {
            put(format_args!("{file}: {}", problem.text));
        }
    }
    Ok(ExitCode::from(Fault::Refused.code()))
}

impl Finding {
    fn fact(&self, file: &str) -> Value {
        let broken: Vec<_> = self.broken.iter().map(|problem| problem.fact.clone()).collect();
        json!({
            "file": file,
            "judged": self.judged,
            "names": self.names,
            "identifier": self.identifier,
            "follows": broken.is_empty(),
            "broken": broken,
        })
    }
}

/// The Rust name of the rule, without what it holds: stable, for programs.
fn rule_name(rule: Rule) -> String {
    let name = format!("{rule:?}");
    name.split('(').next().unwrap_or_default().to_owned()
}

fn has_block(octets: &[u8], label: &str) -> bool {
    std::str::from_utf8(octets).is_ok_and(|text| text.contains(&format!("-----BEGIN {label}-----")))
}

fn public_key(octets: &[u8]) -> Result<Finding, pki::PkiError> {
    let spki = pki::public_key(octets)?;
    let identifier = identifier(&spki);
    let broken = RawKey::from_spki_der(&spki).err().map(|error| plain(&error)).into_iter().collect();
    Ok(Finding { judged: RAW_KEY, names: Vec::new(), identifier, broken })
}

const RAW_KEY: &str = "raw public keys";

fn judge(chain: &Chain, arguments: &PkiCheck) -> Result<Finding, Failure> {
    let names = certificate::names(chain).unwrap_or_default();
    let mut finding = Finding {
        judged: RAW_KEY,
        names: names.iter().map(Name::as_text).collect(),
        identifier: identifier(chain.spki()),
        broken: Vec::new(),
    };
    let flavour = match arguments.judged {
        Some(Judged::RawKey) => {
            finding.broken.extend(chain.key().err().map(Problem::from));
            None
        }
        Some(judged) => flavour(judged),
        None => Some(guessed(&names)),
    };
    if let Some(flavour) = flavour {
        finding.judged = title(flavour);
        let broken = certificate::check_profile(chain, flavour);
        finding.broken.extend(broken.into_iter().map(Problem::from));
    }
    if let Some(problem) = path_problem(chain, arguments)? {
        // A broken rule stops the way to the roots too, and is said already.
        if finding.broken.iter().all(|known| known.text != problem.text) {
            finding.broken.push(problem);
        }
    }
    Ok(finding)
}

const fn flavour(judged: Judged) -> Option<Flavour> {
    match judged {
        Judged::CseId => Some(Flavour::CseId),
        Judged::AeId => Some(Flavour::AeId),
        Judged::NodeId => Some(Flavour::NodeId),
        Judged::Device => Some(Flavour::Device),
        Judged::Fqdn => Some(Flavour::Fqdn),
        Judged::RawKey => None,
    }
}

/// The flavour of the first name. Without any, one that needs a name, so that this is said.
fn guessed(names: &[Name]) -> Flavour {
    let of_name = |name: &Name| Flavour::ALL.into_iter().find(|flavour| name.is_of(*flavour));
    names.first().and_then(of_name).unwrap_or(Flavour::CseId)
}

const fn title(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::CseId => "CSE-ID certificates",
        Flavour::AeId => "AE-ID certificates",
        Flavour::NodeId => "Node-ID certificates",
        Flavour::Device => "device certificates",
        Flavour::Fqdn => "FQDN certificates",
    }
}

/// Why the chain leads to none of the roots that were named, if any were.
fn path_problem(chain: &Chain, arguments: &PkiCheck) -> Result<Option<Problem>, Failure> {
    let Some(path) = &arguments.anchors else { return Ok(None) };
    let now = arguments.at.unwrap_or_else(|| SystemClock.now());
    let inside = |path: &std::path::Path, error: &dyn std::fmt::Display| {
        Failure::usage(format_args!("{}: {error}", path.display()))
    };
    let mut anchors = Anchors::from_pem(&read(path)?, now).map_err(|error| inside(path, &error))?;
    if let Some(path) = &arguments.crls {
        anchors = anchors.with_crls_pem(&read(path)?).map_err(|error| inside(path, &error))?;
    }
    // Both ends: they change roles in the reverse association.
    let refusals = [Purpose::Client, Purpose::Server]
        .into_iter()
        .filter_map(|purpose| certificate::verify(&anchors, chain, purpose, now, false).err());
    Ok(refusals.into_iter().next().map(|refusal| plain(&refusal)))
}

fn plain(error: &dyn std::error::Error) -> Problem {
    let text = error.to_string();
    let fact = json!({ "rule": "Path", "message": text });
    Problem { text, fact }
}

fn identifier(spki: &[u8]) -> String {
    PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, spki).to_string()
}
