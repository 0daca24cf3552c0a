//! What holds for everything that somebody sends to the development authority: a certificate signing request, or a
//! question over OCSP. Run by the fuzzer, and on the seeds by the tests of `pki`.

use onem2m::id::CseDomainName;
use pki::{
    Profile, Request, SubjectKey, Validity,
    ocsp::{MAX_ASKED, Question},
};

pub(crate) fn check(data: &[u8]) {
    match Request::from_bytes(data) {
        Ok(request) => accepted(&request, data),
        Err(error) => one_line(&error.to_string()),
    }
    match Question::from_der(data) {
        Ok(question) => {
            assert!((1..=MAX_ASKED).contains(&question.asked.len()));
            assert!(question.nonce.is_none_or(|nonce| nonce.len() <= 131));
        }
        Err(error) => one_line(&error.to_string()),
    }
}

/// Only who asks for a name gets it.
fn accepted(request: &Request, data: &[u8]) {
    assert_eq!(request.spki().len(), 91, "an uncompressed point of P-256");
    let sp = "//example.org".parse().expect("a domain");
    let name = CseDomainName::parse_in("other.in-cse.example.org", &sp).expect("a name");
    let other = Profile::CseId(name);
    let asked = contains(data, b"other.in-cse.example.org");
    match request.check_names(&other) {
        Ok(()) => assert!(asked, "granted a name that nobody asked for"),
        Err(error) => one_line(&error.to_string()),
    }
    // The key is none that the authority would not certify.
    let rng = keys::SeededRng::new(1);
    let year = Validity::days("20260101T000000".parse().expect("a time"), 365).expect("a year");
    let root = pki::Authority::new_root("root", year, &rng).expect("a root");
    assert!(root.issue(&other, SubjectKey::Public(request.spki()), year, &rng).is_ok());
}

fn contains(data: &[u8], text: &[u8]) -> bool {
    // In PEM it stands in base64.
    data.starts_with(b"-----") || data.windows(text.len()).any(|octets| octets == text)
}

fn one_line(text: &str) {
    assert!(text.len() < 1024, "an error message grows with its input: {text}");
    assert!(!text.contains(char::is_control), "an error message repeats control characters: {text:?}");
}
