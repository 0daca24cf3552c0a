//! An association joined with its TCP connection.

use std::{
    future::{Future, poll_fn},
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use association::{
    Association, ClientSession, Error, KeyAnswer, NewSession, Progress, ReadOutcome, SessionAnswer, Verdict,
};
use rustix::net::SendFlags;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

/// Octets that one read of the socket may bring; they pass through the stack.
const CHUNK: usize = 8192;
/// Octets that are read and dropped from a connection that is refused, so that closing it does not reset it.
const MAX_DRAINED: usize = 1 << 20;

/// One TLS association over one TCP connection: plaintext on this side.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    association: Association,
    send_deadline: Duration,
    /// Reading has failed; hyper does not tell an idle connection's failure from its end.
    broken: bool,
    /// The peer sends nothing more.
    ended: bool,
    sending: Sending,
    /// Runs while the peer does not receive.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// Our half of the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Open,
    /// Nothing is sent after what is in the output.
    Parting,
    Ended,
}

impl TlsStream {
    pub(crate) const fn new(tcp: TcpStream, association: Association, send_deadline: Duration) -> Self {
        Self {
            tcp,
            association,
            send_deadline,
            broken: false,
            ended: false,
            sending: Sending::Open,
            stalled: None,
        }
    }

    /// Goes on with the handshake until it needs an answer or is done, and sends what it has to say, an alert at
    /// its end included.
    pub(crate) async fn handshake(&mut self) -> Result<Progress, HandshakeFailure> {
        loop {
            match self.association.step() {
                Ok(Progress::WantsInput) => {
                    self.send().await?;
                    self.receive().await?;
                }
                Ok(progress) => {
                    self.send().await?;
                    return Ok(progress);
                }
                Err(error) => {
                    // The peer may be gone; that is then the lesser news.
                    let _ = self.send().await;
                    return Err(HandshakeFailure::Association(error));
                }
            }
        }
    }

    pub(crate) fn answer_key(&mut self, answer: KeyAnswer) {
        self.association.answer_key(answer);
    }

    pub(crate) fn answer_session(&mut self, answer: SessionAnswer) {
        self.association.answer_session(answer);
    }

    pub(crate) fn answer_verdict(&mut self, verdict: Verdict) {
        self.association.answer_verdict(verdict);
    }

    /// What may be remembered of it; asked for once, after the handshake.
    pub(crate) fn new_session(&mut self) -> Option<NewSession> {
        // Without it there is one full handshake more.
        self.association.new_session().ok().flatten()
    }

    /// What the sessions are known by that a fatal alert has ended with it.
    pub(crate) fn failed_sessions(&self) -> Vec<[u8; 32]> {
        self.association.failed_sessions()
    }

    /// What a client may remember of it; asked for after the handshake.
    pub(crate) fn client_session(&self) -> Option<ClientSession> {
        self.association.client_session()
    }

    /// Whether what was read last was an error rather than an orderly end.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends all that is encrypted.
    pub(crate) async fn send(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_send(context)).await
    }

    /// Waits for octets of the peer, or its end, and takes them.
    pub(crate) async fn receive(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_receive(context)).await
    }

    /// Nothing will be said after what is about to be sent: `close_notify` and the end of the sending half go with
    /// it, in one packet where it is short. Each one less is a thirtieth of what a connection of one request costs.
    pub(crate) fn part(&mut self) {
        self.association.close();
        if self.sending == Sending::Open {
            self.sending = Sending::Parting;
        }
    }

    /// Says `close_notify`; the connection is to be dropped then.
    pub(crate) async fn say_goodbye(&mut self) -> io::Result<()> {
        self.association.close();
        self.send().await
    }

    /// Says `close_notify` and ends the sending half.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        poll_fn(|context| Pin::new(&mut *self).poll_shutdown(context)).await
    }

    /// Reads what has been received.
    pub(crate) fn read_now(&mut self, out: &mut [u8]) -> Result<ReadOutcome, Error> {
        let read = self.association.read(out);
        self.broken |= read.is_err();
        read
    }

    /// Drops what has arrived, without waiting: a socket that is closed with unread octets resets the
    /// connection, and the peer might lose the alert that was sent to it.
    pub(crate) fn drain_arrived(&mut self) {
        if self.ended {
            return;
        }
        let mut scrap = [0; CHUNK];
        for _ in 0..MAX_DRAINED / CHUNK {
            match self.tcp.try_read(&mut scrap) {
                Ok(octets) if octets > 0 => {}
                _ => return,
            }
        }
    }

    /// Drops what still arrives until the peer closes too, within bounds. For a peer in mid-sentence.
    pub(crate) async fn drain(&mut self, deadline: Duration) {
        let until_end = async {
            for _ in 0..MAX_DRAINED / CHUNK {
                if self.tcp.readable().await.is_err() {
                    return;
                }
                let mut scrap = [0; CHUNK];
                match self.tcp.try_read(&mut scrap) {
                    Ok(0) => return,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        };
        // The deadline is as good an end as any.
        let _ = tokio::time::timeout(deadline, until_end).await;
    }

    fn poll_plaintext(&mut self, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            match self.association.read(out.initialize_unfilled()).map_err(into_io)? {
                ReadOutcome::Data(octets) => {
                    out.advance(octets);
                    return Poll::Ready(Ok(()));
                }
                ReadOutcome::Closed => return Poll::Ready(Ok(())),
                ReadOutcome::WantsInput => {
                    // Reading may have made TLS say something; it need not be gone to go on reading.
                    if let Poll::Ready(Err(error)) = self.poll_send(context) {
                        return Poll::Ready(Err(error));
                    }
                    ready!(self.poll_receive(context))?;
                }
            }
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.association.output().is_empty() {
            let sent = if self.sending == Sending::Parting {
                self.poll_write_held(context)
            } else {
                Pin::new(&mut self.tcp).poll_write(context, self.association.output())
            };
            match sent {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(sent)) => {
                    self.association.consume_output(sent);
                    self.stalled = None;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return self.poll_stalled(context),
            }
        }
        if self.sending == Sending::Parting {
            self.sending = Sending::Ended;
            return Pin::new(&mut self.tcp).poll_shutdown(context);
        }
        Poll::Ready(Ok(()))
    }

    /// Gives octets to the kernel, which holds back the last packet until it is told what follows.
    fn poll_write_held(&self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let (octets, flags) = (self.association.output(), SendFlags::NOSIGNAL | SendFlags::MORE);
        loop {
            ready!(self.tcp.poll_write_ready(context))?;
            let send = || rustix::net::send(&self.tcp, octets, flags).map_err(Into::into);
            match self.tcp.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_stalled(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let deadline = self.send_deadline;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(deadline)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Waits for octets of the peer, or its end, unless some have come already.
    pub(crate) fn poll_arrival(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.association.has_unread() { Poll::Ready(Ok(())) } else { self.poll_receive(context) }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let room = self.association.room().min(CHUNK);
        if room == 0 {
            // Nobody waits for input where none can be taken, and a read of no octets would look like the end.
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        }
        let mut space = [MaybeUninit::<u8>::uninit(); CHUNK];
        let mut buffer = ReadBuf::uninit(space.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.tcp).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            self.association.feed_end();
            self.ended = true;
        } else {
            self.association.feed(buffer.filled());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = ready!(this.poll_plaintext(context, out));
        this.broken |= read.is_err();
        Poll::Ready(read)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            let taken = this.association.write(octets).map_err(into_io)?;
            if taken > 0 || octets.is_empty() {
                return Poll::Ready(Ok(taken));
            }
            ready!(this.poll_send(context))?;
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.association.close();
        ready!(this.poll_send(context))?;
        Pin::new(&mut this.tcp).poll_shutdown(context)
    }
}

/// Why a handshake did not get to its end.
#[derive(Debug)]
pub(crate) enum HandshakeFailure {
    Association(Error),
    Network(io::Error),
}

impl From<io::Error> for HandshakeFailure {
    fn from(error: io::Error) -> Self {
        Self::Network(error)
    }
}

fn into_io(error: Error) -> io::Error {
    let kind = match error {
        Error::Truncated | Error::ClosedInHandshake => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::InvalidData,
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use association::{ClientContext, ClientPsk, ServerContext, ServerNames, SuitePolicy};
    use keys::{KeyLengthPolicy, Kpsa, Secret};
    use std::task::Waker;
    use tokio::{
        io::AsyncWriteExt,
        net::{TcpListener, TcpSocket},
    };

    fn key() -> Kpsa {
        Kpsa::new(Secret::new(vec![7; 16]), KeyLengthPolicy::Strict).unwrap()
    }

    /// Both ends of an association; the kernel keeps little for the client, so that what it does not read stays with
    /// the server.
    async fn pair() -> (TlsStream, TlsStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let (dialled, accepted) =
            tokio::join!(socket.connect(listener.local_addr().unwrap()), listener.accept());
        let suites = SuitePolicy::default();
        let (server, client) = (
            Association::server(&ServerContext::new(&suites, ServerNames::Any).unwrap()),
            Association::client(
                &ClientContext::new(&suites).unwrap(),
                ClientPsk { identity: "light1@home.example.org".parse().unwrap(), key: key() },
                None,
            ),
        );
        let forever = Duration::from_secs(3600);
        let mut server = TlsStream::new(accepted.unwrap().0, server, forever);
        let mut client = TlsStream::new(dialled.unwrap(), client.unwrap(), forever);
        let serving = async {
            assert!(matches!(server.handshake().await, Ok(Progress::NeedsKey(_))));
            server.answer_key(KeyAnswer::Key(key()));
            assert!(matches!(server.handshake().await, Ok(Progress::Established(_))));
        };
        let (dialled, ()) = tokio::join!(client.handshake(), serving);
        assert!(matches!(dialled, Ok(Progress::Established(_))));
        (server, client)
    }

    /// More than the kernel takes is sent to its end, and the last of it once.
    #[tokio::test]
    async fn parting_waits_for_a_peer_that_reads_slowly() {
        let (mut server, mut client) = pair().await;
        let mut context = Context::from_waker(Waker::noop());
        let mut written = 0;
        while let Poll::Ready(taken) = Pin::new(&mut server).poll_write(&mut context, &[b'x'; 8192]) {
            written += taken.unwrap();
        }
        server.part();
        assert!(Pin::new(&mut server).poll_flush(&mut context).is_pending(), "the client has read nothing");
        let sending = async {
            server.flush().await.unwrap();
            server.part();
            server.flush().await.unwrap();
        };
        let reading = async {
            let (mut read, mut octets) = (0, [0; 8192]);
            loop {
                let count = tokio::io::AsyncReadExt::read(&mut client, &mut octets).await.unwrap();
                if count == 0 {
                    return read;
                }
                read += count;
            }
        };
        assert_eq!(tokio::join!(sending, reading).1, written);
        // After close_notify comes the end of the connection.
        client.receive().await.unwrap();
        assert!(client.ended);
    }
}
