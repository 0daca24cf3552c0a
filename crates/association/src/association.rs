use std::net::IpAddr;

use keys::{Kpsa, PskIdentity, Secret};
use openssl::{
    error::ErrorStack,
    ssl::{NameType, ShutdownState, Ssl, SslStream},
};

use crate::{
    ClientContext, ClientPsk, Error, IdentityAsSent, ServerContext, Suite,
    approach::{Advance, Approach, Silence},
    error::{Complaint, complaint},
    key_slot::{self, ClientSlot, ServerSlot},
    record,
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
    /// The key of this identity is needed; nothing happens before [`Association::answer_key`].
    NeedsKey(IdentityAsSent),
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
    /// The identity whose key both ends hold.
    pub psk_identity: PskIdentity,
}

/// The answer to [`Progress::NeedsKey`].
pub enum KeyAnswer {
    /// The key that belongs to the identity.
    Key(Kpsa),
    /// There is none to be used: unknown, revoked, expired, malformed, lookup failed. The handshake goes on
    /// with a key that nobody knows and ends exactly as for a peer with a wrong key.
    Refuse,
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
}

enum Stage {
    /// Server: up to the first whole record. Who stays silent costs next to nothing.
    Silence(Silence),
    /// Server: up to the ClientKeyExchange, read here before OpenSSL reads it.
    Approach(Box<Approach>),
    /// OpenSSL alone finishes the handshake, with the identity that is being proved.
    Handshake {
        psk_identity: Option<PskIdentity>,
    },
    Open,
    Ended,
}

impl Association {
    /// The server's end of a new association (Entity B of TS-0003 §8.2.1).
    #[must_use]
    pub fn server(context: &ServerContext) -> Self {
        let stage = Stage::Silence(Silence::new(context.clone()));
        Self { stream: None, stage, transport_ended: false }
    }

    /// The client's end of a new association (Entity A of TS-0003 §8.2.1): proves to hold `psk`, asks for the
    /// server `server_name`. An IP literal is never sent as a name, an empty one neither.
    ///
    /// # Errors
    /// [`Error::ServerName`] if the name cannot be one, [`Error::Engine`] if OpenSSL cannot create it.
    pub fn client(context: &ClientContext, psk: ClientPsk, server_name: Option<&str>) -> Result<Self, Error> {
        let mut ssl = Ssl::new(context.ssl_context())?;
        if let Some(name) = server_name.map(sendable_name).transpose()?.flatten() {
            ssl.set_hostname(name)?;
        }
        let psk_identity = Some(psk.identity.clone());
        ssl.set_ex_data(key_slot::client_index()?, ClientSlot::new(psk));
        ssl.set_connect_state();
        let stream = Some(SslStream::new(ssl, MemIo::default())?);
        Ok(Self { stream, stage: Stage::Handshake { psk_identity }, transport_ended: false })
    }

    /// How many octets [`feed`](Self::feed) takes now: none while a key is awaited, and few or none while those
    /// already taken must be read first. Any number after the end.
    #[must_use]
    pub fn room(&self) -> usize {
        match &self.stage {
            Stage::Silence(silence) => silence.room(),
            Stage::Approach(approach) => approach.room(),
            Stage::Handshake { .. } | Stage::Open => {
                let unread = self.stream.as_ref().map_or(0, |stream| stream.get_ref().unread());
                MAX_UNREAD.saturating_sub(unread)
            }
            Stage::Ended => usize::MAX,
        }
    }

    /// Takes octets from the transport and tells how many: all, as long as there is [`room`](Self::room).
    /// After the end they are dropped.
    pub fn feed(&mut self, octets: &[u8]) -> usize {
        let taken = octets.get(..self.room()).unwrap_or(octets);
        match (&mut self.stage, &mut self.stream) {
            (Stage::Silence(silence), _) => silence.feed(taken),
            (Stage::Approach(approach), _) => approach.feed(taken),
            (Stage::Handshake { .. } | Stage::Open, Some(stream)) => stream.get_mut().push_input(taken),
            (Stage::Handshake { .. } | Stage::Open | Stage::Ended, _) => {}
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
        if progress.is_err() {
            self.stage = Stage::Ended;
        }
        progress
    }

    fn try_step(&mut self) -> Result<Progress, Error> {
        loop {
            let advance = match (&mut self.stage, &mut self.stream) {
                (Stage::Silence(silence), stream) => match silence.broken()? {
                    None => Advance::WantsInput,
                    Some(approach) => {
                        *stream = Some(server_stream(silence.context())?);
                        self.stage = Stage::Approach(Box::new(approach));
                        continue;
                    }
                },
                (Stage::Approach(approach), Some(stream)) => approach.advance(stream)?,
                (Stage::Handshake { .. }, Some(_)) => return self.finish_handshake(),
                (Stage::Open, Some(_)) => return Ok(Progress::WantsInput),
                (Stage::Ended, _) | (_, None) => return Err(Error::Ended),
            };
            match advance {
                Advance::WantsInput if self.transport_ended => return Err(Error::ClosedInHandshake),
                Advance::WantsInput => return Ok(Progress::WantsInput),
                Advance::NeedsKey(identity) => return Ok(Progress::NeedsKey(identity)),
                Advance::HandOver => self.stage = Stage::Handshake { psk_identity: None },
            }
        }
    }

    /// Answers [`Progress::NeedsKey`]; without effect at any other time.
    pub fn answer_key(&mut self, answer: KeyAnswer) {
        let (Stage::Approach(approach), Some(stream)) = (&mut self.stage, &mut self.stream) else { return };
        let Some(message) = approach.release(stream) else { return };
        let psk_identity = match answer {
            KeyAnswer::Key(key) => message.identity().check().ok().map(|identity| (identity, key)),
            KeyAnswer::Refuse => None,
        };
        let psk_identity = psk_identity.map(|(identity, key)| {
            if let Some(slot) = key_slot::server_slot(stream.ssl()) {
                slot.put(identity.clone(), key);
            }
            identity
        });
        self.stage = Stage::Handshake { psk_identity };
    }

    fn finish_handshake(&mut self) -> Result<Progress, Error> {
        let stream = self.stream.as_mut().ok_or(Error::Ended)?;
        match handshake(stream) {
            Ok(()) => self.established().map(Progress::Established),
            Err(Complaint::WantsInput) if self.transport_ended => Err(Error::ClosedInHandshake),
            Err(Complaint::WantsInput) => Ok(Progress::WantsInput),
            Err(other) => Err(handshake_error(stream, &self.stage, other)),
        }
    }

    fn established(&mut self) -> Result<Handshake, Error> {
        let stream = self.stream.as_mut().ok_or(Error::Ended)?;
        let ssl = stream.ssl();
        let id = ssl.current_cipher().map(|cipher| u16::from_be_bytes(cipher.protocol_id()));
        let suite = id.and_then(Suite::from_id).ok_or_else(|| Error::Protocol {
            reason: format!("it negotiated the cipher suite {id:04X?}, which was not offered"),
        })?;
        let Stage::Handshake { psk_identity } = &mut self.stage else { return Err(Error::Ended) };
        // A server that gave OpenSSL the stand-in key is never established, whatever OpenSSL says.
        let proved = !ssl.is_server() || key_slot::server_slot(ssl).is_some_and(ServerSlot::handed_over);
        let Some(psk_identity) = psk_identity.take().filter(|_| proved) else { return Err(Error::Refused) };
        let handshake = Handshake {
            suite,
            extended_master_secret: ossl::extended_master_secret(ssl),
            server_name: ssl.servername(NameType::HOST_NAME).map(str::to_owned),
            psk_identity,
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

    fn end<T>(&mut self, error: Error) -> Result<T, Error> {
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

/// OpenSSL's side of a server's end.
fn server_stream(context: &ServerContext) -> Result<SslStream<MemIo>, Error> {
    let mut ssl = Ssl::new(context.ssl_context())?;
    ssl.set_ex_data(key_slot::server_index()?, ServerSlot::default());
    ssl.set_accept_state();
    Ok(SslStream::new(ssl, MemIo::default())?)
}

fn has_closed(stream: &mut SslStream<MemIo>) -> bool {
    stream.get_shutdown().contains(ShutdownState::SENT)
}

/// What a complaint means once the key has been used.
fn handshake_error(stream: &SslStream<MemIo>, stage: &Stage, complaint: Complaint) -> Error {
    let server = stream.ssl().is_server();
    match complaint {
        Complaint::Unverified => match stage {
            Stage::Handshake { psk_identity: None } => Error::Refused,
            _ => Error::WrongKey,
        },
        Complaint::Other(Error::PeerAlert { alert }) if !server && alert.refuses_the_key() => {
            Error::KeyRefused { alert }
        }
        other => approach_error(stream, other),
    }
}

/// One turn of OpenSSL's handshake.
pub(crate) fn handshake(stream: &mut SslStream<MemIo>) -> Result<(), Complaint> {
    clear_errors();
    stream.do_handshake().map_err(|error| complaint(&error))
}

/// What a complaint means before the key has been used.
pub(crate) fn approach_error(stream: &SslStream<MemIo>, complaint: Complaint) -> Error {
    if key_slot::server_slot(stream.ssl()).is_some_and(ServerSlot::name_refused) {
        return Error::UnknownServerName;
    }
    match complaint {
        Complaint::WantsInput | Complaint::Closed => Error::ClosedInHandshake,
        Complaint::Unverified => Error::Protocol { reason: "a record does not verify".to_owned() },
        Complaint::Other(error) => error,
    }
}

/// OpenSSL's errors are per thread, and one left by somebody else would be taken for this call's.
fn clear_errors() {
    drop(ErrorStack::get());
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

/// Ends a handshake from here: OpenSSL never saw what was wrong.
pub(crate) fn alert(stream: &mut SslStream<MemIo>, alert: crate::Alert) {
    stream.get_mut().push_output(&record::fatal_alert(alert));
}
