//! Points in time as oneM2M writes them, and where "now" comes from (TS-0004 §6.3.3).

mod clock;
mod persistence;

pub use clock::{Clock, ManualClock, SystemClock};
pub use persistence::{ResultPersistence, XsDuration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

const MICROS_PER_SECOND: i64 = 1_000_000;
/// 0000-01-01T00:00:00 and 9999-12-31T23:59:59.999999, the limits of four digits.
const EARLIEST: i64 = -62_167_219_200 * MICROS_PER_SECOND;
const LATEST: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;

/// A text or number that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text has not the form of an `m2m:timestamp`.
    #[error(
        "timestamp \"{0}\": must be YYYYMMDDThhmmss in UTC, with up to six digits after a comma (TS-0004 §6.3.3)"
    )]
    Form(String),
    /// The text has the form, but there is no such day or time of day.
    #[error("timestamp \"{0}\": no such date or time of day")]
    NoSuchTime(String),
    /// The text is neither a timestamp nor a whole number of milliseconds.
    #[error("time \"{0}\": must be YYYYMMDDThhmmss in UTC, or whole milliseconds from now (TS-0004 §6.3.3)")]
    NeitherForm(String),
    /// The text is no `xs:duration`.
    #[error("duration \"{0}\": must be written as XML Schema does, such as P1DT12H")]
    Duration(String),
}

/// A moment in UTC with a resolution of one microsecond, from year 0000 to 9999 (`m2m:timestamp`, TS-0004
/// §6.3.3).
///
/// As text `YYYYMMDDThhmmss`, with a comma and six digits when it is not a whole second; one to six digits
/// are read. There are no leap seconds: `…60` is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00.
    pub const UNIX_EPOCH: Self = Self(0);
    /// The earliest moment: year 0000.
    pub const MIN: Self = Self(EARLIEST);
    /// The latest moment: the last microsecond of year 9999.
    pub const MAX: Self = Self(LATEST);

    /// The moment so many microseconds after 1970-01-01T00:00:00 UTC; `None` outside the years 0000 to 9999.
    pub const fn from_unix_micros(micros: i64) -> Option<Self> {
        if micros < EARLIEST || micros > LATEST { None } else { Some(Self(micros)) }
    }

    /// Microseconds since 1970-01-01T00:00:00 UTC.
    pub const fn unix_micros(self) -> i64 {
        self.0
    }

    /// The moment so much later; `None` after year 9999. Nanoseconds are cut off.
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        Self::from_unix_micros(self.0.checked_add(micros)?)
    }

    /// The moment so much earlier; `None` before year 0000. Nanoseconds are cut off.
    pub fn checked_sub(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        Self::from_unix_micros(self.0.checked_sub(micros)?)
    }

    /// The moment so much later, or the latest one.
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// How long after `earlier` this is; `None` when it is before.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        u64::try_from(self.0 - earlier.0).ok().map(Duration::from_micros)
    }

    /// The same moment without its fraction of a second.
    pub fn whole_seconds(self) -> Self {
        Self(self.0 - self.0.rem_euclid(MICROS_PER_SECOND))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp(self.0.div_euclid(MICROS_PER_SECOND))
            .map_err(|_| fmt::Error)?;
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        write!(f, "{year:04}{month:02}{day:02}T{:02}{:02}{:02}", at.hour(), at.minute(), at.second())?;
        match self.0.rem_euclid(MICROS_PER_SECOND) {
            0 => Ok(()),
            fraction => write!(f, ",{fraction:06}"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let form = || TimeError::Form(crate::id::shown(text));
        let (whole, fraction) = match text.split_once(',') {
            Some((whole, fraction)) => (whole, micros(fraction).ok_or_else(form)?),
            None => (text, 0),
        };
        let (day, time) = whole.split_once('T').ok_or_else(form)?;
        if day.len() != 8 || time.len() != 6 {
            return Err(form());
        }
        let digits = |text: &str, from: usize, to: usize| -> Result<u16, TimeError> {
            text.get(from..to).and_then(number).and_then(|n| u16::try_from(n).ok()).ok_or_else(form)
        };
        let two = |text: &str, from: usize| -> Result<u8, TimeError> {
            u8::try_from(digits(text, from, from + 2)?).map_err(|_| form())
        };
        let (year, month, date) = (digits(day, 0, 4)?, two(day, 4)?, two(day, 6)?);
        let (hour, minute, second) = (two(time, 0)?, two(time, 2)?, two(time, 4)?);
        let at = Month::try_from(month)
            .and_then(|month| Date::from_calendar_date(year.into(), month, date))
            .and_then(|date| Ok(PrimitiveDateTime::new(date, Time::from_hms(hour, minute, second)?)))
            .map_err(|_| TimeError::NoSuchTime(crate::id::shown(text)))?;
        Ok(Self(at.assume_utc().unix_timestamp() * MICROS_PER_SECOND + fraction))
    }
}

/// The value of one to six digits after the comma, in microseconds.
fn micros(fraction: &str) -> Option<i64> {
    let scale = 10_i64.checked_pow(6_u32.checked_sub(u32::try_from(fraction.len()).ok()?)?)?;
    Some(number(fraction)? * scale)
}

/// The value of a text of decimal digits, without any sign.
fn number(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A moment, or a distance from the moment of reception (`m2m:absRelTimestamp`, TS-0004 §6.3.3).
///
/// The standard gives no unit for the distance; milliseconds is how everybody reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbsRelTimestamp {
    /// A moment.
    Absolute(Timestamp),
    /// Milliseconds after reception; a negative value is a moment that has passed.
    Relative(i64),
}

impl AbsRelTimestamp {
    /// The moment meant, by a receiver for which it is `now`; one beyond the years 0000 to 9999 becomes the
    /// nearest moment within.
    pub fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Absolute(at) => at,
            Self::Relative(millis) => {
                Timestamp(now.0.saturating_add(millis.saturating_mul(1000)).clamp(EARLIEST, LATEST))
            }
        }
    }
}

impl From<Timestamp> for AbsRelTimestamp {
    fn from(at: Timestamp) -> Self {
        Self::Absolute(at)
    }
}

impl fmt::Display for AbsRelTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absolute(at) => at.fmt(f),
            Self::Relative(millis) => millis.fmt(f),
        }
    }
}

impl FromStr for AbsRelTimestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        if text.contains('T') {
            return text.parse().map(Self::Absolute);
        }
        text.parse().map(Self::Relative).map_err(|_| TimeError::NeitherForm(crate::id::shown(text)))
    }
}

impl Serialize for AbsRelTimestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AbsRelTimestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(i64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(millis) => Ok(Self::Relative(millis)),
            Written::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn known_moments() {
        for (text, micros) in [
            ("19700101T000000", 0),
            ("19700101T000000,000001", 1),
            ("19691231T235959,999999", -1),
            ("20141003T112032", 1_412_335_232_000_000),
            ("20240229T000000", 1_709_164_800_000_000),
            ("00000101T000000", EARLIEST),
            ("99991231T235959,999999", LATEST),
        ] {
            assert_eq!(at(text).unix_micros(), micros, "{text}");
            assert_eq!(Timestamp::from_unix_micros(micros).unwrap().to_string(), text);
        }
        assert_eq!(Timestamp::from_unix_micros(LATEST + 1), None);
        assert_eq!(Timestamp::from_unix_micros(EARLIEST - 1), None);
    }

    #[test]
    fn fractions_of_one_to_six_digits() {
        assert_eq!(at("20141003T112032,5").to_string(), "20141003T112032,500000");
        assert_eq!(at("20141003T112032,05"), at("20141003T112032,050000"));
        assert_eq!(at("20141003T112032,000000").to_string(), "20141003T112032");
        assert_eq!(at("20141003T112032,999").whole_seconds(), at("20141003T112032"));
        assert_eq!(at("19691231T235959,5").whole_seconds(), at("19691231T235959"));
    }

    #[test]
    fn not_timestamps() {
        for bad in [
            "",
            "T",
            "20141003",
            "20141003T",
            "20141003T1120",
            "20141003T112032Z",
            "20141003T112032+0100",
            "2014-10-03T11:20:32",
            "20141003t112032",
            "20141003T112032.5",
            "20141003T112032,",
            "20141003T112032,1234567",
            "20141003T112032,-1",
            "20141003T112032,5,5",
            "+2014103T112032",
            "20141003 112032",
            "20141003T+12032",
            "２０141003T112032",
        ] {
            assert!(matches!(bad.parse::<Timestamp>(), Err(TimeError::Form(_))), "{bad}");
        }
        for bad in [
            "20141303T112032",
            "20140003T112032",
            "20230229T000000",
            "20141003T242032",
            "20141003T116032",
            "20161231T235960",
        ] {
            assert!(matches!(bad.parse::<Timestamp>(), Err(TimeError::NoSuchTime(_))), "{bad}");
        }
    }

    #[test]
    fn arithmetic() {
        let start = at("20141003T112032");
        let minute = Duration::from_secs(60);
        assert_eq!(start.checked_add(minute), Some(at("20141003T112132")));
        assert_eq!(start.checked_sub(minute), Some(at("20141003T111932")));
        assert_eq!(start.checked_add(minute).unwrap().since(start), Some(minute));
        assert_eq!(start.since(at("20141003T112033")), None);
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_micros(1)), None);
        assert_eq!(Timestamp::MIN.checked_sub(Duration::from_micros(1)), None);
        assert_eq!(start.checked_add(Duration::MAX), None);
        assert_eq!(start.saturating_add(Duration::MAX), Timestamp::MAX);
        assert!(start < at("20141003T112032,000001"));
    }

    #[test]
    fn absolute_or_relative() {
        let now = at("20141003T112032");
        let cases = [
            ("20141003T122032", "20141003T122032"),
            ("3600000", "20141003T122032"),
            ("-1000", "20141003T112031"),
        ];
        for (text, meant) in cases {
            let time: AbsRelTimestamp = text.parse().unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(time.resolve(now), at(meant));
        }
        assert_eq!(AbsRelTimestamp::Relative(i64::MAX).resolve(now), Timestamp::MAX);
        assert_eq!(AbsRelTimestamp::Relative(i64::MIN).resolve(now), Timestamp::MIN);
        for bad in ["", "x", "1.5", "1e3", "PT1H", "99999999999999999999", "1 "] {
            assert!(bad.parse::<AbsRelTimestamp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn json() {
        let time: AbsRelTimestamp = serde_json::from_str("5000").unwrap();
        assert_eq!(time, AbsRelTimestamp::Relative(5000));
        assert_eq!(serde_json::to_string(&time).unwrap(), "\"5000\"");
        assert_eq!(serde_json::from_str::<AbsRelTimestamp>("\"5000\"").unwrap(), time);
        assert!(serde_json::from_str::<AbsRelTimestamp>("1.5").is_err());
        assert_eq!(serde_json::to_string(&at("20141003T112032")).unwrap(), "\"20141003T112032\"");
        assert!(serde_json::from_str::<Timestamp>("20141003").is_err());
    }
}
