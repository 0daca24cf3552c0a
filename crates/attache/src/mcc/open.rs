//! Opening associations to other CSEs (TS-0003 §8.2.1: SA1 upwards, SA2 downwards).

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock, PoisonError},
    time::Duration,
};

use certificate::{Anchors, ExpectedServer};
use cse::{NextHop, upstream::Trouble};
use identity::{Function, usable};
use keys::{CertificateName, CertificateUse, CredentialId, CredentialKind, Kpsa, PskIdentity};
use net::{AssociationError, ClientPsk, DialLimits, Dialer, HttpConnection, NetError, SuitePolicy};
use onem2m::{
    id::{CseDomainName, CseId, EntityId},
    resource::PointOfAccess,
    time::{Clock, Timestamp},
};
use store::{Credentials as _, Enrolments as _, KeyRecord, KnownCses as _, Store};

use super::certified::{self, Believed, Complaint};
use crate::{
    admit::OwnCertificate,
    config::{RegistrarSection, Unnamed},
    outcome::causes,
};

/// How long a name, a connection and a handshake may take, and an answer. An originator waits meanwhile.
const LIMITS: DialLimits = DialLimits {
    connect_deadline: Duration::from_secs(5),
    handshake_deadline: Duration::from_secs(10),
    request_deadline: Duration::from_secs(20),
    max_body: 1024 * 1024,
};
/// Places of one CSE that are tried.
const MOST_PLACES: usize = 4;
/// Port of `https` where none is written.
const HTTPS: u16 = 443;

/// A CSE as it is dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FarCse {
    pub(crate) cse: CseId,
    pub(crate) credential: FarCredential,
    pub(crate) places: Vec<Place>,
}

/// What is proved to it, and what it is to prove. With a symmetric key that is one and the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FarCredential {
    /// The provisioned key with this `psk_identity`, as configured.
    ProvisionedKey(PskIdentity),
    /// Our certificate, to the CSE whose certificate has this public domain name, as configured.
    Certificate(CseDomainName),
    /// The credential with which it registered here: the same one, with the roles swapped (TS-0003 §8.2.1).
    OfRegistration(CredentialId),
}

/// `host:port`, and the name to ask for there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) server_name: Option<String>,
}

impl FarCse {
    /// The CSE above, as configured.
    ///
    /// # Errors
    /// [`Unnamed`] if it is to prove itself by a certificate and its public domain name is not certain.
    pub(crate) fn above(section: &RegistrarSection) -> Result<Self, Unnamed> {
        let credential = match &section.psk_identity {
            Some(identity) => FarCredential::ProvisionedKey(identity.clone()),
            None => FarCredential::Certificate(section.domain_name()?),
        };
        let place = Place { address: section.address.to_string(), server_name: section.server_name() };
        Ok(Self { cse: section.cse_id.clone(), credential, places: vec![place] })
    }

    /// The credential that is proved to it.
    pub(crate) fn credential_id(&self) -> CredentialId {
        match &self.credential {
            FarCredential::ProvisionedKey(identity) => CredentialId::saef_key(identity),
            FarCredential::Certificate(name) => of_certificate(name),
            FarCredential::OfRegistration(id) => id.clone(),
        }
    }

    /// What its certificate has to show; `None` for a symmetric key.
    fn expected(&self) -> Result<Option<ExpectedServer>, Trouble> {
        let id = match &self.credential {
            FarCredential::ProvisionedKey(_) => return Ok(None),
            FarCredential::Certificate(name) => return Ok(Some(ExpectedServer::Cse(name.clone()))),
            FarCredential::OfRegistration(id) => id,
        };
        let unusable =
            |error: &dyn std::fmt::Display| Trouble::NoCredential(format!("credential {id}: {error}"));
        match id.kind() {
            CredentialKind::SaefKey | CredentialKind::MafKey | CredentialKind::MefKey => Ok(None),
            // The very name that it registered with.
            CredentialKind::CseIdCertificate => CseDomainName::parse_in(id.value(), self.cse.sp())
                .map(|name| Some(ExpectedServer::Cse(name)))
                .map_err(|error| unusable(&error)),
            CredentialKind::RawPublicKey => {
                id.value().parse().map(|key| Some(ExpectedServer::Key(key))).map_err(|error| unusable(&error))
            }
            _ => Err(unusable(&"nothing of its kind is proved in the other direction")),
        }
    }

    /// A CSE that registered here, as it said itself; `None` if it cannot be dialled.
    pub(crate) fn below(hop: &NextHop) -> Option<Self> {
        let credential = FarCredential::OfRegistration(hop.credential_id.clone()?);
        let places = hop.points_of_access.iter().filter_map(|text| Place::of(text)).take(MOST_PLACES);
        Some(Self { cse: hop.cse.clone(), credential, places: places.collect() })
    }
}

fn of_certificate(name: &CseDomainName) -> CredentialId {
    CredentialId::certificate(CertificateUse::Tls, &CertificateName::CseId(name.clone()))
}

impl Place {
    /// Only https, and no path: no clear text to CSEs, where it would be refused anyway.
    fn of(text: &str) -> Option<Self> {
        let point: PointOfAccess = text.parse().ok()?;
        if point.scheme() != "https" || !matches!(point.path(), "" | "/") {
            return None;
        }
        let (host, port) = (point.host(), point.port().unwrap_or(HTTPS));
        let place = match host.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => Self { address: format!("[{host}]:{port}"), server_name: None },
            Ok(IpAddr::V4(_)) => Self { address: format!("{host}:{port}"), server_name: None },
            Err(_) => Self { address: format!("{host}:{port}"), server_name: Some(host.to_owned()) },
        };
        Some(place)
    }
}

/// An association that was opened.
pub(crate) struct Opened {
    pub(crate) connection: HttpConnection,
    /// It must not outlive its credential.
    pub(crate) not_after: Option<Timestamp>,
}

/// Why there is no association at one place.
enum Attempt {
    /// Another place may do.
    NotHere(Trouble),
    /// No other place will do either.
    Nowhere(Trouble),
}

/// Opens associations with what the store knows.
#[derive(Clone)]
pub(crate) struct Opener {
    store: Store,
    clock: Arc<dyn Clock>,
    dialer: Dialer,
    /// Known once the listeners are.
    own: Arc<OnceLock<OwnCertificate>>,
}

impl Opener {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>) -> Result<Self, NetError> {
        let dialer = Dialer::new(&SuitePolicy::default(), LIMITS)?;
        Ok(Self { store, clock, dialer, own: Arc::default() })
    }

    pub(crate) fn prove_with(&self, own: Option<OwnCertificate>) {
        if let Some(own) = own {
            // Said once, at the start.
            let _ = self.own.set(own);
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Opens an association with `far`, trying its places in their order. The credential is looked up each time.
    pub(crate) async fn open(&self, far: &FarCse) -> Result<Opened, Trouble> {
        let mut trouble = Trouble::Unreachable(format!("{} says no https address of itself", far.cse));
        let expected = self.in_its_letters(far, far.expected()?).await?;
        for place in &far.places {
            let opened = match &expected {
                None => self.by_key(far, place).await,
                Some(expected) => self.by_certificate(far, expected, place).await,
            };
            match opened {
                Ok(opened) => return Ok(opened),
                Err(Attempt::NotHere(failed)) => trouble = failed,
                Err(Attempt::Nowhere(failed)) => return Err(failed),
            }
        }
        Err(trouble)
    }

    /// Whether what the store knows lets an association with `far` be opened, and until when.
    pub(crate) async fn look(&self, far: &FarCse) -> Result<Option<Timestamp>, Trouble> {
        match far.expected()? {
            None => self.credential(far).await.map(|(_, not_after)| not_after),
            Some(_) => self.not_withdrawn(far).await,
        }
    }

    /// A registree may have come with a certificate that writes its name in other letters, and is met with it: unless
    /// another is known who could be meant (register A-50).
    async fn in_its_letters(
        &self,
        far: &FarCse,
        expected: Option<ExpectedServer>,
    ) -> Result<Option<ExpectedServer>, Trouble> {
        let (Some(ExpectedServer::Cse(name)), FarCredential::OfRegistration(_)) =
            (&expected, &far.credential)
        else {
            return Ok(expected);
        };
        let sought = far.cse.clone();
        let known = self.store.read(move |records| records.cses_spelt_like(&sought)).await;
        let known = known.map_err(|error| Trouble::NoCredential(causes(&error)))?;
        let alone = known.iter().all(|known| *known == far.cse);
        Ok(if alone { Some(ExpectedServer::CseInAnyLetters(name.clone())) } else { expected })
    }

    async fn by_key(&self, far: &FarCse, place: &Place) -> Result<Opened, Attempt> {
        let (psk, not_after) = self.credential(far).await.map_err(Attempt::Nowhere)?;
        let connected = self.dialer.connect(&place.address, psk, place.server_name.as_deref()).await;
        let connection = connected.map_err(|error| Attempt::NotHere(trouble_of(&error)))?;
        Ok(Opened { connection, not_after })
    }

    async fn by_certificate(
        &self,
        far: &FarCse,
        expected: &ExpectedServer,
        place: &Place,
    ) -> Result<Opened, Attempt> {
        let none = || Trouble::NoCredential("no [[listener]] has a certificate to prove".into());
        let own = self.own.get().ok_or_else(|| Attempt::Nowhere(none()))?;
        let not_after = self.not_withdrawn(far).await.map_err(Attempt::Nowhere)?;
        let (identity, ends) = own.identity();
        let not_after = good_until(ends, not_after, self.clock.now()).map_err(Attempt::Nowhere)?;
        let complaint = Complaint::default();
        let here = |error: &NetError| {
            let found = complaint.lock().unwrap_or_else(PoisonError::into_inner).take();
            Attempt::NotHere(found.map_or_else(|| trouble_of(error), Trouble::Untrusted))
        };
        let demanded = self.demanded_roots(far, expected).await.map_err(Attempt::Nowhere)?;
        let expected = Believed { server: expected.clone(), demanded };
        let dialer = certified::dialer(own, identity, expected, &self.clock, LIMITS, &complaint)
            .map_err(|error| here(&error))?;
        let connected = dialer.connect_with(&place.address, None, place.server_name.as_deref(), None).await;
        let connection = connected.map_err(|error| here(&error))?;
        Ok(Opened { connection, not_after: Some(not_after) })
    }

    /// The roots that the enrolment of its public key demands a chain to (draft clause x.y.6).
    async fn demanded_roots(
        &self,
        far: &FarCse,
        expected: &ExpectedServer,
    ) -> Result<Option<Anchors>, Trouble> {
        if !matches!(expected, ExpectedServer::Key(_)) {
            return Ok(None);
        }
        let id = far.credential_id();
        let found = self.store.read(move |records| records.enrolment(&id)).await;
        let found = found.map_err(|error| Trouble::NoCredential(causes(&error)))?;
        let Some(policy) = found.and_then(|enrolment| enrolment.chain_policy) else { return Ok(None) };
        let roots = Anchors::from_pem(policy.anchors_pem.as_bytes(), self.clock.now());
        let wrong = |error| {
            let credential = far.credential_id();
            Trouble::NoCredential(format!("credential {credential}: the chain that it demands: {error}"))
        };
        roots.map(Some).map_err(wrong)
    }

    /// A certificate is believed by its chain and name; but not one that was withdrawn here, nor one that stands for
    /// somebody else here.
    async fn not_withdrawn(&self, far: &FarCse) -> Result<Option<Timestamp>, Trouble> {
        let id = far.credential_id();
        let sought = id.clone();
        let found = self.store.read(move |records| records.credential_facts(&sought)).await;
        let Some(facts) = found.map_err(|error| Trouble::NoCredential(causes(&error)))? else {
            return Ok(None);
        };
        let none = |how: String| Trouble::NoCredential(format!("credential {id} {how}"));
        if facts.subject.as_ref().is_some_and(|subject| *subject != EntityId::Cse(far.cse.clone())) {
            return Err(none(format!("does not stand for {}", far.cse)));
        }
        let usable = facts.usable(Function::Cse, self.clock.now());
        usable.map_err(|refusal| none(format!("cannot be used: {refusal}")))?;
        Ok(facts.not_after)
    }

    /// The key to prove. It must stand for exactly the CSE that is dialled: whoever proves it at the other end is
    /// that one.
    async fn credential(&self, far: &FarCse) -> Result<(ClientPsk, Option<Timestamp>), Trouble> {
        let credential = far.credential_id();
        let shown = credential.to_string();
        let found = self.store.read(move |records| {
            let known = records.credential_by_id(&credential)?;
            let Some(known) = known else { return Ok(None) };
            records.psk(Function::Cse, &known.psk_identity)
        });
        let found = found.await.map_err(|error| Trouble::NoCredential(causes(&error)))?;
        let none = |how: String| Trouble::NoCredential(format!("credential {shown} {how}"));
        let Some(KeyRecord { credential, key }) = found else {
            let cse = &far.cse;
            let how = format!("is not in the store; `attache credential add` it with --cse-id {cse}");
            return Err(none(how));
        };
        if credential.entity != Some(EntityId::Cse(far.cse.clone())) {
            let found =
                credential.entity.map_or_else(|| "nobody yet".to_owned(), |entity| entity.to_string());
            return Err(none(format!("stands for {found}, not for {}", far.cse)));
        }
        usable(&credential, Function::Cse, self.clock.now())
            .map_err(|refusal| none(format!("cannot be used: {refusal}")))?;
        let key: Kpsa = key.ok_or_else(|| none("has no key".into()))?;
        let psk = ClientPsk { identity: credential.psk_identity, key };
        Ok((psk, credential.not_after))
    }
}

/// Until when an association may last for which we prove a certificate that is good until `own`, to a CSE whose
/// credential is good until `far`.
fn good_until(own: Timestamp, far: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Trouble> {
    if own < now {
        let what = format!("the certificate of [[listener]] ended at {own}: renew it, and reload (SIGHUP)");
        return Err(Trouble::NoCredential(what));
    }
    Ok(far.map_or(own, |far| far.min(own)))
}

pub(crate) fn trouble_of(error: &NetError) -> Trouble {
    let said = causes(error);
    match error {
        NetError::Refused {
            source:
                AssociationError::KeyRefused { .. }
                | AssociationError::WrongKey
                | AssociationError::CertificateDenied { .. }
                | AssociationError::PeerAlert { .. },
            ..
        } => Trouble::KeyRefused(said),
        _ => Trouble::Unreachable(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_ends_with_our_certificate() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let (own, now) = (time("20260601T120000"), time("20260601T115959"));
        assert_eq!(good_until(own, None, now).unwrap(), own);
        assert_eq!(good_until(own, Some(time("20270101T000000")), now).unwrap(), own);
        assert_eq!(good_until(own, Some(now), now).unwrap(), now, "or with what is known of the other");
        let over = good_until(own, None, time("20260601T120001")).unwrap_err().to_string();
        assert!(over.contains("ended at 20260601T120000"), "{over}");
    }

    #[test]
    fn places_of_points_of_access() {
        let place = |text: &str| Place::of(text).map(|place| (place.address, place.server_name));
        let named = |address: &str, name: &str| Some((address.to_owned(), Some(name.to_owned())));
        let bare = |address: &str| Some((address.to_owned(), None));
        assert_eq!(place("https://gw.example.org:8443"), named("gw.example.org:8443", "gw.example.org"));
        assert_eq!(place("HTTPS://gw.example.org/"), named("gw.example.org:443", "gw.example.org"));
        assert_eq!(place("https://192.0.2.1:8443"), bare("192.0.2.1:8443"), "an address is no server name");
        assert_eq!(place("https://[2001:db8::1]"), bare("[2001:db8::1]:443"));
        for other in
            ["http://gw.example.org", "coaps://gw.example.org", "https://gw.example.org/base", "gw", ""]
        {
            assert_eq!(place(other), None, "{other}");
        }
    }
}
