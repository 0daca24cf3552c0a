//! HTTP on an association, for as long as there is something to say.
//!
//! hyper's state of a connection is larger than the association itself, and most associations are idle. So it is
//! made when octets arrive and ended when the answer has been sent; the association stays.

use std::{
    convert::Infallible,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    Limits,
    exchange::{Desk, Handler, Phase},
    stream::TlsStream,
    tether::{Order, Tether},
};

/// How a burst of requests ended.
pub(crate) enum BurstEnd {
    /// All requests are answered; these octets of another one have been read.
    Between(Bytes),
    /// The connection is to be closed: the peer closed or asked for it, or [`Order::Drain`] was given.
    Close,
    /// The connection is to be closed, and the peer is still sending.
    Interrupted,
    /// The peer stopped in the middle of a request.
    Stalled,
    /// What came is no HTTP or has too large a header.
    BadRequest,
    /// The connection broke.
    Broken,
}

/// Serves requests until there is none under way. `first` are octets that were read already.
pub(crate) async fn burst<H: Handler>(
    stream: &mut TlsStream,
    first: Bytes,
    desk: &Desk<H>,
    tether: &Tether,
) -> BurstEnd {
    let phase = Arc::clone(&desk.phase);
    phase.starts();
    let io = TokioIo::new(Burst { stream, first, phase: Arc::clone(&phase) });
    let service = service_fn(|request| {
        let desk = desk.clone();
        desk.phase.begins();
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut connection = builder(&desk.limits).serve_connection(io, service);
    let mut between = false;
    let mut draining = false;
    let served = poll_fn(|context| {
        loop {
            let served = Pin::new(&mut connection).poll(context);
            if served.is_ready() {
                return served;
            }
            // An idle connection that is told to stop does so without a word, and keeps what it has read.
            let stop = if phase.is_between() && !between {
                between = true;
                true
            } else if !draining && tether.poll(context, &[Order::Drain]).is_ready() {
                draining = true;
                true
            } else {
                false
            };
            if !stop {
                return Poll::Pending;
            }
            Pin::new(&mut connection).graceful_shutdown();
        }
    })
    .await;
    // A copy: an empty remainder would keep all of hyper's buffer for as long as the association idles.
    let read = Bytes::copy_from_slice(&connection.into_parts().read_buf);
    match served {
        _ if phase.is_last() => BurstEnd::Interrupted,
        Ok(()) if between && !draining => BurstEnd::Between(read),
        Ok(()) => BurstEnd::Close,
        Err(error) if error.is_timeout() => BurstEnd::Stalled,
        Err(error) if error.is_parse() => BurstEnd::BadRequest,
        Err(error) if is_timeout(&error) => BurstEnd::Stalled,
        Err(_) => BurstEnd::Broken,
    }
}

pub(crate) fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let header = limits.max_header.max(Limits::MIN_HEADER);
    builder.timer(TokioTimer::new()).header_read_timeout(limits.header_deadline);
    builder.max_buf_size(header);
    builder
}

/// Whether sending took too long, which hyper reports as an error of the transport.
fn is_timeout(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            return true;
        }
        source = error.source();
    }
    false
}

/// The association as hyper sees it. It is not hyper's to close.
struct Burst<'a> {
    stream: &'a mut TlsStream,
    first: Bytes,
    phase: Arc<Phase>,
}

impl AsyncRead for Burst<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.has_remaining() {
            let count = self.first.len().min(out.remaining());
            out.put_slice(&self.first.split_to(count));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.stream).poll_read(context, out)
    }
}

impl AsyncWrite for Burst<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.is_parting() {
            self.stream.part();
        }
        let flushed = Pin::new(&mut *self.stream).poll_flush(context);
        if let Poll::Ready(Ok(())) = flushed {
            self.phase.flushed();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
