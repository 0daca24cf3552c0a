//! `<AE>` and `<CSEBase>`.

use std::{sync::Arc, time::Duration};

use identity::{CseType, Established, Peer};
use onem2m::{
    id::{EntityId, EntityKind},
    primitive::{Operation, ResultContent},
    status::ResponseStatusCode as Rsc,
    time::Clock as _,
};
use serde_json::{Value, json};
use store::CredentialsMut as _;

use crate::world::{DAY, World, ae, create, request, update, with, without};

/// B2, B5, B6: TS-0004 §7.4.5.2.1.
#[tokio::test]
async fn an_ae_registers_and_is_found() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    let created = world.ask(&light, create(Some("Clight1"), ae())).await;
    assert_eq!(created.rsc, Rsc::Created);
    let shown = json!({ "m2m:ae": {
        "rn": "light_ae1", "ty": 2, "ri": "Clight1", "pi": "base", "ct": "20260101T120000",
        "lt": "20260101T120000", "et": "20260102T120000", "api": "Nlight.example", "aei": "Clight1", "rr": true,
        "srv": ["3"], "poa": ["https://192.0.2.11"],
    }});
    assert_eq!(created.pc, Some(shown.clone()));
    for to in [
        "home_gateway/light_ae1",
        "-/light_ae1",
        "Clight1",
        "/mn-cse-123456/Clight1",
        "/mn-cse-123456/home_gateway/light_ae1",
        "//example.org/mn-cse-123456/-/light_ae1",
    ] {
        let found = world.ask(&light, request(Operation::Retrieve, to, Some("Clight1"))).await;
        assert_eq!((found.rsc, found.pc), (Rsc::Ok, Some(shown.clone())), "{to}");
    }
    assert_eq!(
        world.refuses(&light, create(Some("Clight1"), ae())).await,
        Rsc::OriginatorHasAlreadyRegistered
    );
    assert_eq!(world.refuses(&light, create(None, ae())).await, Rsc::OriginatorHasAlreadyRegistered);
}

/// TS-0001 §10.2.2.2 cases c and d, register A-26.
#[tokio::test]
async fn the_registrar_assigns_what_is_left_open() {
    let world = World::new().await;
    for (number, from) in [(1, None), (2, Some("")), (3, Some("C"))] {
        let known = world.device(number, Some(&format!("Clight{number}"))).await;
        let content = without(ae(), "rn");
        let created = world.ask(&known, create(from, content)).await;
        assert_eq!(created.rsc, Rsc::Created, "{from:?}");
        let content = created.pc.unwrap();
        assert_eq!(content["m2m:ae"]["aei"], format!("Clight{number}"), "{from:?}");
        assert_eq!(content["m2m:ae"]["rn"], format!("Clight{number}"), "the name is the stem");
    }
    let unassigned = world.device(4, None).await;
    assert_eq!(unassigned.subject(), None);
    let created = world.ask(&unassigned, create(Some("C"), without(ae(), "rn"))).await;
    assert_eq!(created.rsc, Rsc::Created);
    let content = created.pc.unwrap();
    let stem = content["m2m:ae"]["aei"].as_str().unwrap();
    assert!(stem.starts_with('C') && stem.len() == 17, "64 random bits behind the letter: {stem}");
    let bound = unassigned.subject().unwrap().to_string();
    assert_eq!(bound, format!("//example.org/mn-cse-123456/{stem}"));
    let own = request(Operation::Retrieve, stem, Some(stem));
    assert_eq!(world.ask(&unassigned, own).await.rsc, Rsc::Ok);
    let mn = world.device(5, None).await;
    assert_eq!(world.refuses(&mn, create(Some("S"), ae())).await, Rsc::NotImplemented);
    assert_eq!(world.refuses(&mn, create(Some("Cmine"), ae())).await, Rsc::OriginatorNotAuthenticated);

    let infrastructure = World::of(CseType::In).await;
    let device = infrastructure.device(1, None).await;
    let created = infrastructure.ask(&device, create(Some("S"), ae())).await;
    assert!(created.pc.unwrap()["m2m:ae"]["aei"].as_str().unwrap().starts_with('S'));
}

/// An identity assigned over one association is the credential's from then on, over every other.
#[tokio::test]
async fn an_assigned_identity_stays_with_the_credential() {
    let world = World::new().await;
    let first = world.device(1, None).await;
    let second = Arc::new(Peer::new(
        Established {
            framework: first.framework(),
            credential_id: first.credential_id().cloned(),
            version: first.version(),
            kind: first.kind(),
            subject: None,
            allowed: Vec::new(),
            not_after: None,
        },
        first.source(),
    ));
    let created = world.ask(&first, create(None, ae())).await;
    let stem = created.pc.unwrap()["m2m:ae"]["aei"].as_str().unwrap().to_owned();
    let again = world.ask(&second, request(Operation::Retrieve, &stem, Some(&stem))).await;
    assert_eq!(again.rsc, Rsc::Ok);
    assert_eq!(world.refuses(&second, create(None, ae())).await, Rsc::OriginatorHasAlreadyRegistered);
}

/// B10 and TS-0004 tables 7.4.5.1-2 and 7.4.5.1-3, CREATE column.
#[tokio::test]
async fn attributes_of_a_registration_are_checked() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    let cases = [
        (without(ae(), "api"), Rsc::BadRequest),
        (without(ae(), "rr"), Rsc::BadRequest),
        (without(ae(), "srv"), Rsc::BadRequest),
        (with(ae(), "cr", json!("Clight2")), Rsc::BadRequest),
        (with(ae(), "aei", json!("Clight1")), Rsc::BadRequest),
        (with(ae(), "ri", json!("x")), Rsc::BadRequest),
        (with(ae(), "ty", json!(2)), Rsc::BadRequest),
        (with(ae(), "ct", json!("20260101T120000")), Rsc::BadRequest),
        (with(ae(), "nonsense", json!(1)), Rsc::BadRequest),
        (with(ae(), "api", json!("Xlight")), Rsc::BadRequest),
        (with(ae(), "api", json!("")), Rsc::BadRequest),
        (with(ae(), "api", json!(7)), Rsc::BadRequest),
        (with(ae(), "rr", json!("true")), Rsc::BadRequest),
        (with(ae(), "srv", json!([])), Rsc::BadRequest),
        (with(ae(), "srv", json!(["9"])), Rsc::BadRequest),
        (with(ae(), "poa", json!(["nowhere"])), Rsc::BadRequest),
        (with(ae(), "poa", json!("https://x")), Rsc::BadRequest),
        (with(ae(), "lbl", json!([])), Rsc::BadRequest),
        (with(ae(), "csz", json!(["yaml"])), Rsc::BadRequest),
        (with(ae(), "apn", Value::Null), Rsc::BadRequest),
        (with(ae(), "rn", json!("a/b")), Rsc::BadRequest),
        (with(ae(), "rn", json!("la")), Rsc::BadRequest),
        (with(ae(), "rn", json!("mssp")), Rsc::Conflict),
        (with(ae(), "rn", json!("asar-1")), Rsc::Conflict),
        (with(ae(), "~holder", json!("uid 1000")), Rsc::BadRequest),
        (with(ae(), "et", json!("20260101T115959")), Rsc::BadRequest),
        (with(ae(), "et", json!("tomorrow")), Rsc::BadRequest),
        (with(ae(), "acpi", json!(["acp1"])), Rsc::NotImplemented),
        (with(ae(), "esi", json!({})), Rsc::NotImplemented),
        (json!({}), Rsc::BadRequest),
        (json!([]), Rsc::BadRequest),
    ];
    for (content, expected) in cases {
        let shown = content.to_string();
        assert_eq!(world.refuses(&light, create(Some("Clight1"), content)).await, expected, "{shown}");
    }
    let mut none = create(Some("Clight1"), ae());
    none.pc = None;
    assert_eq!(world.refuses(&light, none).await, Rsc::BadRequest);
    let mut other = create(Some("Clight1"), ae());
    other.pc = Some(json!({ "m2m:cnt": {} }));
    assert_eq!(world.refuses(&light, other).await, Rsc::BadRequest);
    let all = with(with(ae(), "lbl", json!(["room:hall", "light"])), "apn", json!("Hall light"));
    let all = with(with(all, "csz", json!(["json"])), "et", json!("20260101T130000"));
    let created = world.ask(&light, create(Some("Clight1"), all)).await;
    assert_eq!(created.rsc, Rsc::Created);
    assert_eq!(created.pc.unwrap()["m2m:ae"]["et"], "20260101T130000");
}

/// access control sheet 4.3: which refusal wins when several are due.
#[tokio::test]
async fn the_order_of_refusals() {
    let world = World::new().await;
    let (light1, light2) = (world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await);
    world.ask(&light1, create(Some("Clight1"), ae())).await;
    let wrong = with(without(ae(), "rr"), "api", json!("Xlight"));
    assert_eq!(
        world.refuses(&light2, create(Some("Clight1"), wrong.clone())).await,
        Rsc::OriginatorNotAuthenticated,
        "impersonation before everything, registered or not"
    );
    let mut elsewhere = create(Some("Clight1"), wrong.clone());
    elsewhere.to = "/in-cse/server".into();
    assert_eq!(
        world.refuses(&light1, elsewhere).await,
        Rsc::BadRequest,
        "X32: a registration is not forwarded"
    );
    let mut nowhere = create(Some("Clight1"), wrong.clone());
    nowhere.to = "home_gateway/nothing".into();
    assert_eq!(world.refuses(&light1, nowhere).await, Rsc::NotFound);
    let mut below_an_ae = create(Some("Clight1"), wrong.clone());
    below_an_ae.to = "home_gateway/light_ae1".into();
    assert_eq!(world.refuses(&light1, below_an_ae).await, Rsc::InvalidChildResourceType, "X24");
    assert_eq!(
        world.refuses(&light1, create(Some("Clight1"), wrong)).await,
        Rsc::BadRequest,
        "M before 4117"
    );
    let letter = with(ae(), "api", json!("Xlight"));
    assert_eq!(
        world.refuses(&light1, create(Some("Clight1"), letter.clone())).await,
        Rsc::OriginatorHasAlreadyRegistered,
        "4117 before the App-ID's letter"
    );
    assert_eq!(world.refuses(&light2, create(Some("Clight2"), letter)).await, Rsc::BadRequest);
    assert_eq!(
        world.refuses(&light2, create(Some("Clight2"), ae())).await,
        Rsc::Conflict,
        "the name is taken"
    );
}

/// TS-0004 §7.4.5.1, UPDATE column; TS-0001 §9.6.1.3.2 for null.
#[tokio::test]
async fn an_ae_is_updated_by_itself() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    world.clock.advance(Duration::from_secs(60));
    let to = "home_gateway/light_ae1";
    let change = json!({ "lbl": ["hall"], "rr": false, "poa": null, "et": "20260101T180000" });
    let updated = world.ask(&light, update("Clight1", to, change)).await;
    assert_eq!(updated.rsc, Rsc::Updated);
    let found = world.ask(&light, request(Operation::Retrieve, to, Some("Clight1"))).await.pc.unwrap();
    let found = &found["m2m:ae"];
    assert_eq!(
        (&found["lbl"], &found["rr"], &found["et"]),
        (&json!(["hall"]), &json!(false), &json!("20260101T180000"))
    );
    assert_eq!((&found["lt"], &found["ct"]), (&json!("20260101T120100"), &json!("20260101T120000")));
    assert!(found.get("poa").is_none());
    let updated = world.ask(&light, update("Clight1", to, json!({ "et": null }))).await;
    assert_eq!(updated.pc.unwrap()["m2m:ae"]["et"], "20260102T120100", "the longest that policy allows");
    let updated = world.ask(&light, update("Clight1", to, json!({ "et": "20270101T000000" }))).await;
    assert_eq!(updated.pc.unwrap()["m2m:ae"]["et"], "20260102T120100", "no later than that");
    for (change, expected) in [
        (json!({ "rn": "x" }), Rsc::BadRequest),
        (json!({ "api": "Nother" }), Rsc::BadRequest),
        (json!({ "aei": "Clight2" }), Rsc::BadRequest),
        (json!({ "ri": "Clight2" }), Rsc::BadRequest),
        (json!({ "ty": 3 }), Rsc::BadRequest),
        (json!({ "cr": "Clight2" }), Rsc::BadRequest),
        (json!({ "rr": null }), Rsc::BadRequest),
        (json!({ "srv": null }), Rsc::BadRequest),
        (json!({ "lbl": [] }), Rsc::BadRequest),
        (json!({ "et": "20250101T000000" }), Rsc::BadRequest),
        (json!({ "acpi": ["x"] }), Rsc::NotImplemented),
        (json!({ "acpi": ["x"], "lbl": ["a"] }), Rsc::BadRequest),
        (json!({ "what": 1 }), Rsc::BadRequest),
        (json!({}), Rsc::BadRequest),
    ] {
        let shown = change.to_string();
        assert_eq!(world.refuses(&light, update("Clight1", to, change)).await, expected, "{shown}");
    }
    let base = update("Clight1", "home_gateway", json!({ "lbl": ["x"] }));
    assert_eq!(world.refuses(&light, base).await, Rsc::OperationNotAllowed);
}

/// TS-0001 §9.6.1.3.2 without `<accessControlPolicy>`: the creator and nobody else.
#[tokio::test]
async fn what_is_anothers_is_closed() {
    let world = World::new().await;
    let (light1, light2) = (world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await);
    world.ask(&light1, create(Some("Clight1"), ae())).await;
    let base = |from: &str| request(Operation::Retrieve, "home_gateway", Some(from));
    assert_eq!(
        world.refuses(&light2, base("Clight2")).await,
        Rsc::OriginatorHasNoPrivilege,
        "not registered yet"
    );
    world.ask(&light2, create(Some("Clight2"), with(ae(), "rn", json!("light_ae2")))).await;
    let cb = world.ask(&light2, base("Clight2")).await;
    assert_eq!(cb.rsc, Rsc::Ok);
    let cb = cb.pc.unwrap();
    let cb = &cb["m2m:cb"];
    assert_eq!(
        (&cb["csi"], &cb["cst"], &cb["srv"]),
        (&json!("/mn-cse-123456"), &json!(2), &json!(["2a", "3"]))
    );
    for op in [Operation::Retrieve, Operation::Delete] {
        let other = request(op, "home_gateway/light_ae1", Some("Clight2"));
        assert_eq!(world.refuses(&light2, other).await, Rsc::OriginatorHasNoPrivilege, "{op:?}");
    }
    let other = update("Clight2", "Clight1", json!({ "lbl": ["mine"] }));
    assert_eq!(world.refuses(&light2, other).await, Rsc::OriginatorHasNoPrivilege);
    let base = request(Operation::Delete, "home_gateway", Some("Clight2"));
    assert_eq!(world.refuses(&light2, base).await, Rsc::OperationNotAllowed);
    let nothing = request(Operation::Retrieve, "home_gateway/nothing", Some("Clight2"));
    assert_eq!(world.refuses(&light2, nothing).await, Rsc::NotFound);
    let refused = world.refusals.0.lock().unwrap();
    assert_eq!(refused.len(), 4, "each refusal for lack of privilege is witnessed");
    assert!(refused.iter().all(|line| line.source.as_deref() == Some("192.0.2.7:5000")));
}

/// A From that is no identity of the sender's is witnessed whatever the status that it is refused with (X3, X4); what
/// is wrong with a request besides is not.
#[tokio::test]
async fn refusals_of_the_originator_are_witnessed() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    let mut csr = create(Some("Clight1"), json!({}));
    csr.ty = Some(16);
    csr.pc = Some(json!({ "m2m:csr": { "cb": "/mn-999/x", "rr": false, "srv": ["3"] } }));
    for (asked, expected, witnessed) in [
        (request(Operation::Retrieve, "Clight1", Some("/in-cse/Cphone1")), Rsc::BadRequest, true),
        (request(Operation::Retrieve, "Clight1", Some("")), Rsc::BadRequest, true),
        (request(Operation::Retrieve, "Clight1", None), Rsc::BadRequest, true),
        (csr, Rsc::OperationNotAllowed, true),
        (create(Some("Clight1"), without(ae(), "api")), Rsc::BadRequest, false),
        (request(Operation::Retrieve, "nothing", Some("Clight1")), Rsc::NotFound, false),
        (create(Some("Clight1"), ae()), Rsc::OriginatorHasAlreadyRegistered, false),
    ] {
        world.refusals.0.lock().unwrap().clear();
        let what = format!("{asked:?}");
        assert_eq!(world.refuses(&light, asked).await, expected, "{what}");
        let refusals = world.refusals.0.lock().unwrap();
        assert_eq!(refusals.len(), usize::from(witnessed), "{what}");
        assert!(
            refusals.iter().all(|line| line.detail.contains(&expected.code().to_string())),
            "{refusals:?}"
        );
    }
}

/// TS-0001 §7.2: release 4 took the letter r away.
#[tokio::test]
async fn an_app_id_begins_with_r_up_to_release_3() {
    let mut world = World::new().await;
    world.settings.releases = ["2a", "3", "4"].map(str::to_owned).to_vec();
    world.restart().await;
    let light = world.device(1, Some("Clight1")).await;
    let mut asked = create(Some("Clight1"), with(ae(), "api", json!("ra.org.example.light")));
    asked.rvi = Some("4".into());
    assert_eq!(world.refuses(&light, asked.clone()).await, Rsc::BadRequest);
    asked.rvi = Some("3".into());
    assert_eq!(world.ask(&light, asked).await.rsc, Rsc::Created);
}

/// A registration for another CSE says whom it reached.
#[tokio::test]
async fn a_registration_at_the_wrong_cse_is_told_where_it_is() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    let mut elsewhere = create(Some("Clight1"), ae());
    elsewhere.to = "/in-cse/server".into();
    assert_eq!(world.refuses(&light, elsewhere.clone()).await, Rsc::BadRequest);
    let answer = world.ask(&light, elsewhere).await;
    let told = answer.debug_info().unwrap_or_default();
    assert!(told.contains("to names /in-cse, and this CSE is /mn-cse-123456"), "{told}");
}

/// TS-0001 §10.2.2.5, and G3: after it the same stem may register again.
#[tokio::test]
async fn an_ae_leaves_and_comes_back() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    let gone = world.ask(&light, request(Operation::Delete, "Clight1", Some("Clight1"))).await;
    assert_eq!((gone.rsc, gone.pc), (Rsc::Deleted, None));
    let to = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.refuses(&light, to).await, Rsc::NotFound);
    assert_eq!(world.ask(&light, create(Some("Clight1"), ae())).await.rsc, Rsc::Created);
}

/// G2: at its expirationTime a registration is gone, whether or not anybody has removed it.
#[tokio::test]
async fn a_registration_expires() {
    let world = World::new().await;
    let (light1, light2) = (world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await);
    world.ask(&light1, create(Some("Clight1"), ae())).await;
    world.clock.advance(DAY - Duration::from_secs(1));
    assert_eq!(world.registrar.expire(100).await.unwrap(), 0);
    world.clock.advance(Duration::from_secs(1));
    let own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.refuses(&light1, own).await, Rsc::NotFound);
    let created = world.ask(&light2, create(Some("Clight2"), ae())).await;
    assert_eq!(created.rsc, Rsc::Created, "its name is free");
    assert_eq!(
        world.ask(&light1, create(Some("Clight1"), with(ae(), "rn", json!("other")))).await.rsc,
        Rsc::Created
    );
    world.clock.advance(DAY);
    assert_eq!(world.registrar.expire(100).await.unwrap(), 2);
    assert_eq!(world.registrar.expire(100).await.unwrap(), 0);
}

/// However many have expired before: what is in the way of a new registration goes first.
#[tokio::test]
async fn what_has_expired_is_in_nobodys_way() {
    let world = World::new().await;
    for number in 1..=20 {
        let device = world.device(number, Some(&format!("Clight{number}"))).await;
        let content = with(ae(), "rn", json!(format!("light{number}")));
        let content = with(content, "et", json!(format!("20260101T13{number:02}00")));
        assert_eq!(world.ask(&device, create(None, content)).await.rsc, Rsc::Created);
    }
    world.clock.advance(Duration::from_secs(7200));
    let new = world.device(21, Some("Cnew")).await;
    let content = with(ae(), "rn", json!("light20"));
    assert_eq!(world.ask(&new, create(None, content)).await.rsc, Rsc::Created, "the last to expire");
}

/// What is not served is told apart: malformed, forbidden, unknown, not implemented.
#[tokio::test]
async fn what_is_not_served() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    let own = "home_gateway/light_ae1";
    let creation = |ty: Option<u32>| {
        let mut creation = request(Operation::Create, own, Some("Clight1"));
        creation.ty = ty;
        creation.pc = Some(json!({ "m2m:cnt": {} }));
        creation
    };
    for (ty, expected) in [
        (None, Rsc::BadRequest),
        (Some(0), Rsc::BadRequest),
        (Some(9999), Rsc::BadRequest),
        (Some(3), Rsc::NotImplemented),
        (Some(5), Rsc::OperationNotAllowed),
        (Some(11), Rsc::OperationNotAllowed),
        (Some(16), Rsc::OperationNotAllowed),
        (Some(19), Rsc::OperationNotAllowed),
        (Some(20), Rsc::OperationNotAllowed),
    ] {
        assert_eq!(world.refuses(&light, creation(ty)).await, expected, "ty {ty:?}");
    }
    let retrieve = || request(Operation::Retrieve, own, Some("Clight1"));
    let mut typed = retrieve();
    typed.ty = Some(2);
    assert_eq!(world.refuses(&light, typed).await, Rsc::BadRequest, "ty in a RETRIEVE");
    for (release, expected) in [(None, false), (Some("2"), false), (Some("4"), false), (Some("2a"), true)] {
        let mut asked = retrieve();
        asked.rvi = release.map(ToOwned::to_owned);
        if expected {
            assert_eq!(world.ask(&light, asked).await.rsc, Rsc::Ok);
        } else {
            assert_eq!(world.refuses(&light, asked).await, Rsc::ReleaseVersionNotSupported, "{release:?}");
        }
    }
    for (content, expected) in [
        (ResultContent::Nothing, Rsc::BadRequest),
        (ResultContent::HierarchicalAddress, Rsc::BadRequest),
        (ResultContent::ModifiedAttributes, Rsc::BadRequest),
        (ResultContent::SemanticContent, Rsc::NotImplemented),
        (ResultContent::OriginalResource, Rsc::NotImplemented),
    ] {
        let mut asked = retrieve();
        asked.rcn = Some(content);
        assert_eq!(world.refuses(&light, asked).await, expected, "{content:?}");
    }
    let mut late = retrieve();
    late.rqet = Some("20260101T115959".parse().unwrap());
    assert_eq!(world.refuses(&light, late).await, Rsc::RequestTimeout);
    let mut signed = retrieve();
    signed.tids = Some(vec!["t".into()]);
    assert_eq!(world.refuses(&light, signed).await, Rsc::NotImplemented);
    let mut from = retrieve();
    from.fr = None;
    assert_eq!(world.refuses(&light, from).await, Rsc::BadRequest);
    for to in ["", "/", "//", "a//b", "home_gateway/../x", "home_gateway#", "//Example.org/x/y"] {
        let asked = request(Operation::Retrieve, to, Some("Clight1"));
        assert_eq!(world.refuses(&light, asked).await, Rsc::BadRequest, "{to:?}");
    }
    for to in
        ["/in-cse/server", "//example.com/mn-cse-123456/home_gateway", "other", "home_gateway/light_ae1/x"]
    {
        let asked = request(Operation::Retrieve, to, Some("Clight1"));
        assert_eq!(world.refuses(&light, asked).await, Rsc::NotFound, "{to:?}");
    }
    let notify = request(Operation::Notify, own, Some("Clight1"));
    assert_eq!(world.refuses(&light, notify).await, Rsc::NotImplemented);
}

/// Result content of a CREATE and partial RETRIEVE (TS-0001 table 8.1.2-1).
#[tokio::test]
async fn the_originator_chooses_what_it_gets() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    let delete = || request(Operation::Delete, "Clight1", Some("Clight1"));
    let mut got = Vec::new();
    for wanted in [
        ResultContent::Nothing,
        ResultContent::HierarchicalAddress,
        ResultContent::HierarchicalAddressAndAttributes,
        ResultContent::ModifiedAttributes,
    ] {
        let mut creation = create(Some("Clight1"), ae());
        creation.rcn = Some(wanted);
        let created = world.ask(&light, creation).await;
        assert_eq!(created.rsc, Rsc::Created);
        got.push(created.pc);
        assert_eq!(world.ask(&light, delete()).await.rsc, Rsc::Deleted);
    }
    assert_eq!(got[0], None);
    assert_eq!(got[1], Some(json!({ "m2m:uri": "home_gateway/light_ae1" })));
    let both = got[2].as_ref().unwrap();
    assert_eq!(both["m2m:rce"]["uri"], "home_gateway/light_ae1");
    assert_eq!(both["m2m:rce"]["m2m:ae"]["aei"], "Clight1");
    let modified = got[3].as_ref().unwrap()["m2m:ae"].as_object().unwrap();
    assert!(modified.contains_key("aei") && !modified.contains_key("api"), "{modified:?}");

    world.ask(&light, create(Some("Clight1"), ae())).await;
    let part = world.ask(&light, request(Operation::Retrieve, "Clight1#rr", Some("Clight1"))).await;
    assert_eq!(part.pc, Some(json!({ "m2m:ae": { "rr": true } })));
    let mut list = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    list.pc = Some(json!({ "m2m:atrl": ["api", "aei"] }));
    let part = world.ask(&light, list.clone()).await;
    assert_eq!(part.pc, Some(json!({ "m2m:ae": { "api": "Nlight.example", "aei": "Clight1" } })));
    list.pc = Some(json!({ "m2m:atrl": ["nothing"] }));
    assert_eq!(world.refuses(&light, list).await, Rsc::BadRequest);
}

/// A credential withdrawn, expired or changed in the middle of an association ends what it may do.
#[tokio::test]
async fn a_credential_that_no_longer_holds_opens_nothing() {
    let world = World::new().await;
    let (light1, light2) = (world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await);
    world.ask(&light1, create(Some("Clight1"), ae())).await;
    let id = light1.credential_id().unwrap().clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    for asked in [
        request(Operation::Retrieve, "Clight1", Some("Clight1")),
        update("Clight1", "Clight1", json!({ "lbl": ["x"] })),
        request(Operation::Delete, "Clight1", Some("Clight1")),
        create(Some("Clight1"), ae()),
    ] {
        assert_eq!(world.refuses(&light1, asked).await, Rsc::OriginatorNotAuthenticated);
    }
    let (id, now) = (light2.credential_id().unwrap().clone(), world.clock.now());
    world.store.write("test.expire", move |tx| tx.set_not_after(&id, Some(now))).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let refused = world.refuses(&light2, create(Some("Clight2"), ae())).await;
    assert_eq!(refused, Rsc::OriginatorNotAuthenticated);
}

/// A CSE's key does not register AEs.
#[tokio::test]
async fn a_cse_does_not_register_as_an_ae() {
    let world = World::new().await;
    let entity = EntityId::Cse("//example.org/mn-7".parse().unwrap());
    let gateway = world.holder(7, EntityKind::Cse, Some(entity)).await;
    let registration = create(Some("/mn-7"), ae());
    assert_eq!(world.refuses(&gateway, registration).await, Rsc::OperationNotAllowed);
}
