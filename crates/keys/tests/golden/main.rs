//! The derivations, identifiers and patterns of this crate against the project's golden vectors.
//!
//! A section of the file is proved here or listed as belonging elsewhere, and a proof must have read every
//! leaf of its section that is not prose: what the vectors say and nobody checks is a failure.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod credentials;
mod end_to_end;
mod enrolment;
mod entities;
mod identifiers;
mod section;
mod tls;

use std::collections::BTreeSet;

/// Sections, or parts of one, that are not this crate's to prove.
const ELSEWHERE: &[(&str, &str)] = &[
    ("meta", "describes the file"),
    ("device_other_name", "DER of a name in a device certificate: certificate framework"),
    ("entity_ids/ae_id_san_uri", "an AE-ID in a certificate's subjectAltName: certificate framework"),
    ("access_decision", "decided by the hosting CSE"),
];

macro_rules! proved {
    ($($section:ident by $module:ident),+ $(,)?) => {
        const PROVED: &[&str] = &[$(stringify!($section)),+];
        $(
            #[test]
            fn $section() {
                section::prove(stringify!($section), $module::$section);
            }
        )+
    };
}

proved! {
    tls12_exporter by tls,
    tls_psk_premaster by tls,
    key_generation by tls,
    km_from_ke by enrolment,
    kpsa_from_ke by enrolment,
    usage_constrained by enrolment,
    nfkc by enrolment,
    ke2e_chain by end_to_end,
    session_esprim_key by end_to_end,
    kcc_kca_id by identifiers,
    key_identifiers by identifiers,
    rfc6920_public_key by identifiers,
    credential_id by credentials,
    wildcard by credentials,
    entity_ids by entities,
}

#[test]
fn every_section_is_proved_or_listed() {
    let vectors = section::vectors();
    let sections: BTreeSet<&str> = vectors.as_object().unwrap().keys().map(String::as_str).collect();
    let elsewhere = ELSEWHERE.iter().map(|(path, _)| *path).filter(|path| !path.contains('/'));
    let accounted: Vec<&str> = PROVED.iter().copied().chain(elsewhere).collect();
    assert_eq!(accounted.iter().copied().collect::<BTreeSet<_>>(), sections);
    assert_eq!(accounted.len(), sections.len(), "a section is listed twice");
    for (path, reason) in ELSEWHERE {
        assert!(vectors.pointer(&format!("/{path}")).is_some() && !reason.is_empty(), "{path}");
    }
}
