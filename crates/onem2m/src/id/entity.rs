//! An AE-ID or CSE-ID together with which of the two it is.

use super::ae::AeId;
use super::cse::{CseId, SpId};
use super::text::IdError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What kind of entity an identifier names. The text cannot tell: `/Sabc` may be a CSE-ID or an S-type AE-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityKind {
    /// An application entity.
    Ae,
    /// A common services entity.
    Cse,
}

impl EntityKind {
    /// `ae` or `cse`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ae => "ae",
            Self::Cse => "cse",
        }
    }
}

impl fmt::Display for EntityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for EntityKind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "ae" => Ok(Self::Ae),
            "cse" => Ok(Self::Cse),
            _ => Err(IdError::form("entity kind", text, "must be ae or cse")),
        }
    }
}

/// The identity of an AE or a CSE. As text it is the absolute form; serde writes `{"ae": "//…"}` or `{"cse":
/// "//…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntityId {
    /// An application entity.
    Ae(AeId),
    /// A common services entity.
    Cse(CseId),
}

impl EntityId {
    /// Reads the absolute identifier of an entity of this kind.
    ///
    /// # Errors
    /// [`IdError`] when the text is not one.
    pub fn parse(kind: EntityKind, text: &str) -> Result<Self, IdError> {
        Ok(match kind {
            EntityKind::Ae => Self::Ae(text.parse()?),
            EntityKind::Cse => Self::Cse(text.parse()?),
        })
    }

    /// Reads the absolute identifier, or the SP-relative one as one of the domain `sp`.
    ///
    /// # Errors
    /// [`IdError`] when the text is neither.
    pub fn parse_in(kind: EntityKind, text: &str, sp: &SpId) -> Result<Self, IdError> {
        Ok(match kind {
            EntityKind::Ae => Self::Ae(AeId::parse_in(text, sp)?),
            EntityKind::Cse => Self::Cse(CseId::parse_in(text, sp)?),
        })
    }

    /// What kind of entity it is.
    pub fn kind(&self) -> EntityKind {
        match self {
            Self::Ae(_) => EntityKind::Ae,
            Self::Cse(_) => EntityKind::Cse,
        }
    }

    /// The service provider's part.
    pub fn sp(&self) -> &SpId {
        match self {
            Self::Ae(id) => id.sp(),
            Self::Cse(id) => id.sp(),
        }
    }

    /// The AE-ID, if it is one.
    pub fn ae(&self) -> Option<&AeId> {
        match self {
            Self::Ae(id) => Some(id),
            Self::Cse(_) => None,
        }
    }

    /// The CSE-ID, if it is one.
    pub fn cse(&self) -> Option<&CseId> {
        match self {
            Self::Ae(_) => None,
            Self::Cse(id) => Some(id),
        }
    }
}

impl From<AeId> for EntityId {
    fn from(id: AeId) -> Self {
        Self::Ae(id)
    }
}

impl From<CseId> for EntityId {
    fn from(id: CseId) -> Self {
        Self::Cse(id)
    }
}

impl fmt::Display for EntityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ae(id) => id.fmt(f),
            Self::Cse(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_two_entities() {
        let ae = EntityId::parse(EntityKind::Ae, "//example.org/Sabc").unwrap();
        let cse = EntityId::parse(EntityKind::Cse, "//example.org/Sabc").unwrap();
        assert_eq!(ae.to_string(), cse.to_string());
        assert_ne!(ae, cse);
        assert_eq!((ae.kind(), cse.kind()), (EntityKind::Ae, EntityKind::Cse));
        assert!(ae.ae().is_some() && ae.cse().is_none() && cse.ae().is_none() && cse.cse().is_some());
    }

    #[test]
    fn serde_keeps_the_kind() {
        let cse = EntityId::parse(EntityKind::Cse, "//example.org/Sabc").unwrap();
        let text = serde_json::to_string(&cse).unwrap();
        assert_eq!(text, r#"{"cse":"//example.org/Sabc"}"#);
        assert_eq!(serde_json::from_str::<EntityId>(&text).unwrap(), cse);
        assert_eq!("cse".parse::<EntityKind>().unwrap(), EntityKind::Cse);
        assert!("CSE".parse::<EntityKind>().is_err());
    }
}
