//! Bulk import.

use std::{fmt::Write as _, io::BufReader, ops::ControlFlow};

use identity::Function;
use keys::{KeyLengthPolicy, PskIdentity};
use onem2m::id::EntityId;
use proptest::prelude::*;
use store::{
    Audit as _, ChangeKind, Credentials as _, CredentialsMut as _, Event, ImportEnd, ImportOptions,
    ImportProgress, ImportReport, ImportStage, Store, StoreError,
    csv_import::{Line, parse_line},
};

use crate::support::{Database, ae, credential, key, psk_identity};

fn line(number: u128) -> String {
    format!("light{number}@x.org,{number:032x},//sp.example.org/Slight{number},ae\n")
}

fn file(numbers: impl IntoIterator<Item = u128>) -> String {
    "psk_identity,psk_hex,entity_id,kind,not_after\n".to_owned()
        + &numbers.into_iter().map(line).collect::<String>()
}

fn options() -> ImportOptions {
    ImportOptions::new(Function::Cse)
}

fn import(store: &Store, file: &str, options: &ImportOptions) -> ImportReport {
    store.import_credentials(file.as_bytes(), options, |_| ControlFlow::Continue(())).unwrap()
}

fn count(store: &Store) -> u64 {
    store.read_blocking(|reader| reader.credential_count()).unwrap()
}

fn problems(report: &ImportReport) -> Vec<String> {
    report.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_file_is_imported_whole_and_again_is_nothing_new() {
    let database = Database::new();
    let store = database.open();
    let mut follower = store.follower().unwrap();
    let file = file(1..=25);
    let batches = ImportOptions { batch: 10, label: "delivery 7".into(), ..options() };
    let report = import(&store, &file, &batches);
    assert_eq!((report.end, report.lines, report.imported, report.bad), (ImportEnd::Done, 25, 25, 0));
    let found = store
        .read_blocking(|reader| reader.psk(Function::Cse, &psk_identity("light17@x.org")))
        .unwrap()
        .unwrap();
    assert_eq!(found.key.unwrap().expose(), key(17).expose());
    assert_eq!(found.credential.entity, Some(ae("Slight17")));
    let record =
        store.read_blocking(|reader| reader.credential_record(&"12-light17@x.org".parse().unwrap())).unwrap();
    assert_eq!(record.unwrap().label, "delivery 7");
    let events = follower.poll_once().unwrap();
    assert_eq!(events.len(), 3, "one announcement for each transaction");
    assert!(
        events
            .iter()
            .all(|event| matches!(event, Event::Change(change) if change.kind == ChangeKind::Import))
    );
    let audit = store.read_blocking(|reader| reader.audit_page(None, 9)).unwrap();
    assert_eq!(audit.len(), 3);
    assert_eq!(audit[2].record.detail, "10 credentials of function cse");

    let digest = store.digest_blocking().unwrap();
    let report = import(&store, &file, &batches);
    assert_eq!((report.end, report.imported, report.present, report.bad), (ImportEnd::Done, 0, 25, 0));
    assert_eq!(store.digest_blocking().unwrap(), digest);
}

#[test]
fn every_bad_line_is_listed_and_nothing_is_written() {
    let database = Database::new();
    let store = database.open();
    let digest = store.digest_blocking().unwrap();
    let mut text = file(1..=3);
    text.push_str("a,xyz,,ae\n\nb,00,,robot,,\nc,000102030405060708090a0b0c0d0e0f,,robot\n");
    let report = import(&store, &text, &options());
    assert_eq!((report.end, report.lines, report.bad, report.imported), (ImportEnd::Refused, 6, 3, 0));
    assert_eq!(
        problems(&report),
        [
            "line 5, psk_hex: key: expected an even number of hexadecimal digits, found an odd number (3)",
            "line 7, line: expected 4 or 5 fields (psk_identity,psk_hex,entity_id,kind,not_after), found 6",
            "line 8, kind: expected ae or cse",
        ]
    );
    assert_eq!(store.digest_blocking().unwrap(), digest);
    let report = import(&store, &text, &ImportOptions { listed_problems: 2, check_only: true, ..options() });
    assert_eq!((report.end, report.bad, report.problems.len()), (ImportEnd::Checked, 3, 2));
    let report = import(&store, &text, &ImportOptions { skip_bad: true, ..options() });
    assert_eq!((report.end, report.bad, report.imported), (ImportEnd::Done, 3, 3));
    assert_eq!(count(&store), 3);
}

#[test]
fn lines_that_contradict_one_another_are_all_bad() {
    let database = Database::new();
    let store = database.open();
    let key = |number: u32| format!("{number:032x}");
    let lines = [
        format!("a,{},,ae", key(1)),
        format!("good,{},//sp.example.org/Sone,ae", key(2)),
        format!("a,{},,ae", key(3)),
        format!("b,{},,ae", key(4)),
        format!("c,{},,ae", key(4)),
        format!("good,{},//sp.example.org/Sone,ae", key(2)),
        format!("second-key-of-one,{},//sp.example.org/Sone,ae", key(5)),
        format!("a,{},,ae", key(6)),
        format!("d,{},,ae", key(4)),
    ];
    let report = import(&store, &lines.join("\n"), &ImportOptions { skip_bad: true, ..options() });
    assert_eq!(
        problems(&report),
        [
            "line 1, psk_identity: line 3 has the same psk_identity with other values",
            "line 3, psk_identity: line 1 has the same psk_identity with other values",
            "line 4, psk_hex: line 5 has the same key value for another psk_identity",
            "line 5, psk_hex: line 4 has the same key value for another psk_identity",
            "line 6, psk_identity: repeats line 2",
            "line 8, psk_identity: line 1 has the same psk_identity with other values",
            "line 9, psk_hex: line 4 has the same key value for another psk_identity",
        ]
    );
    assert_eq!((report.lines, report.bad, report.imported), (9, 7, 2));
    let of_one = store.read_blocking(|reader| reader.credentials_of(&ae("Sone"))).unwrap();
    assert_eq!(of_one.len(), 2, "one entity may hold several keys");
}

#[test]
fn what_contradicts_the_store_is_named() {
    let database = Database::new();
    let store = database.open();
    for (name, seed) in [("same", 1), ("other-key", 2), ("revoked", 3), ("bound-later", 4), ("kind", 5)] {
        store.write_blocking("add", move |tx| tx.add_credential(&credential(name, seed))).unwrap();
    }
    store
        .write_blocking("alter", |tx| {
            tx.bind_entity(&"12-bound-later".parse().unwrap(), &ae("Snew"))?;
            tx.revoke(&"12-revoked".parse().unwrap())
        })
        .unwrap();
    let key = |number: u32| format!("{number:032x}");
    let lines = [
        format!("same,{},,ae", key(1)),
        format!("other-key,{},,ae", key(22)),
        format!("revoked,{},,ae", key(3)),
        format!("bound-later,{},,ae", key(4)),
        format!("kind,{},,cse", key(5)),
        format!("new-name-old-key,{},,ae", key(1)),
        format!("new,{},,ae", key(7)),
        format!("revoked-key,{},,ae", key(3)),
    ];
    let report = import(&store, &lines.join("\n"), &ImportOptions { skip_bad: true, ..options() });
    assert_eq!(
        problems(&report),
        [
            "line 1, psk_hex: line 6 has the same key value for another psk_identity",
            "line 2, psk_identity: is in the store with other values",
            "line 3, psk_hex: line 8 has the same key value for another psk_identity",
            "line 5, psk_identity: is in the store with other values",
            "line 6, psk_hex: line 1 has the same key value for another psk_identity",
            "line 8, psk_hex: line 3 has the same key value for another psk_identity",
        ]
    );
    let without_twins = [&lines[5..7], &lines[2..5]].concat();
    let report = import(&store, &without_twins.join("\n"), &ImportOptions { check_only: true, ..options() });
    assert_eq!(
        problems(&report),
        [
            "line 1, psk_hex: the key value is that of \"same\"",
            "line 3, psk_identity: is that of a revoked credential",
            "line 5, psk_identity: is in the store with other values",
        ]
    );
    assert_eq!((report.present, report.bad), (2, 3));
}

#[test]
fn an_interrupted_import_is_resumed() {
    let database = Database::new();
    let store = database.open();
    let file = file(1..=100);
    let batches = ImportOptions { batch: 10, ..options() };
    let mut heard = Vec::new();
    let report = store.import_credentials(file.as_bytes(), &batches, |progress| {
        heard.push(progress);
        let enough = progress.stage == ImportStage::Writing && progress.done == 30;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let report = report.unwrap();
    assert_eq!((report.end, report.imported), (ImportEnd::Interrupted, 30));
    assert_eq!(
        heard.last(),
        Some(&ImportProgress { stage: ImportStage::Writing, done: 30, total: Some(100) })
    );
    let report = import(&store, &file, &batches);
    assert_eq!((report.end, report.present, report.imported), (ImportEnd::Done, 30, 70));
    assert_eq!(count(&store), 100);
}

#[test]
fn what_another_process_adds_meanwhile_is_not_overwritten() {
    let database = Database::new();
    let store = database.open();
    let other = database.open();
    let file = file(1..=3);
    let report = store.import_credentials(file.as_bytes(), &options(), |progress| {
        if progress.stage == ImportStage::Comparing {
            return ControlFlow::Continue(());
        }
        ControlFlow::Continue(())
    });
    assert_eq!(report.unwrap().imported, 3);
    let file = "psk_identity,psk_hex,entity_id,kind\n".to_owned() + &line(4) + &line(5) + &line(6);
    let batches = ImportOptions { batch: 1, ..options() };
    let report = store.import_credentials(file.as_bytes(), &batches, |progress| {
        if progress.stage == ImportStage::Writing && progress.done == 1 {
            other
                .write_blocking("meanwhile", |tx| tx.add_credential(&credential("light5@x.org", 99)))
                .unwrap();
            other.write_blocking("meanwhile", |tx| tx.add_credential(&credential("taken", 6))).unwrap();
        }
        ControlFlow::Continue(())
    });
    let report = report.unwrap();
    assert_eq!((report.imported, report.bad), (1, 2));
    assert_eq!(
        problems(&report),
        [
            "line 3, psk_identity: is in the store with other values",
            "line 4, psk_hex: the key value is that of \"taken\"",
        ]
    );
}

#[test]
fn short_keys_and_texts_have_their_limits() {
    let database = Database::new();
    let store = database.open();
    let short = "AE123456789012-Light@in.provider.com,1a2b3c4d5e6f7a8b,,ae";
    assert_eq!(import(&store, short, &options()).bad, 1);
    let report = import(&store, short, &ImportOptions { allow_short_keys: true, ..options() });
    assert_eq!((report.imported, report.short_keys), (1, 1));
    let name = || psk_identity("AE123456789012-Light@in.provider.com");
    let found = store.read_blocking(move |reader| reader.psk(Function::Cse, &name())).unwrap().unwrap();
    assert!(found.credential.allow_short_key);
    let long = ImportOptions { label: "x".repeat(2000), ..options() };
    let refused = store.import_credentials(&b""[..], &long, |_| ControlFlow::Continue(()));
    assert!(matches!(refused, Err(StoreError::Unacceptable(_))));
}

#[test]
fn a_reader_that_fails_is_named_by_line() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let database = Database::new();
    let store = database.open();
    let outcome = store.import_credentials(BufReader::new(Broken), &options(), |_| ControlFlow::Continue(()));
    assert_eq!(outcome.err(), Some(StoreError::Input { line: 1, reason: "unplugged".into() }));
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

proptest! {
    #[test]
    fn no_line_makes_the_reader_panic(line in "\\PC*|[\",a-f0-9 \t\r]{0,80}|([^\n]{0,8}[,\"]){0,9}") {
        let _ = parse_line(&line, KeyLengthPolicy::Strict);
        let _ = parse_line(&line, KeyLengthPolicy::AllowShort);
    }

    #[test]
    fn a_valid_line_comes_back(
        name in "[^\0\r\n]{1,60}",
        key in prop::collection::vec(any::<u8>(), 16..=64),
        stem in "[SC][A-Za-z0-9]{1,20}",
        has_entity in any::<bool>(),
        micros in 0_i64..4_000_000_000_000_000,
        ends in any::<bool>(),
    ) {
        let entity = ae(if stem.starts_with('S') { &stem } else { "Sx" });
        let end = onem2m::time::Timestamp::from_unix_micros(micros).unwrap();
        let mut line = format!("{},{},", quoted(&name), hex::encode(&key));
        if has_entity {
            write!(line, "{entity}").unwrap();
        }
        line.push_str(",ae");
        if ends {
            write!(line, ",{}", quoted(&end.to_string())).unwrap();
        }
        let Ok(Line::Credential(found)) = parse_line(&line, KeyLengthPolicy::Strict) else {
            return Err(TestCaseError::fail(line));
        };
        prop_assert_eq!(found.psk_identity, name.parse::<PskIdentity>().unwrap());
        prop_assert_eq!(found.key.expose(), &key[..]);
        prop_assert_eq!(found.entity, has_entity.then_some(EntityId::clone(&entity)));
        prop_assert_eq!(found.not_after, ends.then_some(end));
    }
}
