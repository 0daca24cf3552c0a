//! What can be wrong with a message, and the answer it gets.

use super::header::{ORIGIN, RI, RVI};
use super::media::Serialization;
use super::response::response_to_http;
use ::http::header::{ALLOW, HeaderValue};
use bytes::Bytes;
use onem2m::address::AddressError;
use onem2m::primitive::{Operation, PrimitiveError, Response};
use onem2m::status::ResponseStatusCode;

/// The methods that stand for an operation (TS-0009 §6.2.1).
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, PUT, DELETE");

/// A message that could not be mapped, with what is needed to answer it.
#[derive(Debug, thiserror::Error)]
#[error("{fault}")]
pub struct HttpError {
    fault: Box<Fault>,
    rqi: Option<String>,
    rvi: Option<String>,
}

impl HttpError {
    pub(super) fn answering(fault: Fault, rqi: Option<String>, rvi: Option<String>) -> Self {
        Self { fault: Box::new(fault), rqi, rvi }
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The status code of the answer.
    pub fn rsc(&self) -> ResponseStatusCode {
        self.fault.rsc()
    }

    /// The Request Identifier, if it could be read.
    pub fn rqi(&self) -> Option<&str> {
        self.rqi.as_deref()
    }

    /// The answer to the request: the status code, a text that says what is wrong, and the Request Identifier
    /// and Release Version Indicator of the request if they could be read.
    pub fn response(&self) -> Response {
        let mut response = Response::with_rqi(self.rsc(), self.rqi.clone().unwrap_or_default());
        response.rvi.clone_from(&self.rvi);
        response.with_debug_info(&self.fault.to_string())
    }

    /// The answer as an HTTP message. One to an unknown method lists those that exist (RFC 9110 §15.5.6).
    pub fn to_http(&self) -> ::http::Response<Bytes> {
        let mut message = response_to_http(&self.response(), Serialization::Json);
        if matches!(*self.fault, Fault::Method) {
            message.headers_mut().insert(ALLOW, METHODS);
        }
        message
    }
}

impl From<Fault> for HttpError {
    fn from(fault: Fault) -> Self {
        Self::answering(fault, None, None)
    }
}

/// What is wrong with a message.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No operation has this method.
    #[error("the method must be GET, POST, PUT or DELETE (TS-0009 §6.2.1)")]
    Method,
    /// The path is no mapped address.
    #[error("path: {0} (TS-0009 §6.2.2.1)")]
    Path(&'static str),
    /// The path maps to something that is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A query field is unknown, repeated, or has a wrong value.
    #[error("query field {field}: {problem} (TS-0009 §6.2.2.2)")]
    Query {
        /// Its name, at most 64 characters of it, control characters escaped.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A header that may occur once occurs several times.
    #[error("header {} occurs more than once", canonical(.0))]
    RepeatedHeader(&'static str),
    /// A header has a value that its parameter cannot have.
    #[error("header {} must be {expected}", canonical(.header))]
    Header {
        /// Its name.
        header: &'static str,
        /// What was expected.
        expected: &'static str,
    },
    /// A mandatory header is absent.
    #[error("header {} is missing", canonical(.0))]
    MissingHeader(&'static str),
    /// The body has a media type that is not understood here.
    #[error("a body must be application/json or application/vnd.onem2m-res+json (TS-0009 §6.4.3)")]
    UnsupportedMediaType,
    /// No media type that can be written here is acceptable.
    #[error("the response can be application/json only (TS-0009 §6.4.2)")]
    NotAcceptable,
    /// The Authorization header has a scheme; only tokens of dynamic authorization are understood.
    #[error("header Authorization: schemes such as Bearer are not supported")]
    AuthorizationScheme,
    /// The Proxy-Authorization header has another scheme than Bearer.
    #[error("header Proxy-Authorization: other schemes than Bearer are not supported")]
    ProxyAuthorizationScheme,
    /// Content where there is none in the operation.
    #[error("a {0} request has no body")]
    UnexpectedBody(Operation),
    /// The body or a parameter has not the form of the primitive.
    #[error(transparent)]
    Primitive(#[from] PrimitiveError),
    /// A parameter that a message of this binding cannot carry.
    #[error("parameter {parameter} cannot be written: {problem}")]
    Unwritable {
        /// The short name of the parameter.
        parameter: &'static str,
        /// Why not.
        problem: &'static str,
    },
    /// The authority or the path of the next hop is none.
    #[error("the next hop must be host[:port], and its path empty or beginning with a slash")]
    NextHop,
    /// An answer without the marks of the binding: something between the two entities wrote it.
    #[error("the answer has HTTP status {0} and no X-M2M-RSC: it comes from no oneM2M entity")]
    NotOneM2m(u16),
    /// An answer with a status code that the standard does not define.
    #[error("the answer has the unknown status code {0}")]
    UnknownStatus(String),
}

impl Fault {
    /// The status code with which a receiver answers.
    pub fn rsc(&self) -> ResponseStatusCode {
        match self {
            Self::Method => ResponseStatusCode::OperationNotAllowed,
            Self::UnsupportedMediaType => ResponseStatusCode::UnsupportedMediaType,
            Self::NotAcceptable => ResponseStatusCode::NotAcceptable,
            Self::AuthorizationScheme | Self::ProxyAuthorizationScheme => ResponseStatusCode::NotImplemented,
            Self::Path(_)
            | Self::Address(_)
            | Self::Query { .. }
            | Self::RepeatedHeader(_)
            | Self::Header { .. }
            | Self::MissingHeader(_)
            | Self::UnexpectedBody(_)
            | Self::Primitive(_)
            | Self::Unwritable { .. }
            | Self::NextHop
            | Self::NotOneM2m(_)
            | Self::UnknownStatus(_) => ResponseStatusCode::BadRequest,
        }
    }
}

/// The name of a header as people write it.
fn canonical(name: &str) -> String {
    if name.starts_with("x-m2m-") {
        return if name == ORIGIN { "X-M2M-Origin".to_owned() } else { name.to_ascii_uppercase() };
    }
    let capital = |part: &str| {
        part.get(..1).unwrap_or_default().to_ascii_uppercase() + part.get(1..).unwrap_or_default()
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Reads what an answer to a bad request repeats from it; what cannot be read is left out.
pub(super) fn echo(headers: &::http::HeaderMap) -> (Option<String>, Option<String>) {
    let read = |header| super::header::single(headers, header).ok().flatten();
    let rqi = read(RI).filter(|rqi| !rqi.is_empty() && rqi.len() <= onem2m::id::MAX_ID);
    (rqi.map(str::to_owned), read(RVI).filter(|rvi| onem2m::primitive::is_release(rvi)).map(str::to_owned))
}
