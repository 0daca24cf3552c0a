use std::fmt;

use serde::{Deserialize, Serialize};

use crate::KeyError;

/// Where a credential comes from: the tens digit of an `m2m:suid` (TS-0004 §6.3.4.2.39).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageOrigin {
    /// 1: a symmetric key installed beforehand.
    PreProvisioned,
    /// 2: a symmetric key of a remote security provisioning framework, that is, of a MEF.
    RemotelyProvisioned,
    /// 3: a symmetric key that a MAF distributes.
    MafDistributed,
    /// 4: a certificate.
    Certificate,
}

/// What a credential may be used for: the units digit of an `m2m:suid` (TS-0004 §6.3.4.2.39).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UsageScope {
    /// 0: with a MEF.
    Mef,
    /// 1: with a MAF.
    Maf,
    /// 2: in a security association establishment framework.
    Association,
    /// 3: in end-to-end security of primitives.
    Esprim,
    /// 4: in end-to-end security of data, for authenticated encryption.
    EsdataEncryption,
    /// 5: in end-to-end security of data, for signatures alone.
    EsdataSignature,
}

/// Security usage identifier, `m2m:suid`: origin and permitted use of a credential as one number (TS-0004
/// table 6.3.4.2.39-1). Defined are 10 to 15, 21 to 25, 32 to 35 and 40 to 45; others do not exist as values
/// of this type. A credential is used for what its usage says and for nothing else.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Usage {
    origin: UsageOrigin,
    scope: UsageScope,
}

impl Usage {
    /// 21: a key from a MEF, shared with a MAF: Km.
    pub const REMOTE_MAF: Self = Self { origin: UsageOrigin::RemotelyProvisioned, scope: UsageScope::Maf };
    /// 22: a key from a MEF, for a security association: Kpsa.
    pub const REMOTE_ASSOCIATION: Self =
        Self { origin: UsageOrigin::RemotelyProvisioned, scope: UsageScope::Association };
    /// 32: a key from a MAF, for a security association: Kc.
    pub const MAF_ASSOCIATION: Self =
        Self { origin: UsageOrigin::MafDistributed, scope: UsageScope::Association };

    /// The usage of this origin and scope, if the table defines it: nothing comes from a MEF for a MEF, and a
    /// MAF distributes nothing for a MEF or MAF.
    #[must_use]
    pub const fn new(origin: UsageOrigin, scope: UsageScope) -> Option<Self> {
        let defined = match origin {
            UsageOrigin::PreProvisioned | UsageOrigin::Certificate => true,
            UsageOrigin::RemotelyProvisioned => !matches!(scope, UsageScope::Mef),
            UsageOrigin::MafDistributed => !matches!(scope, UsageScope::Mef | UsageScope::Maf),
        };
        if defined { Some(Self { origin, scope }) } else { None }
    }

    /// The usage with this number.
    ///
    /// # Errors
    /// [`KeyError::UnknownUsage`] if the table does not define it.
    pub fn from_code(code: u8) -> Result<Self, KeyError> {
        let origin = match code / 10 {
            1 => Some(UsageOrigin::PreProvisioned),
            2 => Some(UsageOrigin::RemotelyProvisioned),
            3 => Some(UsageOrigin::MafDistributed),
            4 => Some(UsageOrigin::Certificate),
            _ => None,
        };
        let scope = match code % 10 {
            0 => Some(UsageScope::Mef),
            1 => Some(UsageScope::Maf),
            2 => Some(UsageScope::Association),
            3 => Some(UsageScope::Esprim),
            4 => Some(UsageScope::EsdataEncryption),
            5 => Some(UsageScope::EsdataSignature),
            _ => None,
        };
        origin
            .zip(scope)
            .and_then(|(origin, scope)| Self::new(origin, scope))
            .ok_or(KeyError::UnknownUsage { code })
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        let tens = match self.origin {
            UsageOrigin::PreProvisioned => 10,
            UsageOrigin::RemotelyProvisioned => 20,
            UsageOrigin::MafDistributed => 30,
            UsageOrigin::Certificate => 40,
        };
        let units = match self.scope {
            UsageScope::Mef => 0,
            UsageScope::Maf => 1,
            UsageScope::Association => 2,
            UsageScope::Esprim => 3,
            UsageScope::EsdataEncryption => 4,
            UsageScope::EsdataSignature => 5,
        };
        tens + units
    }

    /// Where the credential comes from.
    #[must_use]
    pub const fn origin(self) -> UsageOrigin {
        self.origin
    }

    /// What it may be used for.
    #[must_use]
    pub const fn scope(self) -> UsageScope {
        self.scope
    }

    /// True if the credential is a symmetric key: every origin but the certificate.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        !matches!(self.origin, UsageOrigin::Certificate)
    }

    /// True if a key of this usage may be the `psk` of a security association: 12, 22 and 32
    /// (TS-0003 §8.2.2.1, §8.2.2.3).
    #[must_use]
    pub const fn opens_association(self) -> bool {
        self.is_symmetric() && matches!(self.scope, UsageScope::Association)
    }

    /// True if a MEF can register, hand out or derive a key of this usage: 21 to 25 (TS-0003 §8.3.2.1,
    /// §8.3.5.2.7).
    #[must_use]
    pub const fn is_of_mef(self) -> bool {
        matches!(self.origin, UsageOrigin::RemotelyProvisioned)
    }

    /// True if a MAF can register a key of this usage: 32 to 35 (TS-0003 §8.8.2.7).
    #[must_use]
    pub const fn is_of_maf(self) -> bool {
        matches!(self.origin, UsageOrigin::MafDistributed)
    }

    /// True if a registered key of this usage has exactly one target; the keys of ESData have one or more
    /// (TS-0003 §8.3.5.2.7, §8.8.2.7).
    #[must_use]
    pub const fn has_one_target(self) -> bool {
        !matches!(self.scope, UsageScope::EsdataEncryption | UsageScope::EsdataSignature)
    }
}

impl TryFrom<u8> for Usage {
    type Error = KeyError;

    fn try_from(code: u8) -> Result<Self, KeyError> {
        Self::from_code(code)
    }
}

impl From<Usage> for u8 {
    fn from(usage: Usage) -> Self {
        usage.code()
    }
}

/// The decimal digits: the form in a fetchCredentials path and in a derivation (TS-0003 §8.3.2.1, §10.3.7).
impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code().fmt(f)
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Usage({})", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(holds: impl Fn(Usage) -> bool) -> Vec<u8> {
        (0..=255).filter(|code| Usage::from_code(*code).is_ok_and(&holds)).collect()
    }

    /// TS-0004 table 6.3.4.2.39-1.
    #[test]
    fn the_table_and_nothing_else() {
        assert_eq!(
            codes(|_| true),
            [10, 11, 12, 13, 14, 15, 21, 22, 23, 24, 25, 32, 33, 34, 35, 40, 41, 42, 43, 44, 45]
        );
        assert!(codes(|usage| Usage::from_code(usage.code()) != Ok(usage)).is_empty());
        assert_eq!(
            [Usage::REMOTE_MAF, Usage::REMOTE_ASSOCIATION, Usage::MAF_ASSOCIATION].map(Usage::code),
            [21, 22, 32]
        );
        assert_eq!(
            Usage::from_code(31).unwrap_err().to_string(),
            "security usage identifier 31: not defined (TS-0004 §6.3.4.2.39)"
        );
    }

    #[test]
    fn each_use_has_its_numbers() {
        assert_eq!(codes(Usage::opens_association), [12, 22, 32]);
        assert_eq!(codes(Usage::is_of_mef), [21, 22, 23, 24, 25]);
        assert_eq!(codes(Usage::is_of_maf), [32, 33, 34, 35]);
        assert_eq!(codes(|usage| !usage.is_symmetric()), [40, 41, 42, 43, 44, 45]);
        assert_eq!(codes(|usage| !usage.has_one_target()), [14, 15, 24, 25, 34, 35, 44, 45]);
    }

    #[test]
    fn json_is_the_number() {
        assert_eq!(serde_json::to_string(&Usage::MAF_ASSOCIATION).unwrap(), "32");
        assert_eq!(serde_json::from_str::<Usage>("21").unwrap(), Usage::REMOTE_MAF);
        for bad in ["20", "30", "31", "0", "99", "256", "\"32\"", "32.0", "-1"] {
            assert!(serde_json::from_str::<Usage>(bad).is_err(), "{bad}");
        }
    }
}
