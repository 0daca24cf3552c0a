//! From when to when.

use std::time::Duration;

use der::{
    DateTime,
    asn1::{GeneralizedTime, UtcTime},
};
use onem2m::time::Timestamp;
use x509_cert::time::Time;

use crate::PkiError;

/// First and last moment of a certificate, whole seconds (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    not_before: Timestamp,
    not_after: Timestamp,
}

impl Validity {
    /// From one moment to another, fractions of seconds cut off.
    ///
    /// # Errors
    /// [`PkiError::Validity`] if the end is not after the beginning, or the beginning is before 1970.
    pub fn new(not_before: Timestamp, not_after: Timestamp) -> Result<Self, PkiError> {
        let (not_before, not_after) = (not_before.whole_seconds(), not_after.whole_seconds());
        let bad = |problem| PkiError::Validity { not_before, not_after, problem };
        if not_after <= not_before {
            return Err(bad("the end must be after the beginning"));
        }
        if not_before < Timestamp::UNIX_EPOCH {
            return Err(bad("must begin in 1970 or later"));
        }
        Ok(Self { not_before, not_after })
    }

    /// From `now` for so many days.
    ///
    /// # Errors
    /// [`PkiError::Validity`] as [`Self::new`]; a span beyond the year 9999 ends with it.
    pub fn days(now: Timestamp, days: u32) -> Result<Self, PkiError> {
        Self::new(now, now.saturating_add(Duration::from_secs(u64::from(days) * 86_400)))
    }

    /// The first moment.
    #[must_use]
    pub const fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// The last moment.
    #[must_use]
    pub const fn not_after(&self) -> Timestamp {
        self.not_after
    }

    pub(crate) fn encoded(&self) -> Result<x509_cert::time::Validity, PkiError> {
        Ok(x509_cert::time::Validity::new(time(self.not_before)?, time(self.not_after)?))
    }
}

/// `UTCTime` up to 2049, `GeneralizedTime` from 2050 on (RFC 5280 §4.1.2.5).
pub(crate) fn time(at: Timestamp) -> Result<Time, PkiError> {
    let at = date_time(at)?;
    Ok(UtcTime::from_date_time(at)
        .map_or_else(|_| Time::GeneralTime(GeneralizedTime::from_date_time(at)), Time::UtcTime))
}

fn date_time(at: Timestamp) -> Result<DateTime, PkiError> {
    let since = at.since(Timestamp::UNIX_EPOCH).unwrap_or_default();
    DateTime::from_unix_duration(Duration::from_secs(since.as_secs())).map_err(PkiError::der("time"))
}

/// `GeneralizedTime` always, as OCSP writes it (RFC 6960 §4.2.1).
pub(crate) fn generalized(at: Timestamp) -> Result<GeneralizedTime, PkiError> {
    Ok(GeneralizedTime::from_date_time(date_time(at)?))
}
