//! Replacing equipment: register A-34, F-19 and F-24.

use std::sync::Arc;

use cse::{Replaced, ServiceRule, add_service_rules, replace_equipment};
use identity::{Channel, CredentialState, Established, Function, OsPeer, Peer, Rule};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, Secret};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    primitive::Operation,
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use store::{
    Audit as _, Credentials as _, CredentialsMut as _, NewCredential, Resource, Resources as _,
    ResourcesMut as _, StoreError, Tx,
};

use crate::world::{World, ae, create, request, update, with, without};

const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;

fn key(number: u8) -> Kpsa {
    Kpsa::new(Secret::new(vec![number; 32]), KeyLengthPolicy::Strict).unwrap()
}

fn of_stem(stem: &str) -> EntityId {
    EntityId::Ae(AeId::of_stem(&"//example.org/mn-cse-123456".parse().unwrap(), stem.parse().unwrap()))
}

impl World {
    /// New equipment of `entity` with the key `number` under `identity`.
    async fn replace(
        &self,
        identity: &str,
        number: u8,
        entity: Option<EntityId>,
        any_app_id: bool,
    ) -> Result<(Replaced, Arc<Peer>), StoreError> {
        let kind = entity.as_ref().map_or(EntityKind::Ae, EntityId::kind);
        let mut new = NewCredential::new(Function::Cse, identity.parse().unwrap(), key(number), kind);
        new.entity = entity;
        let settings = self.settings.clone();
        let rebind =
            move |tx: &mut Tx<'_>| replace_equipment(tx, &settings, &new, any_app_id, "operator test");
        let replaced = self.store.write("test.rebind", rebind).await?;
        let source = "192.0.2.8:5000".parse().unwrap();
        let peer = Arc::new(Peer::new(Established::by_key(&replaced.credential), source));
        Ok((replaced, peer))
    }

    async fn state(&self, id: &CredentialId) -> CredentialState {
        let id = id.clone();
        self.store.read(move |records| records.credential_by_id(&id)).await.unwrap().unwrap().state
    }
}

fn new_ae() -> Value {
    json!({ "rn": "other_name", "api": "Nlight.example", "rr": false, "srv": ["2a"], "lbl": ["new"] })
}

/// The whole of it: the old key ends, the new one registers and gets the same resource with what lies below it.
#[tokio::test]
async fn new_equipment_takes_over() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    let spare = world.device(2, Some("Clight1")).await;
    let full = with(with(ae(), "nl", json!("node-1")), "apn", json!("Hall light"));
    let first = world.ask(&old, create(Some("Clight1"), full)).await.pc.unwrap();
    let below = Resource {
        ri: "cnt-1".into(),
        ty: 3,
        rn: "light".into(),
        pi: "Clight1".into(),
        ct: "20260101T120000".parse().unwrap(),
        lt: "20260101T120000".parse().unwrap(),
        et: None,
        creator: None,
        credential_id: None,
        attributes: serde_json::Map::new(),
    };
    world.store.write("test.insert", move |tx| tx.insert(&below)).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(60));

    let (replaced, new) =
        world.replace("new@home.example.org", 9, Some(of_stem("Clight1")), false).await.unwrap();
    assert_eq!(
        replaced.withdrawn,
        [old.credential_id().unwrap().clone(), spare.credential_id().unwrap().clone()]
    );
    assert_eq!((replaced.awaited, replaced.ruled_out), (true, false));
    assert_eq!(replaced.credential.credential_id.as_str(), "12-new@home.example.org");
    for peer in [&old, &spare] {
        assert_eq!(world.state(peer.credential_id().unwrap()).await, CredentialState::Revoked, "F-19");
        for asked in [
            create(Some("Clight1"), ae()),
            request(Operation::Retrieve, "Clight1", Some("Clight1")),
            update("Clight1", "Clight1", json!({ "lbl": ["x"] })),
            request(Operation::Delete, "Clight1", Some("Clight1")),
        ] {
            assert_eq!(world.refuses(peer, asked).await, DENIED);
        }
    }

    let other_app = with(new_ae(), "api", json!("Nother"));
    assert_eq!(world.refuses(&new, create(Some("Clight1"), other_app)).await, Rsc::BadRequest);
    assert_eq!(world.refuses(&new, create(Some("Clight1"), without(new_ae(), "rr"))).await, Rsc::BadRequest);
    assert_eq!(world.refuses(&new, create(Some("Clight2"), new_ae())).await, DENIED);
    let again = world.ask(&new, create(None, new_ae())).await;
    assert_eq!(again.rsc, Rsc::Created);
    let again = again.pc.unwrap();
    let again = &again["m2m:ae"];
    for kept in ["ri", "aei", "rn", "pi", "ct", "api", "apn"] {
        assert_eq!(again[kept], first["m2m:ae"][kept], "{kept} is kept");
    }
    assert_eq!(
        (&again["rr"], &again["srv"], &again["lbl"]),
        (&json!(false), &json!(["2a"]), &json!(["new"]))
    );
    assert!(again.get("poa").is_none() && again.get("nl").is_none(), "the old equipment's: {again}");
    assert_eq!((&again["lt"], &again["et"]), (&json!("20260101T120100"), &json!("20260102T120100")));
    let left = world.store.read(|records| records.resource("cnt-1")).await.unwrap();
    assert!(left.is_some(), "what lies below is kept");
    let row = world.store.read(|records| records.resource("Clight1")).await.unwrap().unwrap();
    assert_eq!(row.credential_id.as_ref(), new.credential_id());
    assert_eq!(
        world.refuses(&new, create(None, new_ae())).await,
        Rsc::OriginatorHasAlreadyRegistered,
        "F-24: once"
    );
    let lines = world.store.read(|records| records.audit_page(None, 2)).await.unwrap();
    let lines: Vec<(&str, Option<&str>)> =
        lines.iter().map(|line| (line.record.action.as_str(), line.record.source.as_deref())).collect();
    assert_eq!(
        lines,
        [("registration.replace", Some("192.0.2.8:5000")), ("credential.rebind", Some("operator test"))]
    );
}

/// The operator may allow another application.
#[tokio::test]
async fn another_application_where_allowed() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    world.ask(&old, create(Some("Clight1"), ae())).await;
    let (_, new) = world.replace("new@home.example.org", 9, Some(of_stem("Clight1")), true).await.unwrap();
    let wrong_letter = with(new_ae(), "api", json!("Xother"));
    assert_eq!(world.refuses(&new, create(None, wrong_letter)).await, Rsc::BadRequest);
    let other_app = with(new_ae(), "api", json!("Nother"));
    let again = world.ask(&new, create(None, other_app)).await;
    assert_eq!((again.rsc, &again.pc.unwrap()["m2m:ae"]["api"]), (Rsc::Created, &json!("Nother")));
}

/// Before it has registered again, the new equipment is the entity already.
#[tokio::test]
async fn the_registration_waits() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    world.ask(&old, create(Some("Clight1"), ae())).await;
    let (_, new) = world.replace("new@home.example.org", 9, Some(of_stem("Clight1")), false).await.unwrap();
    let own = world.ask(&new, request(Operation::Retrieve, "Clight1", Some("Clight1"))).await;
    assert_eq!(own.rsc, Rsc::Ok);
    assert!(!own.pc.unwrap().to_string().contains('~'));
    assert_eq!(
        world.ask(&new, update("Clight1", "Clight1", json!({ "lbl": ["x"] }))).await.rsc,
        Rsc::Updated
    );
    let other_name = with(new_ae(), "rn", json!("elsewhere"));
    assert_eq!(
        world.ask(&new, create(Some("Clight1"), other_name)).await.rsc,
        Rsc::Created,
        "after an UPDATE too"
    );

    let (_, _second) =
        world.replace("2@home.example.org", 12, Some(of_stem("Clight1")), false).await.unwrap();
    let spare = world.device(3, Some("Clight1")).await;
    assert_eq!(world.ask(&spare, create(None, new_ae())).await.rsc, Rsc::Created, "any of its keys will do");
    let row = world.store.read(|records| records.resource("Clight1")).await.unwrap().unwrap();
    assert_eq!(row.credential_id.as_ref(), spare.credential_id(), "and it is noted which");

    let (_, third) =
        world.replace("third@home.example.org", 10, Some(of_stem("Clight1")), false).await.unwrap();
    assert_eq!(world.refuses(&new, create(None, new_ae())).await, DENIED);
    world.clock.advance(crate::world::DAY);
    let created = world.ask(&third, create(None, with(new_ae(), "api", json!("Nother")))).await;
    assert_eq!(created.rsc, Rsc::Created, "what has expired awaits nobody");
    assert_eq!(created.pc.unwrap()["m2m:ae"]["rn"], "other_name");
}

/// The same `psk_identity` with another key: the credential stays, its version moves on.
#[tokio::test]
async fn the_same_identity_gets_a_new_key() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    let other = world.device(2, Some("Clight1")).await;
    world.ask(&old, create(Some("Clight1"), ae())).await;
    let entity = Some(of_stem("Clight1"));
    let (replaced, new) = world.replace("light1@home.example.org", 9, entity, false).await.unwrap();
    assert_eq!(replaced.withdrawn, [other.credential_id().unwrap().clone()]);
    assert_eq!((replaced.credential.version, new.credential_id()), (2, old.credential_id()));
    let own = || request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.refuses(&old, own()).await, DENIED, "its association proved the old key");
    assert_eq!(world.ask(&new, create(None, new_ae())).await.rsc, Rsc::Created);
}

/// All or nothing, and errors that say what is wrong.
#[tokio::test]
async fn what_cannot_be_replaced() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    let _other = world.device(2, Some("Clight2")).await;
    world.ask(&old, create(Some("Clight1"), ae())).await;
    let before = world.store.digest().await.unwrap();
    for (identity, number, entity, expected) in [
        ("new@home.example.org", 9, None, "whose equipment"),
        ("new@home.example.org", 9, Some(of_stem("Cnobody")), "there is no equipment to replace"),
        ("light2@home.example.org", 9, Some(of_stem("Clight1")), "exists already"),
    ] {
        let error = world.replace(identity, number, entity, false).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let mut taken = NewCredential::new(
        Function::Cse,
        "new@home.example.org".parse().unwrap(),
        Kpsa::new(Secret::new(vec![2; 16]), KeyLengthPolicy::Strict).unwrap(),
        EntityKind::Ae,
    );
    taken.entity = Some(of_stem("Clight1"));
    let settings = world.settings.clone();
    let rebind = move |tx: &mut Tx<'_>| replace_equipment(tx, &settings, &taken, false, "operator");
    let error = world.store.write("test.rebind", rebind).await.unwrap_err().to_string();
    assert!(error.contains("the key value is that of"), "{error}");
    let mut for_maf =
        NewCredential::new(Function::Maf, "m@maf.example.org".parse().unwrap(), key(9), EntityKind::Ae);
    for_maf.entity = Some(of_stem("Clight1"));
    let settings = world.settings.clone();
    let rebind = move |tx: &mut Tx<'_>| replace_equipment(tx, &settings, &for_maf, false, "operator");
    assert!(world.store.write("test.rebind", rebind).await.is_err());
    assert_eq!(world.store.digest().await.unwrap(), before, "the old equipment goes on");
    let own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.ask(&old, own).await.rsc, Rsc::Ok);
}

/// A gateway is replaced like a light; a local AE gets a key of its own, and the local peer loses it.
#[tokio::test]
async fn other_equipment() {
    let world = World::new().await;
    let csr = |name: &str| {
        let mut creation = request(Operation::Create, "home_gateway", Some("/mn-7"));
        creation.ty = Some(16);
        let cb = format!("/mn-7/{name}");
        creation.pc = Some(
            json!({ "m2m:csr": { "rn": name, "cb": cb, "rr": true, "srv": ["3"], "dcse": ["/asn-1"] } }),
        );
        creation
    };
    let old = world.cse(7, "//example.org/mn-7").await;
    world.ask(&old, csr("gateway")).await;
    let entity = Some(EntityId::Cse("//example.org/mn-7".parse().unwrap()));
    let (replaced, new) = world.replace("new7@home.example.org", 9, entity, false).await.unwrap();
    assert!(replaced.awaited);
    assert_eq!(world.refuses(&old, csr("gateway")).await, Rsc::SecurityAssociationRequired);
    let mut creation = csr("newer");
    creation.pc.as_mut().unwrap()["m2m:csr"].as_object_mut().unwrap().remove("dcse");
    let again = world.ask(&new, creation).await;
    assert_eq!(again.rsc, Rsc::Created);
    let again = again.pc.unwrap();
    let again = &again["m2m:csr"];
    assert_eq!(
        (&again["rn"], &again["cb"], &again["csi"]),
        (&json!("gateway"), &json!("/mn-7/newer"), &json!("/mn-7"))
    );
    assert!(again.get("dcse").is_none());
    assert_eq!(world.refuses(&new, csr("gateway")).await, Rsc::OriginatorHasAlreadyRegistered);

    let local = Channel::Local(OsPeer::Account(1000));
    world.ask(&local, create(Some("Cgw"), ae())).await;
    let (replaced, panel) =
        world.replace("gw@home.example.org", 10, Some(of_stem("Cgw")), false).await.unwrap();
    assert!(replaced.awaited && replaced.withdrawn.is_empty());
    let own = || request(Operation::Retrieve, "Cgw", Some("Cgw"));
    assert_eq!(world.refuses(&local, own()).await, DENIED);
    assert_eq!(world.ask(&panel, create(None, new_ae())).await.rsc, Rsc::Created);
    assert_eq!(world.refuses(&local, create(Some("Cgw"), ae())).await, DENIED);
}

/// Rules name credentials: the operator is told if none is for the new one.
#[tokio::test]
async fn rules_must_follow() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    world.ask(&old, create(Some("Clight1"), ae())).await;
    let rule = |name: &str, id: &str| ServiceRule {
        name: name.parse().unwrap(),
        rule: Rule {
            credentials: Some(vec![id.parse().unwrap()]),
            app_ids: vec!["Nlight.example".parse().unwrap()],
            stems: vec!["Clight*".parse().unwrap()],
            roles: Vec::new(),
        },
    };
    let rules = vec![rule("old", "12-light1@home.example.org"), rule("newer", "12-newer@home.example.org")];
    let settings = world.settings.clone();
    let add = move |tx: &mut Tx<'_>| add_service_rules(tx, &settings, &rules, 1, "operator");
    world.store.write("test.rules", add).await.unwrap();
    let entity = || Some(of_stem("Clight1"));
    let (replaced, new) = world.replace("new@home.example.org", 9, entity(), false).await.unwrap();
    assert!(replaced.ruled_out);
    assert_eq!(world.refuses(&new, create(None, new_ae())).await, Rsc::AppRuleValidationFailed);
    let (replaced, newer) = world.replace("newer@home.example.org", 10, entity(), false).await.unwrap();
    assert!(!replaced.ruled_out);
    assert_eq!(world.ask(&newer, create(None, new_ae())).await.rsc, Rsc::Created);
    let id = newer.credential_id().unwrap().clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
}
