//! Certificates as they come from a peer or a file.

use std::fmt;
use std::sync::OnceLock;

use der::{Decode, Encode};
use onem2m::time::Timestamp;
use openssl::x509::X509;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::time::Time;

use crate::key::{self, KeyFault};
use crate::pem::{self, PemError};
use crate::{MAX_PEM, RawKey, Violation};

/// The most certificates in a chain.
pub const MAX_CERTIFICATES: usize = 8;
/// The most octets of DER in a chain.
pub const MAX_CHAIN: usize = 16 * 1024;

/// What was presented cannot be read as certificates or as a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// There is no certificate.
    #[error("certificate chain: holds no certificate")]
    Empty,
    /// There are more than [`MAX_CERTIFICATES`].
    #[error("certificate chain: {0} certificates, at most {MAX_CERTIFICATES} are read")]
    TooMany(usize),
    /// The certificates together have more than [`MAX_CHAIN`] octets.
    #[error("certificate chain: {0} octets, at most {MAX_CHAIN} are read")]
    TooLong(usize),
    /// One of them is no DER certificate.
    #[error("certificate {index}: is no certificate in DER: {cause} (RFC 5280 §4.1)")]
    Certificate {
        /// Place in the chain, 0 being the leaf.
        index: usize,
        /// What the decoder said.
        cause: String,
    },
    /// The file is no PEM with certificates in it.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The octets are no `SubjectPublicKeyInfo` in DER.
    #[error("raw public key: is no SubjectPublicKeyInfo in DER: {0} (RFC 7250 §3)")]
    Key(String),
    /// The raw public key is of the wrong kind.
    #[error("raw public key: {0}")]
    KeyKind(Violation),
}

/// One certificate, read by both decoders: `x509-cert`, for what is looked at here, and OpenSSL, for path
/// validation.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) parsed: CertificateInner<Raw>,
    pub(crate) spki: Vec<u8>,
    /// What is wrong with the key.
    key: Option<KeyFault>,
    /// Read when it is needed: an enrolment by hash needs it never. `None` when OpenSSL cannot read it.
    openssl: OnceLock<Option<X509>>,
}

impl Certificate {
    /// Reads one certificate. What does not encode to the same octets again is not DER and is refused, so that
    /// both decoders are known to mean the same.
    pub(crate) fn from_der(index: usize, der: &[u8]) -> Result<Self, Broken> {
        let broken = |cause: String| Broken::Certificate { index, cause };
        let parsed = CertificateInner::<Raw>::from_der(der).map_err(|error| broken(error.to_string()))?;
        let again = parsed.to_der().map_err(|error| broken(error.to_string()))?;
        if again != der {
            return Err(broken("not the one encoding that DER has for it".to_owned()));
        }
        let key = parsed.tbs_certificate().subject_public_key_info();
        let spki = key.to_der().map_err(|error| broken(error.to_string()))?;
        let key = key::fault(key);
        Ok(Self { der: der.to_vec(), parsed, spki, key, openssl: OnceLock::new() })
    }

    /// The certificate as OpenSSL reads it.
    pub(crate) fn openssl(&self) -> Option<&X509> {
        self.openssl.get_or_init(|| X509::from_der(&self.der).ok()).as_ref()
    }

    /// Whether the key is an uncompressed point on P-256; the certificate is number `index` of its chain.
    pub(crate) fn check_key(&self, index: usize) -> Result<(), Violation> {
        self.key.as_ref().map_or(Ok(()), |fault| Err(fault.at(index)))
    }
}

impl Certificate {
    pub(crate) fn subject(&self) -> String {
        pem::shown(&self.parsed.tbs_certificate().subject().to_string())
    }

    pub(crate) fn issuer(&self) -> String {
        pem::shown(&self.parsed.tbs_certificate().issuer().to_string())
    }

    pub(crate) fn not_before(&self) -> Timestamp {
        moment(self.parsed.tbs_certificate().validity().not_before)
    }

    pub(crate) fn not_after(&self) -> Timestamp {
        moment(self.parsed.tbs_certificate().validity().not_after)
    }
}

/// A time of a certificate or list, none of which lies before 1970 or after 9999.
pub(crate) fn moment(time: Time) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add(time.to_unix_duration())
}

/// A certificate chain: the leaf, then each time the certificate of the issuer. Reading it judges nothing but
/// its form.
#[derive(Clone)]
pub struct Chain {
    leaf: Box<Certificate>,
    issuers: Vec<Certificate>,
}

impl Chain {
    /// Reads a chain of 1 to [`MAX_CERTIFICATES`] certificates in DER, together at most [`MAX_CHAIN`] octets,
    /// the leaf first.
    ///
    /// # Errors
    /// [`Broken`], which names the certificate that cannot be read.
    pub fn from_der<D: AsRef<[u8]>>(certificates: &[D]) -> Result<Self, Broken> {
        if certificates.len() > MAX_CERTIFICATES {
            return Err(Broken::TooMany(certificates.len()));
        }
        let octets = certificates.iter().map(|der| der.as_ref().len()).sum();
        if octets > MAX_CHAIN {
            return Err(Broken::TooLong(octets));
        }
        let mut read = certificates
            .iter()
            .enumerate()
            .map(|(index, der)| Certificate::from_der(index, der.as_ref()))
            .collect::<Result<Vec<_>, _>>()?
            .into_iter();
        let leaf = Box::new(read.next().ok_or(Broken::Empty)?);
        Ok(Self { leaf, issuers: read.collect() })
    }

    /// Reads the `CERTIFICATE` blocks of a PEM text, the leaf first. Text between the blocks is skipped, any
    /// other kind of block refused. A single certificate in DER is read as well.
    ///
    /// # Errors
    /// [`Broken`], as [`from_der`](Self::from_der), and when the text is no PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, Broken> {
        if !pem::looks_like_pem(text) && text.first() == Some(&0x30) {
            return Self::from_der(&[text]);
        }
        let certificates: Vec<_> =
            pem::blocks(text, &["CERTIFICATE"], MAX_PEM)?.into_iter().map(|block| block.der).collect();
        Self::from_der(&certificates)
    }

    /// The DER `SubjectPublicKeyInfo` of the leaf, of which a public key identifier is the hash (TS-0003
    /// §10.1.2). It may be of any kind; [`key`](Self::key) is the one that is P-256.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.leaf.spki
    }

    /// The leaf in DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        &self.leaf.der
    }

    /// Every certificate in DER, the leaf first.
    pub fn ders(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates().map(|certificate| certificate.der.as_slice())
    }

    /// The key of the leaf, checked to be an uncompressed point on P-256. All that an enrolment by public key
    /// hash needs of a certificate.
    ///
    /// # Errors
    /// The [`Violation`] that tells what else the key is.
    pub fn key(&self) -> Result<RawKey, Violation> {
        self.leaf.check_key(0)?;
        Ok(RawKey::checked(self.leaf.spki.clone()))
    }

    /// The last moment at which the leaf is valid by its own dates.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.leaf().not_after()
    }

    /// What the leaf says of itself and of who made it, on one line, for records: subject and issuer.
    #[must_use]
    pub fn summary(&self) -> String {
        format!("subject \"{}\", issuer \"{}\"", self.leaf().subject(), self.leaf().issuer())
    }

    pub(crate) fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    pub(crate) fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        std::iter::once(self.leaf.as_ref()).chain(&self.issuers)
    }
}

/// The subjects only: what a log needs to tell chains apart.
impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subjects = self.certificates().map(|c| c.parsed.tbs_certificate().subject().to_string());
        f.debug_list().entries(subjects.map(|subject| pem::shown(&subject))).finish()
    }
}
