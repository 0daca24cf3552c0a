use identity::{CredentialState, Function};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, Secret, Usage, kca_id};
use onem2m::{id::EntityId, id::EntityKind};
use store::{
    Conflict, CredentialPage, Credentials as _, CredentialsMut as _, Store, StoreError, Unacceptable,
};

use crate::support::{ae, credential, key, psk_identity, time};

type Open<'a> = &'a dyn Fn() -> Store;

fn add(store: &Store, new: store::NewCredential) -> Result<identity::Credential, StoreError> {
    store.write_blocking("add", move |tx| tx.add_credential(&new))
}

fn id(text: &str) -> CredentialId {
    text.parse().unwrap()
}

fn found_key(store: &Store, name: &'static str) -> Option<Vec<u8>> {
    let found = store.read_blocking(move |reader| reader.psk(Function::Cse, &psk_identity(name))).unwrap();
    found.and_then(|record| record.key).map(|key| key.expose().to_vec())
}

pub(crate) fn added_is_found(open: Open<'_>) {
    let store = open();
    let mut new = credential("light1@home.example.org", 7);
    new.entity = Some(ae("Slight1"));
    new.not_after = Some(time("20301231T235959,5"));
    new.usage = Some(Usage::from_code(12).unwrap());
    new.label = "hall, \"upper\" light".to_owned();
    let added = add(&store, new).unwrap();
    assert_eq!(added.credential_id, id("12-light1@home.example.org"));
    assert_eq!((added.version, added.state, added.kind), (1, CredentialState::Active, EntityKind::Ae));
    assert_eq!(added.entity, Some(ae("Slight1")));
    assert_eq!(added.not_after, Some(time("20301231T235959,500000")));

    let store = open();
    let record =
        store.read_blocking(|reader| reader.credential_record(&id("12-light1@home.example.org"))).unwrap();
    let record = record.unwrap();
    assert_eq!(record.credential, added);
    assert_eq!(record.usage.unwrap().code(), 12);
    assert_eq!(record.label, "hall, \"upper\" light");
    let name = psk_identity("light1@home.example.org");
    let by_identity = store.read_blocking(move |reader| reader.credential(Function::Cse, &name)).unwrap();
    assert_eq!(by_identity, Some(added.clone()));
    assert_eq!(found_key(&store, "light1@home.example.org").unwrap(), key(7).expose());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let name = psk_identity("light1@home.example.org");
    let looked_up = runtime.block_on(store.psk(Function::Cse, name)).unwrap().unwrap();
    assert_eq!(looked_up.credential, added);
    assert_eq!(looked_up.key.unwrap().expose(), key(7).expose());
    for absent in ["light2@home.example.org", "LIGHT1@home.example.org"] {
        assert!(runtime.block_on(store.psk(Function::Cse, psk_identity(absent))).unwrap().is_none());
    }
    let count = store.read_blocking(|reader| reader.credential_count()).unwrap();
    assert_eq!(count, 1);
}

pub(crate) fn an_identity_is_taken_once_per_function(open: Open<'_>) {
    let store = open();
    add(&store, credential("a@x.org", 1)).unwrap();
    let taken = Conflict::PskIdentity { function: Function::Cse, psk_identity: "a@x.org".into() };
    assert_eq!(add(&store, credential("a@x.org", 2)), Err(taken.clone().into()));
    assert_eq!(add(&store, credential("a@x.org", 1)), Err(taken.into()));
    let mut other = credential("a@x.org", 3);
    other.function = Function::Mef;
    assert_eq!(add(&store, other).unwrap().credential_id, id("10-a@x.org"));
    let mut third = credential("a@x.org", 4);
    third.function = Function::Maf;
    assert_eq!(add(&store, third).unwrap().credential_id, id("11-a@x.org"));
    assert_eq!(found_key(&store, "a@x.org").unwrap(), key(1).expose());
}

pub(crate) fn a_key_value_is_taken_once(open: Open<'_>) {
    let store = open();
    add(&store, credential("a@x.org", 1)).unwrap();
    let taken =
        StoreError::from(Conflict::KeyValue { function: Function::Cse, psk_identity: "a@x.org".into() });
    assert_eq!(add(&store, credential("b@x.org", 1)), Err(taken.clone()));
    let mut other = credential("b@x.org", 1);
    other.function = Function::Mef;
    assert_eq!(add(&store, other), Err(taken.clone()), "one key opens one function");
    store.write_blocking("revoke", |tx| tx.revoke(&id("12-a@x.org"))).unwrap();
    assert_eq!(add(&store, credential("b@x.org", 1)), Err(taken), "a withdrawn key does not come back");
    assert!(found_key(&store, "b@x.org").is_none());
}

pub(crate) fn revoking_keeps_the_row_and_erases_the_key(open: Open<'_>) {
    let store = open();
    add(&store, credential("a@x.org", 1)).unwrap();
    let revoked = store.write_blocking("revoke", |tx| tx.revoke(&id("12-a@x.org"))).unwrap();
    assert_eq!((revoked.state, revoked.version), (CredentialState::Revoked, 2));
    let record =
        store.read_blocking(|reader| reader.psk(Function::Cse, &psk_identity("a@x.org"))).unwrap().unwrap();
    assert_eq!(record.credential.facts(), revoked);
    assert!(record.key.is_none());
    let again = store.write_blocking("revoke", |tx| tx.revoke(&id("12-a@x.org"))).unwrap();
    assert_eq!(again, revoked);
    assert!(matches!(
        add(&store, credential("a@x.org", 2)),
        Err(StoreError::Conflict(Conflict::PskIdentity { .. }))
    ));
    let dead = StoreError::from(Conflict::Revoked { credential_id: "12-a@x.org".into() });
    let rotated = store.write_blocking("rotate", |tx| tx.rotate_key(&id("12-a@x.org"), &key(3)));
    assert_eq!(rotated, Err(dead.clone()));
    assert_eq!(store.write_blocking("bind", |tx| tx.bind_entity(&id("12-a@x.org"), &ae("Sx"))), Err(dead));
    let absent = StoreError::from(Conflict::NoCredential { credential_id: "12-b@x.org".into() });
    assert_eq!(store.write_blocking("revoke", |tx| tx.revoke(&id("12-b@x.org"))), Err(absent));
    assert!(store.write_blocking("revoke", |tx| tx.revoke(&id("30-b"))).is_err());
}

pub(crate) fn the_first_entity_does_not_raise_the_version(open: Open<'_>) {
    let store = open();
    add(&store, credential("a@x.org", 1)).unwrap();
    let bind = |stem: &'static str| {
        store.write_blocking("bind", move |tx| tx.bind_entity(&id("12-a@x.org"), &ae(stem)))
    };
    let bound = bind("Sone").unwrap();
    assert_eq!((bound.version, bound.subject.clone()), (1, Some(ae("Sone"))));
    assert_eq!(bind("Sone").unwrap(), bound);
    let elsewhere = Conflict::BoundElsewhere {
        credential_id: "12-a@x.org".into(),
        entity: "//sp.example.org/Sone".into(),
    };
    assert_eq!(bind("Stwo"), Err(elsewhere.into()));
    let cse = EntityId::parse(EntityKind::Cse, "//sp.example.org/Sone").unwrap();
    let foreign = store.write_blocking("bind", move |tx| tx.bind_entity(&id("12-a@x.org"), &cse));
    let kind = Unacceptable::EntityKind { entity: "//sp.example.org/Sone".into(), kind: "ae" };
    assert_eq!(foreign, Err(kind.into()));
}

pub(crate) fn rebinding_rotating_and_expiry(open: Open<'_>) {
    let store = open();
    add(&store, credential("a@x.org", 1)).unwrap();
    add(&store, credential("b@x.org", 9)).unwrap();
    let a = || id("12-a@x.org");
    let two = ae("Stwo");
    let rebound = store.write_blocking("rebind", move |tx| tx.rebind_entity(&a(), Some(&two))).unwrap();
    assert_eq!((rebound.version, rebound.subject), (2, Some(ae("Stwo"))));
    let freed = store.write_blocking("rebind", move |tx| tx.rebind_entity(&a(), None)).unwrap();
    assert_eq!((freed.version, freed.subject), (3, None));
    let rotated = store.write_blocking("rotate", move |tx| tx.rotate_key(&a(), &key(2))).unwrap();
    assert_eq!(rotated.version, 4);
    assert_eq!(found_key(&store, "a@x.org").unwrap(), key(2).expose());
    for (seed, holder) in [(2, "a@x.org"), (9, "b@x.org")] {
        let refused = store.write_blocking("rotate", move |tx| tx.rotate_key(&a(), &key(seed)));
        let taken = Conflict::KeyValue { function: Function::Cse, psk_identity: holder.into() };
        assert_eq!(refused, Err(taken.into()));
    }
    let end = time("20270101T000000");
    let ending = store.write_blocking("expire", move |tx| tx.set_not_after(&a(), Some(end))).unwrap();
    assert_eq!((ending.version, ending.not_after), (4, Some(end)));
    let endless = store.write_blocking("expire", move |tx| tx.set_not_after(&a(), None)).unwrap();
    assert_eq!(endless.not_after, None);
    assert_eq!(found_key(&open(), "a@x.org").unwrap(), key(2).expose());
}

pub(crate) fn everything_of_an_entity_is_revoked(open: Open<'_>) {
    let store = open();
    for (name, seed, stem) in [("a@x.org", 1, "Sone"), ("b@x.org", 2, "Sone"), ("c@x.org", 3, "Stwo")] {
        let mut new = credential(name, seed);
        new.entity = Some(ae(stem));
        add(&store, new).unwrap();
    }
    let mut namesake = credential("d@x.org", 4);
    namesake.kind = EntityKind::Cse;
    namesake.entity = Some(EntityId::parse(EntityKind::Cse, "//sp.example.org/Sone").unwrap());
    add(&store, namesake).unwrap();
    let of_one = store.read_blocking(|reader| reader.credentials_of(&ae("Sone"))).unwrap();
    let names: Vec<_> = of_one.iter().map(|record| record.credential.psk_identity.as_str()).collect();
    assert_eq!(names, ["a@x.org", "b@x.org"]);
    let revoked = store.write_blocking("replace", |tx| tx.revoke_all_of(&ae("Sone"))).unwrap();
    assert_eq!(revoked, [id("12-a@x.org"), id("12-b@x.org")]);
    assert_eq!(store.write_blocking("replace", |tx| tx.revoke_all_of(&ae("Sone"))).unwrap(), []);
    assert!(found_key(&store, "a@x.org").is_none());
    assert!(found_key(&store, "c@x.org").is_some() && found_key(&store, "d@x.org").is_some());
}

pub(crate) fn short_keys_are_explicit(open: Open<'_>) {
    let store = open();
    let short = || {
        let mut new = credential("a@x.org", 1);
        new.key = Kpsa::new(Secret::new(vec![7; 8]), KeyLengthPolicy::AllowShort).unwrap();
        new
    };
    let refused = keys::KeyError::TooShort { octets: 8, minimum: 16 };
    assert_eq!(add(&store, short()), Err(Unacceptable::Key(refused.clone()).into()));
    let mut allowed = short();
    allowed.allow_short_key = true;
    assert!(add(&store, allowed).unwrap().allow_short_key);
    assert_eq!(found_key(&store, "a@x.org").unwrap(), [7; 8]);
    add(&store, credential("b@x.org", 2)).unwrap();
    let rotated = store.write_blocking("rotate", |tx| {
        let short = Kpsa::new(Secret::new(vec![8; 8]), KeyLengthPolicy::AllowShort)?;
        tx.rotate_key(&id("12-b@x.org"), &short)
    });
    assert_eq!(rotated, Err(Unacceptable::Key(refused).into()));
}

pub(crate) fn hexadecimal_identities_compare_as_octets(open: Open<'_>) {
    let store = open();
    let kcc = kca_id(&key(5)).to_string();
    let mut new = credential(&kcc.to_lowercase(), 5);
    new.label = "draft".into();
    assert_eq!(add(&store, new).unwrap().psk_identity.as_str(), kcc);
    let ke = format!("{}@mef.example.org", "ab".repeat(16));
    add(&store, credential(&ke, 6)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for (name, seed) in [
        (kcc.clone(), 5),
        (kcc.to_lowercase(), 5),
        (ke.clone(), 6),
        (format!("{}@mef.example.org", "AB".repeat(16)), 6),
    ] {
        let found = runtime.block_on(store.psk(Function::Cse, psk_identity(&name))).unwrap().unwrap();
        assert_eq!(found.key.unwrap().expose(), key(seed).expose(), "{name}");
        assert_eq!(found.credential.psk_identity.as_str().split('@').next().unwrap().len(), 32);
    }
    let twin = add(&store, credential(&format!("{}@mef.example.org", "aB".repeat(16)), 7));
    assert!(matches!(twin, Err(StoreError::Conflict(Conflict::PskIdentity { .. }))));
}

pub(crate) fn a_draft_identity_must_be_the_keys(open: Open<'_>) {
    let store = open();
    let kca = kca_id(&key(5)).to_string();
    let wrong_key = add(&store, credential(&kca, 6));
    assert_eq!(wrong_key, Err(Unacceptable::DraftKeyId { psk_identity: kca.clone() }.into()));
    let mut cse = credential(&kca, 5);
    cse.kind = EntityKind::Cse;
    assert!(matches!(add(&store, cse), Err(StoreError::Unacceptable(Unacceptable::DraftKeyId { .. }))));
    add(&store, credential(&kca, 5)).unwrap();
    let rotated = store.write_blocking("rotate", move |tx| tx.rotate_key(&id(&format!("12-{kca}")), &key(6)));
    assert!(matches!(rotated, Err(StoreError::Unacceptable(Unacceptable::DraftKeyId { .. }))));
}

pub(crate) fn pages_are_complete(open: Open<'_>) {
    let store = open();
    let mut expected: Vec<String> = (0..25).map(|number| format!("light{number}@x.org")).collect();
    for (seed, name) in expected.iter().enumerate() {
        add(&store, credential(name, seed as u128)).unwrap();
    }
    let mut foreign = credential("maf@x.org", 99);
    foreign.function = Function::Maf;
    add(&store, foreign).unwrap();
    expected.sort();
    let mut page = CredentialPage { function: Function::Cse, after: None, limit: 10 };
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let asked = page.clone();
        let found = store.read_blocking(move |reader| reader.credentials(&asked)).unwrap();
        sizes.push(found.len());
        let Some(last) = found.last() else { break };
        page.after = Some(last.credential.psk_identity.as_str().to_owned());
        seen.extend(found.into_iter().map(|record| record.credential.psk_identity.as_str().to_owned()));
    }
    assert_eq!(sizes, [10, 10, 5, 0]);
    assert_eq!(seen, expected);
}

pub(crate) fn limits_of_texts_and_kinds(open: Open<'_>) {
    let store = open();
    let mut long = credential("a@x.org", 1);
    long.label = "x".repeat(1025);
    let refused = Unacceptable::TooLong { column: "label", octets: 1025, limit: 1024 };
    assert_eq!(add(&store, long), Err(refused.into()));
    let mut mixed = credential("a@x.org", 1);
    mixed.entity = Some(EntityId::parse(EntityKind::Cse, "//sp.example.org/cse").unwrap());
    assert!(matches!(add(&store, mixed), Err(StoreError::Unacceptable(Unacceptable::EntityKind { .. }))));
    let longest = "i".repeat(256);
    add(&store, credential(&longest, 1)).unwrap();
}
