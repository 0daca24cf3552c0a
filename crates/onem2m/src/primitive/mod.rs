//! Requests and responses, as every binding understands them (TS-0004 §6.4, §7.2.1, §8.2.2), and their JSON
//! form (TS-0004 §8.4).
//!
//! Fields carry the short names of the standard, which also are the names of the JSON members. Reading is
//! strict: an unknown or repeated member, a missing mandatory one, or a value of the wrong type or form is an
//! error that names the member.
//!
//! ```
//! use onem2m::primitive::{Operation, Request, Response};
//! use onem2m::status::ResponseStatusCode;
//!
//! let text = br#"{"op": 2, "to": "-/light1", "fr": "Clight1", "rqi": "r1", "rvi": "3"}"#;
//! let request = Request::from_json(text).unwrap();
//! assert_eq!(request.op, Operation::Retrieve);
//! let response = Response::refuse(ResponseStatusCode::NotFound, &request, "there is no light1");
//! assert_eq!(response.rqi, "r1");
//!
//! let error = Request::from_json(br#"{"op": 9, "to": "-", "rqi": "r1"}"#).unwrap_err();
//! assert_eq!(error.to_string(), "member op must be an operation: 1 create, 2 retrieve, 3 update, 4 delete, 5 notify");
//! ```

mod code;
mod filter;
mod member;
mod request;
mod response;
mod result_content;
mod token;

pub use code::{
    ContentStatus, DesiredIdentifierResultType, EventCategory, FilterOperation, FilterUsage, Operation,
    ResponseType,
};
pub use filter::{AttributeCondition, FilterCriteria};
pub use member::PrimitiveError;
pub use request::{Request, ResponseTypeInfo, is_release};
pub use response::{LocalTokenAssignment, LocalTokenAssignments, Response};
pub use result_content::ResultContent;
pub use token::AccessToken;
