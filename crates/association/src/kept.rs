//! How a session is kept between associations, or handed to OpenSSL: OpenSSL's `SSL_SESSION` without the peer's
//! certificate, and what the peer presented beside it. OpenSSL would decode the certificate at each resumption
//! to no end, which is a quarter of what one costs.
//!
//! ```text
//! +--------+-----------------------------+------+----------------------------------+
//! | length | SSL_SESSION in DER          | kind | certificate or public key in DER |
//! +--------+-----------------------------+------+----------------------------------+
//!     2                                     1
//! ```

use keys::Secret;

use crate::Presented;

const LENGTH: usize = 2;

const NOTHING: u8 = 0;
const CERTIFICATE: u8 = 1;
const RAW_KEY: u8 = 2;

/// Tags of OpenSSL's `SSL_SESSION` (`ssl/ssl_asn1.c`): the peer's certificate, and its raw public key.
const PEER: u8 = 0xA3;
const PEER_RAW_KEY: u8 = 0xB4;

/// What is kept of a session in DER. `None` if it is no `SSL_SESSION`.
pub(crate) fn keep(session: &Secret) -> Option<Secret> {
    keep_as(session, None)
}

/// The same, of a session that had no ID and gets this one, of at most 32 octets.
pub(crate) fn keep_named(session: &Secret, id: &[u8]) -> Option<Secret> {
    keep_as(session, Some(id))
}

fn keep_as(session: &Secret, id: Option<&[u8]>) -> Option<Secret> {
    let (outer, rest) = Element::first(session.expose())?;
    if outer.tag != SEQUENCE || !rest.is_empty() {
        return None;
    }
    let mut peer = (NOTHING, &[][..]);
    let mut fields = Vec::with_capacity(session.len() + MAX_ID);
    let mut rest = outer.content;
    for position in 0.. {
        if rest.is_empty() {
            break;
        }
        let (field, behind) = Element::first(rest)?;
        rest = behind;
        match (position, field.tag, id) {
            (ID_POSITION, OCTET_STRING, Some(id)) => {
                fields.extend([OCTET_STRING, u8::try_from(id.len()).ok().filter(|_| id.len() <= MAX_ID)?]);
                fields.extend_from_slice(id);
            }
            (ID_POSITION, _, Some(_)) => return None,
            (_, PEER, _) => peer = (CERTIFICATE, field.content),
            (_, PEER_RAW_KEY, _) => peer = (RAW_KEY, Element::first(field.content)?.0.content),
            _ => fields.extend_from_slice(field.whole),
        }
    }
    let fields = Secret::new(fields);
    let header = header(fields.len())?;
    let length = u16::try_from(header.len() + fields.len()).ok()?;
    let mut kept = Vec::with_capacity(LENGTH + usize::from(length) + 1 + peer.1.len());
    kept.extend(length.to_be_bytes());
    kept.extend(header);
    kept.extend(fields.expose());
    kept.push(peer.0);
    kept.extend(peer.1);
    Some(Secret::new(kept))
}

/// The session in DER, and what the peer presented when it was made. `None` if it was not kept by [`keep`].
pub(crate) fn unpack(kept: &Secret) -> Option<(Secret, Option<Presented>)> {
    let (length, rest) = kept.expose().split_first_chunk::<LENGTH>()?;
    let (session, peer) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let presented = match peer.split_first()? {
        (&NOTHING, []) => None,
        (&CERTIFICATE, der) => Some(Presented::Chain(vec![der.to_vec()])),
        (&RAW_KEY, der) => Some(Presented::RawKey(der.to_vec())),
        _ => return None,
    };
    Some((Secret::new(session.to_vec()), presented))
}

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 4;
/// Version, version of the protocol, suite, and then the ID.
const ID_POSITION: usize = 3;
const MAX_ID: usize = 32;

/// One element of DER with a tag of one octet and at most 65,535 octets of content.
struct Element<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The element at the front, and what is behind it.
    fn first(der: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (header, length) = match der.get(1..)? {
            [length @ 0..=0x7F, ..] => (2, usize::from(*length)),
            [0x81, length, ..] => (3, usize::from(*length)),
            [0x82, high, low, ..] => (4, usize::from(u16::from_be_bytes([*high, *low]))),
            _ => return None,
        };
        let (whole, rest) = der.split_at_checked(header + length)?;
        Some((Self { tag: *whole.first()?, whole, content: whole.get(header..)? }, rest))
    }
}

/// The header of a SEQUENCE with so many octets.
fn header(octets: usize) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(octets).ok()?.to_be_bytes();
    Some(match (high, low) {
        (0, 0..=0x7F) => vec![SEQUENCE, low],
        (0, _) => vec![SEQUENCE, 0x81, low],
        _ => vec![SEQUENCE, 0x82, high, low],
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn session(fields: &[&[u8]]) -> Secret {
        let fields = fields.concat();
        Secret::new([header(fields.len()).unwrap(), fields].concat())
    }

    #[test]
    fn the_peer_is_kept_beside_the_session() {
        let (version, name) = ([2, 1, 1], [0xA6, 3, 4, 1, 65]);
        let bare = session(&[&version, &name]);
        let long = [&[0x30, 0x82, 1, 4][..], &[9; 260]].concat();
        let certificate = [&[0xA3, 0x82, 1, 8][..], &long].concat();
        for (fields, peer) in [
            (vec![&version[..], &name], None),
            (vec![&version, &[0xA3, 2, 0x30, 0], &name], Some(Presented::Chain(vec![vec![0x30, 0]]))),
            (vec![&version, &certificate, &name], Some(Presented::Chain(vec![long]))),
            (vec![&version, &name, &[0xB4, 4, 4, 2, 7, 8]], Some(Presented::RawKey(vec![7, 8]))),
        ] {
            let kept = keep(&session(&fields)).unwrap();
            let (unpacked, presented) = unpack(&kept).unwrap();
            assert_eq!(unpacked.expose(), bare.expose());
            assert_eq!(presented, peer);
        }
    }

    #[test]
    fn lengths_of_each_form() {
        for octets in [0, 0x7F, 0x80, 0xFF, 0x100, 60_000] {
            let field =
                [&[4, 0x82][..], &u16::try_from(octets).unwrap().to_be_bytes(), &vec![1; octets]].concat();
            let (unpacked, presented) = unpack(&keep(&session(&[&field])).unwrap()).unwrap();
            assert_eq!(unpacked.expose(), session(&[&field]).expose());
            assert_eq!(presented, None);
        }
    }

    #[test]
    fn an_id_is_put_in_its_place() {
        let before = [&[2, 1, 1][..], &[2, 2, 3, 3], &[4, 2, 0xC0, 0x23]].concat();
        let master = [4, 3, 1, 2, 3];
        for id in [&b""[..], b"i", &[5; 32]] {
            let named = [&[4, u8::try_from(id.len()).unwrap()], id].concat();
            let kept = keep_named(&session(&[&before, &[4, 0], &master, &[0xA3, 2, 0x30, 0]]), id).unwrap();
            let (unpacked, presented) = unpack(&kept).unwrap();
            assert_eq!(unpacked.expose(), session(&[&before, &named, &master]).expose());
            assert_eq!(presented, Some(Presented::Chain(vec![vec![0x30, 0]])));
        }
        assert!(keep_named(&session(&[&before, &[4, 0], &master]), &[5; 33]).is_none());
        assert!(keep_named(&session(&[&before, &[2, 1, 0], &master]), b"i").is_none());
    }

    #[test]
    fn what_was_not_kept_is_none() {
        for octets in [&b""[..], &[0], &[0, 0], &[0, 1, 7], &[0, 0, NOTHING, 1], &[0, 0, 3]] {
            assert!(unpack(&Secret::new(octets.to_vec())).is_none(), "{octets:?}");
        }
        for octets in [&b""[..], &[0x30], &[0x30, 1], &[0x31, 0], &[0x30, 0, 0], &[0x30, 2, 4, 1]] {
            assert!(keep(&Secret::new(octets.to_vec())).is_none(), "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn octets_of_any_kind_do_no_harm(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let octets = Secret::new(octets);
            let _ = unpack(&octets);
            if let Some(kept) = keep(&octets) {
                prop_assert!(unpack(&kept).is_some());
            }
        }
    }
}
