//! A connection outside of any security association, as an application on the gateway or a stranger makes it.

use binding::http::{request_to_http, response_from_http};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use onem2m::primitive::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    task::JoinHandle,
};

use crate::outcome::Failure;

/// Octets of an answer.
const ANSWER: usize = 1 << 16;

/// HTTP without TLS.
pub(crate) struct OpenLine {
    sender: http1::SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl OpenLine {
    /// Over the UNIX socket at `path`, or over TCP if it is an address.
    pub(crate) async fn to(door: &str) -> Result<Self, Failure> {
        let failed = |error| Failure::internal(format_args!("{door}: {error}"));
        if door.starts_with('/') {
            Self::over(UnixStream::connect(door).await.map_err(failed)?).await
        } else {
            Self::over(TcpStream::connect(door).await.map_err(failed)?).await
        }
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, Failure> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failure::internal)?;
        // How it ended shows in the request that was not answered.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { sender, driver })
    }

    pub(crate) async fn request(&mut self, request: &Request) -> Result<Response, Failure> {
        let message = request_to_http(request, "gateway").map_err(Failure::internal)?.map(Full::new);
        self.sender.ready().await.map_err(Failure::internal)?;
        let answer = self.sender.send_request(message).await.map_err(Failure::internal)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER).collect().await.map_err(Failure::internal)?.to_bytes();
        response_from_http(&head, &body).map_err(Failure::internal)
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        let Self { sender, driver } = self;
        drop(sender);
        // It ends with its sender, however that came.
        drop(driver.await);
    }
}
