//! The server's handshake as long as answers may be needed from outside: every record is looked at before
//! OpenSSL gets it.
//!
//! ```text
//! Silence: ClientHello -- offers a session --> AwaitSession: resume it? --+ yes: OpenSSL goes on alone
//!      |                                   | no                           |
//!      +-----------------------------------+--> ServerHello               |
//!           pre-shared key suite: AwaitKeyExchange -> AwaitKey ---------->|
//!           certificate suite:    AwaitSignature  -> AwaitVerdict ------->|
//!           certificate suite, clients prove nothing: ------------------->+
//! ```

use keys::Secret;
use openssl::ssl::SslStream;

use crate::{
    Alert, ClientProof, Error, IdentityAsSent, Presented, SavedSession, ServerContext, SessionAnswer,
    SessionHandle, Suite, TicketKeys, Verdict,
    cke::{ClientKeyExchange, KeyExchangeReader, Outcome},
    client_hello::{self, ClientHello, Peek},
    engine::{alert, approach_error, handshake, server_stream},
    error::Complaint,
    kept,
    proving::Proving,
    record::{self, HEADER, Header, MAX_PAYLOAD},
    slot::{self, ServerSlot},
    transport::MemIo,
};

/// Most octets of records before the ServerHello, ClientHello included. Real ones have a few hundred.
const MAX_HELLO: usize = MAX_PAYLOAD;
/// Most octets that wait here: one whole record.
const MAX_HELD: usize = HEADER + MAX_PAYLOAD;

/// What the peer has sent before there is anything for OpenSSL to read. A connection that never gets further has
/// no part in OpenSSL's memory.
pub(crate) struct Silence {
    context: ServerContext,
    held: Vec<u8>,
    /// So many octets must be there for news.
    needs: usize,
}

impl Silence {
    pub(crate) const fn new(context: ServerContext) -> Self {
        Self { context, held: Vec::new(), needs: HEADER }
    }

    pub(crate) fn room(&self) -> usize {
        MAX_HELD.saturating_sub(self.held.len())
    }

    /// Takes octets, no more than there is room for.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
    }

    /// What follows it, once the first record is whole or cannot become one that is acceptable; where the
    /// ClientHello is read ahead, once that is whole.
    pub(crate) fn broken(&mut self) -> Result<Option<(Approach, SslStream<MemIo>)>, Error> {
        if self.held.len() < self.needs {
            return Ok(None);
        }
        let Some(header) = self.held.first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header::read(*header).ok_or(Error::NotTls)?;
        if header.payload <= MAX_HELLO && self.held.len() < HEADER + header.payload {
            return Ok(None);
        }
        let message = match self.context.reads_ahead().then(|| client_hello::peek(&self.held)) {
            // One that does not fit here with its records is OpenSSL's to judge.
            Some(Peek::Needs(octets)) if octets <= MAX_HELD => {
                self.needs = octets;
                return Ok(None);
            }
            Some(Peek::Message(message)) => Some(message),
            Some(Peek::Needs(_) | Peek::SomethingElse) | None => None,
        };
        let hello = message.as_deref().and_then(ClientHello::read);
        let context = self.context.asked_for(hello.and_then(|hello| hello.server_name));
        let mut stream = server_stream(context)?;
        if context.has_both_kinds() && hello.is_some_and(|hello| hello.prefers_raw_key()) {
            ossl::prefer_raw_key(&mut stream)?;
        }
        let offered = hello.and_then(|hello| offered(&hello, context, &stream));
        let mut approach = Approach::new(context, offered);
        approach.held = std::mem::take(&mut self.held);
        Ok(Some((approach, stream)))
    }
}

/// What the peer has sent and OpenSSL has not got yet, and how far the peer is.
pub(crate) struct Approach {
    held: Vec<u8>,
    wait: Wait,
    clients: ClientProof,
    tickets: Option<TicketKeys>,
    /// The session that the caller lets the peer resume.
    granted: Option<SessionHandle>,
}

enum Wait {
    AwaitSession(SessionHandle),
    AwaitClientHello { seen: usize },
    AwaitKeyExchange(KeyExchangeReader),
    AwaitKey(ClientKeyExchange),
    AwaitSignature,
    AwaitVerdict(Presented),
    Refused(Alert),
}

/// How [`Approach::advance`] ended.
pub(crate) enum Advance {
    WantsInput,
    NeedsSession(SessionHandle),
    NeedsKey(IdentityAsSent),
    NeedsVerdict(Presented),
    /// OpenSSL has everything that was held and goes on alone.
    HandOver(Proving),
}

impl Approach {
    fn new(context: &ServerContext, offered: Option<SessionHandle>) -> Self {
        let wait = offered.map_or(Wait::AwaitClientHello { seen: 0 }, Wait::AwaitSession);
        let tickets = context.tickets().cloned();
        Self { held: Vec::new(), wait, clients: context.clients(), tickets, granted: None }
    }

    /// How many octets may wait here; none while an answer is awaited.
    pub(crate) fn room(&self) -> usize {
        match self.wait {
            Wait::AwaitSession(_) | Wait::AwaitKey(_) | Wait::AwaitVerdict(_) | Wait::Refused(_) => 0,
            Wait::AwaitClientHello { .. } | Wait::AwaitKeyExchange(_) | Wait::AwaitSignature => {
                MAX_HELD.saturating_sub(self.held.len())
            }
        }
    }

    /// Takes octets, no more than there is room for.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
    }

    pub(crate) fn advance(&mut self, stream: &mut SslStream<MemIo>) -> Result<Advance, Error> {
        loop {
            match &mut self.wait {
                Wait::AwaitSession(handle) => return Ok(Advance::NeedsSession(handle.clone())),
                Wait::AwaitClientHello { seen } => match next_hello(&mut self.held, seen, stream)? {
                    Hello::Incomplete => return Ok(Advance::WantsInput),
                    Hello::Taken => {}
                    Hello::Answered(suite) => match self.answered(suite, stream) {
                        Next::Wait(wait) => self.wait = wait,
                        Next::HandOver(proving) => return Ok(self.hand_over(&[], proving, stream)),
                    },
                },
                Wait::AwaitKeyExchange(reader) => {
                    let read = reader.push(&self.held).inspect_err(|error| alert(stream, error.alert()));
                    let (taken, outcome) = read?;
                    self.held.drain(..taken);
                    match outcome {
                        Outcome::NeedsMore => return Ok(Advance::WantsInput),
                        Outcome::Complete(message) => self.wait = Wait::AwaitKey(message),
                        Outcome::SomethingElse(first) => {
                            return Ok(self.hand_over(&first, Proving::Refused, stream));
                        }
                    }
                }
                Wait::AwaitKey(message) => return Ok(Advance::NeedsKey(message.identity().clone())),
                Wait::AwaitSignature => {
                    if !next_proof(&mut self.held, stream)? {
                        return Ok(Advance::WantsInput);
                    }
                    // OpenSSL has gone on behind the signature, so it is the one of the key presented.
                    if let Some(presented) = slot::server_slot(stream.ssl()).and_then(ServerSlot::take_signed)
                    {
                        self.wait = Wait::AwaitVerdict(presented);
                    }
                }
                Wait::AwaitVerdict(presented) => return Ok(Advance::NeedsVerdict(presented.clone())),
                Wait::Refused(alert) => return Err(Error::CertificateRefused { alert: *alert }),
            }
        }
    }

    /// What follows a ServerHello with this suite.
    fn answered(&mut self, suite: u16, stream: &SslStream<MemIo>) -> Next {
        if stream.ssl().session_reused() {
            return Next::HandOver(self.granted.take().map_or(Proving::Refused, Proving::Session));
        }
        match (Suite::from_id(suite).map(Suite::is_certificate), self.clients) {
            (Some(false), _) => Next::Wait(Wait::AwaitKeyExchange(KeyExchangeReader::new())),
            (Some(true), ClientProof::KeyOrCertificate) => Next::Wait(Wait::AwaitSignature),
            (Some(true), ClientProof::Token) => Next::HandOver(Proving::Nothing),
            (None, _) => Next::HandOver(Proving::Refused),
        }
    }

    /// Takes the answer to [`Advance::NeedsSession`]; without effect at any other time.
    pub(crate) fn resume(&mut self, answer: SessionAnswer, stream: &mut SslStream<MemIo>) {
        let Wait::AwaitSession(handle) = &self.wait else { return };
        if let SessionAnswer::Resume(saved) = answer
            && saved.fits(handle.kind)
        {
            let opened = match saved {
                SavedSession::ByTicket => self.open_ticket().map(SavedSession::ById),
                SavedSession::ById(_) => None,
            };
            if opened.is_some() {
                ossl::ignore_tickets(stream);
            }
            if let Some(slot) = slot::server_slot(stream.ssl()) {
                slot.grant(opened.unwrap_or(saved), handle.digest);
            }
            self.granted = Some(handle.clone());
        }
        self.wait = Wait::AwaitClientHello { seen: 0 };
    }

    /// The session in the ticket of the ClientHello, for the ID that goes with the ticket, so that OpenSSL takes
    /// it for one with an ID and does not decode the certificate in it. `None` leaves the ticket to OpenSSL: if
    /// it has no ID, and if it needs another key than the current one and so is to be replaced.
    fn open_ticket(&self) -> Option<Secret> {
        let Peek::Message(message) = client_hello::peek(&self.held) else { return None };
        let hello = ClientHello::read(&message).filter(|hello| !hello.session_id.is_empty())?;
        let session = self.tickets.as_ref()?.open(hello.ticket?)?;
        kept::keep_named(&session, hello.session_id)
    }

    /// Takes the answer to [`Advance::NeedsVerdict`]. `None` if none is awaited, and for a refusal, which the
    /// next [`advance`](Self::advance) reports.
    pub(crate) fn judge(&mut self, verdict: Verdict, stream: &mut SslStream<MemIo>) -> Option<Proving> {
        let wait = std::mem::replace(&mut self.wait, Wait::AwaitSignature);
        let Wait::AwaitVerdict(presented) = wait else {
            self.wait = wait;
            return None;
        };
        match verdict {
            Verdict::Accept => {
                self.release_held(&[], stream);
                Some(Proving::Certificate(presented))
            }
            Verdict::Refuse(description) => {
                alert(stream, description);
                self.wait = Wait::Refused(description);
                None
            }
        }
    }

    /// Lets the awaited ClientKeyExchange and all that was held behind it through to OpenSSL. `None` if no key
    /// is awaited.
    pub(crate) fn release(&mut self, stream: &mut SslStream<MemIo>) -> Option<ClientKeyExchange> {
        let wait = std::mem::replace(&mut self.wait, Wait::AwaitClientHello { seen: 0 });
        let Wait::AwaitKey(message) = wait else {
            self.wait = wait;
            return None;
        };
        self.release_held(&message.record(), stream);
        Some(message)
    }

    fn hand_over(&mut self, first: &[u8], proving: Proving, stream: &mut SslStream<MemIo>) -> Advance {
        self.release_held(first, stream);
        Advance::HandOver(proving)
    }

    fn release_held(&mut self, first: &[u8], stream: &mut SslStream<MemIo>) {
        let io = stream.get_mut();
        io.push_input(first);
        io.push_input(&self.held);
        self.held = Vec::new();
    }
}

enum Next {
    Wait(Wait),
    HandOver(Proving),
}

/// What the ClientHello offers to resume.
fn offered(
    hello: &ClientHello<'_>,
    context: &ServerContext,
    stream: &SslStream<MemIo>,
) -> Option<SessionHandle> {
    let resumable = context.resumable()?;
    if let Some(slot) = slot::server_slot(stream.ssl()) {
        slot.hear(slot::Hello {
            server_name: hello.server_name.map(str::to_owned),
            extended_master_secret: hello.extended_master_secret,
        });
    }
    resumable.offered(hello)
}

enum Hello {
    Incomplete,
    Taken,
    /// OpenSSL has sent its ServerHello with this suite.
    Answered(u16),
}

/// Gives OpenSSL one record of a ClientHello and no more: what comes behind it may be a ClientKeyExchange.
fn next_hello(held: &mut Vec<u8>, seen: &mut usize, stream: &mut SslStream<MemIo>) -> Result<Hello, Error> {
    let Some(header) = next_header(held)? else { return Ok(Hello::Incomplete) };
    if *seen + header.payload > MAX_HELLO {
        alert(
            stream,
            if header.payload > MAX_PAYLOAD { Alert::RECORD_OVERFLOW } else { Alert::ILLEGAL_PARAMETER },
        );
        return Err(Error::HelloTooLong { limit: MAX_HELLO });
    }
    let before = stream.get_ref().output().len();
    if !next_record(held, header, stream)? {
        return Ok(Hello::Incomplete);
    }
    *seen += header.payload;
    let sent = stream.get_ref().output().get(before..).unwrap_or_default();
    Ok(record::chosen_suite(sent).map_or(Hello::Taken, Hello::Answered))
}

/// Gives OpenSSL one record of a client's certificate, key exchange and signature and no more: what
/// comes behind them must not be seen before the verdict. False if there is no whole one. How much a client may
/// send in all is OpenSSL's business; it takes each record as it comes.
fn next_proof(held: &mut Vec<u8>, stream: &mut SslStream<MemIo>) -> Result<bool, Error> {
    let Some(header) = next_header(held)? else { return Ok(false) };
    if header.payload > MAX_PAYLOAD {
        alert(stream, Alert::RECORD_OVERFLOW);
        return Err(Error::Protocol { reason: format!("it sent a record of {} octets", header.payload) });
    }
    next_record(held, header, stream)
}

fn next_header(held: &[u8]) -> Result<Option<Header>, Error> {
    let Some(header) = held.first_chunk::<HEADER>() else { return Ok(None) };
    Header::read(*header).map(Some).ok_or(Error::NotTls)
}

/// Gives OpenSSL the record with this header, if all of it is there.
fn next_record(held: &mut Vec<u8>, header: Header, stream: &mut SslStream<MemIo>) -> Result<bool, Error> {
    let Some(record) = held.get(..HEADER + header.payload) else { return Ok(false) };
    stream.get_mut().push_input(record);
    held.drain(..HEADER + header.payload);
    match handshake(stream) {
        Err(Complaint::WantsInput) => Ok(true),
        // Only a finished exchange of keys ends a handshake, and there was none.
        Ok(()) => Err(Error::Protocol { reason: "it finished without a key exchange".to_owned() }),
        Err(other) => Err(approach_error(stream, other)),
    }
}
