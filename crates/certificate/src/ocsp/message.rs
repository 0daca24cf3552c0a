//! The messages of RFC 6960 §4, as far as they are read and written here.

use der::asn1::{Any, BitString, GeneralizedTime, Int, ObjectIdentifier, OctetString};
use der::{Enumerated, Sequence};
use x509_cert::ext::Extensions;
use x509_cert::spki::AlgorithmIdentifierOwned;

/// `id-pkix-ocsp-basic` (RFC 6960 §4.2.1).
pub(super) const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum Status {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    SigRequired = 5,
    Unauthorized = 6,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct OcspResponse {
    pub(super) status: Status,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) bytes: Option<ResponseBytes>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct ResponseBytes {
    pub(super) kind: ObjectIdentifier,
    pub(super) response: OctetString,
}

/// The signed part is kept as its octets: they are what the signature is over.
#[derive(Clone, Debug, Sequence)]
pub(super) struct BasicResponse {
    pub(super) signed: Any,
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) signature: BitString,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) certificates: Option<Vec<Any>>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct ResponseData {
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) version: Option<u8>,
    pub(super) responder: Any,
    pub(super) produced: GeneralizedTime,
    pub(super) responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct SingleResponse {
    pub(super) id: CertId,
    /// `[0]` good, `[1]` revoked, `[2]` unknown.
    pub(super) status: Any,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", optional = "true", tag_mode = "EXPLICIT")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence)]
pub(super) struct CertId {
    pub(super) algorithm: AlgorithmIdentifierOwned,
    pub(super) issuer_name: OctetString,
    pub(super) issuer_key: OctetString,
    pub(super) serial: Int,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct OcspRequest {
    pub(super) to_be_signed: RequestData,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct RequestData {
    pub(super) requests: Vec<Request>,
}

#[derive(Clone, Debug, Sequence)]
pub(super) struct Request {
    pub(super) id: CertId,
}
