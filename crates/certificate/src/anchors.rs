//! Trust anchors and the revocation lists of those below them.

use std::fmt;
use std::sync::Arc;

use onem2m::time::Timestamp;

use crate::chain::Certificate;
use crate::crl::{Crl, CrlProblem, CrlState};
use crate::pem::{self, PemError};
use crate::{Broken, MAX_PEM, Violation, profile};

/// The most octets of PEM text in a file of revocation lists.
const MAX_CRL_PEM: usize = 16 * MAX_PEM;
const CERTIFICATE: &str = "CERTIFICATE";
const X509_CRL: &str = "X509 CRL";

/// Certificates or revocation lists that cannot be used as they were configured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The file is no PEM with the expected blocks in it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A block is no certificate.
    #[error("trust anchors: {0}")]
    Broken(#[from] Broken),
    /// A certificate is not self-signed, so that it ends no chain.
    #[error(
        "trust anchors: certificate {index}, issuer: is not self-signed; \"{subject}\" is no root (RFC 5280 §6.1)"
    )]
    NotSelfSigned {
        /// Place in the file, from 0.
        index: usize,
        /// Its subject.
        subject: String,
    },
    /// A certificate breaks a rule for the certificates of CAs.
    #[error("trust anchors: {violation}; \"{subject}\"")]
    Profile {
        /// Its subject.
        subject: String,
        /// The rule; its place counts certificates in the file from 0.
        violation: Violation,
    },
    /// A certificate has ended.
    #[error("trust anchors: certificate {index}, validity: \"{subject}\" ended at {at} (RFC 5280 §4.1.2.5)")]
    Expired {
        /// Place in the file, from 0.
        index: usize,
        /// Its subject.
        subject: String,
        /// Its end.
        at: Timestamp,
    },
    /// A certificate has not begun.
    #[error("trust anchors: certificate {index}, validity: \"{subject}\" begins at {at} (RFC 5280 §4.1.2.5)")]
    NotYetValid {
        /// Place in the file, from 0.
        index: usize,
        /// Its subject.
        subject: String,
        /// Its beginning.
        at: Timestamp,
    },
    /// A revocation list cannot be used.
    #[error("certificate revocation list {index}, {problem}")]
    Crl {
        /// Place in the file, from 0.
        index: usize,
        /// What is wrong with it.
        problem: CrlProblem,
    },
}

/// The roots that are trusted, and revocation lists. Nothing else is trusted: no directory or file of the
/// system is ever looked at. Cheap to clone; values are replaced, never changed.
#[derive(Clone, Default)]
pub struct Anchors {
    roots: Arc<[Certificate]>,
    crls: Arc<[Crl]>,
    crls_required: bool,
}

impl Anchors {
    /// Reads the `CERTIFICATE` blocks of a PEM text as roots (a single certificate in DER is read as well). A
    /// root is self-signed, follows the profile (TS-0003 §10.1.1.3) and is valid at `now`.
    ///
    /// # Errors
    /// [`AnchorError`], which names the certificate and what is wrong with it.
    pub fn from_pem(text: &[u8], now: Timestamp) -> Result<Self, AnchorError> {
        let ders = if pem::looks_like_pem(text) || text.first() != Some(&0x30) {
            pem::blocks(text, &[CERTIFICATE], MAX_PEM)?.into_iter().map(|block| block.der).collect()
        } else {
            vec![text.to_vec()]
        };
        let roots = ders
            .iter()
            .enumerate()
            .map(|(index, der)| root(index, der, now))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { roots: roots.into(), ..Self::default() })
    }

    /// The same roots with these revocation lists, the `X509 CRL` blocks of a PEM text, instead of those
    /// before. The certificate of the issuer of each list is a root, or stands beside the lists as a
    /// `CERTIFICATE` block, with those between it and a root: a list of somebody who issues nothing that is trusted
    /// here would be passed over in silence. Whether a list is current is looked at when it is used
    /// ([`crls`](Self::crls) tells).
    ///
    /// # Errors
    /// [`AnchorError`], which names the list and what is wrong with it.
    pub fn with_crls_pem(&self, text: &[u8]) -> Result<Self, AnchorError> {
        let (certificates, lists): (Vec<_>, Vec<_>) =
            pem::blocks(text, &[X509_CRL, CERTIFICATE], MAX_CRL_PEM)?
                .into_iter()
                .partition(|block| block.label == CERTIFICATE);
        if lists.is_empty() {
            return Err(PemError::None { expected: X509_CRL }.into());
        }
        let beside = certificates
            .iter()
            .enumerate()
            .map(|(index, block)| Certificate::from_der(index, &block.der))
            .collect::<Result<Vec<_>, _>>()?;
        let issuers = self.below_roots(&beside);
        let crls = lists
            .iter()
            .enumerate()
            .map(|(index, block)| {
                Crl::from_der(&block.der, &issuers).map_err(|problem| AnchorError::Crl { index, problem })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self { crls: crls.into(), ..self.clone() })
    }

    /// The roots, and those of `beside` that they have signed, themselves or through others of them.
    fn below_roots<'a>(&'a self, beside: &'a [Certificate]) -> Vec<&'a Certificate> {
        let mut found: Vec<&Certificate> = self.roots.iter().collect();
        let mut rest: Vec<&Certificate> = beside.iter().collect();
        let mut next = 0;
        while let Some(issuer) = found.get(next) {
            let subject = issuer.parsed.tbs_certificate().subject();
            // The name first, for a signature costs computation.
            let (below, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|one| {
                one.parsed.tbs_certificate().issuer() == subject && profile::is_signed_by(one, issuer)
            });
            found.extend(below);
            rest = others;
            next += 1;
        }
        found
    }

    /// The same roots and lists; every issuer on a path has to have a list. Otherwise only the issuers that
    /// have one are checked (register A-41).
    #[must_use]
    pub fn requiring_crls(&self) -> Self {
        Self { crls_required: true, ..self.clone() }
    }

    /// Every root in DER.
    pub fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.roots.iter().map(|root| root.der.as_slice())
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The subjects of the roots, and when they end.
    pub fn roots(&self) -> impl Iterator<Item = (String, Timestamp)> {
        self.roots.iter().map(|root| (root.subject(), root.not_after()))
    }

    /// Whose revocation lists there are, and how current.
    pub fn crls(&self) -> impl Iterator<Item = CrlState> {
        self.crls.iter().map(Crl::state)
    }

    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.roots
    }

    pub(crate) fn lists(&self) -> &[Crl] {
        &self.crls
    }

    pub(crate) const fn crls_required(&self) -> bool {
        self.crls_required
    }
}

/// Subjects, and how many lists.
impl fmt::Debug for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects: Vec<_> = self.roots.iter().map(Certificate::subject).collect();
        f.debug_struct("Anchors").field("roots", &subjects).field("crls", &self.crls.len()).finish()
    }
}

fn root(index: usize, der: &[u8], now: Timestamp) -> Result<Certificate, AnchorError> {
    let certificate = Certificate::from_der(index, der)?;
    let subject = certificate.subject();
    let rules = profile::algorithm_rules(&certificate, index);
    if let Some(violation) = rules.into_iter().next() {
        return Err(AnchorError::Profile { subject, violation });
    }
    if !profile::is_self_issued(&certificate) || !profile::is_signed_by(&certificate, &certificate) {
        return Err(AnchorError::NotSelfSigned { index, subject });
    }
    let rules = profile::certificate_rules(&certificate, index)
        .into_iter()
        .chain(profile::issuer_rules(&certificate, index, 0))
        .find(|violation| violation.rule.binds_verifiers());
    if let Some(violation) = rules {
        return Err(AnchorError::Profile { subject, violation });
    }
    if now < certificate.not_before() {
        return Err(AnchorError::NotYetValid { index, subject, at: certificate.not_before() });
    }
    if now > certificate.not_after() {
        return Err(AnchorError::Expired { index, subject, at: certificate.not_after() });
    }
    Ok(certificate)
}
