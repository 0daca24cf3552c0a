//! Reading and writing the members of JSON objects.

use crate::json::JsonError;
use crate::time::{AbsRelTimestamp, ResultPersistence, Timestamp};
use serde_json::{Map, Value};
use std::num::NonZeroU64;

/// JSON that is not the primitive it should be. A member inside another is named by its path, such as
/// `fc.lbl[2]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrimitiveError {
    /// The bytes are not JSON, or not JSON that may be used here.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// There is JSON, but no object.
    #[error("a {what} must be a JSON object")]
    NotObject {
        /// What it should have been.
        what: &'static str,
    },
    /// A mandatory member is absent.
    #[error("member {member} is missing")]
    Missing {
        /// Its path.
        member: String,
    },
    /// A member that the standard does not define.
    #[error("member {member} is unknown (TS-0004 §8.2)")]
    Unknown {
        /// Its path; at most 64 characters of its own name, control characters escaped.
        member: String,
    },
    /// A member whose value has the wrong type or form.
    #[error("member {member} must be {expected}")]
    Wrong {
        /// Its path.
        member: String,
        /// What was expected.
        expected: String,
    },
    /// A parameter that this operation does not have.
    #[error("parameter {member} must not be present in a {operation} request (TS-0004 §7.2.1.1)")]
    Misplaced {
        /// The parameter.
        member: &'static str,
        /// The operation.
        operation: super::Operation,
    },
}

impl PrimitiveError {
    /// A value with the wrong type or form; the member is filled in by [`Self::within`].
    pub(super) fn wrong(expected: impl Into<String>) -> Self {
        Self::Wrong { member: String::new(), expected: expected.into() }
    }

    /// The same error about something inside `outer`.
    pub(super) fn within(mut self, outer: &str) -> Self {
        match &mut self {
            Self::Missing { member } | Self::Unknown { member } | Self::Wrong { member, .. } => {
                let separator = if member.is_empty() || member.starts_with('[') { "" } else { "." };
                *member = format!("{outer}{separator}{member}");
            }
            Self::Json(_) | Self::NotObject { .. } | Self::Misplaced { .. } => {}
        }
        self
    }
}

/// A type that is the value of a member.
pub(super) trait Member: Sized {
    /// Reads the value.
    fn read(value: Value) -> Result<Self, PrimitiveError>;
    /// Writes the value.
    fn write(&self) -> Value;
}

/// The members of one object, taken out one by one.
pub(super) struct Members(Map<String, Value>);

impl Members {
    pub(super) fn of(value: Value) -> Result<Self, PrimitiveError> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(PrimitiveError::wrong("an object")),
        }
    }

    pub(super) fn optional<T: Member>(&mut self, name: &str) -> Result<Option<T>, PrimitiveError> {
        self.0.remove(name).map(T::read).transpose().map_err(|error| error.within(name))
    }

    pub(super) fn required<T: Member>(&mut self, name: &str) -> Result<T, PrimitiveError> {
        self.optional(name)?.ok_or_else(|| PrimitiveError::Missing { member: name.to_owned() })
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), PrimitiveError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(PrimitiveError::Unknown { member: crate::id::shown(&name) }),
            None => Ok(()),
        }
    }
}

/// Defines a structure whose fields are members of a JSON object of the same names.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            required { $($(#[$required_meta:meta])* $required:ident: $required_type:ty,)* }
            optional { $($(#[$optional_meta:meta])* $optional:ident: $optional_type:ty,)* }
            $(beside { $($(#[$beside_meta:meta])* $beside:ident: $beside_type:ty,)* })?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$required_meta])* pub $required: $required_type,)*
            $($(#[$optional_meta])* pub $optional: Option<$optional_type>,)*
            $($($(#[$beside_meta])* pub $beside: Option<$beside_type>,)*)?
        }

        impl $name {
            /// The object with its mandatory members only.
            fn with_required($($required: $required_type),*) -> Self {
                Self { $($required,)* $($optional: None,)* $($($beside: None,)*)? }
            }
        }

        impl $crate::primitive::member::Member for $name {
            fn read(value: serde_json::Value) -> Result<Self, $crate::primitive::PrimitiveError> {
                let mut members = $crate::primitive::member::Members::of(value)?;
                let object = Self {
                    $($required: members.required(stringify!($required))?,)*
                    $($optional: members.optional(stringify!($optional))?,)*
                    $($($beside: None,)*)?
                };
                members.finish()?;
                Ok(object)
            }

            fn write(&self) -> serde_json::Value {
                let mut members = serde_json::Map::new();
                $(members.insert(stringify!($required).to_owned(), self.$required.write());)*
                $(if let Some(value) = &self.$optional {
                    members.insert(stringify!($optional).to_owned(), value.write());
                })*
                serde_json::Value::Object(members)
            }
        }
    };
}
pub(super) use object;

impl Member for String {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(PrimitiveError::wrong("a string")),
        }
    }

    fn write(&self) -> Value {
        Value::String(self.clone())
    }
}

impl Member for bool {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        value.as_bool().ok_or_else(|| PrimitiveError::wrong("true or false"))
    }

    fn write(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Member for u32 {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let number = value.as_u64().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| PrimitiveError::wrong("a whole number from 0 to 4294967295"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Member for u64 {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        value.as_u64().ok_or_else(|| PrimitiveError::wrong("a whole number, 0 or greater"))
    }

    fn write(&self) -> Value {
        (*self).into()
    }
}

impl Member for NonZeroU64 {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        value
            .as_u64()
            .and_then(Self::new)
            .ok_or_else(|| PrimitiveError::wrong("a whole number, 1 or greater"))
    }

    fn write(&self) -> Value {
        self.get().into()
    }
}

impl<T: Member> Member for Vec<T> {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let Value::Array(items) = value else {
            return Err(PrimitiveError::wrong("an array"));
        };
        let item = |(at, item)| T::read(item).map_err(|error| error.within(&format!("[{at}]")));
        items.into_iter().enumerate().map(item).collect()
    }

    fn write(&self) -> Value {
        self.iter().map(Member::write).collect()
    }
}

/// Content: an object with exactly one member, whose name says what it is (TS-0004 §8.4.2).
impl Member for Value {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        match &value {
            Self::Object(members) if members.len() == 1 => Ok(value),
            _ => Err(PrimitiveError::wrong("an object with exactly one member")),
        }
    }

    fn write(&self) -> Value {
        self.clone()
    }
}

impl Member for Timestamp {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let wrong = || PrimitiveError::wrong("a timestamp: YYYYMMDDThhmmss in UTC");
        value.as_str().ok_or_else(wrong)?.parse().map_err(|_| wrong())
    }

    fn write(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// Written as text; peers also send the distance as a number.
impl Member for AbsRelTimestamp {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let wrong =
            || PrimitiveError::wrong("a timestamp, YYYYMMDDThhmmss in UTC, or whole milliseconds from now");
        match &value {
            Value::String(text) => text.parse().map_err(|_| wrong()),
            Value::Number(number) => number.as_i64().map(Self::Relative).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    fn write(&self) -> Value {
        Value::String(self.to_string())
    }
}

impl Member for ResultPersistence {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let wrong = || {
            PrimitiveError::wrong("a timestamp, whole milliseconds from now, or a duration such as P1DT12H")
        };
        match &value {
            Value::String(text) => text.parse().map_err(|_| wrong()),
            Value::Number(_) => AbsRelTimestamp::read(value).map(Self::Time).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    fn write(&self) -> Value {
        Value::String(self.to_string())
    }
}
