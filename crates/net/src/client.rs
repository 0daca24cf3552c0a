use std::{io, net::SocketAddr, time::Duration};

use association::{Association, ClientContext, ClientPsk, ClientSession, Handshake, Progress, SuitePolicy};
use binding::http::{HttpError, request_to_http, response_from_http};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1,
    header::{CONNECTION, HeaderValue},
};
use hyper_util::rt::TokioIo;
use onem2m::primitive::{Request, Response};
use thiserror::Error;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::stream::{HandshakeFailure, TlsStream};

/// What a client waits for and accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialLimits {
    /// For resolving the name and connecting. 10 s.
    pub connect_deadline: Duration,
    /// For the handshake; the registrar may have to ask elsewhere for the key. 15 s.
    pub handshake_deadline: Duration,
    /// From sending a request to the end of its answer. 30 s.
    pub request_deadline: Duration,
    /// Octets of an answer's body. 1 MiB.
    pub max_body: usize,
}

impl Default for DialLimits {
    fn default() -> Self {
        Self {
            connect_deadline: Duration::from_secs(10),
            handshake_deadline: Duration::from_secs(15),
            request_deadline: Duration::from_secs(30),
            max_body: 1024 * 1024,
        }
    }
}

/// What kept a client from an answer.
#[derive(Debug, Error)]
pub enum NetError {
    /// Nobody answers there.
    #[error("could not reach {address}")]
    Unreachable {
        /// Where it was tried.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The handshake failed; the source says whose fault it was.
    #[error("no association with {address}")]
    Refused {
        /// The registrar.
        address: String,
        /// Why.
        source: association::Error,
    },
    /// The connection broke during the handshake.
    #[error("the connection to {address} broke during the handshake")]
    Broken {
        /// The registrar.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something took longer than it may.
    #[error("{address}: {what} took longer than {limit:?}")]
    Timeout {
        /// The registrar.
        address: String,
        /// What it was.
        what: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// The client's own settings cannot be used: suites, server name.
    #[error("cannot set up TLS")]
    Tls(#[source] association::Error),
    /// The request cannot be written as HTTP, or the answer is none of the binding.
    #[error("HTTP binding")]
    Binding(#[from] HttpError),
    /// The registrar closed the association before it answered.
    #[error("{address} closed the association")]
    Closed {
        /// The registrar.
        address: String,
    },
    /// The answer is no HTTP.
    #[error("{address} does not answer in HTTP")]
    Http {
        /// The registrar.
        address: String,
        /// What is wrong with it.
        source: hyper::Error,
    },
    /// The answer is longer than it may be.
    #[error("{address} answered with more than {limit} octets")]
    TooLong {
        /// The registrar.
        address: String,
        /// Octets that are accepted.
        limit: usize,
    },
}

/// Opens associations as a client (Entity A of TS-0003 §8.2.1). Keeps what they have in common; cheap to clone.
#[derive(Clone)]
pub struct Dialer {
    context: ClientContext,
    limits: DialLimits,
}

impl Dialer {
    /// A client that offers these suites.
    ///
    /// # Errors
    /// [`NetError::Tls`] if the suites cannot be used.
    pub fn new(suites: &SuitePolicy, limits: DialLimits) -> Result<Self, NetError> {
        let context = ClientContext::new(suites).map_err(NetError::Tls)?;
        Ok(Self::of(context, limits))
    }

    /// A client with these settings, of which a certificate may be one.
    #[must_use]
    pub const fn of(context: ClientContext, limits: DialLimits) -> Self {
        Self { context, limits }
    }

    /// Opens an association to `address` (`host:port`, with `[…]` around an IPv6 address), proves to hold `psk`,
    /// and asks for the server `server_name` unless that is an address.
    ///
    /// # Errors
    /// [`NetError::Unreachable`], [`NetError::Refused`], [`NetError::Broken`], [`NetError::Timeout`], and
    /// [`NetError::Tls`] for a name that cannot be one.
    pub async fn connect(
        &self,
        address: &str,
        psk: ClientPsk,
        server_name: Option<&str>,
    ) -> Result<HttpConnection, NetError> {
        self.connect_with(address, Some(psk), server_name, None).await
    }

    /// Like [`connect`](Self::connect), with a pre-shared key or without one, and with a session to be resumed if
    /// the registrar agrees.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_with(
        &self,
        address: &str,
        psk: Option<ClientPsk>,
        server_name: Option<&str>,
        resume: Option<&ClientSession>,
    ) -> Result<HttpConnection, NetError> {
        let association =
            Association::client_with(&self.context, psk, server_name, resume).map_err(NetError::Tls)?;
        let connect = reach(address);
        let (tcp, remote) = match timeout(self.limits.connect_deadline, connect).await {
            Ok(reached) => {
                reached.map_err(|source| NetError::Unreachable { address: address.to_owned(), source })?
            }
            Err(_) => return Err(late(address, "connecting", self.limits.connect_deadline)),
        };
        let mut stream = TlsStream::new(tcp, association, self.limits.request_deadline);
        let limit = self.limits.handshake_deadline;
        let handshake = match timeout(limit, shake_hands(&mut stream, address)).await {
            Ok(handshake) => handshake?,
            Err(_) => return Err(late(address, "the handshake", limit)),
        };
        let session = stream.client_session();
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|source| NetError::Http { address: address.to_owned(), source })?;
        // How the connection ended is seen by the request that it kept from its answer.
        let ended = CancellationToken::new();
        let ending = ended.clone().drop_guard();
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = connection.await;
            drop(ending);
        }));
        Ok(HttpConnection {
            sender,
            driver,
            ended,
            handshake,
            session,
            remote,
            address: address.to_owned(),
            limits: self.limits.clone(),
        })
    }
}

async fn reach(address: &str) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in lookup_host(address).await? {
        match TcpStream::connect(candidate).await {
            Ok(tcp) => {
                // Small requests must not wait for more; where that cannot be set they are only slower.
                let _ = tcp.set_nodelay(true);
                return Ok((tcp, candidate));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn shake_hands(stream: &mut TlsStream, address: &str) -> Result<Handshake, NetError> {
    let failure = match stream.handshake().await {
        Ok(Progress::Established(handshake)) => return Ok(handshake),
        // A client is never asked for anything, and `handshake` goes on by itself otherwise.
        Ok(
            Progress::NeedsKey(_)
            | Progress::NeedsSession(_)
            | Progress::NeedsVerdict(_)
            | Progress::WantsInput,
        ) => HandshakeFailure::Association(association::Error::Ended),
        Err(failure) => failure,
    };
    let address = address.to_owned();
    Err(match failure {
        HandshakeFailure::Association(source) => NetError::Refused { address, source },
        HandshakeFailure::Network(source) => NetError::Broken { address, source },
    })
}

fn late(address: &str, what: &'static str, limit: Duration) -> NetError {
    NetError::Timeout { address: address.to_owned(), what, limit }
}

/// One association as a client, with the HTTP binding on it. Requests go one after the other.
///
/// Dropping it closes the connection without `close_notify`; [`close`](Self::close) says it.
pub struct HttpConnection {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: AbortOnDropHandle<()>,
    ended: CancellationToken,
    handshake: Handshake,
    session: Option<ClientSession>,
    remote: SocketAddr,
    address: String,
    limits: DialLimits,
}

impl HttpConnection {
    /// Opens an association with the default suites; see [`Dialer::connect`]. Whoever opens several keeps a
    /// [`Dialer`].
    ///
    /// # Errors
    /// As [`Dialer::connect`].
    pub async fn connect(
        address: &str,
        psk: ClientPsk,
        server_name: Option<&str>,
        limits: DialLimits,
    ) -> Result<Self, NetError> {
        Dialer::new(&SuitePolicy::default(), limits)?.connect(address, psk, server_name).await
    }

    /// What the handshake agreed on.
    #[must_use]
    pub const fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// What may be remembered to resume this association later; once.
    pub const fn take_session(&mut self) -> Option<ClientSession> {
        self.session.take()
    }

    /// The address that was reached.
    #[must_use]
    pub const fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// Whether the association is still there, as far as is known.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Waits until the association has ended, whoever ended it.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`NetError::Binding`], [`NetError::Closed`], [`NetError::Http`], [`NetError::TooLong`],
    /// [`NetError::Timeout`]. After the last three the connection is of no use any more.
    pub async fn request(&mut self, request: &Request) -> Result<Response, NetError> {
        let message = request_to_http(request, &self.address)?.map(Full::new);
        self.exchange_in_time(message).await
    }

    /// Sends a request that says that it is the last (RFC 9112 §9.6), waits for its answer, and closes the
    /// association in order. A registrar of ours sends its answer and the end in one packet.
    ///
    /// # Errors
    /// As [`request`](Self::request).
    pub async fn last_request(mut self, request: &Request) -> Result<Response, NetError> {
        let mut message = request_to_http(request, &self.address)?.map(Full::new);
        message.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let answer = self.exchange_in_time(message).await;
        self.close().await;
        answer
    }

    /// Closes the association in order.
    pub async fn close(self) {
        let Self { sender, driver, limits, .. } = self;
        // With its last sender gone hyper says goodbye and ends.
        drop(sender);
        let _ = timeout(limits.request_deadline, driver).await;
    }

    async fn exchange_in_time(&mut self, message: hyper::Request<Full<Bytes>>) -> Result<Response, NetError> {
        let limit = self.limits.request_deadline;
        match timeout(limit, self.exchange(message)).await {
            Ok(answer) => answer,
            Err(_) => Err(late(&self.address, "the answer", limit)),
        }
    }

    async fn exchange(&mut self, message: hyper::Request<Full<Bytes>>) -> Result<Response, NetError> {
        if self.sender.ready().await.is_err() {
            return Err(self.closed());
        }
        let answer = self.sender.send_request(message).await.map_err(|source| self.broken(source))?;
        let (head, body) = answer.into_parts();
        let body = self.collect(body).await?;
        Ok(response_from_http(&head, &body)?)
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, NetError> {
        let limit = self.limits.max_body;
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                Err(NetError::TooLong { address: self.address.clone(), limit })
            }
            Err(error) => Err(match error.downcast::<hyper::Error>() {
                Ok(source) => self.broken(*source),
                Err(_) => self.closed(),
            }),
        }
    }

    fn broken(&self, source: hyper::Error) -> NetError {
        if source.is_parse() || source.is_user() {
            NetError::Http { address: self.address.clone(), source }
        } else {
            self.closed()
        }
    }

    fn closed(&self) -> NetError {
        NetError::Closed { address: self.address.clone() }
    }
}
