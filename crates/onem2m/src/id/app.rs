//! App-ID.

use super::text::{self, IdError, MAX_ID, text_newtype};
use std::str::FromStr;

/// How an App-ID came to be, told by its first letter (TS-0001 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AppIdKind {
    /// `R`, or `r` up to release 3: registered with an authority, unique in the world.
    Registered,
    /// `N`: chosen freely, unique nowhere.
    NonRegistered,
}

/// An App-ID (TS-0001 §7.2): `R` or `r` and the registered name, or `N` and any name; 2 to 255 octets.
///
/// White space and control characters are refused, and `*`, which is the wildcard of the patterns that
/// App-IDs are matched with (`allowedApp-IDs`). The dotted form of a registered App-ID is a recommendation
/// only ([`Self::follows_registered_form`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(String);

impl AppId {
    /// How it came to be.
    pub fn kind(&self) -> AppIdKind {
        if self.0.starts_with('N') { AppIdKind::NonRegistered } else { AppIdKind::Registered }
    }

    /// Whether it has the form that TS-0001 §7.2 recommends for a registered one: a capital `R`, then
    /// authority, reversed domain name and application name, separated by dots. Release 4 forbids the letter
    /// `r`.
    pub fn follows_registered_form(&self) -> bool {
        let Some(rest) = self.0.strip_prefix('R') else { return false };
        rest.split('.').count() >= 3 && rest.split('.').all(|part| !part.is_empty())
    }
}

text_newtype!(AppId);

impl FromStr for AppId {
    type Err = IdError;

    fn from_str(id: &str) -> Result<Self, IdError> {
        const WHAT: &str = "App-ID";
        text::length(WHAT, id, MAX_ID)?;
        text::alphabet(WHAT, id, "visible characters other than \"*\"", |c| {
            !c.is_control() && !c.is_whitespace() && c != '*'
        })?;
        if !id.starts_with(['R', 'r', 'N']) {
            return Err(IdError::form(
                WHAT,
                id,
                "must start with R (registered) or N (not registered) (TS-0001 §7.2)",
            ));
        }
        if id.len() == 1 {
            return Err(IdError::form(WHAT, id, "must have a name after its first letter (TS-0001 §7.2)"));
        }
        Ok(Self(id.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses() {
        for (good, kind, form) in [
            ("Ra01.com.company.smartcity", AppIdKind::Registered, true),
            ("ra01.com.company.smartcity", AppIdKind::Registered, false),
            ("Rx", AppIdKind::Registered, false),
            ("Ra..b", AppIdKind::Registered, false),
            ("Nk836-t071-fc022", AppIdKind::NonRegistered, false),
        ] {
            let id: AppId = good.parse().unwrap();
            assert_eq!((id.as_str(), id.kind(), id.follows_registered_form()), (good, kind, form));
        }
        let long = format!("N{}", "a".repeat(255));
        for bad in ["", "N", "R", "r", "nabc", "light", "N a", "N\n", "N*", "*", "1", &long] {
            assert!(bad.parse::<AppId>().is_err(), "{bad}");
        }
    }
}
