//! `attache serve`: the one function that builds the program, and its life.

use std::{
    net::SocketAddr, num::NonZeroUsize, path::Path, process::ExitCode, sync::Arc, thread, time::Duration,
};

use identity::{Channel, Function, OsPeer};
use keys::{CredentialId, OsRng};
use net::{Crew, Handler, Listener, ListenerConfig, Live, PlainListener};
use onem2m::{
    primitive::{Request, Response},
    time::{Clock, SystemClock, Timestamp},
};
use serde_json::{Value, json};
use store::{Change, ChangeKind, Changes, Enrolments as _, Event, Store};
use tokio::{
    signal::unix::{self, SignalKind},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admit::{Gates, Renewal},
    config::Config,
    control::{Control, View},
    descriptors, log,
    mcc::{self, Mcc},
    metrics::{Endpoint, MeasuredHandler, MeasuredKeys, Metrics, Sources},
    outcome::{Done, Failure, causes, say},
    reload::Reload,
    stored, subscription,
    witness::Journal,
};

/// How often registrations that have expired are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// Registrations removed at one sweep.
const SWEPT: u32 = 1000;

/// Runs the registrar that the file at `path` describes until it is told to stop.
pub(crate) async fn run(path: &Path, json: bool) -> Done {
    let config = Config::load(path)?;
    let dials = log::start(&config.log)?;
    descriptors::raise_limit(&config);
    let mut signals = Signals::listen()?;
    let mut running = start(&config).await?;
    for (address, section) in running.addresses().iter().zip(&config.listener) {
        let ways = section.ways();
        let fact = json!({ "listening": address.to_string(), "cse": config.cse.id.to_string() });
        say(json, &fact, format_args!("{} listens on {address} (TLS 1.2, {ways}, HTTP)", config.cse.id));
    }
    for endpoint in &running.plain {
        let line = format_args!("{} listens on {endpoint} (no security association, HTTP)", config.cse.id);
        say(json, &json!({ "plain": endpoint }), line);
    }
    if let Some(address) = running.metrics {
        let fact = json!({ "metrics": address.to_string() });
        say(json, &fact, format_args!("the metrics are at http://{address}/metrics"));
    }
    let renewals = std::mem::take(&mut running.renewals);
    let reload = Reload::new(path, config, dials, renewals, running.store.clone());
    while signals.next().await == Signal::Reload {
        reload.now().await;
    }
    tracing::info!("stopping");
    running.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// A registrar that runs.
pub(crate) struct Running {
    addresses: Vec<SocketAddr>,
    /// Endpoints outside of any association.
    plain: Vec<String>,
    /// Where the metrics are read.
    metrics: Option<SocketAddr>,
    shutdown: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
    scribe: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
    mcc: mcc::Running,
    store: Store,
    /// What can be renewed while it runs.
    renewals: Vec<Renewal>,
}

/// Puts the parts together, bottom to top, and starts them.
pub(crate) async fn start(config: &Config) -> Result<Running, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let metrics = Metrics::new();
    let observed = store::Options { on_commit: Some(metrics.commit_hook()), ..store::Options::default() };
    let store = stored::open_with(config, observed)?;
    let live = Live::new();
    // Before the first key is read, so that no change of a credential goes unheard.
    let changes = store.subscribe()?;
    let (journal, scribe) = Journal::new(Arc::clone(&clock), config.audit.lines.get(), metrics.clone());

    let mcc = Mcc::new(config, &store, &clock, metrics.mcc.clone())?;
    let registrar = cse::Registrar::new(
        config.cse.settings(),
        store.clone(),
        Arc::clone(&clock),
        Arc::new(OsRng),
        Arc::clone(&journal) as Arc<dyn cse::Witness>,
    );
    let registrar = Arc::new(Served(Arc::new(registrar.forwarding(mcc.next_hops()))));
    let handler = Arc::new(MeasuredHandler { handler: Arc::clone(&registrar), metrics: metrics.clone() });
    let mut gates = Gates::new(config, &store, &clock);
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let crew = Crew::start(threads).map_err(Failure::internal)?;
    let mut bound = Vec::new();
    for section in &config.listener {
        let (tls, verifier) = gates.open(section).await?;
        let settings = ListenerConfig {
            address: section.address,
            tls,
            limits: config.limits.limits(),
            live: live.clone(),
            clock: Arc::clone(&clock),
            crew: Some(crew.clone()),
        };
        let keys = Arc::new(MeasuredKeys { keys: verifier, metrics: metrics.clone() });
        let listener = Listener::bind(settings, keys, Arc::clone(&handler), Arc::clone(&journal))
            .map_err(|error| Failure::usage(causes(&error)))?;
        bound.push(listener);
    }
    let mut plain = Vec::new();
    for section in &config.plain {
        let (limits, rng) = (config.limits.limits(), Arc::new(OsRng));
        let endpoint = section.endpoint(config.folder());
        let listener = PlainListener::bind(&endpoint, limits, Arc::clone(&handler), rng)
            .map_err(|error| Failure::usage(causes(&error)))?;
        tracing::warn!(?endpoint, "requests are served outside of any security association");
        plain.push(listener);
    }
    mcc.prove_with(gates.outwards());
    let sources = Sources { store: store.clone(), live: live.clone() };
    let figures = match config.metrics.address {
        Some(address) => Some(Endpoint::bind(address, &metrics, sources).await?),
        None => None,
    };
    let addresses: Vec<SocketAddr> = bound.iter().map(Listener::local_addr).collect();
    subscription::take_over(config, &store).await?;
    let points_of_access = points_of_access(config, &addresses);
    registrar.0.publish(points_of_access.clone()).await?;

    let shutdown = CancellationToken::new();
    let open = plain.iter().map(ToString::to_string).collect();
    let mut listeners: Vec<_> =
        bound.into_iter().map(|listener| tokio::spawn(listener.serve(shutdown.clone()))).collect();
    listeners.extend(plain.into_iter().map(|listener| tokio::spawn(listener.serve(shutdown.clone()))));
    let shown = live.clone();
    let mut others = vec![
        tokio::spawn(follow(changes, store.clone(), live.clone(), gates.turned())),
        tokio::spawn(sweep(Arc::clone(&registrar), shutdown.clone())),
    ];
    let renewals = gates.take_renewals();
    others.extend(gates.keep(&live, mcc.reset()).into_iter().map(tokio::spawn));
    let witness = Arc::clone(&journal) as Arc<dyn cse::Witness>;
    let mcc = mcc.start(&registrar.0, witness, points_of_access).await?;
    let scraped = figures.as_ref().map(Endpoint::address).transpose()?;
    others.extend(figures.map(|figures| tokio::spawn(figures.serve())));
    if let Some(control) = control(config)? {
        let status = status(config, &addresses, clock.now());
        let view = View { live: shown, status, registrar: mcc.above(), cse: Arc::downgrade(&registrar.0) };
        others.push(tokio::spawn(control.serve(view)));
    }
    let scribe = tokio::spawn(scribe.write(store.clone()));
    Ok(Running {
        addresses,
        plain: open,
        metrics: scraped,
        shutdown,
        listeners,
        scribe,
        others,
        mcc,
        store,
        renewals,
    })
}

/// The control socket. Several servers may have one store, of which the first answers at the default place.
fn control(config: &Config) -> Result<Option<Control>, Failure> {
    match Control::bind(&config.control_path()) {
        Ok(control) => Ok(Some(control)),
        Err(error) if config.control.socket.is_none() => {
            tracing::warn!(%error, "who is connected to this server cannot be inspected");
            Ok(None)
        }
        Err(error) => Err(Failure::usage(error)),
    }
}

fn status(config: &Config, addresses: &[SocketAddr], since: Timestamp) -> Value {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    json!({ "server": {
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "since": since.to_string(),
        "cse": config.cse.id.to_string(),
        "listening": addresses,
    }})
}

impl Running {
    /// Where it listens.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Its endpoints outside of any association, in the order of the configuration: a path or an address each.
    pub(crate) fn plain(&self) -> &[String] {
        &self.plain
    }

    /// How the registration with another CSE is, if one is configured.
    pub(crate) fn registration(&self) -> Option<Value> {
        self.mcc.above().map(|above| above.fact())
    }

    /// Stops: no new connections, requests in progress are finished, everything noted is written.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.mcc.stop().await;
        self.shutdown.cancel();
        for listener in self.listeners {
            listener.await.map_err(Failure::internal)?;
        }
        for other in self.others {
            other.abort();
            // It was told to end; how it does is of no interest.
            let _ = other.await;
        }
        // The listeners held the journal: with them gone the scribe writes what is left and ends.
        self.scribe.await.map_err(Failure::internal)?;
        let store = self.store;
        tokio::task::spawn_blocking(move || store.close()).await.map_err(Failure::internal)
    }
}

/// What `<CSEBase>` says where to reach it: as configured, else the listeners.
fn points_of_access(config: &Config, addresses: &[SocketAddr]) -> Vec<String> {
    if !config.cse.points_of_access.is_empty() {
        return config.cse.points_of_access.iter().map(ToString::to_string).collect();
    }
    let mut points = Vec::new();
    for (section, address) in config.listener.iter().zip(addresses) {
        match section.reached_at(*address) {
            Some(reached) => points.push(format!("https://{reached}")),
            None => {
                tracing::warn!(%address, "the CSEBase does not say where this listener is reached: set advertise");
            }
        }
    }
    points
}

/// Requests of authenticated peers go to the registrar.
struct Served(Arc<cse::Registrar>);

impl Handler for Served {
    async fn handle(&self, channel: &Channel, request: Request) -> Response {
        self.0.handle_over(channel, request).await
    }

    async fn left(&self, channel: &Channel) {
        // A connection ends with its registrations; an account does not end.
        if let Channel::Local(peer @ OsPeer::Connection(_)) = channel
            && let Err(error) = self.0.end_local(peer).await
        {
            tracing::error!(%error, %peer, "the registrations of a local peer were not removed");
        }
    }
}

/// Ends the associations of credentials that were changed, by whichever process.
async fn follow(mut changes: Changes, store: Store, live: Live, turned: watch::Sender<()>) {
    while let Some(event) = changes.recv().await {
        match event {
            Event::Change(Change { kind: ChangeKind::Credential, key, .. }) => {
                if let Err(error) = credential_changed(&key, &store, &live).await {
                    tracing::error!(key, error, "a change of a credential was not followed");
                    close_all(&live);
                }
            }
            Event::Change(Change { kind: ChangeKind::TicketKeys, .. }) => turned.send_replace(()),
            Event::Change(_) => {}
            Event::Lost => close_all(&live),
        }
    }
}

/// What the change means is seen from the credential as it is now: an association that proved an earlier
/// version ends; the first assignment of an identity raises no version and ends nothing.
async fn credential_changed(key: &str, store: &Store, live: &Live) -> Result<(), String> {
    let id: CredentialId = key.parse().map_err(|error: keys::KeyError| error.to_string())?;
    let sought = id.clone();
    let credential =
        store.read(move |records| records.credential_facts(&sought)).await.map_err(|error| causes(&error))?;
    let closed = match credential {
        Some(credential) if credential.usable(Function::Cse, SystemClock.now()).is_ok() => {
            live.close_before(&id, credential.version)
        }
        _ => live.close(&id),
    };
    if closed > 0 {
        tracing::info!(credential = %id, closed, "associations closed: the credential changed");
    }
    Ok(())
}

/// Changes were missed: whoever is connected proves again what it holds.
fn close_all(live: &Live) {
    tracing::warn!("changes of credentials were missed: all associations are closed");
    for credential_id in live.list().iter().filter_map(|association| association.credential_id.as_ref()) {
        live.close(credential_id);
    }
}

/// Removes registrations that have expired.
async fn sweep(registrar: Arc<Served>, shutdown: CancellationToken) {
    let mut turn = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = turn.tick() => match registrar.0.expire(SWEPT).await {
                Ok(0) => {}
                Ok(expired) => tracing::info!(expired, "registrations expired"),
                Err(error) => tracing::error!(%error, "expired registrations were not removed"),
            },
        }
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    Stop,
    Reload,
}

/// The signals that are listened to: from before the start, so that an early one is not lost.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| unix::signal(kind).map_err(Failure::internal);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}
