//! The one-way function behind every derivation, and the form in which identifiers enter it.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroize;

use crate::Secret;

/// Octets of every derived key: the output of HMAC-SHA-256.
pub(crate) const DERIVED_OCTETS: usize = 32;

/// HMAC-SHA-256 (RFC 2104) over the parts one after the other: no separator, no length, no NUL.
#[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104 §2)")]
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Secret {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    for part in parts {
        mac.update(part);
    }
    let mut output = mac.finalize().into_bytes();
    let secret = Secret::new(output.to_vec());
    output.as_mut_slice().zeroize();
    secret
}

/// An identifier in Unicode Normalization Form KC, the form in which it enters a derivation; the octets are
/// its UTF-8 (TS-0003 §10.3.2, §10.3.3, §10.3.7). Letter case is kept.
///
/// Identifiers that conform to oneM2M are ASCII and pass unchanged. The derivations of this crate call this
/// themselves.
#[must_use]
pub fn nfkc(identifier: &str) -> Cow<'_, str> {
    if identifier.is_ascii() { Cow::Borrowed(identifier) } else { Cow::Owned(identifier.nfkc().collect()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3, and a key longer than the block (§4.7).
    #[test]
    fn is_hmac_sha256() {
        let short = hmac_sha256(b"Jefe", &[b"what do ya want ", b"", b"for nothing?"]);
        assert_eq!(
            hex::encode(short.expose()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        let long = hmac_sha256(
            &[0xaa; 131],
            &[b"Test Using Larger Than Block-Size Key - Hash Key First".as_slice()],
        );
        assert_eq!(
            hex::encode(long.expose()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
        assert_eq!(long.len(), DERIVED_OCTETS);
    }
}
