//! Responses.

use super::code::{ContentStatus, EventCategory};
use super::member::{Member, PrimitiveError, object};
use super::request::{Request, check_identifier, check_release, check_request_id};
use crate::json;
use crate::status::ResponseStatusCode;
use crate::time::{AbsRelTimestamp, Timestamp};
use serde_json::{Value, json};
use std::num::NonZeroU64;

/// The member that holds a text about an error, meant for people (TS-0004 §7.5.2).
const DEBUG_INFO: &str = "m2m:dbg";

object! {
    /// A response primitive (TS-0004 §6.4.2).
    pub struct Response {
        required {
            /// Response Status Code.
            rsc: ResponseStatusCode,
            /// Request Identifier of the request, 1 to 255 octets. Empty only when a binding could not read
            /// the request's.
            rqi: String,
        }
        optional {
            /// Content: an object with one member.
            pc: Value,
            /// To: the originator of the request, at most 255 octets.
            to: String,
            /// From: who answers; at most 16 KiB, since in an aggregated response it is the address of a
            /// member.
            fr: String,
            /// Originating Timestamp.
            ot: Timestamp,
            /// Result Expiration Timestamp.
            rset: AbsRelTimestamp,
            /// Event Category.
            ec: EventCategory,
            /// Content Status.
            cnst: ContentStatus,
            /// Content Offset: the first result that was left out.
            cnot: NonZeroU64,
            /// Assigned Token Identifiers.
            ati: LocalTokenAssignments,
            /// Token Request Information (`m2m:dynAuthTokenReqInfo`): an object with the one member `dasi`.
            tqf: Value,
            /// Authorization Signature Request Information.
            asri: bool,
            /// Release Version Indicator, such as `3`; absent towards release 1.
            rvi: String,
            /// Vendor Information.
            vsi: String,
        }
    }
}

object! {
    /// Short identifiers that the receiver gave to tokens (`m2m:dynAuthLocalTokenIdAssignments`, TS-0004
    /// §6.3.5.43).
    pub struct LocalTokenAssignments {
        required {
            /// One for each token.
            ltia: Vec<LocalTokenAssignment>,
        }
        optional {}
    }
}

object! {
    /// A short identifier and the token it stands for (TS-0004 §6.3.5.43).
    pub struct LocalTokenAssignment {
        required {
            /// The short identifier.
            lti: String,
            /// The Token-ID.
            tkid: String,
        }
        optional {}
    }
}

impl LocalTokenAssignments {
    /// These assignments.
    pub fn new(ltia: Vec<LocalTokenAssignment>) -> Self {
        Self::with_required(ltia)
    }
}

impl LocalTokenAssignment {
    /// `lti` stands for the token `tkid`.
    pub fn new(lti: impl Into<String>, tkid: impl Into<String>) -> Self {
        Self::with_required(lti.into(), tkid.into())
    }
}

impl Response {
    /// An answer to `request`, with its Request Identifier and Release Version Indicator.
    pub fn new(rsc: ResponseStatusCode, request: &Request) -> Self {
        Self { rvi: request.rvi.clone(), ..Self::with_rqi(rsc, request.rqi.clone()) }
    }

    /// An answer to a request of which only the Request Identifier is known, or, with an empty text, not even
    /// that.
    pub fn with_rqi(rsc: ResponseStatusCode, rqi: impl Into<String>) -> Self {
        Self::with_required(rsc, rqi.into())
    }

    /// An answer to `request` that carries `text` for the people who look into it. The text reaches the
    /// originator: it must not tell what the originator may not know.
    pub fn refuse(rsc: ResponseStatusCode, request: &Request, text: &str) -> Self {
        Self::new(rsc, request).with_debug_info(text)
    }

    /// The same answer with `text` as its content.
    #[must_use]
    pub fn with_debug_info(mut self, text: &str) -> Self {
        self.pc = Some(json!({ DEBUG_INFO: text }));
        self
    }

    /// The text about an error, if there is one. It is for people; its wording means nothing to a program.
    pub fn debug_info(&self) -> Option<&str> {
        self.pc.as_ref()?.get(DEBUG_INFO)?.as_str()
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`PrimitiveError`], naming the member.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        Self::from_value(json::parse(bytes)?)
    }

    /// Reads the JSON form from within other JSON, such as an aggregated response.
    ///
    /// # Errors
    /// [`PrimitiveError`], naming the member.
    pub fn from_value(value: Value) -> Result<Self, PrimitiveError> {
        if !value.is_object() {
            return Err(PrimitiveError::NotObject { what: "response" });
        }
        let response = Self::read(value)?;
        response.check_forms()?;
        Ok(response)
    }

    /// Writes the JSON form.
    pub fn to_value(&self) -> Value {
        self.write()
    }

    /// Writes the JSON form as text without white space.
    pub fn to_json(&self) -> String {
        self.write().to_string()
    }

    /// Checks the forms that the types leave open. [`Self::from_value`] has done so; a binding that builds a
    /// response from something else does it here.
    ///
    /// # Errors
    /// [`PrimitiveError::Wrong`], naming the parameter.
    pub fn check_forms(&self) -> Result<(), PrimitiveError> {
        check_request_id(&self.rqi)?;
        check_identifier("to", self.to.as_deref())?;
        if self.fr.as_ref().is_some_and(|fr| fr.len() > crate::address::MAX_ADDRESS) {
            return Err(PrimitiveError::wrong("at most 16384 octets long").within("fr"));
        }
        check_release("rvi", self.rvi.as_deref())?;
        match &self.tqf {
            Some(tqf) if !tqf.get("dasi").is_some_and(Value::is_array) => {
                Err(PrimitiveError::wrong("an object with the one member dasi, an array (TS-0004 §6.3.5.45)")
                    .within("tqf"))
            }
            _ => Ok(()),
        }
    }
}

impl Member for ResponseStatusCode {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
        code.and_then(Self::from_code)
            .ok_or_else(|| PrimitiveError::wrong("a response status code (TS-0004 §6.6.3)"))
    }

    fn write(&self) -> Value {
        self.code().into()
    }
}
