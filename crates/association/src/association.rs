use std::net::IpAddr;

use keys::{Kpsa, Secret};
use openssl::ssl::{NameType, ShutdownState, Ssl, SslStream, StatusType};

use crate::{
    Alert, ClientContext, ClientPsk, ClientSession, Error, IdentityAsSent, NewSession, Presented, Proved,
    ServerContext, SessionAnswer, SessionHandle, Suite,
    approach::{Advance, Approach, Silence},
    engine::{clear_errors, handshake, handshake_error, has_closed},
    error::{Complaint, complaint},
    proving::Proving,
    session::{digest_of_id, new_session},
    slot::{self, ClientSlot},
    transport::MemIo,
};

/// Most octets that wait for OpenSSL; more is not taken until some are read.
const MAX_UNREAD: usize = 32 * 1024;
/// Most octets that wait to be sent before [`Association::write`] takes no more.
const MAX_UNSENT: usize = 64 * 1024;
/// Most octets that one write turns into one record.
const MAX_RECORD: usize = 1 << 14;

/// What [`Association::step`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// Send what there is to send, then feed more. Also the answer once the association is established.
    WantsInput,
    /// Server: the client offers to resume a session; nothing happens before [`Association::answer_session`].
    NeedsSession(SessionHandle),
    /// Server: the key of this identity is needed; nothing happens before [`Association::answer_key`].
    NeedsKey(IdentityAsSent),
    /// Server: the client presents this and has shown to hold the private key of it; nothing happens before
    /// [`Association::answer_verdict`].
    NeedsVerdict(Presented),
    /// The handshake is done. Said once.
    Established(Handshake),
}

/// What a finished handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The cipher suite.
    pub suite: Suite,
    /// Whether both ends used `extended_master_secret` (RFC 7627), without which no key is exported.
    pub extended_master_secret: bool,
    /// The server name that the client asked for, if it is text.
    pub server_name: Option<String>,
    /// What the peer has proved to hold; of a session that was resumed what it proved when that was made.
    pub proved: Proved,
    /// The session that was resumed, if one was.
    pub resumed: Option<SessionHandle>,
}

/// The answer to [`Progress::NeedsKey`].
pub enum KeyAnswer {
    /// The key that belongs to the identity.
    Key(Kpsa),
    /// There is none to be used: unknown, revoked, expired, malformed, lookup failed. The handshake goes on
    /// with a key that nobody knows and ends exactly as for a peer with a wrong key.
    Refuse,
}

/// The answer to [`Progress::NeedsVerdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The peer may enter.
    Accept,
    /// The peer gets this alert.
    Refuse(Alert),
}

/// What [`Association::read`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadOutcome {
    /// This many octets were read.
    Data(usize),
    /// Nothing to read: send what there is to send, then feed more.
    WantsInput,
    /// The peer closed the association in order.
    Closed,
}

/// One TLS 1.2 association over memory, at either end.
///
/// Octets from the transport go in through [`feed`](Self::feed), octets for it come out of
/// [`output`](Self::output), and [`step`](Self::step) drives the handshake between them. Nothing blocks,
/// nothing is timed: deadlines are the caller's. After an error the association has ended; what is left in
/// the output (an alert) is worth sending.
pub struct Association {
    /// OpenSSL's half of the work. A server has none before [`Stage::Silence`] ends.
    stream: Option<SslStream<MemIo>>,
    stage: Stage,
    transport_ended: bool,
    /// A fatal alert has ended it, ours or the peer's, after the peer had proved itself or while it resumed.
    failed: bool,
}

enum Stage {
    /// Server: up to the first whole record, or the whole ClientHello. Who stays silent costs next to nothing.
    Silence(Silence),
    /// Server: as long as answers from outside may be needed, read here before OpenSSL reads it.
    Approach(Box<Approach>),
    /// OpenSSL alone finishes the handshake.
    Handshake(Proving),
    Open,
    Ended,
}

impl Association {
    /// The server's end of a new association (Entity B of TS-0003 §8.2.1).
    #[must_use]
    pub fn server(context: &ServerContext) -> Self {
        let stage = Stage::Silence(Silence::new(context.clone()));
        Self { stream: None, stage, transport_ended: false, failed: false }
    }

    /// The client's end of a new association (Entity A of TS-0003 §8.2.1): proves to hold `psk`, asks for the
    /// server `server_name`. An IP literal is never sent as a name, an empty one neither.
    ///
    /// # Errors
    /// [`Error::ServerName`] if the name cannot be one, [`Error::Engine`] if OpenSSL cannot create it.
    pub fn client(context: &ClientContext, psk: ClientPsk, server_name: Option<&str>) -> Result<Self, Error> {
        Self::client_with(context, Some(psk), server_name, None)
    }

    /// The client's end of a new association: like [`client`](Self::client), but without a pre-shared key where
    /// there is none, and with the context's identity if the server asks for a certificate. Without a key only
    /// certificate suites are offered. `resume` is offered to the server, which may have other ideas; it must
    /// be of the same server, the same name and the same credential.
    ///
    /// # Errors
    /// As [`client`](Self::client), and [`Error::Engine`] if the session is unusable.
    pub fn client_with(
        context: &ClientContext,
        psk: Option<ClientPsk>,
        server_name: Option<&str>,
        resume: Option<&ClientSession>,
    ) -> Result<Self, Error> {
        let mut ssl = Ssl::new(context.ssl_context())?;
        if let Some(name) = server_name.map(sendable_name).transpose()?.flatten() {
            ssl.set_hostname(name)?;
        }
        if let (None, Some(list)) = (&psk, context.list_without_key()) {
            ssl.set_cipher_list(list)?;
        }
        if context.asks_for_staple() {
            ssl.set_status_type(StatusType::OCSP)?;
        }
        if let Some(session) = resume.filter(|_| context.resumes()) {
            ossl::offer_session(&mut ssl, session.der().expose())?;
        }
        let identity = psk.as_ref().map(|psk| psk.identity.clone());
        ssl.set_ex_data(slot::client_index()?, ClientSlot::new(psk));
        ssl.set_connect_state();
        let stream = Some(SslStream::new(ssl, MemIo::default())?);
        let stage = Stage::Handshake(Proving::Server(identity));
        Ok(Self { stream, stage, transport_ended: false, failed: false })
    }

    /// How many octets [`feed`](Self::feed) takes now: none while an answer is awaited, and few or none while those
    /// already taken must be read first. Any number after the end.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.stage {
            Stage::Silence(silence) => silence.room(),
            Stage::Approach(approach) => approach.room(),
            Stage::Handshake(_) | Stage::Open => {
                let unread = self.stream.as_ref().map_or(0, |stream| stream.get_ref().unread());
                MAX_UNREAD.saturating_sub(unread)
            }
            Stage::Ended => usize::MAX,
        }
    }

    /// Whether octets that were fed are still to be read: a peer may say something in the same breath as the end of
    /// its handshake, or two things at once.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        match (&self.stage, &self.stream) {
            (Stage::Open, Some(stream)) => stream.get_ref().unread() > 0 || stream.ssl().pending() > 0,
            _ => false,
        }
    }

    /// Takes octets from the transport and tells how many: all, as long as there is [`room`](Self::room).
    /// After the end they are dropped.
    pub fn feed(&mut self, octets: &[u8]) -> usize {
        let taken = octets.get(..self.room()).unwrap_or(octets);
        match (&mut self.stage, &mut self.stream) {
            (Stage::Silence(silence), _) => silence.feed(taken),
            (Stage::Approach(approach), _) => approach.feed(taken),
            (Stage::Handshake(_) | Stage::Open, Some(stream)) => stream.get_mut().push_input(taken),
            (Stage::Handshake(_) | Stage::Open | Stage::Ended, _) => {}
        }
        taken.len()
    }

    /// Says that the transport has ended: what was fed is still read, then the end is an error unless the peer
    /// had sent `close_notify`.
    pub const fn feed_end(&mut self) {
        self.transport_ended = true;
    }

    /// Octets for the transport, in order.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.stream.as_ref().map_or(&[], |stream| stream.get_ref().output())
    }

    /// Forgets the first `octets` of the output, which were sent.
    pub fn consume_output(&mut self, octets: usize) {
        if let Some(stream) = &mut self.stream {
            stream.get_mut().consume_output(octets);
        }
    }

    /// Moves the whole output to the end of `into`.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.output());
        self.consume_output(usize::MAX);
    }

    /// Goes on with the handshake as far as possible.
    ///
    /// # Errors
    /// Why the handshake failed; see [`Error`]. [`Error::Ended`] on every call after that.
    pub fn step(&mut self) -> Result<Progress, Error> {
        let progress = self.try_step();
        if let Err(error) = &progress {
            let resuming = matches!(self.stage, Stage::Handshake(Proving::Session(_)));
            self.failed |= resuming && !matches!(error, Error::ClosedInHandshake);
            self.stage = Stage::Ended;
        }
        progress
    }

    fn try_step(&mut self) -> Result<Progress, Error> {
        loop {
            let advance = match (&mut self.stage, &mut self.stream) {
                (Stage::Silence(silence), stream) => match silence.broken()? {
                    None => Advance::WantsInput,
                    Some((approach, made)) => {
                        *stream = Some(made);
                        self.stage = Stage::Approach(Box::new(approach));
                        continue;
                    }
                },
                (Stage::Approach(approach), Some(stream)) => approach.advance(stream)?,
                (Stage::Handshake(_), Some(_)) => return self.finish_handshake(),
                (Stage::Open, Some(_)) => return Ok(Progress::WantsInput),
                (Stage::Ended, _) | (_, None) => return Err(Error::Ended),
            };
            match advance {
                Advance::WantsInput if self.transport_ended => return Err(Error::ClosedInHandshake),
                Advance::WantsInput => return Ok(Progress::WantsInput),
                Advance::NeedsSession(handle) => return Ok(Progress::NeedsSession(handle)),
                Advance::NeedsKey(identity) => return Ok(Progress::NeedsKey(identity)),
                Advance::NeedsVerdict(presented) => return Ok(Progress::NeedsVerdict(presented)),
                Advance::HandOver(proving) => self.stage = Stage::Handshake(proving),
            }
        }
    }

    /// Answers [`Progress::NeedsKey`]; without effect at any other time.
    pub fn answer_key(&mut self, answer: KeyAnswer) {
        let (Stage::Approach(approach), Some(stream)) = (&mut self.stage, &mut self.stream) else { return };
        let Some(message) = approach.release(stream) else { return };
        let identity = match answer {
            KeyAnswer::Key(key) => message.identity().check().ok().map(|identity| (identity, key)),
            KeyAnswer::Refuse => None,
        };
        let proving = identity.map_or(Proving::Refused, |(identity, key)| {
            if let Some(slot) = slot::server_slot(stream.ssl()) {
                slot.put(identity.clone(), key);
            }
            Proving::Key(identity)
        });
        self.stage = Stage::Handshake(proving);
    }

    /// Answers [`Progress::NeedsSession`]; without effect at any other time. [`SessionAnswer::Resume`] is a
    /// permission: OpenSSL still falls back to a full handshake where the session does not fit.
    pub fn answer_session(&mut self, answer: SessionAnswer) {
        if let (Stage::Approach(approach), Some(stream)) = (&mut self.stage, &mut self.stream) {
            approach.resume(answer, stream);
        }
    }

    /// Answers [`Progress::NeedsVerdict`]; without effect at any other time. A refused handshake ends at the
    /// next [`step`](Self::step), with [`Error::CertificateRefused`].
    pub fn answer_verdict(&mut self, verdict: Verdict) {
        let (Stage::Approach(approach), Some(stream)) = (&mut self.stage, &mut self.stream) else { return };
        if let Some(proving) = approach.judge(verdict, stream) {
            self.stage = Stage::Handshake(proving);
        }
    }

    fn finish_handshake(&mut self) -> Result<Progress, Error> {
        let stream = self.stream.as_mut().ok_or(Error::Ended)?;
        match handshake(stream) {
            Ok(()) => self.established().map(Progress::Established),
            Err(Complaint::WantsInput) if self.transport_ended => Err(Error::ClosedInHandshake),
            Err(Complaint::WantsInput) => Ok(Progress::WantsInput),
            Err(other) => Err(match &self.stage {
                Stage::Handshake(proving) => handshake_error(stream, proving, other),
                _ => Error::Ended,
            }),
        }
    }

    fn established(&mut self) -> Result<Handshake, Error> {
        let stream = self.stream.as_mut().ok_or(Error::Ended)?;
        let ssl = stream.ssl();
        let id = ssl.current_cipher().map(|cipher| u16::from_be_bytes(cipher.protocol_id()));
        let suite = id.and_then(Suite::from_id).ok_or_else(|| Error::Protocol {
            reason: format!("it negotiated the cipher suite {id:04X?}, which was not offered"),
        })?;
        let Stage::Handshake(proving) = std::mem::replace(&mut self.stage, Stage::Ended) else {
            return Err(Error::Ended);
        };
        let (proved, resumed) = proving.finish(ssl, suite)?;
        let handshake = Handshake {
            suite,
            extended_master_secret: ossl::extended_master_secret(ssl),
            server_name: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
            proved,
            resumed,
        };
        self.stage = Stage::Open;
        stream.get_mut().release_input();
        Ok(handshake)
    }

    /// Reads what the peer sent into the front of `out`.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the transport ended without `close_notify`, [`Error::PeerAlert`],
    /// [`Error::Protocol`], and [`Error::Ended`] before the handshake is done or after an error.
    pub fn read(&mut self, out: &mut [u8]) -> Result<ReadOutcome, Error> {
        let (Stage::Open, Some(stream)) = (&self.stage, &mut self.stream) else { return Err(Error::Ended) };
        if out.is_empty() {
            return Ok(ReadOutcome::Data(0));
        }
        clear_errors();
        let error = match stream.ssl_read(out) {
            Ok(octets) => return Ok(ReadOutcome::Data(octets)),
            Err(error) => error,
        };
        match complaint(&error) {
            Complaint::WantsInput if self.transport_ended => self.end(Error::Truncated),
            Complaint::WantsInput => {
                stream.get_mut().release_input();
                Ok(ReadOutcome::WantsInput)
            }
            Complaint::Closed => Ok(ReadOutcome::Closed),
            Complaint::Unverified => {
                self.end(Error::Protocol { reason: "a record does not verify".to_owned() })
            }
            Complaint::Other(error) => self.end(error),
        }
    }

    /// Encrypts the front of `octets` into the output and tells how much of it: at most one record, nothing
    /// while over 64 KiB wait to be sent.
    ///
    /// # Errors
    /// [`Error::Ended`] before the handshake is done, after an error, and after [`close`](Self::close).
    pub fn write(&mut self, octets: &[u8]) -> Result<usize, Error> {
        let (Stage::Open, Some(stream)) = (&self.stage, &mut self.stream) else { return Err(Error::Ended) };
        if has_closed(stream) {
            return Err(Error::Ended);
        }
        if stream.get_ref().output().len() >= MAX_UNSENT {
            return Ok(0);
        }
        clear_errors();
        match stream.ssl_write(octets.get(..MAX_RECORD).unwrap_or(octets)) {
            Ok(count) => Ok(count),
            Err(error) => match complaint(&error) {
                Complaint::WantsInput => Ok(0),
                Complaint::Other(error) => self.end(error),
                Complaint::Closed | Complaint::Unverified => self.end(Error::Ended),
            },
        }
    }

    /// Puts `close_notify` into the output; nothing more is written after it. Without effect when repeated or
    /// when the association is not established.
    pub fn close(&mut self) {
        if let (Stage::Open, Some(stream)) = (&self.stage, &mut self.stream)
            && !has_closed(stream)
        {
            clear_errors();
            // It says whether the peer has closed too, which reading tells as well.
            let _ = stream.shutdown();
        }
    }

    /// Derives a key from the association (RFC 5705), of `octets` octets (TS-0003 §10.3.1).
    ///
    /// # Errors
    /// [`Error::NoExtendedMasterSecret`] without RFC 7627 (register A-56), [`Error::Ended`] when the
    /// association is not established, [`Error::Engine`] if OpenSSL does not like the label.
    pub fn export(&self, label: &str, context: Option<&[u8]>, octets: usize) -> Result<Secret, Error> {
        let (Stage::Open, Some(stream)) = (&self.stage, &self.stream) else { return Err(Error::Ended) };
        if !ossl::extended_master_secret(stream.ssl()) {
            return Err(Error::NoExtendedMasterSecret);
        }
        let mut key = vec![0; octets];
        stream.ssl().export_keying_material(&mut key, label, context)?;
        Ok(Secret::new(key))
    }

    /// Server: what may be remembered of this association so that it can be resumed; `None` if it cannot be, or
    /// was resumed and got no new ticket.
    ///
    /// # Errors
    /// [`Error::Ended`] when the association is not established, [`Error::Engine`] if OpenSSL has no memory.
    pub fn new_session(&mut self) -> Result<Option<NewSession>, Error> {
        let (Stage::Open, Some(stream)) = (&self.stage, &self.stream) else { return Err(Error::Ended) };
        let Some(slot) = slot::server_slot(stream.ssl()) else { return Ok(None) };
        Ok(new_session(stream.ssl(), slot.ticket())?)
    }

    /// Server: what the sessions are known by, as [`SessionHandle::digest`], that must not be resumed any more because a
    /// fatal alert has ended this association of them, whichever end sent it (RFC 5246 §7.2.2): the one that it
    /// resumed, or tried to, and the one that could be remembered of it. Empty as long as that has not happened.
    #[must_use]
    pub fn failed_sessions(&self) -> Vec<[u8; 32]> {
        let (true, Some(stream)) = (self.failed, &self.stream) else { return Vec::new() };
        let ssl = stream.ssl();
        let Some(slot) = slot::server_slot(ssl) else { return Vec::new() };
        let by_id = if ssl.session_reused() { slot.resumed() } else { ssl.session().and_then(digest_of_id) };
        by_id.into_iter().chain(slot.ticket()).collect()
    }

    /// Client: what may be remembered of this association to resume it; `None` if the server gave nothing, and
    /// before the handshake is done.
    #[must_use]
    pub fn client_session(&self) -> Option<ClientSession> {
        let (Stage::Open, Some(stream)) = (&self.stage, &self.stream) else { return None };
        let ssl = stream.ssl();
        if ssl.is_server() || !ossl::extended_master_secret(ssl) {
            return None;
        }
        ClientSession::of(ssl.session()?)
    }

    fn end<T>(&mut self, error: Error) -> Result<T, Error> {
        self.failed |= !matches!(error, Error::Truncated | Error::Ended);
        self.stage = Stage::Ended;
        Err(error)
    }
}

impl Drop for Association {
    fn drop(&mut self) {
        // Without this OpenSSL takes the end for an accident and marks the session as unfit to resume.
        if let Some(stream) = &mut self.stream {
            stream.set_shutdown(ShutdownState::SENT | ShutdownState::RECEIVED);
        }
    }
}

/// The name as SNI carries it: no address, no trailing dot (RFC 6066 §3).
fn sendable_name(name: &str) -> Result<Option<&str>, Error> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let address = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(bare);
    if bare.is_empty() || address.parse::<IpAddr>().is_ok() {
        return Ok(None);
    }
    if bare.len() > 253 || !bare.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Error::ServerName { name: name.chars().take(64).flat_map(char::escape_debug).collect() });
    }
    Ok(Some(bare))
}
