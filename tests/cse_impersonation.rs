//! X9 to X12: a CSE with a good credential speaks for itself, for its AEs and for what is below it, and for nobody
//! else; nothing changes when it tries.

mod support;

use onem2m::{
    primitive::{Operation, Request, Response},
    status::ResponseStatusCode as Rsc,
};
use serde_json::json;
use support::{
    World,
    pair::{IN, KPSA_ID, Pair, Peer, add_cse, cse, key_hex, said},
};

const ROGUE: &str = "mn-cse-999@example.org";

/// Everything that a CSE could try about `to` in the name of `from`, a registration apart.
fn everything(from: &str, to: &str) -> Vec<Request> {
    let mut all = Vec::new();
    for ty in [2, 3, 4] {
        let mut create = said(Operation::Create, from, to);
        create.ty = Some(ty);
        create.pc = Some(json!({ "m2m:ae": { "api": "Nx", "rr": false, "srv": ["3"] } }));
        all.push(create);
    }
    all.push(said(Operation::Retrieve, from, to));
    let mut update = said(Operation::Update, from, to);
    update.pc = Some(json!({ "m2m:csr": { "lbl": ["stolen"], "poa": ["https://evil.example.org"] } }));
    all.push(update);
    all.push(said(Operation::Delete, from, to));
    let mut notify = said(Operation::Notify, from, to);
    notify.pc = Some(json!({ "m2m:sgn": { "sur": "x" } }));
    all.push(notify);
    all
}

/// Tries all of it; each is refused in the same words, and nothing changes.
async fn refused(world: &World, peer: &mut Peer, froms: &[&str], tos: &[&str]) {
    let before = world.digest();
    let mut answers = std::collections::BTreeSet::new();
    for from in froms {
        for to in tos {
            for request in everything(from, to) {
                let what = format!("{:?} of {to} as {from}", request.op);
                let answer = peer.ask(request).await;
                assert_eq!(answer.rsc, Rsc::OriginatorNotAuthenticated, "{what}");
                answers.insert(answer.pc.map(|content| content.to_string()));
            }
        }
    }
    assert_eq!(answers.len(), 1, "one answer for all: {answers:?}");
    assert_eq!(world.digest(), before, "nothing but the audit changes");
}

async fn registers(peer: &mut Peer, from: &str, csi: &str) -> Response {
    peer.register(from, "/in-cse/server", csi, &["https://192.0.2.66:8443".into()]).await
}

const TARGETS: [&str; 5] = [
    "/in-cse/server",
    "/in-cse/server/home_gateway",
    "server/nothing",
    "/mn-cse-123456/home_gateway",
    "//example.com/x/y",
];

/// X9, before and after the victim has registered; X10.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rogue_gateway_is_no_other_gateway() {
    let mut pair = Pair::prepared("");
    pair.infrastructure.serve();
    add_cse(&pair.infrastructure, ROGUE, "//example.org/mn-cse-999", &key_hex(9));
    let mut rogue = pair.infrastructure.associate(ROGUE, &key_hex(9)).await;
    let victims = ["/mn-cse-123456", "/mn-cse-123456/Clight1", "//example.org/mn-cse-123456"];

    let before = pair.infrastructure.digest();
    let unregistered = registers(&mut rogue, "/mn-cse-123456", "/mn-cse-123456").await;
    assert_eq!(unregistered.rsc, Rsc::OriginatorNotAuthenticated, "X9, and not 4107");
    assert_eq!(pair.infrastructure.digest(), before);
    refused(&pair.infrastructure, &mut rogue, &victims, &TARGETS).await;

    pair.gateway.serve();
    pair.gateway.wait_until_registered();
    let before = pair.infrastructure.digest();
    let registered = registers(&mut rogue, "/mn-cse-123456", "/mn-cse-123456").await;
    assert_eq!((registered.rsc, registered.pc), (unregistered.rsc, unregistered.pc), "X9: no oracle");
    let with_its_own_csi = registers(&mut rogue, "/mn-cse-123456", "/mn-cse-999").await;
    assert_eq!(with_its_own_csi.rsc, Rsc::OriginatorNotAuthenticated);
    for (csi, cb, named) in
        [("/mn-cse-123456", "/mn-cse-999/base", "csi"), ("/mn-cse-999", "/mn-cse-123456/base", "cb")]
    {
        let mut create = said(Operation::Create, "/mn-cse-999", "/in-cse/server");
        create.ty = Some(16);
        create.pc = Some(json!({ "m2m:csr": { "csi": csi, "cb": cb, "rr": false, "srv": ["3"] } }));
        let for_the_victim = rogue.ask(create).await;
        assert_eq!(for_the_victim.rsc, Rsc::BadRequest, "{named} is not From's");
        let why = for_the_victim.pc.unwrap().to_string();
        assert!(why.contains(&format!("m2m:csr.{named} is ")), "{why}");
    }
    assert_eq!(pair.infrastructure.digest(), before);

    assert_eq!(registers(&mut rogue, "/mn-cse-999", "/mn-cse-999").await.rsc, Rsc::Created);
    refused(&pair.infrastructure, &mut rogue, &victims, &TARGETS).await;
    // Nor by saying that the victim is below it.
    let mut claim = said(Operation::Update, "/mn-cse-999", "/in-cse/csr-mn-cse-999");
    claim.pc = Some(json!({ "m2m:csr": { "dcse": ["/mn-cse-123456"] } }));
    assert_eq!(rogue.ask(claim).await.rsc, Rsc::Updated);
    refused(&pair.infrastructure, &mut rogue, &victims, &TARGETS).await;
    let (rsc, base) = pair.infrastructure.remote("/mn-cse-123456/home_gateway");
    assert_eq!(
        (rsc, &base["m2m:cb"]["csi"]),
        (2000, &json!("/mn-cse-123456")),
        "requests go to the victim itself"
    );

    let mut victim = pair.infrastructure.associate(KPSA_ID, &key_hex(1)).await;
    let own = victim.retrieve("/mn-cse-123456", "/in-cse/server/home_gateway").await;
    assert_eq!(own.rsc, Rsc::Ok, "the victim is served");
}

/// X11 and X12: neither bare stems nor the receiver's own names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_is_neither_an_ae_of_its_registrar_nor_the_registrar() {
    let pair = Pair::start();
    let mut gateway = pair.infrastructure.associate(KPSA_ID, &key_hex(1)).await;
    let froms = [
        "Cphone1",
        "Sphone1",
        "/in-cse/Cphone1",
        "/in-cse",
        "//example.org/in-cse",
        "/mn-cse-555",
        "/mn-cse-555/Cx",
    ];
    refused(&pair.infrastructure, &mut gateway, &froms, &TARGETS).await;
    let mut create = said(Operation::Create, "/in-cse", "/in-cse/server");
    create.ty = Some(16);
    create.pc =
        Some(json!({ "m2m:csr": { "csi": "/in-cse", "cb": "/in-cse/x", "rr": false, "srv": ["3"] } }));
    assert_eq!(gateway.ask(create).await.rsc, Rsc::OriginatorNotAuthenticated);
    let own = gateway.retrieve("/mn-cse-123456", "/in-cse/server").await;
    assert_eq!(own.rsc, Rsc::Ok);
    let its_ae = gateway.retrieve("/mn-cse-123456/Clight1", "/in-cse/server").await;
    assert_eq!(its_ae.rsc, Rsc::OriginatorHasNoPrivilege, "its AEs it may speak for, who have no rights");
}

/// SA2: the gateway takes what the rest of the world says from its registrar alone, and from there neither its own
/// names nor those of CSEs that it knows itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_registrar_speaks_for_the_rest_of_the_world() {
    let mut pair = Pair::prepared("");
    pair.gateway.serve();
    let gateway = &pair.gateway;
    add_cse(gateway, ROGUE, "//example.org/mn-cse-999", &key_hex(9));
    let mut rogue = gateway.associate(ROGUE, &key_hex(9)).await;
    let poa = ["https://192.0.2.66:8443".to_owned()];
    let registered = rogue.register("/mn-cse-999", "/mn-cse-123456/-", "/mn-cse-999", &poa).await;
    assert_eq!(registered.rsc, Rsc::Created);
    // After that, so that the registration is not renewed because of it.
    pair.infrastructure.serve();
    gateway.wait_until_registered();
    let targets = ["/mn-cse-123456/home_gateway", "home_gateway/in-cse", "/in-cse/server"];
    let froms = ["/in-cse", "/in-cse/Cphone1", "//example.com/in-cse/Cx", "/mn-cse-555", "/Sabc"];
    refused(gateway, &mut rogue, &froms, &targets).await;

    let mut above = gateway.associate(KPSA_ID, &key_hex(1)).await;
    for from in ["/in-cse/Cphone1", "/mn-cse-555", "/mn-cse-555/Cx", "//example.com/in-cse/Cx", "/Sabc"] {
        let answer = above.retrieve(from, "/mn-cse-123456/home_gateway").await;
        assert_eq!(answer.rsc, Rsc::OriginatorHasNoPrivilege, "vouched for, without rights: {from}");
    }
    let froms = ["/mn-cse-123456", "/mn-cse-123456/Cgw", "/mn-cse-999", "/mn-cse-999/Cx", "Cphone1"];
    refused(gateway, &mut above, &froms, &targets).await;
    let mut registration = said(Operation::Create, "/mn-cse-555", "/mn-cse-123456/home_gateway");
    registration.ty = Some(16);
    registration.pc = Some(json!({ "m2m:csr": { "cb": "/mn-cse-555/x", "rr": false, "srv": ["3"] } }));
    assert_eq!(
        above.ask(registration).await.rsc,
        Rsc::OriginatorNotAuthenticated,
        "a registration is never for another"
    );
    let up_again = above.retrieve("/in-cse/Cphone1", "/in-cse/server").await;
    assert_eq!(up_again.rsc, Rsc::NotFound, "what came from above does not go up again");
}

/// A connection that is led back to where it came from is nobody else's: the key is one for both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reflected_association_is_worth_nothing() {
    let mut world = cse("//example.org/mn-cse-123456", "mn", "home_gateway", testkit::reserved_port(), "");
    let port = std::fs::read_to_string(world.path("attache.toml")).unwrap();
    let port = port.split("127.0.0.1:").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let itself = support::pair::registrar(IN, std::net::SocketAddr::from(([127, 0, 0, 1], port)), "");
    let configuration = std::fs::read_to_string(world.path("attache.toml")).unwrap();
    std::fs::write(world.path("attache.toml"), configuration + &itself).unwrap();
    add_cse(&world, KPSA_ID, IN, &key_hex(1));
    world.serve();
    let trouble = world.trouble();
    assert!(trouble.contains("CREATE <remoteCSE> with 4106"), "{trouble}");
    let told = world.run(&["--json", "inspect", "registrations"]).success().stdout;
    assert_eq!(told, "");
}
