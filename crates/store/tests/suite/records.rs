use keys::CredentialId;
use serde_json::json;
use store::{
    Audit as _, AuditMut as _, AuditRecord, Conflict, Outcome, Resource, Resources as _, ResourcesMut as _,
    Store, StoreError,
};

use crate::support::{resource, time};

type Open<'a> = &'a dyn Fn() -> Store;

fn insert(store: &Store, resource: Resource) -> Result<(), StoreError> {
    store.write_blocking("insert", move |tx| tx.insert(&resource))
}

fn tree(store: &Store) {
    let mut base = resource("base", "");
    base.ty = 5;
    insert(store, base).unwrap();
    for (ri, pi) in [("C1", "base"), ("C2", "base"), ("cnt", "C1"), ("cin", "cnt")] {
        insert(store, resource(ri, pi)).unwrap();
    }
}

fn names(resources: &[Resource]) -> Vec<&str> {
    resources.iter().map(|resource| resource.ri.as_str()).collect()
}

pub(crate) fn resources_are_found_by_id_name_parent_and_type(open: Open<'_>) {
    let store = open();
    tree(&store);
    let mut full = resource("full", "C2");
    full.et = Some(time("20270101T000000,000001"));
    full.creator = Some("//sp.example.org/Slight1".into());
    full.credential_id = Some("12-light1@x.org".parse().unwrap());
    full.attributes = json!({"api": "Nexample", "poa": ["https://[::1]:8443"], "größe": 1.5, "nl": null})
        .as_object()
        .unwrap()
        .clone();
    insert(&store, full.clone()).unwrap();

    let store = open();
    assert_eq!(store.read_blocking(|reader| reader.resource("full")).unwrap(), Some(full.clone()));
    assert_eq!(store.read_blocking(|reader| reader.resource("none")).unwrap(), None);
    let by_name = store.read_blocking(|reader| reader.child_by_name("C2", "name-of-full")).unwrap();
    assert_eq!(by_name, Some(full));
    let base = store.read_blocking(|reader| reader.child_by_name("", "name-of-base")).unwrap();
    assert_eq!(base.unwrap().ri, "base");
    let children = store.read_blocking(|reader| reader.children("base", None, 100)).unwrap();
    assert_eq!(names(&children), ["C1", "C2"]);
    let rest = store.read_blocking(|reader| reader.children("base", Some("name-of-C1"), 100)).unwrap();
    assert_eq!(names(&rest), ["C2"]);
    let of_type = store.read_blocking(|reader| reader.resources_of_type(2, Some("C1"), 2)).unwrap();
    assert_eq!(names(&of_type), ["C2", "cin"]);
    assert_eq!(names(&store.read_blocking(|reader| reader.resources_of_type(5, None, 9)).unwrap()), ["base"]);
    let id: CredentialId = "12-light1@x.org".parse().unwrap();
    assert_eq!(
        names(&store.read_blocking(move |reader| reader.resources_of_credential(&id)).unwrap()),
        ["full"]
    );
}

pub(crate) fn resources_conflict(open: Open<'_>) {
    let store = open();
    tree(&store);
    let taken_id = insert(&store, resource("C1", "base"));
    assert_eq!(taken_id, Err(Conflict::ResourceId { ri: "C1".into() }.into()));
    let mut namesake = resource("C9", "base");
    namesake.rn = "name-of-C1".into();
    let taken_name = Conflict::ResourceName { pi: "base".into(), rn: "name-of-C1".into() };
    assert_eq!(insert(&store, namesake), Err(taken_name.into()));
    assert_eq!(insert(&store, resource("x", "none")), Err(Conflict::NoParent { pi: "none".into() }.into()));
    assert_eq!(store.read_blocking(|reader| reader.resource("x")).unwrap(), None);
}

pub(crate) fn updates_replace(open: Open<'_>) {
    let store = open();
    tree(&store);
    let mut changed = resource("C1", "base");
    changed.lt = time("20260202T000000");
    changed.et = Some(time("20260303T000000"));
    changed.attributes = json!({"lbl": ["a"]}).as_object().unwrap().clone();
    let update = changed.clone();
    store.write_blocking("update", move |tx| tx.update(&update)).unwrap();
    assert_eq!(store.read_blocking(|reader| reader.resource("C1")).unwrap(), Some(changed));
    let mut moved = resource("C1", "C2");
    moved.rn = "other".into();
    moved.ty = 99;
    store.write_blocking("update", move |tx| tx.update(&moved)).unwrap();
    let kept = store.read_blocking(|reader| reader.resource("C1")).unwrap().unwrap();
    assert_eq!((kept.pi.as_str(), kept.rn.as_str(), kept.ty, kept.et), ("base", "name-of-C1", 2, None));
    let absent = store.write_blocking("update", |tx| tx.update(&resource("none", "")));
    assert_eq!(absent, Err(Conflict::NoResource { ri: "none".into() }.into()));
}

pub(crate) fn a_tree_is_deleted_whole(open: Open<'_>) {
    let store = open();
    tree(&store);
    let gone = store.write_blocking("delete", |tx| tx.delete_tree("C1")).unwrap();
    assert_eq!(gone, [("C1".to_owned(), 2), ("cnt".to_owned(), 2), ("cin".to_owned(), 2)]);
    for ri in ["C1", "cnt", "cin"] {
        assert_eq!(store.read_blocking(move |reader| reader.resource(ri)).unwrap(), None);
    }
    assert!(store.read_blocking(|reader| reader.resource("C2")).unwrap().is_some());
    assert_eq!(store.write_blocking("delete", |tx| tx.delete_tree("C1")).unwrap(), []);
    insert(&store, resource("C1", "base")).unwrap();
}

pub(crate) fn expiry_is_listed_earliest_first(open: Open<'_>) {
    let store = open();
    tree(&store);
    for (ri, et) in [("e3", "20260103T000000"), ("e1", "20260101T000000"), ("e2", "20260102T000000")] {
        let mut expiring = resource(ri, "base");
        expiring.et = Some(time(et));
        insert(&store, expiring).unwrap();
    }
    let expired = |now: &'static str, limit| {
        let found = store.read_blocking(move |reader| reader.expired(time(now), limit)).unwrap();
        names(&found).join(" ")
    };
    assert_eq!(expired("20251231T235959", 9), "");
    assert_eq!(expired("20260101T000000", 9), "e1");
    assert_eq!(expired("20260102T235959", 9), "e1 e2");
    assert_eq!(expired("20300101T000000", 2), "e1 e2");
}

pub(crate) fn the_audit_is_paged_and_pruned(open: Open<'_>) {
    let store = open();
    let record = |number: usize| AuditRecord {
        at: time("20260101T000000"),
        action: format!("test.{number}"),
        outcome: [Outcome::Done, Outcome::Refused, Outcome::Failed][number % 3],
        credential_id: (number.is_multiple_of(2)).then(|| "12-a@x.org".to_owned()),
        entity: None,
        source: Some("[::1]:5000".into()),
        detail: "words".into(),
    };
    let many: Vec<_> = (0..5).map(record).collect();
    store.write_blocking("audit", move |tx| tx.append_many(&many)).unwrap();
    store.write_blocking("audit", move |tx| tx.append(&record(5))).unwrap();

    let page = |before, limit| store.read_blocking(move |reader| reader.audit_page(before, limit)).unwrap();
    let newest = page(None, 4);
    assert_eq!(newest.iter().map(|entry| entry.id).collect::<Vec<_>>(), [6, 5, 4, 3]);
    assert_eq!(newest[0].record, record(5));
    let rest = page(Some(3), 4);
    assert_eq!(rest.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), [record(1), record(0)]);
    assert_eq!(store.write_blocking("prune", |tx| tx.prune_audit(2)).unwrap(), 4);
    assert_eq!(page(None, 9).iter().map(|entry| entry.id).collect::<Vec<_>>(), [6, 5]);
    assert_eq!(store.write_blocking("prune", |tx| tx.prune_audit(2)).unwrap(), 0);
}
