use std::{borrow::Cow, fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use onem2m::id::Fqdn;

use crate::{KeyError, MAX_PSK_IDENTITY_OCTETS, PskIdentity};

use super::compare_by_canonical;

const KIND: &str = "B-TID";
const EXPECTED: &str = "expected the base64 of 16 octets, `@` and the BSF's domain (3GPP TS 33.220 §4.5.2)";

/// B-TID: `base64(RAND)@BSF-FQDN`, the identifier of a GBA bootstrapping run, at most 256 octets (3GPP TS
/// 33.220 §4.5.2). It serves as `KeID`, KmID and KpsaID of keys that GBA gives (TS-0003 §8.3.2.3), although
/// `+`, `/` and `=` are outside of the alphabet of §10.5 and §10.6: no identifier of another form can be
/// taken for one.
///
/// The left part is compared exactly, the domain without letter case; the text is passed on as it was
/// written.
#[derive(Clone)]
pub struct BTid {
    text: Box<str>,
    rand: [u8; 16],
    bsf: Fqdn,
}

compare_by_canonical!(BTid);

impl BTid {
    /// The B-TID of the run with this RAND at this BSF.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the whole has more than 256 octets.
    pub fn new(rand: [u8; 16], bsf: &Fqdn) -> Result<Self, KeyError> {
        format!("{}@{bsf}", STANDARD.encode(rand)).parse()
    }

    /// RAND: the challenge of the run, 16 octets.
    #[must_use]
    pub const fn rand(&self) -> &[u8; 16] {
        &self.rand
    }

    /// The BSF that holds the key.
    #[must_use]
    pub const fn bsf(&self) -> &Fqdn {
        &self.bsf
    }

    /// The whole identifier, as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The form in which it is compared: the domain in lower case.
    #[must_use]
    pub fn canonical(&self) -> Cow<'_, str> {
        if self.text.ends_with(self.bsf.as_str()) {
            return Cow::Borrowed(&self.text);
        }
        Cow::Owned(format!("{}@{}", STANDARD.encode(self.rand), self.bsf))
    }
}

impl FromStr for BTid {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bad = || KeyError::identifier(KIND, text, EXPECTED);
        if text.len() > MAX_PSK_IDENTITY_OCTETS {
            return Err(bad());
        }
        let (rand, bsf) = text.split_once('@').ok_or_else(bad)?;
        let rand = STANDARD.decode(rand).ok().and_then(|rand| rand.try_into().ok()).ok_or_else(bad)?;
        let bsf = bsf.to_ascii_lowercase().parse().map_err(|_| bad())?;
        Ok(Self { text: text.into(), rand, bsf })
    }
}

impl fmt::Display for BTid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for BTid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BTid({})", self.text)
    }
}

impl From<&BTid> for PskIdentity {
    fn from(id: &BTid) -> Self {
        Self::of_identifier(&id.text)
    }
}

/// Which of the keys of a bootstrapping run a client says it uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GbaKey {
    /// `3GPP-bootstrapping`: the key of the mobile equipment, `Ks_NAF` or `Ks_ext_NAF`.
    Equipment,
    /// `3GPP-bootstrapping-uicc`: the key inside of the UICC, `Ks_int_NAF`.
    Uicc,
}

impl GbaKey {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Equipment => "3GPP-bootstrapping",
            Self::Uicc => "3GPP-bootstrapping-uicc",
        }
    }
}

/// A `psk_identity` of GBA: the bare B-TID as TS-0003 §8.3.2.3 has it, or with the prefix of 3GPP TS 33.222
/// §5.4 in front. The sources print `;` or `.` after the prefix; both are read, `;` is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GbaIdentity {
    /// What the prefix says; absent in the bare form.
    pub key: Option<GbaKey>,
    /// The B-TID.
    pub b_tid: BTid,
}

impl FromStr for GbaIdentity {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // The longer prefix first: it begins with the shorter one.
        for key in [GbaKey::Uicc, GbaKey::Equipment] {
            let rest = text.strip_prefix(key.prefix()).and_then(|rest| rest.strip_prefix([';', '.']));
            if let Some(b_tid) = rest {
                return Ok(Self { key: Some(key), b_tid: b_tid.parse()? });
            }
        }
        Ok(Self { key: None, b_tid: text.parse()? })
    }
}

impl fmt::Display for GbaIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(f, "{};{}", key.prefix(), self.b_tid),
            None => self.b_tid.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const B_TID: &str = "I1U8vpY3qJ0hiuZNrke/NQ==@mef.sp.example.org";

    #[test]
    fn b_tid() {
        let id: BTid = B_TID.parse().unwrap();
        assert_eq!(hex::encode(id.rand()), "23553cbe9637a89d218ae64dae47bf35");
        assert_eq!(id.bsf().as_str(), "mef.sp.example.org");
        assert_eq!(BTid::new(*id.rand(), id.bsf()).unwrap(), id);
        let shouted: BTid = "I1U8vpY3qJ0hiuZNrke/NQ==@MEF.sp.Example.org".parse().unwrap();
        assert_eq!(shouted, id);
        assert_eq!(shouted.to_string(), "I1U8vpY3qJ0hiuZNrke/NQ==@MEF.sp.Example.org");
        assert_ne!("i1U8vpY3qJ0hiuZNrke/NQ==@mef.sp.example.org".parse::<BTid>().unwrap(), id);
        for bad in [
            "",
            "@mef.sp.example.org",
            "I1U8vpY3qJ0hiuZNrke/NQ==",
            "I1U8vpY3qJ0hiuZNrke/NQ==@",
            "I1U8vpY3qJ0hiuZNrke/NQ@mef.sp.example.org",
            "I1U8vpY3qJ0hiuZNrke_NQ==@mef.sp.example.org",
            "I1U8vpY3qJ0hiuZNrke/NR==@mef.sp.example.org",
            "I1U8vpY3qJ0hiuZNrke/NTQ=@mef.sp.example.org",
            "light1@mef.sp.example.org",
        ] {
            assert!(bad.parse::<BTid>().is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes() {
        for (prefix, key) in [
            ("", None),
            ("3GPP-bootstrapping;", Some(GbaKey::Equipment)),
            ("3GPP-bootstrapping.", Some(GbaKey::Equipment)),
            ("3GPP-bootstrapping-uicc;", Some(GbaKey::Uicc)),
            ("3GPP-bootstrapping-uicc.", Some(GbaKey::Uicc)),
        ] {
            let id: GbaIdentity = format!("{prefix}{B_TID}").parse().unwrap();
            assert_eq!((id.key, id.b_tid.as_str()), (key, B_TID));
            assert_eq!(id.to_string().parse::<GbaIdentity>().unwrap(), id);
        }
        for bad in ["3GPP-bootstrapping", "3GPP-bootstrapping:", "3gpp-bootstrapping;"] {
            assert!(format!("{bad}{B_TID}").parse::<GbaIdentity>().is_err(), "{bad}");
        }
    }
}
