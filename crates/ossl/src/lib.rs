//! The few OpenSSL calls that the `openssl` crate lacks, and the only unsafe code of the workspace.
//!
//! Each function is a safe wrapper around one C call (or one callback); nothing here decides anything about
//! the protocol. `association` and `certificate` are the only users.

mod ccm8;
mod certificate;
mod message;
mod session;
mod ticket;

use std::sync::OnceLock;

use foreign_types::ForeignTypeRef;
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{SslContextBuilder, SslRef, SslStream},
};

pub use ccm8::allow_ccm_8;
pub use certificate::{
    CERTIFICATE, Kinds, RAW_PUBLIC_KEY, RAW_PUBLIC_KEYS, Shown, peer_raw_key, prefer_raw_key,
    set_certificate_judge, set_kinds, set_max_certificate_octets,
};
pub use message::{Way, watch_messages};
pub use session::{
    chosen_suite, ignore_tickets, is_resumable, offer_session, server_name, set_resumable_rule,
    set_session_filter, set_session_seconds, set_session_source, ticket,
};
pub use ticket::{NAME as TICKET_KEY_NAME, TicketKeySource, TicketKeyView, Wanted, set_ticket_keys};

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

/// The index of a kind of data, made on first use.
fn index<T, U>(
    cell: &OnceLock<Index<T, U>>,
    make: impl FnOnce() -> Result<Index<T, U>, ErrorStack>,
) -> Result<Index<T, U>, ErrorStack> {
    match cell.get() {
        Some(index) => Ok(*index),
        // Two threads may both get here; the index of the slower one stays unused.
        None => {
            let index = make()?;
            Ok(*cell.get_or_init(|| index))
        }
    }
}

/// Empties this thread's queue of errors, so that what one call left there is not taken for the reason of the
/// next. `ErrorStack::get` of the `openssl` crate does that too, but panics when an error quotes a peer's octets
/// that are not UTF-8.
pub fn forget_errors() {
    // SAFETY: touches nothing but the calling thread's own queue, which OpenSSL makes when it is missing.
    unsafe { openssl_sys::ERR_clear_error() };
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
