use std::{
    io,
    net::{IpAddr, SocketAddr},
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use association::{Handshake, NewSession, ServerContext, ServerNames, SuitePolicy};
use identity::{Channel, Framework, Peer};
use onem2m::time::{Clock, SystemClock, Timestamp};
use thiserror::Error;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    EndEvent, EndReason, Handler, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, KeySource, Limits,
    Live, Observer, ServerTls,
    admission::{Admission, Place},
    enter::{Attempt, Entered, enter},
    exchange::{Desk, Phase},
    live::Registration,
    lookup::Lookups,
    serve::{Endings, serve},
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
}

impl ListenerConfig {
    /// Pre-shared keys in the default suites, the default limits, any name, a registry of its own and the system's
    /// clock.
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

/// What all connections of a listener share.
struct Hall<K, H, O> {
    tls: ServerTls,
    lookups: Lookups<K>,
    handler: Arc<H>,
    observer: Arc<O>,
    limits: Arc<Limits>,
    live: Live,
    clock: Arc<dyn Clock>,
    admission: Arc<Admission>,
    drain: CancellationToken,
    stop: CancellationToken,
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
        let (tcp, address) = listen(config.address)
            .map_err(|source| ListenError::Address { address: config.address, source })?;
        let hall = Hall {
            tls: config.tls,
            lookups: Lookups::new(keys, config.live.clone(), &config.limits),
            handler,
            observer,
            admission: Admission::new(&config.limits),
            limits: Arc::new(config.limits),
            live: config.live,
            clock: config.clock,
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
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
        let tasks = TaskTracker::new();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = tcp.accept() => match accepted {
                    Ok((tcp, source)) => hall.admit(tcp, source, &tasks),
                    Err(error) => hall.rest(&error).await,
                },
            }
        }
        drop(tcp);
        tasks.close();
        hall.drain.cancel();
        if timeout(hall.limits.drain_deadline, tasks.wait()).await.is_err() {
            hall.stop.cancel();
            tasks.wait().await;
        }
    }
}

/// A session that waits for its peer to be bound to an identity.
struct ToRemember {
    session: NewSession,
    handshake: Handshake,
}

fn is_bound(peer: &Peer) -> bool {
    peer.subject().is_some() || !peer.allowed().is_empty()
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Without it a restart would have to wait for the last connections' ends to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let tcp = socket.listen(BACKLOG)?;
    let address = tcp.local_addr()?;
    Ok((tcp, address))
}

impl<K: KeySource, H: Handler, O: Observer> Hall<K, H, O> {
    fn admit(self: &Arc<Self>, tcp: TcpStream, source: SocketAddr, tasks: &TaskTracker) {
        let begun = Instant::now();
        // Small answers must not wait for more; where that cannot be set they are only slower.
        let _ = tcp.set_nodelay(true);
        match self.admission.admit(source.ip()) {
            Ok(place) => {
                tasks.spawn(Arc::clone(self).attend(tcp, source, place, begun));
            }
            Err(_) => self.report(source, Attempt::default(), Err(HandshakeRefusal::Overload), begun),
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
    async fn attend(self: Arc<Self>, tcp: TcpStream, source: SocketAddr, mut place: Place, begun: Instant) {
        let mut attempt = Attempt::default();
        // Boxed: an established association has no room for the state of a handshake.
        let entered = Box::pin(self.handshake(tcp, &place, &mut attempt)).await;
        let established = entered.and_then(|entered| self.establish(entered, source, &mut place));
        let (entered, registration) = match established {
            Ok(established) => established,
            Err(refusal) => return self.report(source, attempt, Err(refusal), begun),
        };
        let made = (registration.id(), &entered.handshake, registration.peer().framework());
        self.report(source, attempt, Ok(made), begun);

        let Entered { mut stream, handshake, session, .. } = entered;
        // Boxed: few associations have one, and an idle one has no room for it.
        let mut session = session.map(|session| Box::new(ToRemember { session, handshake }));
        let begun = Instant::now();
        let desk = Desk {
            handler: Arc::clone(&self.handler),
            channel: Channel::Association(Arc::clone(registration.peer())),
            limits: Arc::clone(&self.limits),
            phase: Arc::new(Phase::default()),
        };
        let endings = Endings {
            closed: registration.close().clone(),
            drain: self.drain.clone(),
            stop: self.stop.clone(),
        };
        let reason = loop {
            self.remember(&mut session, registration.peer()).await;
            let expires = begun + self.remaining(registration.peer().not_after(), begun);
            // Until it is bound to an identity each request may bring one, with an end of its own.
            let until_bound = !is_bound(registration.peer());
            let before = self.live.moment();
            let served = serve(&mut stream, &desk, &endings, expires, until_bound).await;
            if let ControlFlow::Break(reason) = served {
                break reason;
            }
            // The token that was shown may have been withdrawn before it counted as shown.
            if self.live.was_closed(registration.peer(), before) {
                registration.close().cancel();
            }
        };
        self.remember(&mut session, registration.peer()).await;
        self.observer.ended(&EndEvent {
            association: registration.id(),
            credential_id: registration.peer().credential_id().cloned(),
            source,
            reason,
            requests: desk.phase.answered(),
            duration: begun.elapsed(),
        });
        if matches!(reason, EndReason::WrongTokens) {
            drop((stream, registration));
            tokio::select! {
                () = self.drain.cancelled() => {}
                () = sleep(self.limits.wrong_token_penalty) => {}
            }
        }
    }

    async fn handshake(
        &self,
        tcp: TcpStream,
        place: &Place,
        attempt: &mut Attempt,
    ) -> Result<Entered, HandshakeRefusal> {
        let given_up = {
            let context = self.tls.current();
            let entering = enter(tcp, &context, &self.lookups, &self.limits, attempt);
            tokio::select! {
                biased;
                () = place.evicted().cancelled() => HandshakeRefusal::Evicted,
                () = self.drain.cancelled() => HandshakeRefusal::Shutdown,
                entered = timeout(self.limits.handshake_deadline, entering) => match entered {
                    Ok(entered) => return entered,
                    Err(_) => HandshakeRefusal::Timeout,
                },
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
        place.establish().map_err(|_| HandshakeRefusal::Overload)?;
        let peer = Arc::new(Peer::new(entered.established.clone(), source));
        let registered = self.live.register(&peer, entered.handshake.suite, self.clock.now(), entered.read);
        let registration = registered.map_err(|_| HandshakeRefusal::Revoked)?;
        Ok((entered, registration))
    }

    /// How long an association that began at `begun` may live in all (TS-0001 §11.3.2).
    fn remaining(&self, not_after: Option<Timestamp>, begun: Instant) -> Duration {
        let until_expiry =
            not_after.map(|end| begun.elapsed() + end.since(self.clock.now()).unwrap_or_default());
        until_expiry.map_or(self.limits.lifetime, |expiry| expiry.min(self.limits.lifetime))
    }

    /// Remembers the session as soon as the peer is bound to an identity, and never before: nobody is to resume
    /// what proved nothing.
    async fn remember(&self, session: &mut Option<Box<ToRemember>>, peer: &Peer) {
        if session.is_some()
            && is_bound(peer)
            && let Some(due) = session.take()
        {
            self.lookups.source().remember(due.session, &due.handshake, peer).await;
        }
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
