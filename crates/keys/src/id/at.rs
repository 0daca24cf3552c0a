//! Identifiers of the form `relative@domain`. They differ in what the domain stands for and in how the
//! relative part is compared.

use std::{borrow::Cow, fmt, str::FromStr};

use onem2m::id::Fqdn;

use crate::{KeyError, MAX_PSK_IDENTITY_OCTETS, PskIdentity, RelativeKeId};

use super::{
    RelativeKeyId, compare_by_canonical,
    relative::{hex_folded, is_16_octets_in_hex, is_relative},
};

#[derive(Clone)]
struct AtId {
    text: Box<str>,
    at: usize,
    fqdn: Fqdn,
}

impl AtId {
    fn relative(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The text with its relative part as `fold` gives it.
    fn folded<'a>(&'a self, fold: impl FnOnce(&'a str) -> Cow<'a, str>) -> Cow<'a, str> {
        match fold(self.relative()) {
            Cow::Borrowed(_) => Cow::Borrowed(&self.text),
            Cow::Owned(relative) => Cow::Owned(format!("{relative}@{}", self.fqdn)),
        }
    }
}

/// The relative part counts as it is written.
const fn exact(relative: &str) -> Cow<'_, str> {
    Cow::Borrowed(relative)
}

/// The relative part counts without letter case.
fn case_folded(relative: &str) -> Cow<'_, str> {
    if relative.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Cow::Owned(relative.to_ascii_lowercase());
    }
    Cow::Borrowed(relative)
}

macro_rules! at_identifier {
    (
        $(#[$doc:meta])* $name:ident, $kind:literal, $clause:literal, folded by $fold:path;
        $(#[$authority_doc:meta])* $authority:ident;
        relative $accepts:path, $expected:literal
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(AtId);

        compare_by_canonical!($name);

        impl $name {
            /// The part before the `@`, as written.
            #[must_use]
            pub fn relative(&self) -> &str {
                self.0.relative()
            }

            $(#[$authority_doc])*
            #[must_use]
            pub const fn $authority(&self) -> &Fqdn {
                &self.0.fqdn
            }

            /// The whole identifier, as written.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0.text
            }

            /// The form in which it is compared: the one to look it up by.
            #[must_use]
            pub fn canonical(&self) -> Cow<'_, str> {
                self.0.folded($fold)
            }

            fn join(relative: &str, fqdn: &Fqdn) -> Result<Self, KeyError> {
                format!("{relative}@{fqdn}").parse()
            }
        }

        impl FromStr for $name {
            type Err = KeyError;

            fn from_str(text: &str) -> Result<Self, KeyError> {
                let bad = |expected| KeyError::identifier($kind, text, expected);
                if text.len() > MAX_PSK_IDENTITY_OCTETS {
                    return Err(bad("expected at most 256 octets"));
                }
                let (relative, fqdn) = text.split_once('@').ok_or_else(|| {
                    bad(concat!("expected `name@", stringify!($authority), "-domain` (", $clause, ")"))
                })?;
                if !$accepts(relative) {
                    return Err(bad(concat!("expected ", $expected, " before the `@` (", $clause, ")")));
                }
                let fqdn = fqdn.parse().map_err(|_| {
                    bad(concat!("expected a lower-case domain name after the `@` (", $clause, ")"))
                })?;
                Ok(Self(AtId { text: text.into(), at: relative.len(), fqdn }))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.text)
            }
        }

        impl From<&$name> for PskIdentity {
            fn from(id: &$name) -> Self {
                Self::of_identifier(id.as_str())
            }
        }
    };
}

at_identifier! {
    /// KpsaID: `rel@Issuer-FQDN`, `rel` of letters, digits, `.`, `_`, `-`; at most 256 octets; case-sensitive
    /// (TS-0003 §10.5).
    KpsaId, "KpsaID", "TS-0003 §10.5", folded by exact;
    /// The domain that issued the key.
    issuer;
    relative is_relative, "letters, digits, `.`, `_` or `-`"
}

at_identifier! {
    /// KpmID: `rel@MEF-FQDN`, at most 256 octets. No clause gives its form; that of KpsaID is taken, so that
    /// the MEF can be read from it (TS-0003 §8.3.2.1). Case-sensitive.
    KpmId, "KpmID", "TS-0003 §8.3.2.1", folded by exact;
    /// The MEF that shares the key.
    mef;
    relative is_relative, "letters, digits, `.`, `_` or `-`"
}

at_identifier! {
    /// KmID: `rel@MAF-FQDN`, `rel` of letters, digits, `.`, `_`, `-`; at most 256 octets. The relative part
    /// is compared without letter case (TS-0003 §10.6): store and look up by [`KmId::canonical`].
    KmId, "KmID", "TS-0003 §10.6", folded by case_folded;
    /// The MAF that shares the key.
    maf;
    relative is_relative, "letters, digits, `.`, `_` or `-`"
}

at_identifier! {
    /// Key Identifier: `RelativeKeyID@FQDN` of the MAF or MEF that distributes the key, at most 256 octets
    /// (TS-0003 §10.3.5, §8.3.5.2.7). A relative part of 32 hexadecimal digits is compared without letter
    /// case, any other exactly (register A-02); the text is passed on as it was written.
    KeyIdentifier, "Key Identifier", "TS-0003 §10.3.5", folded by hex_folded;
    /// The MAF or MEF that distributes the key.
    distributor;
    relative is_relative, "letters, digits, `.`, `_` or `-`"
}

at_identifier! {
    /// `KeID`: `hexBinary(RelativeKeID)@MEF-FQDN` (TS-0003 §10.3.4), at most 256 octets. Made with upper-case
    /// digits, read and compared in either case (register A-02); the text is passed on as it was written.
    KeId, "KeID", "TS-0003 §10.3.4", folded by hex_folded;
    /// The MEF that shares Ke.
    mef;
    relative is_16_octets_in_hex, "32 hexadecimal digits"
}

impl KpsaId {
    /// The KpsaID of the key that `issuer` calls `relative`.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if `relative` is empty or outside of its alphabet, or the whole is too long.
    pub fn new(relative: &str, issuer: &Fqdn) -> Result<Self, KeyError> {
        Self::join(relative, issuer)
    }
}

impl KpmId {
    /// The KpmID of the key that `mef` calls `relative`.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if `relative` is empty or outside of its alphabet, or the whole is too long.
    pub fn new(relative: &str, mef: &Fqdn) -> Result<Self, KeyError> {
        Self::join(relative, mef)
    }
}

impl KmId {
    /// The KmID of the key that `maf` calls `relative`.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if `relative` is empty or outside of its alphabet, or the whole is too long.
    pub fn new(relative: &str, maf: &Fqdn) -> Result<Self, KeyError> {
        Self::join(relative, maf)
    }
}

impl KeyIdentifier {
    /// The Key Identifier of the key that `distributor` registered as `relative`.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the whole has more than 256 octets.
    pub fn new(relative: &RelativeKeyId, distributor: &Fqdn) -> Result<Self, KeyError> {
        Self::join(relative.as_str(), distributor)
    }

    /// The part before the `@`, by which the distributor knows the key.
    #[must_use]
    pub fn relative_key_id(&self) -> Option<RelativeKeyId> {
        self.relative().parse().ok()
    }
}

impl KeId {
    /// The `KeID` of the enrolment key that `mef` shares under `relative`.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the whole has more than 256 octets: a domain of over 223.
    pub fn new(relative: RelativeKeId, mef: &Fqdn) -> Result<Self, KeyError> {
        Self::join(&relative.to_string(), mef)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn kpsa_id_parts() {
        let id: KpsaId = "AE123456789012-Light@in.provider.com".parse().unwrap();
        assert_eq!(id.relative(), "AE123456789012-Light");
        assert_eq!(id.issuer().as_str(), "in.provider.com");
        assert_eq!(id.to_string(), "AE123456789012-Light@in.provider.com");
        assert_eq!(KpsaId::new(id.relative(), id.issuer()).unwrap(), id);
        for bad in ["", "@x.org", "a b@x.org", "a@", "a@X.org", "a", "a@b@c.org", "a/b@x.org"] {
            assert!(bad.parse::<KpsaId>().is_err(), "{bad}");
        }
        assert_eq!(
            "light1".parse::<KpsaId>().unwrap_err().to_string(),
            "KpsaID \"light1\": expected `name@issuer-domain` (TS-0003 §10.5)"
        );
    }

    #[test]
    fn letter_case_counts_as_the_clause_says() {
        fn same<T: FromStr<Err = KeyError> + Ord>(a: &str, b: &str) -> bool {
            let (a, b): (T, T) = (a.parse().unwrap(), b.parse().unwrap());
            let same = a == b;
            assert_eq!(BTreeSet::from([a, b]).len() == 1, same);
            same
        }
        assert!(!same::<KpsaId>("Light@x.org", "light@x.org"));
        assert!(!same::<KpmId>("Light@x.org", "light@x.org"));
        assert!(same::<KmId>("Light@x.org", "lIGHT@x.org"));
        assert!(!same::<KmId>("light@x.org", "light@y.org"));
        assert!(!same::<KeyIdentifier>("Light@x.org", "light@x.org"));
        let (upper, lower) =
            ("A0B1C2D3E4F5061728394A5B6C7D8E9F@x.org", "a0b1c2d3e4f5061728394a5b6c7d8e9f@x.org");
        assert!(same::<KeyIdentifier>(upper, lower) && same::<KeId>(upper, lower));
        assert!(!same::<KpsaId>(upper, lower));
        assert!(same::<RelativeKeyId>(&upper[..32], &lower[..32]));
        assert!(!same::<RelativeKeyId>(&upper[..31], &lower[..31]));
    }

    #[test]
    fn the_spelling_is_passed_on() {
        let id: KeId = "a0b1c2d3e4f5061728394a5b6c7d8e9f@mef.example.net".parse().unwrap();
        assert_eq!(id.to_string(), "a0b1c2d3e4f5061728394a5b6c7d8e9f@mef.example.net");
        assert_eq!(id.canonical(), "A0B1C2D3E4F5061728394A5B6C7D8E9F@mef.example.net");
        assert!("a0b1@mef.example.net".parse::<KeId>().is_err());
        assert!("a0b1@mef.example.net".parse::<KeyIdentifier>().is_ok());
    }

    #[test]
    fn no_identifier_is_longer_than_a_psk_identity() {
        let domain =
            format!("{}.org", ["a".repeat(55), "b".repeat(55), "c".repeat(55), "d".repeat(52)].join("."));
        let fits: Fqdn = domain[1..].parse().unwrap();
        let too_long: Fqdn = domain.parse().unwrap();
        assert_eq!((fits.as_str().len(), too_long.as_str().len()), (223, 224));
        assert!(KeId::new(RelativeKeId::new([0; 16]), &fits).is_ok());
        assert!(KeId::new(RelativeKeId::new([0; 16]), &too_long).is_err());
    }
}
