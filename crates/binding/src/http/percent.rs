//! Percent-encoding (RFC 3986 §2.1).

use std::fmt::Write;

/// Why a text cannot be decoded.
pub(super) const MALFORMED: &str =
    "\"%\" must be followed by two hexadecimal digits, and the whole must be UTF-8";

/// Decodes once. Octets beyond ASCII must be encoded.
pub(super) fn decode(text: &str) -> Result<String, &'static str> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        match octet {
            b'%' => {
                let (Some(high), Some(low)) = (rest.next().and_then(digit), rest.next().and_then(digit))
                else {
                    return Err(MALFORMED);
                };
                octets.push(high << 4 | low);
            }
            0x21..=0x7e => octets.push(octet),
            _ => return Err("octets that are not visible ASCII must be percent-encoded"),
        }
    }
    String::from_utf8(octets).map_err(|_| MALFORMED)
}

fn digit(octet: u8) -> Option<u8> {
    u8::try_from(char::from(octet).to_digit(16)?).ok()
}

/// Encodes everything but unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(octet));
        } else {
            // Writing to a String cannot fail.
            let _written = write!(out, "%{octet:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decodes_once() {
        assert_eq!(decode("a%2Fb%2fc").unwrap(), "a/b/c");
        assert_eq!(decode("%252F").unwrap(), "%2F");
        assert_eq!(decode("%7E").unwrap(), "~");
        assert_eq!(decode("%C3%A4").unwrap(), "ä");
        for bad in ["%", "%4", "%4g", "%+1", "a%", "%ff", "%C3", "ä", "a b", "a\u{0}"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(text in any::<String>()) {
            prop_assert_eq!(decode(&encode(&text)).unwrap(), text);
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _decoded = decode(&text);
        }
    }
}
