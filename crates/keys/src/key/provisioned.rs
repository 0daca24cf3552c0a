use crate::{KeyError, Secret};

use super::key_access;

/// Fewest octets of a provisioned key unless short keys are allowed explicitly (register A-38).
pub const MIN_KEY_OCTETS: usize = 16;
/// Fewest octets of a key where short keys are allowed: the length of TR-0038's example keys.
pub const MIN_SHORT_KEY_OCTETS: usize = 8;
/// Most octets of a provisioned key.
pub const MAX_KEY_OCTETS: usize = 64;

/// Which lengths of key are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLengthPolicy {
    /// 16 to 64 octets.
    Strict,
    /// 8 to 64 octets: `allow_short_key` of a credential or a demonstration.
    AllowShort,
}

impl KeyLengthPolicy {
    const fn minimum(self) -> usize {
        match self {
            Self::Strict => MIN_KEY_OCTETS,
            Self::AllowShort => MIN_SHORT_KEY_OCTETS,
        }
    }

    const fn check(self, octets: usize) -> Result<(), KeyError> {
        if octets < self.minimum() {
            return Err(KeyError::TooShort { octets, minimum: self.minimum() });
        }
        if octets > MAX_KEY_OCTETS {
            return Err(KeyError::TooLong { octets });
        }
        Ok(())
    }
}

/// A key that two sides hold before they meet, of a length that the policy decides.
macro_rules! provisioned_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name(Secret);

        impl $name {
            /// Accepts `secret` as such a key.
            ///
            /// # Errors
            /// [`KeyError::TooShort`] or [`KeyError::TooLong`] if its length is outside of the policy.
            pub fn new(secret: Secret, policy: KeyLengthPolicy) -> Result<Self, KeyError> {
                policy.check(secret.len()).map(|()| Self(secret))
            }

            pub(super) fn into_secret(self) -> Secret {
                self.0
            }

            /// Number of octets.
            #[must_use]
            pub fn octets(&self) -> usize {
                self.0.len()
            }

            /// True if the key is shorter than [`MIN_KEY_OCTETS`]: worth a warning wherever it is used.
            #[must_use]
            pub fn is_short(&self) -> bool {
                self.octets() < MIN_KEY_OCTETS
            }
        }

        key_access!($name);
    };
}

provisioned_key! {
    /// Kpsa: the symmetric key that two entities share before a handshake, 16 to 64 octets (8 to 64 where
    /// short keys are allowed), 32 when derived. The TLS `psk` of the provisioned framework (TS-0003
    /// §8.2.2.1); the end-to-end chain starts from it as well (§10.3.6).
    Kpsa
}

provisioned_key! {
    /// Kpm: the pre-provisioned symmetric key that an enrolee shares with a MEF, 16 to 64 octets (8 to 64
    /// where short keys are allowed). The TLS `psk` of the MEF handshake and nothing else (TS-0003 §8.3.2.1).
    Kpm
}

provisioned_key! {
    /// Km: the master credential that an entity shares with a MAF, 16 to 64 octets (8 to 64 where short keys
    /// are allowed), 32 when derived. The TLS `psk` of the MAF handshake (TS-0003 §8.8.2.2).
    Km
}

impl Kpsa {
    /// What a derivation gave; it has 32 octets.
    pub(super) const fn derived(secret: Secret) -> Self {
        Self(secret)
    }
}

impl Km {
    /// What a derivation gave; it has 32 octets.
    pub(super) const fn derived(secret: Secret) -> Self {
        Self(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(hex: &str, policy: KeyLengthPolicy) -> Result<Kpsa, KeyError> {
        Kpsa::new(Secret::from_hex(hex).unwrap(), policy)
    }

    #[test]
    fn short_keys_need_permission() {
        let eight = "1a2b3c4d5e6f7a8b";
        assert_eq!(
            key(eight, KeyLengthPolicy::Strict).unwrap_err(),
            KeyError::TooShort { octets: 8, minimum: 16 }
        );
        assert!(key(eight, KeyLengthPolicy::AllowShort).unwrap().is_short());
        assert_eq!(
            key("1a2b3c4d5e6f7a", KeyLengthPolicy::AllowShort).unwrap_err(),
            KeyError::TooShort { octets: 7, minimum: 8 }
        );
        assert_eq!(
            key(&"00".repeat(65), KeyLengthPolicy::Strict).unwrap_err(),
            KeyError::TooLong { octets: 65 }
        );
        assert!(!key(&"00".repeat(64), KeyLengthPolicy::Strict).unwrap().is_short());
    }

    #[test]
    fn keys_of_other_functions_have_the_same_bounds() {
        for octets in [15, 16, 64, 65] {
            let good = (16..=64).contains(&octets);
            assert_eq!(Km::new(Secret::new(vec![7; octets]), KeyLengthPolicy::Strict).is_ok(), good);
            assert_eq!(Kpm::new(Secret::new(vec![7; octets]), KeyLengthPolicy::Strict).is_ok(), good);
        }
    }
}
