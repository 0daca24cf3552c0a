//! Public keys, names in certificates, and tokens.

use identity::{
    ChainPolicy, CredentialState, Flavour, Function, KeyRefusal, Method, Misfit, usable_enrolment,
};
use keys::{CredentialId, IdentityToken, PublicKeyHash, PublicKeyIdentifier, SeededRng};
use onem2m::id::{AeId, EntityId, EntityKind};
use store::{
    Conflict, Credentials as _, CredentialsMut as _, Enrolled, EnrolmentPage, Enrolments as _,
    EnrolmentsMut as _, Event, NewEnrolment, Store, StoreError, Unacceptable,
};

use crate::support::{ae, credential, time};

type Open<'a> = &'a dyn Fn() -> Store;

const SPKI: &[u8] = b"a DER SubjectPublicKeyInfo";

fn id(text: &str) -> CredentialId {
    text.parse().unwrap()
}

pub(crate) fn key(hash: PublicKeyHash, spki: &[u8]) -> NewEnrolment {
    let what = Enrolled::PublicKey(PublicKeyIdentifier::of_spki(hash, spki));
    NewEnrolment::new(Function::Cse, what, EntityKind::Ae)
}

fn certificate(text: &str, kind: EntityKind) -> NewEnrolment {
    NewEnrolment::new(Function::Cse, Enrolled::Certificate(id(text)), kind)
}

fn token(seed: u64, subject: Option<EntityId>) -> (IdentityToken, NewEnrolment) {
    let token = IdentityToken::generate(&SeededRng::new(seed)).unwrap();
    let what = Enrolled::Token(token.digest());
    let kind = subject.as_ref().map_or(EntityKind::Ae, EntityId::kind);
    (token, NewEnrolment { subject, ..NewEnrolment::new(Function::Cse, what, kind) })
}

pub(crate) fn enrol(store: &Store, new: NewEnrolment) -> Result<identity::Enrolment, StoreError> {
    store.write_blocking("enrol", move |tx| tx.add_enrolment(&new))
}

fn aes(stems: &[&str]) -> Vec<AeId> {
    stems.iter().map(|stem| ae(stem).ae().unwrap().clone()).collect()
}

pub(crate) fn enrolled_is_found(open: Open<'_>) {
    let store = open();
    let mut new = key(PublicKeyHash::Sha256To128, SPKI);
    new.subject = Some(ae("Sone"));
    new.not_after = Some(time("20301231T235959,500000"));
    new.label = "hall light".into();
    new.chain_policy = Some(ChainPolicy { anchors_pem: "-----BEGIN CERTIFICATE-----".into() });
    let added = enrol(&store, new.clone()).unwrap();
    assert_eq!((added.version, added.state, added.method), (1, CredentialState::Active, Method::PublicKey));
    assert!(added.credential_id.as_str().starts_with("30-sha-256-128."));
    let device = NewEnrolment {
        allowed: aes(&["Stwo", "Sa", "Sthree"]),
        ..certificate("31-0.2.481.1.100.3030.10011", EntityKind::Ae)
    };
    let device = enrol(&store, device).unwrap();
    let (secret, tokens) = token(1, Some(ae("Sfour")));
    let by_token = enrol(&store, tokens).unwrap();

    let store = open();
    let sought = added.credential_id.clone();
    let record = store.read_blocking(move |reader| reader.enrolment_record(&sought)).unwrap().unwrap();
    assert_eq!((&record.enrolment, record.label.as_str()), (&added, "hall light"));
    assert_eq!(record.enrolment.chain_policy, new.chain_policy);
    assert_eq!(record.chain_facts, None);
    let found = store.read_blocking(|reader| reader.enrolment_of_key(SPKI)).unwrap();
    assert_eq!(found, Some(added.clone()));
    assert_eq!(store.read_blocking(|reader| reader.enrolment_of_key(b"another key")).unwrap(), None);
    let digest = secret.digest();
    let found = store.read_blocking(move |reader| reader.enrolment_of_token(&digest)).unwrap();
    assert_eq!(found, Some(by_token.clone()));
    let other = token(2, None).0.digest();
    assert_eq!(store.read_blocking(move |reader| reader.enrolment_of_token(&other)).unwrap(), None);

    let sought = device.credential_id.clone();
    let found = store.read_blocking(move |reader| reader.enrolment(&sought)).unwrap().unwrap();
    assert_eq!(found.method, Method::Certificate(Flavour::Device));
    assert_eq!(found.allowed, aes(&["Sa", "Sthree", "Stwo"]), "in one order");
    assert_eq!(found, device);
    for (entity, holder) in [("Sone", &added), ("Stwo", &device), ("Sfour", &by_token)] {
        let held = store.read_blocking(move |reader| reader.holders_of(&ae(entity))).unwrap();
        assert_eq!(held, [holder.facts()], "{entity}");
    }
    assert_eq!(store.read_blocking(|reader| reader.enrolment_count()).unwrap(), 3);
}

/// Nothing that comes close to a token or a key is taken for it.
pub(crate) fn a_key_is_known_by_every_octet_of_its_hash(open: Open<'_>) {
    let store = open();
    let mut octets = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, SPKI).to_octets();
    *octets.last_mut().unwrap() ^= 1;
    let near = Enrolled::PublicKey(PublicKeyIdentifier::from_octets(&octets).unwrap());
    enrol(&store, NewEnrolment { what: near, ..key(PublicKeyHash::Sha256, b"") }).unwrap();
    assert_eq!(store.read_blocking(|reader| reader.enrolment_of_key(SPKI)).unwrap(), None);
}

pub(crate) fn everything_is_enrolled_once(open: Open<'_>) {
    let store = open();
    let first = enrol(&store, key(PublicKeyHash::Sha256, SPKI)).unwrap().credential_id.to_string();
    let taken = StoreError::from(Conflict::Enrolled { credential_id: first.clone() });
    assert_eq!(enrol(&store, key(PublicKeyHash::Sha256, SPKI)), Err(taken));
    let same_key = StoreError::from(Conflict::PublicKey { credential_id: first.clone() });
    for hash in [PublicKeyHash::Sha256To128, PublicKeyHash::Sha256To120] {
        assert_eq!(enrol(&store, key(hash, SPKI)), Err(same_key.clone()));
    }
    store.write_blocking("revoke", move |tx| tx.revoke(&id(&first))).unwrap();
    assert_eq!(enrol(&store, key(PublicKeyHash::Sha256To120, SPKI)), Err(same_key), "it does not come back");
    let name = "32-mn-7.in-cse.sp.example.org";
    enrol(&store, certificate(name, EntityKind::Cse)).unwrap();
    let taken = StoreError::from(Conflict::Enrolled { credential_id: name.into() });
    assert_eq!(enrol(&store, certificate(name, EntityKind::Cse)), Err(taken));
    let (_, new) = token(1, Some(ae("Sone")));
    let added = enrol(&store, new.clone()).unwrap().credential_id;
    let taken = StoreError::from(Conflict::Enrolled { credential_id: added.to_string() });
    assert_eq!(enrol(&store, new), Err(taken));
}

pub(crate) fn parts_that_do_not_go_together_are_refused(open: Open<'_>) {
    let store = open();
    let before = store.digest_blocking().unwrap();
    for (new, expected) in [
        (certificate("32-mn.in.example.org", EntityKind::Ae), Misfit::Kind),
        (certificate("12-a@x.org", EntityKind::Ae), Misfit::Type),
        (certificate("30-sha-256.x", EntityKind::Ae), Misfit::Type),
        (certificate("90-x", EntityKind::Ae), Misfit::Type),
        (token(1, None).1, Misfit::Nobody),
        (NewEnrolment { allowed: aes(&["Sone"]), ..key(PublicKeyHash::Sha256, SPKI) }, Misfit::ListOf),
    ] {
        let refused = enrol(&store, new).unwrap_err();
        let StoreError::Unacceptable(Unacceptable::Enrolment { misfit, .. }) = refused else {
            panic!("{refused}")
        };
        assert_eq!(misfit, expected);
    }
    let long = NewEnrolment {
        chain_policy: Some(ChainPolicy { anchors_pem: "x".repeat(65_537) }),
        ..key(PublicKeyHash::Sha256, SPKI)
    };
    let expected = Unacceptable::TooLong { column: "chain_policy", octets: 65_537, limit: 65_536 };
    assert_eq!(enrol(&store, long), Err(expected.into()));
    assert_eq!(store.digest_blocking().unwrap(), before);
}

/// What keys and enrolments have in common is altered in the same way.
pub(crate) fn an_enrolment_is_bound_rebound_and_revoked(open: Open<'_>) {
    let store = open();
    let added = enrol(&store, key(PublicKeyHash::Sha256, SPKI)).unwrap();
    let name = added.credential_id.clone();
    let mut follower = store.follower().unwrap();
    let mut act = |what: &'static str, version: u64, subject: Option<EntityId>| {
        let id = name.clone();
        let after = store
            .write_blocking("act", move |tx| match what {
                "bind" => tx.bind_entity(&id, &ae("Sone")),
                "rebind" => tx.rebind_entity(&id, Some(&ae("Stwo"))),
                "free" => tx.rebind_entity(&id, None),
                "end" => tx.set_not_after(&id, Some(time("20270101T000000"))),
                _ => tx.revoke(&id),
            })
            .unwrap();
        assert_eq!((after.version, after.subject), (version, subject), "{what}");
        let heard = follower.poll_once().unwrap();
        let Some(Event::Change(change)) = heard.first() else { panic!("{what}: {heard:?}") };
        assert_eq!(change.key, name.as_str(), "{what}");
    };
    act("bind", 1, Some(ae("Sone")));
    act("rebind", 2, Some(ae("Stwo")));
    act("free", 3, None);
    act("end", 3, None);
    act("revoke", 4, None);
    let found = store.read_blocking(|reader| reader.enrolment_of_key(SPKI)).unwrap().unwrap();
    assert_eq!(usable_enrolment(&found, Function::Cse, time("20260101T000000")), Err(KeyRefusal::Revoked));
    let dead = StoreError::from(Conflict::Revoked { credential_id: name.to_string() });
    let again = name.clone();
    assert_eq!(store.write_blocking("bind", move |tx| tx.bind_entity(&again, &ae("Sone"))), Err(dead));
    let again = name.clone();
    let revoked = store.write_blocking("revoke", move |tx| tx.revoke(&again)).unwrap();
    assert_eq!(revoked.version, 4, "revoking twice changes nothing");

    let mn = enrol(&store, certificate("32-mn.in.example.org", EntityKind::Cse)).unwrap().credential_id;
    let elsewhere = store.write_blocking("bind", {
        let mn = mn.clone();
        move |tx| tx.bind_entity(&mn, &ae("Sone"))
    });
    assert!(matches!(elsewhere, Err(StoreError::Unacceptable(Unacceptable::EntityKind { .. }))));
    let (_, new) = token(1, Some(ae("Sone")));
    let token = enrol(&store, new).unwrap().credential_id;
    let freed = store.write_blocking("free", move |tx| tx.rebind_entity(&token, None));
    assert!(matches!(freed, Err(StoreError::Unacceptable(Unacceptable::Enrolment { .. }))), "{freed:?}");
}

pub(crate) fn a_list_is_replaced_whole(open: Open<'_>) {
    let store = open();
    let device =
        NewEnrolment { allowed: aes(&["Sone", "Stwo"]), ..certificate("31-0.2.481.1", EntityKind::Ae) };
    enrol(&store, device).unwrap();
    let plain = enrol(&store, certificate("31-0.2.481.2", EntityKind::Ae)).unwrap();
    let set = |id: &'static str, stems: &'static [&'static str]| {
        store.write_blocking("set", move |tx| tx.set_allowed(&id.parse()?, &aes(stems)))
    };
    let after = set("31-0.2.481.1", &["Stwo", "Sthree"]).unwrap();
    assert_eq!((after.version, after.allowed), (2, aes(&["Sthree", "Stwo"])));
    for (entity, holders) in [("Sone", 0), ("Stwo", 1), ("Sthree", 1)] {
        let held = store.read_blocking(move |reader| reader.enrolments_of(&ae(entity))).unwrap();
        assert_eq!(held.len(), holders, "{entity}");
    }
    assert!(set("31-0.2.481.1", &[]).is_err(), "an empty list would open the choice");
    assert!(set("31-0.2.481.1", &["Sone", "Sone"]).is_err());
    assert_eq!(set("31-0.2.481.2", &["Sone"]).unwrap().version, plain.version + 1);
    let bound = store.write_blocking("bind", move |tx| tx.bind_entity(&plain.credential_id, &ae("Sone")));
    assert!(bound.is_err(), "a list stays a list: {bound:?}");
}

pub(crate) fn keys_and_enrolments_of_an_entity_are_revoked(open: Open<'_>) {
    let store = open();
    let mut psk = credential("a@x.org", 1);
    psk.entity = Some(ae("Sone"));
    store.write_blocking("add", move |tx| tx.add_credential(&psk)).unwrap();
    let mut new = key(PublicKeyHash::Sha256, SPKI);
    new.subject = Some(ae("Sone"));
    let by_key = enrol(&store, new).unwrap().credential_id;
    let by_token = enrol(&store, token(1, Some(ae("Sone"))).1).unwrap().credential_id;
    enrol(&store, token(2, Some(ae("Stwo"))).1).unwrap();
    let namesake = EntityId::parse(EntityKind::Cse, "//sp.example.org/Sone").unwrap();
    enrol(&store, token(3, Some(namesake)).1).unwrap();
    let revoked = store.write_blocking("replace", |tx| tx.revoke_all_of(&ae("Sone"))).unwrap();
    assert_eq!(revoked, [id("12-a@x.org"), by_key.clone(), by_token]);
    let left = store
        .read_blocking(|reader| {
            let page = EnrolmentPage { function: Function::Cse, after: None, limit: 10 };
            Ok(reader
                .enrolments(&page)?
                .into_iter()
                .filter(|one| one.enrolment.state == CredentialState::Active)
                .count())
        })
        .unwrap();
    assert_eq!(left, 2);
    let facts = store.read_blocking(|reader| reader.credential_facts(&id("12-a@x.org"))).unwrap().unwrap();
    let psk = store.read_blocking(|reader| reader.credential_by_id(&id("12-a@x.org"))).unwrap().unwrap();
    assert_eq!((facts.state, facts), (CredentialState::Revoked, psk.facts()));
    // What requests are judged by is the same for every kind of credential, and a part of the facts.
    let (active, until) = (credential("b@x.org", 2), "20300101T000000".parse().unwrap());
    store.write_blocking("add", move |tx| tx.add_credential(&active)).unwrap();
    store.write_blocking("end", move |tx| tx.set_not_after(&id("12-b@x.org"), Some(until))).unwrap();
    for one in [id("12-a@x.org"), id("12-b@x.org"), by_key, id("12-none@x.org"), id("31-none")] {
        let (validity, facts) = store
            .read_blocking(move |reader| {
                Ok((reader.credential_validity(&one)?, reader.credential_facts(&one)?))
            })
            .unwrap();
        assert_eq!(validity, facts.map(|facts| facts.validity()));
    }
}

pub(crate) fn enrolments_are_paged_and_chains_noted(open: Open<'_>) {
    let store = open();
    let mut expected: Vec<String> = (0..25).map(|number| format!("31-1.2.{number}")).collect();
    for name in &expected {
        enrol(&store, certificate(name, EntityKind::Ae)).unwrap();
    }
    let mut foreign = certificate("31-1.3", EntityKind::Ae);
    foreign.function = Function::Mef;
    enrol(&store, foreign).unwrap();
    expected.sort();
    let mut page = EnrolmentPage { function: Function::Cse, after: None, limit: 10 };
    let mut seen = Vec::new();
    loop {
        let asked = page.clone();
        let found = store.read_blocking(move |reader| reader.enrolments(&asked)).unwrap();
        let Some(last) = found.last() else { break };
        page.after = Some(last.enrolment.credential_id.as_str().to_owned());
        seen.extend(found.into_iter().map(|one| one.enrolment.credential_id.as_str().to_owned()));
    }
    assert_eq!(seen, expected);
    let mut follower = store.follower().unwrap();
    store.write_blocking("note", |tx| tx.note_chain(&id("31-1.2.3"), "maker: Lamps Ltd")).unwrap();
    assert_eq!(follower.poll_once().unwrap(), []);
    let record = store.read_blocking(|reader| reader.enrolment_record(&id("31-1.2.3"))).unwrap().unwrap();
    assert_eq!((record.chain_facts.as_deref(), record.enrolment.version), (Some("maker: Lamps Ltd"), 1));
    assert!(store.write_blocking("note", |tx| tx.note_chain(&id("31-9"), "x")).is_err());
}
