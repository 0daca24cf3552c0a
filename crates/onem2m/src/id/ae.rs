//! AE-ID-Stem and AE-ID.

use super::cse::{CseId, CseName, MAX_CSE_NAME, MAX_SP_ID, SpId, split_sp};
use super::text::{self, IdError, MAX_ID, text_conversions, text_newtype};
use std::fmt;
use std::str::FromStr;

/// The longest AE-ID-Stem, in octets, its letter included.
pub const MAX_AE_ID_STEM: usize = 87;

const _: () = assert!(MAX_SP_ID + 1 + MAX_CSE_NAME + 1 + MAX_AE_ID_STEM == MAX_ID);

/// Who assigned an AE-ID-Stem, told by its first letter (TS-0001 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StemKind {
    /// The service provider: unique in its domain.
    S,
    /// The registrar CSE: unique at that CSE.
    C,
}

impl StemKind {
    /// The letter with which such a stem begins.
    pub fn letter(self) -> char {
        match self {
            Self::S => 'S',
            Self::C => 'C',
        }
    }
}

impl fmt::Display for StemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Write::write_char(f, self.letter())
    }
}

/// An AE-ID-Stem: `S` or `C` and at least one more character, 87 octets at most (TS-0004 §6.2.3).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AeIdStem(String);

const STEM: &str = "AE-ID-Stem";

impl AeIdStem {
    /// A stem that this side hands out: the letter of `kind`, then `rest` in the narrow alphabet.
    ///
    /// # Errors
    /// [`IdError`] when `rest` is empty, too long or outside the narrow alphabet.
    pub fn issue(kind: StemKind, rest: &str) -> Result<Self, IdError> {
        let stem = format!("{kind}{rest}").parse::<Self>()?;
        text::narrow_segment(STEM, rest)?;
        Ok(stem)
    }

    /// Who assigned it.
    pub fn kind(&self) -> StemKind {
        if self.0.starts_with('S') { StemKind::S } else { StemKind::C }
    }

    /// Whether the part after the letter keeps to the grammar of TS-0004 §6.2.3.
    pub fn is_narrow(&self) -> bool {
        self.0.get(1..).is_some_and(text::is_narrow)
    }
}

text_newtype!(AeIdStem);

impl FromStr for AeIdStem {
    type Err = IdError;

    fn from_str(stem: &str) -> Result<Self, IdError> {
        text::wide_segment(STEM, stem, MAX_AE_ID_STEM)?;
        if !stem.starts_with(['S', 'C']) {
            return Err(IdError::form(STEM, stem, "must start with C or S (TS-0004 §6.2.3)"));
        }
        if stem.len() == 1 {
            return Err(IdError::form(
                STEM,
                stem,
                "must have a character after its first letter (TS-0004 §6.2.3)",
            ));
        }
        Ok(Self(stem.to_owned()))
    }
}

/// An AE-ID in absolute form: `//example.org/Sabc`, or with the registrar CSE `//example.org/mn-cse/Cabc`
/// (TS-0001 §7.2, TS-0004 §6.2.3). At most 255 octets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AeId {
    sp: SpId,
    /// Present exactly when the stem is of kind C.
    registrar: Option<CseName>,
    stem: AeIdStem,
}

const ABSOLUTE_FORM: &str =
    "must be absolute: //SP/cse/C… or //SP/S…, such as //example.org/mn-cse/Clamp (TS-0004 §6.2.3)";
const AE_FORM: &str = "must be /cse/C… or /S…, with //SP in front when absolute, such as //example.org/mn-cse/Clamp (TS-0004 §6.2.3)";

impl AeId {
    /// The AE that uses `stem` at the CSE `registrar`. The name of the CSE becomes part of the AE-ID for a
    /// C-type stem only.
    pub fn of_stem(registrar: &CseId, stem: AeIdStem) -> Self {
        let name = match stem.kind() {
            StemKind::C => Some(registrar.name().clone()),
            StemKind::S => None,
        };
        Self { sp: registrar.sp().clone(), registrar: name, stem }
    }

    /// The AE to which the provider `sp` gave the S-type `stem`.
    pub(super) fn sp_assigned(sp: SpId, stem: AeIdStem) -> Self {
        debug_assert_eq!(stem.kind(), StemKind::S);
        Self { sp, registrar: None, stem }
    }

    /// Reads the absolute form, or the SP-relative form (`/mn-cse/Cabc`, `/Sabc`) as one of the domain `sp`.
    /// A bare stem is refused: it means nothing without its registrar ([`Self::of_stem`]).
    ///
    /// # Errors
    /// [`IdError`] when the text is neither.
    pub fn parse_in(text: &str, sp: &SpId) -> Result<Self, IdError> {
        if text.starts_with("//") {
            return text.parse();
        }
        let Some(rest) = text.strip_prefix('/') else {
            return Err(IdError::form("AE-ID", text, AE_FORM));
        };
        Self::after_slash(text, sp.clone(), rest)
    }

    fn after_slash(whole: &str, sp: SpId, rest: &str) -> Result<Self, IdError> {
        let (registrar, stem) = match rest.split_once('/') {
            Some((cse, stem)) => (Some(cse.parse::<CseName>()?), stem.parse::<AeIdStem>()?),
            None => (None, rest.parse::<AeIdStem>()?),
        };
        match (stem.kind(), &registrar) {
            (StemKind::C, Some(_)) | (StemKind::S, None) => Ok(Self { sp, registrar, stem }),
            (StemKind::C, None) | (StemKind::S, Some(_)) => Err(IdError::form("AE-ID", whole, AE_FORM)),
        }
    }

    /// The part that the AE itself writes in From.
    pub fn stem(&self) -> &AeIdStem {
        &self.stem
    }

    /// The service provider's part.
    pub fn sp(&self) -> &SpId {
        &self.sp
    }

    /// The name of the registrar CSE: present in a C-type AE-ID, absent from an S-type one.
    pub fn registrar(&self) -> Option<&CseName> {
        self.registrar.as_ref()
    }

    /// The SP-relative form: `/Sabc` or `/mn-cse/Cabc`.
    pub fn sp_relative(&self) -> String {
        match &self.registrar {
            Some(cse) => format!("/{cse}/{}", self.stem),
            None => format!("/{}", self.stem),
        }
    }

    /// Whether all parts keep to the grammar of TS-0004 §6.2.3.
    pub fn is_narrow(&self) -> bool {
        self.stem.is_narrow() && self.registrar.as_ref().is_none_or(CseName::is_narrow)
    }
}

impl fmt::Display for AeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.registrar {
            Some(cse) => write!(f, "{}/{cse}/{}", self.sp, self.stem),
            None => write!(f, "{}/{}", self.sp, self.stem),
        }
    }
}

impl FromStr for AeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let Some((sp, rest)) = split_sp(text) else {
            return Err(IdError::form("AE-ID", text, ABSOLUTE_FORM));
        };
        Self::after_slash(text, sp.parse()?, rest)
    }
}

text_conversions!(AeId);

#[cfg(test)]
mod tests {
    use super::*;

    fn registrar() -> CseId {
        "//sp.example.com/mn-cse-123456".parse().unwrap()
    }

    #[test]
    fn stems() {
        for (good, kind) in [("C190XX7T", StemKind::C), ("Sa3e3f3ab", StemKind::S), ("C-ae1", StemKind::C)] {
            let stem: AeIdStem = good.parse().unwrap();
            assert_eq!((stem.as_str(), stem.kind()), (good, kind));
        }
        for bad in ["", "S", "C", "Xlight", "cabc", "sabc", "/Cabc", "C/a", "C a", "C#a", "Cä", "C%41"] {
            assert!(bad.parse::<AeIdStem>().is_err(), "{bad}");
        }
        assert_eq!(
            "Xlight".parse::<AeIdStem>().unwrap_err().to_string(),
            "AE-ID-Stem \"Xlight\": must start with C or S (TS-0004 §6.2.3)"
        );
        assert!(format!("C{}", "a".repeat(86)).parse::<AeIdStem>().is_ok());
        assert!(format!("C{}", "a".repeat(87)).parse::<AeIdStem>().is_err());
    }

    #[test]
    fn issued_stems_are_narrow() {
        assert_eq!(AeIdStem::issue(StemKind::C, "light1").unwrap().as_str(), "Clight1");
        for bad in ["", "-ae1", "~a", "a/b", "a~"] {
            assert!(AeIdStem::issue(StemKind::S, bad).is_err(), "{bad}");
        }
        assert!(!"C-ae1".parse::<AeIdStem>().unwrap().is_narrow());
        assert!("C1-ae".parse::<AeIdStem>().unwrap().is_narrow());
    }

    #[test]
    fn expansion() {
        let c = AeId::of_stem(&registrar(), "Clight-AE1".parse().unwrap());
        assert_eq!(c.to_string(), "//sp.example.com/mn-cse-123456/Clight-AE1");
        assert_eq!(c.sp_relative(), "/mn-cse-123456/Clight-AE1");
        assert_eq!(c.registrar(), Some(registrar().name()));
        let s = AeId::of_stem(&registrar(), "S98821".parse().unwrap());
        assert_eq!(
            (s.to_string().as_str(), s.sp_relative().as_str()),
            ("//sp.example.com/S98821", "/S98821")
        );
        assert_eq!(s.registrar(), None);
        for id in [c, s] {
            assert_eq!(id.to_string().parse::<AeId>().unwrap(), id);
            assert_eq!(AeId::parse_in(&id.sp_relative(), registrar().sp()).unwrap(), id);
        }
    }

    #[test]
    fn not_ae_ids() {
        let sp = registrar().sp().clone();
        for bad in [
            "",
            "/",
            "//",
            "S",
            "Clight",
            "Slight",
            "/Clight",
            "/cse1/S123",
            "/cse1/D12",
            "//x.com/cse1/D12",
            "/cse1/",
            "//x.com",
            "//x.com/",
            "//x.com/Cabc",
            "//x.com/cse/Cabc/",
            "//x.com/cse/Cabc/x",
            "/S",
            "/cse/C",
            "/cse//C1",
        ] {
            assert!(AeId::parse_in(bad, &sp).is_err(), "{bad}");
            assert!(bad.parse::<AeId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_fits() {
        let sp = format!("//{}b", "a".repeat(63) + "." + &"a".repeat(35));
        let id = format!("{sp}/{}/C{}", "c".repeat(64), "d".repeat(86));
        assert_eq!(id.len(), MAX_ID);
        assert_eq!(id.parse::<AeId>().unwrap().to_string(), id);
    }
}
