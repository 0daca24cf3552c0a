//! The server's handshake up to the ClientKeyExchange: every record is looked at before OpenSSL gets it.

use openssl::ssl::SslStream;

use crate::{
    Alert, Error, IdentityAsSent, ServerContext, Suite,
    association::{alert, approach_error, handshake},
    cke::{ClientKeyExchange, KeyExchangeReader, Outcome},
    error::Complaint,
    record::{self, HEADER, Header, MAX_PAYLOAD},
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
}

impl Silence {
    pub(crate) const fn new(context: ServerContext) -> Self {
        Self { context, held: Vec::new() }
    }

    pub(crate) fn room(&self) -> usize {
        MAX_HELD.saturating_sub(self.held.len())
    }

    /// Takes octets, no more than there is room for.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.held.extend_from_slice(octets);
    }

    pub(crate) const fn context(&self) -> &ServerContext {
        &self.context
    }

    /// What follows it, once the first record is whole or cannot become one that is acceptable.
    pub(crate) fn broken(&mut self) -> Result<Option<Approach>, Error> {
        let Some(header) = self.held.first_chunk::<HEADER>() else { return Ok(None) };
        let header = Header::read(*header).ok_or(Error::NotTls)?;
        if header.payload <= MAX_HELLO && self.held.len() < HEADER + header.payload {
            return Ok(None);
        }
        Ok(Some(Approach { held: std::mem::take(&mut self.held), ..Approach::default() }))
    }
}

/// What the peer has sent and OpenSSL has not got yet, and how far the peer is.
pub(crate) struct Approach {
    held: Vec<u8>,
    wait: Wait,
}

#[expect(clippy::enum_variant_names, reason = "a state is named after what it awaits")]
enum Wait {
    AwaitClientHello { seen: usize },
    AwaitKeyExchange(KeyExchangeReader),
    AwaitKey(ClientKeyExchange),
}

/// How [`Approach::advance`] ended.
pub(crate) enum Advance {
    WantsInput,
    NeedsKey(IdentityAsSent),
    /// OpenSSL has everything that was held and goes on alone.
    HandOver,
}

impl Default for Approach {
    fn default() -> Self {
        Self { held: Vec::new(), wait: Wait::AwaitClientHello { seen: 0 } }
    }
}

impl Approach {
    /// How many octets may wait here; none while a key is awaited.
    pub(crate) fn room(&self) -> usize {
        match self.wait {
            Wait::AwaitKey(_) => 0,
            Wait::AwaitClientHello { .. } | Wait::AwaitKeyExchange(_) => {
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
                Wait::AwaitClientHello { seen } => match next_record(&mut self.held, seen, stream)? {
                    Hello::Incomplete => return Ok(Advance::WantsInput),
                    Hello::Taken => {}
                    Hello::Answered(suite) if Suite::from_id(suite).is_some() => {
                        self.wait = Wait::AwaitKeyExchange(KeyExchangeReader::new());
                    }
                    // No pre-shared key: nothing to look up, OpenSSL goes on alone.
                    Hello::Answered(_) => return Ok(self.hand_over(&[], stream)),
                },
                Wait::AwaitKeyExchange(reader) => {
                    let read = reader.push(&self.held).inspect_err(|error| alert(stream, error.alert()));
                    let (taken, outcome) = read?;
                    self.held.drain(..taken);
                    match outcome {
                        Outcome::NeedsMore => return Ok(Advance::WantsInput),
                        Outcome::Complete(message) => self.wait = Wait::AwaitKey(message),
                        Outcome::SomethingElse(first) => return Ok(self.hand_over(&first, stream)),
                    }
                }
                Wait::AwaitKey(message) => return Ok(Advance::NeedsKey(message.identity().clone())),
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
        self.hand_over(&message.record(), stream);
        Some(message)
    }

    fn hand_over(&mut self, first: &[u8], stream: &mut SslStream<MemIo>) -> Advance {
        let io = stream.get_mut();
        io.push_input(first);
        io.push_input(&self.held);
        self.held = Vec::new();
        Advance::HandOver
    }
}

enum Hello {
    Incomplete,
    Taken,
    /// OpenSSL has sent its ServerHello with this suite.
    Answered(u16),
}

/// Gives OpenSSL one record and no more: what comes behind the ClientHello may be a ClientKeyExchange.
fn next_record(held: &mut Vec<u8>, seen: &mut usize, stream: &mut SslStream<MemIo>) -> Result<Hello, Error> {
    let Some(header) = held.first_chunk::<HEADER>() else { return Ok(Hello::Incomplete) };
    let header = Header::read(*header).ok_or(Error::NotTls)?;
    if *seen + header.payload > MAX_HELLO {
        alert(
            stream,
            if header.payload > MAX_PAYLOAD { Alert::RECORD_OVERFLOW } else { Alert::ILLEGAL_PARAMETER },
        );
        return Err(Error::HelloTooLong { limit: MAX_HELLO });
    }
    let Some(record) = held.get(..HEADER + header.payload) else { return Ok(Hello::Incomplete) };
    *seen += header.payload;
    let before = stream.get_ref().output().len();
    stream.get_mut().push_input(record);
    held.drain(..HEADER + header.payload);
    match handshake(stream) {
        Err(Complaint::WantsInput) => {}
        // Only a finished exchange of keys ends a handshake, and there was none.
        Ok(()) => return Err(Error::Protocol { reason: "it finished without a key exchange".to_owned() }),
        Err(other) => return Err(approach_error(stream, other)),
    }
    let sent = stream.get_ref().output().get(before..).unwrap_or_default();
    Ok(record::chosen_suite(sent).map_or(Hello::Taken, Hello::Answered))
}
