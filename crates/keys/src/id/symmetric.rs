use std::{fmt, str::FromStr};

use crate::{KeyError, KeyIdentifier, PairwiseE2eKeyId};

/// The identifier of a symmetric key of end-to-end security, as `kid` and as the value of Credential-IDs 13
/// to 16: pairwiseESPrimKeyID and "generic symmetric key identifier" (TS-0003 §8.4.2, table 12.3.2.1-1). No
/// clause gives it a form; these two occur.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SymmetricKeyId {
    /// `relative@FQDN`: provisioned, or from a MAF or MEF.
    Key(KeyIdentifier),
    /// 32 hexadecimal digits: from a handshake between the end points.
    EndToEnd(PairwiseE2eKeyId),
}

impl fmt::Display for SymmetricKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => id.fmt(f),
            Self::EndToEnd(id) => id.fmt(f),
        }
    }
}

impl FromStr for SymmetricKeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.contains('@') {
            return text.parse().map(Self::Key);
        }
        text.parse().map(Self::EndToEnd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_tells_the_forms_apart() {
        for (text, end_to_end) in [
            ("A0B1C2D3E4F5061728394A5B6C7D8E9F", true),
            ("A0B1C2D3E4F5061728394A5B6C7D8E9F@maf.example.com", false),
        ] {
            let id: SymmetricKeyId = text.parse().unwrap();
            assert_eq!(matches!(id, SymmetricKeyId::EndToEnd(_)), end_to_end);
            assert_eq!(id.to_string(), text);
        }
        for bad in ["", "k", "@maf.example.com", "k@"] {
            assert!(bad.parse::<SymmetricKeyId>().is_err(), "{bad}");
        }
    }
}
