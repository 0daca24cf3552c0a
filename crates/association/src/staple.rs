//! OCSP stapling (RFC 6066 §8): a server's answer is replaced while it runs, a client's check is the caller's.

use std::sync::{Arc, Mutex, PoisonError};

/// The OCSP response that a server sends with its certificate to clients that ask. All clones are one; what is
/// set counts from the next handshake on. OpenSSL since 3.6 leaves out what is no `OCSPResponse`, what is good
/// news of another certificate, and any for a certificate that has signed itself.
#[derive(Debug, Clone, Default)]
pub struct Staple(Arc<Mutex<Option<Arc<[u8]>>>>);

impl Staple {
    /// None so far: clients that ask get no answer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Replaces it by an `OCSPResponse` in DER, or by none.
    pub fn set(&self, response: Option<Vec<u8>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = response.map(Into::into);
    }

    /// What is sent now.
    #[must_use]
    pub fn get(&self) -> Option<Arc<[u8]>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
