//! `attache pki issue`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use keys::{OsRng, PublicKeyHash, PublicKeyIdentifier};
use onem2m::{
    id::CseDomainName,
    time::{Clock as _, SystemClock},
};
use pki::{Issued, PkiError, PrivateKey, Profile, SubjectKey, Validity, directory::Directory};
use serde_json::json;
use zeroize::Zeroizing;

use super::{
    arguments::{KeyArg, PkiIssue},
    read,
};
use crate::{
    device_file::Provisional,
    outcome::{Done, Failure, say},
};

pub(super) fn run(arguments: &PkiIssue, json: bool) -> Done {
    let validity = Validity::days(SystemClock.now(), arguments.days)?;
    let profile = profile(arguments)?;
    let key = Key::read(&arguments.key)?;
    if arguments.subject.raw_key {
        return raw_key(arguments, key, json);
    }
    let Some(profile) = profile else {
        return self_signed(arguments, &key, validity, json);
    };
    let mut directory = Directory::open(&arguments.directory.path)?;
    let pending =
        directory.prepare(&profile, key.as_subject(), validity, &OsRng).map_err(|error| key.blame(error))?;
    let files = Files::write(&arguments.out, &pending.issued)?;
    // On record before anybody has it: what is not there could not be withdrawn.
    let issued = directory.record(pending)?;
    report(&profile.to_string(), &issued, files, validity, json)
}

/// The key as it was given.
enum Key {
    Fresh,
    Request(PathBuf, Vec<u8>),
    Public(Vec<u8>),
    Private(PrivateKey),
}

impl Key {
    fn read(arguments: &KeyArg) -> Result<Self, Failure> {
        if let Some(path) = &arguments.csr {
            return Ok(Self::Request(path.clone(), read(path)?));
        }
        if let Some(path) = &arguments.public_key {
            return Ok(Self::Public(pki::public_key(&read(path)?).map_err(|error| inside(path, &error))?));
        }
        if let Some(path) = &arguments.key {
            let octets = Zeroizing::new(read(path)?);
            return Ok(Self::Private(PrivateKey::from_bytes(&octets).map_err(|error| inside(path, &error))?));
        }
        Ok(Self::Fresh)
    }

    fn as_subject(&self) -> SubjectKey<'_> {
        match self {
            Self::Fresh => SubjectKey::Fresh,
            Self::Request(_, octets) => SubjectKey::Csr(octets),
            Self::Public(spki) => SubjectKey::Public(spki),
            Self::Private(key) => SubjectKey::Private(key),
        }
    }

    /// Names the file of the request if that is what is wrong.
    fn blame(&self, error: PkiError) -> Failure {
        match (self, &error) {
            (Self::Request(path, _), PkiError::Request { .. }) => inside(path, &error),
            _ => error.into(),
        }
    }
}

fn inside(path: &Path, error: &PkiError) -> Failure {
    Failure::usage(format_args!("{}: {error}", path.display()))
}

/// What the certificate is to name; nothing of the kind in a self-signed one.
fn profile(arguments: &PkiIssue) -> Result<Option<Profile>, Failure> {
    let subject = &arguments.subject;
    if arguments.in_cse.is_some() && subject.cse_id.is_none() {
        return Err(Failure::usage("--in-cse: goes with --cse-id"));
    }
    if let Some(cse) = &subject.cse_id {
        let name = match &arguments.in_cse {
            Some(infrastructure) => CseDomainName::of_field(cse, infrastructure),
            None => CseDomainName::of_infrastructure(cse),
        };
        return Ok(Some(Profile::CseId(name.map_err(Failure::usage)?)));
    }
    Ok(None
        .or_else(|| subject.ae_id.clone().map(Profile::AeId))
        .or_else(|| subject.node_id.clone().map(Profile::NodeId))
        .or_else(|| subject.device.clone().map(Profile::Device))
        .or_else(|| subject.fqdn.clone().map(Profile::Fqdn)))
}

fn self_signed(arguments: &PkiIssue, key: &Key, validity: Validity, json: bool) -> Done {
    let name = arguments.subject.self_signed.as_deref().unwrap_or_default();
    let own = match key {
        Key::Fresh => None,
        Key::Private(key) => Some(key),
        Key::Request(..) | Key::Public(_) => {
            return Err(Failure::usage(
                "--self-signed: the private key is needed; give --key, or leave it out",
            ));
        }
    };
    let issued = pki::self_signed(name, own, validity, &OsRng)?;
    let files = Files::write(&arguments.out, &issued)?;
    report(&format!("self-signed {name}"), &issued, files, validity, json)
}

/// A key without a certificate.
fn raw_key(arguments: &PkiIssue, key: Key, json: bool) -> Done {
    let (spki, private) = match key {
        Key::Fresh => {
            let key = PrivateKey::generate(&OsRng)?;
            (key.spki_der()?, Some(key))
        }
        Key::Private(key) => (key.spki_der()?, None),
        Key::Public(spki) => (spki, None),
        Key::Request(..) => {
            return Err(Failure::usage("--raw-key: a request is for a certificate; give --public-key"));
        }
    };
    let path = beside(&arguments.out, "pub.pem");
    let public = Provisional::write_public(&path, pki::public_key_pem(&spki)?.as_bytes())?;
    let key_path = private.as_ref().map(|_| beside(&arguments.out, "key.pem"));
    if let (Some(key), Some(path)) = (&private, &key_path) {
        Provisional::write(path, key.to_pem()?.as_bytes())?.keep();
    }
    public.keep();
    let hash = identifier(&spki);
    let fact = json!({ "public_key": path, "key": key_path, "identifier": hash });
    say(json, &fact, format_args!("{}: {hash}{}", path.display(), key_told(key_path.as_deref())));
    Ok(ExitCode::SUCCESS)
}

/// The files of a certificate, removed again unless they are kept.
struct Files {
    chain: (PathBuf, Provisional),
    key: Option<(PathBuf, Provisional)>,
}

impl Files {
    fn write(out: &Path, issued: &Issued) -> Result<Self, Failure> {
        let path = beside(out, "pem");
        let chain = Provisional::write_public(&path, issued.chain_pem.as_bytes())?;
        let key = match &issued.key_pem {
            Some(pem) => {
                let path = beside(out, "key.pem");
                let key = Provisional::write(&path, pem.as_bytes())?;
                Some((path, key))
            }
            None => None,
        };
        Ok(Self { chain: (path, chain), key })
    }

    fn keep(self) -> (PathBuf, Option<PathBuf>) {
        self.chain.1.keep();
        let key = self.key.map(|(path, file)| {
            file.keep();
            path
        });
        (self.chain.0, key)
    }
}

/// `out` with this behind it.
fn beside(out: &Path, suffix: &str) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn report(what: &str, issued: &Issued, files: Files, validity: Validity, json: bool) -> Done {
    let (chain, key) = files.keep();
    let spki = certificate::Chain::from_der(&issued.chain_der).map_err(Failure::internal)?.spki().to_vec();
    let hash = identifier(&spki);
    let fact = json!({
        "issued": what,
        "serial": issued.serial.to_string(),
        "chain": chain,
        "key": key,
        "identifier": hash,
        "not_after": validity.not_after(),
    });
    let line = format_args!(
        "{}: {what}, serial number {}, valid until {}, key {hash}{}",
        chain.display(),
        issued.serial,
        validity.not_after(),
        key_told(key.as_deref()),
    );
    say(json, &fact, line);
    Ok(ExitCode::SUCCESS)
}

fn key_told(path: Option<&Path>) -> String {
    path.map(|path| format!("; the private key is in {}", path.display())).unwrap_or_default()
}

/// The longest public key identifier (TS-0003 §10.1.2).
fn identifier(spki: &[u8]) -> String {
    PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, spki).to_string()
}
