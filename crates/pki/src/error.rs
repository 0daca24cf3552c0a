//! What can go wrong here.

use std::path::Path;

use onem2m::time::Timestamp;
use thiserror::Error;

use crate::Serial;

/// Why something was not made.
#[derive(Debug, Error)]
pub enum PkiError {
    /// No randomness, so no serial number or key.
    #[error(transparent)]
    Randomness(#[from] keys::RngError),
    /// A value does not fit into a certificate.
    #[error("{what}: {problem}")]
    Encoding {
        /// What was being written.
        what: &'static str,
        /// What the encoder says.
        problem: String,
    },
    /// A private key that is none, or not of the one kind used here.
    #[error(
        "private key: expected a P-256 key as PKCS #8 or SEC 1, PEM or DER, without a passphrase: {0} (TS-0003 §10.1.1.1)"
    )]
    PrivateKey(&'static str),
    /// A public key that is none, or not of the one kind used here.
    #[error(
        "public key: expected a SubjectPublicKeyInfo with an uncompressed point of P-256 (TS-0003 §10.1.1.1)"
    )]
    PublicKey,
    /// The private key and the certificate of an authority are not a pair.
    #[error("the private key does not belong to the certificate \"{0}\"")]
    KeyMismatch(String),
    /// A certificate that cannot be an authority's.
    #[error("certificate of an authority: {0}")]
    AuthorityCertificate(&'static str),
    /// A span of time that is none.
    #[error("validity from {not_before} to {not_after}: {problem}")]
    Validity {
        /// The first moment.
        not_before: Timestamp,
        /// The last moment.
        not_after: Timestamp,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A certificate signing request that is not followed.
    #[error("certificate request, {field}: {problem} ({clause})")]
    Request {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
        /// Where the rule stands.
        clause: &'static str,
    },
    /// What was to be signed breaks the profile. Nothing was signed.
    #[error("{}", several(.0))]
    Profile(Vec<certificate::Violation>),
    /// A question to the OCSP responder that is none.
    #[error("OCSP request: {0}")]
    Question(&'static str),
    /// A file that cannot be read or written.
    #[error("cannot {doing} {path}: {problem}")]
    File {
        /// What was tried.
        doing: &'static str,
        /// Its path.
        path: String,
        /// What the system says.
        problem: String,
    },
    /// A file of the directory that is damaged.
    #[error("{path}: {problem}")]
    Index {
        /// Its path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something is wrong with what stands in a file.
    #[error("{path}: {problem}")]
    In {
        /// Its path.
        path: String,
        /// What.
        problem: Box<Self>,
    },
    /// There is something where a new directory is to be.
    #[error("{0}: exists; remove it or choose another name")]
    Exists(String),
    /// No certificate with this serial number is on record.
    #[error("certificate with serial number {0}: was not issued here")]
    NotIssued(Serial),
    /// A certificate was withdrawn before.
    #[error("certificate with serial number {serial}: was revoked at {at}")]
    AlreadyRevoked {
        /// Its serial number.
        serial: Serial,
        /// When it was withdrawn.
        at: Timestamp,
    },
    /// A name that has no form in a certificate.
    #[error("{what} \"{text}\": {expected}")]
    Name {
        /// What kind of name.
        what: &'static str,
        /// The name, cut to 64 characters, control characters escaped.
        text: String,
        /// What was expected instead.
        expected: &'static str,
    },
}

impl PkiError {
    /// The error for a value that the encoder refuses.
    pub(crate) fn encoding(what: &'static str) -> impl Fn(x509_cert::builder::Error) -> Self {
        move |error| Self::Encoding { what, problem: error.to_string() }
    }

    /// The same, for errors of the DER encoder itself.
    pub(crate) fn der(what: &'static str) -> impl Fn(der::Error) -> Self {
        move |error| Self::Encoding { what, problem: error.to_string() }
    }

    /// The error for a file.
    pub(crate) fn file(doing: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::File { doing, path: path.display().to_string(), problem: error.to_string() }
    }

    /// Says in which file an error is.
    pub(crate) fn inside(path: &Path) -> impl Fn(Self) -> Self {
        let path = path.display().to_string();
        move |problem| Self::In { path: path.clone(), problem: Box::new(problem) }
    }

    /// The error for a malformed name.
    pub(crate) fn name(what: &'static str, text: &str, expected: &'static str) -> Self {
        let text = text.chars().take(64).flat_map(char::escape_debug).collect();
        Self::Name { what, text, expected }
    }
}

fn several(broken: &[certificate::Violation]) -> String {
    broken.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
