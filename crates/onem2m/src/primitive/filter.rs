//! Filter criteria.

use super::code::{FilterOperation, FilterUsage};
use super::member::{Member, Members, PrimitiveError, object};
use crate::address::is_attribute_name;
use crate::time::Timestamp;
use serde_json::{Value, json};
use std::num::NonZeroU64;

object! {
    /// The conditions of a discovery or a conditional operation (`m2m:filterCriteria`, TS-0004 §6.3.5.8).
    pub struct FilterCriteria {
        required {}
        optional {
            /// createdBefore: creationTime earlier than this.
            crb: Timestamp,
            /// createdAfter: creationTime not earlier than this.
            cra: Timestamp,
            /// modifiedSince: lastModifiedTime not earlier than this.
            ms: Timestamp,
            /// unmodifiedSince: lastModifiedTime earlier than this.
            us: Timestamp,
            /// stateTagSmaller.
            sts: NonZeroU64,
            /// stateTagBigger: not smaller than this.
            stb: u64,
            /// expireBefore: expirationTime earlier than this.
            exb: Timestamp,
            /// expireAfter: expirationTime not earlier than this.
            exa: Timestamp,
            /// labels: one of these.
            lbl: Vec<String>,
            /// childLabels: a child with one of these.
            clbl: Vec<String>,
            /// parentLabels: a parent with one of these.
            palb: Vec<String>,
            /// labelsQuery.
            lbq: String,
            /// resourceType: one of these numbers.
            ty: Vec<u32>,
            /// childResourceType: a child of one of these types.
            chty: Vec<u32>,
            /// parentResourceType: a parent of one of these types.
            pty: Vec<u32>,
            /// sizeAbove, in octets: contentSize not smaller than this.
            sza: u64,
            /// sizeBelow, in octets: contentSize smaller than this.
            szb: NonZeroU64,
            /// contentType: one of these media types.
            cty: Vec<String>,
            /// attribute: these have these values.
            atr: Vec<AttributeCondition>,
            /// childAttribute: those of a child.
            catr: Vec<AttributeCondition>,
            /// parentAttribute: those of the parent.
            patr: Vec<AttributeCondition>,
            /// filterUsage.
            fu: FilterUsage,
            /// limit: at most so many results.
            lim: u64,
            /// semanticsFilter, in SPARQL.
            smf: Vec<String>,
            /// filterOperation.
            fo: FilterOperation,
            /// contentFilterSyntax.
            cfs: u32,
            /// contentFilterQuery.
            cfq: String,
            /// level: so many levels below the target.
            lvl: NonZeroU64,
            /// offset: skip to this result, the first being 1.
            ofst: NonZeroU64,
            /// applyRelativePath: appended to each address found.
            arp: String,
        }
    }
}

/// No condition.
impl Default for FilterCriteria {
    fn default() -> Self {
        Self::with_required()
    }
}

impl FilterCriteria {
    /// Whether there is no condition at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it asks for discovery.
    pub fn is_discovery(&self) -> bool {
        self.fu == Some(FilterUsage::Discovery)
    }
}

/// An attribute and the value it shall have (`m2m:attribute`, TS-0004 §6.3.5.9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeCondition {
    /// The short name of the attribute.
    pub nm: String,
    /// The value: any JSON except null.
    pub val: Value,
}

/// Any JSON except null.
struct Present(Value);

impl Member for Present {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        if value.is_null() { Err(PrimitiveError::wrong("a value")) } else { Ok(Self(value)) }
    }

    fn write(&self) -> Value {
        self.0.clone()
    }
}

impl Member for AttributeCondition {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let mut members = Members::of(value)?;
        let nm: String = members.required("nm")?;
        if !is_attribute_name(&nm) {
            return Err(PrimitiveError::wrong("the short name of an attribute").within("nm"));
        }
        let Present(val) = members.required("val")?;
        members.finish()?;
        Ok(Self { nm, val })
    }

    fn write(&self) -> Value {
        json!({ "nm": self.nm, "val": self.val })
    }
}
