//! The life of an established association: wait, answer, wait again, end.

use std::{ops::ControlFlow, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    EndReason,
    burst::{BurstEnd, burst},
    exchange::{Desk, Handler},
    stream::TlsStream,
};

/// What ends an association from outside.
pub(crate) struct Endings {
    /// Its credential was closed: at once.
    pub(crate) closed: CancellationToken,
    /// The listener stops: after the request in progress.
    pub(crate) drain: CancellationToken,
    /// The listener has waited long enough.
    pub(crate) stop: CancellationToken,
}

/// Serves an association until it ends, at `expires` at the latest, and closes it; or, if so told, serves one
/// burst of requests and comes back.
pub(crate) async fn serve<H: Handler>(
    stream: &mut TlsStream,
    desk: &Desk<H>,
    endings: &Endings,
    expires: Instant,
    one_burst: bool,
) -> ControlFlow<EndReason> {
    let mut read = Bytes::new();
    let reason = loop {
        if read.is_empty()
            && let Err(reason) = wait(stream, desk, endings, expires).await
        {
            break reason;
        }
        // Boxed: while the association idles its task has no room for a burst.
        let serving = Box::pin(burst(stream, std::mem::take(&mut read), desk, &endings.drain));
        let end = tokio::select! {
            biased;
            () = endings.closed.cancelled() => break EndReason::Closed,
            () = endings.stop.cancelled() => break EndReason::Shutdown,
            () = sleep_until(expires) => break EndReason::Expired,
            end = serving => end,
        };
        match end {
            BurstEnd::Between(rest) if one_burst && rest.is_empty() => return ControlFlow::Continue(()),
            BurstEnd::Between(rest) => read = rest,
            BurstEnd::Close if endings.drain.is_cancelled() => break EndReason::Shutdown,
            BurstEnd::Close if stream.is_broken() => break EndReason::Broken,
            BurstEnd::Close => break EndReason::PeerClosed,
            BurstEnd::Stalled => break EndReason::Stalled,
            BurstEnd::Broken => break EndReason::Broken,
            BurstEnd::Interrupted | BurstEnd::BadRequest => {
                close(stream, Peer::IsSending).await;
                let guessed = desk.has_guessed_enough();
                let reason = if guessed { EndReason::WrongTokens } else { EndReason::BadRequest };
                return ControlFlow::Break(reason);
            }
        }
    };
    close(stream, Peer::Waits).await;
    ControlFlow::Break(reason)
}

/// Waits for the first octets of a request.
async fn wait<H: Handler>(
    stream: &mut TlsStream,
    desk: &Desk<H>,
    endings: &Endings,
    expires: Instant,
) -> Result<(), EndReason> {
    let idle = Instant::now() + desk.limits.idle;
    tokio::select! {
        biased;
        () = endings.closed.cancelled() => Err(EndReason::Closed),
        () = endings.drain.cancelled() => Err(EndReason::Shutdown),
        () = sleep_until(idle.min(expires)) => {
            Err(if expires <= idle { EndReason::Expired } else { EndReason::Idle })
        }
        arrived = stream.arrival() => arrived.map_err(|_| EndReason::Broken),
    }
}

/// What the peer is doing when its association is closed.
enum Peer {
    Waits,
    /// Still sending what nobody will read: closing at once would reset the connection and might take our last
    /// answer with it.
    IsSending,
}

/// How long the end of an association may take.
const GOODBYE: Duration = Duration::from_secs(2);

async fn close(stream: &mut TlsStream, peer: Peer) {
    // Nobody is there to be told that it failed or took too long.
    let _ = timeout(GOODBYE, stream.close()).await;
    match peer {
        Peer::Waits => stream.drain_arrived(),
        Peer::IsSending => stream.drain(GOODBYE).await,
    }
}
