//! The messages of RFC 6960 §4, as far as they are needed. `x509-ocsp` has the same structures, but no
//! release that fits the `x509-cert` used here.

use der::{
    Any, Choice, Enumerated, Sequence,
    asn1::{BitString, GeneralizedTime, Null, ObjectIdentifier, OctetString},
};
use x509_cert::{
    AlgorithmIdentifier, Certificate,
    ext::{
        Extensions,
        pkix::{CrlReason, name::GeneralName},
    },
    name::Name,
    serial_number::SerialNumber,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enumerated)]
#[asn1(type = "INTEGER")]
#[repr(u8)]
pub(super) enum Version {
    #[default]
    V1 = 0,
}

/// Names a certificate by its issuer and serial number.
#[derive(Debug, Clone, PartialEq, Eq, Sequence)]
pub(super) struct CertIdBody {
    pub(super) hash_algorithm: AlgorithmIdentifier,
    pub(super) issuer_name_hash: OctetString,
    pub(super) issuer_key_hash: OctetString,
    pub(super) serial_number: SerialNumber,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct OcspRequest {
    pub(super) tbs_request: TbsRequest,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) signature: Option<Any>,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct TbsRequest {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    pub(super) version: Version,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) requestor_name: Option<GeneralName>,
    pub(super) request_list: Vec<SingleRequest>,
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) request_extensions: Option<Extensions>,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct SingleRequest {
    pub(super) cert_id: CertIdBody,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Enumerated)]
#[repr(u8)]
pub(super) enum ResponseStatus {
    Successful = 0,
    MalformedRequest = 1,
    InternalError = 2,
    TryLater = 3,
    Unauthorized = 6,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct OcspResponse {
    pub(super) status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) bytes: Option<ResponseBytes>,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct ResponseBytes {
    pub(super) response_type: ObjectIdentifier,
    pub(super) response: OctetString,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct BasicResponse {
    pub(super) data: ResponseData,
    pub(super) signature_algorithm: AlgorithmIdentifier,
    pub(super) signature: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) certificates: Option<Vec<Certificate>>,
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct ResponseData {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", default = "Default::default")]
    pub(super) version: Version,
    pub(super) responder: ResponderId,
    pub(super) produced_at: GeneralizedTime,
    pub(super) responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Debug, Clone, Choice)]
pub(super) enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Name),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct SingleResponse {
    pub(super) cert_id: CertIdBody,
    pub(super) status: CertStatus,
    pub(super) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) extensions: Option<Extensions>,
}

#[derive(Debug, Clone, Choice)]
pub(super) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Debug, Clone, Sequence)]
pub(super) struct RevokedInfo {
    pub(super) at: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(super) reason: Option<CrlReason>,
}
