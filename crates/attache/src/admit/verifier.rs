//! The source of keys, certificates' meaning and sessions of one listener.

use std::{sync::Arc, time::Duration};

use certificate::{Anchors, Chain, Name, Purpose, RawKey};
use identity::{
    ChainPolicy, Credential, Established, Flavour, Framework, Function, Home, KeyRefusal, Made, Named, Peer,
    SessionRecord, Surroundings, certified, may_resume, usable, usable_enrolment,
};
use keys::{CredentialId, Kpsa, PskIdentity};
use net::{
    Alert, CertificateRefusal, Handshake, HandshakeRefusal, KeySource, NewSession, Presented, Remembered,
    SavedSession, SessionHandle, SessionKind,
};
use onem2m::{
    id::{CseId, CseName},
    time::{Clock, Timestamp},
};
use store::{
    Enrolments as _, EnrolmentsMut as _, KnownCses as _, SESSIONS_KEPT, Sessions as _, SessionsMut as _,
    Store,
};

use super::Trust;

/// What the peers of one listener prove, held against the store at every handshake.
pub(crate) struct Verifier {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) home: Home,
    /// The IN-CSE of the service provider, where that is another CSE.
    pub(crate) infrastructure: Option<CseName>,
    /// Whose certificates are accepted; `None` if none are.
    pub(crate) trust: Option<Trust>,
    /// For how long a session may be resumed.
    pub(crate) resumed_for: Duration,
}

impl KeySource for Verifier {
    async fn key(&self, identity: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
        let record = match self.store.psk(Function::Cse, identity).await {
            Ok(Some(record)) => record,
            Ok(None) => return Err(KeyRefusal::Unknown),
            Err(error) => {
                tracing::error!(%error, "a key was not looked up");
                return Err(KeyRefusal::Unavailable);
            }
        };
        usable(&record.credential, Function::Cse, self.clock.now())?;
        let key = record.key.ok_or(KeyRefusal::Revoked)?;
        if key.is_short() {
            tracing::warn!(credential = %record.credential.credential_id, "a key of under 16 octets is in use");
        }
        Ok((record.credential, key))
    }

    async fn certificate(&self, presented: Presented) -> Result<Established, CertificateRefusal> {
        let trust = self.trust.as_ref().ok_or_else(|| {
            CertificateRefusal::not_enrolled(
                HandshakeRefusal::Unknown,
                "this listener accepts no certificates",
            )
        })?;
        match presented {
            Presented::RawKey(spki) => self.raw_key(trust, &spki).await,
            Presented::Chain(ders) => self.chain(trust, &ders).await,
        }
    }

    async fn session(&self, offered: SessionHandle) -> Option<Remembered> {
        let now = self.clock.now();
        let digest = offered.digest;
        let found = match self.store.read_brief(move |records| records.session(&digest, now)).await {
            Ok(found) => found?,
            Err(error) => {
                tracing::error!(%error, "a session was not looked up");
                return None;
            }
        };
        let present = found.present(Function::Cse, offered.server_name.as_deref());
        let established = match may_resume(&found.record, &present, now) {
            Ok(established) => established,
            Err(why) => {
                tracing::debug!(credential = %found.record.credential_id, %why, "a full handshake instead of a resumed session");
                return None;
            }
        };
        if !self.takes(established.framework) {
            return None;
        }
        let session = match (offered.kind, found.session) {
            (SessionKind::Id, Some(session)) => SavedSession::ById(session),
            (SessionKind::Ticket, _) => SavedSession::ByTicket,
            (SessionKind::Id, None) => return None,
        };
        Some(Remembered { established, session })
    }

    async fn remember(&self, session: NewSession, handshake: &Handshake, peer: &Peer) {
        let made = Made {
            function: Function::Cse,
            peer,
            server_name: handshake.server_name.as_deref(),
            extended_master_secret: handshake.extended_master_secret,
            suite: handshake.suite.name(),
            lifetime: self.resumed_for,
        };
        let Some(record) = SessionRecord::of(&made, self.clock.now()) else { return };
        let (digest, session) = match (session.by_id, session.by_ticket) {
            (Some((digest, session)), _) => (digest, Some(session)),
            (None, Some(digest)) => (digest, None),
            (None, None) => return,
        };
        let new = store::NewSession { digest, record, session, keep: SESSIONS_KEPT };
        if let Err(error) = self.store.write("remember session", move |tx| tx.remember_session(&new)).await {
            // The next handshake is a full one.
            tracing::warn!(%error, "a session was not remembered");
        }
    }

    async fn forget(&self, sessions: Vec<[u8; 32]>) {
        let number = sessions.len();
        let forgotten = self.store.write("forget failed sessions", move |tx| {
            sessions.iter().try_for_each(|digest| tx.forget_session(digest).map(drop))
        });
        match forgotten.await {
            Ok(()) => tracing::debug!(number, "a fatal alert has ended sessions"),
            Err(error) => tracing::error!(%error, "a session that a fatal alert has ended is not forgotten"),
        }
    }
}

impl Verifier {
    /// Whether the listener accepts peers that prove themselves like this.
    fn takes(&self, framework: Framework) -> bool {
        match framework {
            Framework::ProvisionedKey | Framework::Token => true,
            Framework::PublicKeyHash => self.trust.is_some(),
            Framework::Certificate(flavour) => {
                self.trust.as_ref().is_some_and(|trust| trust.accepts(flavour))
            }
        }
    }

    async fn raw_key(&self, trust: &Trust, spki: &[u8]) -> Result<Established, CertificateRefusal> {
        if !trust.accepts(Flavour::RawPublicKey) {
            return Err(unsupported("raw public keys are not accepted by this listener"));
        }
        let key = RawKey::from_spki_der(spki).map_err(|error| bad(&error))?;
        match self.enrolled(key.spki()).await? {
            Some(enrolment) => {
                self.may_be_used(&enrolment)?;
                // A key without its chain is not what the operator has enrolled.
                if enrolment.chain_policy.is_some() {
                    return Err(no_chain(
                        &enrolment,
                        "a raw public key, and the enrolment demands a chain (draft clause x.y.6)".to_owned(),
                    ));
                }
                Ok(Established::by_enrolment(Framework::Certificate(Flavour::RawPublicKey), &enrolment))
            }
            None => Err(CertificateRefusal::not_enrolled(
                HandshakeRefusal::Unknown,
                "the raw public key is not enrolled (TS-0003 §10.1.2)",
            )),
        }
    }

    async fn chain(&self, trust: &Trust, ders: &[Vec<u8>]) -> Result<Established, CertificateRefusal> {
        let chain = Chain::from_der(ders).map_err(|error| bad(&error))?;
        match self.enrolled(chain.spki()).await? {
            Some(enrolment) => self.by_hash(&enrolment, &chain).await,
            None => self.by_name(trust, &chain).await,
        }
    }

    /// A certificate, perhaps self-signed, whose public key is enrolled: nothing else in it counts unless a chain
    /// is asked for (draft clause x.y.6).
    async fn by_hash(
        &self,
        enrolment: &identity::Enrolment,
        chain: &Chain,
    ) -> Result<Established, CertificateRefusal> {
        self.may_be_used(enrolment)?;
        chain.key().map_err(|violation| bad(&violation))?;
        let established = Established::by_enrolment(Framework::PublicKeyHash, enrolment);
        let Some(policy) = &enrolment.chain_policy else { return Ok(established) };
        let now = self.clock.now();
        follow(policy, chain, now).map_err(|detail| no_chain(enrolment, detail))?;
        let (id, facts) = (enrolment.credential_id.clone(), chain.summary());
        let noted = self.store.write("note chain", move |tx| tx.note_chain(&id, &facts)).await;
        if let Err(error) = noted {
            tracing::warn!(%error, credential = %enrolment.credential_id, "what the chain says was not recorded");
        }
        Ok(established.until(chain.not_after()))
    }

    /// A certificate whose chain leads to an anchor, by the name in it (TS-0003 §8.1.2.5).
    async fn by_name(&self, trust: &Trust, chain: &Chain) -> Result<Established, CertificateRefusal> {
        let now = self.clock.now();
        certificate::verify(&trust.anchors(), chain, Purpose::Client, now, trust.strict()).map_err(
            |refusal| {
                // A certificate on its own is either enrolled or not; there is no authority to be unknown.
                let alone = chain.ders().all(|der| der == chain.leaf_der());
                let unknown = alone && Alert(refusal.alert()) == Alert::UNKNOWN_CA;
                let alert = if unknown { Alert::CERTIFICATE_UNKNOWN } else { Alert(refusal.alert()) };
                let reason = if unknown { HandshakeRefusal::Unknown } else { HandshakeRefusal::Certificate };
                CertificateRefusal { alert, reason, detail: refusal.to_string(), credential_id: None }
            },
        )?;
        let name = only_name(chain)?;
        let named = name_of(&name);
        if !trust.accepts(named.flavour()) {
            return Err(unsupported("this listener does not accept certificates of this kind"));
        }
        let unresolved = |error: &dyn std::error::Error, id: Option<CredentialId>| CertificateRefusal {
            credential_id: id,
            ..CertificateRefusal::not_enrolled(HandshakeRefusal::Unknown, error.to_string())
        };
        let known = self.known(named).await?;
        let here = self.surroundings(&known);
        let ids = here.credential_ids_of(named).map_err(|error| unresolved(&error, None))?;
        let id = ids.first().cloned();
        let record = self
            .store
            .read_brief(move |records| {
                let found = ids.iter().map(|id| records.enrolment(id));
                found.filter_map(Result::transpose).next().transpose()
            })
            .await
            .map_err(|error| failed(&error))?;
        certified(&here, named, record.as_ref(), chain.not_after(), now).map_err(|error| {
            let reason = match &error {
                identity::Unresolved::Record(refusal) => (*refusal).into(),
                _ => HandshakeRefusal::Unknown,
            };
            CertificateRefusal { reason, ..unresolved(&error, id) }
        })
    }

    /// The CSE-IDs of our records that may be meant by the name (register A-50).
    async fn known(&self, name: Named<'_>) -> Result<Vec<CseId>, CertificateRefusal> {
        let Named::Cse(written) = name else { return Ok(Vec::new()) };
        let Some(cse) = self.surroundings(&[]).cse_written(written) else { return Ok(Vec::new()) };
        let found = self.store.read_brief(move |records| records.cses_spelt_like(&cse)).await;
        found.map_err(|error| failed(&error))
    }

    const fn surroundings<'a>(&'a self, known: &'a [CseId]) -> Surroundings<'a> {
        Surroundings { home: &self.home, infrastructure: self.infrastructure.as_ref(), known }
    }

    async fn enrolled(&self, spki: &[u8]) -> Result<Option<identity::Enrolment>, CertificateRefusal> {
        let spki = spki.to_vec();
        self.store
            .read_brief(move |records| records.enrolment_of_key(&spki))
            .await
            .map_err(|error| failed(&error))
    }

    fn may_be_used(&self, enrolment: &identity::Enrolment) -> Result<(), CertificateRefusal> {
        usable_enrolment(enrolment, Function::Cse, self.clock.now()).map_err(|refusal| CertificateRefusal {
            credential_id: Some(enrolment.credential_id.clone()),
            ..CertificateRefusal::not_enrolled(
                refusal.into(),
                format!("the public key's enrolment: {refusal}"),
            )
        })
    }
}

/// The refusal of a key that is enrolled, but not without the chain that its enrolment demands.
fn no_chain(enrolment: &identity::Enrolment, detail: String) -> CertificateRefusal {
    CertificateRefusal {
        credential_id: Some(enrolment.credential_id.clone()),
        ..CertificateRefusal::not_enrolled(HandshakeRefusal::Certificate, detail)
    }
}

/// Whether the chain is what the enrolment of its public key demands.
fn follow(policy: &ChainPolicy, chain: &Chain, now: Timestamp) -> Result<(), String> {
    let anchors = Anchors::from_pem(policy.anchors_pem.as_bytes(), now).map_err(|error| error.to_string())?;
    certificate::verify_path(&anchors, chain, Purpose::Client, now).map_err(|error| error.to_string())
}

/// The one name that counts: of an entity before that of what it runs on (TS-0003 §8.2.1). Of a CSE and of an AE at
/// once, a certificate stands for neither.
fn only_name(chain: &Chain) -> Result<Name, CertificateRefusal> {
    let names = certificate::names(chain).map_err(|violation| bad(&violation))?;
    let (of_entities, of_hardware): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| matches!(name, Name::Cse(_) | Name::Ae(_)));
    let mut counting = if of_entities.is_empty() { of_hardware } else { of_entities }.into_iter();
    match (counting.next(), counting.next()) {
        (Some(name), None) => Ok(name),
        (None, _) => {
            Err(bad_text("certificate 0, subjectAltName: no globally unique identifier (TS-0003 §8.1.2.1)"))
        }
        (Some(_), Some(_)) => Err(bad_text(
            "certificate 0, subjectAltName: several globally unique identifiers: of whom it is speaking is not certain",
        )),
    }
}

const fn name_of(name: &Name) -> Named<'_> {
    match name {
        Name::Device(id) => Named::Device(id.as_str()),
        Name::Cse(name) => Named::Cse(name.as_str()),
        Name::Ae(ae) => Named::Ae(ae),
        Name::Node(node) => Named::Node(node),
    }
}

fn bad(error: &dyn std::error::Error) -> CertificateRefusal {
    bad_text(&error.to_string())
}

fn bad_text(detail: &str) -> CertificateRefusal {
    CertificateRefusal {
        alert: Alert::BAD_CERTIFICATE,
        reason: HandshakeRefusal::Certificate,
        detail: detail.to_owned(),
        credential_id: None,
    }
}

fn unsupported(detail: &str) -> CertificateRefusal {
    CertificateRefusal { alert: Alert::UNSUPPORTED_CERTIFICATE, ..bad_text(detail) }
}

fn failed(error: &store::StoreError) -> CertificateRefusal {
    tracing::error!(%error, "an enrolment was not looked up");
    CertificateRefusal::not_enrolled(HandshakeRefusal::Unavailable, "the store did not answer")
}
