//! Which names an authority may certify (RFC 5280 §4.2.1.10).

use der::asn1::{Ia5String, ObjectIdentifier};
use onem2m::id::Fqdn;
use x509_cert::ext::pkix::{
    NameConstraints,
    constraints::name::GeneralSubtree,
    name::{GeneralName, OtherName},
};

use crate::{DeviceId, PkiError, profile};

/// The names that certificates below an authority may carry. A kind of name for which nothing is permitted
/// or excluded stays free: [`Self::no_other_dns`] and its siblings close those.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Constraints {
    permitted: Vec<GeneralName>,
    excluded: Vec<GeneralName>,
}

/// A domain in which nothing exists (RFC 6761 §6.4): permitting it alone permits no name of the kind.
const NOWHERE: &str = "invalid";
/// An arc that is set aside for documentation (RFC 5612), in which no device is.
const FOR_EXAMPLES: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473");

impl Constraints {
    /// No constraint.
    #[must_use]
    pub const fn none() -> Self {
        Self { permitted: Vec::new(), excluded: Vec::new() }
    }

    /// Permits dNSName in this domain and below it: CSE-ID and FQDN certificates.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn permit_dns(mut self, domain: &Fqdn) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::DnsName(ia5(domain.as_str())?));
        Ok(self)
    }

    /// Permits URIs whose host is exactly this name: AE-ID certificates of this service provider.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn permit_uri_host(mut self, host: &Fqdn) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::UniformResourceIdentifier(ia5(host.as_str())?));
        Ok(self)
    }

    /// Permits M2M Device IDs that begin with these arcs (TS-0003 §10.1.1.4.2).
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn permit_devices(mut self, subtree: &DeviceSubtree) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::OtherName(subtree.other_name()?));
        Ok(self)
    }

    /// Excludes M2M Device IDs that begin with these arcs.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn exclude_devices(mut self, subtree: &DeviceSubtree) -> Result<Self, PkiError> {
        self.excluded.push(GeneralName::OtherName(subtree.other_name()?));
        Ok(self)
    }

    /// Excludes dNSName in this domain and below it.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn exclude_dns(mut self, domain: &Fqdn) -> Result<Self, PkiError> {
        self.excluded.push(GeneralName::DnsName(ia5(domain.as_str())?));
        Ok(self)
    }

    /// Excludes URIs whose host is exactly this name.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn exclude_uri_host(mut self, host: &Fqdn) -> Result<Self, PkiError> {
        self.excluded.push(GeneralName::UniformResourceIdentifier(ia5(host.as_str())?));
        Ok(self)
    }

    /// Permits no dNSName besides those permitted otherwise.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn no_other_dns(mut self) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::DnsName(ia5(NOWHERE)?));
        Ok(self)
    }

    /// Permits no URI besides those permitted otherwise; also none without a host, such as a URN.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn no_other_uri(mut self) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::UniformResourceIdentifier(ia5(NOWHERE)?));
        Ok(self)
    }

    /// Permits no M2M Device ID, nor any other otherName, besides those permitted otherwise.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn no_other_devices(mut self) -> Result<Self, PkiError> {
        self.permitted.push(GeneralName::OtherName(profile::other_name(FOR_EXAMPLES, &[0])?));
        Ok(self)
    }

    /// Whether nothing is constrained.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    pub(crate) fn extension(&self) -> Option<NameConstraints> {
        if self.is_empty() {
            return None;
        }
        let trees = |names: &[GeneralName]| {
            let tree = |base: &GeneralName| GeneralSubtree { base: base.clone(), minimum: 0, maximum: None };
            (!names.is_empty()).then(|| names.iter().map(tree).collect())
        };
        Some(NameConstraints {
            permitted_subtrees: trees(&self.permitted),
            excluded_subtrees: trees(&self.excluded),
        })
    }
}

fn ia5(text: &str) -> Result<Ia5String, PkiError> {
    Ia5String::new(text).map_err(PkiError::der("name constraint"))
}

/// Part of the tree of M2M Device IDs: an indication arc, and at least one arc of what follows it, such as
/// the maker's, since a RELATIVE-OID has one (X.690 §8.20). Read as `0.2.481.1/100` or `0.2.481.1/100.3030`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSubtree {
    indication: ObjectIdentifier,
    rest: Vec<u32>,
}

impl DeviceSubtree {
    /// Whether this device is in it.
    #[must_use]
    pub fn holds(&self, device: &DeviceId) -> bool {
        *device.indication() == self.indication && device.rest().starts_with(&self.rest)
    }

    fn other_name(&self) -> Result<OtherName, PkiError> {
        profile::other_name(self.indication, &self.rest)
    }
}

impl std::str::FromStr for DeviceSubtree {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        const EXPECTED: &str = "expected an indication arc, a slash and the first arcs behind it, such as \
                                0.2.481.1/100.3030 (TS-0003 §10.1.1.4.2)";
        let bad = || PkiError::name("subtree of M2M Device IDs", text, EXPECTED);
        let (indication, rest) = text.split_once('/').ok_or_else(bad)?;
        let indication = ObjectIdentifier::new(indication).map_err(|_| bad())?;
        let rest = profile::arcs(rest).ok_or_else(bad)?;
        Ok(Self { indication, rest })
    }
}

impl std::fmt::Display for DeviceSubtree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.indication)?;
        for (place, arc) in self.rest.iter().enumerate() {
            write!(f, "{}{arc}", if place == 0 { '/' } else { '.' })?;
        }
        Ok(())
    }
}
