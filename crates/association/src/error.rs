use openssl::{
    error::ErrorStack,
    ssl::{self, ErrorCode},
};
use thiserror::Error;

use crate::{Alert, CredentialError, cke::KeyExchangeError};

/// Why an association did not come about, or ended. None carries a secret.
#[derive(Debug, Error)]
pub enum Error {
    /// Client: the server did not accept what proves the key. It does not say whether the identity is unknown,
    /// the key wrong, revoked or expired, and no server of ours ever does.
    #[error("the registrar refused the key or identity (alert {alert})")]
    KeyRefused {
        /// The alert that it sent.
        alert: Alert,
    },
    /// What the peer encrypted with does not follow from the key of the identity.
    #[error("the peer does not hold the key of the identity")]
    WrongKey,
    /// Server: the lookup answered with a refusal, and the handshake ended as it does for a wrong key.
    #[error("the peer's identity was refused")]
    Refused,
    /// What the peer presented was refused: by the verdict at a server, by the check at a client.
    #[error("the peer's certificate was refused with alert {alert}")]
    CertificateRefused {
        /// The alert that it got.
        alert: Alert,
    },
    /// Client: the OCSP response that the server stapled, or did not, was refused.
    #[error("the registrar's OCSP response was refused ({alert})")]
    StapleRefused {
        /// What the check answered; the server got `bad_certificate_status_response`.
        alert: Alert,
    },
    /// Client: the server did not accept our certificate.
    #[error("the registrar refused our certificate (alert {alert})")]
    CertificateDenied {
        /// The alert that it sent.
        alert: Alert,
    },
    /// The peer presented a certificate or public key whose private key it does not hold.
    #[error("the peer does not hold the private key of its certificate")]
    WrongPrivateKey,
    /// Server: the client has no certificate, and no pre-shared key either.
    #[error("the peer has neither key nor certificate")]
    NoCertificate,
    /// The peer sent a fatal alert.
    #[error("the peer ended the association with alert {alert}")]
    PeerAlert {
        /// The alert that it sent.
        alert: Alert,
    },
    /// Both ends speak TLS 1.2 but offer different cipher suites.
    #[error("no cipher suite in common")]
    NoCommonSuite,
    /// The peer does not speak TLS 1.2 (TS-0003 §10.2.1).
    #[error("the peer does not speak TLS 1.2")]
    Version,
    /// Server: the peer asked for a server name that is none of ours (TS-0003 §10.2.1).
    #[error("the peer asked for another server name")]
    UnknownServerName,
    /// What the peer sends is no TLS.
    #[error("the peer does not speak TLS")]
    NotTls,
    /// The peer's key exchange message, as it arrived in the clear, breaks the rules.
    #[error("the peer's key exchange is malformed")]
    KeyExchange(#[from] KeyExchangeError),
    /// The peer sent more than a handshake may have.
    #[error("the peer's ClientHello has over {limit} octets")]
    HelloTooLong {
        /// Octets that are accepted.
        limit: usize,
    },
    /// The peer broke another rule of TLS; OpenSSL's word for it.
    #[error("the peer broke the protocol: {reason}")]
    Protocol {
        /// What OpenSSL calls it.
        reason: String,
    },
    /// The transport ended before the handshake did.
    #[error("the peer closed the connection during the handshake")]
    ClosedInHandshake,
    /// The transport ended without a `close_notify`: what was received may be cut short.
    #[error("the connection ended without close_notify")]
    Truncated,
    /// The association has ended; nothing can be sent or received any more.
    #[error("the association has ended")]
    Ended,
    /// A key was asked for that is exported only where both ends use `extended_master_secret`
    /// (RFC 7627, register A-56).
    #[error("no key is exported: the peer did not use extended_master_secret")]
    NoExtendedMasterSecret,
    /// A configured cipher suite is not known.
    #[error(
        "cipher suite \"{name}\" is not one of the TLS 1.2 suites with a pre-shared key or ECDHE_ECDSA \
         (IANA names, such as TLS_PSK_WITH_AES_128_CBC_SHA256)"
    )]
    UnknownSuite {
        /// The name, escaped and cut to 64 characters.
        name: String,
    },
    /// A certificate, key or check of our own that cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// No cipher suite is configured.
    #[error("no cipher suite is configured")]
    NoSuites,
    /// A server name that cannot be sent in SNI.
    #[error("server name \"{name}\": expected a domain name of at most 253 visible ASCII characters")]
    ServerName {
        /// The name, escaped and cut to 64 characters.
        name: String,
    },
    /// OpenSSL failed for a reason of its own: memory, configuration.
    #[error("OpenSSL failed")]
    Engine(#[from] ErrorStack),
}

/// Library number of libssl, and those of its reason codes that are told apart (openssl/sslerr.h).
const ERR_LIB_SSL: i32 = 20;
const BAD_SIGNATURE: i32 = 123;
const DIGEST_CHECK_FAILED: i32 = 149;
const HTTPS_PROXY_REQUEST: i32 = 155;
const HTTP_REQUEST: i32 = 156;
const VERSION_TOO_HIGH: i32 = 166;
const NO_SHARED_CIPHER: i32 = 193;
const PEER_DID_NOT_RETURN_A_CERTIFICATE: i32 = 199;
const UNSUPPORTED_PROTOCOL: i32 = 258;
const WRONG_SSL_VERSION: i32 = 266;
const WRONG_VERSION_NUMBER: i32 = 267;
const DECRYPTION_FAILED_OR_BAD_RECORD_MAC: i32 = 281;
const VERSION_TOO_LOW: i32 = 396;
/// A received alert has this plus its description.
const ALERT_OFFSET: i32 = 1000;

/// What OpenSSL's complaint means.
#[derive(Debug)]
pub(crate) enum Complaint {
    /// Nothing is wrong: it needs more octets.
    WantsInput,
    /// The peer sent `close_notify`.
    Closed,
    /// A record or a Finished message does not verify.
    Unverified,
    /// Something else.
    Other(Error),
}

pub(crate) fn complaint(error: &ssl::Error) -> Complaint {
    match error.code() {
        ErrorCode::WANT_READ | ErrorCode::WANT_WRITE => return Complaint::WantsInput,
        ErrorCode::ZERO_RETURN => return Complaint::Closed,
        _ => {}
    }
    let Some(stack) = error.ssl_error() else {
        return Complaint::Other(Error::Protocol { reason: error.to_string() });
    };
    let reasons = || {
        stack
            .errors()
            .iter()
            .filter(|error| error.library_code() == ERR_LIB_SSL)
            .map(openssl::error::Error::reason_code)
    };
    for reason in reasons() {
        let known = match reason {
            DECRYPTION_FAILED_OR_BAD_RECORD_MAC | DIGEST_CHECK_FAILED => return Complaint::Unverified,
            BAD_SIGNATURE => Error::WrongPrivateKey,
            PEER_DID_NOT_RETURN_A_CERTIFICATE => Error::NoCertificate,
            NO_SHARED_CIPHER => Error::NoCommonSuite,
            UNSUPPORTED_PROTOCOL | VERSION_TOO_LOW | VERSION_TOO_HIGH | WRONG_SSL_VERSION
            | WRONG_VERSION_NUMBER => Error::Version,
            HTTP_REQUEST | HTTPS_PROXY_REQUEST => Error::NotTls,
            _ => match u8::try_from(reason - ALERT_OFFSET) {
                Ok(alert) => Error::PeerAlert { alert: Alert(alert) },
                Err(_) => continue,
            },
        };
        return Complaint::Other(known);
    }
    let reason = stack.errors().iter().find_map(openssl::error::Error::reason).unwrap_or("unspecified");
    Complaint::Other(Error::Protocol { reason: reason.to_owned() })
}
