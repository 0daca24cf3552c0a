//! Keys of session tickets (RFC 5077), shared by all servers of one store and replaced while they run.

use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use keys::{Rng, RngError, Secret};
use openssl::{
    ssl::SslRef,
    symm::{self, Cipher},
};
use ossl::{TICKET_KEY_NAME, TicketKeySource, TicketKeyView, Wanted};
use sha2::Sha256;

use crate::{CredentialError, slot};

const HALF: usize = 32;
/// Octets of initialisation vector in front of what is sealed, and of HMAC behind it (RFC 5077 §4).
const VECTOR: usize = 16;
const MAC: usize = 32;
const OCTETS: usize = TICKET_KEY_NAME + 2 * HALF;

/// One key: 16 octets of name, 32 of HMAC-SHA-256 key, 32 of AES-256 key.
#[derive(Debug)]
pub struct TicketKey(Secret);

impl TicketKey {
    /// Takes the 80 octets of a key.
    ///
    /// # Errors
    /// [`CredentialError::TicketKey`] for another number.
    pub fn new(octets: Secret) -> Result<Self, CredentialError> {
        match octets.len() {
            OCTETS => Ok(Self(octets)),
            octets => Err(CredentialError::TicketKey { octets }),
        }
    }

    /// Draws a key.
    ///
    /// # Errors
    /// [`RngError`] if there is no randomness.
    pub fn draw(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = vec![0; OCTETS];
        rng.fill(&mut octets)?;
        Ok(Self(Secret::new(octets)))
    }

    /// The 80 octets, to be remembered.
    #[must_use]
    pub const fn octets(&self) -> &Secret {
        &self.0
    }

    /// The first 16, in the clear at the front of every ticket.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        self.0.expose().get(..TICKET_KEY_NAME).unwrap_or_default()
    }

    fn view(&self, renew: bool) -> Option<TicketKeyView<'_>> {
        let (name, rest) = self.0.expose().split_first_chunk::<TICKET_KEY_NAME>()?;
        let (mac, rest) = rest.split_first_chunk::<HALF>()?;
        Some(TicketKeyView { name, mac, cipher: rest.first_chunk::<HALF>()?, renew })
    }
}

/// The key that seals new tickets, and those before it that still open theirs. All clones are one; what is set
/// counts from the next handshake on. A ticket under an older key is replaced when it is resumed.
#[derive(Debug, Clone)]
pub struct TicketKeys(Arc<Mutex<Arc<[TicketKey]>>>);

impl TicketKeys {
    /// The ring of these keys.
    #[must_use]
    pub fn new(current: TicketKey, previous: Vec<TicketKey>) -> Self {
        Self(Arc::new(Mutex::new(ring(current, previous))))
    }

    /// Puts these keys in the place of all others.
    pub fn replace(&self, current: TicketKey, previous: Vec<TicketKey>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = ring(current, previous);
    }

    /// The session in a ticket under the current key, as OpenSSL sealed it: an `SSL_SESSION` in DER.
    pub(crate) fn open(&self, ticket: &[u8]) -> Option<Secret> {
        let ring = self.ring();
        let key = ring.first()?.view(false)?;
        let (signed, mac) = ticket.split_last_chunk::<MAC>()?;
        let (name, rest) = signed.split_first_chunk::<TICKET_KEY_NAME>()?;
        let (vector, sealed) = rest.split_first_chunk::<VECTOR>()?;
        if name != key.name {
            return None;
        }
        let hmac = Hmac::<Sha256>::new_from_slice(key.mac).ok()?.chain_update(signed);
        hmac.verify_slice(mac).ok()?;
        symm::decrypt(Cipher::aes_256_cbc(), key.cipher, Some(vector), sealed).ok().map(Secret::new)
    }

    fn ring(&self) -> Arc<[TicketKey]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn ring(current: TicketKey, previous: Vec<TicketKey>) -> Arc<[TicketKey]> {
    std::iter::once(current).chain(previous).collect()
}

impl TicketKeySource for TicketKeys {
    fn find(
        &self,
        ssl: &SslRef,
        wanted: Wanted,
        with: &mut dyn FnMut(TicketKeyView<'_>) -> Option<i32>,
    ) -> Option<i32> {
        let ring = self.ring();
        match wanted {
            Wanted::Current => with(ring.first()?.view(false)?),
            Wanted::Named(name) => {
                // Nobody opens a ticket that the caller has not agreed to resume.
                if !slot::server_slot(ssl)?.may_open_ticket() {
                    return None;
                }
                let position = ring.iter().position(|key| key.name() == name)?;
                with(ring.get(position)?.view(position > 0)?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keys::SeededRng;

    use super::*;

    fn key(seed: u64) -> TicketKey {
        TicketKey::draw(&SeededRng::new(seed)).unwrap()
    }

    fn seal(key: &TicketKey, session: &[u8]) -> Vec<u8> {
        let key = key.view(false).unwrap();
        let vector = [7; VECTOR];
        let sealed = symm::encrypt(Cipher::aes_256_cbc(), key.cipher, Some(&vector), session).unwrap();
        let signed = [&key.name[..], &vector, &sealed].concat();
        let mac = Hmac::<Sha256>::new_from_slice(key.mac).unwrap().chain_update(&signed);
        [&signed[..], &mac.finalize().into_bytes()].concat()
    }

    #[test]
    fn a_ticket_opens_with_its_key_and_unchanged() {
        let keys = TicketKeys::new(key(1), vec![key(2)]);
        let ticket = seal(&key(1), b"a session");
        assert_eq!(keys.open(&ticket).unwrap().expose(), b"a session");
        for at in 0..ticket.len() {
            let mut other = ticket.clone();
            other[at] ^= 1;
            assert!(keys.open(&other).is_none(), "{at}");
            assert!(keys.open(&ticket[..at]).is_none(), "{at}");
        }
        // OpenSSL opens it, and replaces it.
        assert!(keys.open(&seal(&key(2), b"a session")).is_none());
        assert!(keys.open(&seal(&key(3), b"a session")).is_none());
    }
}
