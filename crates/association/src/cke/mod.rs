//! Reading `psk_identity` ahead of OpenSSL (RFC 4279 §2, RFC 5246 §7.4.7).
//!
//! OpenSSL asks for a key inside a synchronous callback. A lookup that may take a second must have happened by
//! then, so the plaintext ClientKeyExchange is read here first, held back while the key is looked up, and then
//! handed to OpenSSL as one record. How the peer cut it into records does not matter: the handshake hash covers
//! messages, not records.
//!
//! [`KeyExchangeReader`] is a pure machine that takes octets in any cuts, keeps at most
//! [`MAX_KEPT`] of them, and never panics; a fuzz target can call it directly.

use std::fmt;

use keys::{KeyError, MAX_PSK_IDENTITY_OCTETS, PskIdentity};
use thiserror::Error;

use crate::{
    Alert,
    record::{HANDSHAKE, HEADER, Header, MAX_PAYLOAD},
};

const CLIENT_KEY_EXCHANGE: u8 = 16;
/// Type (1), length of the message (3), length of the identity (2).
const HEAD: usize = 6;
const LENGTH_OF_IDENTITY: usize = 2;
const MAX_IDENTITY_ON_THE_WIRE: usize = u16::MAX as usize;
/// The peer's Diffie-Hellman value: a group of 8192 bits and its length.
const MAX_TAIL: usize = 1026;
/// One octet more than an identity may have shows that it had more.
const KEPT_IDENTITY: usize = MAX_PSK_IDENTITY_OCTETS + 1;

/// Most octets of a message that the reader holds, whatever the peer sends.
pub const MAX_KEPT: usize = HEADER + HEAD + KEPT_IDENTITY + MAX_TAIL;

/// A `psk_identity` as the peer sent it, unchecked; of one over 256 octets the first 257.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityAsSent(Vec<u8>);

impl IdentityAsSent {
    /// The identity, if it is well formed.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if it is empty, over 256 octets, not UTF-8, or contains NUL. The answer is then
    /// [`crate::KeyAnswer::Refuse`], like for an unknown one.
    pub fn check(&self) -> Result<PskIdentity, KeyError> {
        PskIdentity::from_wire(&self.0)
    }

    /// The octets; 257 stand for any length over 256.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The part of it that OpenSSL accepts.
    fn bearable(&self) -> &[u8] {
        self.0.get(..MAX_PSK_IDENTITY_OCTETS).unwrap_or(&self.0)
    }
}

impl fmt::Display for IdentityAsSent {
    /// Escaped, at most 64 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(&self.0);
        let mut characters = text.chars();
        for character in characters.by_ref().take(64) {
            write!(f, "{}", character.escape_debug())?;
        }
        if characters.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

impl fmt::Debug for IdentityAsSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdentityAsSent(\"{self}\")")
    }
}

/// A whole ClientKeyExchange of one of the PSK exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKeyExchange {
    identity: IdentityAsSent,
    tail: Vec<u8>,
}

impl ClientKeyExchange {
    /// The identity in it.
    #[must_use]
    pub const fn identity(&self) -> &IdentityAsSent {
        &self.identity
    }

    /// The message as one handshake record. An identity over 256 octets is cut there: OpenSSL would refuse a
    /// longer one by another alert than a wrong key, and by now it is certain to be refused, since the key
    /// that goes with it is random.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let identity = self.identity.bearable();
        let body = LENGTH_OF_IDENTITY + identity.len() + self.tail.len();
        let mut record = Vec::with_capacity(HEADER + HEAD + identity.len() + self.tail.len());
        record.extend(Header::of_handshake(short(body + 4)));
        record.extend([CLIENT_KEY_EXCHANGE, 0]);
        record.extend(short(body).to_be_bytes());
        record.extend(short(identity.len()).to_be_bytes());
        record.extend(identity);
        record.extend(&self.tail);
        record
    }
}

/// A length that [`MAX_KEPT`] keeps far below 65,536.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// A ClientKeyExchange that breaks the rules, whoever it claims to be from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyExchangeError {
    /// A record that is not of TLS.
    #[error("the peer stopped speaking TLS before its ClientKeyExchange")]
    NotTls,
    /// A handshake record without payload (RFC 5246 §6.2.1).
    #[error("an empty handshake record before the end of ClientKeyExchange")]
    EmptyRecord,
    /// A record longer than 2^14 octets.
    #[error("a record of {octets} octets")]
    RecordTooLong {
        /// Its length field.
        octets: usize,
    },
    /// The message is longer than its parts can be.
    #[error("a ClientKeyExchange of {octets} octets")]
    MessageTooLong {
        /// Its length field.
        octets: usize,
    },
    /// The identity is longer than the message that holds it.
    #[error("a ClientKeyExchange of {message} octets with an identity of {identity}")]
    LengthMismatch {
        /// Length field of the message.
        message: usize,
        /// Length field of the identity.
        identity: usize,
    },
    /// Another record between the parts of the message.
    #[error("a record of type {content_type} inside ClientKeyExchange")]
    Interrupted {
        /// Its content type.
        content_type: u8,
    },
    /// Another handshake message in the record that ends ClientKeyExchange; only ChangeCipherSpec may follow.
    #[error("{octets} octets after ClientKeyExchange in its record")]
    Trailing {
        /// How many.
        octets: usize,
    },
}

impl KeyExchangeError {
    /// The alert that says so.
    pub(crate) const fn alert(self) -> Alert {
        match self {
            Self::NotTls | Self::EmptyRecord | Self::Interrupted { .. } | Self::Trailing { .. } => {
                Alert::UNEXPECTED_MESSAGE
            }
            Self::RecordTooLong { .. } => Alert::RECORD_OVERFLOW,
            Self::MessageTooLong { .. } => Alert::ILLEGAL_PARAMETER,
            Self::LengthMismatch { .. } => Alert::DECODE_ERROR,
        }
    }
}

/// What the reader made of the octets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All were taken; the message is not complete.
    NeedsMore,
    /// The message ended at the last octet taken.
    Complete(ClientKeyExchange),
    /// Something else than a ClientKeyExchange comes: these octets of it were taken, hand them and all that
    /// follows to OpenSSL, which knows what to say.
    SomethingElse(Vec<u8>),
}

/// Reads one ClientKeyExchange out of the records that follow `ServerHelloDone`.
#[derive(Debug, Default)]
pub struct KeyExchangeReader {
    header: Vec<u8>,
    left_in_record: usize,
    message: Vec<u8>,
    identity_skipped: usize,
}

impl KeyExchangeReader {
    /// A reader at the start of a record.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes octets as they arrive and tells how many were taken: all of them, except where the outcome is not
    /// [`Outcome::NeedsMore`]. After another outcome or an error the reader has done its work.
    ///
    /// # Errors
    /// [`KeyExchangeError`] as soon as a rule is broken, before anything is stored beyond [`MAX_KEPT`].
    pub fn push(&mut self, octets: &[u8]) -> Result<(usize, Outcome), KeyExchangeError> {
        let mut rest = octets;
        while !rest.is_empty() {
            let outcome = if self.left_in_record == 0 {
                self.take_header(&mut rest)?
            } else {
                self.take_message(&mut rest)?
            };
            if let Some(outcome) = outcome {
                return Ok((octets.len() - rest.len(), outcome));
            }
        }
        Ok((octets.len(), Outcome::NeedsMore))
    }

    fn take_header(&mut self, rest: &mut &[u8]) -> Result<Option<Outcome>, KeyExchangeError> {
        self.header.extend(take(rest, HEADER - self.header.len()));
        let Ok(octets) = <[u8; HEADER]>::try_from(self.header.as_slice()) else { return Ok(None) };
        let header = Header::read(octets).ok_or(KeyExchangeError::NotTls)?;
        if header.content_type != HANDSHAKE {
            return if self.message.is_empty() {
                Ok(Some(Outcome::SomethingElse(std::mem::take(&mut self.header))))
            } else {
                Err(KeyExchangeError::Interrupted { content_type: header.content_type })
            };
        }
        match header.payload {
            0 => return Err(KeyExchangeError::EmptyRecord),
            octets @ 1..=MAX_PAYLOAD => self.left_in_record = octets,
            octets => return Err(KeyExchangeError::RecordTooLong { octets }),
        }
        Ok(None)
    }

    fn take_message(&mut self, rest: &mut &[u8]) -> Result<Option<Outcome>, KeyExchangeError> {
        let wanted = self.wanted()?;
        let taken = take(rest, wanted.octets.min(self.left_in_record));
        self.left_in_record -= taken.len();
        match wanted.part {
            Part::Keep => self.message.extend(taken),
            Part::Skip => self.identity_skipped += taken.len(),
        }
        if self.left_in_record == 0 {
            self.header.clear();
        }
        if self.message.first().is_some_and(|kind| *kind != CLIENT_KEY_EXCHANGE) {
            let mut resumed = self.header_of_what_is_left(1);
            resumed.append(&mut self.message);
            return Ok(Some(Outcome::SomethingElse(resumed)));
        }
        let Some(lengths) = self.lengths()? else { return Ok(None) };
        if self.message.len() + self.identity_skipped < HEAD + lengths.identity + lengths.tail {
            return Ok(None);
        }
        if self.left_in_record > 0 {
            return Err(KeyExchangeError::Trailing { octets: self.left_in_record });
        }
        Ok(Some(Outcome::Complete(self.finish(lengths))))
    }

    /// What to do with the next octets: as many as can be taken without another look at the lengths.
    fn wanted(&self) -> Result<Wanted, KeyExchangeError> {
        let have = self.message.len();
        let Some(lengths) = self.lengths()? else {
            // The first octet decides whether this is our message at all.
            let octets = if have == 0 { 1 } else { HEAD - have };
            return Ok(Wanted { part: Part::Keep, octets });
        };
        let kept = lengths.identity.min(KEPT_IDENTITY);
        let to_skip = lengths.identity - kept - self.identity_skipped;
        if have < HEAD + kept {
            Ok(Wanted { part: Part::Keep, octets: HEAD + kept - have })
        } else if to_skip > 0 {
            Ok(Wanted { part: Part::Skip, octets: to_skip })
        } else {
            Ok(Wanted { part: Part::Keep, octets: HEAD + kept + lengths.tail - have })
        }
    }

    /// The lengths in the head of the message, once it is there, checked against each other and the bounds.
    fn lengths(&self) -> Result<Option<Lengths>, KeyExchangeError> {
        let Some([_, high, middle, low, identity @ ..]) = self.message.first_chunk::<HEAD>() else {
            return Ok(None);
        };
        let message = u32::from_be_bytes([0, *high, *middle, *low]) as usize;
        let identity = usize::from(u16::from_be_bytes(*identity));
        if message > LENGTH_OF_IDENTITY + MAX_IDENTITY_ON_THE_WIRE + MAX_TAIL {
            return Err(KeyExchangeError::MessageTooLong { octets: message });
        }
        let tail = message
            .checked_sub(LENGTH_OF_IDENTITY + identity)
            .ok_or(KeyExchangeError::LengthMismatch { message, identity })?;
        if tail > MAX_TAIL {
            return Err(KeyExchangeError::MessageTooLong { octets: message });
        }
        Ok(Some(Lengths { identity, tail }))
    }

    /// The current record's header, as if the record began `back` octets ago.
    fn header_of_what_is_left(&self, back: usize) -> Vec<u8> {
        Header::of_handshake(short(self.left_in_record + back)).to_vec()
    }

    fn finish(&mut self, lengths: Lengths) -> ClientKeyExchange {
        let mut identity = std::mem::take(&mut self.message);
        identity.drain(..HEAD);
        let tail = identity.split_off(lengths.identity.min(KEPT_IDENTITY));
        ClientKeyExchange { identity: IdentityAsSent(identity), tail }
    }
}

#[derive(Clone, Copy)]
struct Lengths {
    identity: usize,
    tail: usize,
}

struct Wanted {
    part: Part,
    octets: usize,
}

enum Part {
    Keep,
    /// The octets of an identity beyond those that show it to be too long.
    Skip,
}

/// Splits up to `most` octets off the front.
fn take<'a>(rest: &mut &'a [u8], most: usize) -> &'a [u8] {
    let (taken, left) = rest.split_at_checked(most).unwrap_or((rest, &[]));
    *rest = left;
    taken
}

#[cfg(test)]
mod tests;
