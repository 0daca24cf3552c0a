use std::{net::SocketAddr, sync::OnceLock};

use keys::CredentialId;
use onem2m::id::{EntityId, EntityKind};
use thiserror::Error;

use crate::Credential;

/// The security association establishment framework by which a peer was authenticated (TS-0003 §8.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framework {
    /// Provisioned symmetric key (TS-0003 §8.2.2.1).
    ProvisionedKey,
}

impl Framework {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProvisionedKey => "psk",
        }
    }
}

/// What a finished handshake proved, and what our own records say that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Established {
    /// How the peer was authenticated.
    pub framework: Framework,
    /// The Credential-ID of what it proved to hold.
    pub credential_id: CredentialId,
    /// The version of that credential at the handshake.
    pub version: u64,
    /// AE or CSE.
    pub kind: EntityKind,
    /// The identity that the credential stands for, if one is assigned already.
    pub subject: Option<EntityId>,
}

impl Established {
    /// The association of a peer that proved to hold the key of `credential`.
    #[must_use]
    pub fn by_key(credential: &Credential) -> Self {
        Self {
            framework: Framework::ProvisionedKey,
            credential_id: credential.credential_id.clone(),
            version: credential.version,
            kind: credential.kind,
            subject: credential.entity.clone(),
        }
    }
}

/// The other end of one live association. Its identity is set at most once and never changes
/// (TS-0003 §8.2.1).
#[derive(Debug)]
pub struct Peer {
    framework: Framework,
    credential_id: CredentialId,
    version: u64,
    kind: EntityKind,
    subject: OnceLock<EntityId>,
    source: SocketAddr,
}

impl Peer {
    /// The peer that `established` describes, connected from `source`.
    #[must_use]
    pub fn new(established: Established, source: SocketAddr) -> Self {
        let subject = OnceLock::new();
        if let Some(identity) = established.subject {
            subject.get_or_init(|| identity);
        }
        Self {
            framework: established.framework,
            credential_id: established.credential_id,
            version: established.version,
            kind: established.kind,
            subject,
            source,
        }
    }

    /// How it was authenticated.
    #[must_use]
    pub const fn framework(&self) -> Framework {
        self.framework
    }

    /// The Credential-ID that it proved.
    #[must_use]
    pub const fn credential_id(&self) -> &CredentialId {
        &self.credential_id
    }

    /// The version of the credential at the handshake.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// AE or CSE.
    #[must_use]
    pub const fn kind(&self) -> EntityKind {
        self.kind
    }

    /// The identity bound to the association, if one is bound.
    #[must_use]
    pub fn subject(&self) -> Option<&EntityId> {
        self.subject.get()
    }

    /// The address that it connected from.
    #[must_use]
    pub const fn source(&self) -> SocketAddr {
        self.source
    }

    /// Binds the identity that a registration assigned. Binding the same identity again is no error.
    ///
    /// # Errors
    /// [`AlreadyBound`] if another identity is bound.
    pub fn bind(&self, identity: &EntityId) -> Result<(), AlreadyBound> {
        let bound = self.subject.get_or_init(|| identity.clone());
        if bound == identity { Ok(()) } else { Err(AlreadyBound) }
    }
}

/// The association is bound to another identity already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the association is bound to another identity already")]
pub struct AlreadyBound;
