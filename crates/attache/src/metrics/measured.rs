use std::sync::Arc;

use identity::{Channel, Credential, KeyRefusal};
use keys::{Kpsa, PskIdentity};
use net::{Handler, KeySource};
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
