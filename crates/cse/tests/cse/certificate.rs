//! Associations by certificate and by enrolled key: whom they stand for, and what else they may not say. TS-0003
//! §8.2.1, X9 to X12 of the smart home.

use std::sync::Arc;

use cse::{ServiceRule, add_service_rules, replace_by_enrolment};
use identity::{
    CseType, Enrolment, Established, Flavour, Framework, Function, Home, Named, Peer, Rule, Surroundings,
    certified,
};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
    time::Timestamp,
};
use serde_json::{Value, json};
use store::{CredentialsMut as _, Enrolled, EnrolmentsMut as _, NewEnrolment, Resources as _, Tx};

use crate::world::{World, ae, create, request, update, with, without};

const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;

fn of_stem(stem: &str) -> AeId {
    AeId::of_stem(&"//example.org/mn-cse-123456".parse().unwrap(), stem.parse().unwrap())
}

fn csr(name: &str) -> Value {
    json!({ "rn": name, "cb": format!("/{name}/base"), "rr": true, "srv": ["3"] })
}

fn register(from: &str, csr: Value) -> Request {
    let mut request = request(Operation::Create, "/mn-cse-123456/home_gateway", Some(from));
    request.ty = Some(16);
    request.pc = Some(json!({ "m2m:csr": csr }));
    request
}

fn retrieve(from: &str, to: &str) -> Request {
    request(Operation::Retrieve, to, Some(from))
}

impl World {
    async fn enrol(&self, new: NewEnrolment) -> Enrolment {
        self.store.write("test.enrol", move |tx| tx.add_enrolment(&new)).await.unwrap()
    }

    /// A CSE whose CSE-ID certificate was verified; there is no record of it.
    fn certified_cse(&self, name: &str) -> Arc<Peer> {
        let infrastructure = "in-cse".parse().unwrap();
        let home = &self.settings.home;
        let here = Surroundings { home, infrastructure: Some(&infrastructure), known: &[] };
        let end: Timestamp = "20270101T000000".parse().unwrap();
        let dns = match home.cse_type {
            CseType::In => format!("{name}.{}.example.org", home.cse.name()),
            _ => format!("{name}.in-cse.example.org"),
        };
        let now = "20260101T120000".parse().unwrap();
        let established = certified(&here, Named::Cse(&dns), None, end, now).unwrap();
        Arc::new(Peer::new(established, "192.0.2.20:5000".parse().unwrap()))
    }
}

fn connected(framework: Framework, enrolment: &Enrolment) -> Arc<Peer> {
    let established = Established::by_enrolment(framework, enrolment);
    Arc::new(Peer::new(established, "192.0.2.7:5000".parse().unwrap()))
}

fn of_key(number: u8) -> NewEnrolment {
    let spki = [number; 91];
    let key = keys::PublicKeyIdentifier::of_spki(keys::PublicKeyHash::Sha256To128, &spki);
    NewEnrolment::new(Function::Cse, Enrolled::PublicKey(key), EntityKind::Ae)
}

fn device(id: &str, stems: &[&str]) -> NewEnrolment {
    let what = Enrolled::Certificate(id.parse().unwrap());
    let allowed = stems.iter().map(|stem| of_stem(stem)).collect();
    NewEnrolment { allowed, ..NewEnrolment::new(Function::Cse, what, EntityKind::Ae) }
}

/// X9 to X12: a rogue gateway with a certificate of its own speaks in nobody else's name, whether that is registered
/// or not.
#[tokio::test]
async fn a_certified_cse_speaks_for_itself_alone() {
    for kind in [CseType::In, CseType::Mn] {
        let world = World::of(kind).await;
        let (rogue, victim) = (world.certified_cse("mn-999"), world.certified_cse("mn-7"));
        assert_eq!(rogue.subject().unwrap().to_string(), "//example.org/mn-999");
        for registered in [false, true] {
            if registered {
                assert_eq!(world.ask(&victim, register("/mn-7", csr("mn-7"))).await.rsc, Rsc::Created);
            }
            assert_eq!(world.refuses(&rogue, register("/mn-7", csr("mn-7"))).await, DENIED, "X9");
        }
        let light = world.device(1, Some("Clight1")).await;
        world.ask(&light, create(Some("Clight1"), ae())).await;
        assert_eq!(world.ask(&rogue, register("/mn-999", csr("mn-999"))).await.rsc, Rsc::Created);
        for from in ["/mn-7", "//example.org/mn-7", "/mn-7/Clight1", "//example.org/mn-7/Clight1"] {
            assert_eq!(world.refuses(&rogue, retrieve(from, "-")).await, DENIED, "X10 {from}");
        }
        for from in ["Cphone1", "Clight1", "Sphone"] {
            assert_eq!(world.refuses(&rogue, retrieve(from, "Clight1")).await, DENIED, "X11 {from}");
        }
        for from in ["/mn-cse-123456/Clight1", "/mn-cse-123456", "//example.org/mn-cse-123456"] {
            assert_eq!(world.refuses(&rogue, retrieve(from, "Clight1")).await, DENIED, "X12 {from}");
        }
        for from in ["/mn-7", "/mn-cse-123456", "/mn-999/Cx", "Clight1"] {
            let registration = register(from, csr("x"));
            assert_eq!(world.refuses(&rogue, registration).await, DENIED, "{from}");
        }
        for honest in [(&victim, "/mn-7", "csr-mn-7"), (&rogue, "/mn-999", "csr-mn-999")] {
            assert_eq!(world.ask(honest.0, retrieve(honest.1, honest.2)).await.rsc, Rsc::Ok);
        }
        let own = retrieve("Clight1", "Clight1");
        assert_eq!(world.ask(&light, own).await.rsc, Rsc::Ok, "the victim's own goes on");
        let as_ae = create(Some("Cx"), ae());
        assert_eq!(world.refuses(&victim, as_ae).await, DENIED, "a CSE-ID certificate speaks for no AE");
    }
}

/// A certificate without a record holds until there is one; its name is revoked by enrolling and revoking it.
#[tokio::test]
async fn a_name_is_revoked_by_its_record() {
    let world = World::new().await;
    let gateway = world.certified_cse("mn-7");
    world.ask(&gateway, register("/mn-7", csr("mn-7"))).await;
    assert_eq!(world.ask(&gateway, retrieve("/mn-7", "csr-mn-7")).await.rsc, Rsc::Ok);
    let what = Enrolled::Certificate(gateway.credential_id().unwrap().clone());
    let enrolment = world.enrol(NewEnrolment::new(Function::Cse, what, EntityKind::Cse)).await;
    assert_eq!(world.refuses(&gateway, retrieve("/mn-7", "csr-mn-7")).await, DENIED, "it attaches again");
    let id = enrolment.credential_id.clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    assert_eq!(world.refuses(&gateway, retrieve("/mn-7", "csr-mn-7")).await, DENIED);
}

/// A device with a self-signed certificate, enrolled by hash: bound at its first registration, like a key.
#[tokio::test]
async fn an_enrolled_key_registers() {
    let world = World::new().await;
    let bound = NewEnrolment { subject: Some(of_stem("Clight1").into()), ..of_key(1) };
    let bound = world.enrol(bound).await;
    let light = connected(Framework::PublicKeyHash, &bound);
    for other in ["Clight2", "Cnobody"] {
        assert_eq!(world.refuses(&light, create(Some(other), ae())).await, DENIED);
    }
    assert_eq!(world.ask(&light, create(None, ae())).await.rsc, Rsc::Created);
    let open = world.enrol(of_key(2)).await;
    let (first, second) =
        (connected(Framework::PublicKeyHash, &open), connected(Framework::PublicKeyHash, &open));
    assert_eq!(world.refuses(&first, create(Some("Clight1"), without(ae(), "rn"))).await, DENIED);
    let created = world.ask(&first, create(Some("C"), without(ae(), "rn"))).await;
    assert_eq!(created.rsc, Rsc::Created);
    let stem = created.pc.unwrap()["m2m:ae"]["aei"].as_str().unwrap().to_owned();
    assert_eq!(world.ask(&second, retrieve(&stem, &stem)).await.rsc, Rsc::Ok, "the key's from then on");
    let (id, again) = (open.credential_id.clone(), open.credential_id.clone());
    let facts =
        world.store.read(move |records| store::Enrolments::credential_facts(records, &id)).await.unwrap();
    assert_eq!((facts.as_ref().unwrap().version, facts.unwrap().subject), (1, first.subject().cloned()));
    world.store.write("test.revoke", move |tx| tx.revoke(&again)).await.unwrap();
    for peer in [&first, &second] {
        assert_eq!(world.refuses(peer, retrieve(&stem, &stem)).await, DENIED);
    }
}

/// TS-0003 §8.2.1, §7.2.1: the AEs of a device or node, each with its own registration, and none beside them.
#[tokio::test]
async fn a_device_speaks_as_the_aes_of_its_list() {
    for id in ["31-0.2.481.1.100.3030.10011", "34-urn:gsma:imei:90420156-025763-0"] {
        let world = World::new().await;
        let enrolment = world.enrol(device(id, &["Cone", "Ctwo"])).await;
        let flavour = if id.starts_with("31") { Flavour::Device } else { Flavour::NodeId };
        let peer = connected(Framework::Certificate(flavour), &enrolment);
        let named = |name: &str| with(ae(), "rn", json!(name));
        assert_eq!(world.refuses(&peer, create(Some("Cthree"), ae())).await, DENIED);
        assert_eq!(
            world.refuses(&peer, create(None, ae())).await,
            DENIED,
            "none is picked, and no new one made"
        );
        assert_eq!(world.refuses(&peer, create(Some("C"), ae())).await, DENIED);
        for stem in ["Cone", "Ctwo"] {
            assert_eq!(world.ask(&peer, create(Some(stem), named(stem))).await.rsc, Rsc::Created, "{stem}");
        }
        for stem in ["Cone", "Ctwo"] {
            assert_eq!(world.ask(&peer, retrieve(stem, stem)).await.rsc, Rsc::Ok);
            let other = if stem == "Cone" { "Ctwo" } else { "Cone" };
            let across = update(stem, other, json!({ "lbl": ["x"] }));
            assert_eq!(world.refuses(&peer, across).await, Rsc::OriginatorHasNoPrivilege, "each for itself");
        }
        assert_eq!((peer.subject(), peer.allowed().len()), (None, 2), "bound to the list for good");
        let stranger = world.device(9, None).await;
        assert_eq!(world.refuses(&stranger, create(Some("Cone"), ae())).await, DENIED);
        let set = enrolment.credential_id.clone();
        world.store.write("test.list", move |tx| tx.set_allowed(&set, &[of_stem("Cone")])).await.unwrap();
        assert_eq!(world.refuses(&peer, retrieve("Cone", "Cone")).await, DENIED, "it attaches again");
        let set = enrolment.credential_id.clone();
        let now = world.store.read(move |records| store::Enrolments::enrolment(records, &set)).await.unwrap();
        let peer = connected(Framework::Certificate(flavour), &now.unwrap());
        assert_eq!(world.ask(&peer, retrieve("Cone", "Cone")).await.rsc, Rsc::Ok);
        assert_eq!(world.refuses(&peer, retrieve("Ctwo", "Ctwo")).await, DENIED);
    }
}

/// What a list holds, rules may narrow (TS-0001 §10.2.2.2 step 003); which of them it is they may say, too.
#[tokio::test]
async fn rules_hold_for_certificates() {
    let world = World::new().await;
    let rule = |name: &str, credential: &str, stem: &str| ServiceRule {
        name: name.parse().unwrap(),
        rule: Rule {
            credentials: Some(vec![credential.parse().unwrap()]),
            app_ids: vec!["Nlight.*".parse().unwrap()],
            stems: vec![stem.parse().unwrap()],
            roles: Vec::new(),
        },
    };
    let rules = [rule("asar-one", "31-0.2.*", "Cone"), rule("asar-other", "30-*", "Cthree")];
    let settings = world.settings.clone();
    world
        .store
        .write("test.rules", move |tx| add_service_rules(tx, &settings, &rules, 1, "test"))
        .await
        .unwrap();
    let enrolment = world.enrol(device("31-0.2.481.1", &["Cone", "Ctwo"])).await;
    let peer = connected(Framework::Certificate(Flavour::Device), &enrolment);
    assert_eq!(world.refuses(&peer, create(Some("Ctwo"), ae())).await, Rsc::AppRuleValidationFailed);
    let other_app = with(ae(), "api", json!("Nother"));
    assert_eq!(world.refuses(&peer, create(Some("Cone"), other_app)).await, Rsc::AppRuleValidationFailed);
    let created = world.ask(&peer, create(None, ae())).await;
    assert_eq!(created.rsc, Rsc::Created);
    assert_eq!(created.pc.unwrap()["m2m:ae"]["aei"], json!("Cone"), "the one that list and rules leave");
    assert_eq!(peer.subject(), None);
    let key = connected(Framework::PublicKeyHash, &world.enrol(of_key(1)).await);
    let third = create(Some("Cthree"), with(ae(), "rn", json!("third")));
    assert_eq!(world.ask(&key, third).await.rsc, Rsc::Created);
}

/// Register A-34: new equipment with another kind of credential takes over; the old one's, of whatever kind, end.
#[tokio::test]
async fn equipment_is_replaced_across_kinds_of_credentials() {
    let world = World::new().await;
    let by_psk = world.device(1, Some("Clight1")).await;
    let old = world.enrol(NewEnrolment { subject: Some(of_stem("Clight1").into()), ..of_key(1) }).await;
    let by_key = connected(Framework::PublicKeyHash, &old);
    world.ask(&by_psk, create(Some("Clight1"), ae())).await;
    let new = NewEnrolment { subject: Some(of_stem("Clight1").into()), ..of_key(2) };
    let settings = world.settings.clone();
    let replace = move |tx: &mut Tx<'_>| replace_by_enrolment(tx, &settings, &new, false, "operator test");
    let replaced = world.store.write("test.rebind", replace).await.unwrap();
    assert_eq!(replaced.withdrawn, [by_psk.credential_id().unwrap().clone(), old.credential_id.clone()]);
    assert!(replaced.awaited);
    for peer in [&by_psk, &by_key] {
        assert_eq!(world.refuses(peer, retrieve("Clight1", "Clight1")).await, DENIED, "F-19");
    }
    let new = connected(Framework::PublicKeyHash, &replaced.credential);
    assert_eq!(world.ask(&new, create(None, ae())).await.rsc, Rsc::Created);
    let row = world.store.read(|records| records.resource("Clight1")).await.unwrap().unwrap();
    assert_eq!(row.credential_id, Some(replaced.credential.credential_id));
    world.enrol(device("31-0.2.481.1", &["Cshared", "Cother"])).await;
    let shared = NewEnrolment { subject: Some(of_stem("Cshared").into()), ..of_key(3) };
    let settings = world.settings.clone();
    let replace = move |tx: &mut Tx<'_>| replace_by_enrolment(tx, &settings, &shared, false, "operator test");
    let refused = world.store.write("test.rebind", replace).await.unwrap_err();
    assert!(refused.to_string().contains("31-0.2.481.1"), "{refused}");
}

/// An AE-ID that an enrolment stands for, also in a list, is nobody else's to take.
#[tokio::test]
async fn enrolled_names_are_taken() {
    let world = World::new().await;
    world.enrol(NewEnrolment { subject: Some(of_stem("Cmine").into()), ..of_key(1) }).await;
    world.enrol(device("31-0.2.481.1", &["Clisted"])).await;
    let local = identity::Channel::Local(identity::OsPeer::Account(1000));
    for stem in ["Cmine", "Clisted"] {
        assert_eq!(world.refuses(&local, create(Some(stem), ae())).await, DENIED, "{stem}");
    }
    assert_eq!(world.ask(&local, create(Some("Cfree"), ae())).await.rsc, Rsc::Created);
}

/// The names of the standard's own example: an MN-CSE that is known to its IN-CSE by its certificate.
#[test]
fn a_certificate_leads_to_the_cse() {
    let home = Home { cse: "//example.org/in-cse".parse().unwrap(), cse_type: CseType::In };
    let here = Surroundings { home: &home, infrastructure: None, known: &[] };
    let (end, now) = ("20270101T000000".parse().unwrap(), "20260101T000000".parse().unwrap());
    let found = certified(&here, Named::Cse("mn-cse-123456.in-cse.example.org"), None, end, now).unwrap();
    assert_eq!(found.subject, Some(EntityId::Cse("//example.org/mn-cse-123456".parse().unwrap())));
}
