//! What an answer carries: children, references, a part of them (TS-0001 §8.1.2, table 8.1.2-1).

use onem2m::{
    primitive::{
        ContentStatus, DesiredIdentifierResultType as Drt, FilterCriteria, FilterUsage, Operation, Request,
        ResultContent as Rcn,
    },
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use store::{Resource, ResourcesMut as _};

use crate::world::{World, ae, create, request, update, with};

const LIGHT1: &str = "//example.org/mn-cse-123456/Clight1";

/// A resource that is `Clight1`'s as its own registration is, below `pi`.
fn below(ri: &str, pi: &str) -> Resource {
    let mut attributes = serde_json::Map::new();
    attributes.insert("api".into(), json!("Nx"));
    Resource {
        ri: ri.into(),
        ty: 2,
        rn: format!("n-{ri}"),
        pi: pi.into(),
        ct: "20260101T120000".parse().unwrap(),
        lt: "20260101T120000".parse().unwrap(),
        et: Some("20260101T180000".parse().unwrap()),
        creator: Some(LIGHT1.into()),
        credential_id: None,
        attributes,
    }
}

impl World {
    async fn with_children(resources: Vec<Resource>) -> (Self, std::sync::Arc<identity::Peer>) {
        let world = Self::new().await;
        let (light1, light2) =
            (world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await);
        world.ask(&light1, create(Some("Clight1"), ae())).await;
        world.ask(&light2, create(Some("Clight2"), with(ae(), "rn", json!("light_ae2")))).await;
        let insert =
            move |tx: &mut store::Tx<'_>| resources.iter().try_for_each(|resource| tx.insert(resource));
        world.store.write("test.insert", insert).await.unwrap();
        (world, light1)
    }
}

fn retrieve(to: &str, rcn: Rcn) -> Request {
    let mut asked = request(Operation::Retrieve, to, Some("Clight1"));
    asked.rcn = Some(rcn);
    asked
}

fn tree() -> Vec<Resource> {
    vec![
        below("a", "Clight1"),
        below("b", "Clight1"),
        below("a1", "a"),
        below("a2", "a"),
        Resource { creator: Some("//example.org/mn-cse-123456/Clight2".into()), ..below("c", "Clight1") },
        Resource { et: Some("20260101T110000".parse().unwrap()), ..below("d", "Clight1") },
    ]
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["ri"].as_str().unwrap()).collect()
}

fn references(list: &Value) -> Vec<(&str, u64, &str)> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (item["nm"].as_str().unwrap(), item["typ"].as_u64().unwrap(), item["val"].as_str().unwrap())
        })
        .collect()
}

/// The `<CSEBase>` shows each registree itself alone.
#[tokio::test]
async fn below_the_base_everybody_sees_itself() {
    let (world, light1) = World::with_children(Vec::new()).await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    let mut csr = request(Operation::Create, "home_gateway", Some("/mn-7"));
    csr.ty = Some(16);
    csr.pc = Some(json!({ "m2m:csr": { "cb": "/mn-7/x", "rr": true, "srv": ["3"] } }));
    world.ask(&gateway, csr).await;

    let all =
        world.ask(&light1, retrieve("home_gateway", Rcn::AttributesAndChildResources)).await.pc.unwrap();
    let base = &all["m2m:cb"];
    assert_eq!((&base["csi"], names(&base["m2m:ae"])), (&json!("/mn-cse-123456"), vec!["Clight1"]));
    assert!(base.get("m2m:csr").is_none());
    let children = world.ask(&light1, retrieve("-", Rcn::ChildResources)).await.pc.unwrap();
    let base = children["m2m:cb"].as_object().unwrap();
    assert_eq!(base.keys().collect::<Vec<_>>(), ["m2m:ae"], "nothing of the target itself");
    let refs = world.ask(&light1, retrieve("-", Rcn::AttributesAndChildResourceReferences)).await.pc.unwrap();
    assert_eq!(references(&refs["m2m:cb"]["ch"]), [("light_ae1", 2, "home_gateway/light_ae1")]);
    assert!(refs["m2m:cb"].get("csi").is_some());
    let refs = world.ask(&light1, retrieve("-", Rcn::ChildResourceReferences)).await.pc.unwrap();
    assert_eq!(
        refs,
        json!({ "m2m:cb": { "ch": [{ "nm": "light_ae1", "typ": 2, "val": "home_gateway/light_ae1" }] } })
    );

    let mut asked = request(Operation::Retrieve, "home_gateway", Some("/mn-7"));
    asked.rcn = Some(Rcn::ChildResourceReferences);
    asked.drt = Some(Drt::Unstructured);
    let refs = world.ask(&gateway, asked).await.pc.unwrap();
    assert_eq!(references(&refs["m2m:cb"]["ch"]), [("mn-7", 16, "csr-mn-7")]);
    let stranger = world.device(3, Some("Clight3")).await;
    let mut asked = retrieve("-", Rcn::ChildResources);
    asked.fr = Some("Clight3".into());
    assert_eq!(world.refuses(&stranger, asked).await, Rsc::OriginatorHasNoPrivilege);
}

/// Nested, or as references, what is one's own and alive; parents before children.
#[tokio::test]
async fn a_tree_is_shown_as_far_as_it_is_ones_own() {
    let (world, light1) = World::with_children(tree()).await;
    let all = world.ask(&light1, retrieve("Clight1", Rcn::AttributesAndChildResources)).await.pc.unwrap();
    let own = &all["m2m:ae"];
    assert_eq!((&own["aei"], names(&own["m2m:ae"])), (&json!("Clight1"), vec!["a", "b"]));
    assert_eq!(names(&own["m2m:ae"][0]["m2m:ae"]), ["a1", "a2"]);
    let refs = world.ask(&light1, retrieve("Clight1", Rcn::ChildResourceReferences)).await.pc.unwrap();
    let path = "home_gateway/light_ae1";
    assert_eq!(
        references(&refs["m2m:ae"]["ch"]),
        [
            ("n-a", 2, &*format!("{path}/n-a")),
            ("n-a1", 2, &*format!("{path}/n-a/n-a1")),
            ("n-a2", 2, &*format!("{path}/n-a/n-a2")),
            ("n-b", 2, &*format!("{path}/n-b")),
        ]
    );
    let mut unstructured = retrieve("Clight1", Rcn::AttributesAndChildResourceReferences);
    unstructured.drt = Some(Drt::Unstructured);
    let refs = world.ask(&light1, unstructured).await.pc.unwrap();
    let values: Vec<&str> =
        references(&refs["m2m:ae"]["ch"]).into_iter().map(|(_, _, value)| value).collect();
    assert_eq!(values, ["a", "a1", "a2", "b"]);
    let leaf = world.ask(&light1, retrieve("b", Rcn::AttributesAndChildResourceReferences)).await;
    assert!(leaf.pc.unwrap()["m2m:ae"].get("ch").is_none(), "no references, no list");
    let deep = world.ask(&light1, retrieve("a1", Rcn::Attributes)).await.pc.unwrap();
    assert_eq!(deep["m2m:ae"]["rn"], "n-a1");
}

/// Level, limit and offset; an answer that leaves something out says where to go on.
#[tokio::test]
async fn a_part_of_a_tree() {
    let (world, light1) = World::with_children(tree()).await;
    let ask = async |levels: Option<u64>, limit: Option<u64>, offset: Option<u64>| {
        let mut asked = retrieve("Clight1", Rcn::ChildResourceReferences);
        asked.drt = Some(Drt::Unstructured);
        asked.fc = Some(FilterCriteria {
            lvl: levels.map(|number| number.try_into().unwrap()),
            lim: limit,
            ofst: offset.map(|number| number.try_into().unwrap()),
            fu: Some(FilterUsage::ConditionalOperation),
            ..FilterCriteria::default()
        });
        let answer = world.ask(&light1, asked).await;
        assert_eq!(answer.rsc, Rsc::Ok);
        let content = answer.pc.unwrap();
        let list = content["m2m:ae"].get("ch").cloned().unwrap_or_else(|| json!([]));
        let values: Vec<String> =
            references(&list).into_iter().map(|(_, _, value)| value.to_owned()).collect();
        let partial = answer.cnst == Some(ContentStatus::Partial);
        assert_eq!(partial, answer.cnot.is_some());
        (values.join(" "), answer.cnot.map(u64::from))
    };
    for ((levels, limit, offset), (values, next)) in [
        ((None, None, None), ("a a1 a2 b", None)),
        ((Some(1), None, None), ("a b", None)),
        ((Some(2), None, None), ("a a1 a2 b", None)),
        ((None, Some(4), None), ("a a1 a2 b", None)),
        ((None, Some(3), None), ("a a1 a2", Some(2))),
        ((None, Some(2), None), ("", Some(1))),
        ((None, Some(0), None), ("", Some(1))),
        ((Some(1), Some(1), None), ("a", Some(2))),
        ((Some(1), Some(1), Some(2)), ("b", None)),
        ((None, None, Some(2)), ("b", None)),
        ((None, None, Some(9)), ("", None)),
    ] {
        let found = ask(levels, limit, offset).await;
        assert_eq!(found, (values.to_owned(), next), "{levels:?} {limit:?} {offset:?}");
    }
}

/// However much there is, an answer has an end.
#[tokio::test]
async fn an_answer_is_bounded() {
    let many: Vec<Resource> = (0..1200).map(|number| below(&format!("x{number:04}"), "Clight1")).collect();
    let (world, light1) = World::with_children(many).await;
    let answer = world.ask(&light1, retrieve("Clight1", Rcn::ChildResources)).await;
    let content = answer.pc.unwrap();
    assert_eq!(names(&content["m2m:ae"]["m2m:ae"]).len(), 1000);
    assert_eq!((answer.cnst, answer.cnot.map(u64::from)), (Some(ContentStatus::Partial), Some(1001)));
    let mut rest = retrieve("Clight1", Rcn::ChildResources);
    rest.fc = Some(FilterCriteria { ofst: answer.cnot, ..FilterCriteria::default() });
    let answer = world.ask(&light1, rest).await;
    let content = answer.pc.unwrap();
    let rest = names(&content["m2m:ae"]["m2m:ae"]);
    assert_eq!((rest.len(), rest[0], answer.cnst), (200, "x1000", None));
}

/// DELETE may tell what goes.
#[tokio::test]
async fn a_delete_tells_what_went() {
    for (rcn, expected) in [
        (
            Rcn::ChildResourceReferences,
            json!({ "m2m:ae": { "ch": [
            { "nm": "n-a", "typ": 2, "val": "home_gateway/light_ae1/n-a" } ] } }),
        ),
        (Rcn::Nothing, Value::Null),
    ] {
        let (world, light1) = World::with_children(vec![below("a", "Clight1")]).await;
        let mut asked = request(Operation::Delete, "Clight1", Some("Clight1"));
        asked.rcn = Some(rcn);
        let gone = world.ask(&light1, asked).await;
        assert_eq!((gone.rsc, gone.pc.unwrap_or_default()), (Rsc::Deleted, expected));
        let left = world.ask(&light1, request(Operation::Retrieve, "a", Some("Clight1"))).await;
        assert_eq!(left.rsc, Rsc::NotFound);
    }
}

/// Combinations that mean nothing, and parameters that have no place.
#[tokio::test]
async fn what_makes_no_sense() {
    let (world, light1) = World::with_children(tree()).await;
    let before = world.store.digest().await.unwrap();
    let mut cases: Vec<(Request, Rsc)> = Vec::new();
    cases.push((retrieve("Clight1#rr", Rcn::ChildResources), Rsc::BadRequest));
    let mut list = retrieve("Clight1", Rcn::AttributesAndChildResources);
    list.pc = Some(json!({ "m2m:atrl": ["rr"] }));
    cases.push((list, Rsc::BadRequest));
    let mut drt = update("Clight1", "Clight1", json!({ "rr": true }));
    drt.drt = Some(Drt::Structured);
    cases.push((drt, Rsc::BadRequest));
    let mut content = request(Operation::Delete, "b", Some("Clight1"));
    content.pc = Some(json!({}));
    cases.push((content, Rsc::BadRequest));
    let mut fc = create(Some("Clight1"), ae());
    fc.fc = Some(FilterCriteria::default());
    cases.push((fc, Rsc::BadRequest));
    let mut discovery = retrieve("Clight1", Rcn::ChildResourceReferences);
    discovery.fc = Some(FilterCriteria { fu: Some(FilterUsage::Discovery), ..FilterCriteria::default() });
    cases.push((discovery, Rsc::NotImplemented));
    let mut labels = retrieve("Clight1", Rcn::ChildResources);
    labels.fc = Some(FilterCriteria { lbl: Some(vec!["x".into()]), ..FilterCriteria::default() });
    cases.push((labels, Rsc::NotImplemented));
    for (asked, expected) in cases {
        let what = format!("{asked:?}");
        assert_eq!(world.refuses(&light1, asked).await, expected, "{what}");
    }
    assert_eq!(world.store.digest().await.unwrap(), before);
    assert_eq!(world.refuses(&light1, retrieve("Clight1#holder", Rcn::Attributes)).await, Rsc::BadRequest);
}

/// TS-0004 §7.3.3.4: a resource does not end before its children.
#[tokio::test]
async fn a_parent_outlives_its_children() {
    let (world, light1) = World::with_children(vec![below("a", "Clight1")]).await;
    let until = |time: &str| update("Clight1", "Clight1", json!({ "et": time }));
    assert_eq!(world.refuses(&light1, until("20260101T175959")).await, Rsc::BadRequest);
    assert_eq!(world.ask(&light1, until("20260101T180000")).await.rsc, Rsc::Updated);
    assert_eq!(world.ask(&light1, until("20260101T190000")).await.rsc, Rsc::Updated);
}
