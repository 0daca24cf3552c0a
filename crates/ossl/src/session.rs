//! Resumption: where a server's sessions come from, which of them may be remembered, and what is in one.

use std::{
    ffi::CStr,
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::OnceLock,
};

use foreign_types::ForeignTypeRef;
use libc::{c_int, c_long, c_void};
use openssl::{
    error::ErrorStack,
    ex_data::Index,
    ssl::{Ssl, SslContext, SslContextBuilder, SslRef, SslSession, SslSessionRef, SslStream},
};
use openssl_sys::{SSL, SSL_CIPHER, SSL_CTX, SSL_SESSION};

use crate::index;

/// Asks `source` for the session of an ID that a client offers: an `SSL_SESSION` in DER. One with another ID,
/// or that the filter does not like, is none.
pub fn set_session_source<B: AsRef<[u8]>>(
    context: &mut SslContextBuilder,
    source: impl Fn(&SslRef, &[u8]) -> Option<B> + Send + Sync + 'static,
) {
    let find = move |ssl: &mut SslRef, id: &[u8]| {
        let saved = catch_unwind(AssertUnwindSafe(|| source(ssl, id))).ok().flatten()?;
        let session = SslSession::from_der(saved.as_ref()).ok()?;
        (session.id() == id && passes(ssl, &session)).then_some(session)
    };
    // SAFETY: the session is new, so that no context knows it yet.
    unsafe { context.set_get_session_callback(find) };
}

type Rule = Box<dyn Fn(&SslRef, Option<u16>) -> bool + Send + Sync>;

/// Lets `rule` say whether a new session may be remembered, once the suite is chosen and before the ServerHello
/// promises anything; it gets the number of the suite. Otherwise the server sends neither an ID nor a ticket.
///
/// # Errors
/// OpenSSL's own, if it has no memory.
pub fn set_resumable_rule(
    context: &mut SslContextBuilder,
    rule: impl Fn(&SslRef, Option<u16>) -> bool + Send + Sync + 'static,
) -> Result<(), ErrorStack> {
    context.set_ex_data(rule_index()?, Box::new(rule));
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; the callback lives for ever, has the
    // declared signature and does not unwind.
    unsafe { SSL_CTX_set_not_resumable_session_callback(context.as_ptr(), Some(not_resumable)) };
    Ok(())
}

fn rule_index() -> Result<Index<SslContext, Rule>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Rule>> = OnceLock::new();
    index(&INDEX, SslContext::new_ex_index)
}

unsafe extern "C" fn not_resumable(ssl: *mut SSL, _forward_secret: c_int) -> c_int {
    // SAFETY: the SSL is live during the call and the reference does not outlast it.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let suite = chosen_suite(ssl);
    let resumable = catch_unwind(AssertUnwindSafe(|| {
        let rule = rule_index().ok().and_then(|index| ssl.ssl_context().ex_data(index));
        rule.is_some_and(|rule| rule(ssl, suite))
    }));
    let resumable = resumable.unwrap_or(false);
    if !resumable && let Some(session) = ssl.session() {
        // OpenSSL itself leaves out the ticket alone. It calls while the session is this handshake's own.
        // SAFETY: the SSL_SESSION is live, and known to nobody else yet; nothing is copied.
        unsafe { SSL_SESSION_set1_id(session.as_ptr(), [].as_ptr(), 0) };
    }
    c_int::from(!resumable)
}

/// The number of the suite that the ServerHello of a handshake under way names, at either end.
#[must_use]
pub fn chosen_suite(ssl: &SslRef) -> Option<u16> {
    // SAFETY: the pointer is that of a live SSL borrowed for the call, which reads one field.
    let suite = unsafe { SSL_get_pending_cipher(ssl.as_ptr()) };
    // SAFETY: an SSL_CIPHER is never freed, and this one is not null.
    (!suite.is_null()).then(|| unsafe { openssl_sys::SSL_CIPHER_get_protocol_id(suite) })
}

type Filter = Box<dyn Fn(&SslRef, &SslSessionRef) -> bool + Send + Sync>;

/// Lets `filter` look at a session before it is resumed, whether it comes out of a ticket or from the source.
/// One that it does not like leads to a full handshake. Without a filter nothing is resumed.
///
/// # Errors
/// OpenSSL's own, if it has no memory.
pub fn set_session_filter(
    context: &mut SslContextBuilder,
    filter: impl Fn(&SslRef, &SslSessionRef) -> bool + Send + Sync + 'static,
) -> Result<(), ErrorStack> {
    context.set_ex_data(filter_index()?, Box::new(filter));
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; the callbacks live for ever, have the
    // declared signatures and do not unwind.
    let done = unsafe {
        SSL_CTX_set_session_ticket_cb(context.as_ptr(), Some(sealing), Some(opened), ptr::null_mut())
    };
    if done == 1 { Ok(()) } else { Err(ErrorStack::get()) }
}

fn filter_index() -> Result<Index<SslContext, Filter>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, Filter>> = OnceLock::new();
    index(&INDEX, SslContext::new_ex_index)
}

const TICKET_EMPTY: c_int = 3;
const TICKET_NO_DECRYPT: c_int = 4;
const TICKET_SUCCESS: c_int = 5;
const TICKET_SUCCESS_RENEW: c_int = 6;

const IGNORE: c_int = 1;
const IGNORE_AND_RENEW: c_int = 2;
const USE: c_int = 3;
const USE_AND_RENEW: c_int = 4;

const unsafe extern "C" fn sealing(_ssl: *mut SSL, _argument: *mut c_void) -> c_int {
    1
}

unsafe extern "C" fn opened(
    ssl: *mut SSL,
    session: *mut SSL_SESSION,
    _name: *const u8,
    _octets: usize,
    status: c_int,
    _argument: *mut c_void,
) -> c_int {
    let used = match status {
        TICKET_SUCCESS => USE,
        TICKET_SUCCESS_RENEW => USE_AND_RENEW,
        TICKET_EMPTY | TICKET_NO_DECRYPT => return IGNORE_AND_RENEW,
        _ => return IGNORE,
    };
    if session.is_null() {
        return IGNORE_AND_RENEW;
    }
    // SAFETY: the SSL is live during the call and the reference does not outlast it.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    // SAFETY: not null, live during the call, and the reference does not outlast it.
    let session = unsafe { SslSessionRef::from_ptr(session) };
    if passes(ssl, session) { used } else { IGNORE_AND_RENEW }
}

fn passes(ssl: &SslRef, session: &SslSessionRef) -> bool {
    let good = catch_unwind(AssertUnwindSafe(|| {
        let filter = filter_index().ok().and_then(|index| ssl.ssl_context().ex_data(index));
        filter.is_some_and(|filter| filter(ssl, session))
    }));
    good.unwrap_or(false)
}

/// Lets a server take no notice of tickets in the handshake to come: neither of the client's, whose session ID
/// counts alone, nor does it send one.
pub fn ignore_tickets<S>(stream: &mut SslStream<S>) {
    const SSL_OP_NO_TICKET: u64 = 1 << 14;
    // SAFETY: the SSL is alive as long as the stream, which is borrowed exclusively; the call sets a flag.
    unsafe { SSL_set_options(stream.ssl().as_ptr(), SSL_OP_NO_TICKET) };
}

/// How many seconds a new session of this context is good for in OpenSSL's eyes.
pub fn set_session_seconds(context: &mut SslContextBuilder, seconds: i32) {
    let seconds = c_long::from(seconds);
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; the call sets a number.
    unsafe { SSL_CTX_set_timeout(context.as_ptr(), seconds) };
}

/// Offers a server the session in `der`, an `SSL_SESSION` that a client's earlier association left.
///
/// # Errors
/// OpenSSL's own, if it is no session or no memory is left.
pub fn offer_session(ssl: &mut Ssl, der: &[u8]) -> Result<(), ErrorStack> {
    let session = SslSession::from_der(der)?;
    // SAFETY: the session is new, so that no other context knows it.
    unsafe { ssl.set_session(&session) }
}

/// Whether a session can be resumed at all: it has an ID or a ticket.
#[must_use]
pub fn is_resumable(session: &SslSessionRef) -> bool {
    // SAFETY: the pointer is that of a live SSL_SESSION; the call reads fields.
    let resumable = unsafe { SSL_SESSION_is_resumable(session.as_ptr()) };
    resumable == 1
}

/// The ticket that a client's session has, if any.
#[must_use]
pub fn ticket(session: &SslSessionRef) -> Option<&[u8]> {
    let (mut ticket, mut octets) = (ptr::null(), 0);
    // SAFETY: the pointer is that of a live SSL_SESSION; the call reads two fields into ours.
    unsafe { SSL_SESSION_get0_ticket(session.as_ptr(), &raw mut ticket, &raw mut octets) };
    if ticket.is_null() || octets == 0 {
        return None;
    }
    // SAFETY: so many octets, owned by the session that is borrowed.
    Some(unsafe { slice::from_raw_parts(ticket, octets) })
}

/// The server name under which a session was made; `None` if there was none.
#[must_use]
pub fn server_name(session: &SslSessionRef) -> Option<&[u8]> {
    // SAFETY: the pointer is that of a live SSL_SESSION; the call reads one field.
    let name = unsafe { SSL_SESSION_get0_hostname(session.as_ptr()) };
    // SAFETY: not null, ends with NUL, owned by the session that is borrowed.
    (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_bytes())
}

type NotResumable = unsafe extern "C" fn(*mut SSL, c_int) -> c_int;
type Sealing = unsafe extern "C" fn(*mut SSL, *mut c_void) -> c_int;
type Opened = unsafe extern "C" fn(*mut SSL, *mut SSL_SESSION, *const u8, usize, c_int, *mut c_void) -> c_int;

// SAFETY: declared as in openssl/ssl.h of 3.0 to 3.6.
unsafe extern "C" {
    fn SSL_CTX_set_not_resumable_session_callback(context: *mut SSL_CTX, callback: Option<NotResumable>);
    fn SSL_get_pending_cipher(ssl: *const SSL) -> *const SSL_CIPHER;
    fn SSL_CTX_set_session_ticket_cb(
        context: *mut SSL_CTX,
        sealing: Option<Sealing>,
        opened: Option<Opened>,
        argument: *mut c_void,
    ) -> c_int;
    fn SSL_CTX_set_timeout(context: *mut SSL_CTX, seconds: c_long) -> c_long;
    fn SSL_set_options(ssl: *mut SSL, options: u64) -> u64;
    fn SSL_SESSION_set1_id(session: *mut SSL_SESSION, id: *const u8, octets: libc::c_uint) -> c_int;
    fn SSL_SESSION_is_resumable(session: *const SSL_SESSION) -> c_int;
    fn SSL_SESSION_get0_ticket(session: *const SSL_SESSION, ticket: *mut *const u8, octets: *mut usize);
    fn SSL_SESSION_get0_hostname(session: *const SSL_SESSION) -> *const libc::c_char;
}
