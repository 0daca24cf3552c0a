use std::sync::Arc;

use identity::{Channel, Credential, Established, KeyRefusal, Peer};
use keys::{Kpsa, PskIdentity};
use net::{
    CertificateRefusal, Handler, Handshake, KeySource, NewSession, Presented, Remembered, SessionHandle,
};
use onem2m::primitive::{Request, Response};
use tokio::time::Instant;

use super::Metrics;

/// A source of keys whose lookups are counted.
pub(crate) struct MeasuredKeys<K> {
    pub(crate) keys: K,
    pub(crate) metrics: Metrics,
}

impl<K: KeySource> KeySource for MeasuredKeys<K> {
    async fn key(&self, identity: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
        let begun = Instant::now();
        let answer = self.keys.key(identity).await;
        self.metrics.lookup(answer.as_ref().err().copied(), begun.elapsed());
        answer
    }

    async fn certificate(&self, presented: Presented) -> Result<Established, CertificateRefusal> {
        self.keys.certificate(presented).await
    }

    async fn session(&self, offered: SessionHandle) -> Option<Remembered> {
        self.keys.session(offered).await
    }

    async fn remember(&self, session: NewSession, handshake: &Handshake, peer: &Peer) {
        self.keys.remember(session, handshake, peer).await;
    }

    async fn forget(&self, sessions: Vec<[u8; 32]>) {
        self.keys.forget(sessions).await;
    }
}

/// A handler whose requests are counted.
pub(crate) struct MeasuredHandler<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) metrics: Metrics,
}

impl<H: Handler> Handler for MeasuredHandler<H> {
    async fn handle(&self, channel: &Channel, request: Request) -> Response {
        let (begun, operation) = (Instant::now(), request.op);
        let response = self.handler.handle(channel, request).await;
        self.metrics.request(operation, response.rsc, begun.elapsed());
        response
    }

    async fn left(&self, channel: &Channel) {
        self.handler.left(channel).await;
    }
}
