//! A look at each handshake message as it passes, wherever the records cut it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::OnceLock,
};

use foreign_types::ForeignTypeRef;
use libc::{c_int, c_void};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{SslContext, SslContextBuilder, SslRef},
};
use openssl_sys::{SSL, SSL_CTX};

use crate::index;

/// The way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the peer. Whole, but not looked at by OpenSSL yet.
    Received,
    /// To the peer.
    Sent,
}

type Watcher = Box<dyn Fn(&SslRef, Way, &[u8]) + Send + Sync>;

const HANDSHAKE: c_int = 22;

/// Shows `watcher` each whole handshake message, with its type and length in front. A panic in it is caught.
///
/// # Errors
/// OpenSSL's own, if it has no memory.
pub fn watch_messages(
    context: &mut SslContextBuilder,
    watcher: impl Fn(&SslRef, Way, &[u8]) + Send + Sync + 'static,
) -> Result<(), ErrorStack> {
    context.set_ex_data(watcher_index()?, Box::new(watcher));
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; `passed` lives for ever, has the
    // declared signature and does not unwind.
    unsafe { SSL_CTX_set_msg_callback(context.as_ptr(), Some(passed)) };
    Ok(())
}

fn watcher_index() -> Result<Index<SslContext, Watcher>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Watcher>> = OnceLock::new();
    index(&INDEX, SslContext::new_ex_index)
}

unsafe extern "C" fn passed(
    sent: c_int,
    _version: c_int,
    content_type: c_int,
    message: *const c_void,
    octets: usize,
    ssl: *mut SSL,
    _argument: *mut c_void,
) {
    if content_type != HANDSHAKE || message.is_null() || ssl.is_null() {
        return;
    }
    // SAFETY: OpenSSL passes a buffer of so many octets, which stays as it is during the call.
    let message = unsafe { slice::from_raw_parts(message.cast::<u8>(), octets) };
    // SAFETY: the SSL is live during the call and the reference does not outlast it.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let way = if sent == 0 { Way::Received } else { Way::Sent };
    // Nobody is told of a panic: what the watcher has not seen has not been.
    let _ = catch_unwind(AssertUnwindSafe(|| {
        if let Some(watcher) = watcher_index().ok().and_then(|index| ssl.ssl_context().ex_data(index)) {
            watcher(ssl, way, message);
        }
    }));
}

type MessageCallback = unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, usize, *mut SSL, *mut c_void);

// SAFETY: declared as in openssl/ssl.h of 1.1.1 to 3.6.
unsafe extern "C" {
    fn SSL_CTX_set_msg_callback(context: *mut SSL_CTX, callback: Option<MessageCallback>);
}
