use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use cse::{AbsentLists, Registrar, ServiceSubscription, Settings, Witness};
use identity::{Channel, CseType, Established, Function, Home, Peer};
use keys::{KeyLengthPolicy, Kpsa, Secret, SeededRng};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    primitive::{Operation, Request, Response},
    status::ResponseStatusCode as Rsc,
    time::ManualClock,
};
use serde_json::{Value, json};
use store::{AuditRecord, CredentialsMut as _, KekSource, NewCredential, Options, Store};
use tempfile::TempDir;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

#[derive(Default)]
pub(crate) struct Refusals(pub(crate) Mutex<Vec<AuditRecord>>);

impl Witness for Refusals {
    fn refused(&self, record: AuditRecord) {
        self.0.lock().unwrap().push(record);
    }
}

/// A registrar on a store of its own, with a clock that stands still.
pub(crate) struct World {
    pub(crate) registrar: Registrar,
    pub(crate) settings: Settings,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) refusals: Arc<Refusals>,
    drawn: AtomicU64,
    _folder: TempDir,
}

impl World {
    pub(crate) async fn of(cse_type: CseType) -> Self {
        Self::with(cse_type, ServiceSubscription::Auto).await
    }

    pub(crate) async fn with(cse_type: CseType, service_subscription: ServiceSubscription) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("20260101T120000".parse().unwrap()));
        let path = folder.path().join("cse.db");
        let rng = Arc::new(SeededRng::new(1));
        let kek = KekSource::beside(&path);
        let store = Store::open(&path, &kek, clock.clone(), rng.clone(), Options::default()).unwrap();
        let settings = Settings {
            home: Home { cse: "//example.org/mn-cse-123456".parse().unwrap(), cse_type },
            base_name: "home_gateway".parse().unwrap(),
            releases: vec!["2a".into(), "3".into()],
            registration_lifetime: DAY,
            service_subscription,
            absent_rule_lists: AbsentLists::default(),
        };
        let refusals = Arc::new(Refusals::default());
        let registrar = Registrar::new(settings.clone(), store.clone(), clock.clone(), rng, refusals.clone());
        registrar.publish(vec!["https://gw.example.org:8443".into()]).await.unwrap();
        Self { registrar, settings, store, clock, refusals, drawn: AtomicU64::new(1), _folder: folder }
    }

    /// A number that was not used before.
    pub(crate) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }

    /// The registrar stops and another starts on the same store.
    pub(crate) async fn restart(&mut self) {
        let rng = Arc::new(SeededRng::new(self.draw()));
        let (settings, store) = (self.settings.clone(), self.store.clone());
        self.registrar = Registrar::new(settings, store, self.clock.clone(), rng, self.refusals.clone());
        self.registrar.publish(vec!["https://gw.example.org:8443".into()]).await.unwrap();
    }

    pub(crate) async fn new() -> Self {
        Self::of(CseType::Mn).await
    }

    /// A credential in the store, and an association of its holder.
    pub(crate) async fn device(&self, number: u8, stem: Option<&str>) -> Arc<Peer> {
        let home = "//example.org/mn-cse-123456".parse().unwrap();
        let ae = stem.map(|stem| EntityId::Ae(AeId::of_stem(&home, stem.parse().unwrap())));
        self.holder(number, EntityKind::Ae, ae).await
    }

    pub(crate) async fn holder(&self, number: u8, kind: EntityKind, entity: Option<EntityId>) -> Arc<Peer> {
        let credential = self
            .store
            .write("test.add", move |tx| {
                let key = Kpsa::new(Secret::new(vec![number; 16]), KeyLengthPolicy::Strict).unwrap();
                let identity = format!("light{number}@home.example.org").parse().unwrap();
                let mut new = NewCredential::new(Function::Cse, identity, key, kind);
                new.entity = entity.clone();
                tx.add_credential(&new)
            })
            .await
            .unwrap();
        Arc::new(Peer::new(Established::by_key(&credential), "192.0.2.7:5000".parse().unwrap()))
    }

    /// The CSE `/mn-7` and the like, with a key, over an association.
    pub(crate) async fn cse(&self, number: u8, id: &str) -> Arc<Peer> {
        let entity = EntityId::Cse(id.parse().unwrap());
        self.holder(number, EntityKind::Cse, Some(entity)).await
    }

    pub(crate) async fn ask(&self, sender: &impl Sender, request: Request) -> Response {
        let (rqi, rvi) = (request.rqi.clone(), request.rvi.clone());
        let response = self.registrar.handle_over(&sender.channel(), request).await;
        assert_eq!((response.rqi.clone(), response.rvi.clone()), (rqi, rvi));
        response
    }

    /// The status of a request that is to be refused; nothing but the audit may change.
    pub(crate) async fn refuses(&self, sender: &impl Sender, request: Request) -> Rsc {
        let before = self.store.digest().await.unwrap();
        let what = format!("{request:?}");
        let response = self.ask(sender, request).await;
        assert!(!response.rsc.is_success(), "{what} was answered {}", response.rsc);
        assert!(response.debug_info().is_some_and(|text| !text.is_empty()), "{what}: no reason given");
        assert_eq!(self.store.digest().await.unwrap(), before, "{what} changed the store");
        response.rsc
    }
}

pub(crate) fn request(op: Operation, to: &str, from: Option<&str>) -> Request {
    let mut request = Request::new(op, to, "r1");
    request.fr = from.map(ToOwned::to_owned);
    request.rvi = Some("3".into());
    request
}

pub(crate) fn ae() -> Value {
    json!({ "rn": "light_ae1", "api": "Nlight.example", "rr": true, "srv": ["3"], "poa": ["https://192.0.2.11"] })
}

pub(crate) fn create(from: Option<&str>, ae: Value) -> Request {
    let mut request = request(Operation::Create, "/mn-cse-123456/home_gateway", from);
    request.ty = Some(2);
    request.pc = Some(json!({ "m2m:ae": ae }));
    request
}

pub(crate) fn update(from: &str, to: &str, ae: Value) -> Request {
    let mut request = request(Operation::Update, to, Some(from));
    request.pc = Some(json!({ "m2m:ae": ae }));
    request
}

pub(crate) fn with(mut ae: Value, name: &str, value: Value) -> Value {
    ae[name] = value;
    ae
}

pub(crate) fn without(mut ae: Value, name: &str) -> Value {
    ae.as_object_mut().unwrap().remove(name);
    ae
}

/// What a request can come over.
pub(crate) trait Sender {
    fn channel(&self) -> Channel;
}

impl Sender for Arc<Peer> {
    fn channel(&self) -> Channel {
        Channel::Association(Self::clone(self))
    }
}

impl Sender for Channel {
    fn channel(&self) -> Channel {
        self.clone()
    }
}
