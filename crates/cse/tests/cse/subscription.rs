//! Service rules at registration: TS-0001 §10.2.2.2 step 003, TS-0004 §7.3.2.7; variants B7 to B10 and X2 of the
//! acceptance scenario.

use std::sync::Arc;

use cse::{
    AbsentLists, ServiceRule, ServiceSubscription, SubscriptionState, add_service_rules,
    drop_service_subscription, remove_service_rule, service_rules, subscription_state,
};
use identity::{CseType, Peer, Rule};
use onem2m::{
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
};
use serde_json::{Value, json};
use store::{Audit as _, CredentialsMut as _, Resources as _, ResourcesMut as _, StoreError};

use crate::world::{World, ae, create, request, with, without};

const NO_RULE: Rsc = Rsc::AppRuleValidationFailed;
const NOT_ESTABLISHED: Rsc = Rsc::ServiceSubscriptionNotEstablished;
const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;

fn rule(name: &str, credentials: Option<&[&str]>, app_ids: &[&str], stems: &[&str]) -> ServiceRule {
    let parsed = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    ServiceRule {
        name: name.parse().unwrap(),
        rule: Rule {
            credentials: credentials.map(parsed),
            app_ids: app_ids.iter().map(|text| text.parse().unwrap()).collect(),
            stems: stems.iter().map(|text| text.parse().unwrap()).collect(),
            roles: Vec::new(),
        },
    }
}

/// The credential of device `number`.
fn cred(number: u8) -> String {
    format!("12-light{number}@home.example.org")
}

/// The one stem for the one credential, as the lights of the scenario have it.
fn light(number: u8) -> ServiceRule {
    rule(
        &format!("light{number}"),
        Some(&[&cred(number)]),
        &["Nlight.example"],
        &[&format!("Clight{number}")],
    )
}

impl World {
    async fn provision(&self, rules: Vec<ServiceRule>) -> Result<(), StoreError> {
        let settings = self.settings.clone();
        let revision = self.draw();
        let add =
            move |tx: &mut store::Tx<'_>| add_service_rules(tx, &settings, &rules, revision, "operator");
        self.store.write("test.rules", add).await
    }

    async fn withdraw(&self, name: &str) -> Result<usize, StoreError> {
        let (settings, name) = (self.settings.clone(), name.parse().unwrap());
        let revision = self.draw();
        let remove =
            move |tx: &mut store::Tx<'_>| remove_service_rule(tx, &settings, &name, revision, "operator");
        self.store.write("test.rules", remove).await
    }
}

fn named(name: &str) -> Value {
    with(ae(), "rn", json!(name))
}

async fn assigned(world: &World, peer: &Arc<Peer>, from: Option<&str>, content: Value) -> String {
    let created = world.ask(peer, create(from, content)).await;
    assert_eq!(created.rsc, Rsc::Created, "{from:?}: {:?}", created.debug_info());
    created.pc.unwrap()["m2m:ae"]["aei"].as_str().unwrap().to_owned()
}

/// B2, B8, X2 with the lights of the scenario, whose credentials are bound to nobody: the rules alone decide.
#[tokio::test]
async fn a_rule_gives_the_credential_its_stem() {
    let world = World::new().await;
    let (light1, light2) = (world.device(1, None).await, world.device(2, None).await);
    assert_eq!(
        world.refuses(&light1, create(Some("Clight1"), ae())).await,
        DENIED,
        "without rules no choice"
    );
    world.provision(vec![light(1), light(2)]).await.unwrap();
    for stem in ["Clight2", "Cnobody"] {
        assert_eq!(world.refuses(&light1, create(Some(stem), ae())).await, DENIED, "X2");
    }
    let other_app = with(ae(), "api", json!("Nother"));
    assert_eq!(world.refuses(&light1, create(Some("Clight1"), other_app)).await, NO_RULE, "B8");
    assert_eq!(world.refuses(&light1, create(Some("S"), ae())).await, NO_RULE);
    assert_eq!(assigned(&world, &light1, Some("Clight1"), ae()).await, "Clight1");
    assert_eq!(
        world.refuses(&light1, create(Some("Clight1"), ae())).await,
        Rsc::OriginatorHasAlreadyRegistered
    );
    for stem in ["Clight1", "Cnobody"] {
        assert_eq!(world.refuses(&light2, create(Some(stem), ae())).await, DENIED, "X2, registered or not");
    }
    assert_eq!(
        assigned(&world, &light2, None, named("light_ae2")).await,
        "Clight2",
        "the only one it may have"
    );
    let subject = light2.subject().unwrap().to_string();
    assert_eq!(subject, "//example.org/mn-cse-123456/Clight2");
    let own = request(Operation::Retrieve, "Clight2", Some("Clight2"));
    assert_eq!(world.ask(&light2, own).await.rsc, Rsc::Ok);
}

/// TS-0001 §9.6.29: the roles that a registration names are part of what a rule allows.
#[tokio::test]
async fn a_rule_says_which_roles_a_registration_may_name() {
    let world = World::new().await;
    let light1 = world.device(1, Some("Clight1")).await;
    let in_roles = |roles: &[&str]| {
        let mut request = create(Some("Clight1"), ae());
        request.rids = Some(roles.iter().map(|role| (*role).to_owned()).collect());
        request
    };
    let not_implemented = Rsc::NotImplemented;
    assert_eq!(world.refuses(&light1, in_roles(&["admin@x.org"])).await, not_implemented, "without rules");
    let mut rule = light(1);
    rule.rule.roles = vec!["admin@x.org".parse().unwrap(), "guest@x.org".parse().unwrap()];
    world.provision(vec![rule.clone()]).await.unwrap();
    assert_eq!(world.store.read(|records| service_rules(records)).await.unwrap(), [rule], "stored as ari");
    for (roles, expected) in [
        (&["admin"][..], Rsc::BadRequest),
        (&["root@x.org"], NO_RULE),
        (&["admin@x.org", "root@x.org"], NO_RULE),
    ] {
        assert_eq!(world.refuses(&light1, in_roles(roles)).await, expected, "{roles:?}");
    }
    assert_eq!(world.ask(&light1, in_roles(&["guest@x.org"])).await.rsc, Rsc::Created);
    let mut own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    own.rids = Some(vec!["guest@x.org".into()]);
    assert_eq!(
        world.refuses(&light1, own).await,
        not_implemented,
        "there are no rights that roles could give"
    );
}

/// Register A-52.
#[tokio::test]
async fn a_list_that_is_left_out_allows_nothing_unless_the_operator_says_so() {
    let mut world = World::new().await;
    let light1 = world.device(1, None).await;
    let open = rule("open", Some(&["12-*@home.example.org"]), &[], &[]);
    let refused = world.provision(vec![open.clone()]).await.unwrap_err().to_string();
    assert!(refused.contains("it would allow nothing (absent_rule_lists)"), "{refused}");
    world.settings.absent_rule_lists = AbsentLists::Anything;
    world.provision(vec![open.clone()]).await.unwrap();
    assert_eq!(world.store.read(|records| service_rules(records)).await.unwrap(), [open], "kept as written");
    assert_eq!(world.refuses(&light1, create(Some("Clight1"), ae())).await, NO_RULE);
    world.restart().await;
    assert_eq!(assigned(&world, &light1, Some("Clight1"), ae()).await, "Clight1");
}

/// B7: a wildcard leaves the choice to the registrar, or to the device.
#[tokio::test]
async fn a_pattern_leaves_a_choice() {
    let world = World::new().await;
    let any = rule("any", Some(&["12-*@home.example.org"]), &["*"], &["Clamp*x"]);
    world.provision(vec![any]).await.unwrap();
    for (number, from) in [(1, None), (2, Some("C")), (3, Some(""))] {
        let device = world.device(number, None).await;
        let stem = assigned(&world, &device, from, without(ae(), "rn")).await;
        assert!(
            stem.starts_with("Clamp") && stem.ends_with('x') && stem.len() == 22,
            "64 bits within: {stem}"
        );
    }
    let device = world.device(4, None).await;
    for stem in ["Clamp", "Cother", "Slampx"] {
        assert_eq!(
            world.refuses(&device, create(Some(stem), ae())).await,
            NO_RULE,
            "{stem}: a pattern, no fit"
        );
    }
    assert_eq!(assigned(&world, &device, Some("Clamp4x"), ae()).await, "Clamp4x");
    let rival = world.device(5, None).await;
    assert_eq!(world.refuses(&rival, create(Some("Clamp4x"), ae())).await, DENIED, "taken, and not 4117");
    let _reserved = world.device(6, Some("Clamp6x")).await;
    assert_eq!(world.refuses(&rival, create(Some("Clamp6x"), ae())).await, DENIED, "reserved");
    assert_eq!(rival.subject(), None);
    let own = request(Operation::Retrieve, "Clamp4x", Some("Clamp4x"));
    assert_eq!(world.refuses(&rival, own).await, DENIED);
    assert_eq!(assigned(&world, &rival, Some("Clamp5x"), named("rival")).await, "Clamp5x");
}

/// An identity that is bound already is held against the rules as well.
#[tokio::test]
async fn a_bound_credential_needs_a_rule_too() {
    let world = World::new().await;
    let (light1, stranger) = (world.device(1, Some("Clight1")).await, world.device(2, Some("Cother")).await);
    world.provision(vec![light(1)]).await.unwrap();
    for from in [None, Some("C"), Some("Cother")] {
        assert_eq!(world.refuses(&stranger, create(from, ae())).await, NO_RULE, "{from:?}");
    }
    assert_eq!(world.refuses(&stranger, create(Some("Clight1"), ae())).await, DENIED);
    assert_eq!(assigned(&world, &light1, None, ae()).await, "Clight1");
    assert_eq!(world.withdraw("light1").await.unwrap(), 0);
    let own = request(Operation::Delete, "Clight1", Some("Clight1"));
    assert_eq!(world.ask(&light1, own).await.rsc, Rsc::Deleted, "rules are for registrations");
    assert_eq!(world.refuses(&light1, create(Some("Clight1"), ae())).await, NO_RULE, "no rule is left");
}

/// B9 and register A-49.
#[tokio::test]
async fn without_a_profile_the_setting_decides() {
    let strict = World::with(CseType::Mn, ServiceSubscription::Enforce).await;
    let light1 = strict.device(1, Some("Clight1")).await;
    assert_eq!(strict.refuses(&light1, create(Some("Clight1"), ae())).await, NOT_ESTABLISHED);
    assert_eq!(strict.refuses(&light1, create(Some("Clight2"), ae())).await, DENIED, "identity first");
    let mut elsewhere = create(Some("Clight1"), ae());
    elsewhere.to = "/in-cse/server".into();
    assert_eq!(strict.refuses(&light1, elsewhere).await, NOT_ESTABLISHED, "step 6.0.2 before 6.1");
    strict.provision(vec![light(1)]).await.unwrap();
    assert_eq!(assigned(&strict, &light1, None, ae()).await, "Clight1");
    let dropped =
        strict.store.write("test.drop", |tx| drop_service_subscription(tx, "operator")).await.unwrap();
    assert_eq!(dropped, 1);
    let light2 = strict.device(2, Some("Clight2")).await;
    assert_eq!(strict.refuses(&light2, create(Some("Clight2"), ae())).await, NOT_ESTABLISHED);

    let lenient = World::new().await;
    let light2 = lenient.device(2, Some("Clight2")).await;
    lenient.provision(vec![light(1)]).await.unwrap();
    assert_eq!(lenient.refuses(&light2, create(None, ae())).await, NO_RULE, "one profile is enough");
    lenient.store.write("test.drop", |tx| drop_service_subscription(tx, "operator")).await.unwrap();
    assert_eq!(
        assigned(&lenient, &light2, None, ae()).await,
        "Clight2",
        "and none, as if there had been none"
    );
}

/// B9: a profile whose node is another's.
#[tokio::test]
async fn a_profile_without_this_node() {
    let world = World::new().await;
    let light1 = world.device(1, Some("Clight1")).await;
    world.provision(vec![light(1)]).await.unwrap();
    let settings = world.settings.clone();
    let elsewhere = |tx: &mut store::Tx<'_>| {
        let mut node = tx.resource("svsn")?.unwrap();
        node.attributes.insert("csi".into(), json!("/mn-other"));
        tx.update(&node)
    };
    world.store.write("test.node", elsewhere).await.unwrap();
    assert_eq!(world.refuses(&light1, create(None, ae())).await, NOT_ESTABLISHED);
    let state = world.store.read(move |records| subscription_state(records, &settings)).await.unwrap();
    assert_eq!(state, SubscriptionState::NotForThisCse);
}

/// B10 and access control sheet 4.3: the rules come before the address and the representation.
#[tokio::test]
async fn the_order_of_refusals() {
    let world = World::new().await;
    let light1 = world.device(1, Some("Clight1")).await;
    world.provision(vec![light(1)]).await.unwrap();
    let wrong_app = with(without(ae(), "rr"), "api", json!("Xlight"));
    for to in ["/in-cse/server", "home_gateway/nothing", "home_gateway"] {
        let mut asked = create(Some("Clight1"), wrong_app.clone());
        asked.to = to.into();
        assert_eq!(world.refuses(&light1, asked).await, NO_RULE, "4126 before the App-ID's letter: {to}");
    }
    let mut elsewhere = create(Some("Clight1"), without(ae(), "rr"));
    elsewhere.to = "/in-cse/server".into();
    assert_eq!(world.refuses(&light1, elsewhere).await, Rsc::BadRequest, "X32");
    let mut nowhere = create(Some("Clight1"), without(ae(), "rr"));
    nowhere.to = "home_gateway/nothing".into();
    assert_eq!(world.refuses(&light1, nowhere).await, Rsc::NotFound);
    assert_eq!(world.withdraw("light1").await.unwrap(), 0);
    world.provision(vec![rule("any", Some(&["*"]), &["*"], &["*"])]).await.unwrap();
    for content in [
        without(ae(), "rr"),
        with(ae(), "cr", json!("x")),
        with(ae(), "api", json!("Xlight")),
        without(ae(), "api"),
        with(ae(), "api", json!(7)),
    ] {
        assert_eq!(world.refuses(&light1, create(Some("Clight1"), content)).await, Rsc::BadRequest, "B10");
    }
    let device = world.device(2, None).await;
    let mut no_rr = create(Some("S"), without(ae(), "rr"));
    assert_eq!(world.refuses(&device, no_rr.clone()).await, Rsc::BadRequest, "before the missing <AEAnnc>");
    no_rr.pc = Some(json!({ "m2m:ae": ae() }));
    assert_eq!(world.refuses(&device, no_rr).await, Rsc::NotImplemented);
}

/// TS-0001 §10.2.2.2 cases a and b: what the IN-CSE would have to hear of.
#[tokio::test]
async fn stems_of_the_service_provider() {
    let rules = || {
        vec![
            rule("free", Some(&[&cred(1)]), &["*"], &["S*"]),
            rule("named", Some(&[&cred(2)]), &["*"], &["Smeter"]),
            rule("only", Some(&[&cred(3)]), &["*"], &["Sonly"]),
        ]
    };
    let gateway = World::new().await;
    gateway.provision(rules()).await.unwrap();
    let (free, meter) = (gateway.device(1, None).await, gateway.device(2, None).await);
    for from in [None, Some("S"), Some("Sfree")] {
        assert_eq!(gateway.refuses(&free, create(from, ae())).await, Rsc::NotImplemented, "{from:?}");
    }
    assert_eq!(gateway.refuses(&meter, create(Some("S"), ae())).await, Rsc::NotImplemented);
    assert_eq!(
        assigned(&gateway, &meter, Some("Smeter"), ae()).await,
        "Smeter",
        "the operator wrote it down"
    );
    let center = World::of(CseType::In).await;
    center.provision(rules()).await.unwrap();
    let (free, only) = (center.device(1, None).await, center.device(3, None).await);
    assert!(assigned(&center, &free, None, ae()).await.starts_with('S'));
    assert_eq!(assigned(&center, &only, Some("S"), named("x")).await, "Sonly");
}

/// X23, and: what the operator provisioned is nobody's on the wire.
#[tokio::test]
async fn rules_are_closed_to_the_wire() {
    let world = World::new().await;
    let light1 = world.device(1, Some("Clight1")).await;
    let gateway = world.cse(7, "//example.org/mn-7").await;
    world.provision(vec![light(1)]).await.unwrap();
    world.ask(&light1, create(Some("Clight1"), ae())).await;
    let mut csr = request(Operation::Create, "home_gateway", Some("/mn-7"));
    csr.ty = Some(16);
    csr.pc = Some(json!({ "m2m:csr": { "cb": "/mn-7/x", "rr": true, "srv": ["3"] } }));
    assert_eq!(world.ask(&gateway, csr).await.rsc, Rsc::Created, "no gate for CSEs");
    let attempts = |from: &str| -> Vec<(Request, Rsc)> {
        let mut all = Vec::new();
        for to in ["mssp", "home_gateway/mssp", "home_gateway/mssp/svsn", "svsn", "asar-light1"] {
            let mut change = request(Operation::Update, to, Some(from));
            change.pc = Some(json!({ "m2m:asar": { "aae": ["*"] } }));
            for asked in [
                request(Operation::Retrieve, to, Some(from)),
                request(Operation::Delete, to, Some(from)),
                change,
            ] {
                all.push((asked, Rsc::OriginatorHasNoPrivilege));
            }
        }
        for (ty, to) in [(11, "home_gateway"), (19, "home_gateway"), (20, "mssp"), (19, "Clight1")] {
            let mut creation = request(Operation::Create, to, Some(from));
            creation.ty = Some(ty);
            creation.pc = Some(json!({ "m2m:asar": { "aae": ["*"] } }));
            all.push((creation, Rsc::OperationNotAllowed));
        }
        all
    };
    for (peer, from) in [(&light1, "Clight1"), (&gateway, "/mn-7")] {
        for (asked, expected) in attempts(from) {
            let what = format!("{asked:?}");
            assert_eq!(world.refuses(peer, asked).await, expected, "{what}");
        }
    }
    let device = world.device(2, Some("Clight2")).await;
    world.provision(vec![light(2)]).await.unwrap();
    for name in ["mssp", "asar-light2", "asar-new"] {
        assert_eq!(
            world.refuses(&device, create(None, named(name))).await,
            Rsc::Conflict,
            "{name} is reserved"
        );
    }
    let center = World::of(CseType::In).await;
    let light1 = center.device(1, Some("Clight1")).await;
    center.ask(&light1, create(Some("Clight1"), ae())).await;
    let mut creation = request(Operation::Create, "home_gateway", Some("Clight1"));
    creation.ty = Some(19);
    creation.pc = Some(json!({ "m2m:asar": { "aae": ["*"] } }));
    assert_eq!(center.refuses(&light1, creation).await, Rsc::OriginatorHasNoPrivilege, "X23 at an IN-CSE");
}

/// What could only be a mistake is refused whole, in words that name it.
#[tokio::test]
async fn conflicting_rules_are_refused() {
    let world = World::new().await;
    let _bound = world.device(1, Some("Clight1")).await;
    world.provision(vec![light(1), light(2)]).await.unwrap();
    let before = world.store.digest().await.unwrap();
    let good = || rule("good", Some(&["*"]), &["*"], &["C*"]);
    for (bad, expected) in [
        (light(2), "a rule of this name exists"),
        (
            rule("x", Some(&[&cred(3)]), &["*"], &["Clight2"]),
            "rule light2 gives Clight2 to other credentials",
        ),
        (rule("x", None, &["*"], &["Clight2"]), "rule light2 gives Clight2 to other credentials"),
        (rule("x", Some(&[&cred(1)]), &[], &["C*"]), "would allow nothing"),
        (rule("x", Some(&[&cred(1)]), &["*"], &[]), "would allow nothing"),
        (rule("x", Some(&[]), &["*"], &["C*"]), "would allow nothing"),
        (rule(&"x".repeat(129), Some(&["*"]), &["*"], &["C*"]), "at most 128 octets"),
    ] {
        let error = world.provision(vec![good(), bad]).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!(world.store.digest().await.unwrap(), before, "not even the good ones");
    assert_eq!(world.withdraw("nothing").await.unwrap_err().to_string(), "there is no rule called nothing");

    let fresh = World::new().await;
    let _bound = fresh.device(1, Some("Clight1")).await;
    let stolen = rule("x", Some(&[&cred(2)]), &["*"], &["Clight1"]);
    let error = fresh.provision(vec![stolen]).await.unwrap_err().to_string();
    assert!(error.contains("Clight1 belongs to credential 12-light1@home.example.org"), "{error}");
    let local = rule("x", None, &["*"], &["Clight1"]);
    assert!(fresh.provision(vec![local]).await.is_err(), "nor to somebody without association");
    let both = rule("x", Some(&[&cred(1), &cred(2)]), &["*"], &["Clight1"]);
    fresh.provision(vec![both]).await.unwrap();
}

/// A change of the rules by another process on the same file counts from the next registration on.
#[tokio::test]
async fn changes_of_rules_are_followed() {
    let world = World::new().await;
    let peers = [world.device(1, Some("Clight1")).await, world.device(2, Some("Clight2")).await];
    world.provision(vec![light(1)]).await.unwrap();
    assert_eq!(world.refuses(&peers[1], create(None, ae())).await, NO_RULE);
    world.provision(vec![light(2)]).await.unwrap();
    assert_eq!(assigned(&world, &peers[1], None, ae()).await, "Clight2");
    world.withdraw("light1").await.unwrap();
    assert_eq!(world.refuses(&peers[0], create(None, named("x"))).await, NO_RULE);
    let listed = world.store.read(|records| service_rules(records)).await.unwrap();
    assert_eq!(listed, [light(2)]);
    let settings = world.settings.clone();
    let state = world.store.read(move |records| subscription_state(records, &settings)).await.unwrap();
    assert_eq!(state, SubscriptionState::Rules(1));
    let audited: Vec<(String, Option<String>)> = world
        .store
        .read(|records| records.audit_page(None, 20))
        .await
        .unwrap()
        .into_iter()
        .filter(|entry| entry.record.action.starts_with("subscription."))
        .map(|entry| (entry.record.action, entry.record.credential_id))
        .collect();
    assert_eq!(
        audited,
        [
            ("subscription.remove".to_owned(), Some(cred(1))),
            ("subscription.add".to_owned(), Some(cred(2))),
            ("subscription.add".to_owned(), Some(cred(1)))
        ]
    );
}

/// A credential that is withdrawn keeps its stem reserved: rules give it to nobody else.
#[tokio::test]
async fn a_withdrawn_key_keeps_its_name() {
    let world = World::new().await;
    let old = world.device(1, Some("Clight1")).await;
    let id = old.credential_id().unwrap().clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    world.provision(vec![rule("new", Some(&[&cred(2)]), &["*"], &["Clight1", "Cother"])]).await.unwrap();
    let new = world.device(2, None).await;
    assert_eq!(world.refuses(&new, create(Some("Clight1"), ae())).await, DENIED);
    assert_eq!(world.refuses(&new, create(None, ae())).await, NO_RULE, "several, and none is picked");
    assert_eq!(assigned(&world, &new, Some("Cother"), ae()).await, "Cother");
}
