//! Properties of every parser of this crate: no text makes it panic, and what it accepts it writes back.

use std::{collections::HashSet, fmt::Display, str::FromStr};

use keys::{
    BTid, BootstrapExport, CredentialId, DraftKeyId, FetchCredentials, GbaIdentity, HardwareId, KcId, KeId,
    KeyError, KeyIdentifier, KmId, KpmId, KpsaId, Nonce, OriginatorRandObject, PairwiseE2eKeyId, PskIdentity,
    PublicKeyHash, PublicKeyIdentifier, RandValue, ReceiverRandObject, RelativeKeId, RelativeKeyId, Secret,
    SymmetricKeyId, TrustFunctions, Usage, nfkc,
    pattern::{CredentialPattern, EntityPattern},
    psk_source,
};
use proptest::prelude::*;

/// Text near what the parsers take: pieces of identifiers, joined by their separators.
fn near() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("maf.example.com".to_owned()),
        Just("MEF.example.net".to_owned()),
        Just("A0B1C2D3E4F5061728394A5B6C7D8E9F".to_owned()),
        Just("I1U8vpY3qJ0hiuZNrke/NQ==".to_owned()),
        Just("sha-256-120".to_owned()),
        Just("UyaQV-Ev4rdLoHyJJWCi".to_owned()),
        Just("3GPP-bootstrapping-uicc".to_owned()),
        Just("ni://".to_owned()),
        Just("nih:".to_owned()),
        Just("/fetchCredentials/".to_owned()),
        Just("12".to_owned()),
        "[a-zA-Z0-9._-]{0,8}",
        "[0-9a-fA-F]{32}",
        "\\PC{0,4}",
    ];
    let joint = prop_oneof![
        Just("@"),
        Just("-"),
        Just(";"),
        Just("."),
        Just("/"),
        Just(""),
        Just("*"),
        Just("\0"),
        Just("="),
    ];
    prop::collection::vec((piece, joint), 0..6)
        .prop_map(|parts| parts.into_iter().map(|(piece, joint)| piece + joint).collect())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => near(), 1 => any::<String>()]
}

/// A domain name; the last label begins with a letter.
fn domain() -> impl Strategy<Value = String> {
    "([a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\\.){0,3}[a-z]([a-z0-9-]{0,10}[a-z0-9])?"
}

fn relative() -> impl Strategy<Value = String> {
    prop_oneof!["[A-Za-z0-9._-]{1,60}", "[0-9a-fA-F]{32}"]
}

/// What is accepted is written back and read as the same value; an error says what and quotes little.
fn stable<T>(text: &str) -> Result<Option<T>, TestCaseError>
where
    T: FromStr<Err = KeyError> + Display + PartialEq + std::fmt::Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            prop_assert!(written.parse::<T>().is_ok_and(|again| again == value), "{}", written);
            Ok(Some(value))
        }
        Err(error) => {
            let message = error.to_string();
            prop_assert!(!message.contains(char::is_control), "{}", message);
            prop_assert!(message.chars().count() < 64 * 10 + 250, "{}", message);
            Ok(None)
        }
    }
}

/// As [`stable`], for identifiers that keep their spelling.
fn verbatim<T>(text: &str) -> Result<(), TestCaseError>
where
    T: FromStr<Err = KeyError> + Display + PartialEq + std::fmt::Debug,
{
    if let Some(value) = stable::<T>(text)? {
        prop_assert_eq!(value.to_string(), text);
    }
    Ok(())
}

fn same_hash<T: std::hash::Hash + Eq + Clone>(a: &T, b: &T) -> bool {
    HashSet::from([a.clone()]).contains(b)
}

/// The definition of a wildcard, without any cleverness.
fn plain_match(pattern: &[char], value: &[char], barrier: Option<char>) -> bool {
    match (pattern.split_first(), value.split_first()) {
        (None, None) => true,
        (Some(('*', rest)), _) if plain_match(rest, value, barrier) => true,
        (Some(('*', _)), Some((c, after))) => Some(*c) != barrier && plain_match(pattern, after, barrier),
        (Some((p, rest)), Some((c, after))) => p == c && plain_match(rest, after, barrier),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

proptest! {
    #[test]
    fn identifiers_with_a_domain(text in text()) {
        verbatim::<KpsaId>(&text)?;
        verbatim::<KpmId>(&text)?;
        verbatim::<KmId>(&text)?;
        verbatim::<KeyIdentifier>(&text)?;
        verbatim::<KeId>(&text)?;
        verbatim::<BTid>(&text)?;
        stable::<GbaIdentity>(&text)?;
        stable::<SymmetricKeyId>(&text)?;
        verbatim::<FetchCredentials>(&text)?;
    }

    #[test]
    fn identifiers_without_a_domain(text in text()) {
        stable::<DraftKeyId>(&text)?;
        stable::<RelativeKeId>(&text)?;
        stable::<KcId>(&text)?;
        stable::<PairwiseE2eKeyId>(&text)?;
        stable::<Nonce>(&text)?;
        verbatim::<RelativeKeyId>(&text)?;
        verbatim::<HardwareId>(&text)?;
        stable::<PublicKeyIdentifier>(&text)?;
        verbatim::<EntityPattern>(&text)?;
        verbatim::<CredentialPattern>(&text)?;
    }

    #[test]
    fn identities_of_a_handshake(octets in prop::collection::vec(any::<u8>(), 0..300), text in text()) {
        let from_text = PskIdentity::from_wire(text.as_bytes());
        prop_assert_eq!(from_text.is_ok(), (1..=256).contains(&text.len()) && !text.contains('\0'));
        for identity in [PskIdentity::from_wire(&octets), from_text].into_iter().flatten() {
            let shown = identity.to_string();
            prop_assert!(!shown.contains(char::is_control));
            if !identity.as_str().contains(|c: char| c.is_control() || c > '\u{1fff}') {
                prop_assert_eq!(shown, identity.as_str());
            }
            let _ = psk_source(&identity, false, &TrustFunctions::default());
            let id = CredentialId::saef_key(&identity);
            prop_assert_eq!(id.as_str().parse::<CredentialId>(), Ok(id.clone()));
            prop_assert_eq!(id.value(), identity.as_str());
        }
    }

    #[test]
    fn credential_ids(text in text(), code in 0_u8..100) {
        for text in [text.clone(), format!("{code}-{text}"), format!("{code:02}-{text}")] {
            if let Ok(id) = text.parse::<CredentialId>() {
                prop_assert_eq!(id.as_str(), &text);
                prop_assert_eq!(format!("{}-{}", id.kind().code(), id.value()), text);
                prop_assert!(!id.to_string().contains(char::is_control));
            }
        }
    }

    #[test]
    fn at_identifiers_are_what_they_are_made_of(relative in relative(), domain in domain()) {
        let fqdn = domain.parse().unwrap();
        let text = format!("{relative}@{domain}");
        let id: KpsaId = text.parse().unwrap();
        prop_assert_eq!((id.relative(), id.issuer()), (&*relative, &fqdn));
        prop_assert_eq!(KpsaId::new(&relative, &fqdn).unwrap(), id);
        prop_assert_eq!(KpmId::new(&relative, &fqdn).unwrap().to_string(), text.clone());
        prop_assert_eq!(KmId::new(&relative, &fqdn).unwrap().to_string(), text.clone());
        let relative_key_id: RelativeKeyId = relative.parse().unwrap();
        let id = KeyIdentifier::new(&relative_key_id, &fqdn).unwrap();
        prop_assert_eq!(PskIdentity::from(&id).to_string(), text);
        prop_assert_eq!(id.relative_key_id(), Some(relative_key_id));
    }

    #[test]
    fn comparing_folds_what_the_clause_folds(relative in relative(), domain in domain()) {
        let [text, upper, lower] = [relative.clone(), relative.to_uppercase(), relative.to_lowercase()]
            .map(|relative| format!("{relative}@{domain}"));
        let [km, km_upper, km_lower]: [KmId; 3] = [&text, &upper, &lower].map(|text| text.parse().unwrap());
        prop_assert!(km == km_upper && km == km_lower && same_hash(&km, &km_upper));
        prop_assert_eq!(km.canonical(), lower.as_str());
        let hex = relative.len() == 32 && relative.bytes().all(|octet| octet.is_ascii_hexdigit());
        let [key, key_upper]: [KeyIdentifier; 2] = [&text, &upper].map(|text| text.parse().unwrap());
        prop_assert_eq!(key == key_upper, hex || text == upper);
        prop_assert_eq!(same_hash(&key, &key_upper), hex || text == upper);
        prop_assert_eq!(text.parse::<KeId>().is_ok(), hex);
        let [kpsa, kpsa_upper]: [KpsaId; 2] = [&text, &upper].map(|text| text.parse().unwrap());
        prop_assert_eq!(kpsa == kpsa_upper, text == upper);
    }

    #[test]
    fn octets_round_trip(octets: [u8; 16], domain in domain()) {
        let upper = hex::encode_upper(octets);
        for text in [upper.clone(), upper.to_lowercase()] {
            prop_assert_eq!(text.parse::<DraftKeyId>(), Ok(DraftKeyId::new(octets)));
            prop_assert_eq!(text.parse::<KcId>(), Ok(KcId::new(octets)));
        }
        prop_assert_eq!(DraftKeyId::new(octets).to_string(), upper.clone());
        let fqdn = domain.parse().unwrap();
        let ke_id = KeId::new(RelativeKeId::new(octets), &fqdn).unwrap();
        prop_assert_eq!(ke_id.as_str(), &format!("{upper}@{domain}"));
        let b_tid = BTid::new(octets, &fqdn).unwrap();
        prop_assert_eq!(b_tid.rand(), &octets);
        prop_assert!(b_tid.as_str().parse::<KeyIdentifier>().is_err(), "the two forms are disjoint");
        for code in (0..=99).filter(|code| Usage::from_code(*code).is_ok()) {
            let fetch = FetchCredentials { ke_id: ke_id.clone(), usage: Usage::from_code(code).unwrap() };
            prop_assert_eq!(fetch.to_string().parse::<FetchCredentials>(), Ok(fetch));
        }
    }

    #[test]
    fn public_keys(spki in prop::collection::vec(any::<u8>(), 0..100), flip: prop::sample::Index) {
        for id in PublicKeyIdentifier::all_of_spki(&spki) {
            for text in [id.to_string(), id.to_nih(), id.to_credential_value()] {
                prop_assert_eq!(text.parse::<PublicKeyIdentifier>(), Ok(id));
            }
            prop_assert_eq!(PublicKeyIdentifier::from_octets(&id.to_octets()), Ok(id));
            prop_assert!(id.matches(&spki));
            let mut other = spki.clone();
            if let Some(octet) = (!spki.is_empty()).then(|| flip.get_mut(&mut other)) {
                *octet ^= 1;
                prop_assert!(!id.matches(&other));
            }
        }
    }

    /// Luhn's digit finds every single wrong digit.
    #[test]
    fn labels_with_a_slip_are_refused(spki: [u8; 8], at in 0_usize..64, wrong in 1_u32..16) {
        let id = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, &spki);
        let digits = hex::encode(id.digest());
        let slip: String = digits.chars().enumerate().map(|(here, digit)| {
            let value = digit.to_digit(16).unwrap();
            if here == at { char::from_digit((value + wrong) % 16, 16).unwrap() } else { digit }
        }).collect();
        let check = id.to_nih().rsplit_once(';').unwrap().1.to_owned();
        prop_assert_eq!(format!("nih:1;{digits};{check}").parse::<PublicKeyIdentifier>(), Ok(id));
        let slip = format!("nih:1;{slip};{check}").parse::<PublicKeyIdentifier>();
        prop_assert!(slip.is_err(), "{:?}", slip);
    }

    #[test]
    fn public_key_octets(octets in prop::collection::vec(any::<u8>(), 0..40), suite in 0_u8..8) {
        for octets in [octets.clone(), [vec![suite], octets].concat()] {
            if let Ok(id) = PublicKeyIdentifier::from_octets(&octets) {
                prop_assert_eq!(id.to_octets(), octets);
            }
        }
    }

    #[test]
    fn wildcards_are_what_they_are_defined_as(pattern in "[ab/*]{1,8}", value in "12-[ab/]{1,10}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let entities: EntityPattern = pattern.parse().unwrap();
        let path = value.strip_prefix("12-").unwrap();
        prop_assert_eq!(entities.matches(path), plain_match(&chars(&pattern), &chars(path), Some('/')));
        for pattern in [pattern.clone(), format!("12-{pattern}"), format!("*{pattern}")] {
            let credentials: CredentialPattern = pattern.parse().unwrap();
            let id = value.parse().unwrap();
            prop_assert_eq!(credentials.matches(&id), plain_match(&chars(&pattern), &chars(&value), None));
        }
    }

    #[test]
    fn any_pattern_meets_any_value(pattern in text(), value in text()) {
        if let Ok(pattern) = pattern.parse::<EntityPattern>() {
            let _ = pattern.matches(&value);
        }
        if let (Ok(pattern), Ok(id)) = (pattern.parse::<CredentialPattern>(), value.parse()) {
            let _ = pattern.matches(&id);
        }
    }

    #[test]
    fn hexadecimal_secrets(octets in prop::collection::vec(any::<u8>(), 1..80), text in text()) {
        for written in [hex::encode(&octets), hex::encode_upper(&octets)] {
            prop_assert!(Secret::from_hex(&written).unwrap().ct_eq(&octets));
        }
        if let Err(error) = Secret::from_hex(&text) {
            prop_assert!(text.len() < 3 || !error.to_string().contains(&text));
        }
    }

    #[test]
    fn exports_are_taken_whole(octets in prop::collection::vec(any::<u8>(), 0..64)) {
        let export = BootstrapExport::new(Secret::new(octets.clone()));
        prop_assert_eq!(export.is_ok(), octets.len() == 48);
        if let Ok(export) = export {
            let whole = [&export.relative_ke_id.octets()[..], export.ke.expose()].concat();
            prop_assert_eq!(whole, octets);
        }
    }

    #[test]
    fn normal_form_is_stable(text: String) {
        let once = nfkc(&text).into_owned();
        prop_assert_eq!(nfkc(&once), once.as_str());
        prop_assert!(!text.is_ascii() || once == text);
    }

    #[test]
    fn rand_objects(
        id in "[A-Za-z_][A-Za-z0-9._-]{0,20}",
        value in "R[0-9A-F]{32}",
        expiry in prop_oneof!["20[0-9]{2}0[1-9]0[1-9]T0[0-9]0[0-9]0[0-9](,[0-9]{1,6})?", "-?[1-9][0-9]{0,8}"],
        protocols in prop::collection::vec(10_u8..=12, 1..5),
        text in text(),
    ) {
        let list = protocols.iter().map(u8::to_string).collect::<Vec<_>>().join(",");
        let head = format!(r#"{{"esri":"{id}","esrv":"{value}","esrx":"{expiry}","#);
        let receiver_text = format!(r#"{head}"esks":[1],"espa":[{list}]}}"#);
        let originator_text = format!(r#"{head}"esk":1,"espa":[{list}]}}"#);
        let receiver: ReceiverRandObject = serde_json::from_str(&receiver_text).unwrap();
        let originator: OriginatorRandObject = serde_json::from_str(&originator_text).unwrap();
        prop_assert_eq!(receiver.canonical(), receiver_text.as_str());
        prop_assert_eq!(originator.canonical(), originator_text.as_str());
        prop_assert_eq!(serde_json::to_string(&receiver).unwrap(), receiver_text.as_str());
        prop_assert_eq!(serde_json::to_string(&originator).unwrap(), originator_text.as_str());
        prop_assert!(originator.answers(&receiver).is_ok());
        let mixed = receiver_text.replacen(&id, &text, 1);
        if let Ok(object) = serde_json::from_str::<ReceiverRandObject>(&mixed) {
            let again: ReceiverRandObject = serde_json::from_str(&object.canonical()).unwrap();
            prop_assert_eq!(again, object);
        }
        let _ = text.parse::<RandValue>();
    }
}
