//! Certificate revocation lists (RFC 5280 §5, §6.3): whole lists of one issuer.

use std::collections::HashSet;
use std::fmt;

use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use onem2m::time::Timestamp;
use openssl::x509::X509Crl;
use x509_cert::Version;
use x509_cert::certificate::Raw;
use x509_cert::crl::CertificateList;
use x509_cert::ext::Extension;
use x509_cert::name::Name;

use crate::chain::{Certificate, moment};
use crate::extension;
use crate::pem::shown;
use crate::profile::{is_ecdsa_with_sha256, openssl_says};
use crate::refusal::{Reason, RevocationProblem};

/// `deltaCRLIndicator` and `issuingDistributionPoint`: the list is a part of one.
const PARTIAL: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("2.5.29.27"), ObjectIdentifier::new_unwrap("2.5.29.28")];

/// Why a revocation list cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrlProblem {
    /// It is no list.
    #[error("is no certificate revocation list in DER: {0} (RFC 5280 §5.1)")]
    Der(String),
    /// It is of version 1.
    #[error("version: must be 2 (RFC 5280 §5.1.2.1)")]
    Version,
    /// It does not say when the next list comes.
    #[error("nextUpdate: is missing (RFC 5280 §5.1.2.5)")]
    NextUpdate,
    /// It is a part of a list, or of other issuers.
    #[error("{0}: only whole lists of one issuer are read (RFC 5280 §5.2)")]
    Partial(String),
    /// It has a critical extension that nobody knows.
    #[error("{0}: is critical and unknown (RFC 5280 §5.2)")]
    Critical(String),
    /// It is not signed with ECDSA and SHA-256.
    #[error("signatureAlgorithm: must be ECDSA with SHA-256 (ecdsa-with-SHA256) (TS-0003 §10.1.1.3)")]
    SignatureAlgorithm,
    /// Neither a trust anchor nor a certificate beside the list that leads to one has the name of its issuer.
    #[error(
        "issuer: \"{0}\" is neither a trust anchor nor has a certificate beside the list that leads to one \
         (RFC 5280 §6.3.3)"
    )]
    Stranger(String),
    /// The certificate of the issuer has the name and another key.
    #[error("signatureValue: is not that of the key of \"{0}\" (RFC 5280 §6.3.3)")]
    Signature(String),
}

/// How current the revocation list of an issuer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrlState {
    /// The subject of its issuer.
    pub issuer: String,
    /// When it was issued.
    pub this_update: Timestamp,
    /// When there should be a newer one.
    pub next_update: Timestamp,
    /// How many certificates it names.
    pub revoked: usize,
}

/// A list of which the signature was verified.
pub(crate) struct Crl {
    issuer: Name,
    /// The key that signed it.
    issuer_spki: Vec<u8>,
    this_update: Timestamp,
    next_update: Timestamp,
    revoked: HashSet<Vec<u8>>,
}

impl Crl {
    /// Reads a list that one of `issuers` has signed.
    pub(crate) fn from_der(der: &[u8], issuers: &[&Certificate]) -> Result<Self, CrlProblem> {
        let broken = |error: der::Error| CrlProblem::Der(error.to_string());
        let list = CertificateList::<Raw>::from_der(der).map_err(broken)?;
        if list.to_der().map_err(broken)? != der {
            return Err(CrlProblem::Der("not the one encoding that DER has for it".to_owned()));
        }
        let fields = &list.tbs_cert_list;
        if fields.version != Version::V2 {
            return Err(CrlProblem::Version);
        }
        whole(fields.crl_extensions.iter().flatten())?;
        let algorithm = &list.signature_algorithm;
        if !is_ecdsa_with_sha256(algorithm) || fields.signature != *algorithm {
            return Err(CrlProblem::SignatureAlgorithm);
        }
        let mut revoked = HashSet::new();
        for entry in fields.revoked_certificates.iter().flatten() {
            whole(entry.crl_entry_extensions.iter().flatten())?;
            revoked.insert(entry.serial_number.as_bytes().to_vec());
        }
        Ok(Self {
            issuer_spki: signer(der, &fields.issuer, issuers)?,
            issuer: fields.issuer.clone(),
            this_update: moment(fields.this_update),
            next_update: fields.next_update.map(moment).ok_or(CrlProblem::NextUpdate)?,
            revoked,
        })
    }

    pub(crate) fn state(&self) -> CrlState {
        CrlState {
            issuer: shown(&self.issuer.to_string()),
            this_update: self.this_update,
            next_update: self.next_update,
            revoked: self.revoked.len(),
        }
    }
}

/// The key of the issuer that signed the list.
fn signer(der: &[u8], name: &Name, issuers: &[&Certificate]) -> Result<Vec<u8>, CrlProblem> {
    let list = X509Crl::from_der(der).map_err(|_| CrlProblem::Der("OpenSSL cannot read it".to_owned()))?;
    let mut named = issuers
        .iter()
        .filter(|issuer| issuer.parsed.tbs_certificate().subject() == name && issuer.check_key(0).is_ok())
        .peekable();
    let shown = shown(&name.to_string());
    if named.peek().is_none() {
        return Err(CrlProblem::Stranger(shown));
    }
    named
        .find(|issuer| {
            openssl_says(|| issuer.openssl().map_or(Ok(false), |own| list.verify(&*own.public_key()?)))
        })
        .map(|issuer| issuer.spki.clone())
        .ok_or(CrlProblem::Signature(shown))
}

/// Refuses extensions that make a list, or an entry in it, something else than the plain kind.
fn whole<'a>(extensions: impl Iterator<Item = &'a Extension>) -> Result<(), CrlProblem> {
    for extension in extensions {
        let title = || extension::title(&extension.extn_id);
        if PARTIAL.contains(&extension.extn_id) {
            return Err(CrlProblem::Partial(title()));
        }
        if extension.critical {
            return Err(CrlProblem::Critical(title()));
        }
    }
    Ok(())
}

/// Whether `certificate`, number `index` of a path, is revoked by its `issuer`, the next one.
pub(crate) fn check(
    lists: &[Crl],
    required: bool,
    certificate: &Certificate,
    issuer: &Certificate,
    index: usize,
    now: Timestamp,
) -> Result<(), Reason> {
    let at = u32::try_from(index).unwrap_or(u32::MAX);
    let name = issuer.parsed.tbs_certificate().subject();
    let unknown =
        |problem| Reason::RevocationUnknown { certificate: at, issuer: shown(&name.to_string()), problem };
    let of_issuer: Vec<_> = lists.iter().filter(|list| list.issuer == *name).collect();
    if of_issuer.is_empty() {
        return if required { Err(unknown(RevocationProblem::Missing)) } else { Ok(()) };
    }
    let signed: Vec<_> = of_issuer.into_iter().filter(|list| list.issuer_spki == issuer.spki).collect();
    let newest = signed
        .iter()
        .max_by_key(|list| list.this_update)
        .ok_or_else(|| unknown(RevocationProblem::OtherKey))?;
    let serial = certificate.parsed.tbs_certificate().serial_number();
    if signed.iter().any(|list| list.revoked.contains(serial.as_bytes())) {
        return Err(Reason::Revoked { certificate: at, serial: hexadecimal(serial.as_bytes()) });
    }
    if !extension::key_usage(issuer, index + 1)?.is_none_or(|usage| usage.crl_sign()) {
        return Err(unknown(RevocationProblem::KeyUsage));
    }
    if now < newest.this_update {
        return Err(unknown(RevocationProblem::NotBegun(newest.this_update)));
    }
    if now >= newest.next_update {
        return Err(unknown(RevocationProblem::Stale(newest.next_update)));
    }
    Ok(())
}

fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state().fmt(f)
    }
}
