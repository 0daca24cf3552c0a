//! What holds for all octets that come where a ClientKeyExchange is expected. Run by the fuzzer, and on the seeds by
//! the tests of `association`.

use association::cke::{ClientKeyExchange, KeyExchangeError, KeyExchangeReader, MAX_KEPT, Outcome};

/// Octets of an identity that OpenSSL is given, and one more to show that there were more.
const BORNE: usize = 256;
const KEPT: usize = 257;

/// The first octet says how the others are cut; however that is, they are read alike.
pub(crate) fn check(data: &[u8]) {
    let Some((cut, octets)) = data.split_first() else { return };
    let whole = read(octets, octets.len());
    assert_eq!(read(octets, usize::from(*cut)), whole);
    let Ok((outcome, taken)) = whole else { return };
    match outcome {
        Outcome::NeedsMore => assert_eq!(taken, octets.len()),
        Outcome::Complete(message) => complete(&message),
        Outcome::SomethingElse(resumed) => something_else(octets, &resumed, taken),
    }
}

/// What comes of `octets` in pieces of `piece`, and how many of them were taken.
fn read(octets: &[u8], piece: usize) -> Result<(Outcome, usize), KeyExchangeError> {
    let mut reader = KeyExchangeReader::new();
    let mut taken = 0;
    for part in octets.chunks(piece.max(1)) {
        let (count, outcome) = reader.push(part)?;
        assert!(count <= part.len());
        taken += count;
        if outcome != Outcome::NeedsMore {
            return Ok((outcome, taken));
        }
        assert_eq!(count, part.len());
    }
    Ok((Outcome::NeedsMore, taken))
}

/// What was read can be written as one record, and read again.
fn complete(message: &ClientKeyExchange) {
    let identity = message.identity().octets();
    assert!(identity.len() <= KEPT);
    assert!(message.identity().to_string().chars().all(|character| !character.is_control()));
    let record = message.record();
    assert!(record.len() <= MAX_KEPT);
    let Ok((Outcome::Complete(again), taken)) = read(&record, record.len()) else {
        panic!("our own record is not read: {record:?}");
    };
    assert_eq!(taken, record.len());
    assert_eq!(again.record(), record);
    assert_eq!(again.identity().octets(), &identity[..identity.len().min(BORNE)]);
    assert_eq!(message.identity().check().is_ok(), well_formed(identity));
}

fn well_formed(identity: &[u8]) -> bool {
    (1..=BORNE).contains(&identity.len()) && !identity.contains(&0) && std::str::from_utf8(identity).is_ok()
}

/// What is handed on is what came: the same payload, in records of the same type.
fn something_else(octets: &[u8], resumed: &[u8], taken: usize) {
    let [content_type, ..] = resumed else { panic!("nothing is handed on of {taken} octets") };
    let handed_on = [resumed, &octets[taken..]].concat();
    let (came, goes) = (payload(octets), payload(&handed_on));
    assert_eq!(goes, came);
    assert_eq!(came.first().map(|(of, _)| of), Some(content_type));
}

/// The payload octets with the types of their records, as far as the records go.
fn payload(mut octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all: Vec<(u8, Vec<u8>)> = Vec::new();
    while let [content_type, _, _, high, low, rest @ ..] = octets {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (payload, behind) = rest.split_at(length);
        match all.last_mut() {
            Some((last, joined)) if last == content_type => joined.extend(payload),
            _ => all.push((*content_type, payload.to_vec())),
        }
        octets = behind;
    }
    all
}
