//! Requests for other CSEs: TS-0004 §7.3.2.6 and §7.3.2.8, and which CSEs are told of upwards.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use cse::{Carried, Direction, Mirror, NextHop, NextHops, NotCarried, Registrar};
use identity::{Channel, CseType, Peer};
use keys::SeededRng;
use onem2m::{
    id::CseId,
    primitive::{Operation, Request, Response, ResponseType, ResponseTypeInfo},
    status::ResponseStatusCode as Rsc,
    time::Clock as _,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::world::{DAY, World, ae, create, request};

/// Takes down what it is to carry and answers as it was told.
#[derive(Default)]
struct Postman {
    carried: Mutex<Vec<(NextHop, Request, Duration)>>,
    answers: Mutex<VecDeque<Result<Response, NotCarried>>>,
    /// Holds every answer back until this.
    holds: Option<Arc<Notify>>,
}

impl NextHops for Postman {
    fn carry(&self, hop: NextHop, request: Request, limit: Duration) -> Carried<'_> {
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| Ok(Response::new(Rsc::Ok, &request)));
        self.carried.lock().unwrap().push((hop, request, limit));
        Box::pin(async move {
            if let Some(holds) = &self.holds {
                holds.notified().await;
            }
            answer
        })
    }
}

impl Postman {
    fn last(&self) -> (NextHop, Request, Duration) {
        self.carried.lock().unwrap().last().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.carried.lock().unwrap().len()
    }
}

/// A gateway whose registrar is `/in-cse`, with a light of its own.
struct Gateway {
    world: World,
    postman: Arc<Postman>,
    light: Arc<Peer>,
}

impl Gateway {
    async fn of(cse_type: CseType, postman: Postman) -> Self {
        let mut world = World::of(cse_type).await;
        let postman = Arc::new(postman);
        let rng = Arc::new(SeededRng::new(world.draw()));
        let (settings, store) = (world.settings.clone(), world.store.clone());
        let registrar = Registrar::new(settings, store, world.clock.clone(), rng, world.refusals.clone());
        world.registrar = registrar.forwarding(postman.clone());
        let light = world.device(200, Some("Clight1")).await;
        assert_eq!(world.ask(&light, create(Some("Clight1"), ae())).await.rsc, Rsc::Created);
        Self { world, postman, light }
    }

    async fn new() -> Self {
        let gateway = Self::of(CseType::Mn, Postman::default()).await;
        gateway.joins("//example.org/in-cse").await;
        gateway
    }

    async fn joins(&self, registrar: &str) {
        let attributes = json!({ "cb": "/in-cse/server", "rr": true, "srv": ["3"], "cst": 1 });
        let mirror = Mirror {
            registrar: registrar.parse().unwrap(),
            own_address: "/in-cse/csr-7".into(),
            until: self.world.clock.now().saturating_add(DAY),
            attributes: attributes.as_object().cloned(),
        };
        self.world.registrar.keep_mirror(mirror).await.unwrap();
    }

    /// A CSE registers here.
    async fn registers(&self, number: u8, name: &str, more: Value) -> Arc<Peer> {
        let cse = self.world.cse(number, &format!("//example.org/{name}")).await;
        let poa = json!([format!("https://{name}.example.org")]);
        let mut csr = json!({ "cb": format!("/{name}/x"), "rr": true, "srv": ["3"], "poa": poa });
        for (key, value) in more.as_object().unwrap() {
            csr[key] = value.clone();
        }
        let mut request = request(Operation::Create, "home_gateway", Some(&format!("/{name}")));
        request.ty = Some(16);
        request.pc = Some(json!({ "m2m:csr": csr }));
        assert_eq!(self.world.ask(&cse, request).await.rsc, Rsc::Created);
        cse
    }

    async fn asks(&self, sender: &Arc<Peer>, from: &str, to: &str) -> Rsc {
        self.world.ask(sender, request(Operation::Retrieve, to, Some(from))).await.rsc
    }

    /// Where a request of the light to `to` goes: up or down, and to whom.
    async fn way(&self, to: &str) -> Result<(Direction, String), Rsc> {
        let before = self.postman.count();
        let rsc = self.asks(&self.light, "Clight1", to).await;
        if self.postman.count() == before {
            return Err(rsc);
        }
        let (hop, ..) = self.postman.last();
        Ok((hop.direction, hop.cse.to_string()))
    }
}

#[tokio::test]
async fn a_request_goes_down_if_it_can_and_else_up() {
    let gateway = Gateway::new().await;
    let up = Ok((Direction::Up, "//example.org/in-cse".to_owned()));
    let down = |name: &str| Ok((Direction::Down, format!("//example.org/{name}")));
    for elsewhere in ["/in-cse/server", "/mn-7/x", "/asn-1/x", "//example.com/mn-7/x"] {
        assert_eq!(gateway.way(elsewhere).await, up, "{elsewhere}");
    }
    let seventh = gateway.registers(7, "mn-7", json!({ "dcse": ["/asn-1", "//example.com/far"] })).await;
    for (to, name) in [
        ("/mn-7/x", "mn-7"),
        ("//example.org/mn-7", "mn-7"),
        ("/asn-1/x", "mn-7"),
        ("//example.com/far/x", "mn-7"),
    ] {
        assert_eq!(gateway.way(to).await, down(name), "{to}");
    }
    let (hop, ..) = gateway.postman.last();
    assert_eq!(hop.points_of_access, ["https://mn-7.example.org"]);
    assert_eq!(hop.credential_id.as_ref(), seventh.credential_id(), "SA2 proves what SA1 proved");

    gateway.registers(8, "mn-8", json!({ "dcse": ["/asn-1"] })).await;
    assert_eq!(gateway.way("/asn-1/x").await, Err(Rsc::InternalServerError), "TS-0004 §7.3.1.2: two matches");
    gateway.registers(1, "asn-1", json!({})).await;
    assert_eq!(gateway.way("/asn-1/x").await, down("asn-1"), "it is here itself");
    gateway.registers(9, "mn-9", json!({ "rr": false })).await;
    assert_eq!(gateway.way("/mn-9/x").await, Err(Rsc::TargetNotReachable));

    let leave = request(Operation::Delete, "csr-mn-7", Some("/mn-7"));
    assert_eq!(gateway.world.ask(&seventh, leave).await.rsc, Rsc::Deleted);
    assert_eq!(gateway.way("/mn-7/x").await, up);
    assert_eq!(gateway.way("//example.com/far/x").await, up);
    gateway.world.clock.advance(DAY);
    assert_eq!(gateway.way("/mn-8/x").await, Err(Rsc::OriginatorHasNoPrivilege), "all of it has expired");
}

#[tokio::test]
async fn nothing_goes_back_nor_up_again() {
    let gateway = Gateway::new().await;
    let seventh = gateway.registers(7, "mn-7", json!({ "dcse": ["/asn-1"] })).await;
    let above = gateway.world.cse(3, "//example.org/in-cse").await;
    for (peer, from, to) in [
        (&seventh, "/mn-7", "/mn-7/x"),
        (&seventh, "/asn-1", "/asn-1/y"),
        (&above, "/in-cse", "/in-cse/x"),
        (&above, "/in-cse/Cphone1", "/nowhere/x"),
        (&above, "//example.com/x/Cy", "//example.com/x/y"),
    ] {
        assert_eq!(gateway.asks(peer, from, to).await, Rsc::NotFound, "{to} from {from}");
    }
    assert_eq!(gateway.postman.count(), 0);
    assert_eq!(gateway.asks(&above, "/in-cse/Cphone1", "/asn-1/y").await, Rsc::Ok, "but down");

    let infrastructure = Gateway::of(CseType::In, Postman::default()).await;
    infrastructure.joins("//example.com/in-cse").await;
    assert_eq!(infrastructure.way("/nowhere/x").await, Err(Rsc::NotFound), "an IN-CSE has nobody above");
    let alone = Gateway::of(CseType::Mn, Postman::default()).await;
    assert_eq!(alone.way("/in-cse/server").await, Err(Rsc::NotFound));
}

/// From gets the receiver's CSE-ID before it, or the service provider's; all else stays, and the answer comes as it is.
#[tokio::test]
async fn a_request_goes_on_as_it_came() {
    let gateway = Gateway::new().await;
    let mut sent = request(Operation::Create, "/in-cse/server/x", Some("Clight1"));
    sent.rqi = "light/7".into();
    sent.ty = Some(4);
    sent.rvi = Some("99".into());
    sent.gid = Some("g".into());
    sent.rcn = Some(onem2m::primitive::ResultContent::Nothing);
    sent.pc = Some(json!({ "m2m:cin": { "con": "ON" } }));
    let mut answer = Response::with_rqi(Rsc::Created, "another");
    answer.pc = Some(json!({ "m2m:cin": { "ri": "1" } }));
    answer.rvi = Some("99".into());
    gateway.postman.answers.lock().unwrap().push_back(Ok(answer.clone()));
    let got = gateway.world.ask(&gateway.light, sent.clone()).await;
    assert_eq!(got, Response { rqi: "light/7".into(), ..answer });
    let (_, passed_on, _) = gateway.postman.last();
    assert_eq!(passed_on, Request { fr: Some("/mn-cse-123456/Clight1".into()), ..sent });

    gateway.asks(&gateway.light, "Clight1", "//example.com/x/y").await;
    let from = || gateway.postman.last().1.fr.unwrap();
    assert_eq!(from(), "//example.org/mn-cse-123456/Clight1", "abroad");
    let seventh = gateway.registers(7, "mn-7", json!({})).await;
    for (said, to, heard) in [
        ("/mn-7", "/in-cse/server", "/mn-7"),
        ("/mn-7/Cx", "/in-cse/server", "/mn-7/Cx"),
        ("//example.org/mn-7/Cx", "/in-cse/server", "//example.org/mn-7/Cx"),
        ("/mn-7/Cx", "//example.com/x/y", "//example.org/mn-7/Cx"),
    ] {
        assert_eq!(gateway.asks(&seventh, said, to).await, Rsc::Ok);
        assert_eq!(from(), heard);
    }
    let s_type = gateway.world.device(201, Some("Ssensor")).await;
    gateway
        .world
        .ask(&s_type, create(Some("Ssensor"), json!({ "api": "N1", "rr": false, "srv": ["3"] })))
        .await;
    gateway.asks(&s_type, "Ssensor", "/in-cse/server").await;
    assert_eq!(from(), "/Ssensor");
}

#[tokio::test]
async fn who_is_not_registered_has_nothing_passed_on() {
    let gateway = Gateway::new().await;
    let world = &gateway.world;
    let (light2, mn) = (world.device(202, Some("Clight2")).await, world.cse(7, "//example.org/mn-7").await);
    assert_eq!(gateway.asks(&light2, "Clight2", "/in-cse/server").await, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(gateway.asks(&mn, "/mn-7", "/in-cse/server").await, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(gateway.asks(&mn, "/mn-7/Cx", "/in-cse/server").await, Rsc::OriginatorHasNoPrivilege);
    assert_eq!(
        gateway.asks(&gateway.light, "Clight2", "/in-cse/server").await,
        Rsc::OriginatorNotAuthenticated
    );
    for ty in [2, 16] {
        let mut registration = request(Operation::Create, "/in-cse/server", Some("Clight1"));
        registration.ty = Some(ty);
        registration.pc = Some(json!({ "m2m:ae": ae() }));
        let rsc = world.ask(&gateway.light, registration).await.rsc;
        assert!(matches!(rsc, Rsc::BadRequest | Rsc::OperationNotAllowed), "X32: {rsc}");
    }
    assert_eq!(gateway.postman.count(), 0);
}

#[tokio::test]
async fn times_bound_the_way() {
    let gateway = Gateway::new().await;
    let ask = async |set: &dyn Fn(&mut Request)| {
        let mut sent = request(Operation::Retrieve, "/in-cse/server", Some("Clight1"));
        set(&mut sent);
        gateway.world.ask(&gateway.light, sent).await.rsc
    };
    let past = || Some("20251231T000000".parse().unwrap());
    for set in [
        &(|sent: &mut Request| sent.rqet = past()) as &dyn Fn(&mut Request),
        &|sent| sent.rset = past(),
        &|sent| sent.oet = past(),
    ] {
        assert_eq!(ask(set).await, Rsc::RequestTimeout);
    }
    assert_eq!(
        ask(&|sent| sent.rt = Some(ResponseTypeInfo::new(ResponseType::NonBlockingSynch))).await,
        Rsc::NotImplemented
    );
    assert_eq!(gateway.postman.count(), 0);
    for (rqet, rset, limit) in [
        (None, None, 20_000),
        (Some("1500"), None, 1500),
        (Some("1500"), Some("700"), 700),
        (None, Some("99000"), 20_000),
    ] {
        let set = |sent: &mut Request| {
            sent.rqet = rqet.map(|text: &str| text.parse().unwrap());
            sent.rset = rset.map(|text: &str| text.parse().unwrap());
        };
        assert_eq!(ask(&set).await, Rsc::Ok);
        assert_eq!(gateway.postman.last().2, Duration::from_millis(limit));
    }
    for (why, rsc) in [
        (NotCarried::Unreachable, Rsc::TargetNotReachable),
        (NotCarried::Late, Rsc::RequestTimeout),
        (NotCarried::Busy, Rsc::TargetNotReachable),
    ] {
        gateway.postman.answers.lock().unwrap().push_back(Err(why));
        assert_eq!(ask(&|_| {}).await, rsc);
    }
}

/// Primitives §8: a Request Identifier that is pending is not taken twice from one originator.
#[tokio::test]
async fn what_is_on_its_way_does_not_set_out_again() {
    let holds = Arc::new(Notify::new());
    let postman = Postman { holds: Some(Arc::clone(&holds)), ..Postman::default() };
    let gateway = Arc::new(Gateway::of(CseType::Mn, postman).await);
    gateway.joins("//example.org/in-cse").await;
    let first = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.asks(&gateway.light, "Clight1", "/in-cse/server").await }
    });
    while gateway.postman.count() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.asks(&gateway.light, "Clight1", "/in-cse/other").await, Rsc::BadRequest);
    holds.notify_one();
    assert_eq!(first.await.unwrap(), Rsc::Ok);
    holds.notify_one();
    assert_eq!(gateway.asks(&gateway.light, "Clight1", "/in-cse/server").await, Rsc::Ok, "it is done");
}

/// What is below is told above: registrees, what they list, and neither ourselves nor the one who is told.
#[tokio::test]
async fn descendants_are_those_that_are_reached_through_here() {
    let gateway = Gateway::new().await;
    let told = async || {
        let all = gateway.world.registrar.descendants().await.unwrap();
        all.iter().map(CseId::sp_relative).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told().await, "");
    gateway.registers(7, "mn-7", json!({ "dcse": ["/asn-2", "/asn-1", "/in-cse"] })).await;
    gateway.registers(8, "mn-8", json!({ "dcse": ["/asn-1"], "rr": false })).await;
    assert_eq!(told().await, "/asn-1 /asn-2 /mn-7 /mn-8");
    gateway.world.clock.advance(DAY);
    assert_eq!(told().await, "");
}

/// The mirror: made, changed, forgotten; in nobody's place.
#[tokio::test]
async fn the_registrar_is_kept_once_and_in_nobodys_place() {
    let gateway = Gateway::new().await;
    let world = &gateway.world;
    let above = world.cse(3, "//example.org/in-cse").await;
    let mirror =
        world.ask(&above, request(Operation::Retrieve, "home_gateway/in-cse", Some("/in-cse"))).await;
    let shown = mirror.pc.unwrap()["m2m:csr"].clone();
    assert_eq!(
        (&shown["csi"], &shown["cst"], &shown["ri"]),
        (&json!("/in-cse"), &json!(1), &json!("csr-in-cse"))
    );
    assert!(!shown.to_string().contains('~'), "{shown}");
    let cse: CseId = "//example.org/in-cse".parse().unwrap();
    assert_eq!(world.registrar.own_address_at(&cse).await.unwrap().as_deref(), Some("/in-cse/csr-7"));
    gateway.joins("//example.org/in-cse").await;
    assert_eq!(world.registrar.drop_mirrors(Some(&cse)).await.unwrap(), 0);
    assert_eq!(world.registrar.drop_mirrors(None).await.unwrap(), 1);
    assert_eq!(world.registrar.own_address_at(&cse).await.unwrap(), None);
    assert_eq!(gateway.way("/in-cse/server").await, Err(Rsc::NotFound));

    gateway.registers(4, "mn-4", json!({})).await;
    let mirror = Mirror {
        registrar: "//example.org/mn-4".parse().unwrap(),
        own_address: "/mn-4/csr-7".into(),
        until: world.clock.now().saturating_add(DAY),
        attributes: None,
    };
    let refused = world.registrar.keep_mirror(mirror).await.unwrap_err();
    assert!(refused.to_string().contains("is registered here"), "{refused}");
}

/// Three CSEs that are registered with one another in a ring, which no configuration should bring about.
#[tokio::test]
async fn nothing_goes_round_in_circles() {
    let names = ["a", "b", "c"];
    let ring = Arc::new(Ring::default());
    let mut worlds = Vec::new();
    for _ in names {
        worlds.push(World::new().await);
    }
    let id = |name: &str| format!("//example.org/{name}").parse::<CseId>().unwrap();
    let mut nodes = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        let world = &worlds[index];
        let (below, above) = (names[(index + 2) % 3], names[(index + 1) % 3]);
        let mut settings = world.settings.clone();
        settings.home.cse = id(name);
        let rng = Arc::new(SeededRng::new(index as u64));
        let registrar =
            Registrar::new(settings, world.store.clone(), world.clock.clone(), rng, world.refusals.clone());
        let registrar = Arc::new(registrar.forwarding(ring.clone()));
        let peer = world.cse(1, &format!("//example.org/{below}")).await;
        let mut register = request(Operation::Create, "home_gateway", Some(&format!("/{below}")));
        register.ty = Some(16);
        // It says that what stands below us is below it, d and d2 among them.
        let listed = ["a", "b", "c", "d", "d2"].iter().filter(|cse| **cse != below && cse != &name);
        let listed: Vec<_> = listed.map(|cse| format!("/{cse}")).collect();
        let poa = ["https://x.example.org"];
        register.pc = Some(json!({ "m2m:csr": {
            "cb": format!("/{below}/x"), "rr": true, "srv": ["3"], "poa": poa, "dcse": listed,
        }}));
        let channel = Channel::Association(peer);
        let registered = registrar.handle_over(&channel, register).await;
        assert_eq!(registered.rsc, Rsc::Created, "{registered:?}");
        let mirror = Mirror {
            registrar: id(above),
            own_address: format!("/{above}/csr-{name}"),
            until: world.clock.now().saturating_add(DAY),
            attributes: None,
        };
        registrar.keep_mirror(mirror).await.unwrap();
        nodes.insert(id(name), (registrar, channel));
    }
    let (a, world) = (Arc::clone(&nodes[&id("a")].0), &worlds[0]);
    ring.nodes.set(nodes).map_err(drop).unwrap();
    let d = world.cse(9, "//example.org/d").await;
    let mut register = request(Operation::Create, "home_gateway", Some("/d"));
    register.ty = Some(16);
    register.pc = Some(json!({ "m2m:csr": { "cb": "/d/x", "rr": false, "srv": ["3"], "dcse": ["/d2"] } }));
    let channel = Channel::Association(d);
    assert_eq!(a.handle_over(&channel, register).await.rsc, Rsc::Created);
    for (from, expected) in
        [("/d", Rsc::OriginatorNotAuthenticated), ("/d2", Rsc::BadRequest), ("/d2/Cz", Rsc::BadRequest)]
    {
        *ring.carried.lock().unwrap() = 0;
        let sent = request(Operation::Retrieve, "/nowhere/x", Some(from));
        assert_eq!(a.handle_over(&channel, sent).await.rsc, expected, "{from}");
        assert_eq!(*ring.carried.lock().unwrap(), 3, "once round, and no further: {from}");
    }
}

type Node = (Arc<Registrar>, Channel);

/// Carries requests to the next registrar of the ring, over the association of the one below it.
#[derive(Default)]
struct Ring {
    nodes: OnceLock<HashMap<CseId, Node>>,
    carried: Mutex<usize>,
}

impl NextHops for Ring {
    fn carry(&self, hop: NextHop, request: Request, _: Duration) -> Carried<'_> {
        *self.carried.lock().unwrap() += 1;
        assert!(*self.carried.lock().unwrap() < 20, "it goes round and round");
        let (registrar, channel) = &self.nodes.get().unwrap()[&hop.cse];
        Box::pin(async move { Ok(registrar.handle_over(channel, request).await) })
    }
}
