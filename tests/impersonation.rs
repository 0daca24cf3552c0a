//! F-05, X1, X2: the holder of one key cannot say a word in another one's name.

mod support;

use onem2m::{
    primitive::{Operation, Request},
    status::ResponseStatusCode as Rsc,
};
use serde_json::json;
use support::{Device, World};

/// Everything that can be said about `to` with the operations that there are.
fn everything(from: &str, to: &str) -> Vec<Request> {
    let content = json!({ "m2m:ae": { "rn": "other", "api": "Nlight.example", "rr": true, "srv": ["3"] } });
    let mut all = Vec::new();
    for ty in [1, 2, 3, 4, 9, 16, 23] {
        let mut request = Request::new(Operation::Create, to, format!("c{ty}"));
        request.ty = Some(ty);
        request.pc = Some(content.clone());
        all.push(request);
    }
    all.push(Request::new(Operation::Retrieve, to, "r"));
    let mut update = Request::new(Operation::Update, to, "u");
    update.pc = Some(json!({ "m2m:ae": { "lbl": ["stolen"] } }));
    all.push(update);
    all.push(Request::new(Operation::Delete, to, "d"));
    let mut notify = Request::new(Operation::Notify, to, "n");
    notify.pc = Some(json!({ "m2m:sgn": { "vrq": true, "sur": "x" } }));
    all.push(notify);
    for request in &mut all {
        request.fr = Some(from.to_owned());
        request.rvi = Some("3".to_owned());
    }
    all
}

#[tokio::test]
async fn the_light_of_the_other_key_gets_4106_for_everything() {
    let world = World::start();
    let (light1, light2) = (Device::numbered(1), Device::numbered(2));
    world.import(&[light1.clone(), light2.clone()]);
    let mut victim = world.attach(&light1).await;
    let mut other = world.attach(&light2).await;
    let before_registration = other.request(&everything("Clight1", "home_gateway").remove(1)).await.unwrap();
    assert_eq!(before_registration.rsc, Rsc::OriginatorNotAuthenticated, "an AE-ID not registered yet");
    victim.register(&light1.description()).await.unwrap();
    other.register(&light2.description()).await.unwrap();

    let before = world.digest();
    let targets = [
        "home_gateway",
        "home_gateway/ae_Clight1",
        "Clight1",
        "-/ae_Clight1",
        "/mn-cse-123456/Clight1",
        "/mn-cse-123456/home_gateway/ae_Clight1",
        "//example.org/mn-cse-123456/-/ae_Clight1",
        "home_gateway/ae_Clight2",
        "Clight2",
        "home_gateway/nothing",
        "/in-cse/server",
        "//example.com/x/y",
    ];
    let mut asked = 0;
    for to in targets {
        for request in everything("Clight1", to) {
            let what = format!("{:?} ty {:?} of {to}", request.op, request.ty);
            let answer = other.request(&request).await.unwrap();
            assert_eq!(answer.rsc, Rsc::OriginatorNotAuthenticated, "{what}");
            asked += 1;
        }
    }
    assert_eq!(asked, targets.len() * 11);
    assert_eq!(world.digest(), before, "a refusal changes nothing but the audit");

    let own = victim.retrieve("home_gateway/ae_Clight1").await.unwrap();
    assert_eq!(own.rsc, Rsc::Ok, "the victim's own association goes on");
    let own = other.retrieve("home_gateway/ae_Clight2").await.unwrap();
    assert_eq!(own.rsc, Rsc::Ok, "and so does the other one, in its own name");
}

/// X3: an AE that writes more than its stem is told so.
#[tokio::test]
async fn from_of_an_ae_is_its_stem() {
    let world = World::start();
    let light = Device::numbered(1);
    world.import(std::slice::from_ref(&light));
    let mut attachment = world.attach(&light).await;
    attachment.register(&light.description()).await.unwrap();
    let before = world.digest();
    for from in
        ["/mn-cse-123456/Clight1", "//example.org/mn-cse-123456/Clight1", "/in-cse/Cphone1", "/mn-cse-999"]
    {
        for request in everything(from, "home_gateway/ae_Clight1") {
            assert_eq!(attachment.request(&request).await.unwrap().rsc, Rsc::BadRequest, "{from}");
        }
    }
    assert_eq!(world.digest(), before);
}

/// A name that differs in case or by a letter is another name; whether it is registered does not show.
#[tokio::test]
async fn a_refusal_does_not_tell_who_exists() {
    let world = World::start();
    let (light1, light2) = (Device::numbered(1), Device::numbered(2));
    world.import(&[light1.clone(), light2.clone()]);
    world.attach(&light1).await.register(&light1.description()).await.unwrap();
    let mut other = world.attach(&light2).await;
    let mut texts = std::collections::BTreeSet::new();
    for from in ["Clight1", "Cnobody", "CLIGHT1", "Clight22"] {
        for request in everything(from, "home_gateway/ae_Clight1") {
            let answer = other.request(&request).await.unwrap();
            texts.insert((answer.rsc.code(), answer.pc.map(|content| content.to_string())));
        }
    }
    assert_eq!(texts.len(), 1, "one answer for all: {texts:?}");
}
