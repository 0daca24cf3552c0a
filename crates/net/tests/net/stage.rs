//! A listener with keys, a handler and an observer whose parts a test controls.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use association::{
    Association, ClientContext, ClientPsk, Progress, ReadOutcome, ServerContext, ServerNames, SuitePolicy,
};
use identity::{Channel, Credential, CredentialState, Function, KeyRefusal};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use net::{
    Crew, DialLimits, EndEvent, Handler, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, HttpConnection,
    KeySource, Limits, Listener, ListenerConfig, Live, NetError, Observer, ServerTls,
};
use onem2m::{
    id::EntityKind,
    primitive::{Operation, Request, Response},
    status::ResponseStatusCode,
    time::{ManualClock, Timestamp},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

pub(crate) const LIGHT: &str = "light1@home.example.org";
pub(crate) const PHONE: &str = "phone1@home.example.org";

/// Far longer than any test runs.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);
/// Short enough to be waited for.
pub(crate) const SOON: Duration = Duration::from_millis(100);

pub(crate) fn key(octet: u8) -> Kpsa {
    Kpsa::new(Secret::new(vec![octet; 16]), KeyLengthPolicy::Strict).unwrap()
}

pub(crate) fn psk(identity: &str, octet: u8) -> ClientPsk {
    ClientPsk { identity: identity.parse().unwrap(), key: key(octet) }
}

pub(crate) fn credential_id(identity: &str) -> CredentialId {
    CredentialId::saef_key(&identity.parse().unwrap())
}

/// What a lookup of an identity does. Every key is of sevens.
#[derive(Clone)]
pub(crate) enum Lookup {
    Key,
    KeyUntil(Timestamp),
    Refuse(KeyRefusal),
    /// Waits for a permit, then gives the key.
    Gate(Arc<Semaphore>),
    Never,
    Panic,
}

#[derive(Default)]
pub(crate) struct Keys {
    rows: Mutex<HashMap<String, Lookup>>,
    asked: Mutex<HashMap<String, usize>>,
    threads: Mutex<BTreeSet<String>>,
}

impl Keys {
    pub(crate) fn set(&self, identity: &str, lookup: Lookup) {
        self.rows.lock().unwrap().insert(identity.to_owned(), lookup);
    }

    /// The names of the threads that asked.
    pub(crate) fn threads(&self) -> BTreeSet<String> {
        self.threads.lock().unwrap().clone()
    }

    pub(crate) fn asked(&self, identity: &str) -> usize {
        self.asked.lock().unwrap().get(identity).copied().unwrap_or_default()
    }
}

impl KeySource for Keys {
    async fn key(&self, identity: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
        *self.asked.lock().unwrap().entry(identity.as_str().to_owned()).or_default() += 1;
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.threads.lock().unwrap().insert(thread);
        let lookup = self.rows.lock().unwrap().get(identity.as_str()).cloned();
        let mut not_after = None;
        match lookup {
            None => return Err(KeyRefusal::Unknown),
            Some(Lookup::Key) => {}
            Some(Lookup::KeyUntil(end)) => not_after = Some(end),
            Some(Lookup::Refuse(refusal)) => return Err(refusal),
            Some(Lookup::Gate(gate)) => gate.acquire().await.unwrap().forget(),
            Some(Lookup::Never) => std::future::pending().await,
            Some(Lookup::Panic) => {
                tokio::task::yield_now().await;
                panic!("a lookup that breaks");
            }
        }
        let credential = Credential {
            function: Function::Cse,
            credential_id: CredentialId::saef_key(&identity),
            psk_identity: identity,
            kind: EntityKind::Ae,
            entity: None,
            state: CredentialState::Active,
            not_after,
            version: 1,
            allow_short_key: false,
        };
        Ok((credential, key(7)))
    }
}

/// Tells who asks; `/~/hold` waits for a permit, `/~/much` answers with 32 MiB.
pub(crate) struct Tell {
    pub(crate) entered: Semaphore,
    pub(crate) hold: Semaphore,
    /// A permit for each plain connection that has ended.
    pub(crate) left: Semaphore,
}

impl Tell {
    pub(crate) fn new() -> Self {
        Self { entered: Semaphore::new(0), hold: Semaphore::new(0), left: Semaphore::new(0) }
    }
}

impl Handler for Tell {
    async fn left(&self, _: &Channel) {
        self.left.add_permits(1);
    }

    async fn handle(&self, channel: &Channel, request: Request) -> Response {
        self.entered.add_permits(1);
        if request.to.ends_with("hold") {
            self.hold.acquire().await.unwrap().forget();
        }
        let mut response = Response::new(ResponseStatusCode::Ok, &request);
        response.pc = Some(if request.to.ends_with("much") {
            json!({ "m2m:dbg": "x".repeat(32 << 20) })
        } else {
            json!({ "m2m:dbg": channel.credential_id().map_or_else(|| channel.to_string(), ToString::to_string) })
        });
        response
    }
}

struct Events {
    handshakes: mpsc::UnboundedSender<HandshakeEvent>,
    ends: mpsc::UnboundedSender<EndEvent>,
}

impl Observer for Events {
    fn handshake(&self, event: &HandshakeEvent) {
        let _ = self.handshakes.send(event.clone());
    }

    fn ended(&self, event: &EndEvent) {
        let _ = self.ends.send(event.clone());
    }
}

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) keys: Arc<Keys>,
    pub(crate) handler: Arc<Tell>,
    pub(crate) live: Live,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<()>,
    handshakes: mpsc::UnboundedReceiver<HandshakeEvent>,
    ends: mpsc::UnboundedReceiver<EndEvent>,
}

pub(crate) fn now() -> Timestamp {
    "20260101T000000".parse().unwrap()
}

/// Limits that no test meets unless it sets them.
pub(crate) fn patient() -> Limits {
    Limits {
        handshake_deadline: NEVER,
        lookup_deadline: NEVER,
        header_deadline: NEVER,
        body_deadline: NEVER,
        send_deadline: NEVER,
        idle: NEVER,
        lifetime: NEVER,
        drain_deadline: NEVER,
        ..Limits::default()
    }
}

impl Stage {
    /// A listener that knows the keys of [`LIGHT`] and [`PHONE`].
    pub(crate) fn open(limits: Limits) -> Self {
        Self::open_with(limits, &SuitePolicy::default())
    }

    pub(crate) fn open_with(limits: Limits, suites: &SuitePolicy) -> Self {
        Self::open_on(None, limits, suites)
    }

    pub(crate) fn open_on(crew: Option<Crew>, limits: Limits, suites: &SuitePolicy) -> Self {
        let keys = Arc::new(Keys::default());
        keys.set(LIGHT, Lookup::Key);
        keys.set(PHONE, Lookup::Key);
        let handler = Arc::new(Tell::new());
        let (to_handshakes, handshakes) = mpsc::unbounded_channel();
        let (to_ends, ends) = mpsc::unbounded_channel();
        let events = Arc::new(Events { handshakes: to_handshakes, ends: to_ends });
        let config = ListenerConfig {
            limits,
            tls: ServerTls::new(ServerContext::new(suites, ServerNames::Any).unwrap()),
            clock: Arc::new(ManualClock::new(now())),
            crew,
            ..ListenerConfig::new("127.0.0.1:0".parse().unwrap()).unwrap()
        };
        let live = config.live.clone();
        let listener = Listener::bind(config, Arc::clone(&keys), Arc::clone(&handler), events).unwrap();
        let address = listener.local_addr();
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(listener.serve(shutdown.clone()));
        Self { address, keys, handler, live, shutdown, serving, handshakes, ends }
    }

    pub(crate) async fn handshake(&mut self) -> HandshakeEvent {
        self.handshakes.recv().await.unwrap()
    }

    /// The next handshake that failed.
    pub(crate) async fn refusal(&mut self) -> HandshakeRefusal {
        loop {
            if let HandshakeOutcome::Refused(refusal) = self.handshake().await.outcome {
                return refusal;
            }
        }
    }

    pub(crate) async fn end(&mut self) -> EndEvent {
        self.ends.recv().await.unwrap()
    }

    pub(crate) async fn connect(&self, identity: &str, octet: u8) -> Result<HttpConnection, NetError> {
        let limits = DialLimits {
            connect_deadline: NEVER,
            handshake_deadline: NEVER,
            request_deadline: NEVER,
            ..DialLimits::default()
        };
        let name = Some("home.example.org");
        HttpConnection::connect(&self.address.to_string(), psk(identity, octet), name, limits).await
    }

    pub(crate) async fn raw(&self, identity: &str) -> Raw {
        let mut raw = Raw::dial(self.address, psk(identity, 7)).await;
        raw.shake_hands().await.unwrap();
        raw
    }
}

pub(crate) fn request(to: &str) -> Request {
    let mut request = Request::new(Operation::Retrieve, to, "r1");
    request.fr = Some("Clight1".to_owned());
    request.rvi = Some("3".to_owned());
    request
}

/// A client that sends what a test wants, over TLS.
pub(crate) struct Raw {
    pub(crate) tcp: TcpStream,
    pub(crate) association: Association,
    /// Everything that the server sent, as it was on the wire.
    pub(crate) wire: Vec<u8>,
}

impl Raw {
    pub(crate) async fn dial(address: SocketAddr, psk: ClientPsk) -> Self {
        let context = ClientContext::new(&SuitePolicy::default()).unwrap();
        let association = Association::client(&context, psk, None).unwrap();
        Self { tcp: TcpStream::connect(address).await.unwrap(), association, wire: Vec::new() }
    }

    pub(crate) async fn flush(&mut self) {
        let mut octets = Vec::new();
        self.association.take_output(&mut octets);
        self.tcp.write_all(&octets).await.unwrap();
    }

    /// Takes what the server sends next. False at its end.
    pub(crate) async fn take(&mut self) -> bool {
        let mut octets = [0; 4096];
        let count = self.tcp.read(&mut octets).await.unwrap_or_default();
        self.wire.extend(&octets[..count]);
        if count == 0 {
            self.association.feed_end();
        } else {
            assert_eq!(self.association.feed(&octets[..count]), count);
        }
        count > 0
    }

    pub(crate) async fn shake_hands(&mut self) -> Result<(), association::Error> {
        loop {
            if let Progress::Established(_) = self.association.step()? {
                self.flush().await;
                return Ok(());
            }
            self.flush().await;
            self.take().await;
        }
    }

    pub(crate) async fn say(&mut self, text: &str) {
        let mut octets = text.as_bytes();
        while !octets.is_empty() {
            let taken = self.association.write(octets).unwrap();
            octets = &octets[taken..];
            self.flush().await;
        }
    }

    /// Reads until `end` has been heard; the rest of what has come stays unread.
    pub(crate) async fn hear(&mut self, end: &str) -> String {
        let mut heard = String::new();
        while !heard.ends_with(end) {
            let mut octet = [0];
            match self.association.read(&mut octet) {
                Ok(ReadOutcome::Data(_)) => heard.push(char::from(octet[0])),
                Ok(ReadOutcome::WantsInput) => {
                    self.take().await;
                }
                other => panic!("{other:?} after {heard:?}"),
            }
        }
        heard
    }

    /// Reads to the end. `Ok` if that was a `close_notify`.
    pub(crate) async fn hear_out(&mut self) -> (String, Result<(), association::Error>) {
        let mut heard = Vec::new();
        loop {
            let mut octets = [0; 1000];
            match self.association.read(&mut octets) {
                Ok(ReadOutcome::Data(count)) => heard.extend(&octets[..count]),
                Ok(ReadOutcome::WantsInput) => {
                    self.take().await;
                }
                Ok(ReadOutcome::Closed) => return (String::from_utf8(heard).unwrap(), Ok(())),
                Err(error) => return (String::from_utf8(heard).unwrap(), Err(error)),
            }
        }
    }
}

/// A RETRIEVE as HTTP.
pub(crate) fn get(to: &str, rqi: &str) -> String {
    format!(
        "GET {to} HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: Clight1\r\nX-M2M-RI: {rqi}\r\nX-M2M-RVI: 3\r\n\r\n"
    )
}
