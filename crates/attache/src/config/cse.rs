use std::{num::NonZeroU16, path::PathBuf, time::Duration};

use identity::{CseType, Home};
use onem2m::{
    id::{CseId, CseName, ResourceName},
    resource::PointOfAccess,
};
use serde::{Deserialize, Deserializer, de::Error};

/// `[cse]`: who the registrar is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CseSection {
    /// Absolute CSE-ID, e.g. `//example.org/mn-cse-123456`.
    #[serde(deserialize_with = "parsed")]
    pub(crate) id: CseId,
    /// `in`, `mn` or `asn`.
    #[serde(default = "mn")]
    kind: CseKind,
    /// The IN-CSE of the service provider, by the last part of its CSE-ID, where that is another CSE: the public
    /// domain names in certificates of CSEs in the field end with its name (TS-0001 §6.5.1.1).
    #[serde(default, deserialize_with = "parsed_maybe")]
    pub(crate) infrastructure: Option<CseName>,
    /// resourceName of the `<CSEBase>`.
    #[serde(deserialize_with = "parsed")]
    pub(crate) base_name: ResourceName,
    /// Release versions that it supports.
    #[serde(default = "releases", deserialize_with = "known_releases")]
    releases: Vec<String>,
    /// URIs under which registrees reach it. Default: one for each listener.
    #[serde(default, deserialize_with = "parsed_each")]
    pub(crate) points_of_access: Vec<PointOfAccess>,
    /// Longest life of a registration that is not renewed, in days.
    #[serde(default = "a_year")]
    registration_days: NonZeroU16,
    /// `auto` or `enforce`: when registrations of AEs are held against service rules.
    #[serde(default)]
    service_subscription: Subscription,
    /// A file of service rules, which take the place of those in the store at each start and at SIGHUP.
    pub(crate) service_rules: Option<PathBuf>,
    /// `nothing` or `anything`: what `app_ids` and `ae_ids` allow that a service rule leaves out.
    #[serde(default)]
    absent_rule_lists: Absent,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Absent {
    #[default]
    Nothing,
    Anything,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Subscription {
    #[default]
    Auto,
    Enforce,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CseKind {
    In,
    Mn,
    Asn,
}

const fn mn() -> CseKind {
    CseKind::Mn
}

fn releases() -> Vec<String> {
    vec!["2a".into(), "3".into()]
}

const fn a_year() -> NonZeroU16 {
    NonZeroU16::MIN.saturating_add(364)
}

/// The values of `m2m:releaseVersion` (TS-0004 table 6.3.3-1) with those of later releases.
const RELEASES: [&str; 6] = ["1", "2", "2a", "3", "4", "5"];

fn known_releases<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let releases = Vec::<String>::deserialize(deserializer)?;
    let unknown = releases.iter().find(|release| !RELEASES.contains(&release.as_str()));
    let given = match unknown {
        Some(unknown) => format!("\"{}\"", unknown.escape_debug().take(64).collect::<String>()),
        None if releases.is_empty() => "an empty list".to_owned(),
        None => return Ok(releases),
    };
    Err(D::Error::custom(format!("{given} is given, expected some of \"{}\"", RELEASES.join("\", \""))))
}

/// Reads a string into an identifier, so that a malformed one is reported with its line.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// The same for each text of a list.
fn parsed_each<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

impl CseSection {
    /// What the CSE needs to know.
    pub(crate) fn settings(&self) -> cse::Settings {
        let cse_type = match self.kind {
            CseKind::In => CseType::In,
            CseKind::Mn => CseType::Mn,
            CseKind::Asn => CseType::Asn,
        };
        cse::Settings {
            home: Home { cse: self.id.clone(), cse_type },
            base_name: self.base_name.clone(),
            releases: self.releases.clone(),
            registration_lifetime: Duration::from_secs(u64::from(self.registration_days.get()) * 86_400),
            service_subscription: match self.service_subscription {
                Subscription::Auto => cse::ServiceSubscription::Auto,
                Subscription::Enforce => cse::ServiceSubscription::Enforce,
            },
            absent_rule_lists: match self.absent_rule_lists {
                Absent::Nothing => cse::AbsentLists::Nothing,
                Absent::Anything => cse::AbsentLists::Anything,
            },
        }
    }
}

/// The same for a value that may be left out.
pub(crate) fn parsed_maybe<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    parsed(deserializer).map(Some)
}
