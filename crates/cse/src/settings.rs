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
