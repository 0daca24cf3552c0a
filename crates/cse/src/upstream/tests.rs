use identity::{CseType, Home};
use keys::SeededRng;
use onem2m::primitive::Operation;
use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// The machine, with time and randomness; every event is followed by what it makes of it.
struct Gateway {
    machine: Upstream,
    now: Timestamp,
    rng: SeededRng,
}

impl Gateway {
    fn new(address: Option<&str>) -> Self {
        let settings = Settings {
            home: Home { cse: "//example.org/mn-cse-123456".parse().unwrap(), cse_type: CseType::Mn },
            base_name: "home_gateway".parse().unwrap(),
            releases: vec!["2a".into(), "3".into()],
            registration_lifetime: HOUR,
            service_subscription: crate::ServiceSubscription::Auto,
            absent_rule_lists: crate::AbsentLists::Nothing,
        };
        let membership = Membership {
            registrar: "//example.org/in-cse".parse().unwrap(),
            base_name: "server".into(),
            points_of_access: vec!["https://gw.example.org:8443".into()],
            lifetime: 24 * HOUR,
            backoff: Backoff::default(),
        };
        let machine = Upstream::new(settings, membership, address.map(ToOwned::to_owned), Vec::new());
        Self { machine, now: "20260101T120000".parse().unwrap(), rng: SeededRng::new(1) }
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.machine.step(event, self.now, &self.rng)
    }

    /// The one request that follows.
    fn asks(&mut self, event: Event) -> Request {
        let mut actions = self.step(event);
        match (actions.pop(), actions.is_empty()) {
            (Some(Action::Ask(request)), true) => *request,
            (other, _) => panic!("{actions:?} {other:?}"),
        }
    }

    /// The trouble that follows, and how long it waits.
    fn fails(&mut self, event: Event) -> (Trouble, Duration) {
        let mut actions = self.step(event).into_iter();
        let (
            Some(Action::Close),
            Some(Action::Tell(News::Failed(trouble, delay))),
            Some(Action::Rest(rest)),
            None,
        ) = (actions.next(), actions.next(), actions.next(), actions.next())
        else {
            panic!("no failure")
        };
        assert_eq!(delay, rest);
        (trouble, delay)
    }

    /// From nothing to registered.
    fn registered() -> Self {
        let mut gateway = Self::new(None);
        assert_eq!(gateway.step(Event::Join), [Action::Open]);
        gateway.asks(Event::Opened);
        gateway.asks(created());
        assert_eq!(gateway.step(based()).len(), 3);
        gateway
    }
}

fn answer(rsc: Rsc, content: Option<Value>) -> Event {
    let mut response = Response::with_rqi(rsc, "r");
    response.pc = content;
    Event::Answered(Box::new(response))
}

fn own() -> Value {
    json!({ "m2m:csr": { "csi": "/mn-cse-123456", "ri": "csr-7", "et": "20260101T180000" } })
}

fn created() -> Event {
    answer(Rsc::Created, Some(own()))
}

fn base(csi: &str) -> Value {
    json!({ "m2m:cb": { "csi": csi, "rn": "server", "cst": 1, "srv": ["3"], "poa": ["https://in.example.org"] } })
}

fn based() -> Event {
    answer(Rsc::Ok, Some(base("/in-cse")))
}

fn cses(names: &[&str]) -> Vec<CseId> {
    names.iter().map(|name| format!("//example.org/{name}").parse().unwrap()).collect()
}

/// A1, A2, A4, A3 of the acceptance scenario.
#[test]
fn a_gateway_registers() {
    let mut gateway = Gateway::new(None);
    assert_eq!(gateway.step(Event::Join), [Action::Open]);
    let create = gateway.asks(Event::Opened);
    assert_eq!((create.op, create.to.as_str(), create.ty), (Operation::Create, "/in-cse/server", Some(16)));
    assert_eq!((create.fr.as_deref(), create.rvi.as_deref()), (Some("/mn-cse-123456"), Some("3")));
    let content = json!({ "m2m:csr": {
        "rn": "home_gateway", "csi": "/mn-cse-123456", "cb": "/mn-cse-123456/home_gateway", "cst": 2,
        "rr": true, "poa": ["https://gw.example.org:8443"], "srv": ["2a", "3"], "et": "20260102T120000",
    }});
    assert_eq!(create.pc, Some(content));
    let look = gateway.asks(created());
    assert_eq!((look.op, look.to.as_str()), (Operation::Retrieve, "/in-cse/server"));
    assert_ne!(look.rqi, create.rqi);
    let until: Timestamp = "20260101T180000".parse().unwrap();
    let actions = gateway.step(based());
    let [Action::KeepMirror(mirror), Action::Tell(news), Action::Rest(rest)] = actions.as_slice() else {
        panic!("{actions:?}")
    };
    assert_eq!(*news, News::Registered { until, before: false });
    assert_eq!((mirror.own_address.as_str(), mirror.until), ("/in-cse/csr-7", until));
    let kept = json!({
        "cb": "/in-cse/server", "rr": true, "srv": ["3"], "cst": 1, "poa": ["https://in.example.org"]
    });
    assert_eq!(mirror.attributes.clone().map(Value::Object), Some(kept));
    assert!(*rest > 3 * HOUR && *rest < 4 * HOUR, "six hours were granted: {rest:?}");
    assert_eq!(gateway.machine.registered_until(), Some(until));
    let update = gateway.asks(Event::Rested);
    assert_eq!((update.op, update.to.as_str()), (Operation::Update, "/in-cse/csr-7"));
    let actions = gateway.step(answer(Rsc::Updated, Some(json!({ "m2m:csr": { "et": "20260102T000000" } }))));
    let until = "20260102T000000".parse().unwrap();
    assert!(
        matches!(&actions[0], Action::KeepMirror(mirror) if mirror.until == until && mirror.attributes.is_none())
    );
    assert_eq!(actions[1], Action::Tell(News::Renewed { until }));
    assert!(matches!(actions[2], Action::Rest(rest) if rest > 7 * HOUR));
}

/// A5: 4117 leads to the registration that is there, wherever it is.
#[test]
fn a_registration_that_is_there_is_found_and_renewed() {
    let mut gateway = Gateway::new(None);
    gateway.step(Event::Join);
    gateway.asks(Event::Opened);
    let find = gateway.asks(answer(Rsc::OriginatorHasAlreadyRegistered, None));
    assert_eq!((find.op, find.to.as_str()), (Operation::Retrieve, "/in-cse/server/home_gateway"));
    let update = gateway.asks(answer(Rsc::Ok, Some(own())));
    assert_eq!((update.op, update.to.as_str()), (Operation::Update, "/in-cse/csr-7"));
    let said = json!({ "m2m:csr": {
        "rr": true, "poa": ["https://gw.example.org:8443"], "srv": ["2a", "3"], "et": "20260102T120000",
        "dcse": null,
    }});
    assert_eq!(update.pc, Some(said));
    assert_eq!(gateway.asks(answer(Rsc::Updated, Some(own()))).op, Operation::Retrieve);
    let told = |actions: &[Action]| matches!(actions[1], Action::Tell(News::Registered { before: true, .. }));
    assert!(told(&gateway.step(based())));

    let mut again = Gateway::new(Some("/in-cse/csr-7"));
    again.step(Event::Join);
    assert_eq!(again.asks(Event::Opened).op, Operation::Update, "the address is known");
    assert_eq!(again.asks(answer(Rsc::NotFound, None)).op, Operation::Create, "it is gone");
}

#[test]
fn what_the_registrar_answers_is_told_as_it_is() {
    let mut gateway = Gateway::new(None);
    gateway.step(Event::Join);
    gateway.asks(Event::Opened);
    gateway.asks(created());
    let (trouble, _) = gateway.fails(answer(Rsc::Ok, Some(base("/in-other"))));
    let text = trouble.to_string();
    assert!(text.contains("it is /in-other, not //example.org/in-cse"), "{text}");

    for (rsc, hint) in [
        (Rsc::BadRequest, "is registrar.cse_id"),
        (Rsc::OriginatorNotAuthenticated, "stands for another CSE-ID"),
        (Rsc::ReleaseVersionNotSupported, "cse.releases"),
        (Rsc::InternalServerError, "INTERNAL"),
    ] {
        let mut gateway = Gateway::new(None);
        gateway.step(Event::Join);
        gateway.asks(Event::Opened);
        let refusal = Response::with_rqi(rsc, "r").with_debug_info("for\nthis");
        let (trouble, _) = gateway.fails(Event::Answered(Box::new(refusal)));
        let text = trouble.to_string();
        for part in ["CREATE <remoteCSE>", &rsc.code().to_string(), ": for\\nthis", hint] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}

#[test]
fn answers_that_make_no_sense_are_not_believed() {
    let csr = |name: &str, value: Value| {
        let mut all = own();
        all["m2m:csr"][name] = value;
        Some(all)
    };
    for content in [
        None,
        Some(json!({ "m2m:ae": {} })),
        csr("csi", json!("/mn-other")),
        csr("csi", json!(7)),
        csr("ri", Value::Null),
        csr("ri", json!("../x")),
        csr("ri", json!("a/b")),
        csr("ri", json!("")),
    ] {
        let mut gateway = Gateway::new(None);
        gateway.step(Event::Join);
        gateway.asks(Event::Opened);
        let (trouble, _) = gateway.fails(answer(Rsc::Created, content.clone()));
        assert!(matches!(trouble, Trouble::Nonsense { .. }), "{content:?}: {trouble}");
    }
    let mut gateway = Gateway::new(None);
    gateway.step(Event::Join);
    gateway.asks(Event::Opened);
    gateway.asks(created());
    let (trouble, _) = gateway.fails(answer(Rsc::Ok, Some(json!({ "m2m:cb": {} }))));
    assert!(matches!(trouble, Trouble::Nonsense { .. }));
}

#[test]
fn it_waits_longer_after_each_failure_and_starts_over_after_success() {
    let mut gateway = Gateway::new(None);
    gateway.step(Event::Join);
    for whole in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        let whole = Duration::from_secs(whole);
        let (trouble, delay) = gateway.fails(Event::NotOpened(Trouble::Unreachable("nobody".into())));
        assert_eq!(trouble.kind(), "unreachable");
        assert!(delay >= whole / 2 && delay <= whole, "{delay:?} of {whole:?}");
        assert_eq!(gateway.step(Event::Rested), [Action::Open]);
    }
    gateway.asks(Event::Opened);
    gateway.asks(created());
    gateway.step(based());
    let mut waits = |lasted: Duration| {
        gateway.now = gateway.now.saturating_add(lasted);
        let actions = gateway.step(Event::Ended);
        let [Action::Close, Action::Tell(News::Lost(_)), Action::Rest(delay)] = actions.as_slice() else {
            panic!("{actions:?}")
        };
        assert_eq!(gateway.step(Event::Rested), [Action::Open]);
        gateway.asks(Event::Opened);
        gateway.asks(answer(Rsc::Updated, Some(own())));
        gateway.step(based());
        *delay
    };
    assert!(waits(Duration::from_secs(100)) <= Duration::from_secs(1));
    assert!(waits(Duration::from_secs(1)) <= Duration::from_secs(1));
    assert!(waits(Duration::from_secs(1)) >= Duration::from_secs(1), "it breaks again and again");
    assert!(waits(Duration::from_secs(1)) >= Duration::from_secs(2));
    assert!(waits(Duration::from_secs(100)) <= Duration::from_secs(1), "that one lasted");
    gateway.step(Event::Ended);
    gateway.step(Event::Rested);
    let (_, delay) = gateway.fails(Event::NotOpened(Trouble::Unreachable("nobody".into())));
    assert!(delay <= Duration::from_secs(1), "the failures of the start are forgotten");
}

/// TS-0004 §7.4.4.2: what is below is told above, once, and as it is at last.
#[test]
fn descendants_are_told_when_they_change() {
    let mut gateway = Gateway::registered();
    assert!(gateway.step(Event::Descendants(Vec::new())).is_empty());
    let dcse = |request: &Request| request.pc.as_ref().unwrap()["m2m:csr"]["dcse"].clone();
    let update = gateway.asks(Event::Descendants(cses(&["asn-1"])));
    assert_eq!(dcse(&update), json!(["/asn-1"]));
    assert!(gateway.step(Event::Descendants(cses(&["asn-1", "asn-2"]))).is_empty(), "one at a time");
    assert!(gateway.step(Event::Descendants(cses(&["asn-2"]))).is_empty());
    let mut actions = gateway.step(answer(Rsc::Updated, Some(own())));
    let Some(Action::Ask(update)) = actions.pop() else { panic!("{actions:?}") };
    assert_eq!(dcse(&update), json!(["/asn-2"]));
    assert_eq!(gateway.step(answer(Rsc::Updated, Some(own()))).len(), 3);
    let update = gateway.asks(Event::Descendants(Vec::new()));
    assert_eq!(dcse(&update), Value::Null);

    let mut gateway = Gateway::new(None);
    gateway.step(Event::Descendants(cses(&["asn-1"])));
    gateway.step(Event::Join);
    assert_eq!(dcse(&gateway.asks(Event::Opened)), json!(["/asn-1"]));
    gateway.asks(created());
    assert_eq!(gateway.step(based()).len(), 3, "told already");
}

#[test]
fn it_leaves_in_order() {
    let mut gateway = Gateway::registered();
    let delete = gateway.asks(Event::Leave);
    assert_eq!((delete.op, delete.to.as_str()), (Operation::Delete, "/in-cse/csr-7"));
    let left = [Action::DropMirror, Action::Tell(News::Left), Action::Close];
    assert!(!gateway.machine.is_at_rest());
    assert_eq!(gateway.step(answer(Rsc::Deleted, None)), left);
    assert!(gateway.machine.is_at_rest());
    for late in [Event::Rested, Event::Ended, Event::Descendants(cses(&["x"])), Event::Opened, Event::Leave] {
        assert!(gateway.step(late).is_empty());
    }
    assert_eq!(gateway.step(Event::Join), [Action::Open]);
    assert_eq!(gateway.asks(Event::Opened).op, Operation::Create, "the old address is forgotten");

    let mut busy = Gateway::registered();
    busy.asks(Event::Rested);
    assert!(busy.step(Event::Leave).is_empty());
    let mut actions = busy.step(answer(Rsc::Updated, Some(own())));
    assert!(matches!(actions.pop(), Some(Action::Ask(request)) if request.op == Operation::Delete));

    let mut resting = Gateway::new(Some("/in-cse/csr-7"));
    resting.step(Event::Join);
    resting.fails(Event::NotOpened(Trouble::KeyRefused("alert".into())));
    assert_eq!(resting.step(Event::Leave), [Action::Open], "at once");
    assert_eq!(resting.asks(Event::Opened).op, Operation::Delete);
    assert_eq!(resting.step(answer(Rsc::NotFound, None)), left);

    let mut lost = Gateway::new(None);
    lost.step(Event::Join);
    lost.fails(Event::NotOpened(Trouble::Unreachable("gone".into())));
    lost.step(Event::Leave);
    assert_eq!(lost.asks(Event::Opened).op, Operation::Retrieve, "it may be registered there from before");
    assert_eq!(lost.asks(answer(Rsc::Ok, Some(own()))).op, Operation::Delete);
    assert!(lost.step(Event::Join).is_empty(), "a change of mind");
    let actions = lost.step(answer(Rsc::Deleted, None));
    assert_eq!(actions.last(), Some(&Action::Open));
}

#[test]
fn a_mirror_that_is_gone_or_cannot_be_kept_is_no_registration() {
    let mut gateway = Gateway::registered();
    assert!(matches!(gateway.step(Event::Unmirrored).as_slice(), [Action::Close, _, Action::Rest(_)]));
    assert_eq!(gateway.machine.registered_until(), None);
    let mut gateway = Gateway::registered();
    let (trouble, _) = gateway.fails(Event::NotMirrored("a circle".into()));
    assert!(trouble.to_string().contains("a circle"));
}

/// Whatever happens, in whatever order: one request at a time, and only over an association that was asked for.
#[test]
fn any_order_of_events_keeps_to_one_request_at_a_time() {
    let rng = SeededRng::new(5);
    let draw = || {
        let mut octet = [0];
        rng.fill(&mut octet).unwrap();
        octet[0]
    };
    for run in 0..300 {
        let mut gateway = Gateway::new((run % 2 == 0).then_some("/in-cse/csr-7"));
        let (mut open, mut opening, mut asked, mut timer) = (false, false, false, false);
        for _ in 0..60 {
            let event = match draw() % 14 {
                0 => Event::Join,
                1 => Event::Leave,
                2 if timer => Event::Rested,
                3..=5 if opening => Event::Opened,
                6 if opening => Event::NotOpened(Trouble::Unreachable(String::new())),
                7 if asked => created(),
                8 if asked => based(),
                9 if asked => answer(Rsc::Updated, Some(own())),
                10 if asked => answer(Rsc::OriginatorHasAlreadyRegistered, None),
                11 if asked => answer(Rsc::NotFound, None),
                12 if open => Event::Ended,
                13 => Event::Descendants(cses(if draw() % 2 == 0 { &["a"] } else { &[] })),
                _ => continue,
            };
            match &event {
                Event::Opened => (open, opening) = (true, false),
                Event::NotOpened(_) => opening = false,
                Event::Answered(_) => asked = false,
                // An association that ends takes the request under way along.
                Event::Ended if asked => continue,
                Event::Ended => open = false,
                Event::Rested => timer = false,
                _ => {}
            }
            for action in gateway.step(event) {
                match action {
                    Action::Open => {
                        assert!(!opening && !open && !asked);
                        opening = true;
                    }
                    Action::Close => (open, asked) = (false, false),
                    Action::Ask(_) => {
                        assert!(open && !asked, "run {run}");
                        asked = true;
                    }
                    Action::Rest(_) => timer = true,
                    Action::KeepMirror(_) | Action::DropMirror | Action::Tell(_) => {}
                }
            }
        }
    }
}
