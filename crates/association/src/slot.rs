//! How answers get into OpenSSL's synchronous callbacks, and what the callbacks see gets out: one slot per
//! association, filled before the octets that make OpenSSL ask. The callbacks never panic (that would abort the
//! process) and never wait.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use keys::{Kpsa, PskIdentity, Secret};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{Ssl, SslContextBuilder, SslRef},
};

use crate::{Alert, Error, Presented, SavedSession, kept};

/// Octets of the key that stands in for one that is not there.
const DECOY: usize = 32;

/// A server's slot.
#[derive(Default)]
pub(crate) struct ServerSlot(Mutex<ServerFacts>);

#[derive(Default)]
struct ServerFacts {
    answer: Option<(PskIdentity, Kpsa)>,
    handed_over: bool,
    name_refused: bool,
    presented: Option<Presented>,
    /// A signature (`CertificateVerify`) has come. It may be wrong until OpenSSL has gone on behind it.
    signed: bool,
    /// What the ClientHello said, where resumption is on.
    hello: Option<Hello>,
    /// The session that may be resumed.
    saved: Option<SavedSession>,
    /// What that is known by.
    granted: Option<[u8; 32]>,
    /// What the peer presented when that was made, if it is one with an ID.
    presented_then: Option<Presented>,
    /// SHA-256 of the ticket that was sent.
    ticket: Option<[u8; 32]>,
}

/// What a ClientHello says that a session must fit.
pub(crate) struct Hello {
    pub(crate) server_name: Option<String>,
    pub(crate) extended_master_secret: bool,
}

/// What a client proves to hold: the identity that it sends and the key that belongs to it.
pub struct ClientPsk {
    /// Sent in the clear.
    pub identity: PskIdentity,
    /// Never sent.
    pub key: Kpsa,
}

/// A client's slot.
#[derive(Default)]
pub(crate) struct ClientSlot(Mutex<ClientFacts>);

#[derive(Default)]
struct ClientFacts {
    psk: Option<ClientPsk>,
    presented: Option<Presented>,
    refused: Option<Unacceptable>,
}

/// Why a client of ours does not like the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unacceptable {
    Certificate(Alert),
    Staple(Alert),
}

impl ServerSlot {
    pub(crate) fn put(&self, identity: PskIdentity, key: Kpsa) {
        lock(&self.0).answer = Some((identity, key));
    }

    /// Whether OpenSSL got the key that was put here, rather than one that nobody knows.
    pub(crate) fn handed_over(&self) -> bool {
        lock(&self.0).handed_over
    }

    pub(crate) fn refuse_name(&self) {
        lock(&self.0).name_refused = true;
    }

    pub(crate) fn name_refused(&self) -> bool {
        lock(&self.0).name_refused
    }

    pub(crate) fn present(&self, presented: Presented) {
        lock(&self.0).presented = Some(presented);
    }

    pub(crate) fn sign(&self) {
        lock(&self.0).signed = true;
    }

    /// What the client has presented and signed with, once.
    pub(crate) fn take_signed(&self) -> Option<Presented> {
        let mut facts = lock(&self.0);
        if facts.signed { facts.presented.take() } else { None }
    }

    pub(crate) fn hear(&self, hello: Hello) {
        lock(&self.0).hello = Some(hello);
    }

    /// Whether a session that was made under `server_name` fits the ClientHello.
    pub(crate) fn fits(&self, server_name: Option<&[u8]>) -> bool {
        let facts = lock(&self.0);
        let asked = facts.hello.as_ref().map(|hello| hello.server_name.as_deref().map(str::as_bytes));
        match (asked, server_name) {
            (Some(Some(asked)), Some(name)) => asked.eq_ignore_ascii_case(name),
            (Some(None), None) => true,
            _ => false,
        }
    }

    /// Whether the ClientHello has `extended_master_secret`.
    pub(crate) fn extended_master_secret(&self) -> bool {
        lock(&self.0).hello.as_ref().is_some_and(|hello| hello.extended_master_secret)
    }

    pub(crate) fn grant(&self, saved: SavedSession, digest: [u8; 32]) {
        let mut facts = lock(&self.0);
        (facts.saved, facts.granted) = (Some(saved), Some(digest));
    }

    /// What the session is known by that was resumed, if one was.
    pub(crate) fn resumed(&self) -> Option<[u8; 32]> {
        lock(&self.0).granted
    }

    /// The session of an ID that may be resumed, in DER, once. [`presented_then`](Self::presented_then) tells
    /// afterwards what the peer presented when it was made.
    pub(crate) fn take_session(&self) -> Option<Secret> {
        let mut facts = lock(&self.0);
        let SavedSession::ById(kept) = facts.saved.take()? else { return None };
        let (session, presented) = kept::unpack(&kept)?;
        facts.presented_then = presented;
        Some(session)
    }

    /// What the peer presented when the session was made that was taken.
    pub(crate) fn presented_then(&self) -> Option<Presented> {
        lock(&self.0).presented_then.clone()
    }

    pub(crate) fn may_open_ticket(&self) -> bool {
        matches!(lock(&self.0).saved, Some(SavedSession::ByTicket))
    }

    pub(crate) fn send_ticket(&self, digest: [u8; 32]) {
        lock(&self.0).ticket = Some(digest);
    }

    /// SHA-256 of the ticket that was sent, if one was.
    pub(crate) fn ticket(&self) -> Option<[u8; 32]> {
        lock(&self.0).ticket
    }

    /// Copies the key for exactly this identity, and drops ours.
    fn take(&self, identity: Option<&[u8]>, out: &mut [u8]) -> Option<usize> {
        let mut slot = lock(&self.0);
        let (answered, key) = slot.answer.take()?;
        if identity != Some(answered.as_str().as_bytes()) {
            return None;
        }
        let octets = copy(key.expose(), out)?;
        slot.handed_over = true;
        Some(octets)
    }
}

impl ClientSlot {
    pub(crate) fn new(psk: Option<ClientPsk>) -> Self {
        Self(Mutex::new(ClientFacts { psk, ..ClientFacts::default() }))
    }

    pub(crate) fn present(&self, presented: Presented) {
        lock(&self.0).presented = Some(presented);
    }

    /// What the server has presented.
    pub(crate) fn presented(&self) -> Option<Presented> {
        lock(&self.0).presented.clone()
    }

    pub(crate) fn refuse(&self, why: Unacceptable) {
        lock(&self.0).refused = Some(why);
    }

    pub(crate) fn refused(&self) -> Option<Unacceptable> {
        lock(&self.0).refused
    }
}

/// Answers OpenSSL from the slot of the association. Where the slot has nothing for the identity, the answer
/// is a key that nobody knows: what follows is then the same as for a wrong key, to the octet.
pub(crate) fn install_server(context: &mut SslContextBuilder) -> Result<(), Error> {
    let index = server_index()?;
    let mut decoy = vec![0; DECOY];
    openssl::rand::rand_bytes(&mut decoy)?;
    let decoy = Secret::new(decoy);
    context.set_psk_server_callback(move |ssl, identity, out| {
        let octets = ssl.ex_data(index).and_then(|slot| slot.take(identity, out));
        octets.or_else(|| copy(decoy.expose(), out)).ok_or_else(ErrorStack::get)
    });
    Ok(())
}

pub(crate) fn install_client(context: &mut SslContextBuilder) -> Result<(), Error> {
    let index = client_index()?;
    context.set_psk_client_callback(move |ssl, _hint, identity_out, key_out| {
        let psk = ssl.ex_data(index).and_then(|slot| lock(&slot.0).psk.take());
        let Some(psk) = psk else { return Ok(0) };
        // OpenSSL has zeroed one octet more than it shows, so an identity that fills the buffer ends too.
        let identity = copy(psk.identity.as_str().as_bytes(), identity_out);
        let key = copy(psk.key.expose(), key_out);
        Ok(identity.and(key).unwrap_or(0))
    });
    Ok(())
}

pub(crate) fn server_slot(ssl: &SslRef) -> Option<&ServerSlot> {
    ssl.ex_data(server_index().ok()?)
}

pub(crate) fn client_slot(ssl: &SslRef) -> Option<&ClientSlot> {
    ssl.ex_data(client_index().ok()?)
}

pub(crate) fn server_index() -> Result<Index<Ssl, ServerSlot>, Error> {
    static INDEX: OnceLock<Index<Ssl, ServerSlot>> = OnceLock::new();
    index(&INDEX)
}

pub(crate) fn client_index() -> Result<Index<Ssl, ClientSlot>, Error> {
    static INDEX: OnceLock<Index<Ssl, ClientSlot>> = OnceLock::new();
    index(&INDEX)
}

fn index<T: Send + Sync + 'static>(cell: &OnceLock<Index<Ssl, T>>) -> Result<Index<Ssl, T>, Error> {
    match cell.get() {
        Some(index) => Ok(*index),
        // Two threads may both get here; the index of the slower one stays unused.
        None => {
            let index = Ssl::new_ex_index()?;
            Ok(*cell.get_or_init(|| index))
        }
    }
}

fn copy(from: &[u8], to: &mut [u8]) -> Option<usize> {
    to.get_mut(..from.len())?.copy_from_slice(from);
    Some(from.len())
}

/// A slot is whole after every statement that holds its lock, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use keys::KeyLengthPolicy;

    use super::*;

    #[test]
    fn a_key_is_given_once_and_for_exactly_its_identity() {
        let filled = || {
            let slot = ServerSlot::default();
            let key = Kpsa::new(Secret::new(vec![7; 16]), KeyLengthPolicy::Strict).unwrap();
            slot.put("a@b".parse().unwrap(), key);
            slot
        };
        let mut out = [0; 512];
        for other in [None, Some(b"".as_slice()), Some(b"a"), Some(b"a@B"), Some(b"a@bc")] {
            let slot = filled();
            assert_eq!(slot.take(other, &mut out), None, "{other:?}");
            assert!(!slot.handed_over());
        }
        let slot = filled();
        assert_eq!(slot.take(Some(b"a@b"), &mut [0; 15]), None, "a buffer too small");
        let slot = filled();
        assert_eq!(slot.take(Some(b"a@b"), &mut out), Some(16));
        assert_eq!(out[..17], [[7; 16].as_slice(), &[0]].concat());
        assert!(slot.handed_over());
        assert_eq!(slot.take(Some(b"a@b"), &mut out), None);
    }
}
