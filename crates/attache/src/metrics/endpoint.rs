use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use net::Live;
use onem2m::resource::ResourceType;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, text::encode},
    metrics::{
        MetricType,
        counter::ConstCounter,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};
use store::{Resources as _, Statistics, Store, StoreError};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::Metrics;
use crate::outcome::Failure;

/// What a scraper says that it understands.
const FORM: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Scrapes at a time.
const AT_ONCE: usize = 4;
/// How long a scrape may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(100);

/// What is looked at for each scrape.
pub(crate) struct Sources {
    pub(crate) store: Store,
    pub(crate) live: Live,
}

/// `http://<address>/metrics`. Whoever reaches the address can read them.
pub(crate) struct Endpoint {
    listener: TcpListener,
    page: Arc<Page>,
}

struct Page {
    registry: Registry,
    sources: Sources,
    aes: Gauge,
    cses: Gauge,
}

impl Endpoint {
    pub(crate) async fn bind(
        address: SocketAddr,
        metrics: &Metrics,
        sources: Sources,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| Failure::usage(format_args!("[metrics] cannot listen at {address}: {error}")))?;
        let page = Arc::new(Page::new(metrics, sources));
        Ok(Self { listener, page })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> Result<SocketAddr, Failure> {
        self.listener.local_addr().map_err(Failure::internal)
    }

    /// Answers until it is dropped.
    pub(crate) async fn serve(self) {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((tcp, _)) => {
                    let page = Arc::clone(&self.page);
                    tokio::spawn(async move {
                        // Somebody who went away, or was too slow, asks again.
                        let _ = timeout(PATIENCE, attend(tcp, page)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept scrapes of the metrics");
                    sleep(REST).await;
                }
            }
        }
    }
}

async fn attend(tcp: TcpStream, page: Arc<Page>) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let page = Arc::clone(&page);
        async move { Ok::<_, Infallible>(page.answer(&request).await) }
    });
    http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(tcp), service)
        .await
}

impl Page {
    fn new(metrics: &Metrics, sources: Sources) -> Self {
        let mut registry = Registry::with_prefix("attache");
        metrics.register(&mut registry);
        let (aes, cses) = (Gauge::default(), Gauge::default());
        registry.register("registered_aes", "Registered AEs", aes.clone());
        registry.register("registered_cses", "Registered CSEs", cses.clone());
        let (store, live) = (sources.store.clone(), sources.live.clone());
        registry.register_collector(Box::new(Now { store, live }));
        Self { registry, sources, aes, cses }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != "/metrics" {
            return text(StatusCode::NOT_FOUND, "the metrics are at /metrics\n");
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "expected GET\n");
        }
        match self.scrape().await {
            Ok(metrics) => {
                let mut response = Response::new(Full::from(metrics));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
                response
            }
            Err(error) => {
                tracing::warn!(error, "the metrics were not read");
                text(StatusCode::SERVICE_UNAVAILABLE, "the metrics were not read; see the log\n")
            }
        }
    }

    async fn scrape(&self) -> Result<String, String> {
        let counted = self.sources.store.read(|records| {
            let ae = records.count_of_type(ResourceType::Ae.code())?;
            Ok::<_, StoreError>((ae, records.count_of_type(ResourceType::RemoteCse.code())?))
        });
        let (aes, cses) = counted.await.map_err(|error| error.to_string())?;
        self.aes.set(i64::try_from(aes).unwrap_or(i64::MAX));
        self.cses.set(i64::try_from(cses).unwrap_or(i64::MAX));
        let mut text = String::with_capacity(16 * 1024);
        encode(&mut text, &self.registry).map_err(|error| error.to_string())?;
        Ok(text)
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
}

/// What is not counted but looked at.
struct Now {
    store: Store,
    live: Live,
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Now").finish_non_exhaustive()
    }
}

impl Collector for Now {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        let live = ConstGauge::new(i64::try_from(self.live.len()).unwrap_or(i64::MAX));
        let help = "Associations that are established now";
        live.encode(to.encode_descriptor("associations", help, None, MetricType::Gauge)?)?;
        let now = self.store.statistics();
        for (name, help, value) in counts(&now) {
            let counter = ConstCounter::new(value);
            counter.encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        let help = "What waits for the store, by kind";
        let mut waiting = to.encode_descriptor("store_waiting", help, None, MetricType::Gauge)?;
        for (queue, count) in
            [("write", now.waiting_writes), ("read", now.waiting_reads), ("lookup", now.waiting_lookups)]
        {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            gauge.encode(waiting.encode_family(&[("queue", queue)])?)?;
        }
        Ok(())
    }
}

const fn counts(now: &Statistics) -> [(&'static str, &'static str, u64); 5] {
    [
        ("store_transactions", "Write transactions that were answered", now.transactions),
        ("store_commits", "Commits that reached the disk", now.commits),
        ("store_failed_commits", "Groups of transactions that failed as a whole", now.failed_commits),
        ("store_reads", "General reads of the store", now.reads),
        ("store_lookups", "Lookups of keys in the store", now.lookups),
    ]
}
