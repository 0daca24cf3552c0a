//! Stapled certificate status (RFC 6066 §8, RFC 6960): the statement of a configured responder that the
//! certificate of a server is good, without which nothing is said to that server.

mod message;

use std::time::Duration;

use der::asn1::{Any, Int, ObjectIdentifier, OctetString};
use der::{Class, Decode, Encode, Tagged};
use onem2m::time::Timestamp;
use openssl::hash::{MessageDigest, hash};
use openssl::pkey::PKey;
use openssl::sign::Verifier;
use x509_cert::ext::pkix::AuthorityInfoAccessSyntax;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use crate::chain::Certificate;
use crate::pem;
use crate::profile;
use crate::{Anchors, Broken, Chain, MAX_PEM, RawKey, Violation, extension};
use message::{
    BASIC, BasicResponse, CertId, OcspRequest, OcspResponse, Request, RequestData, ResponseData,
    SingleResponse, Status,
};

/// The most octets of a stapled response.
pub const MAX_STAPLE: usize = 16 * 1024;

/// How old a response without an end may be.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the clocks of responder and client may be apart.
const DEFAULT_SKEW: Duration = Duration::from_secs(5 * 60);

const SHA_1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
/// `id-pe-authorityInfoAccess` and `id-ad-ocsp` (RFC 5280 §4.2.2.1).
const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");
const AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// The key of the responder that is trusted: P-256, configured as its certificate or as the key alone. Of a
/// certificate only the key counts; it is trusted because it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponderKey(RawKey);

impl ResponderKey {
    /// Reads a certificate or a `SubjectPublicKeyInfo`, in PEM (`CERTIFICATE`, `PUBLIC KEY`) or DER.
    ///
    /// # Errors
    /// [`Broken`] when it is neither, or the key is not P-256.
    pub fn read(octets: &[u8]) -> Result<Self, Broken> {
        let der = if pem::looks_like_pem(octets) || octets.first() != Some(&0x30) {
            let blocks = pem::blocks(octets, &["CERTIFICATE", "PUBLIC KEY"], MAX_PEM)?;
            blocks.into_iter().next().map(|block| block.der).unwrap_or_default()
        } else {
            octets.to_vec()
        };
        if SubjectPublicKeyInfoOwned::from_der(&der).is_ok() {
            return RawKey::from_spki_der(&der).map(Self);
        }
        Chain::from_der(&[der])?.key().map(Self).map_err(Broken::KeyKind)
    }

    /// The key of who issued the leaf of `chain`: a CA that answers for itself. `None` when the issuer is neither
    /// in the chain nor among the anchors.
    #[must_use]
    pub fn of_issuer(chain: &Chain, anchors: &Anchors) -> Option<Self> {
        RawKey::from_spki_der(&issuer_of(chain, anchors)?.spki).ok().map(Self)
    }
}

/// What a client asks of a stapled response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OcspPolicy {
    /// Who has to have signed it.
    pub responder: ResponderKey,
    /// How old it may be when it does not say itself how long it holds.
    pub max_age: Duration,
    /// How far in the future it may have been made.
    pub skew: Duration,
}

impl OcspPolicy {
    /// The policy with this responder, 24 hours and 5 minutes.
    #[must_use]
    pub const fn new(responder: ResponderKey) -> Self {
        Self { responder, max_age: DEFAULT_MAX_AGE, skew: DEFAULT_SKEW }
    }
}

/// The certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertStatusGood {
    /// When the responder last knew it.
    pub this_update: Timestamp,
    /// Until when the statement holds.
    pub until: Timestamp,
}

/// Why a stapled response, or its absence, ends the handshake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OcspRefusal {
    /// The server has stapled nothing.
    #[error("OCSP staple: the server sent none, and a responder is configured (RFC 6066 §8)")]
    Absent,
    /// The response is longer than [`MAX_STAPLE`].
    #[error("OCSP staple: {0} octets, at most {MAX_STAPLE} are read")]
    TooLong(usize),
    /// The response cannot be read.
    #[error("OCSP staple, {field}: cannot be read (RFC 6960 §4.2.1)")]
    Malformed {
        /// The part that cannot be read.
        field: &'static str,
    },
    /// The responder had no answer.
    #[error("OCSP staple, responseStatus: is {0}, not successful (RFC 6960 §4.2.1)")]
    Unsuccessful(&'static str),
    /// The response has a critical extension that nobody knows.
    #[error("OCSP staple, {0}: is critical and unknown (RFC 6960 §4.4)")]
    Critical(String),
    /// The response is not signed with ECDSA and SHA-256.
    #[error("OCSP staple, signatureAlgorithm: must be ECDSA with SHA-256 (TS-0003 §10.1.1.3)")]
    SignatureAlgorithm,
    /// The signature is not that of the configured responder.
    #[error("OCSP staple, signature: is not that of the configured responder (RFC 6960 §3.2)")]
    Signature,
    /// Neither the chain nor the anchors hold the certificate of the issuer.
    #[error("OCSP staple: the issuer \"{0}\" of certificate 0 is not known (RFC 6960 §4.1.1)")]
    UnknownIssuer(String),
    /// The response is about another certificate.
    #[error("OCSP staple, certID: names another certificate (RFC 6960 §3.2)")]
    OtherCertificate,
    /// The certificate is revoked.
    #[error("OCSP staple, certStatus: revoked (RFC 6960 §2.2)")]
    Revoked,
    /// The responder does not know the certificate.
    #[error("OCSP staple, certStatus: unknown (RFC 6960 §2.2)")]
    Unknown,
    /// The response is from the future.
    #[error("OCSP staple, thisUpdate: {0} has not come yet (RFC 6960 §3.2)")]
    NotBegun(Timestamp),
    /// The response holds no longer.
    #[error("OCSP staple, nextUpdate: held until {0} (RFC 6960 §3.2)")]
    Stale(Timestamp),
}

impl OcspRefusal {
    /// The number of the fatal alert that ends the handshake: `bad_certificate_status_response` (RFC 6066 §8).
    #[must_use]
    pub const fn alert(&self) -> u8 {
        113
    }
}

/// Whether the configured responder says that the leaf of `server` is good, at `now`. The issuer is looked for
/// in the chain and among the anchors.
///
/// Asked for: a successful response; signed with the configured key; about this certificate (issuer's name and
/// key, serial number; hashed with SHA-1 or SHA-256); good; `thisUpdate` at most `skew` ahead; `now` before
/// `nextUpdate`, or without one, `max_age` not yet over. When the response speaks of the certificate more than
/// once, every time.
///
/// # Errors
/// [`OcspRefusal`]: the handshake must end.
pub fn check_staple(
    policy: &OcspPolicy,
    staple: Option<&[u8]>,
    server: &Chain,
    anchors: &Anchors,
    now: Timestamp,
) -> Result<CertStatusGood, OcspRefusal> {
    let staple = staple.filter(|staple| !staple.is_empty()).ok_or(OcspRefusal::Absent)?;
    if staple.len() > MAX_STAPLE {
        return Err(OcspRefusal::TooLong(staple.len()));
    }
    let signed = signed_part(policy, staple)?;
    let data = ResponseData::from_der(&signed).map_err(|_| malformed("tbsResponseData"))?;
    if data.version.is_some_and(|version| version != 0) {
        return Err(malformed("version"));
    }
    known_extensions(data.extensions.iter().flatten())?;
    let leaf = server.leaf();
    let issuer = issuer_of(server, anchors).ok_or_else(|| OcspRefusal::UnknownIssuer(leaf.issuer()))?;
    let mut good = None;
    for response in &data.responses {
        let asked = cert_id(response.id.algorithm.clone(), leaf, issuer);
        if asked.as_ref() == Some(&response.id) {
            let found = judge(policy, response, now)?;
            good = Some(good.map_or(found, |before: CertStatusGood| earlier(before, found)));
        }
    }
    good.ok_or(OcspRefusal::OtherCertificate)
}

const fn malformed(field: &'static str) -> OcspRefusal {
    OcspRefusal::Malformed { field }
}

fn earlier(one: CertStatusGood, other: CertStatusGood) -> CertStatusGood {
    if one.until < other.until { one } else { other }
}

/// The signed octets of a successful response, after the signature was verified.
fn signed_part(policy: &OcspPolicy, staple: &[u8]) -> Result<Vec<u8>, OcspRefusal> {
    let response = OcspResponse::from_der(staple).map_err(|_| malformed("OCSPResponse"))?;
    if response.status != Status::Successful {
        return Err(OcspRefusal::Unsuccessful(title(response.status)));
    }
    let bytes = response.bytes.filter(|bytes| bytes.kind == BASIC).ok_or(malformed("responseBytes"))?;
    let basic =
        BasicResponse::from_der(bytes.response.as_bytes()).map_err(|_| malformed("BasicOCSPResponse"))?;
    if !profile::is_ecdsa_with_sha256(&basic.algorithm) {
        return Err(OcspRefusal::SignatureAlgorithm);
    }
    let signed = basic.signed.to_der().map_err(|_| malformed("tbsResponseData"))?;
    let signature = basic.signature.as_bytes().ok_or(malformed("signature"))?;
    let verified = profile::openssl_says(|| {
        let key = PKey::public_key_from_der(policy.responder.0.spki())?;
        Verifier::new(MessageDigest::sha256(), &key)?.verify_oneshot(signature, &signed)
    });
    if verified { Ok(signed) } else { Err(OcspRefusal::Signature) }
}

const fn title(status: Status) -> &'static str {
    match status {
        Status::Successful => "successful",
        Status::MalformedRequest => "malformedRequest",
        Status::InternalError => "internalError",
        Status::TryLater => "tryLater",
        Status::SigRequired => "sigRequired",
        Status::Unauthorized => "unauthorized",
    }
}

fn known_extensions<'a>(
    extensions: impl Iterator<Item = &'a x509_cert::ext::Extension>,
) -> Result<(), OcspRefusal> {
    let mut extensions = extensions;
    match extensions.find(|extension| extension.critical) {
        Some(critical) => Err(OcspRefusal::Critical(extension::title(&critical.extn_id))),
        None => Ok(()),
    }
}

fn judge(
    policy: &OcspPolicy,
    response: &SingleResponse,
    now: Timestamp,
) -> Result<CertStatusGood, OcspRefusal> {
    known_extensions(response.extensions.iter().flatten())?;
    match status(&response.status) {
        Some(0) => {}
        Some(1) => return Err(OcspRefusal::Revoked),
        Some(2) => return Err(OcspRefusal::Unknown),
        _ => return Err(malformed("certStatus")),
    }
    let moment =
        |time: der::asn1::GeneralizedTime| Timestamp::UNIX_EPOCH.saturating_add(time.to_unix_duration());
    let this_update = moment(response.this_update);
    if this_update > now.saturating_add(policy.skew) {
        return Err(OcspRefusal::NotBegun(this_update));
    }
    let until = response.next_update.map_or_else(|| this_update.saturating_add(policy.max_age), moment);
    if now >= until {
        return Err(OcspRefusal::Stale(until));
    }
    Ok(CertStatusGood { this_update, until })
}

/// The number of the context-specific tag that a certificate status is.
fn status(status: &Any) -> Option<u32> {
    let tag = status.tag();
    let empty_when_good = tag.number().value() != 0 || status.value().is_empty();
    (tag.class() == Class::ContextSpecific && empty_when_good).then(|| tag.number().value())
}

/// The certificate of the issuer of the leaf: the next one of the chain, or an anchor.
fn issuer_of<'a>(chain: &'a Chain, anchors: &'a Anchors) -> Option<&'a Certificate> {
    let leaf = chain.leaf();
    let name = leaf.parsed.tbs_certificate().issuer();
    chain
        .issuers()
        .iter()
        .chain(anchors.certificates())
        .filter(|issuer| issuer.parsed.tbs_certificate().subject() == name)
        .find(|issuer| profile::is_signed_by(leaf, issuer))
}

/// How the certificate is named in requests and responses (RFC 6960 §4.1.1); `None` for hashes other than
/// SHA-1 and SHA-256.
fn cert_id(algorithm: AlgorithmIdentifierOwned, leaf: &Certificate, issuer: &Certificate) -> Option<CertId> {
    let digest = match algorithm.oid {
        SHA_1 => MessageDigest::sha1(),
        SHA_256 => MessageDigest::sha256(),
        _ => return None,
    };
    let hashed = |octets: &[u8]| OctetString::new(hash(digest, octets).ok()?.to_vec()).ok();
    let fields = leaf.parsed.tbs_certificate();
    let key = issuer.parsed.tbs_certificate().subject_public_key_info();
    Some(CertId {
        issuer_name: hashed(&fields.issuer().to_der().ok()?)?,
        issuer_key: hashed(key.subject_public_key.as_bytes()?)?,
        serial: Int::from_der(&fields.serial_number().to_der().ok()?).ok()?,
        algorithm,
    })
}

/// The request, in DER, that asks a responder for the status of the leaf: one certificate, named with SHA-1 as
/// every responder understands it, no nonce, unsigned (RFC 6960 §4.1). `None` when the issuer is neither in the
/// chain nor among the anchors.
#[must_use]
pub fn ocsp_request(chain: &Chain, anchors: &Anchors) -> Option<Vec<u8>> {
    let issuer = issuer_of(chain, anchors)?;
    let sha_1 = AlgorithmIdentifierOwned { oid: SHA_1, parameters: Some(Any::null()) };
    let id = cert_id(sha_1, chain.leaf(), issuer)?;
    OcspRequest { to_be_signed: RequestData { requests: vec![Request { id }] } }.to_der().ok()
}

/// The address of the responder that the leaf names in authorityInfoAccess (RFC 5280 §4.2.2.1), the first one
/// that is `http:`.
///
/// # Errors
/// The [`Violation`] when the extension cannot be read.
pub fn ocsp_url(chain: &Chain) -> Result<Option<String>, Violation> {
    let leaf = chain.leaf();
    let Some((access, _)) = extension::read::<AuthorityInfoAccessSyntax>(leaf, 0, AUTHORITY_INFO_ACCESS)?
    else {
        return Ok(None);
    };
    Ok(access.0.iter().filter(|access| access.access_method == AD_OCSP).find_map(|access| {
        match &access.access_location {
            GeneralName::UniformResourceIdentifier(uri) if uri.as_str().starts_with("http://") => {
                Some(uri.as_str().to_owned())
            }
            _ => None,
        }
    }))
}
