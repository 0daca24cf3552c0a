//! What a peer presents, judged by ours instead of OpenSSL's own path validation; raw public keys (RFC 7250).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    ptr,
    sync::OnceLock,
};

use foreign_types::ForeignTypeRef;
use libc::{c_int, c_long, c_void};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{SslContext, SslContextBuilder, SslRef, SslStream},
    stack::StackRef,
    x509::{X509, X509Ref, X509StoreContext, X509StoreContextRef, X509VerifyResult},
};
use openssl_sys::{SSL_CTX, X509_STORE_CTX, stack_st_X509};

use crate::index;

/// What a peer presents to prove who it is, as it was on the wire.
#[derive(Debug)]
pub enum Shown {
    /// Certificates in DER, the peer's own first.
    Chain(Vec<Vec<u8>>),
    /// A `SubjectPublicKeyInfo` in DER without a certificate around it.
    RawKey(Vec<u8>),
}

type Judge = Box<dyn Fn(&SslRef, Shown) -> Result<(), u8> + Send + Sync>;

/// Lets `judge` decide about what peers present, in the place of OpenSSL's path validation, which does not run
/// at all. It refuses with the description of an alert, of those that OpenSSL has for certificates (40, 42 to
/// 46, 48, 51, 80; others become 46, `certificate_unknown`). A panic in it is a refusal.
///
/// # Errors
/// OpenSSL's own, if it has no memory.
pub fn set_certificate_judge(
    context: &mut SslContextBuilder,
    judge: impl Fn(&SslRef, Shown) -> Result<(), u8> + Send + Sync + 'static,
) -> Result<(), ErrorStack> {
    context.set_ex_data(judge_index()?, Box::new(judge));
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; `answer` lives for ever, has the
    // declared signature and does not unwind.
    unsafe { SSL_CTX_set_cert_verify_callback(context.as_ptr(), Some(answer), ptr::null_mut()) };
    Ok(())
}

fn judge_index() -> Result<Index<SslContext, Judge>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Judge>> = OnceLock::new();
    index(&INDEX, SslContext::new_ex_index)
}

unsafe extern "C" fn answer(store: *mut X509_STORE_CTX, _argument: *mut c_void) -> c_int {
    // SAFETY: OpenSSL passes a live X509_STORE_CTX that nobody else uses during the call.
    let store = unsafe { X509StoreContextRef::from_ptr_mut(store) };
    let verdict = catch_unwind(AssertUnwindSafe(|| judged(store))).unwrap_or(Err(INTERNAL_ERROR));
    store.set_error(verdict.err().map_or(X509VerifyResult::OK, result_for));
    c_int::from(verdict.is_ok())
}

const INTERNAL_ERROR: u8 = 80;

fn judged(store: &X509StoreContextRef) -> Result<(), u8> {
    let ssl = X509StoreContext::ssl_idx().ok().and_then(|index| store.ex_data(index));
    let ssl = ssl.ok_or(INTERNAL_ERROR)?;
    let judge = judge_index().ok().and_then(|index| ssl.ssl_context().ex_data(index));
    let shown = shown(store).map_err(|_| INTERNAL_ERROR)?;
    judge.ok_or(INTERNAL_ERROR)?(ssl, shown)
}

/// OpenSSL makes the alert of a verification result; this is one that becomes `alert`.
fn result_for(alert: u8) -> X509VerifyResult {
    // X509_V_ERR_… of openssl/x509_vfy.h, beside the alert in OpenSSL's own table.
    let number = match alert {
        40 => 50,            // APPLICATION_VERIFICATION
        42 => 28,            // CERT_REJECTED
        43 => 26,            // INVALID_PURPOSE
        44 => 23,            // CERT_REVOKED
        45 => 10,            // CERT_HAS_EXPIRED
        48 => 19,            // SELF_SIGNED_CERT_IN_CHAIN
        51 => 7,             // CERT_SIGNATURE_FAILURE
        INTERNAL_ERROR => 1, // UNSPECIFIED
        _ => 29,             // SUBJECT_ISSUER_MISMATCH, not in the table
    };
    // SAFETY: any number can be a result, and these are OpenSSL's.
    unsafe { X509VerifyResult::from_raw(number) }
}

fn shown(store: &X509StoreContextRef) -> Result<Shown, ErrorStack> {
    #[cfg(raw_public_keys)]
    if let Some(key) = raw_key(store) {
        return Ok(Shown::RawKey(key.public_key_to_der()?));
    }
    // SAFETY: the pointer is that of a live X509_STORE_CTX; the call reads one field.
    let sent = unsafe { X509_STORE_CTX_get0_untrusted(store.as_ptr()) };
    if sent.is_null() {
        return Ok(Shown::Chain(Vec::new()));
    }
    // SAFETY: not null, and owned by the handshake, which lasts longer than the borrow of `store`.
    let sent = unsafe { StackRef::<X509>::from_ptr(sent) };
    Ok(Shown::Chain(sent.iter().map(X509Ref::to_der).collect::<Result<_, _>>()?))
}

#[cfg(raw_public_keys)]
fn raw_key(store: &X509StoreContextRef) -> Option<&openssl::pkey::PKeyRef<openssl::pkey::Public>> {
    // SAFETY: the pointer is that of a live X509_STORE_CTX; the call reads one field.
    let key = unsafe { X509_STORE_CTX_get0_rpk(store.as_ptr()) };
    // SAFETY: not null, and owned by the handshake, which lasts longer than the borrow of `store`.
    (!key.is_null()).then(|| unsafe { openssl::pkey::PKeyRef::from_ptr(key) })
}

/// Most octets of a peer's Certificate message; a longer one is refused with `illegal_parameter`.
pub fn set_max_certificate_octets(context: &mut SslContextBuilder, octets: u16) {
    const SSL_CTRL_SET_MAX_CERT_LIST: c_int = 51;
    let octets = c_long::from(octets);
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; the control sets a number.
    unsafe {
        openssl_sys::SSL_CTX_ctrl(context.as_ptr(), SSL_CTRL_SET_MAX_CERT_LIST, octets, ptr::null_mut())
    };
}

/// Whether the OpenSSL that is linked has raw public keys.
pub const RAW_PUBLIC_KEYS: bool = cfg!(raw_public_keys);

/// A certificate type on the wire: a certificate (RFC 7250 §3, RFC 6091).
pub const CERTIFICATE: u8 = 0;
/// A certificate type on the wire: a raw public key.
pub const RAW_PUBLIC_KEY: u8 = 2;

/// One end's kinds of proof, in its order of preference (RFC 7250 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kinds {
    /// Certificates only.
    Certificates,
    /// Certificates, or else raw public keys.
    Both,
    /// Raw public keys, or else certificates.
    RawKeysFirst,
    /// Raw public keys only.
    RawKeys,
}

impl Kinds {
    #[cfg(raw_public_keys)]
    const fn on_the_wire(self) -> &'static [u8] {
        match self {
            Self::Certificates => &[CERTIFICATE],
            Self::Both => &[CERTIFICATE, RAW_PUBLIC_KEY],
            Self::RawKeysFirst => &[RAW_PUBLIC_KEY, CERTIFICATE],
            Self::RawKeys => &[RAW_PUBLIC_KEY],
        }
    }
}

/// Which kinds of proof are negotiated of clients and of servers, at either end. Without this call, and for a
/// peer that does not negotiate, it is certificates.
///
/// # Errors
/// OpenSSL's own; an empty one if it has no raw public keys and these are asked for.
#[cfg(raw_public_keys)]
pub fn set_kinds(context: &mut SslContextBuilder, clients: Kinds, servers: Kinds) -> Result<(), ErrorStack> {
    let (clients, servers) = (clients.on_the_wire(), servers.on_the_wire());
    // SAFETY: the SSL_CTX is live and borrowed exclusively; the octets are copied.
    let done = unsafe { SSL_CTX_set1_client_cert_type(context.as_ptr(), clients.as_ptr(), clients.len()) };
    // SAFETY: as above.
    let also = unsafe { SSL_CTX_set1_server_cert_type(context.as_ptr(), servers.as_ptr(), servers.len()) };
    if done == 1 && also == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Which kinds of proof are negotiated of clients and of servers, at either end. Without this call, and for a
/// peer that does not negotiate, it is certificates.
///
/// # Errors
/// OpenSSL's own; an empty one if it has no raw public keys and these are asked for.
#[cfg(not(raw_public_keys))]
pub fn set_kinds(_: &mut SslContextBuilder, clients: Kinds, servers: Kinds) -> Result<(), ErrorStack> {
    let certificates = clients == Kinds::Certificates && servers == Kinds::Certificates;
    if certificates { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Lets a server that has both a certificate and a raw public key ([`Kinds::Both`]) show the key to a client that
/// takes either, in the handshake to come. OpenSSL itself goes by the server's preference there, and by the client's
/// for what the client shows.
///
/// # Errors
/// OpenSSL's own, if it has no memory.
pub fn prefer_raw_key<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    #[cfg(raw_public_keys)]
    {
        let kinds = Kinds::RawKeysFirst.on_the_wire();
        // SAFETY: the SSL is alive as long as the stream, which is borrowed exclusively; the octets are copied.
        let done = unsafe { SSL_set1_server_cert_type(stream.ssl().as_ptr(), kinds.as_ptr(), kinds.len()) };
        if done != 1 {
            return Err(ErrorStack::get());
        }
    }
    #[cfg(not(raw_public_keys))]
    let _ = stream;
    Ok(())
}

/// The raw public key that the peer has proved to hold, or that of the session that is resumed: a
/// `SubjectPublicKeyInfo` in DER. `None` if the peer has presented none.
#[must_use]
pub fn peer_raw_key(ssl: &SslRef) -> Option<Vec<u8>> {
    #[cfg(raw_public_keys)]
    {
        // SAFETY: the pointer is that of a live SSL borrowed for the call, which reads one field.
        let key = unsafe { SSL_get0_peer_rpk(ssl.as_ptr()) };
        if key.is_null() {
            return None;
        }
        // SAFETY: not null, and owned by the session of the borrowed SSL.
        let key: &openssl::pkey::PKeyRef<openssl::pkey::Public> = unsafe { ForeignTypeRef::from_ptr(key) };
        key.public_key_to_der().ok()
    }
    #[cfg(not(raw_public_keys))]
    {
        let _ = ssl;
        None
    }
}

type VerifyCallback = unsafe extern "C" fn(*mut X509_STORE_CTX, *mut c_void) -> c_int;

// SAFETY: declared as in openssl/ssl.h and openssl/x509_vfy.h of 3.0 to 3.6.
unsafe extern "C" {
    fn SSL_CTX_set_cert_verify_callback(
        context: *mut SSL_CTX,
        callback: Option<VerifyCallback>,
        argument: *mut c_void,
    );
    fn X509_STORE_CTX_get0_untrusted(store: *const X509_STORE_CTX) -> *mut stack_st_X509;
}

// SAFETY: declared as in openssl/ssl.h and openssl/x509_vfy.h of 3.2 to 3.6.
#[cfg(raw_public_keys)]
unsafe extern "C" {
    fn X509_STORE_CTX_get0_rpk(store: *const X509_STORE_CTX) -> *mut openssl_sys::EVP_PKEY;
    fn SSL_CTX_set1_client_cert_type(context: *mut SSL_CTX, kinds: *const u8, octets: usize) -> c_int;
    fn SSL_CTX_set1_server_cert_type(context: *mut SSL_CTX, kinds: *const u8, octets: usize) -> c_int;
    fn SSL_set1_server_cert_type(ssl: *mut openssl_sys::SSL, kinds: *const u8, octets: usize) -> c_int;
    fn SSL_get0_peer_rpk(ssl: *const openssl_sys::SSL) -> *mut openssl_sys::EVP_PKEY;
}
