use std::{
    future::{Future as _, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use association::{Handshake, ServerContext, ServerNames, SuitePolicy};
use identity::{Framework, Peer};
use onem2m::time::{Clock, SystemClock};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    runtime::Handle,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Crew, Handler, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, KeySource, Limits, Live, Observer,
    ServerTls,
    admission::{Admission, Place, Unplaced},
    crew::Seat,
    enter::{Attempt, Entered, enter},
    live::Registration,
    lookup::Lookups,
    resident::{Resident, ToRemember},
    tether::Order,
};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;
/// How long accepting rests when the process has no file descriptor or memory left.
const REST: Duration = Duration::from_millis(20);

/// What a listener is made of.
#[derive(Clone)]
pub struct ListenerConfig {
    /// Where to listen; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Suites, names, certificate.
    pub tls: ServerTls,
    /// The bounds.
    pub limits: Limits,
    /// Where associations are registered; shared with whoever closes those of a credential.
    pub live: Live,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The threads that serve its connections; without, they are tasks where [`Listener::serve`] is called.
    pub crew: Option<Crew>,
}

impl ListenerConfig {
    /// Pre-shared keys in the default suites, the default limits, any name, a registry of its own, the system's
    /// clock and no crew.
    ///
    /// # Errors
    /// [`ListenError::Tls`] if OpenSSL lacks all of the suites.
    pub fn new(address: SocketAddr) -> Result<Self, ListenError> {
        let context = ServerContext::new(&SuitePolicy::default(), ServerNames::default())?;
        Ok(Self {
            address,
            tls: ServerTls::new(context),
            limits: Limits::default(),
            live: Live::new(),
            clock: Arc::new(SystemClock),
            crew: None,
        })
    }
}

/// Why there is no listener.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The cipher suites do not work.
    #[error("cannot set up TLS")]
    Tls(#[from] association::Error),
}

/// TLS over TCP, and the HTTP binding on it: hands each request with its peer to a handler.
/// Without an established peer there is no request.
pub struct Listener<K, H, O> {
    tcp: TcpListener,
    address: SocketAddr,
    hall: Arc<Hall<K, H, O>>,
}

/// A connection that was let in.
struct Arrival {
    source: SocketAddr,
    place: Place,
    seat: Option<Seat>,
    begun: Instant,
}

/// What all connections of a listener share.
pub(crate) struct Hall<K, H, O> {
    tls: ServerTls,
    pub(crate) lookups: Lookups<K>,
    pub(crate) handler: Arc<H>,
    pub(crate) observer: Arc<O>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) live: Live,
    pub(crate) clock: Arc<dyn Clock>,
    admission: Arc<Admission>,
    crew: Option<Crew>,
}

impl<K: KeySource, H: Handler, O: Observer> Listener<K, H, O> {
    /// Starts to listen; connections wait until [`serve`](Self::serve). To be called inside of a tokio runtime.
    ///
    /// # Errors
    /// [`ListenError::Address`] if the address cannot be used.
    pub fn bind(
        config: ListenerConfig,
        keys: Arc<K>,
        handler: Arc<H>,
        observer: Arc<O>,
    ) -> Result<Self, ListenError> {
        // The event loop of the first thread is the one that accepts.
        let inside = config.crew.as_ref().and_then(Crew::first).map(Handle::enter);
        let (tcp, address) = listen(config.address)
            .map_err(|source| ListenError::Address { address: config.address, source })?;
        drop(inside);
        let hall = Hall {
            tls: config.tls,
            lookups: Lookups::new(keys, config.live.clone(), &config.limits),
            handler,
            observer,
            admission: Admission::new(&config.limits),
            limits: Arc::new(config.limits),
            live: config.live,
            clock: config.clock,
            crew: config.crew,
        };
        Ok(Self { tcp, address, hall: Arc::new(hall) })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The registry of its associations.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.hall.live
    }

    /// Accepts connections until `shutdown` is cancelled; then closes the port, lets requests in progress be
    /// answered within the drain deadline, closes every association in order, and returns.
    pub async fn serve(self, shutdown: CancellationToken) {
        let Self { tcp, hall, .. } = self;
        let serving = Arc::clone(&hall).accept(tcp, shutdown);
        match hall.crew.as_ref().and_then(Crew::first) {
            None => serving.await,
            Some(first) => {
                if let Err(error) = first.spawn(serving).await {
                    tracing::error!(%error, "a listener broke off");
                }
            }
        }
    }
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Without it a restart would have to wait for the last connections' ends to time out.
    socket.set_reuseaddr(true)?;
    // Small answers must not wait for more. On Linux the connections inherit it; elsewhere they are only slower.
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    let tcp = socket.listen(BACKLOG)?;
    let address = tcp.local_addr()?;
    Ok((tcp, address))
}

impl<K: KeySource, H: Handler, O: Observer> Hall<K, H, O> {
    async fn accept(self: Arc<Self>, tcp: TcpListener, shutdown: CancellationToken) {
        let tasks = TaskTracker::new();
        let mut stopped = pin!(shutdown.cancelled());
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stopped => break,
                accepted = tcp.accept() => accepted,
            };
            match accepted {
                Ok((tcp, source)) => self.admit(tcp, source, &tasks),
                Err(error) => self.rest(&error).await,
            }
        }
        drop(tcp);
        tasks.close();
        self.admission.tell_all(Order::Drain);
        if timeout(self.limits.drain_deadline, tasks.wait()).await.is_err() {
            self.admission.tell_all(Order::Stop);
            tasks.wait().await;
        }
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, source: SocketAddr, tasks: &TaskTracker) {
        let begun = Instant::now();
        let Ok(place) = self.admission.admit(source.ip()) else {
            return self.report(source, Attempt::default(), Err(HandshakeRefusal::Overload), begun);
        };
        let arrival = Arrival { source, place, seat: self.crew.as_ref().map(Crew::seat), begun };
        let elsewhere = arrival.seat.as_ref().and_then(|seat| seat.elsewhere().cloned());
        let hall = Arc::clone(self);
        match elsewhere {
            None => drop(tasks.spawn(hall.attend(tcp, arrival))),
            Some(event_loop) => drop(tasks.spawn_on(hall.attend_here(tcp.into_std(), arrival), &event_loop)),
        }
    }

    /// A connection that was accepted on another thread.
    async fn attend_here(self: Arc<Self>, tcp: io::Result<std::net::TcpStream>, arrival: Arrival) {
        match tcp.and_then(TcpStream::from_std) {
            Ok(tcp) => self.attend(tcp, arrival).await,
            Err(error) => {
                tracing::warn!(%error, "a connection was lost between two threads");
                self.report(
                    arrival.source,
                    Attempt::default(),
                    Err(HandshakeRefusal::Internal),
                    arrival.begun,
                );
            }
        }
    }

    /// An accept that failed says nothing about the next one; without file descriptors there is no use in trying
    /// again at once.
    async fn rest(&self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => {}
            _ => {
                tracing::warn!(%error, "cannot accept connections");
                self.admission.evict_oldest();
                sleep(REST).await;
            }
        }
    }

    /// One connection from its first octet to its last.
    async fn attend(self: Arc<Self>, tcp: TcpStream, arrival: Arrival) {
        // Boxed: an established association has no room for the state of a handshake.
        if let Some(resident) = Box::pin(self.receive(tcp, arrival)).await {
            resident.stay().await;
        }
    }

    /// From the first octet to an association, if there is to be one.
    async fn receive(self: Arc<Self>, tcp: TcpStream, arrival: Arrival) -> Option<Resident<K, H, O>> {
        let Arrival { source, mut place, mut seat, begun } = arrival;
        let mut attempt = Attempt::default();
        let entered = self.handshake(tcp, &place, &mut attempt).await;
        if let Some(seat) = &mut seat {
            seat.finish();
        }
        let established = entered.and_then(|entered| self.establish(entered, source, &mut place));
        let (entered, registration) = match established {
            Ok(established) => established,
            Err(refusal) => {
                self.report(source, attempt, Err(refusal), begun);
                return None;
            }
        };
        let made = (registration.id(), &entered.handshake, registration.peer().framework());
        self.report(source, attempt, Ok(made), begun);
        let Entered { stream, handshake, session, .. } = entered;
        // Boxed: few associations have one, and an idle one has no room for it.
        let session = session.map(|session| Box::new(ToRemember { session, handshake }));
        Some(Resident {
            hall: self,
            stream,
            session,
            registration,
            place,
            seat,
            source,
            begun: Instant::now(),
        })
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        place: &Place,
        attempt: &mut Attempt,
    ) -> Result<Entered, HandshakeRefusal> {
        let given_up = {
            let context = self.tls.current();
            let mut entering = pin!(enter(tcp, &context, &self.lookups, &self.limits, attempt));
            let mut deadline = pin!(sleep(self.limits.handshake_deadline));
            let outcome = poll_fn(|context| {
                if let Poll::Ready(order) = place.tether().poll(context, &[Order::Evicted, Order::Drain]) {
                    return Poll::Ready(Err(match order {
                        Order::Evicted => HandshakeRefusal::Evicted,
                        Order::Closed | Order::Drain | Order::Stop => HandshakeRefusal::Shutdown,
                    }));
                }
                if let Poll::Ready(entered) = entering.as_mut().poll(context) {
                    return Poll::Ready(Ok(entered));
                }
                deadline.as_mut().poll(context).map(|()| Err(HandshakeRefusal::Timeout))
            });
            match outcome.await {
                Ok(entered) => return entered,
                Err(given_up) => given_up,
            }
        };
        Err(attempt.refusal(given_up))
    }

    /// Gives the peer its identity and the association its place.
    fn establish(
        &self,
        entered: Entered,
        source: SocketAddr,
        place: &mut Place,
    ) -> Result<(Entered, Registration), HandshakeRefusal> {
        place.establish().map_err(|unplaced| match unplaced {
            Unplaced::Evicted => HandshakeRefusal::Evicted,
            Unplaced::Overload => HandshakeRefusal::Overload,
        })?;
        let peer = Arc::new(Peer::new(entered.established.clone(), source));
        let (suite, since) = (entered.handshake.suite, self.clock.now());
        let registered = self.live.register(&peer, suite, since, entered.read, place.tether());
        let registration = registered.map_err(|_| HandshakeRefusal::Revoked)?;
        Ok((entered, registration))
    }

    fn report(
        &self,
        source: SocketAddr,
        attempt: Attempt,
        outcome: Result<(u64, &Handshake, Framework), HandshakeRefusal>,
        begun: Instant,
    ) {
        self.observer.handshake(&HandshakeEvent {
            source,
            psk_identity: attempt.psk_identity,
            credential_id: attempt.credential_id,
            detail: attempt.detail,
            outcome: match outcome {
                Ok((association, handshake, framework)) => HandshakeOutcome::Established {
                    association,
                    suite: handshake.suite,
                    framework,
                    resumed: handshake.resumed.is_some(),
                },
                Err(refusal) => HandshakeOutcome::Refused(refusal),
            },
            duration: begun.elapsed(),
        });
    }
}
