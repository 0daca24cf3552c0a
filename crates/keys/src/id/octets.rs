use std::{fmt, str::FromStr};

use crate::KeyError;

/// An identifier of 16 octets, written as 32 upper-case hexadecimal digits and read in either case
/// (register A-02).
macro_rules! sixteen_octets {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The identifier with these octets.
            #[must_use]
            pub const fn new(octets: [u8; 16]) -> Self {
                Self(octets)
            }

            /// The 16 octets.
            #[must_use]
            pub const fn octets(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                let mut octets = [0; 16];
                hex::decode_to_slice(text, &mut octets)
                    .map_err(|_| KeyError::identifier($kind, text, $expected))?;
                Ok(Self(octets))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode_upper(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

sixteen_octets! {
    /// `RelativeKeID`: the 16 octets that identify Ke and become part of the `KeID` (TS-0003 §10.3.1,
    /// §10.3.4). As text 32 upper-case hexadecimal digits; both cases are read.
    RelativeKeId, "RelativeKeID", "expected 32 hexadecimal digits (TS-0003 §10.3.4)"
}

sixteen_octets! {
    /// `KcID`: the 16 octets that identify an exported Kc (TS-0003 §10.3.1, §10.3.5). As text 32 upper-case
    /// hexadecimal digits; both cases are read.
    KcId, "KcID", "expected 32 hexadecimal digits (TS-0003 §10.3.5)"
}

sixteen_octets! {
    /// pairwiseE2EKeyID: the 16 octets that identify a pairwiseE2EKey (TS-0003 §10.3.1). The standard gives
    /// no text form; here 32 upper-case hexadecimal digits, both cases read.
    PairwiseE2eKeyId, "pairwiseE2EKeyID", "expected 32 hexadecimal digits (TS-0003 §10.3.1)"
}

sixteen_octets! {
    /// `Kcc_ID` or `Kca_ID` of the drafts: 16 octets that follow from the key itself, written as 32
    /// upper-case hexadecimal digits without `@`; both cases are read (register A-03). The `psk_identity`
    /// with which such a key attaches is this text.
    DraftKeyId, "Kcc_ID/Kca_ID", "expected 32 hexadecimal digits (draft clauses a.b.1, a.b.2)"
}
