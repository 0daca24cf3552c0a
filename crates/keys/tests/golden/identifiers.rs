//! Identifiers of keys.

use keys::{
    DraftKeyId, DraftKeyKind, FetchCredentials, KcId, KeId, KeyIdentifier, KeyLengthPolicy, KmId, KpmId,
    Kpsa, KpsaId, LocalKeyName, PskIdentity, PskSource, PublicKeyHash, PublicKeyIdentifier, RelativeKeId,
    RelativeKeyId, TrustFunctions, Usage, kca_id, kcc_id, psk_source,
};
use sha2::{Digest, Sha256};

use crate::section::Entry;

/// Draft clauses a.b.1 and a.b.2.
pub(crate) fn kcc_kca_id(section: &Entry<'_>) {
    let hash = |prefix: &str, key: &[u8]| Sha256::digest([section.text(prefix).as_bytes(), key].concat());
    let mut proved = 0;
    for case in section.items("cases") {
        let octets = case.octets("key");
        assert_eq!(hash("prefix_kcc", &octets).to_vec(), case.octets("kcc_sha256_full"));
        assert_eq!(hash("prefix_kcc", &octets)[..16], case.octets("kcc_id"));
        assert_eq!(hash("prefix_kca", &octets)[..16], case.octets("kca_id"));
        let strict = Kpsa::new(case.secret("key"), KeyLengthPolicy::Strict);
        assert_eq!(strict.is_ok(), case.flag("valid_key"));
        let ids = [case.text("kcc_psk_identity"), case.text("kca_psk_identity")];
        let Ok(key) = Kpsa::new(case.secret("key"), KeyLengthPolicy::AllowShort) else { continue };
        assert_eq!([kcc_id(&key), kca_id(&key)].map(|id| id.to_string()), ids);
        assert_eq!([kcc_id(&key), kca_id(&key)].map(|id| PskIdentity::from(&id).to_string()), ids);
        let read: DraftKeyId = case.text("kca_id").parse().unwrap();
        assert_eq!(read, kca_id(&key), "lower case is read as well");
        DraftKeyKind::Kca.check(&key, &read).unwrap();
        DraftKeyKind::Kcc.check(&key, &read).unwrap_err();
        proved += 1;
    }
    assert_eq!(proved, 3);
}

/// TS-0003 §10.3.4, §10.3.5, §10.5, §10.6.
pub(crate) fn key_identifiers(section: &Entry<'_>) {
    made(&section.at("KeID"), &section.at("KeyIdentifier"));
    for pair in section.items("compare_hex_relative_case_insensitive") {
        let (a, b) = (pair.text("a"), pair.text("b"));
        assert_eq!(a.parse::<KeyIdentifier>() == b.parse(), pair.flag("equal"));
        assert_eq!(a.parse::<KeId>() == b.parse(), pair.flag("equal"));
    }
    for case in section.items("parse") {
        parsed(&case);
    }
    let path = section.at("fetch_credentials_path");
    let ke_id: KeId = path.text("KeID").parse().unwrap();
    let usage = Usage::from_code(path.number("suid").try_into().unwrap()).unwrap();
    let fetch = FetchCredentials { ke_id, usage };
    assert_eq!(fetch.to_string(), path.text("path"));
    assert_eq!(path.text("path").parse::<FetchCredentials>().unwrap(), fetch);
    for case in section.items("psk_identity_dispatch") {
        dispatched(&case);
    }
}

fn made(ke_id: &Entry<'_>, key_identifier: &Entry<'_>) {
    let relative = RelativeKeId::new(ke_id.octets("RelativeKeID").try_into().unwrap());
    let made = KeId::new(relative, &ke_id.text("mef_fqdn").parse().unwrap()).unwrap();
    assert_eq!(made.as_str(), ke_id.text("KeID"));
    assert_eq!(made.relative().parse(), Ok(relative));
    let kc_id = KcId::new(key_identifier.octets("KcID").try_into().unwrap());
    let relative = RelativeKeyId::from(kc_id);
    assert_eq!(relative.as_str(), key_identifier.text("RelativeKeyID"));
    let made = KeyIdentifier::new(&relative, &key_identifier.text("maf_fqdn").parse().unwrap()).unwrap();
    assert_eq!(made.as_str(), key_identifier.text("KeyIdentifier"));
    assert_eq!(made.relative_key_id(), Some(relative));
}

fn parsed(case: &Entry<'_>) {
    let text = case.text("id");
    let parts = |relative: &str, fqdn: &onem2m::id::Fqdn| (relative.to_owned(), fqdn.to_string());
    let found = [
        text.parse::<KpsaId>().ok().map(|id| parts(id.relative(), id.issuer())),
        text.parse::<KpmId>().ok().map(|id| parts(id.relative(), id.mef())),
        text.parse::<KmId>().ok().map(|id| parts(id.relative(), id.maf())),
        text.parse::<KeyIdentifier>().ok().map(|id| parts(id.relative(), id.distributor())),
    ];
    let expected = case.text_if_any("relative").zip(case.text_if_any("fqdn"));
    assert_eq!(expected.is_some(), case.flag("valid"), "{text}");
    for found in found {
        assert_eq!(found.as_ref().map(|(relative, fqdn)| (&**relative, &**fqdn)), expected, "{text}");
    }
}

fn dispatched(case: &Entry<'_>) {
    let identity: PskIdentity = case.text("psk_identity").parse().unwrap();
    let functions = TrustFunctions {
        mafs: ["maf.example.com".parse().unwrap()].into(),
        mefs: ["mef.example.net".parse().unwrap()].into(),
        ..TrustFunctions::default()
    };
    let text = identity.as_str();
    match case.text("class") {
        "draft-Kcc/Kca (32 hex, no '@')" => {
            let local = PskSource::Local(LocalKeyName::Draft(text.parse().unwrap()));
            assert_eq!(psk_source(&identity, true, &functions), local);
            assert_eq!(psk_source(&identity, false, &functions), PskSource::Unknown);
        }
        "KpsaID (local table)" => {
            let local = PskSource::Local(LocalKeyName::Kpsa(text.parse().unwrap()));
            assert_eq!(psk_source(&identity, true, &functions), local);
            assert_eq!(psk_source(&identity, false, &functions), PskSource::Unknown);
        }
        "MAF Key Identifier if FQDN is a configured MAF" => {
            let maf = PskSource::Maf(text.parse().unwrap());
            assert_eq!(psk_source(&identity, false, &functions), maf);
            assert_eq!(psk_source(&identity, false, &TrustFunctions::default()), PskSource::Unknown);
        }
        "KeID if FQDN is a configured MEF" => {
            let PskSource::Mef(name) = psk_source(&identity, false, &functions) else { panic!("no MEF") };
            assert_eq!(name.ke_id, Some(text.parse().unwrap()));
            assert_eq!(psk_source(&identity, false, &TrustFunctions::default()), PskSource::Unknown);
        }
        other => panic!("class {other}"),
    }
}

/// TS-0003 §10.1.2.
pub(crate) fn rfc6920_public_key(section: &Entry<'_>) {
    let spki = section.octets("spki_der");
    let all = PublicKeyIdentifier::all_of_spki(&spki);
    let mut proved = Vec::new();
    for case in section.items("cases") {
        let hash = PublicKeyHash::ALL.into_iter().find(|hash| hash.name() == case.text("alg")).unwrap();
        let id = PublicKeyIdentifier::of_spki(hash, &spki);
        assert!(all.contains(&id) && id.matches(&spki));
        assert_eq!(usize::from(hash.suite_id()), case.number("suite_id"));
        assert_eq!(id.digest(), case.octets("digest_hex"));
        assert_eq!(id.to_octets(), case.octets("binary_hex"));
        assert_eq!(PublicKeyIdentifier::from_octets(&case.octets("binary_hex")), Ok(id));
        let credential_value = case.text("credential_id").strip_prefix("30-").unwrap();
        let texts = [case.text("ni_uri"), case.text("nih"), credential_value];
        assert_eq!([id.to_string(), id.to_nih(), id.to_credential_value()], texts);
        for text in texts {
            assert_eq!(text.parse(), Ok(id), "{text}");
        }
        proved.push(hash);
    }
    proved.sort();
    assert_eq!(proved, PublicKeyHash::ALL);
    for case in section.items("negative") {
        let matches = case.text("ni_uri").parse::<PublicKeyIdentifier>().is_ok_and(|id| id.matches(&spki));
        assert_eq!(matches, case.flag("matches"), "{}", case.text("ni_uri"));
    }
    for algorithm in section.items("rejected_algorithms") {
        let name = algorithm.as_text();
        assert!(PublicKeyHash::ALL.into_iter().all(|hash| hash.name() != name));
        let digest = all[0].to_credential_value().replace("sha-256.", "");
        for length in [6, 11, 16, digest.len(), 64, 86] {
            let text = format!("ni:///{name};{}", digest.repeat(2).get(..length).unwrap());
            assert!(text.parse::<PublicKeyIdentifier>().is_err(), "{text}");
        }
    }
}
