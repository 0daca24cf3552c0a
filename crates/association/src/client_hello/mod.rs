//! Reading a ClientHello ahead of OpenSSL (RFC 5246 §7.4.1.2), as far as something is decided by it here.
//!
//! Whether a session is resumed has to be known before the ServerHello, and finding out may take a while. So the
//! session ID and the ticket are read here first, and what chooses the server: the name that is asked for, and
//! whether a raw public key is preferred to a certificate. What cannot be read here is left to OpenSSL, which knows
//! what to answer; nothing is resumed then.
//!
//! [`peek`] and [`ClientHello::read`] are pure and never panic; a fuzz target can call them directly.

use std::borrow::Cow;

use crate::record::{HANDSHAKE, HEADER, Header, MAX_PAYLOAD};

const CLIENT_HELLO: u8 = 1;
/// Type (1) and length (3) of a handshake message.
const MESSAGE_HEADER: usize = 4;
const VERSION_AND_RANDOM: usize = 2 + 32;
const MAX_SESSION_ID: usize = 32;

const SERVER_NAME: u16 = 0;
const SERVER_CERTIFICATE_TYPE: u16 = 20;
const EXTENDED_MASTER_SECRET: u16 = 23;
const SESSION_TICKET: u16 = 35;

/// What is read of a ClientHello.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientHello<'a> {
    /// The session to be resumed; empty if there is none. At most 32 octets.
    pub session_id: &'a [u8],
    /// The `session_ticket` extension (RFC 5077 §3.2): empty if the client has none and would like one.
    pub ticket: Option<&'a [u8]>,
    /// The host name of the `server_name` extension (RFC 6066 §3).
    pub server_name: Option<&'a str>,
    /// Whether the `extended_master_secret` extension (RFC 7627) is there.
    pub extended_master_secret: bool,
    /// The certificate types of the `server_certificate_type` extension (RFC 7250 §4.1), the one that the client
    /// likes best first.
    pub server_kinds: Option<&'a [u8]>,
}

impl<'a> ClientHello<'a> {
    /// Reads a whole message, its type and length included. `None` if it is no ClientHello, breaks its own
    /// lengths, has one of these extensions twice, or a server name that is no text.
    #[must_use]
    pub fn read(message: &'a [u8]) -> Option<Self> {
        let mut rest = Reader(message);
        if rest.octet()? != CLIENT_HELLO {
            return None;
        }
        let length = rest.length::<3>()?;
        let mut rest = Reader(rest.all(length)?);
        rest.take(VERSION_AND_RANDOM)?;
        let session_id = rest.vector::<1>().filter(|id| id.len() <= MAX_SESSION_ID)?;
        let _suites = rest.vector::<2>()?;
        let _compression = rest.vector::<1>()?;
        let mut hello = Self {
            session_id,
            ticket: None,
            server_name: None,
            extended_master_secret: false,
            server_kinds: None,
        };
        if rest.0.is_empty() {
            return Some(hello);
        }
        let length = rest.length::<2>()?;
        let mut extensions = Reader(rest.all(length)?);
        while !extensions.0.is_empty() {
            let kind = u16::try_from(extensions.length::<2>()?).ok()?;
            let body = extensions.vector::<2>()?;
            let twice = match kind {
                SERVER_NAME => hello.server_name.replace(host_name(body)?).is_some(),
                SESSION_TICKET => hello.ticket.replace(body).is_some(),
                SERVER_CERTIFICATE_TYPE => hello.server_kinds.replace(certificate_types(body)?).is_some(),
                EXTENDED_MASTER_SECRET => std::mem::replace(&mut hello.extended_master_secret, true),
                _ => false,
            };
            if twice {
                return None;
            }
        }
        Some(hello)
    }

    /// Whether the client would rather see a raw public key of the server than a certificate.
    #[must_use]
    pub fn prefers_raw_key(&self) -> bool {
        let known = |kind: &&u8| matches!(**kind, ossl::CERTIFICATE | ossl::RAW_PUBLIC_KEY);
        self.server_kinds.and_then(|kinds| kinds.iter().find(known)) == Some(&ossl::RAW_PUBLIC_KEY)
    }
}

/// The list in a `server_certificate_type` extension of a client.
fn certificate_types(body: &[u8]) -> Option<&[u8]> {
    let mut body = Reader(body);
    let length = body.length::<1>()?;
    body.all(length)
}

/// The one host name of a `server_name` extension.
fn host_name(body: &[u8]) -> Option<&str> {
    const HOST_NAME: u8 = 0;
    let mut body = Reader(body);
    let length = body.length::<2>()?;
    let mut names = Reader(body.all(length)?);
    if names.octet()? != HOST_NAME {
        return None;
    }
    let length = names.length::<2>()?;
    str::from_utf8(names.all(length)?).ok()
}

/// What is at the start of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peek<'a> {
    /// Not all of the first message; nothing new can be said before so many octets are there in all.
    Needs(usize),
    /// The first message, in whole.
    Message(Cow<'a, [u8]>),
    /// Something else than a handshake message within the bounds.
    SomethingElse,
}

/// Looks for the first handshake message in `records`, wherever the records cut it. The message has at most
/// 2^14 octets.
#[must_use]
pub fn peek(records: &[u8]) -> Peek<'_> {
    let mut message = Cow::Borrowed(&[][..]);
    let mut rest = records;
    loop {
        let so_far = records.len() - rest.len();
        let Some((header, behind)) = rest.split_first_chunk::<HEADER>() else {
            return Peek::Needs(so_far + HEADER);
        };
        let header = match Header::read(*header) {
            Some(header)
                if header.content_type == HANDSHAKE && (1..=MAX_PAYLOAD).contains(&header.payload) =>
            {
                header
            }
            _ => return Peek::SomethingElse,
        };
        let Some((payload, behind)) = behind.split_at_checked(header.payload) else {
            return Peek::Needs(so_far + HEADER + header.payload);
        };
        rest = behind;
        if message.is_empty() {
            message = Cow::Borrowed(payload);
        } else {
            message.to_mut().extend_from_slice(payload);
        }
        let Some([_, high, middle, low]) = message.first_chunk::<MESSAGE_HEADER>() else { continue };
        let length = MESSAGE_HEADER + u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        if length > MAX_PAYLOAD {
            return Peek::SomethingElse;
        }
        match message.len().cmp(&length) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Peek::Message(message),
            // Nothing may come behind a ClientHello before its answer.
            std::cmp::Ordering::Greater => return Peek::SomethingElse,
        }
    }
}

/// Octets from which parts are taken off the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, octets: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(octets)?;
        self.0 = rest;
        Some(taken)
    }

    fn octet(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// A number of `N` octets.
    fn length<const N: usize>(&mut self) -> Option<usize> {
        Some(self.take(N)?.iter().fold(0, |number, octet| number << 8 | usize::from(*octet)))
    }

    /// As many octets as a number of `N` octets in front says.
    fn vector<const N: usize>(&mut self) -> Option<&'a [u8]> {
        let length = self.length::<N>()?;
        self.take(length)
    }

    /// All that is left, if it is so many octets.
    fn all(self, octets: usize) -> Option<&'a [u8]> {
        (self.0.len() == octets).then_some(self.0)
    }
}

#[cfg(test)]
mod tests;
