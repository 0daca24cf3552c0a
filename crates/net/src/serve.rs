//! The life of an established association: wait, answer, wait again, end.

use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    pin::pin,
    task::Poll,
    time::Duration,
};

use association::ReadOutcome;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};

use crate::{
    EndReason,
    burst::{BurstEnd, burst},
    exchange::{Desk, Handler},
    stream::TlsStream,
    tether::{Order, Tether},
};

/// What ends an association from outside.
pub(crate) struct Endings<'a> {
    pub(crate) tether: &'a Tether,
    /// The credential expires, or the lifetime is over.
    pub(crate) expires: Instant,
}

/// Serves an association until it ends, at `expires` at the latest, and closes it; or, if so told, serves one
/// burst of requests and comes back.
pub(crate) async fn serve<H: Handler>(
    stream: &mut TlsStream,
    desk: &Desk<H>,
    endings: &Endings<'_>,
    one_burst: bool,
) -> ControlFlow<EndReason> {
    let mut read = Bytes::new();
    let reason = loop {
        if read.is_empty() {
            read = match wait(stream, desk, endings).await {
                Ok(read) => read,
                Err(reason) => break reason,
            };
        }
        // Boxed: while the association idles its task has no room for a burst.
        let serving = Box::pin(burst(stream, std::mem::take(&mut read), desk, endings.tether));
        let end = match endings.unless(serving).await {
            Ok(end) => end,
            Err(reason) => break reason,
        };
        match end {
            BurstEnd::Between(rest) if one_burst && rest.is_empty() => return ControlFlow::Continue(()),
            BurstEnd::Between(rest) => read = rest,
            BurstEnd::Close if endings.tether.has(Order::Drain) => break EndReason::Shutdown,
            BurstEnd::Close if stream.is_broken() => break EndReason::Broken,
            BurstEnd::Close => break EndReason::PeerClosed,
            BurstEnd::Stalled => break EndReason::Stalled,
            BurstEnd::Broken => break EndReason::Broken,
            BurstEnd::Interrupted | BurstEnd::BadRequest => {
                // Still sending what nobody will read: closing at once would reset the connection and might take
                // our last answer with it.
                let _ = timeout(GOODBYE, stream.close()).await;
                stream.drain(GOODBYE).await;
                let guessed = desk.has_guessed_enough();
                let reason = if guessed { EndReason::WrongTokens } else { EndReason::BadRequest };
                return ControlFlow::Break(reason);
            }
        }
    };
    // Nobody is there to be told that it failed or took too long.
    let _ = timeout(GOODBYE, stream.say_goodbye()).await;
    stream.drain_arrived();
    ControlFlow::Break(reason)
}

impl Endings<'_> {
    /// The outcome of `serving`, unless the association ends meanwhile.
    async fn unless<T>(&self, serving: impl Future<Output = T>) -> Result<T, EndReason> {
        let (mut serving, mut expiry) = (pin!(serving), pin!(sleep_until(self.expires)));
        poll_fn(|context| {
            if let Poll::Ready(order) = self.tether.poll(context, &[Order::Closed, Order::Stop]) {
                return Poll::Ready(Err(match order {
                    Order::Closed => EndReason::Closed,
                    Order::Evicted | Order::Drain | Order::Stop => EndReason::Shutdown,
                }));
            }
            // Most requests are answered at once, and nothing has to be timed.
            if let Poll::Ready(end) = serving.as_mut().poll(context) {
                return Poll::Ready(Ok(end));
            }
            expiry.as_mut().poll(context).map(|()| Err(EndReason::Expired))
        })
        .await
    }
}

/// Waits for the beginning of a request: what can be read of it, which is nothing where a record is not whole yet.
async fn wait<H: Handler>(
    stream: &mut TlsStream,
    desk: &Desk<H>,
    endings: &Endings<'_>,
) -> Result<Bytes, EndReason> {
    let idle = Instant::now() + desk.limits.idle;
    let mut deadline = pin!(sleep_until(idle.min(endings.expires)));
    poll_fn(|context| {
        if let Poll::Ready(order) = endings.tether.poll(context, &[Order::Closed, Order::Drain, Order::Stop])
        {
            return Poll::Ready(Err(match order {
                Order::Closed => EndReason::Closed,
                Order::Evicted | Order::Drain | Order::Stop => EndReason::Shutdown,
            }));
        }
        if let Poll::Ready(arrived) = stream.poll_arrival(context) {
            return Poll::Ready(arrived.map_err(|_| EndReason::Broken));
        }
        deadline
            .as_mut()
            .poll(context)
            .map(|()| Err(if endings.expires <= idle { EndReason::Expired } else { EndReason::Idle }))
    })
    .await?;
    let mut octets = [0; CHUNK];
    match stream.read_now(&mut octets) {
        Ok(ReadOutcome::Data(count)) => Ok(Bytes::copy_from_slice(octets.get(..count).unwrap_or_default())),
        Ok(ReadOutcome::WantsInput) => Ok(Bytes::new()),
        Ok(ReadOutcome::Closed) => Err(EndReason::PeerClosed),
        Err(_) => Err(EndReason::Broken),
    }
}

/// Most octets of a request that are read before HTTP begins; the rest is read there.
const CHUNK: usize = 4096;
/// How long the end of an association may take.
const GOODBYE: Duration = Duration::from_secs(2);
