//! What holds for every chain that a peer can present, and for every file of certificates, keys and revocation
//! lists. Run by the fuzzer, and on the seeds by the tests of `certificate`.
//!
//! A chain is a list of certificates in DER, each after two octets that tell its length. The root that is
//! trusted is the one of the seeds: nobody has its key, so that what is accepted is what the seeds say, with at
//! most the signature's own octets changed.

use certificate::{
    Anchors, Chain, Flavour, Name, Purpose, RawKey, check_profile, names, ocsp_request, ocsp_url, sole_name,
    verify,
};
use onem2m::time::Timestamp;
use std::fmt::Display;

const ROOT: &[u8] = include_bytes!("certificates/root.der");
/// The seeds that are valid below that root.
const VALID: [&[u8]; 7] = [
    include_bytes!("../seeds/certificate_chain/cse"),
    include_bytes!("../seeds/certificate_chain/ae"),
    include_bytes!("../seeds/certificate_chain/node"),
    include_bytes!("../seeds/certificate_chain/device"),
    include_bytes!("../seeds/certificate_chain/fqdn"),
    include_bytes!("../seeds/certificate_chain/bare_ae"),
    include_bytes!("../seeds/certificate_chain/below_the_root"),
];

/// When the certificates of the seeds are valid.
fn now() -> Timestamp {
    "20260601T120000".parse().expect("a time")
}

pub(crate) fn check(data: &[u8]) {
    files(data);
    if let Some(chain) = said(Chain::from_der(&split(data))) {
        presented(&chain);
    }
}

/// Everything that is read from files.
fn files(data: &[u8]) {
    let anchors = said(Anchors::from_pem(data, now()));
    assert!(anchors.is_none_or(|anchors| !anchors.is_empty()), "anchors without an anchor");
    let root = Anchors::from_pem(ROOT, now()).expect("the root of the seeds");
    if let Some(root) = said(root.with_crls_pem(data)) {
        assert!(root.crls().count() > 0, "no list was read from a file of lists");
    }
    if let Some(key) = said(RawKey::from_spki_der(data)) {
        assert_eq!(key.spki(), data);
    }
    if let Some(chain) = said(Chain::from_pem(data)) {
        presented(&chain);
    }
}

fn presented(chain: &Chain) {
    let again: Vec<_> = chain.ders().collect();
    assert_eq!(again.first(), Some(&chain.leaf_der()));
    if let Some(key) = said(chain.key()) {
        assert_eq!(key.spki(), chain.spki());
        assert_eq!(RawKey::from_spki_der(chain.spki()), Ok(key));
    }
    for flavour in Flavour::ALL {
        for broken in check_profile(chain, flavour) {
            one_line(&broken);
        }
        if let Some(name) = said(sole_name(chain, flavour)) {
            assert!(name.is_of(flavour));
        }
    }
    for name in said(names(chain)).unwrap_or_default() {
        named(&name);
    }
    judged(chain);
}

fn named(name: &Name) {
    let text = name.as_text();
    assert!(!text.is_empty() && text.len() <= 1024, "a name that is too short or too long");
    assert!(!text.contains(['*', '\0', ' ']), "a wildcard, a space or NUL in a name");
}

fn judged(chain: &Chain) {
    let root = Anchors::from_pem(ROOT, now()).expect("the root of the seeds");
    for purpose in [Purpose::Client, Purpose::Server] {
        let Some(()) = said(verify(&root, chain, purpose, now(), false)) else {
            assert!(verify(&root, chain, purpose, now(), true).is_err(), "strict is less strict");
            continue;
        };
        let leaf = signed_part(chain.leaf_der());
        let known =
            VALID.iter().any(|seed| split(seed).first().is_some_and(|valid| signed_part(valid) == leaf));
        assert!(known, "accepted, and signed by nobody");
        assert!(
            verify(&Anchors::default(), chain, purpose, now(), false).is_err(),
            "accepted without anchors"
        );
    }
    let _ = ocsp_request(chain, &root);
    let _ = said(ocsp_url(chain));
}

/// The certificates in a list.
fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (certificate, rest) = rest.split_at(length);
        found.push(certificate);
        data = rest;
    }
    found
}

/// The signed part of a certificate of 256 to 65535 octets, as those of the seeds are.
fn signed_part(der: &[u8]) -> &[u8] {
    let length = match der.get(6..8) {
        Some([high, low]) => usize::from(u16::from_be_bytes([*high, *low])),
        _ => 0,
    };
    der.get(4..8 + length).unwrap_or_default()
}

/// The value; or nothing, after a look at the error.
fn said<T, E: Display>(result: Result<T, E>) -> Option<T> {
    result.map_err(|error| one_line(&error)).ok()
}

fn one_line(error: &impl Display) {
    let text = error.to_string();
    assert!(text.len() < 2048, "an error message grows with its input");
    assert!(!text.contains(char::is_control), "an error message repeats control characters: {text:?}");
}
