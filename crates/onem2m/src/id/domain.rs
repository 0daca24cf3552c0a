//! Domain names that stand for CSEs and AEs, in certificates, derivations and Credential-IDs.

use super::ae::{AeId, AeIdStem, StemKind};
use super::cse::{CseId, CseName, SpId};
use super::fqdn::MAX_LABEL;
use super::text::{self, IdError};
use std::fmt;

const CSE: &str = "public domain name of a CSE";
const AE: &str = "domain form of an AE-ID";
const MAX_NAME: usize = 253;

/// The public domain name of a CSE by the convention of TS-0001 §6.5.1.1: `<cse>.<SP domain>` for the IN-CSE,
/// `<cse>.<in-cse>.<SP domain>` for an MN-CSE or ASN-CSE.
///
/// The case of the CSE name is kept, although DNS and some certificate authorities do not ([`Self::folded`]).
/// A name with a dot, outside the narrow alphabet, or above the 63 octets of a label has no domain form.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CseDomainName {
    cse: CseName,
    /// The IN-CSE below which the CSE stands; absent when it is the IN-CSE.
    infrastructure: Option<CseName>,
    sp: SpId,
}

impl CseDomainName {
    /// The name of an IN-CSE.
    ///
    /// # Errors
    /// [`IdError`] when the CSE-ID has no domain form.
    pub fn of_infrastructure(cse: &CseId) -> Result<Self, IdError> {
        Self::checked(cse.name().clone(), None, cse.sp().clone())
    }

    /// The name of an MN-CSE or ASN-CSE whose domain has the IN-CSE `infrastructure`.
    ///
    /// # Errors
    /// [`IdError`] when one of the two CSE-IDs has no domain form.
    pub fn of_field(cse: &CseId, infrastructure: &CseName) -> Result<Self, IdError> {
        Self::checked(cse.name().clone(), Some(infrastructure.clone()), cse.sp().clone())
    }

    /// Reads a name of a CSE of the domain `sp`. Letter case counts in the CSE names and not in the
    /// provider's domain.
    ///
    /// # Errors
    /// [`IdError`] when the name is not one or two labels below the provider's domain.
    pub fn parse_in(name: &str, sp: &SpId) -> Result<Self, IdError> {
        let labels = below(CSE, name, sp)?;
        match labels.as_slice() {
            [cse] => Self::checked(cse.parse()?, None, sp.clone()),
            [cse, infrastructure] => Self::checked(cse.parse()?, Some(infrastructure.parse()?), sp.clone()),
            _ => Err(IdError::form(
                CSE,
                name,
                "must have one or two labels below the domain of its service provider",
            )),
        }
    }

    fn checked(cse: CseName, infrastructure: Option<CseName>, sp: SpId) -> Result<Self, IdError> {
        label(CSE, cse.as_str())?;
        if let Some(infrastructure) = &infrastructure {
            label(CSE, infrastructure.as_str())?;
        }
        let name = Self { cse, infrastructure, sp };
        text::length(CSE, &name.to_string(), MAX_NAME)?;
        Ok(name)
    }

    /// The CSE it stands for.
    pub fn cse_id(&self) -> CseId {
        CseId::new(self.sp.clone(), self.cse.clone())
    }

    /// The IN-CSE in the name; absent in the name of an IN-CSE.
    pub fn infrastructure(&self) -> Option<&CseName> {
        self.infrastructure.as_ref()
    }

    /// The name in lower case, in which DNS compares.
    pub fn folded(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl fmt::Display for CseDomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.infrastructure {
            Some(infrastructure) => write!(f, "{}.{infrastructure}.{}", self.cse, self.sp.fqdn()),
            None => write!(f, "{}.{}", self.cse, self.sp.fqdn()),
        }
    }
}

/// The domain form of an AE-ID: `<stem>.<SP domain>` for an S-type one, `<stem>.<public domain name of the
/// registrar>` for a C-type one. The standard uses such a form (TS-0003 §10.3.7) without defining it; this
/// one is the project's choice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AeDomainName {
    stem: AeIdStem,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Place {
    Provider(SpId),
    Registrar(CseDomainName),
}

impl AeDomainName {
    /// The domain form of an S-type AE-ID.
    ///
    /// # Errors
    /// [`IdError`] when the AE-ID is of type C or has no domain form.
    pub fn of_provider(ae: &AeId) -> Result<Self, IdError> {
        if ae.stem().kind() != StemKind::S {
            return Err(IdError::form(
                AE,
                &ae.to_string(),
                "needs the public domain name of the registrar CSE",
            ));
        }
        Self::checked(ae.stem().clone(), Place::Provider(ae.sp().clone()))
    }

    /// The domain form of the AE-ID that `stem` makes at the CSE with this public domain name.
    ///
    /// # Errors
    /// [`IdError`] when the AE-ID has no domain form.
    pub fn of_registrar(registrar: &CseDomainName, stem: &AeIdStem) -> Result<Self, IdError> {
        let place = match stem.kind() {
            StemKind::S => Place::Provider(registrar.sp.clone()),
            StemKind::C => Place::Registrar(registrar.clone()),
        };
        Self::checked(stem.clone(), place)
    }

    /// Reads the domain form of an AE-ID of the domain `sp`. Letter case counts in the identifiers and not in
    /// the provider's domain.
    ///
    /// # Errors
    /// [`IdError`] when it is none.
    pub fn parse_in(name: &str, sp: &SpId) -> Result<Self, IdError> {
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let stem: AeIdStem = first.parse()?;
        let place = match stem.kind() {
            StemKind::S if rest.eq_ignore_ascii_case(sp.fqdn().as_str()) => Place::Provider(sp.clone()),
            StemKind::S => {
                return Err(IdError::form(
                    AE,
                    name,
                    "must be directly below the domain of the service provider",
                ));
            }
            StemKind::C => Place::Registrar(CseDomainName::parse_in(rest, sp)?),
        };
        Self::checked(stem, place)
    }

    fn checked(stem: AeIdStem, place: Place) -> Result<Self, IdError> {
        label(AE, stem.as_str())?;
        let name = Self { stem, place };
        text::length(AE, &name.to_string(), MAX_NAME)?;
        Ok(name)
    }

    /// The AE it stands for.
    pub fn ae_id(&self) -> AeId {
        match &self.place {
            Place::Provider(sp) => AeId::sp_assigned(sp.clone(), self.stem.clone()),
            Place::Registrar(registrar) => AeId::of_stem(&registrar.cse_id(), self.stem.clone()),
        }
    }
}

impl fmt::Display for AeDomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Provider(sp) => write!(f, "{}.{}", self.stem, sp.fqdn()),
            Place::Registrar(registrar) => write!(f, "{}.{registrar}", self.stem),
        }
    }
}

/// An identifier that can be one label of a domain name without being ambiguous.
fn label(what: &'static str, name: &str) -> Result<(), IdError> {
    text::narrow_segment(what, name)?;
    if name.contains('.') {
        return Err(IdError::form(
            what,
            name,
            "an identifier with a dot has no unambiguous domain form (TS-0001 §6.5.1.1)",
        ));
    }
    if name.len() > MAX_LABEL || name.ends_with('-') {
        return Err(IdError::form(
            what,
            name,
            "a label has at most 63 octets and does not end with a hyphen",
        ));
    }
    Ok(())
}

/// The labels of `name` below the domain of `sp`.
fn below<'a>(what: &'static str, name: &'a str, sp: &SpId) -> Result<Vec<&'a str>, IdError> {
    text::length(what, name, MAX_NAME)?;
    let error =
        || IdError::form(what, name, "must be below the domain of its service provider (TS-0001 §6.5.1.1)");
    let cut = name.len().checked_sub(sp.fqdn().as_str().len()).ok_or_else(error)?;
    let (front, domain) = name.split_at_checked(cut).ok_or_else(error)?;
    if !domain.eq_ignore_ascii_case(sp.fqdn().as_str()) {
        return Err(error());
    }
    Ok(front.strip_suffix('.').ok_or_else(error)?.split('.').collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sp() -> SpId {
        "//sp.example.com".parse().unwrap()
    }

    fn cse(name: &str) -> CseId {
        CseId::new(sp(), name.parse().unwrap())
    }

    #[test]
    fn cse_names() {
        let infrastructure = CseDomainName::of_infrastructure(&cse("in-cse")).unwrap();
        assert_eq!(infrastructure.to_string(), "in-cse.sp.example.com");
        let field = CseDomainName::of_field(&cse("MN-cse-123456"), cse("in-cse").name()).unwrap();
        assert_eq!(field.to_string(), "MN-cse-123456.in-cse.sp.example.com");
        assert_eq!(field.folded(), "mn-cse-123456.in-cse.sp.example.com");
        for name in [infrastructure, field] {
            assert_eq!(CseDomainName::parse_in(&name.to_string(), &sp()).unwrap(), name);
        }
        let shouted = CseDomainName::parse_in("mn.In.SP.example.COM", &sp()).unwrap();
        assert_eq!(shouted.to_string(), "mn.In.sp.example.com");
        assert_eq!(shouted.cse_id(), cse("mn"));
        assert_eq!(shouted.infrastructure().unwrap().as_str(), "In");
    }

    #[test]
    fn no_domain_form() {
        for name in ["a.b", "a~", "_a", "a-", &"a".repeat(64)] {
            assert!(CseDomainName::of_infrastructure(&cse(name)).is_err(), "{name}");
            assert!(CseDomainName::of_field(&cse("mn"), cse(name).name()).is_err(), "{name}");
        }
        for name in [
            "",
            ".",
            "sp.example.com",
            ".sp.example.com",
            "a..sp.example.com",
            "a.b.c.sp.example.com",
            "a.example.com",
            "asp.example.com",
            "a.sp.example.com.",
            "a.sp.example.org",
            "ä.sp.example.com",
            "é",
            "*.sp.example.com",
        ] {
            assert!(CseDomainName::parse_in(name, &sp()).is_err(), "{name}");
        }
    }

    #[test]
    fn ae_names() {
        let registrar = CseDomainName::of_field(&cse("mn-cse-123456"), cse("in-cse").name()).unwrap();
        for (stem, name, id) in [
            ("S98821", "S98821.sp.example.com", "//sp.example.com/S98821"),
            (
                "Clight-AE1",
                "Clight-AE1.mn-cse-123456.in-cse.sp.example.com",
                "//sp.example.com/mn-cse-123456/Clight-AE1",
            ),
        ] {
            let made = AeDomainName::of_registrar(&registrar, &stem.parse().unwrap()).unwrap();
            assert_eq!(made.to_string(), name);
            assert_eq!(made.ae_id().to_string(), id);
            assert_eq!(AeDomainName::parse_in(name, &sp()).unwrap(), made);
        }
        let s: AeId = "//sp.example.com/S98821".parse().unwrap();
        assert_eq!(AeDomainName::of_provider(&s).unwrap().ae_id(), s);
        let c: AeId = "//sp.example.com/in-cse/C1".parse().unwrap();
        assert!(AeDomainName::of_provider(&c).is_err());
        assert!(AeDomainName::of_registrar(&registrar, &"C1.2".parse().unwrap()).is_err());
        assert!(AeDomainName::of_registrar(&registrar, &"C-ae".parse().unwrap()).is_ok());
        for bad in [
            "",
            "S1",
            "S1.x.sp.example.com",
            "C1.sp.example.com",
            "C1.a.b.c.sp.example.com",
            "X1.sp.example.com",
        ] {
            assert!(AeDomainName::parse_in(bad, &sp()).is_err(), "{bad}");
        }
    }
}
