//! HTTP outside of any association: for the applications on the same equipment, and, where an operator insists,
//! in the clear.
//!
//! Nobody is authenticated here. What a request may do then is the handler's business: it is told by
//! [`Channel`] how the request came in (TS-0004 §7.3.2.1 for what is outside of an association).

use std::{
    convert::Infallible,
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use identity::{Channel, OsPeer};
use keys::Rng;
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Handler, Limits,
    burst::builder,
    exchange::{Desk, Phase},
};

/// Connections at a time at one plain endpoint.
const CONNECTIONS: usize = 256;
/// How long accepting rests after it failed.
const REST: Duration = Duration::from_millis(20);

/// Where requests outside of an association come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlainEndpoint {
    /// A UNIX socket, open to the processes of the server's own account and group (mode 0660): its peers are
    /// known by their account.
    Socket(PathBuf),
    /// A loopback address: its peers are known by their connection alone.
    Loopback(SocketAddr),
    /// Any address, in the clear: its peers are not known.
    Clear(SocketAddr),
}

/// Why there is no plain endpoint.
#[derive(Debug, Error)]
pub enum PlainError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A local endpoint is for this equipment only.
    #[error("{address} is no loopback address: whoever reaches it would be trusted")]
    NotLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// The socket cannot be made.
    #[error("cannot make the socket {}", path.display())]
    Socket {
        /// Its path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

enum Door {
    Socket(UnixListener, PathBuf),
    Loopback(TcpListener),
    Clear(TcpListener),
}

/// A plain endpoint: hands each request with its channel to a handler.
pub struct PlainListener<H> {
    door: Door,
    handler: Arc<H>,
    limits: Arc<Limits>,
    rng: Arc<dyn Rng>,
}

impl<H: Handler> PlainListener<H> {
    /// Starts to listen; connections wait until [`serve`](Self::serve). To be called inside of a tokio runtime.
    /// A socket that a server left behind is replaced, one that is in use is not.
    ///
    /// # Errors
    /// [`PlainError`] if the endpoint cannot be used.
    pub fn bind(
        endpoint: &PlainEndpoint,
        limits: Limits,
        handler: Arc<H>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, PlainError> {
        let door = match endpoint {
            PlainEndpoint::Socket(path) => {
                let failed = |source| PlainError::Socket { path: path.clone(), source };
                Door::Socket(socket(path).map_err(failed)?, path.clone())
            }
            PlainEndpoint::Loopback(address) if !address.ip().is_loopback() => {
                return Err(PlainError::NotLoopback { address: *address });
            }
            PlainEndpoint::Loopback(address) => Door::Loopback(tcp(*address)?),
            PlainEndpoint::Clear(address) => Door::Clear(tcp(*address)?),
        };
        Ok(Self { door, handler, limits: Arc::new(limits), rng })
    }

    /// Where it listens, unless it is a socket.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.door {
            Door::Socket(..) => None,
            Door::Loopback(tcp) | Door::Clear(tcp) => tcp.local_addr().ok(),
        }
    }

    /// Accepts connections until `shutdown` is cancelled, then lets requests in progress be answered within the
    /// drain deadline and returns.
    pub async fn serve(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let tasks = TaskTracker::new();
        let deadline = self.limits.drain_deadline;
        loop {
            // A connection is accepted when there is a place for it; until then the kernel holds it.
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await.ok()?;
                Some((place, self.accept().await))
            };
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = next => accepted,
            };
            match accepted {
                Some((place, Ok(connection))) => {
                    tasks.spawn(self.attend(connection, place, shutdown.clone()));
                }
                Some((_, Err(error))) => {
                    tracing::warn!(%error, "cannot accept connections");
                    sleep(REST).await;
                }
                None => break,
            }
        }
        self.leave();
        tasks.close();
        // Who has not been answered by then is cut off with the runtime.
        let _ = timeout(deadline, tasks.wait()).await;
    }

    async fn accept(&self) -> io::Result<Connection> {
        match &self.door {
            Door::Socket(socket, _) => {
                let (stream, _) = socket.accept().await?;
                let peer = OsPeer::Account(stream.peer_cred()?.uid());
                Ok(Connection { stream: Box::new(stream), channel: Channel::Local(peer) })
            }
            Door::Loopback(tcp) => {
                let (stream, _) = tcp.accept().await?;
                let mut number = [0; 8];
                self.rng.fill(&mut number).map_err(io::Error::other)?;
                let peer = OsPeer::Connection(u64::from_be_bytes(number));
                Ok(Connection { stream: Box::new(stream), channel: Channel::Local(peer) })
            }
            Door::Clear(tcp) => {
                let (stream, source) = tcp.accept().await?;
                Ok(Connection { stream: Box::new(stream), channel: Channel::Clear(source) })
            }
        }
    }

    fn attend(
        &self,
        connection: Connection,
        place: OwnedSemaphorePermit,
        shutdown: CancellationToken,
    ) -> impl Future<Output = ()> + Send + 'static {
        let desk = Desk {
            while_unbound: None,
            handler: Arc::clone(&self.handler),
            channel: connection.channel,
            limits: Arc::clone(&self.limits),
            phase: Arc::new(Phase::default()),
        };
        async move {
            let server = builder(&desk.limits);
            let service = service_fn(|request| {
                let desk = desk.clone();
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            });
            let mut served = pin!(server.serve_connection(TokioIo::new(connection.stream), service));
            let ended = tokio::select! {
                ended = served.as_mut() => ended,
                () = shutdown.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a plain connection ended");
            }
            desk.handler.left(&desk.channel).await;
            drop(place);
        }
    }

    /// The socket's name goes with the server.
    fn leave(&self) {
        if let Door::Socket(_, path) = &self.door
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(%error, path = %path.display(), "the socket was not removed");
        }
    }
}

/// Where it listens: the address, or the path of the socket.
impl<H> fmt::Display for PlainListener<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.door {
            Door::Socket(_, path) => path.display().fmt(f),
            Door::Loopback(tcp) | Door::Clear(tcp) => match tcp.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("?"),
            },
        }
    }
}

struct Connection {
    stream: Box<dyn Stream>,
    channel: Channel,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

fn tcp(address: SocketAddr) -> Result<TcpListener, PlainError> {
    let (tcp, _) =
        crate::listener::listen(address).map_err(|source| PlainError::Address { address, source })?;
    Ok(tcp)
}

/// Makes the socket under another name and moves it to its place once its mode is set, so that it is never open
/// to more than it should be.
fn socket(path: &Path) -> io::Result<UnixListener> {
    if path.exists() && std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another server listens there"));
    }
    let mut making = path.as_os_str().to_owned();
    making.push(".new");
    let making = PathBuf::from(making);
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixListener::bind(&making)?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o660))?;
    fs::rename(&making, path)?;
    Ok(socket)
}
