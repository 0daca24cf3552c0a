//! `AES_128_CCM_8` at OpenSSL's default security level.
//!
//! Newer OpenSSL rates the 8-octet tag below 112 bits and drops these suites at level 2, although TS-0003
//! §10.2.2 makes one of them mandatory. Lowering the level would let NULL and anonymous suites in as well, so
//! exactly these suites pass a security callback and everything else goes to OpenSSL's own.

use std::sync::OnceLock;

use libc::{c_int, c_void};
use openssl::ssl::SslContextBuilder;
use openssl_sys::{SSL, SSL_CIPHER, SSL_CTX};

/// `TLS_PSK_WITH_AES_128_CCM_8`, `TLS_PSK_DHE_WITH_AES_128_CCM_8`, `TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8`.
const CCM_8_SUITES: [u16; 3] = [0xC0A8, 0xC0AA, 0xC0AE];

/// What a security question is about: the upper bits of the operation (openssl/ssl.h, `SSL_SECOP_OTHER_TYPE`).
const OTHER_TYPE_MASK: c_int = 0xffff_0000_u32.cast_signed();
/// The question is about a cipher suite (`SSL_SECOP_OTHER_CIPHER`).
const OTHER_CIPHER: c_int = 1 << 16;
/// `SSL_SECOP_CIPHER_SUPPORTED`, `_SHARED` and `_CHECK` are 1, 2 and 3.
const CIPHER_OPERATIONS: std::ops::RangeInclusive<c_int> = 1..=3;

type SecurityCallback =
    unsafe extern "C" fn(*const SSL, *const SSL_CTX, c_int, c_int, c_int, *mut c_void, *mut c_void) -> c_int;

/// OpenSSL's own callback, the same for every context.
static DEFAULT: OnceLock<SecurityCallback> = OnceLock::new();

/// Lets the `AES_128_CCM_8` suites of TS-0003 through at the context's security level; every other question
/// is answered as before.
pub fn allow_ccm_8(context: &mut SslContextBuilder) {
    // SAFETY: the pointer is that of a live SSL_CTX; the call reads one field.
    let current = unsafe { SSL_CTX_get_security_callback(context.as_ptr()) };
    let Some(current) = current else { return };
    // Kept from the first call ever: a later one on the same context would see our own and call itself.
    DEFAULT.get_or_init(|| current);
    // SAFETY: the pointer is that of a live SSL_CTX borrowed exclusively; `answer` lives for ever, has the
    // declared signature and does not unwind.
    unsafe { SSL_CTX_set_security_callback(context.as_ptr(), Some(answer)) };
}

unsafe extern "C" fn answer(
    ssl: *const SSL,
    context: *const SSL_CTX,
    operation: c_int,
    bits: c_int,
    nid: c_int,
    other: *mut c_void,
    extra: *mut c_void,
) -> c_int {
    let about_a_suite = operation & OTHER_TYPE_MASK == OTHER_CIPHER
        && CIPHER_OPERATIONS.contains(&(operation & !OTHER_TYPE_MASK))
        && !other.is_null();
    if about_a_suite {
        // SAFETY: for these operations OpenSSL passes an SSL_CIPHER, which is never freed, and it is not null.
        let id = unsafe { openssl_sys::SSL_CIPHER_get_protocol_id(other.cast::<SSL_CIPHER>().cast_const()) };
        if CCM_8_SUITES.contains(&id) {
            return 1;
        }
    }
    // Without the default there is nobody to ask: refuse.
    DEFAULT.get().map_or(0, |default| {
        // SAFETY: the arguments are OpenSSL's own, passed on unchanged to the callback it had installed.
        unsafe { default(ssl, context, operation, bits, nid, other, extra) }
    })
}

// SAFETY: declared as in openssl/ssl.h of 1.1.0 to 3.6.
unsafe extern "C" {
    fn SSL_CTX_get_security_callback(context: *const SSL_CTX) -> Option<SecurityCallback>;
    fn SSL_CTX_set_security_callback(context: *mut SSL_CTX, callback: Option<SecurityCallback>);
}

#[cfg(test)]
mod tests {
    use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslVersion};

    use super::*;

    fn context() -> SslContextBuilder {
        let mut context = SslContext::builder(SslMethod::tls()).unwrap();
        context.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
        context
    }

    fn has(context: SslContextBuilder, name: &str) -> bool {
        // The security level filters what a connection supports, not what a context lists: ask the former.
        let ssl = openssl::ssl::Ssl::new(&context.build()).unwrap();
        let client = ssl.connect(Recorder(Vec::new())).unwrap_err();
        let openssl::ssl::HandshakeError::WouldBlock(client) = client else { return false };
        let hello = &client.get_ref().0;
        let id: [u8; 2] = match name {
            "PSK-AES128-CCM8" => [0xC0, 0xA8],
            "PSK-AES128-CBC-SHA256" => [0x00, 0xAE],
            "PSK-NULL-SHA256" => [0x00, 0xB0],
            other => unreachable!("{other}"),
        };
        let suites = 5 + 4 + 2 + 32;
        let session = usize::from(hello[suites]);
        let at = suites + 1 + session;
        let length = usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        hello[at + 2..at + 2 + length].chunks(2).any(|suite| suite == id)
    }

    #[derive(Debug)]
    struct Recorder(Vec<u8>);
    impl std::io::Read for Recorder {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::WouldBlock.into())
        }
    }
    impl std::io::Write for Recorder {
        fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
            self.0.extend_from_slice(octets);
            Ok(octets.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn with_psk(list: &str) -> SslContextBuilder {
        let mut context = context();
        context.set_psk_client_callback(|_, _, _, _| Ok(0));
        context.set_cipher_list(list).unwrap();
        context
    }

    #[test]
    fn ccm_8_is_offered_at_the_default_level_and_null_is_not() {
        for name in ["PSK-AES128-CCM8", "PSK-AES128-CBC-SHA256"] {
            let mut context = with_psk("PSK-AES128-CCM8:PSK-AES128-CBC-SHA256:PSK-NULL-SHA256");
            allow_ccm_8(&mut context);
            assert!(has(context, name), "{name}");
        }
        let mut context = with_psk("PSK-AES128-CCM8:PSK-NULL-SHA256");
        allow_ccm_8(&mut context);
        assert!(!has(context, "PSK-NULL-SHA256"));
    }

    #[test]
    fn a_second_call_does_not_recurse() {
        let mut context = with_psk("PSK-AES128-CCM8:PSK-AES128-CBC-SHA256");
        allow_ccm_8(&mut context);
        allow_ccm_8(&mut context);
        assert!(has(context, "PSK-AES128-CBC-SHA256"));
    }
}
