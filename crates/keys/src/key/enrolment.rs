use std::fmt;

use onem2m::id::{AeDomainName, CseDomainName, Fqdn};

use crate::{
    KeyError, Secret, Usage, UsageKey, UsageScope,
    hmac::{hmac_sha256, nfkc},
};

use super::{LegacyDerivation, derived_key};

const USAGE_CONSTRAINED: &[u8] = b"oneM2M Enrolment Key to Usage-Constrained Symmetric Key derivation";

derived_key! {
    /// Ke: the enrolment key that a MEF handshake gives to enrolee and MEF, 32 octets (TS-0003 §10.3.1). It
    /// is for derivation alone: no handshake uses it, no target ever sees it, and no key made from it
    /// outlives it (§10.7).
    ///
    /// ```
    /// use keys::{EnrolmentTarget, Ke, Secret, Usage, UsageKey};
    ///
    /// let ke = Ke::new(Secret::new(vec![7; 32]))?;
    /// let maf = EnrolmentTarget::Maf("maf.example.com".parse()?);
    /// let key = ke.usage_constrained(Usage::REMOTE_MAF, &maf)?;
    /// assert!(matches!(key, UsageKey::Km(_)));
    /// assert!(ke.usage_constrained(Usage::REMOTE_ASSOCIATION, &maf).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Ke, "Ke"
}

impl Ke {
    pub(crate) const fn exported(secret: Secret) -> Self {
        Self(secret)
    }

    /// The key of this usage for this target (TS-0003 §10.3.7): what the enrolee computes by itself and the
    /// MEF hands to the target. 32 octets; the usage decides its type.
    ///
    /// # Errors
    /// [`KeyError::Usage`] if the usage is not one of 21 to 25, or if usage and target do not go together: 21
    /// is for a MAF, the others for a CSE or AE.
    pub fn usage_constrained(&self, usage: Usage, target: &EnrolmentTarget) -> Result<UsageKey, KeyError> {
        if !usage.is_of_mef() {
            return Err(KeyError::Usage {
                usage,
                expected: "expected 21 to 25 for a key from a MEF (TS-0003 §8.3.2.1)",
            });
        }
        if (usage.scope() == UsageScope::Maf) != matches!(target, EnrolmentTarget::Maf(_)) {
            return Err(KeyError::Usage {
                usage,
                expected: "expected 21 for a MAF, 22 to 25 for a CSE or AE (TS-0003 §8.3.5.1)",
            });
        }
        UsageKey::new(usage, self.for_identifier(usage, &target.to_string()))
    }

    /// The usage enters as its decimal digits (register A-12), the target as text in NFKC.
    fn for_identifier(&self, usage: Usage, target: &str) -> Secret {
        let usage = usage.to_string();
        hmac_sha256(self.expose(), &[USAGE_CONSTRAINED, usage.as_bytes(), nfkc(target).as_bytes()])
    }

    /// The derivations of TS-0003 §10.3.2 and §10.3.3, which the procedures of release 3 no longer invoke:
    /// for peers that still use them, and only where an operator asks for it (register A-13).
    #[must_use]
    pub const fn legacy_derivation(&self) -> LegacyDerivation<'_> {
        LegacyDerivation::new(self)
    }
}

/// The target of an enrolment in the form in which a derivation takes it, a domain name (TS-0003 §10.3.7).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EnrolmentTarget {
    /// A MAF, by its own domain name.
    Maf(Fqdn),
    /// A CSE, by its public domain name (TS-0001 §6.5.1.1).
    Cse(CseDomainName),
    /// An AE, by the domain form of its AE-ID, which is the project's choice (register A-08).
    Ae(AeDomainName),
}

impl fmt::Display for EnrolmentTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maf(name) => name.fmt(f),
            Self::Cse(name) => name.fmt(f),
            Self::Ae(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ke() -> Ke {
        Ke::new(Secret::new((0..32).collect())).unwrap()
    }

    /// The public types hold ASCII only; the derivation does not rely on that.
    #[test]
    fn identifiers_enter_in_nfkc() {
        let wide = ke().for_identifier(Usage::REMOTE_MAF, "ｍａｆ．ｅｘａｍｐｌｅ．ｃｏｍ");
        assert!(wide.ct_eq(ke().for_identifier(Usage::REMOTE_MAF, "maf.example.com").expose()));
        assert!(!wide.ct_eq(ke().for_identifier(Usage::REMOTE_MAF, "MAF.example.com").expose()));
    }

    #[test]
    fn only_lawful_usages() {
        let maf = EnrolmentTarget::Maf("maf.example.com".parse().unwrap());
        let sp = "//sp.example.com".parse().unwrap();
        let cse = EnrolmentTarget::Cse(CseDomainName::parse_in("in-cse.sp.example.com", &sp).unwrap());
        let ae = EnrolmentTarget::Ae(AeDomainName::parse_in("S98821.sp.example.com", &sp).unwrap());
        for code in (0..=99).filter(|code| Usage::from_code(*code).is_ok()) {
            let usage = Usage::from_code(code).unwrap();
            assert_eq!(ke().usage_constrained(usage, &maf).is_ok(), code == 21, "{code}");
            for target in [&cse, &ae] {
                let derived = ke().usage_constrained(usage, target);
                assert_eq!(derived.is_ok(), (22..=25).contains(&code), "{code}");
            }
        }
    }
}
