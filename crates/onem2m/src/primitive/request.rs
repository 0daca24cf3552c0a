//! Requests.

use super::code::{DesiredIdentifierResultType, EventCategory, Operation, ResponseType};
use super::filter::FilterCriteria;
use super::member::{Member, PrimitiveError, object};
use super::result_content::ResultContent;
use super::token::AccessToken;
use crate::address::MAX_ADDRESS;
use crate::id::MAX_ID;
use crate::json;
use crate::time::{AbsRelTimestamp, ResultPersistence, Timestamp};
use serde_json::Value;

object! {
    /// A request primitive (TS-0004 §6.4.1). Which parameters an operation may have tells
    /// [`Request::check_presence`].
    pub struct Request {
        required {
            /// Operation.
            op: Operation,
            /// To: the address of the target, at most 16 KiB; see [`Target`](crate::address::Target).
            to: String,
            /// Request Identifier, 1 to 255 octets without control characters; the response carries the same.
            rqi: String,
        }
        optional {
            /// From: the originator, at most 255 octets; see [`FromParam`](crate::id::FromParam).
            fr: String,
            /// Resource Type, of the resource to create; see [`ResourceType`](crate::resource::ResourceType).
            ty: u32,
            /// Content: an object with one member.
            pc: Value,
            /// Role IDs.
            rids: Vec<String>,
            /// Originating Timestamp.
            ot: Timestamp,
            /// Request Expiration Timestamp: no longer wanted after it.
            rqet: AbsRelTimestamp,
            /// Result Expiration Timestamp: the result is of no use after it.
            rset: AbsRelTimestamp,
            /// Operation Execution Time: not to be carried out before it.
            oet: AbsRelTimestamp,
            /// Response Type; blocking when absent.
            rt: ResponseTypeInfo,
            /// Result Persistence: how long the result shall be kept.
            rp: ResultPersistence,
            /// Result Content; see [`ResultContent::default_for`] when absent.
            rcn: ResultContent,
            /// Event Category.
            ec: EventCategory,
            /// Delivery Aggregation.
            da: bool,
            /// Group Request Identifier, at most 255 octets.
            gid: String,
            /// Filter Criteria.
            fc: FilterCriteria,
            /// Desired Identifier Result Type, formerly Discovery Result Type.
            drt: DesiredIdentifierResultType,
            /// Tokens.
            tkns: Vec<AccessToken>,
            /// Token IDs.
            tids: Vec<String>,
            /// Local Token IDs.
            ltids: Vec<String>,
            /// Token Request Indicator.
            tqi: bool,
            /// Group Request Target Members.
            grtm: Vec<String>,
            /// Authorization Signature Indicator.
            asi: bool,
            /// Authorization Signatures.
            aus: Vec<String>,
            /// Authorization Relationship Indicator.
            auri: bool,
            /// Semantic Query Indicator.
            sqi: bool,
            /// Release Version Indicator, such as `3`; absent means release 1.
            rvi: String,
            /// Vendor Information.
            vsi: String,
        }
        beside {
            /// No parameter, and in no form that is read or written here: what the binding has brought along to be
            /// checked by the registrar (TS-0009 §7.1), for this hop alone.
            registrar_credential: AccessToken,
        }
    }
}

object! {
    /// How the originator wants to be answered (`m2m:responseTypeInfo`, TS-0004 §6.3.5.30).
    pub struct ResponseTypeInfo {
        required {
            /// The response type.
            rtv: ResponseType,
        }
        optional {
            /// Where to notify the result; with [`ResponseType::NonBlockingAsynch`] only. An empty list means
            /// nowhere.
            nu: Vec<String>,
        }
    }
}

impl ResponseTypeInfo {
    /// A response type without notification targets.
    pub fn new(rtv: ResponseType) -> Self {
        Self::with_required(rtv)
    }

    /// Whether the originator waits for the result itself.
    pub fn is_blocking(&self) -> bool {
        self.rtv == ResponseType::Blocking
    }
}

impl Request {
    /// A request with the three parameters that every operation has.
    pub fn new(op: Operation, to: impl Into<String>, rqi: impl Into<String>) -> Self {
        Self::with_required(op, to.into(), rqi.into())
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// [`PrimitiveError`], naming the member.
    pub fn from_json(bytes: &[u8]) -> Result<Self, PrimitiveError> {
        Self::from_value(json::parse(bytes)?)
    }

    /// Reads the JSON form from within other JSON, such as the content of a polling response.
    ///
    /// # Errors
    /// [`PrimitiveError`], naming the member.
    pub fn from_value(value: Value) -> Result<Self, PrimitiveError> {
        if !value.is_object() {
            return Err(PrimitiveError::NotObject { what: "request" });
        }
        let request = Self::read(value)?;
        request.check_forms()?;
        Ok(request)
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
    /// request from something else does it here.
    ///
    /// # Errors
    /// [`PrimitiveError::Wrong`], naming the parameter.
    pub fn check_forms(&self) -> Result<(), PrimitiveError> {
        check_request_id(&self.rqi)?;
        if self.to.len() > MAX_ADDRESS {
            return Err(PrimitiveError::wrong("at most 16384 octets long").within("to"));
        }
        for (name, text) in [("fr", &self.fr), ("gid", &self.gid)] {
            check_identifier(name, text.as_deref())?;
        }
        check_release("rvi", self.rvi.as_deref())?;
        match &self.rt {
            Some(rt) if rt.nu.is_some() && rt.rtv != ResponseType::NonBlockingAsynch => {
                Err(PrimitiveError::wrong("absent unless rt.rtv is 2 (TS-0004 §6.3.5.30)")
                    .within("nu")
                    .within("rt"))
            }
            _ => Ok(()),
        }
    }

    /// Checks which parameters are there against TS-0004 table 7.2.1.1-1. From and Release Version Indicator
    /// are left to the receiver, whose answers depend on more than their presence.
    ///
    /// # Errors
    /// [`PrimitiveError::Misplaced`] or [`PrimitiveError::Missing`], naming the parameter.
    pub fn check_presence(&self) -> Result<(), PrimitiveError> {
        use Operation::{Create, Delete, Notify, Retrieve, Update};
        let misplaced: [(&'static str, bool, &[Operation]); 11] = [
            ("ty", self.ty.is_some(), &[Retrieve, Update, Delete, Notify]),
            ("pc", self.pc.is_some(), &[Delete]),
            ("rp", self.rp.is_some(), &[Notify]),
            ("rcn", self.rcn.is_some(), &[Notify]),
            ("fc", self.fc.is_some(), &[Create, Notify]),
            ("drt", self.drt.is_some(), &[Create, Update, Delete, Notify]),
            ("grtm", self.grtm.is_some(), &[Notify]),
            ("asi", self.asi.is_some(), &[Notify]),
            ("aus", self.aus.is_some(), &[Notify]),
            ("auri", self.auri.is_some(), &[Notify]),
            ("sqi", self.sqi.is_some(), &[Create, Update, Delete, Notify]),
        ];
        for (member, present, refused) in misplaced {
            if present && refused.contains(&self.op) {
                return Err(PrimitiveError::Misplaced { member, operation: self.op });
            }
        }
        let missing = match self.op {
            Create if self.ty.is_none() => "ty",
            Create | Update | Notify if self.pc.is_none() => "pc",
            Create | Retrieve | Update | Delete | Notify => return Ok(()),
        };
        Err(PrimitiveError::Missing { member: missing.to_owned() })
    }
}

/// Refuses a Request Identifier that is empty, longer than 255 octets, or holds control characters.
pub(super) fn check_request_id(rqi: &str) -> Result<(), PrimitiveError> {
    if rqi.is_empty() || rqi.len() > MAX_ID || rqi.contains(char::is_control) {
        return Err(PrimitiveError::wrong("1 to 255 octets without control characters").within("rqi"));
    }
    Ok(())
}

/// Refuses an identifier above 255 octets.
pub(super) fn check_identifier(name: &str, text: Option<&str>) -> Result<(), PrimitiveError> {
    if text.is_some_and(|text| text.len() > MAX_ID) {
        return Err(PrimitiveError::wrong("at most 255 octets long").within(name));
    }
    Ok(())
}

/// Whether `text` can be the name of a release of the standard: 1, 2, 2a, 3, 4 and so on.
pub fn is_release(text: &str) -> bool {
    text.len() <= 3
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_lowercase())
}

/// Refuses what cannot be a release.
pub(super) fn check_release(name: &str, release: Option<&str>) -> Result<(), PrimitiveError> {
    if release.is_some_and(|release| !is_release(release)) {
        return Err(PrimitiveError::wrong("a release such as 2a or 3 (TS-0004 §6.3.3)").within(name));
    }
    Ok(())
}
