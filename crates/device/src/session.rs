use certificate::ExpectedServer;
use keys::Secret;
use net::ClientSession;
use sha2::{Digest as _, Sha256};

use crate::{Proof, Registrar, RegistrarTrust};

const FINGERPRINT_OCTETS: usize = 32;

/// SHA-256 over the settings under which a session was made: registrar, credential, trust. Another registrar,
/// another key or another root, and the session is not offered (register A-33).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint([u8; FINGERPRINT_OCTETS]);

impl Fingerprint {
    pub(crate) fn of(registrar: &Registrar, proof: &Proof, trust: Option<&RegistrarTrust>) -> Self {
        let mut digest = Sha256::new();
        let mut part = |octets: &[u8]| {
            digest.update((octets.len() as u64).to_be_bytes());
            digest.update(octets);
        };
        part(registrar.cse.to_string().as_bytes());
        part(registrar.server_name.as_deref().unwrap_or_default().as_bytes());
        match proof {
            Proof::Key { identity, key } => {
                part(b"key");
                part(identity.as_str().as_bytes());
                part(key.expose());
            }
            Proof::Certificate { chain, .. } => {
                part(b"certificate");
                chain.ders().for_each(&mut part);
            }
            Proof::RawKey { key } => {
                part(b"raw key");
                part(&key.public_key_der().unwrap_or_default());
            }
            Proof::Token(token) => {
                part(b"token");
                part(token.digest().octets());
            }
        }
        if let Some(trust) = trust {
            trust.anchors.ders().for_each(&mut part);
            part(expected(&trust.expected).as_bytes());
            part(format!("{:?}", trust.ocsp).as_bytes());
        }
        Self(digest.finalize().into())
    }
}

fn expected(expected: &ExpectedServer) -> String {
    format!("{expected:?}")
}

/// A session that a device has kept to resume it: a secret, like the key that it stands for. To be forgotten after an
/// error that [ends it](crate::DeviceError::ends_session).
pub struct RememberedSession {
    fingerprint: Fingerprint,
    der: Secret,
}

impl RememberedSession {
    pub(crate) fn new(fingerprint: &Fingerprint, session: &ClientSession) -> Self {
        Self { fingerprint: fingerprint.clone(), der: session.der().duplicate() }
    }

    /// The octets to be kept where nobody else reads them.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        Secret::new([self.fingerprint.0.as_slice(), self.der.expose()].concat())
    }

    /// What [`to_secret`](Self::to_secret) gave. `None` if it is too short to be that.
    #[must_use]
    pub fn from_secret(octets: &Secret) -> Option<Self> {
        let (fingerprint, der) = octets.expose().split_first_chunk::<FINGERPRINT_OCTETS>()?;
        Some(Self { fingerprint: Fingerprint(*fingerprint), der: Secret::new(der.to_vec()) })
    }

    /// The session, if it was made under these settings and can be read.
    pub(crate) fn for_settings(&self, fingerprint: &Fingerprint) -> Option<ClientSession> {
        if self.fingerprint != *fingerprint {
            return None;
        }
        ClientSession::from_der(self.der.duplicate()).ok()
    }
}
