use std::time::Duration;

use identity::{CseType, Home};
use onem2m::id::{CseId, ResourceName};
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
    /// resourceName of the `<CSEBase>`.
    #[serde(deserialize_with = "parsed")]
    pub(crate) base_name: ResourceName,
    /// Release versions that it supports.
    #[serde(default = "releases")]
    releases: Vec<String>,
    /// URIs under which registrees reach it. Default: one for each listener.
    #[serde(default)]
    pub(crate) points_of_access: Vec<String>,
    /// Longest life of a registration that is not renewed, in days.
    #[serde(default = "a_year")]
    registration_days: u16,
    /// `auto` or `enforce`: when registrations of AEs are held against service rules.
    #[serde(default)]
    service_subscription: Subscription,
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

const fn a_year() -> u16 {
    365
}

/// Reads a string into an identifier, so that a malformed one is reported with its line.
pub(crate) fn parsed<'de, D: Deserializer<'de>, T: std::str::FromStr<Err: std::fmt::Display>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
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
            registration_lifetime: Duration::from_secs(u64::from(self.registration_days) * 86_400),
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
