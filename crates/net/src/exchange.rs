//! One HTTP request and its answer.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use binding::http::{request_from_http, response_serialization, response_to_http};
use bytes::{Buf, Bytes};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    HeaderMap, StatusCode,
    body::{Body, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
};
use identity::{Channel, MAX_WRONG_TOKENS};
use onem2m::{
    primitive::{Request, Response},
    status::ResponseStatusCode,
};
use tokio::time::timeout;

use crate::Limits;

/// What answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers a request that came in by `channel`. An association closes while this runs if its credential is
    /// revoked; the future is then dropped, so what must not be left half done belongs into one transaction.
    fn handle(&self, channel: &Channel, request: Request) -> impl Future<Output = Response> + Send;

    /// A connection of a plain endpoint has ended. What was its alone ends with it.
    fn left(&self, _channel: &Channel) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Where a connection is between two requests.
#[derive(Default)]
pub(crate) struct Phase {
    now: AtomicU8,
    answered: AtomicU64,
}

const READING: u8 = 0;
const BUSY: u8 = 1;
const HANDED_OVER: u8 = 2;
const SENT: u8 = 3;
/// This answer is the last of its connection.
const LAST: u8 = 4;
/// Like [`BUSY`], and the peer has said that it asks for nothing more.
const BUSY_LAST: u8 = 5;
/// Like [`HANDED_OVER`], and nothing follows.
const PARTING: u8 = 6;

impl Phase {
    /// The answer is on its way in full, and so was the request: the connection is between two requests.
    pub(crate) fn is_between(&self) -> bool {
        self.now.load(Ordering::Relaxed) == SENT
    }

    /// What was refused before it was read to its end, or one wrong identity token too many.
    pub(crate) fn is_last(&self) -> bool {
        self.now.load(Ordering::Relaxed) == LAST
    }

    /// Requests that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub(crate) fn flushed(&self) {
        let _ = self.now.compare_exchange(HANDED_OVER, SENT, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// A burst starts; nothing has been read.
    pub(crate) fn starts(&self) {
        self.now.store(READING, Ordering::Relaxed);
    }

    /// The header of a request has been read.
    pub(crate) fn begins(&self) {
        self.now.store(BUSY, Ordering::Relaxed);
    }

    /// Whether the answer that the peer has asked for as the last one is there in full.
    pub(crate) fn is_parting(&self) -> bool {
        self.now.load(Ordering::Relaxed) == PARTING
    }

    fn handed_over(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let _ = self.now.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| match now {
            BUSY => Some(HANDED_OVER),
            BUSY_LAST => Some(PARTING),
            _ => None,
        });
    }

    /// The peer has said that the request under way is its last (RFC 9112 §9.6).
    fn is_the_peers_last(&self) {
        self.now.store(BUSY_LAST, Ordering::Relaxed);
    }

    fn ends_here(&self) {
        self.now.store(LAST, Ordering::Relaxed);
    }
}

/// The body of an answer. Dropped when hyper has taken it whole.
pub(crate) struct Answer {
    octets: Bytes,
    phase: Arc<Phase>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let octets = std::mem::take(&mut self.octets);
        Poll::Ready(octets.has_remaining().then_some(Ok(Frame::data(octets))))
    }

    fn is_end_stream(&self) -> bool {
        !self.octets.has_remaining()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.octets.len() as u64)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.phase.handed_over();
    }
}

/// What every request of an association is answered with.
pub(crate) struct Desk<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) channel: Channel,
    pub(crate) limits: Arc<Limits>,
    pub(crate) phase: Arc<Phase>,
    /// Run after each request and before its answer, on an association that is bound to no identity yet.
    pub(crate) while_unbound: Option<AfterRequest>,
}

/// What is to be done after a request.
pub(crate) type AfterRequest = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl<H> Clone for Desk<H> {
    fn clone(&self) -> Self {
        Self {
            handler: Arc::clone(&self.handler),
            channel: self.channel.clone(),
            limits: Arc::clone(&self.limits),
            phase: Arc::clone(&self.phase),
            while_unbound: self.while_unbound.clone(),
        }
    }
}

impl<H: Handler> Desk<H> {
    /// Answers one request; never fails.
    pub(crate) async fn answer(self, request: hyper::Request<Incoming>) -> hyper::Response<Answer> {
        let (head, body) = request.into_parts();
        let last = asks_to_close(&head.headers);
        if last {
            self.phase.is_the_peers_last();
        }
        let mut message = match self.read(body).await {
            Ok(body) => {
                let mut message = self.exchange(&head, &body).await;
                if let Some(then) = &self.while_unbound {
                    then().await;
                }
                if self.has_guessed_enough() {
                    self.phase.ends_here();
                    message.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                message
            }
            Err(unread) => {
                // What was not read would be taken for the next request.
                self.phase.ends_here();
                unread.to_http(&head.headers)
            }
        };
        if last {
            message.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let phase = self.phase;
        message.map(|octets| Answer { octets, phase })
    }

    /// Whether the peer has shown so many wrong identity tokens that it gets no further try here (register A-32).
    pub(crate) fn has_guessed_enough(&self) -> bool {
        matches!(&self.channel, Channel::Association(peer) if peer.wrong_tokens() >= MAX_WRONG_TOKENS)
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Unread> {
        let most = self.limits.max_body;
        if body.size_hint().lower() > most as u64 {
            return Err(Unread::TooLong { most });
        }
        match timeout(self.limits.body_deadline, Limited::new(body, most).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Unread::TooLong { most }),
            Ok(Err(_)) => Err(Unread::Broken),
            Err(_) => Err(Unread::TooSlow),
        }
    }

    async fn exchange(&self, head: &http::request::Parts, body: &[u8]) -> hyper::Response<Bytes> {
        let request = match request_from_http(head, body) {
            Ok(request) => request,
            Err(error) => return error.to_http(),
        };
        let serialization = match response_serialization(&head.headers) {
            Ok(serialization) => serialization,
            Err(fault) => {
                let refusal = Response::refuse(fault.rsc(), &request, &fault.to_string());
                return response_to_http(&refusal, binding::http::Serialization::default());
            }
        };
        let response = self.handler.handle(&self.channel, request).await;
        response_to_http(&response, serialization)
    }
}

/// Whether the peer asks for the connection to be closed after the answer (RFC 9112 §9.6).
fn asks_to_close(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).into_iter().filter_map(|options| options.to_str().ok());
    options.flat_map(|options| options.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// A body that was not read to its end.
enum Unread {
    TooLong { most: usize },
    TooSlow,
    Broken,
}

impl Unread {
    /// The refusal, after which the connection ends.
    fn to_http(&self, headers: &HeaderMap) -> hyper::Response<Bytes> {
        let (status, text) = match self {
            Self::TooLong { most } => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {most} octets"))
            }
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned()),
            Self::Broken => (StatusCode::BAD_REQUEST, "the body is cut short or malformed".to_owned()),
        };
        let rqi = headers.get("x-m2m-ri").and_then(|value| value.to_str().ok());
        let rqi = rqi.filter(|rqi| rqi.len() <= onem2m::id::MAX_ID).unwrap_or_default();
        let refusal = Response::with_rqi(ResponseStatusCode::BadRequest, rqi).with_debug_info(&text);
        let mut message = response_to_http(&refusal, binding::http::Serialization::default());
        // The status code of TS-0004 has no finer one; for whoever reads HTTP there is.
        *message.status_mut() = status;
        message.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        message
    }
}
