//! What the device file says of what the device proves itself with, and by what it knows its registrar.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use certificate::{Anchors, Chain, ExpectedServer, OcspPolicy, ResponderKey};
use device::{Device, Proof, Registrar, RegistrarTrust};
use keys::{IdentityToken, KeyLengthPolicy, Kpsa, PskIdentity, PublicKeyIdentifier, Secret};
use net::PrivateKey;
use onem2m::{
    id::{CseDomainName, CseId},
    time::{Clock, SystemClock},
};
use serde::{Deserialize, Deserializer, de::Error};

use crate::{config::parsed_maybe, device_file::read_key, key_pair, outcome::Failure};

/// `[credential]`: one of a symmetric key, a certificate, a raw public key, an identity token.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CredentialSection {
    /// What is sent as `psk_identity`, with a symmetric key.
    #[serde(default, deserialize_with = "parsed_maybe")]
    psk_identity: Option<PskIdentity>,
    /// The symmetric key in hexadecimal digits, here or in a file of its own.
    #[serde(default, deserialize_with = "secret")]
    key_hex: Option<Secret>,
    key_file: Option<PathBuf>,
    #[serde(default)]
    allow_short_key: bool,
    /// PEM: a certificate, then those between it and the root.
    certificate_file: Option<PathBuf>,
    /// PEM: its private key; without a certificate, that of a raw public key.
    private_key_file: Option<PathBuf>,
    /// An identity token.
    token_file: Option<PathBuf>,
    /// Whether sessions are remembered beside the device file and resumed. Not with a symmetric key, where that
    /// saves nothing.
    #[serde(default = "yes")]
    pub(crate) resume: bool,
}

/// `[registrar.trust]`: by what the device knows its registrar, other than by a symmetric key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrustSection {
    /// PEM: the roots that the registrar's certificate has to lead to.
    roots_file: Option<PathBuf>,
    /// The public domain name that it has to hold. Default: that of `cse_id` as an IN-CSE.
    domain_name: Option<String>,
    /// The key that it has to hold, in the place of roots: `ni:///sha-256;…` (RFC 6920).
    #[serde(default, deserialize_with = "parsed_maybe")]
    public_key: Option<PublicKeyIdentifier>,
    /// PEM or DER: certificate or public key of the OCSP responder that has to vouch for it.
    ocsp_responder_file: Option<PathBuf>,
}

const fn yes() -> bool {
    true
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    let digits = zeroize::Zeroizing::new(String::deserialize(deserializer)?);
    Secret::from_hex(&digits).map(Some).map_err(D::Error::custom)
}

impl std::fmt::Debug for CredentialSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialSection").field("psk_identity", &self.psk_identity).finish_non_exhaustive()
    }
}

/// A device file's place, for messages and relative paths.
struct File<'a>(&'a Path);

impl File<'_> {
    fn at(&self, file: &Path) -> PathBuf {
        self.0.parent().unwrap_or_else(|| Path::new("")).join(file)
    }

    fn read(&self, file: &Path) -> Result<(PathBuf, zeroize::Zeroizing<Vec<u8>>), Failure> {
        let file = self.at(file);
        match fs::read(&file) {
            Ok(octets) => Ok((file, zeroize::Zeroizing::new(octets))),
            Err(error) => Err(Failure::usage(format_args!("cannot read {}: {error}", file.display()))),
        }
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Failure {
        Failure::usage(format_args!("{}: {what}", self.0.display()))
    }
}

fn wrong(file: &Path, what: &dyn std::fmt::Display) -> Failure {
    Failure::usage(format_args!("{}: {what}", file.display()))
}

/// The device that `credential` and `trust` of the device file at `path` describe.
pub(crate) fn device(
    path: &Path,
    registrar: Registrar,
    credential: &CredentialSection,
    trust: &TrustSection,
) -> Result<Device, Failure> {
    let file = File(path);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match proof(&file, credential)? {
        Proof::Key { identity, key } => Ok(Device::with_key(registrar, identity, key)?),
        proof => {
            let trust = trusted(&file, trust, &registrar.cse, &*clock)?;
            Ok(Device::new(registrar, proof, trust, clock)?)
        }
    }
}

fn proof(file: &File<'_>, section: &CredentialSection) -> Result<Proof, Failure> {
    match section {
        CredentialSection {
            psk_identity: Some(identity),
            certificate_file: None,
            private_key_file: None,
            token_file: None,
            ..
        } => Ok(Proof::Key { identity: identity.clone(), key: symmetric_key(file, section)? }),
        CredentialSection {
            psk_identity: None,
            certificate_file: Some(certificate),
            private_key_file: Some(key),
            token_file: None,
            ..
        } => {
            let (at, pem) = file.read(certificate)?;
            let chain = Chain::from_pem(&pem).map_err(|error| wrong(&at, &error))?;
            let key = private_key(file, key, Some((&chain, &at)))?;
            Ok(Proof::Certificate { chain, key })
        }
        CredentialSection {
            psk_identity: None,
            certificate_file: None,
            private_key_file: Some(key),
            token_file: None,
            ..
        } => Ok(Proof::RawKey { key: private_key(file, key, None)? }),
        CredentialSection {
            psk_identity: None,
            certificate_file: None,
            private_key_file: None,
            token_file: Some(token),
            ..
        } => {
            let (at, text) = file.read(token)?;
            let token: Result<IdentityToken, _> = String::from_utf8_lossy(&text).trim_end().parse();
            token.map(Proof::Token).map_err(|error| wrong(&at, &error))
        }
        _ => Err(file.wrong(
            "[credential] needs one of: psk_identity with key_hex or key_file; certificate_file with \
             private_key_file; private_key_file alone, for a raw public key; token_file",
        )),
    }
}

fn symmetric_key(file: &File<'_>, section: &CredentialSection) -> Result<Kpsa, Failure> {
    let secret = match (&section.key_hex, &section.key_file) {
        (Some(key), None) => key.duplicate(),
        (None, Some(key)) => read_key(&file.at(key))?,
        _ => return Err(file.wrong("[credential] needs either key_hex or key_file")),
    };
    let policy = if section.allow_short_key { KeyLengthPolicy::AllowShort } else { KeyLengthPolicy::Strict };
    Kpsa::new(secret, policy).map_err(|error| file.wrong(format_args!("credential: {error}")))
}

fn private_key(
    file: &File<'_>,
    key: &Path,
    belongs_to: Option<(&Chain, &Path)>,
) -> Result<PrivateKey, Failure> {
    let (at, pem) = file.read(key)?;
    key_pair::private_key(&at, &pem, belongs_to)
}

fn trusted(
    file: &File<'_>,
    section: &TrustSection,
    registrar: &CseId,
    clock: &dyn Clock,
) -> Result<RegistrarTrust, Failure> {
    let anchors = match &section.roots_file {
        Some(roots) => {
            let (at, pem) = file.read(roots)?;
            Anchors::from_pem(&pem, clock.now()).map_err(|error| wrong(&at, &error))?
        }
        None if section.public_key.is_some() => Anchors::default(),
        None => {
            return Err(file.wrong(
                "[registrar.trust] needs roots_file or public_key: without a symmetric key there is nothing else \
                 to know the registrar by",
            ));
        }
    };
    let expected = match (&section.public_key, &section.domain_name) {
        (Some(key), None) => ExpectedServer::Key(*key),
        (None, Some(name)) => ExpectedServer::Cse(domain_name(file, name, registrar)?),
        (None, None) => {
            ExpectedServer::Cse(CseDomainName::of_infrastructure(registrar).map_err(|error| {
                file.wrong(format_args!("registrar.cse_id: {error}; set registrar.trust.domain_name"))
            })?)
        }
        (Some(_), Some(_)) => {
            return Err(file.wrong("[registrar.trust]: either public_key or domain_name, not both"));
        }
    };
    let ocsp = match &section.ocsp_responder_file {
        Some(responder) => {
            let (at, octets) = file.read(responder)?;
            Some(OcspPolicy::new(ResponderKey::read(&octets).map_err(|error| wrong(&at, &error))?))
        }
        None => None,
    };
    Ok(RegistrarTrust { anchors, expected, ocsp })
}

/// The name, which has to be one of the registrar: otherwise the certificate would not vouch for `cse_id`.
fn domain_name(file: &File<'_>, name: &str, registrar: &CseId) -> Result<CseDomainName, Failure> {
    let read = CseDomainName::parse_in(name, registrar.sp())
        .map_err(|error| file.wrong(format_args!("registrar.trust.domain_name: {error}")))?;
    if read.cse_id() == *registrar {
        Ok(read)
    } else {
        Err(file.wrong(format_args!(
            "registrar.trust.domain_name: \"{read}\" is the name of {}, not of {registrar}",
            read.cse_id()
        )))
    }
}
