//! The From parameter of a request, as it was written.

use super::ae::{AeId, AeIdStem, StemKind};
use super::cse::{CseId, CseName, SpId, split_sp};
use super::text::{IdError, shown};
use std::fmt;

/// The From parameter of a request (TS-0001 §7.2, TS-0004 §7.3.2.1), read but not yet compared with anything.
///
/// Reading never fails: what has no allowed form is [`Self::Malformed`], so that the receiver's rules decide
/// in their own order which refusal is due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FromParam {
    /// No From, or an empty one: allowed in the creation of an `<AE>` only.
    Absent,
    /// The single letter `S` or `C`: the registering AE asks for a stem of this kind (TS-0001 §10.2.2.2).
    Assign(StemKind),
    /// A bare AE-ID-Stem, the form in which an AE names itself to its registrar.
    Stem(AeIdStem),
    /// `/cse`, `/Sstem` or `/cse/Cstem`: an entity of the receiver's own service provider.
    SpRelative(SpRelativeId),
    /// `//sp` and one of the SP-relative forms.
    Absolute(AbsoluteId),
    /// Anything else; what is kept is for a message (at most 64 characters, control characters escaped).
    Malformed(String),
}

impl FromParam {
    /// Reads the parameter.
    pub fn parse(text: Option<&str>) -> Self {
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            return Self::Absent;
        };
        Self::present(text).unwrap_or_else(|_| Self::Malformed(shown(text)))
    }

    fn present(text: &str) -> Result<Self, IdError> {
        Ok(match text {
            "S" => Self::Assign(StemKind::S),
            "C" => Self::Assign(StemKind::C),
            _ if text.starts_with("//") => Self::Absolute(AbsoluteId::parse(text)?),
            _ => match text.strip_prefix('/') {
                Some(rest) => Self::SpRelative(SpRelativeId::parse(text, rest)?),
                None => Self::Stem(text.parse()?),
            },
        })
    }

    /// The CSE-ID this names, if the text can be one: `sp` completes the SP-relative form.
    pub fn as_cse(&self, sp: &SpId) -> Option<CseId> {
        match self {
            Self::SpRelative(id) => id.expand(sp).cse_id(),
            Self::Absolute(id) => id.cse_id(),
            Self::Absent | Self::Assign(_) | Self::Stem(_) | Self::Malformed(_) => None,
        }
    }

    /// The AE-ID this names, if the text can be one: `registrar` completes a bare stem, its provider the
    /// SP-relative form.
    ///
    /// The caller decides whether the form is one that this speaker may use.
    pub fn as_ae(&self, registrar: &CseId) -> Option<AeId> {
        match self {
            Self::Stem(stem) => Some(AeId::of_stem(registrar, stem.clone())),
            Self::SpRelative(id) => id.expand(registrar.sp()).ae_id(),
            Self::Absolute(id) => id.ae_id(),
            Self::Absent | Self::Assign(_) | Self::Malformed(_) => None,
        }
    }
}

/// The parameter as it is written; empty when absent.
impl fmt::Display for FromParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => Ok(()),
            Self::Assign(kind) => kind.fmt(f),
            Self::Stem(stem) => stem.fmt(f),
            Self::SpRelative(id) => id.fmt(f),
            Self::Absolute(id) => id.fmt(f),
            Self::Malformed(text) => f.write_str(text),
        }
    }
}

/// An SP-relative CSE-ID or AE-ID whose kind the text may leave open: `/Sabc` is either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpRelativeId(Shape);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Shape {
    /// `/name`, which is no AE-ID.
    Cse(CseName),
    /// `/Sabc`, too long for a CSE-ID.
    SpAssigned(AeIdStem),
    /// `/Sabc`.
    Either(CseName, AeIdStem),
    /// `/cse/Cabc`.
    CseAssigned(CseName, AeIdStem),
}

impl SpRelativeId {
    fn parse(whole: &str, rest: &str) -> Result<Self, IdError> {
        let shape = match rest.split_once('/') {
            Some((cse, stem)) => {
                let (cse, stem) = (cse.parse()?, stem.parse::<AeIdStem>()?);
                if stem.kind() == StemKind::S {
                    return Err(IdError::form(
                        "AE-ID",
                        whole,
                        "an S-type AE-ID names no CSE (TS-0004 §6.2.3)",
                    ));
                }
                Shape::CseAssigned(cse, stem)
            }
            None => {
                let stem = rest.parse::<AeIdStem>().ok().filter(|stem| stem.kind() == StemKind::S);
                match (rest.parse::<CseName>(), stem) {
                    (Ok(cse), Some(stem)) => Shape::Either(cse, stem),
                    (Ok(cse), None) => Shape::Cse(cse),
                    (Err(_), Some(stem)) => Shape::SpAssigned(stem),
                    (Err(error), None) => return Err(error),
                }
            }
        };
        Ok(Self(shape))
    }

    /// The absolute form, as an entity of the domain `sp`.
    pub fn expand(&self, sp: &SpId) -> AbsoluteId {
        AbsoluteId { sp: sp.clone(), rest: self.clone() }
    }

    /// Whether the text can be a CSE-ID.
    pub fn may_be_cse(&self) -> bool {
        matches!(self.0, Shape::Cse(_) | Shape::Either(..))
    }

    /// Whether the text can be an AE-ID.
    pub fn may_be_ae(&self) -> bool {
        !matches!(self.0, Shape::Cse(_))
    }

    /// The name of the CSE that the text contains: the CSE itself in `/cse`, the registrar in `/cse/Cabc`.
    pub fn cse_part(&self) -> Option<&CseName> {
        match &self.0 {
            Shape::Cse(cse) | Shape::Either(cse, _) | Shape::CseAssigned(cse, _) => Some(cse),
            Shape::SpAssigned(_) => None,
        }
    }
}

impl fmt::Display for SpRelativeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::Cse(cse) | Shape::Either(cse, _) => write!(f, "/{cse}"),
            Shape::SpAssigned(stem) => write!(f, "/{stem}"),
            Shape::CseAssigned(cse, stem) => write!(f, "/{cse}/{stem}"),
        }
    }
}

/// An absolute CSE-ID or AE-ID whose kind the text may leave open: `//example.org/Sabc` is either.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AbsoluteId {
    sp: SpId,
    rest: SpRelativeId,
}

impl AbsoluteId {
    fn parse(text: &str) -> Result<Self, IdError> {
        let Some((sp, rest)) = split_sp(text) else {
            return Err(IdError::form("AE-ID or CSE-ID", text, "must be //SP/… (TS-0004 §6.2.3)"));
        };
        Ok(Self { sp: sp.parse()?, rest: SpRelativeId::parse(text, rest)? })
    }

    /// The service provider's part.
    pub fn sp(&self) -> &SpId {
        &self.sp
    }

    /// The part after the service provider.
    pub fn sp_relative(&self) -> &SpRelativeId {
        &self.rest
    }

    /// The CSE-ID, if the text can be one.
    pub fn cse_id(&self) -> Option<CseId> {
        match &self.rest.0 {
            Shape::Cse(cse) | Shape::Either(cse, _) => Some(CseId::new(self.sp.clone(), cse.clone())),
            Shape::SpAssigned(_) | Shape::CseAssigned(..) => None,
        }
    }

    /// The AE-ID, if the text can be one.
    pub fn ae_id(&self) -> Option<AeId> {
        match &self.rest.0 {
            Shape::Cse(_) => None,
            Shape::SpAssigned(stem) | Shape::Either(_, stem) => {
                Some(AeId::sp_assigned(self.sp.clone(), stem.clone()))
            }
            Shape::CseAssigned(cse, stem) => {
                Some(AeId::of_stem(&CseId::new(self.sp.clone(), cse.clone()), stem.clone()))
            }
        }
    }
}

impl fmt::Display for AbsoluteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.sp, self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> CseId {
        "//home.org/gw".parse().unwrap()
    }

    /// (text, as CSE-ID, as AE-ID)
    const FORMS: [(&str, Option<&str>, Option<&str>); 10] = [
        ("//myoperator.com/cse1", Some("//myoperator.com/cse1"), None),
        ("/cse1", Some("//home.org/cse1"), None),
        ("/Cse1", Some("//home.org/Cse1"), None),
        ("/S", Some("//home.org/S"), None),
        ("//myoperator.com/S563423", Some("//myoperator.com/S563423"), Some("//myoperator.com/S563423")),
        ("/S563423", Some("//home.org/S563423"), Some("//home.org/S563423")),
        ("S563423", None, Some("//home.org/S563423")),
        ("//myoperator.com/cse2/C3532ea3", None, Some("//myoperator.com/cse2/C3532ea3")),
        ("/cse2/C3532ea3", None, Some("//home.org/cse2/C3532ea3")),
        ("C3532ea3", None, Some("//home.org/gw/C3532ea3")),
    ];

    #[test]
    fn every_form() {
        for (text, cse, ae) in FORMS {
            let from = FromParam::parse(Some(text));
            assert!(!matches!(from, FromParam::Malformed(_)), "{text}");
            assert_eq!(from.as_cse(home().sp()).map(|id| id.to_string()).as_deref(), cse, "{text}");
            assert_eq!(from.as_ae(&home()).map(|id| id.to_string()).as_deref(), ae, "{text}");
            assert_eq!(from.to_string(), text);
        }
    }

    #[test]
    fn no_name_at_all() {
        assert_eq!(FromParam::parse(None), FromParam::Absent);
        assert_eq!(FromParam::parse(Some("")), FromParam::Absent);
        assert_eq!(FromParam::parse(Some("S")), FromParam::Assign(StemKind::S));
        assert_eq!(FromParam::parse(Some("C")), FromParam::Assign(StemKind::C));
        for text in [None, Some("S"), Some("C")] {
            assert_eq!(FromParam::parse(text).as_ae(&home()), None);
            assert_eq!(FromParam::parse(text).as_cse(home().sp()), None);
        }
    }

    #[test]
    fn malformed() {
        for text in [
            "/",
            "//",
            "///",
            "cse1",
            "Xlight",
            "//MyOperator.com/cse1",
            "/cse 1",
            "/cse1/",
            "/cse1/S123",
            "//x.com/cse1/D12",
            "//x.com",
            "//x.com/",
            " ",
            " C1",
            "C1 ",
            "C1/",
            "C1/x",
            "/a/C1/x",
            "/..",
            "//x.com/..",
            "C%31",
            "s1",
            "c1",
            "/~",
            "http://x.com/a",
        ] {
            let from = FromParam::parse(Some(text));
            assert_eq!(from, FromParam::Malformed(text.to_owned()), "{text}");
            assert_eq!((from.as_ae(&home()), from.as_cse(home().sp())), (None, None));
        }
    }

    #[test]
    fn a_long_sp_assigned_stem_is_no_cse() {
        let text = format!("/S{}", "a".repeat(86));
        let FromParam::SpRelative(id) = FromParam::parse(Some(&text)) else { panic!("{text}") };
        assert!(id.may_be_ae() && !id.may_be_cse() && id.cse_part().is_none());
        assert_eq!(id.to_string(), text);
        assert!(id.expand(home().sp()).ae_id().is_some());
    }
}
