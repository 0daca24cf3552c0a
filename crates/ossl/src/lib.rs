//! The few OpenSSL calls that the `openssl` crate lacks, and the only unsafe code of the workspace.
//!
//! Each function is a safe wrapper around one C call (or one callback); nothing here decides anything about
//! the protocol. `association` is the only user.

mod ccm8;

use foreign_types::ForeignTypeRef;
use openssl::{
    error::ErrorStack,
    ssl::{SslContextBuilder, SslRef, SslStream},
};

pub use ccm8::allow_ccm_8;

/// Whether both ends of a finished handshake used `extended_master_secret` (RFC 7627). False before the
/// handshake has got that far.
#[must_use]
pub fn extended_master_secret(ssl: &SslRef) -> bool {
    // SAFETY: the pointer is that of a live SSL borrowed for the call; the control only reads a flag.
    let status = unsafe { openssl_sys::SSL_get_extms_support(ssl.as_ptr()) };
    status == 1
}

/// Lets a server pick Diffie-Hellman parameters by itself, of a size that fits the security level; without
/// them no `DHE_PSK` suite is ever negotiated.
///
/// # Errors
/// OpenSSL's own, if it refuses the setting.
pub fn set_dh_auto(context: &mut SslContextBuilder) -> Result<(), ErrorStack> {
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively for the call; the control sets a flag.
    let done = unsafe { openssl_sys::SSL_CTX_set_dh_auto(context.as_ptr(), 1) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// Asks the peer for a renegotiation at the next handshake call. No one here wants one: it exists so that
/// tests can be the peer that tries.
///
/// # Errors
/// OpenSSL's own, if renegotiation is off at this end.
pub fn request_renegotiation<S>(stream: &mut SslStream<S>) -> Result<(), ErrorStack> {
    // SAFETY: the SSL is alive as long as the stream, which is borrowed exclusively.
    let done = unsafe { SSL_renegotiate(stream.ssl().as_ptr()) };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

/// The OpenSSL that is linked, as it names itself: `OpenSSL 3.6.3 9 Jun 2026`.
#[must_use]
pub fn version() -> &'static str {
    openssl::version::version()
}

// SAFETY: declared as in openssl/ssl.h of 1.1.1 to 3.6.
unsafe extern "C" {
    fn SSL_renegotiate(ssl: *mut openssl_sys::SSL) -> libc::c_int;
}
