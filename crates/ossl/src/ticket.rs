//! Keys of session tickets (RFC 5077) that come from outside and change while a server runs.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::OnceLock,
};

use foreign_types::ForeignTypeRef;
use libc::{c_char, c_int, c_void};
use openssl::{
    cipher::Cipher,
    error::ErrorStack,
    ex_data::Index,
    ssl::{SslContext, SslContextBuilder, SslRef},
};
use openssl_sys::{EVP_CIPHER_CTX, EVP_MAC_CTX, OSSL_PARAM, SSL, SSL_CTX};

use crate::index;

/// Octets of a ticket key's name, which is at the front of every ticket.
pub const NAME: usize = 16;
/// Octets of the initialisation vector of AES-256-CBC.
const VECTOR: usize = 16;
const MAC_KEY: usize = 32;
const CIPHER_KEY: usize = 32;

/// What a callback asks of a [`TicketKeySource`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The key to seal a new ticket with.
    Current,
    /// The key of a ticket that a client offers.
    Named([u8; NAME]),
}

/// One key: HMAC-SHA-256 over AES-256-CBC, as RFC 5077 §4 has it, with the longer cipher key.
pub struct TicketKeyView<'a> {
    /// Its name.
    pub name: &'a [u8; NAME],
    /// Its MAC key.
    pub mac: &'a [u8; MAC_KEY],
    /// Its cipher key.
    pub cipher: &'a [u8; CIPHER_KEY],
    /// Whether a ticket under it is replaced by one under the current key.
    pub renew: bool,
}

/// Where ticket keys come from.
pub trait TicketKeySource: Send + Sync + 'static {
    /// Calls `with` on the key that is wanted and returns its answer; `None` if there is no such key, and if
    /// this association may not resume from a ticket.
    fn find(
        &self,
        ssl: &SslRef,
        wanted: Wanted,
        with: &mut dyn FnMut(TicketKeyView<'_>) -> Option<c_int>,
    ) -> Option<c_int>;
}

struct Keys {
    source: Box<dyn TicketKeySource>,
    cipher: Cipher,
}

/// Seals and opens tickets with the keys of `source`. A ticket whose key it does not have leads to a full
/// handshake.
///
/// # Errors
/// OpenSSL's own, if it has no AES-256-CBC.
pub fn set_ticket_keys(
    context: &mut SslContextBuilder,
    source: impl TicketKeySource,
) -> Result<(), ErrorStack> {
    // Fetched once: looking it up by name costs more than using it.
    let cipher = Cipher::fetch(None, "AES-256-CBC", None)?;
    context.set_ex_data(keys_index()?, Keys { source: Box::new(source), cipher });
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; the callback lives for ever, has the
    // declared signature and does not unwind.
    let done = unsafe { SSL_CTX_set_tlsext_ticket_key_evp_cb(context.as_ptr(), Some(prepare)) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

fn keys_index() -> Result<Index<SslContext, Keys>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Keys>> = OnceLock::new();
    index(&INDEX, SslContext::new_ex_index)
}

/// The answers that OpenSSL knows.
const FAILED: c_int = -1;
const NO_KEY: c_int = 0;
const READY: c_int = 1;
const READY_AND_RENEW: c_int = 2;

unsafe extern "C" fn prepare(
    ssl: *mut SSL,
    name: *mut u8,
    vector: *mut u8,
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
    sealing: c_int,
) -> c_int {
    // SAFETY: the SSL is live during the call and the reference does not outlast it.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    // SAFETY: OpenSSL passes 16 octets of name, which nobody else uses during the call.
    let name = unsafe { slice::from_raw_parts_mut(name, NAME) };
    // SAFETY: OpenSSL passes at least 16 octets of vector (EVP_MAX_IV_LENGTH), apart from the name.
    let vector = unsafe { slice::from_raw_parts_mut(vector, VECTOR) };
    let machines = Machines { cipher, mac };
    let answer = catch_unwind(AssertUnwindSafe(|| {
        let keys = keys_index().ok().and_then(|index| ssl.ssl_context().ex_data(index))?;
        if sealing == 1 {
            keys.seal(ssl, name, vector, &machines)
        } else {
            keys.open(ssl, name, vector, &machines)
        }
    }));
    // Without a key to seal with, OpenSSL sends an empty ticket.
    answer.map_or(FAILED, |answer| answer.unwrap_or(NO_KEY))
}

/// The two machines that OpenSSL wants made ready; live during the callback.
struct Machines {
    cipher: *mut EVP_CIPHER_CTX,
    mac: *mut EVP_MAC_CTX,
}

impl Keys {
    fn seal(&self, ssl: &SslRef, name: &mut [u8], vector: &mut [u8], machines: &Machines) -> Option<c_int> {
        openssl::rand::rand_bytes(vector).ok()?;
        self.source.find(ssl, Wanted::Current, &mut |key| {
            name.copy_from_slice(key.name);
            Some(if machines.start(&self.cipher, &key, vector, 1) { READY } else { FAILED })
        })
    }

    fn open(&self, ssl: &SslRef, name: &[u8], vector: &[u8], machines: &Machines) -> Option<c_int> {
        let wanted = Wanted::Named(name.try_into().ok()?);
        self.source.find(ssl, wanted, &mut |key| {
            let ready = if key.renew { READY_AND_RENEW } else { READY };
            Some(if machines.start(&self.cipher, &key, vector, 0) { ready } else { FAILED })
        })
    }
}

impl Machines {
    fn start(&self, cipher: &Cipher, key: &TicketKeyView<'_>, vector: &[u8], sealing: c_int) -> bool {
        let mut digest = *b"SHA256\0";
        let parameters = [
            OSSL_PARAM {
                key: c"digest".as_ptr(),
                data_type: UTF8_STRING,
                data: digest.as_mut_ptr().cast::<c_void>(),
                data_size: digest.len() - 1,
                return_size: 0,
            },
            OSSL_PARAM {
                key: ptr::null::<c_char>(),
                data_type: 0,
                data: ptr::null_mut(),
                data_size: 0,
                return_size: 0,
            },
        ];
        // SAFETY: the machine is live; the key and the parameters, which end with an empty one, are read only.
        let mac = unsafe {
            openssl_sys::EVP_MAC_init(self.mac, key.mac.as_ptr(), key.mac.len(), parameters.as_ptr())
        };
        // SAFETY: the machine and the cipher are live; the cipher reads 32 octets of key and 16 of vector.
        let cipher = unsafe {
            openssl_sys::EVP_CipherInit_ex(
                self.cipher,
                cipher.as_ptr(),
                ptr::null_mut(),
                key.cipher.as_ptr(),
                vector.as_ptr(),
                sealing,
            )
        };
        mac == 1 && cipher == 1
    }
}

/// `OSSL_PARAM_UTF8_STRING` (openssl/core.h).
const UTF8_STRING: libc::c_uint = 4;

type Prepare =
    unsafe extern "C" fn(*mut SSL, *mut u8, *mut u8, *mut EVP_CIPHER_CTX, *mut EVP_MAC_CTX, c_int) -> c_int;

// SAFETY: declared as in openssl/tls1.h of 3.0 to 3.6.
unsafe extern "C" {
    fn SSL_CTX_set_tlsext_ticket_key_evp_cb(context: *mut SSL_CTX, callback: Option<Prepare>) -> c_int;
}
