//! Outside of any association: AEs on the same equipment (TS-0003 §6.1.2.2.1, TS-0004 §7.3.2.1, register A-54), and
//! clear text, X5 to X7 of the acceptance scenario.

use identity::{Channel, CseType, OsPeer, Rule};
use onem2m::{
    id::EntityKind,
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use store::{Audit as _, Resources as _};

use crate::world::{World, ae, create, request, update, with, without};

const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;
const REQUIRED: Rsc = Rsc::SecurityAssociationRequired;

fn account(uid: u32) -> Channel {
    Channel::Local(OsPeer::Account(uid))
}

fn process(uid: u32, pid: u32) -> Channel {
    Channel::Local(OsPeer::Process { uid, pid })
}

fn connection(number: u64) -> Channel {
    Channel::Local(OsPeer::Connection(number))
}

fn clear() -> Channel {
    Channel::Clear("192.0.2.9:7000".parse().unwrap())
}

fn gateway_ae() -> Value {
    with(with(ae(), "rn", json!("gateway_ae")), "api", json!("Ngw.example"))
}

/// Everything but a registration, in the name of `from`.
fn everything(from: &str, to: &str) -> Vec<Request> {
    let mut container = request(Operation::Create, to, Some(from));
    container.ty = Some(3);
    container.pc = Some(json!({ "m2m:cnt": {} }));
    let mut csr = request(Operation::Create, to, Some(from));
    csr.ty = Some(16);
    csr.pc = Some(json!({ "m2m:csr": {} }));
    vec![
        container,
        csr,
        request(Operation::Retrieve, to, Some(from)),
        update(from, to, json!({ "lbl": ["x"] })),
        request(Operation::Delete, to, Some(from)),
        request(Operation::Notify, to, Some(from)),
    ]
}

/// B4 over the local link: the AE belongs to the account that registered it.
#[tokio::test]
async fn an_ae_on_the_same_equipment() {
    let world = World::new().await;
    let gw = account(1000);
    let created = world.ask(&gw, create(Some("Cgw"), gateway_ae())).await;
    assert_eq!(created.rsc, Rsc::Created);
    let content = created.pc.unwrap();
    assert_eq!(content["m2m:ae"]["aei"], "Cgw");
    assert!(
        !content.to_string().contains('~'),
        "what is kept beside the attributes does not show: {content}"
    );
    assert_eq!(world.ask(&gw, request(Operation::Retrieve, "Cgw", Some("Cgw"))).await.pc, Some(content));
    assert_eq!(world.ask(&gw, request(Operation::Retrieve, "-", Some("Cgw"))).await.rsc, Rsc::Ok);
    assert_eq!(world.ask(&gw, update("Cgw", "Cgw", json!({ "lbl": ["x"] }))).await.rsc, Rsc::Updated);
    assert_eq!(
        world.refuses(&gw, create(Some("Cgw"), ae())).await,
        Rsc::OriginatorHasAlreadyRegistered,
        "its own"
    );
    for stranger in [account(1001), process(1000, 7), connection(1000), clear()] {
        for asked in everything("Cgw", "home_gateway/gateway_ae") {
            assert_eq!(world.refuses(&stranger, asked).await, DENIED, "{stranger}");
        }
    }
    for stranger in [account(1001), process(1000, 7), connection(1000)] {
        assert_eq!(world.refuses(&stranger, create(Some("Cgw"), ae())).await, DENIED, "{stranger}");
    }
    let other = world.ask(&account(1001), create(Some("Cpanel"), with(ae(), "rn", json!("panel")))).await;
    assert_eq!(other.rsc, Rsc::Created);
    let asked = request(Operation::Retrieve, "Cgw", Some("Cpanel"));
    assert_eq!(world.refuses(&account(1001), asked).await, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(world.ask(&gw, request(Operation::Delete, "Cgw", Some("Cgw"))).await.rsc, Rsc::Deleted);
    for asked in everything("Cgw", "home_gateway") {
        assert_eq!(world.refuses(&gw, asked).await, DENIED, "not registered any more");
    }
    let lines = world.store.read(|records| records.audit_page(None, 10)).await.unwrap();
    let sources: Vec<_> =
        lines.into_iter().map(|line| (line.record.source, line.record.credential_id)).collect();
    assert!(sources.contains(&(Some("local uid 1000".into()), None)), "{sources:?}");
}

/// What is left to the registrar, and what a local AE may not take: a name that belongs to a key.
#[tokio::test]
async fn local_names() {
    let world = World::new().await;
    let gw = account(1000);
    for from in [None, Some("C")] {
        let created = world.ask(&gw, create(from, without(ae(), "rn"))).await;
        let content = created.pc.unwrap();
        let stem = content["m2m:ae"]["aei"].as_str().unwrap().to_owned();
        assert!(stem.starts_with('C') && stem.len() == 17);
        assert_eq!(world.ask(&gw, request(Operation::Retrieve, &stem, Some(&stem))).await.rsc, Rsc::Ok);
    }
    assert_eq!(world.refuses(&gw, create(Some("S"), ae())).await, Rsc::NotImplemented);
    assert_eq!(world.refuses(&gw, create(Some("Sgw"), ae())).await, Rsc::NotImplemented);
    let light = world.device(1, Some("Clight1")).await;
    assert_eq!(world.refuses(&gw, create(Some("Clight1"), ae())).await, DENIED, "reserved for its key");
    world.ask(&light, create(Some("Clight1"), ae())).await;
    assert_eq!(world.refuses(&gw, create(Some("Clight1"), ae())).await, DENIED, "and registered");
    assert_eq!(
        world.refuses(&gw, create(Some("Cx"), ae())).await,
        Rsc::Conflict,
        "its resourceName is taken"
    );
    let center = World::of(CseType::In).await;
    let content = center.ask(&gw, create(Some("S"), ae())).await.pc.unwrap();
    assert!(content["m2m:ae"]["aei"].as_str().unwrap().starts_with('S'));
}

/// X5 to X7 and F-21: in the clear nothing is possible.
#[tokio::test]
async fn nothing_in_the_clear() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    world.ask(&account(1000), create(Some("Cgw"), gateway_ae())).await;
    for from in ["Cunknown", "Clight1", "Cgw", "Sx"] {
        for asked in everything(from, "home_gateway/light_ae1") {
            assert_eq!(world.refuses(&clear(), asked).await, DENIED, "X5, X6: {from}");
        }
    }
    for from in ["/mn-cse-123456", "/mn-7", "/mn-7/Clight1", "//example.org/mn-cse-123456/Clight1"] {
        for channel in [clear(), account(1000)] {
            for asked in everything(from, "home_gateway/light_ae1") {
                assert_eq!(world.refuses(&channel, asked).await, REQUIRED, "X7, A-54: {from}");
            }
            assert_eq!(world.refuses(&channel, create(Some(from), ae())).await, REQUIRED);
        }
    }
    for from in [None, Some("C"), Some("S"), Some("Cunknown"), Some("Clight1")] {
        assert_eq!(world.refuses(&clear(), create(from, ae())).await, REQUIRED, "F-21: {from:?}");
    }
    assert_eq!(world.refuses(&clear(), request(Operation::Retrieve, "-", None)).await, Rsc::BadRequest);
}

/// X6 on this equipment too: who registered over an association is valid only inside of it.
#[tokio::test]
async fn an_associated_ae_is_not_a_local_one() {
    let world = World::new().await;
    let light = world.device(1, Some("Clight1")).await;
    world.ask(&light, create(Some("Clight1"), ae())).await;
    for asked in everything("Clight1", "home_gateway/light_ae1") {
        assert_eq!(world.refuses(&account(0), asked).await, DENIED);
    }
    let own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.ask(&light, own).await.rsc, Rsc::Ok);
}

/// Register A-25: only rules without applicableCredIDs are for registrations without an association.
#[tokio::test]
async fn rules_for_local_registrations() {
    let world = World::new().await;
    let rule = |name: &str, credentials: Option<&str>, app: &str, stem: &str| cse::ServiceRule {
        name: name.parse().unwrap(),
        rule: Rule {
            credentials: credentials.map(|text| vec![text.parse().unwrap()]),
            app_ids: vec![app.parse().unwrap()],
            stems: vec![stem.parse().unwrap()],
            roles: Vec::new(),
        },
    };
    let rules = vec![rule("gw", None, "Ngw.example", "Cgw"), rule("any", Some("*"), "Nlight.example", "C*")];
    let settings = world.settings.clone();
    let add = move |tx: &mut store::Tx<'_>| cse::add_service_rules(tx, &settings, &rules, 1, "operator");
    world.store.write("test.rules", add).await.unwrap();
    let gw = account(1000);
    let no_rule = Rsc::AppRuleValidationFailed;
    assert_eq!(
        world.refuses(&gw, create(Some("Cother"), gateway_ae())).await,
        DENIED,
        "one stem, and not this one"
    );
    assert_eq!(world.refuses(&gw, create(Some("Cgw"), ae())).await, no_rule, "another application");
    assert_eq!(world.refuses(&gw, create(None, ae())).await, no_rule, "* needs an association");
    let created = world.ask(&gw, create(None, gateway_ae())).await;
    assert_eq!(created.pc.unwrap()["m2m:ae"]["aei"], "Cgw");
    let light = world.device(1, None).await;
    assert_eq!(world.refuses(&light, create(Some("Cgw"), ae())).await, DENIED, "taken by the local AE");
    let with_key = world.holder(2, EntityKind::Ae, None).await;
    assert_eq!(world.refuses(&with_key, create(Some("Cgw"), gateway_ae())).await, no_rule);
}

/// A process or a connection ends, and what it registered with it; an account stays.
#[tokio::test]
async fn what_a_local_peer_leaves_behind() {
    let world = World::new().await;
    let registered = async |channel: &Channel, stem: &str| {
        let content = with(ae(), "rn", json!(stem));
        world.ask(channel, create(Some(stem), content)).await.rsc
    };
    for (channel, stem) in [(account(1), "Ca"), (process(1, 7), "Cb"), (connection(3), "Cc")] {
        assert_eq!(registered(&channel, stem).await, Rsc::Created);
        let Channel::Local(peer) = &channel else { panic!() };
        let ended = world.registrar.end_local(peer).await.unwrap();
        let stays = matches!(peer, OsPeer::Account(_));
        assert_eq!(ended, usize::from(!stays), "{channel}");
        let stem = stem.to_owned();
        let left = world.store.read(move |records| records.resource(&stem)).await.unwrap();
        assert_eq!(left.is_some(), stays, "{channel}");
    }
    assert_eq!(registered(&process(1, 8), "Cd").await, Rsc::Created);
    assert_eq!(registered(&process(1, 9), "Cd").await, DENIED, "its sibling is still here");
    assert_eq!(registered(&process(2, 9), "Ca").await, DENIED);
    let line = world.store.read(|records| records.audit_page(None, 100)).await.unwrap();
    let ended = line.iter().filter(|line| line.record.action == "registration.end").count();
    assert_eq!(ended, 2);
}

/// After a restart a process is known by what is stored; one that is no more leaves its name to the account, and
/// a connection to any other.
#[tokio::test]
async fn a_restart_of_the_registrar() {
    let mut world = World::new().await;
    for (channel, stem) in [(process(1, 7), "Cprocess"), (connection(3), "Cconnection")] {
        let content = with(ae(), "rn", json!(stem));
        assert_eq!(world.ask(&channel, create(Some(stem), content)).await.rsc, Rsc::Created);
    }
    world.restart().await;
    let again = |stem: &str| create(Some(stem), with(ae(), "rn", json!(stem)));
    assert_eq!(world.refuses(&process(2, 8), again("Cprocess")).await, DENIED, "another account");
    assert_eq!(world.refuses(&connection(4), again("Cprocess")).await, DENIED);
    assert_eq!(world.refuses(&process(1, 8), again("Cconnection")).await, DENIED);
    let own = request(Operation::Retrieve, "Cprocess", Some("Cprocess"));
    assert_eq!(world.ask(&process(1, 7), own.clone()).await.rsc, Rsc::Ok, "it is still the same process");
    assert_eq!(world.refuses(&process(1, 8), again("Cprocess")).await, DENIED, "and here");
    world.restart().await;
    assert_eq!(world.ask(&process(1, 8), again("Cprocess")).await.rsc, Rsc::Created);
    assert_eq!(world.refuses(&process(1, 7), own.clone()).await, DENIED);
    assert_eq!(world.ask(&process(1, 8), own).await.rsc, Rsc::Ok);
    assert_eq!(world.ask(&connection(4), again("Cconnection")).await.rsc, Rsc::Created);
}
