use net::{Alert, AssociationError, NetError};
use onem2m::{id::IdError, primitive::Response};
use thiserror::Error;

/// Why a device is not attached, or a request was not answered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The registrar could not be reached, refused the handshake, or broke the rules.
    #[error(transparent)]
    Transport(#[from] NetError),
    /// The registrar is not the one that is trusted. Nothing was sent to it.
    #[error("the registrar is not the one that is trusted: {detail}")]
    Untrusted {
        /// What was wrong: certificate, field, clause.
        detail: String,
        /// How the handshake ended.
        source: NetError,
    },
    /// The device's own certificate or key cannot be used.
    #[error("the device's credential cannot be used")]
    Credential(#[source] AssociationError),
    /// The registrar answered, but not with success.
    #[error("the registrar answered {}", .0.rsc)]
    Refused(Box<Response>),
    /// The answer to a registration is not one.
    #[error("the answer to the registration {0}")]
    NoRegistration(&'static str),
    /// The registrar assigned an AE-ID that is none.
    #[error("the registrar assigned no AE-ID: {0}")]
    AssignedId(#[from] IdError),
}

impl DeviceError {
    /// Whether the association, or the attempt at one, may have ended with a fatal alert: what was remembered of its
    /// session must not be offered again then (RFC 5246 §7.2.2). Where an alert cannot be told from a mere close, yes.
    #[must_use]
    pub const fn ends_session(&self) -> bool {
        match self {
            Self::Transport(NetError::Refused { source, .. }) => {
                !matches!(source, AssociationError::ClosedInHandshake)
            }
            Self::Transport(NetError::Closed { .. }) | Self::Untrusted { .. } => true,
            _ => false,
        }
    }

    /// The TLS alert with which the registrar refused the handshake, if it did.
    #[must_use]
    pub const fn alert(&self) -> Option<Alert> {
        match self {
            Self::Transport(NetError::Refused {
                source:
                    AssociationError::KeyRefused { alert }
                    | AssociationError::CertificateDenied { alert }
                    | AssociationError::PeerAlert { alert },
                ..
            }) => Some(*alert),
            _ => None,
        }
    }
}
