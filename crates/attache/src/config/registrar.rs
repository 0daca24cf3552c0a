use std::{num::NonZeroU32, time::Duration};

use identity::CseType;
use keys::PskIdentity;
use onem2m::id::{CseDomainName, CseId, ResourceName};
use serde::{Deserialize, Deserializer, de::Error};

use super::{CseSection, HostPort, ListenerSection, Misfit, parsed};

/// `[registrar]`: the CSE that this one registers with, as an MN-CSE or ASN-CSE does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegistrarSection {
    /// Its absolute CSE-ID.
    #[serde(deserialize_with = "parsed")]
    pub(crate) cse_id: CseId,
    /// Where it listens: `host:port`.
    pub(crate) address: HostPort,
    /// resourceName of its `<CSEBase>`; `-` stands for it whatever it is called.
    #[serde(default = "any_base", deserialize_with = "base_name")]
    pub(crate) base_name: String,
    /// The name to send as SNI. Default: the public domain name that `cse_id` has as an IN-CSE.
    server_name: Option<String>,
    /// The credential to prove: one in the store that stands for `cse_id`. The registrar uses the same one in
    /// the other direction. Without it, the certificate of the first listener that has one.
    #[serde(default, deserialize_with = "some_parsed")]
    pub(crate) psk_identity: Option<PskIdentity>,
    /// Whether the registrar may send requests to this CSE.
    #[serde(default = "yes")]
    pub(crate) reachable: bool,
    /// Seconds that a registration is to last without renewal.
    #[serde(default = "a_day")]
    registration_seconds: NonZeroU32,
    /// Seconds to wait after the first failure; twice as long after each further one.
    #[serde(default = "one")]
    retry_seconds: NonZeroU32,
    /// The longest wait, in seconds.
    #[serde(default = "five_minutes")]
    retry_most_seconds: NonZeroU32,
    /// Whether to de-register when the server stops.
    #[serde(default)]
    pub(crate) leave_on_stop: bool,
}

fn some_parsed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PskIdentity>, D::Error> {
    parsed(deserializer).map(Some)
}

fn any_base() -> String {
    "-".into()
}

fn base_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text != "-" {
        text.parse::<ResourceName>().map_err(D::Error::custom)?;
    }
    Ok(text)
}

const fn yes() -> bool {
    true
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn a_day() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_mul(seconds(86_400))
}

fn five_minutes() -> NonZeroU32 {
    seconds(300)
}

const fn seconds(number: u32) -> NonZeroU32 {
    match NonZeroU32::new(number) {
        Some(number) => number,
        None => NonZeroU32::MIN,
    }
}

/// The public domain name of the registrar is not certain.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected the public domain name of {cse_id}, such as mn-cse.in-cse.example.org, for its certificate"
)]
pub(crate) struct Unnamed {
    cse_id: CseId,
}

impl RegistrarSection {
    /// What the sections say of each other.
    pub(super) fn check(&self, own: &CseSection, listeners: &[ListenerSection]) -> Result<(), Misfit> {
        let wrong = |key, what: String| Err(Misfit::new("registrar", key, what));
        if self.cse_id == own.id {
            return wrong("cse_id", format!("{} is this CSE itself: expected another one", own.id));
        }
        if own.settings().home.cse_type == CseType::In && self.cse_id.sp() == own.id.sp() {
            let what = "an IN-CSE registers with none of its own service provider; is cse.kind right?";
            return wrong("cse_id", what.into());
        }
        let (first, most) = (self.retry_seconds, self.retry_most_seconds);
        if most < first {
            return wrong("retry_most_seconds", format!("{most} is less than retry_seconds = {first}"));
        }
        if self.psk_identity.is_none() {
            if !listeners.iter().any(ListenerSection::proves_outwards) {
                let what =
                    "is missing, and no [[listener]] that accepts certificates has one to prove instead";
                return wrong("psk_identity", what.into());
            }
            if let Err(unnamed) = self.domain_name() {
                return wrong("server_name", unnamed.to_string());
            }
        }
        Ok(())
    }

    /// The public domain name that its certificate has to show.
    ///
    /// # Errors
    /// [`Unnamed`] if that is not certain.
    pub(crate) fn domain_name(&self) -> Result<CseDomainName, Unnamed> {
        let name = self.server_name().unwrap_or_default();
        let name = CseDomainName::parse_in(&name, self.cse_id.sp()).ok();
        name.filter(|name| name.cse_id() == self.cse_id)
            .ok_or_else(|| Unnamed { cse_id: self.cse_id.clone() })
    }

    /// The name to send as SNI (TS-0003 §10.2.1); `None` where there is none to send.
    pub(crate) fn server_name(&self) -> Option<String> {
        match self.server_name.as_deref() {
            Some("") => None,
            Some(name) => Some(name.to_owned()),
            None => CseDomainName::of_infrastructure(&self.cse_id).ok().map(|name| name.to_string()),
        }
    }

    /// What the CSE needs to know, if it can be reached at `points_of_access`.
    pub(crate) fn membership(&self, points_of_access: Vec<String>) -> cse::upstream::Membership {
        let span = |seconds: NonZeroU32| Duration::from_secs(seconds.get().into());
        cse::upstream::Membership {
            registrar: self.cse_id.clone(),
            base_name: self.base_name.clone(),
            points_of_access: if self.reachable { points_of_access } else { Vec::new() },
            lifetime: span(self.registration_seconds),
            backoff: cse::upstream::Backoff {
                first: span(self.retry_seconds),
                most: span(self.retry_most_seconds),
            },
        }
    }
}
