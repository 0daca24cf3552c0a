//! Key types. Each is a [`Secret`] of the right length with the derivations that the standard allows for it.

mod derived;
mod e2e;
mod enrolment;
mod esprim;
mod legacy;
mod provisioned;
mod psk;
mod rand_object;
mod usage_key;

pub use derived::{EsdataEncryptionKey, EsdataSignatureKey, Kc, PairwiseE2eKey, PairwiseEsprimKey};
pub use e2e::{
    Ke2eAttAuth, Ke2eAttConf, Ke2eKeys, Ke2eMaster, Ke2eMsgAuth, Ke2eMsgConf, SourceGeneratedValue,
};
pub use enrolment::{EnrolmentTarget, Ke};
pub use esprim::{ContentEncryptionKey, SessionEsprimKey};
pub use legacy::LegacyDerivation;
pub use provisioned::{KeyLengthPolicy, Km, Kpm, Kpsa, MAX_KEY_OCTETS, MIN_KEY_OCTETS, MIN_SHORT_KEY_OCTETS};
pub use psk::Psk;
pub use rand_object::{
    EsprimKeyGenAlgorithm, EsprimProtocol, OriginatorRandObject, RandValue, ReceiverRandObject,
};
pub use usage_key::UsageKey;

/// What every key type offers: its octets for the one call that needs them, an explicit copy, a `Debug` that
/// shows the length alone.
macro_rules! key_access {
    ($name:ident) => {
        impl $name {
            /// The octets, for the one call that needs them and for sealing.
            #[must_use]
            pub fn expose(&self) -> &[u8] {
                self.0.expose()
            }

            /// A second copy in memory, made on purpose.
            #[must_use]
            pub fn duplicate(&self) -> Self {
                Self(self.0.duplicate())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({} octets)"), self.0.len())
            }
        }
    };
}

/// A key that is always the output of a derivation: exactly 32 octets.
macro_rules! derived_key {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        pub struct $name($crate::Secret);

        impl $name {
            /// Takes back a key that was sealed or received.
            ///
            /// # Errors
            /// [`KeyError::Length`](crate::KeyError::Length) unless it has exactly 32 octets.
            pub fn new(secret: $crate::Secret) -> Result<Self, $crate::KeyError> {
                if secret.len() == $crate::hmac::DERIVED_OCTETS {
                    return Ok(Self(secret));
                }
                Err($crate::KeyError::Length {
                    kind: $kind,
                    octets: secret.len(),
                    expected: "exactly 32 octets",
                })
            }
        }

        $crate::key::key_access!($name);
    };
}

/// A key that somebody else may have chosen: 16 to 64 octets, 32 when derived.
macro_rules! chosen_key {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        pub struct $name($crate::Secret);

        impl $name {
            /// Takes a key that was registered, retrieved, provisioned or sealed.
            ///
            /// # Errors
            /// [`KeyError::Length`](crate::KeyError::Length) unless it has 16 to 64 octets.
            pub fn new(secret: $crate::Secret) -> Result<Self, $crate::KeyError> {
                if ($crate::MIN_KEY_OCTETS..=$crate::MAX_KEY_OCTETS).contains(&secret.len()) {
                    return Ok(Self(secret));
                }
                Err($crate::KeyError::Length {
                    kind: $kind,
                    octets: secret.len(),
                    expected: "16 to 64 octets",
                })
            }
        }

        $crate::key::key_access!($name);
    };
}

use {chosen_key, derived_key, key_access};
