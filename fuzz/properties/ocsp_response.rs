//! What holds for everything that a server can staple, and for every file with a responder's key. Run by the
//! fuzzer, and on the seeds by the tests of `certificate`.

use certificate::{Anchors, Chain, OcspPolicy, ResponderKey, check_staple};
use onem2m::time::Timestamp;

const ROOT: &[u8] = include_bytes!("certificates/root.der");
const SERVER: &[u8] = include_bytes!("certificates/server.der");
/// Signed with the root's key about the server, good and current.
const GOOD: [&[u8]; 2] =
    [include_bytes!("../seeds/ocsp_response/good"), include_bytes!("../seeds/ocsp_response/endless")];

pub(crate) fn check(data: &[u8]) {
    let now: Timestamp = "20260601T120000".parse().expect("a time");
    let anchors = Anchors::from_pem(ROOT, now).expect("the root of the seeds");
    let server = Chain::from_der(&[SERVER]).expect("the server of the seeds");
    let policy = OcspPolicy::new(ResponderKey::read(ROOT).expect("the key of the root"));
    match check_staple(&policy, Some(data), &server, &anchors, now) {
        // Nobody has the responder's key: what is accepted says what the seed says.
        Ok(good) => {
            assert!(good.until > now);
            let known = GOOD.iter().any(|seed| {
                let signed = signed_part(seed);
                data.windows(signed.len()).any(|octets| octets == signed)
            });
            assert!(known, "good, and signed by nobody");
        }
        Err(refusal) => one_line(&refusal.to_string()),
    }
    if let Err(broken) = ResponderKey::read(data) {
        one_line(&broken.to_string());
    }
}

/// The signed part of a response: the first SEQUENCE with a `[2]` in it, the hash of the responder's key.
fn signed_part(response: &[u8]) -> &[u8] {
    let begins = |octets: &[u8]| matches!(octets, [0x30, 0x81, _, 0xa2]);
    let at = response.windows(4).position(begins).expect("a seed has a signed part");
    let length = usize::from(response[at + 2]);
    &response[at..at + 3 + length]
}

fn one_line(text: &str) {
    assert!(text.len() < 2048, "an error message grows with its input");
    assert!(!text.contains(char::is_control), "an error message repeats control characters: {text:?}");
}
