//! What a device proves itself with, and by what it knows its registrar.

use std::sync::{Arc, Mutex, PoisonError};

use certificate::{
    Anchors, Chain, ExpectedServer, OcspPolicy, Purpose, RawKey, check_staple, matches_key, matches_server,
    verify,
};
use keys::{IdentityToken, Kpsa, PskIdentity};
use net::{
    Alert, ClientContext, ClientIdentity, ClientPsk, DialLimits, Dialer, Presented, PrivateKey, ServerCheck,
    StapleCheck, SuitePolicy,
};
use onem2m::{id::CseDomainName, time::Clock};

use crate::{Attachment, DeviceError, Registrar, RememberedSession, session::Fingerprint};

/// What a device proves itself with.
pub enum Proof {
    /// A provisioned symmetric key (TS-0003 §8.2.2.1). The registrar is known by holding it too.
    Key {
        /// The identity of the key.
        identity: PskIdentity,
        /// The key.
        key: Kpsa,
    },
    /// A certificate (TS-0003 §8.2.2.2).
    Certificate {
        /// It and those between it and the root.
        chain: Chain,
        /// Its private key.
        key: PrivateKey,
    },
    /// A raw public key (RFC 7250).
    RawKey {
        /// The private key.
        key: PrivateKey,
    },
    /// An identity token (draft clause x.y.7), sent once the registrar has proved itself.
    Token(IdentityToken),
}

/// By what a device knows its registrar, where that is not a symmetric key.
#[derive(Clone)]
pub struct RegistrarTrust {
    /// The roots that its certificate has to lead to; never the system's.
    pub anchors: Anchors,
    /// Who its certificate has to name, or which key it has to hold.
    pub expected: ExpectedServer,
    /// The OCSP responder that has to say that the certificate is good (draft clause x.y.6); without it nobody is
    /// asked.
    pub ocsp: Option<OcspPolicy>,
}

impl RegistrarTrust {
    /// The registrar by its public domain name, whose certificate leads to `anchors`.
    #[must_use]
    pub const fn in_domain(anchors: Anchors, name: CseDomainName) -> Self {
        Self { anchors, expected: ExpectedServer::Cse(name), ocsp: None }
    }

    /// The name to ask for in SNI, where it can be told (TS-0003 §10.2.1).
    fn server_name(&self) -> Option<String> {
        match &self.expected {
            ExpectedServer::Cse(name) | ExpectedServer::CseInAnyLetters(name) => Some(name.to_string()),
            ExpectedServer::Fqdn(name) => Some(name.to_string()),
            ExpectedServer::Key(_) | ExpectedServer::Node(_) | ExpectedServer::Device(_) => None,
        }
    }
}

/// A device that can attach, as often as need be.
pub struct Device {
    registrar: Registrar,
    proof: Proof,
    dialer: Dialer,
    fingerprint: Fingerprint,
    /// What was wrong with the registrar, where that was found in the handshake.
    complaint: Complaint,
}

type Complaint = Arc<Mutex<Option<String>>>;

impl Device {
    /// A device with a symmetric key.
    ///
    /// # Errors
    /// [`DeviceError::Transport`] if TLS cannot be set up.
    pub fn with_key(registrar: Registrar, identity: PskIdentity, key: Kpsa) -> Result<Self, DeviceError> {
        let dialer = Dialer::new(&SuitePolicy::default(), DialLimits::default())?;
        let proof = Proof::Key { identity, key };
        let fingerprint = Fingerprint::of(&registrar, &proof, None);
        Ok(Self { registrar, proof, dialer, fingerprint, complaint: Complaint::default() })
    }

    /// A device with `proof`, which knows its registrar by `trust`. A symmetric key needs no trust and ignores it.
    ///
    /// # Errors
    /// [`DeviceError::Credential`] for a certificate or key that cannot be used.
    pub fn new(
        mut registrar: Registrar,
        proof: Proof,
        trust: RegistrarTrust,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DeviceError> {
        if registrar.server_name.is_none() {
            registrar.server_name = trust.server_name();
        }
        let fingerprint = Fingerprint::of(&registrar, &proof, Some(&trust));
        let identity = match &proof {
            Proof::Key { identity, key } => {
                return Self::with_key(registrar, identity.clone(), key.duplicate());
            }
            Proof::Certificate { chain, key } => ClientIdentity::Chain {
                chain_der: chain.ders().map(<[u8]>::to_vec).collect(),
                key: key.share(),
            },
            Proof::RawKey { key } => ClientIdentity::RawKey { key: key.share() },
            Proof::Token(_) => ClientIdentity::None,
        };
        let complaint = Complaint::default();
        let suites = SuitePolicy::default().with_certificates().certificates_only();
        let raw = matches!(trust.expected, ExpectedServer::Key(_));
        let mut context = ClientContext::builder(&suites).identity(identity).raw_server_keys(raw);
        if trust.ocsp.is_some() {
            context = context.staple_check(staple_check(trust.clone(), Arc::clone(&clock), &complaint));
        }
        let context = context.server(server_check(trust, clock, &complaint)).build();
        let dialer = Dialer::of(context.map_err(DeviceError::Credential)?, DialLimits::default());
        Ok(Self { registrar, proof, dialer, fingerprint, complaint })
    }

    /// Connects and makes the association, or resumes that of `remembered` if the registrar agrees. What was
    /// remembered under other settings is not offered.
    ///
    /// # Errors
    /// [`DeviceError::Transport`] if the registrar is not reached in time or refuses the handshake;
    /// [`DeviceError::Untrusted`] if it is not the one that is trusted: nothing was sent to it.
    pub async fn attach(&self, remembered: Option<&RememberedSession>) -> Result<Attachment, DeviceError> {
        let psk = match &self.proof {
            Proof::Key { identity, key } => {
                Some(ClientPsk { identity: identity.clone(), key: key.duplicate() })
            }
            Proof::Certificate { .. } | Proof::RawKey { .. } | Proof::Token(_) => None,
        };
        let resume = remembered.and_then(|session| session.for_settings(&self.fingerprint));
        self.complain(None);
        let connected = self
            .dialer
            .connect_with(
                &self.registrar.address,
                psk,
                self.registrar.server_name.as_deref(),
                resume.as_ref(),
            )
            .await;
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => {
                return Err(match self.complain(None) {
                    Some(detail) => DeviceError::Untrusted { detail, source: error },
                    None => error.into(),
                });
            }
        };
        let session =
            connection.take_session().map(|session| RememberedSession::new(&self.fingerprint, &session));
        // Whoever resumes is bound to its identity already.
        let token = match &self.proof {
            Proof::Token(token) if connection.handshake().resumed.is_none() => Some(token.to_text()),
            _ => None,
        };
        Ok(Attachment::over(connection, self.registrar.clone(), token, session))
    }

    fn complain(&self, new: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.complaint.lock().unwrap_or_else(PoisonError::into_inner), new)
    }
}

fn server_check(trust: RegistrarTrust, clock: Arc<dyn Clock>, complaint: &Complaint) -> ServerCheck {
    let complaint = Arc::clone(complaint);
    Arc::new(move |presented| {
        judge(&trust, presented, &*clock).map_err(|(alert, detail)| {
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
            alert
        })
    })
}

/// Whether this is the registrar that is trusted (TS-0003 §8.1.2.5).
fn judge(trust: &RegistrarTrust, presented: &Presented, clock: &dyn Clock) -> Result<(), (Alert, String)> {
    let bad = |error: &dyn std::fmt::Display| (Alert::BAD_CERTIFICATE, error.to_string());
    let refused = |refusal: &certificate::Refusal| (Alert(refusal.alert()), refusal.to_string());
    match (presented, &trust.expected) {
        (Presented::RawKey(spki), ExpectedServer::Key(trusted)) => {
            let key = RawKey::from_spki_der(spki).map_err(|error| bad(&error))?;
            matches_key(&key, trusted).map_err(|refusal| refused(&refusal))
        }
        (Presented::RawKey(_), _) => Err((
            Alert::UNSUPPORTED_CERTIFICATE,
            "it presents a raw public key where a certificate is expected".to_owned(),
        )),
        (Presented::Chain(ders), expected) => {
            let chain = Chain::from_der(ders).map_err(|error| bad(&error))?;
            // Of a key that is trusted by itself nothing else in the certificate counts.
            if !matches!(expected, ExpectedServer::Key(_)) {
                verify(&trust.anchors, &chain, Purpose::Server, clock.now(), false)
                    .map_err(|refusal| refused(&refusal))?;
            }
            matches_server(&chain, expected).map_err(|refusal| refused(&refusal))
        }
    }
}

fn staple_check(trust: RegistrarTrust, clock: Arc<dyn Clock>, complaint: &Complaint) -> StapleCheck {
    let complaint = Arc::clone(complaint);
    Arc::new(move |staple, presented| {
        let Some(policy) = &trust.ocsp else { return Ok(()) };
        let verdict = match presented {
            Presented::Chain(ders) => {
                Chain::from_der(ders).map_err(|error| error.to_string()).and_then(|chain| {
                    check_staple(policy, staple, &chain, &trust.anchors, clock.now())
                        .map(drop)
                        .map_err(|refusal| refusal.to_string())
                })
            }
            Presented::RawKey(_) => Err("a raw public key has no status that could be asked for".to_owned()),
        };
        verdict.map_err(|detail| {
            *complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(detail);
            Alert::BAD_CERTIFICATE_STATUS_RESPONSE
        })
    })
}
