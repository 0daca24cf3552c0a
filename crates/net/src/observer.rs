use std::{fmt, net::SocketAddr, time::Duration};

use association::Suite;
use identity::{Framework, KeyRefusal};
use keys::CredentialId;

/// Is told what happens to connections: for the audit, metrics and logs.
pub trait Observer: Send + Sync + 'static {
    /// A connection became an association, or did not. Called in the connection's own task: hand the event on,
    /// do not wait.
    fn handshake(&self, event: &HandshakeEvent);

    /// An established association ended. Called like [`Observer::handshake`].
    fn ended(&self, _event: &EndEvent) {}
}

/// Nobody looks.
impl Observer for () {
    fn handshake(&self, _event: &HandshakeEvent) {}
}

/// How a connection's handshake went.
#[derive(Debug, Clone)]
pub struct HandshakeEvent {
    /// Where the connection came from.
    pub source: SocketAddr,
    /// The `psk_identity` as the peer sent it, escaped and cut to 64 characters, if it came so far.
    pub psk_identity: Option<String>,
    /// The credential of that identity or certificate, if one was found.
    pub credential_id: Option<CredentialId>,
    /// What was wrong with the certificate that the peer presented.
    pub detail: Option<String>,
    /// What came of it.
    pub outcome: HandshakeOutcome,
    /// From accepting the connection to this event.
    pub duration: Duration,
}

/// What came of a handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandshakeOutcome {
    /// An association.
    Established {
        /// Its number in [`crate::Live`].
        association: u64,
        /// The cipher suite.
        suite: Suite,
        /// How the peer was authenticated.
        framework: Framework,
        /// Whether that was in an earlier association, which this one resumes.
        resumed: bool,
    },
    /// Nothing.
    Refused(HandshakeRefusal),
}

impl HandshakeOutcome {
    /// `established`, or the name of the refusal.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Established { .. } => "established",
            Self::Refused(refusal) => refusal.as_str(),
        }
    }
}

/// Why a handshake failed. Seen from outside, the first five are one, and with a pre-shared key a wrong key too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeRefusal {
    /// No credential has this identity.
    Unknown,
    /// The credential was revoked, before the handshake or during it.
    Revoked,
    /// The credential has expired.
    Expired,
    /// The identity cannot be one.
    Malformed,
    /// The lookup failed or took too long.
    Unavailable,
    /// The peer does not hold the key, be it pre-shared or that of its certificate.
    WrongKey,
    /// The peer presented no certificate.
    NoCertificate,
    /// The certificate, its chain or the raw public key breaks a rule.
    Certificate,
    /// No cipher suite in common.
    NoCommonSuite,
    /// Another version than TLS 1.2.
    Version,
    /// A server name that is not ours.
    ServerName,
    /// Something else than TLS.
    NotTls,
    /// TLS that breaks the rules, or an alert from the peer.
    Protocol,
    /// The peer closed the connection.
    PeerClosed,
    /// The handshake deadline passed.
    Timeout,
    /// The oldest of too many unfinished handshakes.
    Evicted,
    /// Too many connections, in all or from this address.
    Overload,
    /// The listener stops.
    Shutdown,
    /// Something failed on our side.
    Internal,
}

impl HandshakeRefusal {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::Unavailable => "unavailable",
            Self::WrongKey => "wrong_key",
            Self::NoCertificate => "no_certificate",
            Self::Certificate => "certificate",
            Self::NoCommonSuite => "no_common_suite",
            Self::Version => "version",
            Self::ServerName => "server_name",
            Self::NotTls => "not_tls",
            Self::Protocol => "protocol",
            Self::PeerClosed => "peer_closed",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
            Self::Overload => "overload",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for HandshakeRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<KeyRefusal> for HandshakeRefusal {
    fn from(refusal: KeyRefusal) -> Self {
        match refusal {
            KeyRefusal::Unknown => Self::Unknown,
            KeyRefusal::Revoked => Self::Revoked,
            KeyRefusal::Expired => Self::Expired,
            KeyRefusal::Malformed => Self::Malformed,
            KeyRefusal::Unavailable => Self::Unavailable,
        }
    }
}

impl From<&association::Error> for HandshakeRefusal {
    fn from(error: &association::Error) -> Self {
        use association::Error as E;
        match error {
            E::WrongKey | E::KeyRefused { .. } | E::WrongPrivateKey => Self::WrongKey,
            E::NoCertificate => Self::NoCertificate,
            // The reason of a refusal is known where it was decided; this stands for one that was not looked up.
            E::Refused => Self::Malformed,
            E::NoCommonSuite => Self::NoCommonSuite,
            E::Version => Self::Version,
            E::UnknownServerName => Self::ServerName,
            E::NotTls => Self::NotTls,
            E::ClosedInHandshake | E::Truncated => Self::PeerClosed,
            E::PeerAlert { .. }
            | E::KeyExchange(_)
            | E::HelloTooLong { .. }
            | E::Protocol { .. }
            | E::CertificateRefused { .. }
            | E::CertificateDenied { .. }
            | E::StapleRefused { .. } => Self::Protocol,
            E::Ended
            | E::Credential(_)
            | E::NoExtendedMasterSecret
            | E::UnknownSuite { .. }
            | E::NoSuites
            | E::ServerName { .. }
            | E::Engine(_) => Self::Internal,
        }
    }
}

/// How an established association ended.
#[derive(Debug, Clone)]
pub struct EndEvent {
    /// Its number in [`crate::Live`].
    pub association: u64,
    /// The credential that the peer proved; `None` if it never did, as without an identity token.
    pub credential_id: Option<CredentialId>,
    /// Where the connection came from.
    pub source: SocketAddr,
    /// Why it ended.
    pub reason: EndReason,
    /// Requests that were answered.
    pub requests: u64,
    /// From the handshake to this event.
    pub duration: Duration,
}

/// Why an established association ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The peer closed it in order, or asked for it to be closed.
    PeerClosed,
    /// The connection broke: no `close_notify`, or an error of the network or of TLS.
    Broken,
    /// What the peer sent is no HTTP, or over the limits.
    BadRequest,
    /// Too many wrong identity tokens ([`identity::MAX_WRONG_TOKENS`]).
    WrongTokens,
    /// Nothing came for too long.
    Idle,
    /// The peer did not receive or not finish what it had begun.
    Stalled,
    /// The credential expired, or the association reached its lifetime.
    Expired,
    /// [`crate::Live::close`] closed it: its credential was revoked or changed.
    Closed,
    /// The listener stops.
    Shutdown,
}

impl EndReason {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PeerClosed => "peer_closed",
            Self::Broken => "broken",
            Self::BadRequest => "bad_request",
            Self::WrongTokens => "wrong_tokens",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Expired => "expired",
            Self::Closed => "closed",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
