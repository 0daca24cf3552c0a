//! Resumption (RFC 5246 §7.3, RFC 5077): what a client offers, what a server answers, what either remembers.

use keys::Secret;
use openssl::{
    error::ErrorStack,
    sha::sha256,
    ssl::{SslRef, SslSession, SslSessionRef},
};

use crate::{Error, client_hello::ClientHello, kept, ticket::TicketKeys};

/// How a client names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SessionKind {
    /// By the ID that the server gave it; the server has kept the session.
    Id,
    /// By a ticket, which is the session, sealed by the server.
    Ticket,
}

/// The session that a client would like to resume. Nothing in it is proved.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionHandle {
    /// How it is named.
    pub kind: SessionKind,
    /// SHA-256 of the ID or ticket: what an entry of it is found by.
    pub digest: [u8; 32],
    /// The server name in the same ClientHello.
    pub server_name: Option<String>,
}

/// The answer to [`crate::Progress::NeedsSession`].
pub enum SessionAnswer {
    /// The session is known and what it proved still holds.
    Resume(SavedSession),
    /// A full handshake.
    Full,
}

/// A session to be resumed.
pub enum SavedSession {
    /// The session of an ID, as [`NewSession::by_id`] had it.
    ById(Secret),
    /// The one in the ticket.
    ByTicket,
}

impl SavedSession {
    pub(crate) const fn fits(&self, kind: SessionKind) -> bool {
        matches!((self, kind), (Self::ById(_), SessionKind::Id) | (Self::ByTicket, SessionKind::Ticket))
    }
}

/// What a server may remember of an association, so that it can be resumed. At most one of the two is there.
pub struct NewSession {
    /// SHA-256 of the ID, and the session itself, master secret included: about 200 octets, and the peer's
    /// certificate or public key.
    pub by_id: Option<([u8; 32], Secret)>,
    /// SHA-256 of the ticket.
    pub by_ticket: Option<[u8; 32]>,
}

/// What a server does about resumption.
#[derive(Debug, Clone)]
pub struct Resumption {
    /// Keys to seal tickets with; without them there are none.
    pub tickets: Option<TicketKeys>,
    /// Whether clients without tickets get session IDs.
    pub ids: bool,
    /// Whether associations with a pre-shared key can be resumed. It saves them no computing, only the lookup.
    pub for_psk: bool,
}

/// Which of the two a server has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resumable {
    pub(crate) tickets: bool,
    pub(crate) ids: bool,
}

impl Resumable {
    /// What a client offers that could be resumed here.
    pub(crate) fn offered(self, hello: &ClientHello<'_>) -> Option<SessionHandle> {
        // Without it a session must not be resumed (RFC 7627 §5.3).
        if !hello.extended_master_secret {
            return None;
        }
        let ticket = hello.ticket.filter(|ticket| !ticket.is_empty());
        let (kind, name) = match ticket {
            // A client with a ticket invents its session ID (RFC 5077 §3.4).
            Some(ticket) if self.tickets => (SessionKind::Ticket, ticket),
            _ if self.ids && !hello.session_id.is_empty() => (SessionKind::Id, hello.session_id),
            _ => return None,
        };
        let server_name = hello.server_name.map(str::to_owned);
        Some(SessionHandle { kind, digest: sha256(name), server_name })
    }
}

/// What a client remembers of an association to resume it later: a secret.
pub struct ClientSession {
    der: Secret,
    handle: SessionHandle,
}

impl ClientSession {
    /// Takes a session that was remembered as [`der`](Self::der).
    ///
    /// # Errors
    /// [`Error::Engine`] if it is none.
    pub fn from_der(der: Secret) -> Result<Self, Error> {
        let session = SslSession::from_der(der.expose())?;
        let handle = client_handle(&session);
        Ok(Self { der, handle })
    }

    pub(crate) fn of(session: &SslSessionRef) -> Option<Self> {
        if !ossl::is_resumable(session) {
            return None;
        }
        Some(Self { der: Secret::new(session.to_der().ok()?), handle: client_handle(session) })
    }

    /// The octets to be remembered, master secret included.
    #[must_use]
    pub const fn der(&self) -> &Secret {
        &self.der
    }

    /// How the server knows it, and under which name it was made.
    #[must_use]
    pub const fn handle(&self) -> &SessionHandle {
        &self.handle
    }
}

pub(crate) fn client_handle(session: &SslSessionRef) -> SessionHandle {
    let (kind, name) = match ossl::ticket(session) {
        Some(ticket) => (SessionKind::Ticket, ticket),
        None => (SessionKind::Id, session.id()),
    };
    let server_name = ossl::server_name(session).and_then(|name| str::from_utf8(name).ok());
    SessionHandle { kind, digest: sha256(name), server_name: server_name.map(str::to_owned) }
}

/// What a server may remember of the association of `ssl`, in which it sent the ticket with this digest.
pub(crate) fn new_session(ssl: &SslRef, ticket: Option<[u8; 32]>) -> Result<Option<NewSession>, ErrorStack> {
    if !ossl::extended_master_secret(ssl) {
        return Ok(None);
    }
    if ticket.is_some() {
        return Ok(Some(NewSession { by_id: None, by_ticket: ticket }));
    }
    let session = ssl.session().filter(|session| !ssl.session_reused() && ossl::is_resumable(session));
    let Some(session) = session else { return Ok(None) };
    let kept = kept::keep(&Secret::new(session.to_der()?));
    let by_id = digest_of_id(session).zip(kept);
    Ok(by_id.map(|by_id| NewSession { by_id: Some(by_id), by_ticket: None }))
}

/// What a session is known by that has an ID.
pub(crate) fn digest_of_id(session: &SslSessionRef) -> Option<[u8; 32]> {
    Some(session.id()).filter(|id| !id.is_empty()).map(sha256)
}
