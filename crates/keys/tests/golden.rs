//! The derivations and identifiers of this crate against the project's golden vectors.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use keys::{DraftKeyId, KeyLengthPolicy, Kpsa, Secret, kca_id, kcc_id};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("data/onem2m.json")).unwrap()
}

/// Draft clauses a.b.1 and a.b.2.
#[test]
fn draft_key_identifiers() {
    let vectors = vectors();
    let cases = vectors["kcc_kca_id"]["cases"].as_array().unwrap();
    let mut proved = 0;
    for case in cases.iter().filter(|case| case["key"].as_str().unwrap().len() >= 16) {
        let secret = Secret::from_hex(case["key"].as_str().unwrap()).unwrap();
        let key = Kpsa::new(secret, KeyLengthPolicy::AllowShort).unwrap();
        assert_eq!(kcc_id(&key).to_string(), case["kcc_psk_identity"].as_str().unwrap());
        assert_eq!(kca_id(&key).to_string(), case["kca_psk_identity"].as_str().unwrap());
        let read: DraftKeyId = case["kca_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(read, kca_id(&key), "lower case is read as well");
        proved += 1;
    }
    assert_eq!(proved, 3);
}
