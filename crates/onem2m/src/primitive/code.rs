//! Enumerations, which travel as numbers (TS-0004 §6.3.4.2).

use super::member::{Member, PrimitiveError};
use serde_json::Value;
use std::fmt;

/// Defines an enumeration from one list of values and numbers.
macro_rules! numbered {
    (
        $(#[$meta:meta])*
        pub enum $name:ident, $expected:literal {
            $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)*
        }

        impl $name {
            /// Every value, in ascending order of the numbers.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The number.
            pub const fn code(self) -> u16 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The value with this number; `None` when there is none.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }

        impl $crate::primitive::member::Member for $name {
            fn read(value: serde_json::Value) -> Result<Self, $crate::primitive::PrimitiveError> {
                value
                    .as_u64()
                    .and_then(|code| u16::try_from(code).ok())
                    .and_then(Self::from_code)
                    .ok_or_else(|| $crate::primitive::PrimitiveError::wrong($expected))
            }

            fn write(&self) -> serde_json::Value {
                self.code().into()
            }
        }
    };
}
pub(super) use numbered;

numbered! {
    /// What a request asks for (`m2m:operation`, TS-0004 §6.3.4.2.5).
    pub enum Operation, "an operation: 1 create, 2 retrieve, 3 update, 4 delete, 5 notify" {
        /// Make a resource below the target.
        Create = 1,
        /// Read the target.
        Retrieve = 2,
        /// Change the target.
        Update = 3,
        /// Remove the target.
        Delete = 4,
        /// Tell the target something.
        Notify = 5,
    }
}

impl Operation {
    /// The name: `CREATE`, `RETRIEVE`, `UPDATE`, `DELETE`, `NOTIFY`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Retrieve => "RETRIEVE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Notify => "NOTIFY",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

numbered! {
    /// How the originator wants to be answered (`m2m:responseType`, TS-0004 §6.3.4.2.6).
    pub enum ResponseType, "a response type from 1 to 5" {
        /// At once with a reference; the originator asks for the result later.
        NonBlockingSynch = 1,
        /// At once with a reference; the result is notified.
        NonBlockingAsynch = 2,
        /// With the result. The default.
        Blocking = 3,
        /// As the receiver likes.
        FlexBlocking = 4,
        /// Not at all; for interworking with 3GPP only.
        NoResponse = 5,
    }
}

numbered! {
    /// Which addresses a result uses (`m2m:desIdResType`, TS-0004 §6.3.4.2.8).
    pub enum DesiredIdentifierResultType, "1 structured or 2 unstructured" {
        /// Paths of names. The default.
        Structured = 1,
        /// resourceIDs.
        Unstructured = 2,
    }
}

numbered! {
    /// Whether a content is all there is (`m2m:contentStatus`, TS-0004 §6.3.4.2.44).
    pub enum ContentStatus, "1 partial or 2 full" {
        /// There is more, from the content offset on.
        Partial = 1,
        /// This is all.
        Full = 2,
    }
}

numbered! {
    /// What filter criteria are for (`m2m:filterUsage`).
    pub enum FilterUsage, "a filter usage: 1 discovery, 2 conditional operation, 3 discovery by an interworking proxy" {
        /// Find resources below the target.
        Discovery = 1,
        /// Carry the operation out only if the target matches. The default.
        ConditionalOperation = 2,
        /// Let an interworking proxy find resources on demand.
        IpeOnDemandDiscovery = 3,
    }
}

numbered! {
    /// How different conditions combine (`m2m:filterOperation`).
    pub enum FilterOperation, "a filter operation: 1 and, 2 or" {
        /// All must hold. The default.
        And = 1,
        /// One must hold.
        Or = 2,
    }
}

/// An event category (`m2m:eventCat`, TS-0004 §6.3.3): 2, 3, 4, or 100 to 999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventCategory(u16);

impl EventCategory {
    /// Deliver at once.
    pub const IMMEDIATE: Self = Self(2);
    /// Deliver when it suits.
    pub const BEST_EFFORT: Self = Self(3);
    /// Deliver the latest only.
    pub const LATEST: Self = Self(4);

    /// The category with this number; 100 to 999 are for users to define. `None` when there is none.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            2..=4 | 100..=999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn code(self) -> u16 {
        self.0
    }
}

impl Member for EventCategory {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        let code = value.as_u64().and_then(|code| u16::try_from(code).ok());
        code.and_then(Self::new)
            .ok_or_else(|| PrimitiveError::wrong("an event category: 2, 3, 4, or 100 to 999"))
    }

    fn write(&self) -> Value {
        self.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let codes: Vec<u16> = Operation::ALL.iter().map(|op| op.code()).collect();
        assert_eq!(codes, [1, 2, 3, 4, 5]);
        for op in Operation::ALL {
            assert_eq!(Operation::from_code(op.code()), Some(*op));
        }
        assert_eq!((Operation::from_code(0), Operation::from_code(6)), (None, None));
        assert_eq!(Operation::Retrieve.to_string(), "RETRIEVE");
    }

    #[test]
    fn event_categories() {
        let defined: Vec<u16> = (0..=u16::MAX).filter(|code| EventCategory::new(*code).is_some()).collect();
        assert_eq!(defined.len(), 3 + 900);
        assert_eq!((defined[0], defined[3], defined[902]), (2, 100, 999));
        assert_eq!(EventCategory::LATEST.code(), 4);
    }
}
