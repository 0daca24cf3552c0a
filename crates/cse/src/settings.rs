use std::time::Duration;

use identity::Home;
use onem2m::id::ResourceName;

/// What the operator decides about a registrar CSE.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its CSE-ID and kind.
    pub home: Home,
    /// resourceName of its `<CSEBase>`.
    pub base_name: ResourceName,
    /// Release versions that it supports (`srv`), e.g. `2a`, `3`.
    pub releases: Vec<String>,
    /// Longest life of a registration that is not renewed; also what a registration without
    /// expirationTime gets.
    pub registration_lifetime: Duration,
    /// When registrations of AEs are held against a service subscription.
    pub service_subscription: ServiceSubscription,
    /// What the lists allow that a service rule leaves out.
    pub absent_rule_lists: AbsentLists,
}

/// What a service rule without `allowedApp-IDs`, or without `allowedAEs`, allows of them (register A-52): TS-0001
/// §9.6.29 does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AbsentLists {
    /// Nothing: such a rule allows no registration.
    #[default]
    Nothing,
    /// Whatever is asked for, as if the list were `*`: for rules that were written for another CSE.
    Anything,
}

/// When registrations of AEs are held against a service subscription (TS-0004 §7.3.2.7, register A-49).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServiceSubscription {
    /// As soon as a profile is provisioned. Before that, the identity bound to the credential decides.
    #[default]
    Auto,
    /// Always: without a profile nobody registers (4128).
    Enforce,
}
