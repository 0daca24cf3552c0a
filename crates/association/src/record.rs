//! Record headers of the plaintext part of a handshake (RFC 5246 §6.2.1), as far as they must be read before
//! OpenSSL reads them.

use crate::Alert;

/// Octets of a record header: type, version (2), length (2).
pub(crate) const HEADER: usize = 5;
/// Most octets of a plaintext record's payload.
pub(crate) const MAX_PAYLOAD: usize = 1 << 14;

pub(crate) const HANDSHAKE: u8 = 22;
const ALERT: u8 = 21;
const SERVER_HELLO: u8 = 2;

/// A record header that can be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) content_type: u8,
    pub(crate) payload: usize,
}

impl Header {
    /// Reads a header. `None` if this is no TLS: another content type than the four of TLS 1.2, or another
    /// major version than 3.
    pub(crate) fn read(octets: [u8; HEADER]) -> Option<Self> {
        let [content_type, major, _, high, low] = octets;
        let known = (20..=23).contains(&content_type) && major == 3;
        known.then_some(Self { content_type, payload: usize::from(u16::from_be_bytes([high, low])) })
    }

    /// The header of a TLS 1.2 handshake record with `payload` octets, which must fit one record.
    pub(crate) fn of_handshake(payload: u16) -> [u8; HEADER] {
        let [high, low] = payload.to_be_bytes();
        [HANDSHAKE, 3, 3, high, low]
    }
}

/// A fatal alert in the clear.
pub(crate) const fn fatal_alert(alert: Alert) -> [u8; HEADER + 2] {
    [ALERT, 3, 3, 0, 2, 2, alert.0]
}

/// The suite of the ServerHello among `records`, which are whole records of ours, if it is there.
pub(crate) fn chosen_suite(mut records: &[u8]) -> Option<u16> {
    while let Some((header, rest)) = records.split_first_chunk::<HEADER>() {
        let header = Header::read(*header)?;
        let payload = rest.get(..header.payload)?;
        if header.content_type == HANDSHAKE && payload.first() == Some(&SERVER_HELLO) {
            // Type and length (4), version (2), random (32), session_id (length and octets), suite (2).
            let session = usize::from(*payload.get(38)?);
            let suite = payload.get(39 + session..)?.first_chunk::<2>()?;
            return Some(u16::from_be_bytes(*suite));
        }
        records = rest.get(header.payload..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_suite_behind_a_session_id_and_another_record() {
        let mut hello = vec![SERVER_HELLO, 0, 0, 44, 3, 3];
        hello.extend([7; 32]);
        hello.extend([3, 1, 2, 3, 0x00, 0xAE, 0]);
        let mut records = fatal_alert(Alert(90)).to_vec();
        records.extend(Header::of_handshake(u16::try_from(hello.len()).unwrap()));
        records.extend(&hello);
        assert_eq!(chosen_suite(&records), Some(0x00AE));
        for cut in 0..records.len() {
            assert_eq!(chosen_suite(&records[..cut]), None, "{cut}");
        }
    }
}
