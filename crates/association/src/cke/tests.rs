use proptest::prelude::*;

use super::*;

/// The records of a ClientKeyExchange, cut after every `cut` octets of the message.
fn records(identity: &[u8], tail: &[u8], cut: usize) -> Vec<u8> {
    let mut message = vec![CLIENT_KEY_EXCHANGE];
    let body = u32::try_from(2 + identity.len() + tail.len()).unwrap();
    message.extend(&body.to_be_bytes()[1..]);
    message.extend(u16::try_from(identity.len()).unwrap().to_be_bytes());
    message.extend(identity);
    message.extend(tail);
    let mut records = Vec::new();
    for part in message.chunks(cut) {
        records.extend(Header::of_handshake(u16::try_from(part.len()).unwrap()));
        records.extend(part);
    }
    records
}

/// Feeds `octets` in pieces of `piece` octets; returns the outcome and what was not taken.
fn read(octets: &[u8], piece: usize) -> Result<(Outcome, usize), KeyExchangeError> {
    let mut reader = KeyExchangeReader::new();
    let mut taken = 0;
    for part in octets.chunks(piece) {
        let (count, outcome) = reader.push(part)?;
        taken += count;
        if outcome != Outcome::NeedsMore {
            return Ok((outcome, octets.len() - taken));
        }
        assert_eq!(count, part.len());
    }
    Ok((Outcome::NeedsMore, 0))
}

fn complete(octets: &[u8], piece: usize) -> ClientKeyExchange {
    match read(octets, piece) {
        Ok((Outcome::Complete(message), 0)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_the_identity_however_it_is_cut() {
    let tail = [0x41; 66];
    for cut in [1, 2, 3, 5, 6, 7, 40, 16_384] {
        for piece in [1, 2, 3, 4, 5, 6, 7, 1000] {
            let message = complete(&records(b"light1@home.example.org", &tail, cut), piece);
            assert_eq!(message.identity().octets(), b"light1@home.example.org");
            assert_eq!(message.record(), records(b"light1@home.example.org", &tail, 16_384));
        }
    }
}

#[test]
fn an_empty_identity_and_no_tail_is_a_message() {
    let message = complete(&records(b"", b"", 16_384), 1);
    assert!(message.identity().octets().is_empty());
    assert!(message.identity().check().is_err());
}

#[test]
fn an_identity_over_256_octets_is_seen_to_be_too_long_and_passed_on_cut() {
    for length in [256_usize, 257, 300, 2000, 20_000, 65_535] {
        let identity = vec![b'a'; length];
        let message = complete(&records(&identity, &[9; 66], 16_000), 1 << 20);
        assert_eq!(message.identity().check().is_ok(), length <= 256, "{length}");
        assert_eq!(message.record(), records(&identity[..length.min(256)], &[9; 66], 16_384));
    }
}

#[test]
fn what_follows_the_message_is_left_alone() {
    let mut octets = records(b"a@b", b"", 3);
    octets.extend([20, 3, 3, 0, 1, 1]);
    let (outcome, left) = read(&octets, 1000).unwrap();
    assert!(matches!(outcome, Outcome::Complete(_)));
    assert_eq!(left, 6);
}

#[test]
fn another_record_or_message_is_handed_on_unchanged() {
    let change_cipher_spec = [20, 3, 3, 0, 1, 1];
    let finished = [22, 3, 3, 0, 6, 20, 0, 0, 2, 9, 9];
    for octets in [change_cipher_spec.as_slice(), &finished] {
        for piece in [1, 3, 6, 100] {
            let (outcome, left) = read(octets, piece).unwrap();
            let Outcome::SomethingElse(taken) = outcome else { panic!("{outcome:?}") };
            assert_eq!(taken.len() + left, octets.len());
            assert_eq!(taken, octets[..taken.len()], "by {piece}");
        }
    }
}

#[test]
fn broken_rules_are_named() {
    use KeyExchangeError as E;
    let mismatch = [22, 3, 3, 0, 8, 16, 0, 0, 4, 0, 3, 1, 2];
    let short = [22, 3, 3, 0, 6, 16, 0, 0, 1, 0, 0];
    let long = [22, 3, 3, 0, 6, 16, 0xff, 0xff, 0xff, 0, 0];
    let tail = [22, 3, 3, 0, 6, 16, 0, 8, 0, 0, 0];
    let trailing = [22, 3, 3, 0, 8, 16, 0, 0, 3, 0, 1, 65, 20];
    let interrupted = [22, 3, 3, 0, 2, 16, 0, 21, 3, 3, 0, 2, 1, 0];
    let cases: [(&[u8], E); 9] = [
        (b"GET / HTTP/1.1", E::NotTls),
        (&[22, 2, 0, 0, 1], E::NotTls),
        (&[22, 3, 3, 0, 0], E::EmptyRecord),
        (&[22, 3, 3, 0x40, 1], E::RecordTooLong { octets: 16_385 }),
        (&mismatch, E::LengthMismatch { message: 4, identity: 3 }),
        (&short, E::LengthMismatch { message: 1, identity: 0 }),
        (&long, E::MessageTooLong { octets: 0x00ff_ffff }),
        (&tail, E::MessageTooLong { octets: 2048 }),
        (&trailing, E::Trailing { octets: 1 }),
    ];
    for (octets, expected) in cases {
        for piece in [1, 100] {
            assert_eq!(read(octets, piece).unwrap_err(), expected, "{octets:?} by {piece}");
        }
    }
    assert_eq!(read(&interrupted, 3).unwrap_err(), E::Interrupted { content_type: 21 });
}

#[test]
fn an_identity_is_printed_escaped_and_short() {
    let identity = IdentityAsSent(b"a\x1b[31m\xff\0\n".to_vec());
    assert_eq!(identity.to_string(), "a\\u{1b}[31m\u{fffd}\\0\\n");
    assert_eq!(IdentityAsSent(vec![b'x'; 65]).to_string().chars().count(), 65);
}

proptest! {
    #[test]
    fn any_cut_reads_the_same(
        identity in prop::collection::vec(any::<u8>(), 0..600),
        tail in prop::collection::vec(any::<u8>(), 0..200),
        cut in 1_usize..700,
        piece in 1_usize..700,
    ) {
        let message = complete(&records(&identity, &tail, cut), piece);
        prop_assert_eq!(message.record(), records(&identity[..identity.len().min(256)], &tail, 16_384));
        prop_assert_eq!(message.identity().octets(), &identity[..identity.len().min(257)]);
    }

    #[test]
    fn anything_at_all_is_answered_within_bounds(
        octets in prop::collection::vec(any::<u8>(), 0..3000),
        piece in 1_usize..50,
    ) {
        let mut reader = KeyExchangeReader::new();
        for part in octets.chunks(piece) {
            match reader.push(part) {
                Ok((count, Outcome::NeedsMore)) => prop_assert_eq!(count, part.len()),
                Ok((count, _)) => {
                    prop_assert!(count <= part.len());
                    break;
                }
                Err(_) => break,
            }
            prop_assert!(reader.message.len() + reader.header.len() <= MAX_KEPT);
        }
    }

    /// Headers that are right by construction reach deeper than random octets do.
    #[test]
    fn records_of_anything_are_answered_within_bounds(
        payloads in prop::collection::vec((20_u8..24, prop::collection::vec(any::<u8>(), 0..40)), 0..40),
        first in any::<bool>(),
    ) {
        let mut reader = KeyExchangeReader::new();
        let mut octets = if first { vec![22, 3, 3, 0, 1, 16] } else { Vec::new() };
        for (content_type, payload) in payloads {
            octets.extend([content_type, 3, 3, 0, u8::try_from(payload.len()).unwrap()]);
            octets.extend(payload);
        }
        let _ = reader.push(&octets);
        prop_assert!(reader.message.len() + reader.header.len() <= MAX_KEPT);
    }
}
