//! Answers to "is this certificate still good?" (RFC 6960): made ahead for stapling, or on request.

mod message;

use der::{
    Decode as _, Encode as _,
    asn1::{Null, ObjectIdentifier},
};
use onem2m::time::Timestamp;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use x509_cert::{AlgorithmIdentifier, Certificate, ext::Extension, spki::SubjectPublicKeyInfoOwned};

use self::message::{
    BasicResponse, CertIdBody, CertStatus, OcspRequest, OcspResponse, ResponderId, ResponseBytes,
    ResponseData, ResponseStatus, RevokedInfo, SingleResponse,
};
use crate::{Authority, PkiError, PrivateKey, Reason, Serial, authority::Public, draft, validity};

/// The longest request that is read.
pub const MAX_REQUEST_OCTETS: usize = 4096;
/// How many certificates one request may ask for.
pub const MAX_ASKED: usize = 16;
/// The longest nonce that is repeated (RFC 9654 §2.1).
const MAX_NONCE_OCTETS: usize = 128;

const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");
const NONCE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.2");

/// With which hash a certificate's issuer is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerHash {
    /// SHA-1: what nearly everybody sends.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl IssuerHash {
    fn of(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha1 => SHA_1,
            Self::Sha256 => SHA_256,
        }
    }
}

/// Which certificate is asked for: hashes of its issuer's name and key, and its serial number (RFC 6960
/// §4.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertId(CertIdBody);

impl CertId {
    /// The certificate of `issuer` with this serial number.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn new(issuer: &Authority, serial: &Serial, hash: IssuerHash) -> Result<Self, PkiError> {
        Self::of_public(&issuer.to_public(), serial, hash)
    }

    pub(crate) fn of_public(issuer: &Public, serial: &Serial, hash: IssuerHash) -> Result<Self, PkiError> {
        let name = issuer.subject.to_der().map_err(PkiError::der("issuer"))?;
        let key = SubjectPublicKeyInfoOwned::from_der(&issuer.spki).map_err(|_| PkiError::PublicKey)?;
        Ok(Self(CertIdBody {
            // The absent parameters and NULL mean the same; OpenSSL writes NULL, and compares.
            hash_algorithm: AlgorithmIdentifier { oid: hash.oid(), parameters: Some(Null.into()) },
            issuer_name_hash: draft::octets(&hash.of(&name))?,
            issuer_key_hash: draft::octets(&hash.of(key.subject_public_key.raw_bytes()))?,
            serial_number: serial.encoded()?,
        }))
    }

    /// The serial number that is asked for, if this authority is its issuer.
    #[must_use]
    pub fn serial_at(&self, issuer: &Authority) -> Option<Serial> {
        self.serial_of(&issuer.to_public())
    }

    pub(crate) fn serial_of(&self, issuer: &Public) -> Option<Serial> {
        let hash = match self.0.hash_algorithm.oid {
            SHA_1 => IssuerHash::Sha1,
            SHA_256 => IssuerHash::Sha256,
            _ => return None,
        };
        let serial = Serial::new(self.0.serial_number.as_bytes()).ok()?;
        let own = Self::of_public(issuer, &serial, hash).ok()?;
        let same = own.0.issuer_name_hash == self.0.issuer_name_hash
            && own.0.issuer_key_hash == self.0.issuer_key_hash;
        same.then_some(serial)
    }
}

/// What is said of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Issued and not withdrawn.
    Good,
    /// Withdrawn.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why, unless unspecified.
        reason: Option<Reason>,
    },
    /// Never issued here.
    Unknown,
}

/// What somebody asks.
#[derive(Debug, Clone)]
pub struct Question {
    /// For which certificates, 1 to [`MAX_ASKED`].
    pub asked: Vec<CertId>,
    /// Octets to repeat in the answer.
    pub nonce: Option<Vec<u8>>,
}

impl Question {
    /// Reads a DER `OCSPRequest` of at most [`MAX_REQUEST_OCTETS`]. A signature on it is not looked at.
    ///
    /// # Errors
    /// [`PkiError::Question`] if it is none, or beyond the bounds.
    pub fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        if der.len() > MAX_REQUEST_OCTETS {
            return Err(PkiError::Question("longer than 4096 octets"));
        }
        let request = OcspRequest::from_der(der)
            .map_err(|_| PkiError::Question("no DER OCSPRequest (RFC 6960 §4.1.1)"))?;
        let list = request.tbs_request.request_list;
        if list.is_empty() || list.len() > MAX_ASKED {
            return Err(PkiError::Question("must ask for 1 to 16 certificates"));
        }
        let mut extensions = request.tbs_request.request_extensions.unwrap_or_default().into_iter();
        let nonce = extensions
            .find(|extension| extension.extn_id == NONCE)
            .map(|extension| extension.extn_value.as_bytes().to_vec());
        if nonce.as_ref().is_some_and(|nonce| nonce.len() > MAX_NONCE_OCTETS + 3) {
            return Err(PkiError::Question("a nonce has at most 128 octets (RFC 9654 §2.1)"));
        }
        Ok(Self { asked: list.into_iter().map(|single| CertId(single.cert_id)).collect(), nonce })
    }
}

/// An answer without content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The question could not be read.
    Malformed,
    /// Something is wrong here.
    Internal,
    /// Too busy.
    TryLater,
    /// Nothing is known here of that issuer.
    Unauthorized,
}

impl Refusal {
    /// DER `OCSPResponse` that says so and is not signed (RFC 6960 §2.3).
    #[must_use]
    pub fn to_der(self) -> Vec<u8> {
        let status = match self {
            Self::Malformed => ResponseStatus::MalformedRequest,
            Self::Internal => ResponseStatus::InternalError,
            Self::TryLater => ResponseStatus::TryLater,
            Self::Unauthorized => ResponseStatus::Unauthorized,
        };
        OcspResponse { status, bytes: None }.to_der().unwrap_or_default()
    }
}

/// From when to when an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When the status was known to be so, and when the answer was signed.
    pub this_update: Timestamp,
    /// By when a newer answer exists; absent, that is at any time.
    pub next_update: Option<Timestamp>,
}

/// Who signs answers: the authority itself, or one that it certified for this ([`Profile::OcspResponder`]).
///
/// [`Profile::OcspResponder`]: crate::Profile::OcspResponder
#[derive(Debug)]
pub struct Responder<'a> {
    key: &'a PrivateKey,
    /// DER, of the delegate; absent when the authority itself signs.
    certificate: Option<Certificate>,
}

impl<'a> Responder<'a> {
    /// The authority whose key this is.
    #[must_use]
    pub const fn authority(key: &'a PrivateKey) -> Self {
        Self { key, certificate: None }
    }

    /// Somebody with a certificate of the authority, which goes with each answer.
    ///
    /// # Errors
    /// [`PkiError::AuthorityCertificate`] if it does not parse, [`PkiError::KeyMismatch`] if the key is
    /// another's.
    pub fn delegate(certificate: &[u8], key: &'a PrivateKey) -> Result<Self, PkiError> {
        let certificate = Certificate::from_der(certificate)
            .map_err(|_| PkiError::AuthorityCertificate("the OCSP responder's is no DER certificate"))?;
        let tbs = certificate.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(|_| PkiError::PublicKey)?;
        if spki != key.spki_der()? {
            return Err(PkiError::KeyMismatch(tbs.subject().to_string()));
        }
        Ok(Self { key, certificate: Some(certificate) })
    }

    /// Signs an answer, DER `OCSPResponse`.
    ///
    /// # Errors
    /// [`PkiError::Encoding`] if a time lies before 1970.
    pub fn answer(
        &self,
        answers: &[(CertId, Status)],
        span: Span,
        nonce: Option<&[u8]>,
    ) -> Result<Vec<u8>, PkiError> {
        let responses =
            answers.iter().map(|(id, status)| single(id, *status, span)).collect::<Result<_, _>>()?;
        let nonce = nonce.map(|value| -> Result<_, PkiError> {
            Ok(Extension { extn_id: NONCE, critical: false, extn_value: draft::octets(value)? })
        });
        let own = draft::key_identifier(&self.key.spki_der()?)?;
        let data = ResponseData {
            version: message::Version::V1,
            responder: ResponderId::ByKey(draft::octets(&own)?),
            produced_at: validity::generalized(span.this_update)?,
            responses,
            extensions: nonce.transpose()?.map(|nonce| vec![nonce]),
        };
        let failed = PkiError::der("OCSP response");
        let signature = self.key.sign(&data.to_der().map_err(&failed)?)?;
        let basic = BasicResponse {
            data,
            signature_algorithm: draft::algorithm(),
            signature,
            certificates: self.certificate.clone().map(|certificate| vec![certificate]),
        };
        let bytes = ResponseBytes {
            response_type: BASIC,
            response: draft::octets(&basic.to_der().map_err(&failed)?)?,
        };
        OcspResponse { status: ResponseStatus::Successful, bytes: Some(bytes) }.to_der().map_err(&failed)
    }
}

impl Authority {
    /// Signs an answer for one certificate with the authority's own key, its issuer named with SHA-1: what a
    /// server staples. DER `OCSPResponse`.
    ///
    /// # Errors
    /// [`PkiError::Encoding`] if a time lies before 1970.
    pub fn ocsp(
        &self,
        serial: &Serial,
        status: Status,
        this_update: Timestamp,
        next_update: Option<Timestamp>,
    ) -> Result<Vec<u8>, PkiError> {
        let span = Span { this_update, next_update };
        let id = CertId::new(self, serial, IssuerHash::Sha1)?;
        Responder::authority(self.key()).answer(&[(id, status)], span, None)
    }
}

fn single(id: &CertId, status: Status, span: Span) -> Result<SingleResponse, PkiError> {
    let status = match status {
        Status::Good => CertStatus::Good(Null),
        Status::Unknown => CertStatus::Unknown(Null),
        Status::Revoked { at, reason } => CertStatus::Revoked(RevokedInfo {
            at: validity::generalized(at)?,
            reason: reason.map(Reason::code),
        }),
    };
    Ok(SingleResponse {
        cert_id: id.0.clone(),
        status,
        this_update: validity::generalized(span.this_update)?,
        next_update: span.next_update.map(validity::generalized).transpose()?,
        extensions: None,
    })
}
