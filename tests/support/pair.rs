//! Two CSEs as operators run them: an IN-CSE, and a gateway that registers with it.

use std::{fs, net::SocketAddr, sync::Arc};

use identity::{Channel, Credential, CredentialState, Function, KeyRefusal};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use net::{
    ClientContext, ClientIdentity, ClientPsk, DialLimits, Dialer, Handler, HttpConnection, KeySource,
    Listener, ListenerConfig, PrivateKey, ServerCheck, SuitePolicy,
};
use onem2m::{
    id::{EntityId, EntityKind},
    primitive::{Operation, Request, Response},
};
use serde_json::{Value, json};
use testkit::wait_until;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use pki::Issued;

use super::{
    World,
    certified::{Makers, of_cse, write},
};

pub(crate) const IN: &str = "//example.org/in-cse";
pub(crate) const MN: &str = "//example.org/mn-cse-123456";
pub(crate) const KPSA_ID: &str = "mn-cse-123456@example.org";

/// A key, different for each number.
pub(crate) fn key_hex(number: u8) -> String {
    format!("{number:02x}").repeat(16)
}

pub(crate) struct Pair {
    pub(crate) infrastructure: World,
    pub(crate) gateway: World,
}

/// A folder for the CSE `id`; `more` is appended to the configuration.
pub(crate) fn cse(id: &str, kind: &str, base: &str, port: u16, more: &str) -> World {
    let world = World::prepared("");
    let configuration = format!(
        "[store]\npath = \"attache.db\"\n\n[cse]\nid = \"{id}\"\nkind = \"{kind}\"\nbase_name = \"{base}\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:{port}\"\n\n{more}"
    );
    fs::write(world.path("attache.toml"), configuration).unwrap();
    world
}

/// `attache credential add` of a CSE's key.
pub(crate) fn add_cse(world: &World, psk_identity: &str, cse_id: &str, key: &str) {
    let file = format!("{}.hex", psk_identity.replace('@', "-"));
    fs::write(world.path(&file), key).unwrap();
    let add = ["credential", "add", "--psk-identity", psk_identity, "--cse-id", cse_id, "--key-file", &file];
    drop(world.run(&add).success());
}

/// `[registrar]` for the CSE at `address`.
pub(crate) fn registrar(cse_id: &str, address: SocketAddr, more: &str) -> String {
    format!(
        "[registrar]\ncse_id = \"{cse_id}\"\naddress = \"{address}\"\npsk_identity = \"{KPSA_ID}\"\n\
         retry_seconds = 1\nretry_most_seconds = 1\n{more}\n"
    )
}

impl Pair {
    /// Both are there, neither runs. The IN-CSE keeps its port, the gateway gets another one with each start.
    pub(crate) fn prepared(more: &str) -> Self {
        let port = testkit::reserved_port();
        let infrastructure = cse(IN, "in", "server", port, "");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let gateway = cse(MN, "mn", "home_gateway", 0, &registrar(IN, address, more));
        add_cse(&infrastructure, KPSA_ID, MN, &key_hex(1));
        add_cse(&gateway, KPSA_ID, IN, &key_hex(1));
        Self { infrastructure, gateway }
    }

    /// Both run, and the gateway is registered.
    pub(crate) fn start() -> Self {
        let mut pair = Self::prepared("");
        pair.infrastructure.serve();
        pair.gateway.serve();
        pair.gateway.wait_until_registered();
        pair
    }
}

/// A CSE whose listener has a certificate for `name` and accepts certificates; `more` is appended to the
/// configuration.
pub(crate) fn certified_cse(
    makers: &Makers,
    (id, name): (&str, &str),
    (kind, base, port): (&str, &str, u16),
    more: &str,
) -> World {
    let listener = "[listener.certificate]\nchain_file = \"server.pem\"\nkey_file = \"server.key\"\n\n\
         [listener.clients]\nanchors_file = \"root.pem\"\ncrl_file = \"crl.pem\"\nlook_seconds = 1\n\n";
    let world = cse(id, kind, base, port, &format!("{listener}{more}"));
    if kind != "in" {
        let text = fs::read_to_string(world.path("attache.toml")).unwrap();
        let text = text.replace("[cse]\n", "[cse]\ninfrastructure = \"in-cse\"\n");
        fs::write(world.path("attache.toml"), text).unwrap();
    }
    fs::write(world.path("root.pem"), makers.root.root_pem().unwrap()).unwrap();
    fs::write(world.path("crl.pem"), makers.revocation_list(1, &[])).unwrap();
    let issued = makers.issue(&of_cse(name));
    write(world.folder.path(), "server", &issued);
    world
}

/// `[registrar]` for the CSE at `address`, by certificate.
pub(crate) fn certified_registrar(cse_id: &str, address: SocketAddr) -> String {
    registrar(cse_id, address, "").replace(&format!("psk_identity = \"{KPSA_ID}\"\n"), "")
}

impl Pair {
    /// Both have certificates; neither runs.
    pub(crate) fn certified(makers: &Makers) -> Self {
        let port = testkit::reserved_port();
        let in_cse = (IN, "in-cse.example.org");
        let infrastructure = certified_cse(makers, in_cse, ("in", "server", port), "");
        let above = certified_registrar(IN, SocketAddr::from(([127, 0, 0, 1], port)));
        let mn_cse = (MN, "mn-cse-123456.in-cse.example.org");
        let gateway = certified_cse(makers, mn_cse, ("mn", "home_gateway", 0), &above);
        Self { infrastructure, gateway }
    }
}

impl World {
    /// An association with this server by a certificate; whom it leads to does not matter.
    pub(crate) async fn associate_as(&self, issued: &Issued) -> Peer {
        self.try_associate_as(issued).await.unwrap()
    }

    pub(crate) async fn try_associate_as(&self, issued: &Issued) -> Result<Peer, net::NetError> {
        let suites = SuitePolicy::default().with_certificates().certificates_only();
        let key = PrivateKey::from_pem(issued.key_pem.as_ref().unwrap().as_bytes()).unwrap();
        let identity = ClientIdentity::Chain { chain_der: issued.chain_der.clone(), key };
        let believes: ServerCheck = Arc::new(|_| Ok(()));
        let context = ClientContext::builder(&suites).identity(identity).server(believes).build().unwrap();
        let dialer = Dialer::of(context, DialLimits::default());
        let connection = dialer.connect_with(&self.address.to_string(), None, None, None).await?;
        Ok(Peer { connection, asked: 0 })
    }

    /// `attache registrar status`.
    pub(crate) fn registration(&self) -> Value {
        let told = self.run(&["--json", "registrar", "status"]).success();
        serde_json::from_str(&told.stdout).unwrap()
    }

    pub(crate) fn wait_until_registered(&self) {
        wait_until("the registration with the registrar", || {
            self.registration()["registered_until"].is_string().then_some(())
        });
    }

    /// What the server tells of the last failure, once it does.
    pub(crate) fn trouble(&self) -> String {
        wait_until("a failure to register", || self.registration()["trouble"].as_str().map(ToOwned::to_owned))
    }

    /// `attache inspect remote`: status and content.
    pub(crate) fn remote(&self, to: &str) -> (u64, Value) {
        let told = self.run(&["--json", "inspect", "remote", to]);
        let text = if told.status.success() { &told.stdout } else { &told.stderr };
        let fact: Value = serde_json::from_str(text).unwrap();
        (fact["rsc"].as_u64().unwrap_or(0), fact["content"].clone())
    }

    /// The audit lines with this action, newest first.
    pub(crate) fn audit(&self, action: &str) -> Vec<Value> {
        let told = self.run(&["--json", "inspect", "audit", "--limit", "200"]).success();
        let lines = told.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["action"] == action).collect()
    }

    /// An association with this server by a key that stands for a CSE.
    pub(crate) async fn associate(&self, psk_identity: &str, key: &str) -> Peer {
        self.try_associate(psk_identity, key).await.unwrap()
    }

    pub(crate) async fn try_associate(&self, psk_identity: &str, key: &str) -> Result<Peer, net::NetError> {
        let dialer = Dialer::new(&SuitePolicy::default(), DialLimits::default()).unwrap();
        let psk = ClientPsk { identity: psk_identity.parse().unwrap(), key: kpsa(key) };
        let connection = dialer.connect(&self.address.to_string(), psk, None).await?;
        Ok(Peer { connection, asked: 0 })
    }
}

pub(crate) fn kpsa(hex: &str) -> Kpsa {
    Kpsa::new(Secret::from_hex(hex).unwrap(), KeyLengthPolicy::Strict).unwrap()
}

/// A client that says whatever a test wants.
pub(crate) struct Peer {
    pub(crate) connection: HttpConnection,
    asked: u32,
}

impl Peer {
    pub(crate) async fn ask(&mut self, mut request: Request) -> Response {
        self.asked += 1;
        request.rqi = format!("t{}", self.asked);
        request.rvi = Some("3".into());
        let answer = self.connection.request(&request).await.unwrap();
        assert_eq!(answer.rqi, request.rqi);
        answer
    }

    /// With request identifiers of its own, where another peer says the same at the same time.
    pub(crate) fn counting_from(mut self, asked: u32) -> Self {
        self.asked = asked;
        self
    }

    pub(crate) async fn retrieve(&mut self, from: &str, to: &str) -> Response {
        self.ask(said(Operation::Retrieve, from, to)).await
    }

    /// CREATE `<remoteCSE>` for `csi`, said by `from`.
    pub(crate) async fn register(&mut self, from: &str, to: &str, csi: &str, poa: &[String]) -> Response {
        let mut request = said(Operation::Create, from, to);
        request.ty = Some(16);
        let mut csr = json!({ "csi": csi, "cb": format!("{csi}/base"), "rr": !poa.is_empty(), "srv": ["3"] });
        if !poa.is_empty() {
            csr["poa"] = json!(poa);
        }
        request.pc = Some(json!({ "m2m:csr": csr }));
        self.ask(request).await
    }
}

pub(crate) fn said(operation: Operation, from: &str, to: &str) -> Request {
    let mut request = Request::new(operation, to, "t");
    request.fr = Some(from.to_owned());
    request
}

/// A CSE made for a test: it answers every request with what it heard, or not at all.
pub(crate) struct Echo {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    hanging: watch::Receiver<usize>,
}

struct OneKey {
    psk_identity: PskIdentity,
    key: String,
    stands_for: EntityId,
}

impl KeySource for OneKey {
    async fn key(&self, identity: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
        if identity != self.psk_identity {
            return Err(KeyRefusal::Unknown);
        }
        let credential = Credential {
            function: Function::Cse,
            credential_id: CredentialId::saef_key(&identity),
            psk_identity: identity,
            kind: EntityKind::Cse,
            entity: Some(self.stands_for.clone()),
            state: CredentialState::Active,
            not_after: None,
            version: 1,
            allow_short_key: false,
        };
        Ok((credential, kpsa(&self.key)))
    }
}

struct Answering {
    hanging: watch::Sender<usize>,
}

/// A request that is not answered; counted for as long as somebody waits for it.
struct Hanging<'a>(&'a watch::Sender<usize>);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Handler for Answering {
    async fn handle(&self, _: &Channel, request: Request) -> Response {
        if request.to.ends_with("/hangs") {
            self.hanging.send_modify(|count| *count += 1);
            let _hanging = Hanging(&self.hanging);
            std::future::pending::<()>().await;
        }
        let mut answer = Response::new(onem2m::status::ResponseStatusCode::Ok, &request);
        answer.pc = Some(json!({ "m2m:cb": {
            "fr": request.fr, "to": request.to, "rqi": request.rqi, "pc": request.pc,
        }}));
        answer
    }
}

impl Echo {
    pub(crate) fn start(psk_identity: &str, key: &str, stands_for: &str) -> Self {
        let keys = OneKey {
            psk_identity: psk_identity.parse().unwrap(),
            key: key.to_owned(),
            stands_for: EntityId::Cse(stands_for.parse().unwrap()),
        };
        let config = ListenerConfig::new(([127, 0, 0, 1], 0).into()).unwrap();
        let (sender, hanging) = watch::channel(0);
        let answering = Arc::new(Answering { hanging: sender });
        let listener = Listener::bind(config, Arc::new(keys), answering, Arc::new(())).unwrap();
        let (address, stop) = (listener.local_addr(), CancellationToken::new());
        tokio::spawn(listener.serve(stop.clone()));
        Self { address, stop, hanging }
    }

    /// How many requests hang, once there are `count`.
    pub(crate) async fn hanging(&self, count: usize) -> usize {
        let mut hanging = self.hanging.clone();
        let reached = hanging.wait_for(|now| *now >= count);
        *tokio::time::timeout(testkit::DEADLINE, reached).await.unwrap().unwrap()
    }

    pub(crate) fn poa(&self) -> Vec<String> {
        vec![format!("https://{}", self.address)]
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}
