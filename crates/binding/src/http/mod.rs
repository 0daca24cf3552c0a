//! The HTTP binding (TS-0009).
//!
//! ```text
//! client                                                  server
//! Request  --request_to_http-->   HTTP request   --request_from_http-->  Request
//! Response <--response_from_http-- HTTP response <--response_to_http--   Response
//! ```
//!
//! The operation is the method; the address, the path; some parameters are query fields, others headers; the
//! content is the body. Nothing is guessed: a header that names the originator or the request twice, a path
//! with empty or dotted segments, a query field that the binding does not define are refused, because another
//! reader of the same message could understand them differently.
//!
//! Bodies are JSON. Paths that a point of access carries are put in front by the client and taken away by the
//! server (the functions ending in `_under`).

mod error;
mod header;
mod media;
mod path;
mod percent;
mod query;
mod query_text;
mod request;
mod response;
mod status;
mod text_list;

pub use error::{Fault, HttpError};
pub use media::{Serialization, response_serialization};
pub use request::{request_from_http, request_from_http_under, request_to_http, request_to_http_under};
pub use response::{response_from_http, response_to_http};
pub use status::http_status;
