//! How long something shall be kept.

use super::{AbsRelTimestamp, TimeError};
use std::fmt;
use std::str::FromStr;

/// A duration as XML Schema writes it (`xs:duration`), such as `P1Y2M3DT10H1M0S`; at most 64 octets. Kept as
/// text: years and months have no fixed length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct XsDuration(String);

const MAX_DURATION: usize = 64;

impl XsDuration {
    /// The duration as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for XsDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for XsDuration {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.len() <= MAX_DURATION && is_duration(text) {
            return Ok(Self(text.to_owned()));
        }
        Err(TimeError::Duration(crate::id::shown(text)))
    }
}

fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('-').unwrap_or(text).strip_prefix('P') else { return false };
    match rest.split_once('T') {
        Some((date, time)) => {
            !time.is_empty() && are_components(date, "YMD", false) && are_components(time, "HMS", true)
        }
        None => !rest.is_empty() && are_components(rest, "YMD", false),
    }
}

/// Whether `text` is a row of numbers, each followed by one of `units`, in that order and none twice. The
/// last unit may have a fraction where `fraction` allows it.
fn are_components(mut text: &str, units: &str, fraction: bool) -> bool {
    let mut units = units.chars().peekable();
    while !text.is_empty() {
        let Some(at) = text.find(|c: char| !c.is_ascii_digit() && c != '.') else { return false };
        let (number, after) = text.split_at(at);
        let mut after = after.chars();
        let unit = after.next();
        if !units.any(|allowed| Some(allowed) == unit) {
            return false;
        }
        let whole_or_fraction = match number.split_once('.') {
            Some((whole, part)) => {
                fraction && unit == Some('S') && !whole.is_empty() && !part.is_empty() && !part.contains('.')
            }
            None => !number.is_empty(),
        };
        if !whole_or_fraction {
            return false;
        }
        text = after.as_str();
    }
    true
}

/// How long a result shall be kept: a moment, a distance, or a duration.
///
/// The type given to Result Persistence is `m2m:absRelTimestamp` (TS-0004 §6.4.1), while the example in
/// TS-0009 §6.2.2.2 uses an `xs:duration`; both are read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ResultPersistence {
    /// A moment, or milliseconds from reception.
    Time(AbsRelTimestamp),
    /// A duration from reception.
    Duration(XsDuration),
}

impl fmt::Display for ResultPersistence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Duration(duration) => duration.fmt(f),
        }
    }
}

impl FromStr for ResultPersistence {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.contains('P') { text.parse().map(Self::Duration) } else { text.parse().map(Self::Time) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for good in ["P1Y2M3DT10H1M0S", "PT1S", "PT0.5S", "P1D", "-P1M", "PT1M", "P1MT1M", "P0Y"] {
            assert_eq!(good.parse::<XsDuration>().unwrap().as_str(), good);
        }
        let long = format!("P{}D", "1".repeat(63));
        for bad in [
            "", "P", "PT", "P1", "1D", "P1DT", "P1D1Y", "P1D1D", "PT1D", "P1H", "P1.5D", "PT.5S", "PT5.S",
            "PT1.5.5S", "P-1D", "p1d", "PT1S ", "P1DT1ST", "PT1.5M", &long,
        ] {
            assert!(bad.parse::<XsDuration>().is_err(), "{bad}");
        }
    }

    #[test]
    fn persistence() {
        for text in ["20250101T120000", "3600000", "P1Y2M3DT10H1M0S", "-5"] {
            assert_eq!(text.parse::<ResultPersistence>().unwrap().to_string(), text);
        }
        assert!(matches!("PT1H".parse(), Ok(ResultPersistence::Duration(_))));
        assert!(matches!("1".parse(), Ok(ResultPersistence::Time(AbsRelTimestamp::Relative(1)))));
        assert!("x".parse::<ResultPersistence>().is_err());
    }
}
