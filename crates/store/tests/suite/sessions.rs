//! Sessions that may be resumed, and the keys of tickets.

use std::time::Duration;

use identity::{CredentialState, Framework, Function, KeyRefusal, SessionRecord, WhyFull, may_resume};
use keys::{PublicKeyHash, Secret};
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};
use store::{
    CredentialsMut as _, Enrolled, EnrolmentsMut as _, FoundSession, NewEnrolment, NewSession, Resource,
    Resources as _, ResourcesMut as _, Sessions as _, SessionsMut as _, Store, StoreError, TicketKeyTurn,
    TicketKeys as _, TicketKeysMut as _, Tx, Unacceptable,
};

use super::enrolments::{enrol, key};
use crate::support::{ae, credential, resource, time};

type Open<'a> = &'a dyn Fn() -> Store;

/// When the clock of the tests stands.
const NOW: &str = "20260101T000000";

/// The registration of an entity, as the CSE keeps it.
pub(crate) fn registration(ri: &str, entity: &EntityId) -> Resource {
    let ty = match entity {
        EntityId::Ae(_) => 2,
        EntityId::Cse(_) => 16,
    };
    Resource { ty, creator: Some(entity.to_string()), ..resource(ri, "") }
}

/// A device that is enrolled by its key and registered, and what is remembered of it.
pub(crate) fn registered(store: &Store, stem: &'static str) -> SessionRecord {
    store.write_blocking("attach", move |tx| attach(tx, stem)).unwrap()
}

/// The same within a transaction.
pub(crate) fn attach(tx: &mut Tx<'_>, stem: &str) -> Result<SessionRecord, StoreError> {
    let mut new = key(PublicKeyHash::Sha256, stem.as_bytes());
    new.subject = Some(ae(stem));
    let enrolment = tx.add_enrolment(&new)?;
    tx.insert(&registration(stem, &ae(stem)))?;
    Ok(SessionRecord {
        function: Function::Cse,
        framework: Framework::PublicKeyHash,
        credential_id: enrolment.credential_id,
        version: enrolment.version,
        kind: enrolment.kind,
        subject: enrolment.subject,
        allowed: Vec::new(),
        server_name: Some("gw.example.org".into()),
        extended_master_secret: true,
        suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".into(),
        created: time(NOW),
        expires: time("20260101T120000"),
        not_after: Some(time("20270101T000000")),
    })
}

pub(crate) fn remember(store: &Store, number: u8, record: &SessionRecord) {
    remember_at_most(store, number, record, 1000);
}

fn remember_at_most(store: &Store, number: u8, record: &SessionRecord, keep: u32) {
    let record = record.clone();
    store
        .write_blocking("remember", move |tx| {
            let session = Some(Secret::new(vec![number; 200]));
            tx.remember_session(&NewSession { digest: [number; 32], record: record.clone(), session, keep })
        })
        .unwrap();
}

pub(crate) fn found(store: &Store, number: u8) -> Option<FoundSession> {
    store.read_blocking(move |reader| reader.session(&[number; 32], time(NOW))).unwrap()
}

/// Whether the session could be resumed at the moment.
pub(crate) fn resumes(store: &Store, number: u8) -> Result<(), Option<WhyFull>> {
    let found = found(store, number).ok_or(None)?;
    may_resume(&found.record, &found.present(Function::Cse, Some("gw.example.org")), time(NOW))
        .map(|_| ())
        .map_err(Some)
}

pub(crate) fn a_session_is_found_with_what_it_depends_on(open: Open<'_>) {
    let store = open();
    let record = registered(&store, "Sone");
    let before = store.digest_blocking().unwrap();
    remember(&store, 7, &record);
    let with_list = SessionRecord {
        allowed: vec![ae("Sx").ae().unwrap().clone(), ae("Sy").ae().unwrap().clone()],
        subject: None,
        server_name: None,
        not_after: None,
        ..record.clone()
    };
    let ticket = NewSession { digest: [8; 32], record: with_list.clone(), session: None, keep: 10 };
    store.write_blocking("remember", move |tx| tx.remember_session(&ticket)).unwrap();
    assert_eq!(store.digest_blocking().unwrap(), before, "nothing that the registrar knows is altered");

    let store = open();
    let whole = found(&store, 7).unwrap();
    assert_eq!(whole.record, record);
    assert!(whole.session.unwrap().ct_eq(&[7; 200]));
    let facts = whole.credential.unwrap();
    assert_eq!((facts.credential_id, facts.version), (record.credential_id.clone(), 1));
    assert!(whole.registered);
    let by_ticket = found(&store, 8).unwrap();
    assert_eq!(by_ticket.record, with_list);
    assert!(by_ticket.session.is_none());
    assert!(found(&store, 9).is_none());
    assert_eq!(resumes(&store, 7), Ok(()));
    assert_eq!(store.read_blocking(|reader| reader.session_count()).unwrap(), 2);
    let changed = SessionRecord { suite: "OTHER".into(), ..record };
    remember(&store, 7, &changed);
    assert_eq!(found(&store, 7).unwrap().record, changed, "the same digest is replaced");
    assert!(store.write_blocking("forget", |tx| tx.forget_session(&[7; 32])).unwrap());
    assert!(!store.write_blocking("forget", |tx| tx.forget_session(&[7; 32])).unwrap());
    assert!(found(&store, 7).is_none());
}

/// Register A-33: in the transaction that makes a session worthless, it is forgotten.
pub(crate) fn what_ends_associations_forgets_their_sessions(open: Open<'_>) {
    let store = open();
    let one = registered(&store, "Sone");
    let other = registered(&store, "Sother");
    let psk = {
        let mut new = credential("a@x.org", 1);
        new.entity = Some(ae("Sone"));
        store.write_blocking("add", move |tx| tx.add_credential(&new)).unwrap()
    };
    let by_psk = SessionRecord {
        framework: Framework::ProvisionedKey,
        credential_id: psk.credential_id.clone(),
        ..one.clone()
    };
    let id = one.credential_id.clone();
    // Each deed, and how many of the three sessions (of the key, of the PSK, of another entity) it leaves.
    type Deed = Box<dyn FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send>;
    let deeds: Vec<(&str, Deed, [bool; 3])> = vec![
        (
            "rotate",
            Box::new(|tx| tx.rotate_key(&"12-a@x.org".parse()?, &crate::support::key(9)).map(drop)),
            [true, false, true],
        ),
        (
            "rebind",
            {
                let id = id.clone();
                Box::new(move |tx| tx.rebind_entity(&id, Some(&ae("Sone"))).map(drop))
            },
            [false, true, true],
        ),
        (
            "end",
            {
                let id = id.clone();
                Box::new(move |tx| tx.set_not_after(&id, Some(time(NOW))).map(drop))
            },
            [false, true, true],
        ),
        ("de-register", Box::new(|tx| tx.delete_tree("Sone").map(drop)), [false, false, true]),
        (
            "forget of entity",
            Box::new(|tx| tx.forget_sessions_of(&ae("Sone")).map(drop)),
            [false, false, true],
        ),
        (
            "forget of certificates",
            Box::new(|tx| tx.forget_certificate_sessions().map(drop)),
            [false, true, false],
        ),
        ("revoke all", Box::new(|tx| tx.revoke_all_of(&ae("Sone")).map(drop)), [false, false, true]),
    ];
    for (what, deed, left) in deeds {
        for (number, record) in [(1, &one), (2, &by_psk), (3, &other)] {
            remember(&store, number, record);
        }
        store.write_blocking("deed", deed).unwrap();
        assert_eq!([1, 2, 3].map(|number| found(&store, number).is_some()), left, "{what}");
    }
}

/// De-registration of one of several AEs of a device, and of a CSE that has the name of an AE.
pub(crate) fn registrations_take_the_right_sessions_with_them(open: Open<'_>) {
    let store = open();
    let one = registered(&store, "Sone");
    let what = Enrolled::Certificate("31-1.2".parse().unwrap());
    let device = NewEnrolment {
        allowed: vec![ae("Sa").ae().unwrap().clone(), ae("Sb").ae().unwrap().clone()],
        ..NewEnrolment::new(Function::Cse, what, EntityKind::Ae)
    };
    let device = enrol(&store, device).unwrap();
    let listed = SessionRecord {
        framework: Framework::Certificate(identity::Flavour::Device),
        credential_id: device.credential_id.clone(),
        subject: None,
        allowed: device.allowed.clone(),
        ..one.clone()
    };
    let cse = EntityId::parse(EntityKind::Cse, "//sp.example.org/Sone").unwrap();
    let credential_id = device.credential_id.clone();
    store
        .write_blocking("register", move |tx| {
            let mut of_a = registration("Sa", &ae("Sa"));
            of_a.credential_id = Some(credential_id.clone());
            tx.insert(&of_a)?;
            tx.insert(&registration("csr", &cse))?;
            tx.insert(&resource("child", "Sa"))
        })
        .unwrap();
    remember(&store, 1, &one);
    remember(&store, 2, &listed);
    assert_eq!([resumes(&store, 1), resumes(&store, 2)], [Ok(()), Ok(())]);
    store.write_blocking("child", |tx| tx.delete_tree("child")).unwrap();
    store.write_blocking("namesake", |tx| tx.delete_tree("csr")).unwrap();
    assert_eq!([resumes(&store, 1), resumes(&store, 2)], [Ok(()), Ok(())]);
    store.write_blocking("one of two", |tx| tx.delete_tree("Sa")).unwrap();
    assert!(found(&store, 2).is_none() && found(&store, 1).is_some());
}

/// A body that gives up forgets nothing; what depends on the sessions is as it was.
pub(crate) fn a_failed_revocation_leaves_sessions_alone(open: Open<'_>) {
    let store = open();
    let one = registered(&store, "Sone");
    remember(&store, 1, &one);
    let id = one.credential_id.clone();
    let failed: Result<(), _> = store.write_blocking("revoke", move |tx| {
        tx.revoke(&id)?;
        Err(StoreError::abandon("no"))
    });
    assert!(failed.is_err());
    assert_eq!(resumes(&store, 1), Ok(()));
}

/// What is not forgotten by itself is judged by the state of the day.
pub(crate) fn resumption_depends_on_today(open: Open<'_>) {
    let store = open();
    let one = registered(&store, "Sone");
    remember(&store, 1, &one);
    let ask = |at: &'static str| {
        let found = store.read_blocking(move |reader| reader.session(&[1; 32], time(at))).unwrap().unwrap();
        let present = found.present(Function::Cse, Some("gw.example.org"));
        may_resume(&found.record, &present, time(at)).map(|_| ())
    };
    assert_eq!(ask("20260101T100000"), Ok(()));
    assert_eq!(ask("20260101T120000"), Err(WhyFull::TooOld));
    let mut registration = store.read_blocking(|reader| reader.resource("Sone")).unwrap().unwrap();
    registration.et = Some(time("20260101T050000"));
    store.write_blocking("shorten", move |tx| tx.update(&registration)).unwrap();
    assert_eq!(ask("20260101T045959"), Ok(()));
    assert_eq!(ask("20260101T050000"), Err(WhyFull::NotRegistered));
    // A record that was made when the credential had already changed.
    let id = one.credential_id.clone();
    let revoked = store.write_blocking("revoke", move |tx| tx.revoke(&id)).unwrap();
    assert_eq!(revoked.state, CredentialState::Revoked);
    remember(&store, 1, &one);
    assert_eq!(ask("20260101T010000"), Err(WhyFull::Credential(KeyRefusal::Revoked)));
}

pub(crate) fn sessions_are_bounded(open: Open<'_>) {
    let store = open();
    let record = registered(&store, "Sone");
    for number in 0..20 {
        remember_at_most(&store, number, &record, 5);
    }
    let there: Vec<u8> = (0..20).filter(|number| found(&store, *number).is_some()).collect();
    assert_eq!(there, [15, 16, 17, 18, 19], "the oldest make room");
    let ended = SessionRecord { expires: time(NOW), ..record.clone() };
    for number in 30..33 {
        remember_at_most(&store, number, &ended, 1000);
    }
    remember_at_most(&store, 40, &record, 1000);
    let there: Vec<u8> = (20..50).filter(|number| found(&store, *number).is_some()).collect();
    assert_eq!(there, [40], "those that have ended make room");
    let long = NewSession { digest: [50; 32], record, session: Some(Secret::new(vec![1; 65_537])), keep: 10 };
    let refused = store.write_blocking("remember", move |tx| tx.remember_session(&long));
    let expected = Unacceptable::TooLong { column: "session", octets: 65_537, limit: 65_536 };
    assert_eq!(refused, Err(expected.into()));
}

const TURN: TicketKeyTurn =
    TicketKeyTurn { seals: Duration::from_secs(3600), opens: Duration::from_secs(7200) };

fn names(store: &Store, at: Timestamp) -> Vec<[u8; 16]> {
    let ring = store.read_blocking(move |reader| reader.ticket_keys(at)).unwrap();
    ring.into_iter().map(|key| key.name).collect()
}

pub(crate) fn ticket_keys_take_turns(open: Open<'_>) {
    let store = open();
    let before = store.digest_blocking().unwrap();
    assert_eq!(names(&store, time(NOW)), [[0; 16]; 0]);
    let ring = store.write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
    let [first] = &*ring else { panic!("{ring:?}") };
    assert_eq!(first.key.len(), 64);
    assert_eq!((first.created, first.expires), (time(NOW), time("20260101T030000")));
    let again = store.write_blocking("turn", |tx| tx.turn_ticket_keys(TURN)).unwrap();
    assert_eq!(again.len(), 1, "it seals for an hour");
    assert!(again[0].name == first.name && again[0].key.ct_eq(first.key.expose()));
    assert_eq!(store.digest_blocking().unwrap(), before);
    let other = open();
    assert_eq!(names(&other, time("20260101T025959")), [first.name]);
    assert_eq!(names(&other, time("20260101T030000")), [[0; 16]; 0], "then it opens nothing any more");
    store.write_blocking("drop", |tx| tx.drop_ticket_keys()).unwrap();
    assert_eq!(names(&other, time(NOW)), [[0; 16]; 0]);
    for wrong in [Duration::ZERO, Duration::from_secs(31 * 86_400)] {
        let turn = TicketKeyTurn { opens: wrong, ..TURN };
        let refused = store.write_blocking("turn", move |tx| tx.turn_ticket_keys(turn)).map(drop);
        assert_eq!(refused, Err(Unacceptable::Turn.into()));
    }
}
