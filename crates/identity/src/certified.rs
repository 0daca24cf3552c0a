//! From the name in a verified certificate to the entity that it stands for, and back to its Credential-ID.

use keys::{CertificateName, CertificateUse, CredentialId, HardwareId};
use onem2m::{
    id::{AeDomainName, AeId, CseDomainName, CseId, CseName, EntityId, EntityKind, NodeId},
    time::Timestamp,
};
use thiserror::Error;

use crate::{
    CseType, Enrolment, Established, Flavour, Framework, Function, Home, KeyRefusal, Method, usable_enrolment,
};

/// The globally unique identifier of a certificate whose chain was verified (TS-0003 §10.1.1.4 to §10.1.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named<'a> {
    /// Of a CSE-ID certificate: its dNSName as it is written.
    Cse(&'a str),
    /// Of an AE-ID certificate.
    Ae(&'a AeId),
    /// Of a device certificate: the identifier of the hardware, such as a dotted OID.
    Device(&'a str),
    /// Of a Node-ID certificate.
    Node(&'a NodeId),
}

impl Named<'_> {
    /// The flavour of certificate that has such a name.
    #[must_use]
    pub const fn flavour(self) -> Flavour {
        match self {
            Self::Cse(_) => Flavour::CseId,
            Self::Ae(_) => Flavour::AeId,
            Self::Device(_) => Flavour::Device,
            Self::Node(_) => Flavour::NodeId,
        }
    }
}

/// What this CSE knows of its surroundings, to read names in certificates by.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// This CSE.
    pub home: &'a Home,
    /// The IN-CSE of its service provider, if that is another and known: the public domain names of all CSEs in
    /// the field are below that of the IN-CSE (TS-0001 §6.5.1.1).
    pub infrastructure: Option<&'a CseName>,
    /// CSE-IDs that our records know. A certificate authority may have written a name in lower case, and then it
    /// is one of these that was meant (register A-50).
    pub known: &'a [CseId],
}

impl Surroundings<'_> {
    /// The CSE-ID of our service provider in a dNSName, its letters as they are written; what is known that
    /// differs from it by letter case alone belongs into [`Self::known`]. `None` if there is none in it.
    #[must_use]
    pub fn cse_written(&self, dns_name: &str) -> Option<CseId> {
        CseDomainName::parse_in(dns_name, self.home.cse.sp()).ok().map(|name| name.cse_id())
    }

    /// The Credential-IDs under which our records may speak of a certificate with this name, the one that counts
    /// first: that of the name as it is written, and that of the CSE whom it stands for, if that is spelt otherwise
    /// (register A-50). A name that was withdrawn is withdrawn however an authority spells it.
    ///
    /// # Errors
    /// As for [`credential_id_of`].
    pub fn credential_ids_of(&self, name: Named<'_>) -> Result<Vec<CredentialId>, Unresolved> {
        let mut ids = vec![credential_id_of(self, name)?];
        ids.extend(own_spelling(self, name).filter(|own| !ids.contains(own)));
        Ok(ids)
    }
}

/// The Credential-ID of the CSE whom the name stands for by itself, as our records spell it.
fn own_spelling(here: &Surroundings<'_>, name: Named<'_>) -> Option<CredentialId> {
    let Named::Cse(written) = name else { return None };
    let name = domain_name(here, &cse_named(here, written).ok()?).ok()?;
    Some(CredentialId::certificate(CertificateUse::Tls, &CertificateName::CseId(name)))
}

/// Why the name in a certificate stands for nobody here. For logs and the audit: the peer is told what anybody is
/// told who is not enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unresolved {
    /// The name has no form from which a CSE-ID could be told.
    #[error("dNSName \"{name}\" is no public domain name of a CSE of {sp} (TS-0001 §6.5.1.1)")]
    NotOurs {
        /// The name.
        name: String,
        /// Our service provider.
        sp: String,
    },
    /// The name is below another IN-CSE than ours, or ours is not known.
    #[error("dNSName \"{name}\" is below an IN-CSE that is not the one of this CSE's configuration")]
    OtherInfrastructure {
        /// The name.
        name: String,
    },
    /// Several CSE-IDs that we know differ from the name by letter case only.
    #[error("dNSName \"{name}\" could be any of several CSE-IDs that differ by letter case (register A-50)")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// The certificate names this CSE itself.
    #[error("the certificate names this CSE itself")]
    Ourselves,
    /// The AE belongs to another registrar, or to another service provider.
    #[error("AE-ID \"{0}\" is not one that could register here")]
    ForeignAe(String),
    /// The name has no form that a Credential-ID could hold.
    #[error("the name has no Credential-ID: {0}")]
    NoCredentialId(String),
    /// A device or Node-ID certificate names no entity; only our records can say for whom it stands.
    #[error("a {} certificate stands for nobody unless it is enrolled (TS-0003 §8.2.1)", flavour_name(*.0))]
    NotEnrolled(Flavour),
    /// Our record forbids it.
    #[error(transparent)]
    Record(#[from] KeyRefusal),
    /// The record is about another flavour of certificate.
    #[error("what is enrolled under this Credential-ID is not such a certificate")]
    OtherMethod,
}

const fn flavour_name(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::RawPublicKey => "raw public key",
        Flavour::Device => "device",
        Flavour::CseId => "CSE-ID",
        Flavour::AeId => "AE-ID",
        Flavour::NodeId => "Node-ID",
    }
}

/// The Credential-ID of a certificate with this name, under which it may be enrolled or revoked here (TS-0003
/// §10.4, register A-07).
///
/// # Errors
/// [`Unresolved`] if the name has no such form.
pub fn credential_id_of(here: &Surroundings<'_>, name: Named<'_>) -> Result<CredentialId, Unresolved> {
    let no_form = |error: &dyn std::fmt::Display| Unresolved::NoCredentialId(error.to_string());
    let sp = here.home.cse.sp();
    let name = match name {
        // A name outside of the convention may be enrolled all the same (register A-50).
        Named::Cse(written) => match CseDomainName::parse_in(written, sp) {
            Ok(name) => CertificateName::CseId(name),
            Err(_) => return format!("32-{written}").parse().map_err(|error| no_form(&error)),
        },
        Named::Ae(ae) => CertificateName::AeId(ae_domain_name(here, ae).map_err(|error| no_form(&error))?),
        Named::Device(id) => {
            CertificateName::Device(id.parse::<HardwareId>().map_err(|error| no_form(&error))?)
        }
        Named::Node(id) => CertificateName::NodeId(id.clone()),
    };
    Ok(CredentialId::certificate(CertificateUse::Tls, &name))
}

fn ae_domain_name(here: &Surroundings<'_>, ae: &AeId) -> Result<AeDomainName, onem2m::id::IdError> {
    let Some(registrar) = ae.registrar() else { return AeDomainName::of_provider(ae) };
    let registrar = CseId::new(ae.sp().clone(), registrar.clone());
    AeDomainName::of_registrar(&domain_name(here, &registrar)?, ae.stem())
}

/// The public domain name of `cse`. Where the IN-CSE is not known, the one that has none in it.
fn domain_name(here: &Surroundings<'_>, cse: &CseId) -> Result<CseDomainName, onem2m::id::IdError> {
    match infrastructure(here) {
        Some(in_cse) if in_cse != cse.name() => CseDomainName::of_field(cse, in_cse),
        _ => CseDomainName::of_infrastructure(cse),
    }
}

fn infrastructure<'a>(here: &Surroundings<'a>) -> Option<&'a CseName> {
    match here.home.cse_type {
        CseType::In => Some(here.home.cse.name()),
        CseType::Mn | CseType::Asn => here.infrastructure,
    }
}

/// Whom the name in a verified certificate stands for, by itself: the CSE-ID of a CSE-ID certificate, the AE-ID of
/// an AE-ID certificate (TS-0003 §8.1.2.1, §10.1.1.5, §10.1.1.7).
///
/// `a.b.sp` is `//sp/a` if b is our IN-CSE, `a.sp` is `//sp/a` if a is. Everything else stands for nobody.
///
/// # Errors
/// [`Unresolved`].
pub fn named_by(here: &Surroundings<'_>, name: Named<'_>) -> Result<EntityId, Unresolved> {
    match name {
        Named::Cse(written) => cse_named(here, written).map(EntityId::Cse),
        Named::Ae(ae) => {
            let home = &here.home.cse;
            let ours = AeId::of_stem(home, ae.stem().clone()) == *ae;
            if ours { Ok(EntityId::Ae(ae.clone())) } else { Err(Unresolved::ForeignAe(ae.to_string())) }
        }
        Named::Device(_) | Named::Node(_) => Err(Unresolved::NotEnrolled(name.flavour())),
    }
}

fn cse_named(here: &Surroundings<'_>, written: &str) -> Result<CseId, Unresolved> {
    let home = &here.home.cse;
    let shown = || written.escape_debug().take(64).collect::<String>();
    let name = CseDomainName::parse_in(written, home.sp())
        .map_err(|_| Unresolved::NotOurs { name: shown(), sp: home.sp().to_string() })?;
    let other = || Unresolved::OtherInfrastructure { name: shown() };
    let in_cse = infrastructure(here).ok_or_else(other)?;
    let named = name.cse_id();
    let same = |a: &CseName, b: &CseName| a.as_str().eq_ignore_ascii_case(b.as_str());
    match name.infrastructure() {
        Some(above) if same(above, in_cse) && !same(named.name(), in_cse) => {}
        None if same(named.name(), in_cse) => {}
        _ => return Err(other()),
    }
    let meant = spelt_as_known(here, in_cse, named).ok_or_else(|| Unresolved::Ambiguous { name: shown() })?;
    if meant == *home { Err(Unresolved::Ourselves) } else { Ok(meant) }
}

/// The CSE-ID as our records write it: DNS names, and some certificate authorities, know no letter case.
fn spelt_as_known(here: &Surroundings<'_>, in_cse: &CseName, named: CseId) -> Option<CseId> {
    let home = &here.home.cse;
    let in_cse = CseId::new(home.sp().clone(), in_cse.clone());
    let alike = |known: &&CseId| {
        known.sp() == named.sp() && known.name().as_str().eq_ignore_ascii_case(named.name().as_str())
    };
    let candidates: std::collections::BTreeSet<&CseId> =
        here.known.iter().chain([home, &in_cse]).filter(alike).collect();
    if candidates.contains(&named) {
        return Some(named);
    }
    match candidates.len() {
        0 => Some(named),
        1 => candidates.first().map(|known| (*known).clone()),
        _ => None,
    }
}

/// The association of a peer whose certificate was verified down to a configured anchor. `record` is what is
/// enrolled under the first of [`Surroundings::credential_ids_of`] the name, if something is: its word counts before
/// the certificate's, so that a revoked name is refused and a pinned identity is the one that is bound. Ends no later
/// than the certificate, at `certificate_end`.
///
/// # Errors
/// [`Unresolved`]: the handshake is refused.
pub fn certified(
    here: &Surroundings<'_>,
    name: Named<'_>,
    record: Option<&Enrolment>,
    certificate_end: Timestamp,
    now: Timestamp,
) -> Result<Established, Unresolved> {
    let framework = Framework::Certificate(name.flavour());
    let established = match record {
        Some(record) => {
            usable_enrolment(record, Function::Cse, now)?;
            if record.method != Method::Certificate(name.flavour()) {
                return Err(Unresolved::OtherMethod);
            }
            let mut established = Established::by_enrolment(framework, record);
            if record.subject.is_none() && matches!(name, Named::Cse(_) | Named::Ae(_)) {
                established.subject = Some(named_by(here, name)?);
            }
            established
        }
        None => {
            let subject = named_by(here, name)?;
            Established {
                framework,
                credential_id: Some(match own_spelling(here, name) {
                    Some(own) => own,
                    None => credential_id_of(here, name)?,
                }),
                version: 0,
                kind: Some(subject.kind()),
                subject: Some(subject),
                allowed: Vec::new(),
                not_after: None,
            }
        }
    };
    // A flavour authenticates one kind of entity, whatever a record says.
    let fits = match name {
        Named::Cse(_) => established.kind == Some(EntityKind::Cse),
        Named::Ae(_) => established.kind == Some(EntityKind::Ae),
        Named::Device(_) | Named::Node(_) => true,
    };
    if fits { Ok(established.until(certificate_end)) } else { Err(Unresolved::OtherMethod) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CredentialState;

    const END: &str = "20270101T000000";

    fn home(cse: &str, cse_type: CseType) -> Home {
        Home { cse: cse.parse().unwrap(), cse_type }
    }

    fn now() -> Timestamp {
        "20260601T000000".parse().unwrap()
    }

    fn record(id: &str, kind: EntityKind, subject: Option<&str>) -> Enrolment {
        let credential_id: CredentialId = id.parse().unwrap();
        Enrolment {
            function: Function::Cse,
            method: Method::of(&credential_id).unwrap(),
            credential_id,
            kind,
            subject: subject.map(|text| EntityId::parse(kind, text).unwrap()),
            allowed: Vec::new(),
            state: CredentialState::Active,
            not_after: None,
            version: 4,
            chain_policy: None,
        }
    }

    /// TS-0001 §6.5.1.1 read backwards; TS-0003 §10.1.1.7; register A-50.
    #[test]
    fn domain_names_lead_to_cses() {
        let at_in = home("//sp.example.com/in-cse", CseType::In);
        let at_mn = home("//sp.example.com/mn-1", CseType::Mn);
        let in_cse: CseName = "in-cse".parse().unwrap();
        let known: Vec<CseId> =
            ["//sp.example.com/MN-7", "//sp.example.com/Twin", "//sp.example.com/tWIN", "//other.org/mn-9"]
                .map(|id| id.parse().unwrap())
                .into();
        let cse = |name: &str| Ok(format!("//sp.example.com/{name}"));
        for (name, expected) in [
            ("mn-2.in-cse.sp.example.com", cse("mn-2")),
            ("Mn-2.in-cse.SP.example.COM", cse("Mn-2")),
            ("mn-7.in-cse.sp.example.com", cse("MN-7")),
            ("MN-7.IN-CSE.sp.example.com", cse("MN-7")),
            ("mn-9.in-cse.sp.example.com", cse("mn-9")),
            ("Twin.in-cse.sp.example.com", cse("Twin")),
            ("twin.in-cse.sp.example.com", Err("several CSE-IDs")),
            ("mn-2.in-2.sp.example.com", Err("below an IN-CSE")),
            ("mn-2.sp.example.com", Err("below an IN-CSE")),
            ("in-cse.in-cse.sp.example.com", Err("below an IN-CSE")),
            ("mn-2.in-cse.example.com", Err("no public domain name")),
            ("x.mn-2.in-cse.sp.example.com", Err("no public domain name")),
            ("*.in-cse.sp.example.com", Err("no public domain name")),
            ("mn-2.in-cse.sp.example.com.", Err("no public domain name")),
            ("sp.example.com", Err("no public domain name")),
            ("", Err("no public domain name")),
        ] {
            for home in [&at_in, &at_mn] {
                let here = Surroundings { home, infrastructure: Some(&in_cse), known: &known };
                let found = named_by(&here, Named::Cse(name));
                match (&found, &expected) {
                    (Ok(entity), Ok(expected)) => assert_eq!(entity.to_string(), *expected, "{name}"),
                    (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{name}: {error}"),
                    _ => panic!("{name}: {found:?}"),
                }
            }
        }
        let mn = Surroundings { home: &at_mn, infrastructure: Some(&in_cse), known: &[] };
        let found = named_by(&mn, Named::Cse("IN-cse.sp.example.com")).unwrap();
        assert_eq!(found.to_string(), "//sp.example.com/in-cse", "spelt as configured");
        assert_eq!(named_by(&mn, Named::Cse("MN-1.in-cse.sp.example.com")), Err(Unresolved::Ourselves));
        let alone = Surroundings { infrastructure: None, ..mn };
        for name in ["in-cse.sp.example.com", "mn-2.in-cse.sp.example.com"] {
            let found = named_by(&alone, Named::Cse(name));
            assert!(matches!(found, Err(Unresolved::OtherInfrastructure { .. })), "{found:?}");
        }
    }

    #[test]
    fn ae_ids_are_those_of_this_registrar() {
        let home = home("//sp.example.com/mn-1", CseType::Mn);
        let here = Surroundings { home: &home, infrastructure: None, known: &[] };
        for (ae, ours) in [
            ("//sp.example.com/mn-1/Cone", true),
            ("//sp.example.com/Sone", true),
            ("//sp.example.com/mn-2/Cone", false),
            ("//example.com/mn-1/Cone", false),
            ("//example.com/Sone", false),
        ] {
            let ae: AeId = ae.parse().unwrap();
            let found = named_by(&here, Named::Ae(&ae));
            assert_eq!(found.is_ok(), ours, "{ae}: {found:?}");
        }
    }

    /// TS-0003 §10.4, register A-07.
    #[test]
    fn every_name_has_a_credential_id() {
        let home = home("//sp.example.com/mn-1", CseType::Mn);
        let in_cse: CseName = "in-cse".parse().unwrap();
        let here = Surroundings { home: &home, infrastructure: Some(&in_cse), known: &[] };
        let (c, s): (AeId, AeId) =
            ("//sp.example.com/mn-1/Cone".parse().unwrap(), "//sp.example.com/Sone".parse().unwrap());
        let node: NodeId = "urn:gsma:imei:90420156-025763-0".parse().unwrap();
        for (name, id) in [
            (Named::Cse("mn-7.in-cse.SP.example.com"), "32-mn-7.in-cse.sp.example.com"),
            (Named::Cse("gateway.example.net"), "32-gateway.example.net"),
            (Named::Ae(&c), "33-Cone.mn-1.in-cse.sp.example.com"),
            (Named::Ae(&s), "33-Sone.sp.example.com"),
            (Named::Device("0.2.481.1.100.3030.10011"), "31-0.2.481.1.100.3030.10011"),
            (Named::Node(&node), "34-urn:gsma:imei:90420156-025763-0"),
        ] {
            assert_eq!(credential_id_of(&here, name).unwrap().as_str(), id);
            assert_eq!(Method::of(&id.parse().unwrap()), Some(Method::Certificate(name.flavour())));
        }
        let long = format!("{}.example.net", "a".repeat(250));
        assert!(credential_id_of(&here, Named::Cse(&long)).is_err());
    }

    /// Register A-50: a CSE has one Credential-ID, as our records spell it; what is on record as written counts first.
    #[test]
    fn a_cse_is_on_record_in_its_own_spelling() {
        let home = home("//sp.example.com/mn-1", CseType::Mn);
        let in_cse: CseName = "in-cse".parse().unwrap();
        let known: [CseId; 1] = ["//sp.example.com/MN-7".parse().unwrap()];
        let here = Surroundings { home: &home, infrastructure: Some(&in_cse), known: &known };
        assert_eq!(
            here.cse_written("mn-7.IN-CSE.sp.example.com").unwrap().to_string(),
            "//sp.example.com/mn-7"
        );
        assert_eq!(here.cse_written("gateway.example.net"), None);
        for (name, ids) in [
            (Named::Cse("MN-7.in-cse.sp.example.com"), &["32-MN-7.in-cse.sp.example.com"][..]),
            (
                Named::Cse("mn-7.in-cse.sp.example.com"),
                &["32-mn-7.in-cse.sp.example.com", "32-MN-7.in-cse.sp.example.com"],
            ),
            (
                Named::Cse("Mn-8.IN-CSE.sp.example.com"),
                &["32-Mn-8.IN-CSE.sp.example.com", "32-Mn-8.in-cse.sp.example.com"],
            ),
            (Named::Cse("gateway.example.net"), &["32-gateway.example.net"]),
            (Named::Device("0.2.481.1.100.3030.10011"), &["31-0.2.481.1.100.3030.10011"]),
        ] {
            let found = here.credential_ids_of(name).unwrap();
            assert_eq!(found.iter().map(CredentialId::as_str).collect::<Vec<_>>(), ids);
            if let Ok(established) = certified(&here, name, None, END.parse().unwrap(), now()) {
                assert_eq!(established.credential_id.as_ref(), found.last());
            }
        }
    }

    /// TS-0003 §8.2.1: what the certificate says, and what our record says before it.
    #[test]
    fn records_count_before_certificates() {
        let home = home("//sp.example.com/in-cse", CseType::In);
        let here = Surroundings { home: &home, infrastructure: None, known: &[] };
        let name = Named::Cse("mn-7.in-cse.sp.example.com");
        let end: Timestamp = END.parse().unwrap();
        let ask = |name, record: Option<&Enrolment>| certified(&here, name, record, end, now());
        let plain = ask(name, None).unwrap();
        assert_eq!(plain.framework, Framework::Certificate(Flavour::CseId));
        assert_eq!((plain.version, plain.kind, plain.not_after), (0, Some(EntityKind::Cse), Some(end)));
        assert_eq!(plain.subject.unwrap().to_string(), "//sp.example.com/mn-7");
        assert_eq!(plain.credential_id.unwrap().as_str(), "32-mn-7.in-cse.sp.example.com");

        let id = "32-mn-7.in-cse.sp.example.com";
        let open = record(id, EntityKind::Cse, None);
        let by_record = ask(name, Some(&open)).unwrap();
        assert_eq!(
            (by_record.version, by_record.subject),
            (4, Some("//sp.example.com/mn-7".parse::<CseId>().unwrap().into()))
        );
        let pinned = record(id, EntityKind::Cse, Some("//sp.example.com/Gateway"));
        assert_eq!(ask(name, Some(&pinned)).unwrap().subject, pinned.subject);
        let revoked = Enrolment { state: CredentialState::Revoked, ..open.clone() };
        assert_eq!(ask(name, Some(&revoked)), Err(KeyRefusal::Revoked.into()));
        let ended = Enrolment { not_after: Some("20260101T000000".parse().unwrap()), ..open.clone() };
        assert_eq!(ask(name, Some(&ended)), Err(KeyRefusal::Expired.into()));
        let other = Enrolment { function: Function::Maf, ..open.clone() };
        assert_eq!(ask(name, Some(&other)), Err(KeyRefusal::Unknown.into()));
        let of_ae = record("33-Sx.sp.example.com", EntityKind::Ae, None);
        assert_eq!(ask(name, Some(&of_ae)), Err(Unresolved::OtherMethod));
        let sooner = Enrolment { not_after: Some("20260801T000000".parse().unwrap()), ..open.clone() };
        assert_eq!(ask(name, Some(&sooner)).unwrap().not_after, sooner.not_after);
        // The store refuses such a record; were there one, it would open nothing.
        let wrong_kind = Enrolment { kind: EntityKind::Ae, ..open };
        assert!(ask(name, Some(&wrong_kind)).is_err());

        let device = Named::Device("0.2.481.1");
        assert_eq!(ask(device, None), Err(Unresolved::NotEnrolled(Flavour::Device)));
        let nobody_yet = record("31-0.2.481.1", EntityKind::Ae, None);
        assert_eq!(ask(device, Some(&nobody_yet)).unwrap().subject, None);
        let node: NodeId = "urn:x:1".parse().unwrap();
        assert_eq!(ask(Named::Node(&node), None), Err(Unresolved::NotEnrolled(Flavour::NodeId)));
    }
}
