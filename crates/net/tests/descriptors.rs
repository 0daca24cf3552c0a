//! A process without file descriptors goes on accepting when it has some again. Alone in its file: the limit is
//! that of the whole process.

use std::sync::Arc;

use association::ClientPsk;
use identity::{Channel, Credential, KeyRefusal};
use keys::{KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use net::{
    DialLimits, Handler, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, HttpConnection, KeySource,
    Listener, ListenerConfig, NetError, Observer,
};
use onem2m::{
    primitive::{Request, Response},
    status::ResponseStatusCode,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{net::TcpStream, sync::mpsc};
use tokio_util::sync::CancellationToken;

struct Nobody;

impl KeySource for Nobody {
    async fn key(&self, _: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
        Err(KeyRefusal::Unknown)
    }
}

impl Handler for Nobody {
    async fn handle(&self, _: &Channel, request: Request) -> Response {
        Response::new(ResponseStatusCode::Ok, &request)
    }
}

struct Events(mpsc::UnboundedSender<HandshakeOutcome>);

impl Observer for Events {
    fn handshake(&self, event: &HandshakeEvent) {
        let _ = self.0.send(event.outcome);
    }
}

#[tokio::test]
async fn no_descriptors_is_no_end() {
    let (events, mut outcomes) = mpsc::unbounded_channel();
    let config = ListenerConfig::new("127.0.0.1:0".parse().unwrap()).unwrap();
    let observer = Arc::new(Events(events));
    let listener = Listener::bind(config, Arc::new(Nobody), Arc::new(Nobody), observer).unwrap();
    let address = listener.local_addr();

    // The kernel takes these; nobody has accepted them yet.
    let mut flood = Vec::new();
    for _ in 0..30 {
        flood.push(TcpStream::connect(address).await.unwrap());
    }
    let in_use = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let limit = getrlimit(Resource::Nofile);
    let tight = Rlimit { current: Some(u64::try_from(in_use).unwrap() + 4), ..limit };
    setrlimit(Resource::Nofile, tight).unwrap();
    tokio::spawn(listener.serve(CancellationToken::new()));

    // Each time that accepting fails, the oldest has to go; that is how the youngest gets in.
    for _ in 0..20 {
        let outcome = outcomes.recv().await.unwrap();
        assert_eq!(outcome, HandshakeOutcome::Refused(HandshakeRefusal::Evicted));
    }
    drop(flood);
    let key = Kpsa::new(Secret::new(vec![7; 16]), KeyLengthPolicy::Strict).unwrap();
    let psk = ClientPsk { identity: "a@x.org".parse().unwrap(), key };
    let refused = HttpConnection::connect(&address.to_string(), psk, None, DialLimits::default()).await;
    setrlimit(Resource::Nofile, limit).unwrap();
    assert!(matches!(refused, Err(NetError::Refused { .. })), "{:?}", refused.err());
    loop {
        if outcomes.recv().await.unwrap() == HandshakeOutcome::Refused(HandshakeRefusal::Unknown) {
            return;
        }
    }
}
