//! The keys that seal session tickets (RFC 5077), shared by every process on one store and replaced in turn.
//!
//! No part of the contents that [`crate::Reader::digest`] covers.

use std::time::Duration;

use keys::Secret;
use onem2m::time::Timestamp;

use crate::{ChangeKind, Reader, StoreError, Tx, Unacceptable, row::Named, schema, seal::Place};

/// Octets of the name of a ticket key.
pub const TICKET_KEY_NAME_OCTETS: usize = 16;
/// Octets of a ticket key: 32 for HMAC-SHA-256, then 32 for AES-256.
pub const TICKET_KEY_OCTETS: usize = 64;

/// One ticket key.
#[derive(Debug)]
pub struct TicketKey {
    /// The name that tickets sealed with it begin with.
    pub name: [u8; TICKET_KEY_NAME_OCTETS],
    /// 64 octets: the key of the HMAC, then that of the cipher.
    pub key: Secret,
    /// From when on it seals.
    pub created: Timestamp,
    /// From when on it does not open any more.
    pub expires: Timestamp,
}

/// How ticket keys take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketKeyTurn {
    /// For how long a key seals tickets.
    pub seals: Duration,
    /// For how long it opens them after that: the lifetime of a ticket.
    pub opens: Duration,
}

/// Reading ticket keys.
pub trait TicketKeys {
    /// The keys that open tickets at `now`, the one that seals first. Empty before the first
    /// [`TicketKeysMut::turn_ticket_keys`].
    ///
    /// # Errors
    /// [`StoreError::Damaged`], also where a key was tampered with, or [`StoreError::Fault`].
    fn ticket_keys(&self, now: Timestamp) -> Result<Vec<TicketKey>, StoreError>;
}

/// Altering ticket keys.
pub trait TicketKeysMut {
    /// Makes a new key if the newest one has sealed for long enough, forgets those that open nothing any more, and
    /// returns what [`TicketKeys::ticket_keys`] does. Of several processes that ask at the same time, one makes the
    /// key and all get it. A new key is announced to followers ([`ChangeKind::TicketKeys`]).
    ///
    /// # Errors
    /// [`StoreError::Fault`], or [`Unacceptable::Turn`] if a time is zero or over 30 days.
    fn turn_ticket_keys(&mut self, turn: TicketKeyTurn) -> Result<Vec<TicketKey>, StoreError>;

    /// Forgets every key, so that no ticket opens, and makes a new one at the next turn.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn drop_ticket_keys(&mut self) -> Result<(), StoreError>;
}

const LONGEST: Duration = Duration::from_secs(30 * 86_400);

impl TicketKeys for Reader<'_> {
    fn ticket_keys(&self, now: Timestamp) -> Result<Vec<TicketKey>, StoreError> {
        let sql = "SELECT name, created, expires, keys FROM ticket_keys WHERE expires > ?1
                   ORDER BY created DESC, name LIMIT 64";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([now.unix_micros()])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let name: [u8; TICKET_KEY_NAME_OCTETS] = row.get(0)?;
            let text = hex::encode(name);
            let named = Named { row, table: schema::TICKET_KEYS, key: &text };
            let key = self.sealer.open(&place(&[&text]), &named.get::<Vec<u8>>(3, "keys")?)?;
            if key.len() != TICKET_KEY_OCTETS {
                return Err(named.damaged("keys", &"expected 64 octets"));
            }
            found.push(TicketKey {
                created: named.time(1, "created")?,
                expires: named.time(2, "expires")?,
                name,
                key,
            });
        }
        Ok(found)
    }
}

impl TicketKeysMut for Tx<'_> {
    fn turn_ticket_keys(&mut self, turn: TicketKeyTurn) -> Result<Vec<TicketKey>, StoreError> {
        for time in [turn.seals, turn.opens] {
            if time.is_zero() || time > LONGEST {
                return Err(Unacceptable::Turn.into());
            }
        }
        let now = self.now();
        let ring = self.ticket_keys(now)?;
        // A key of the future was made by a process whose clock is ahead; it is as good as one of this moment.
        let seals = |key: &TicketKey| now.since(key.created).is_none_or(|age| age < turn.seals);
        if ring.first().is_some_and(seals) {
            return Ok(ring);
        }
        self.connection
            .prepare_cached("DELETE FROM ticket_keys WHERE expires <= ?1")?
            .execute([now.unix_micros()])?;
        self.make_ticket_key(now, turn)?;
        self.ticket_keys(now)
    }

    fn drop_ticket_keys(&mut self) -> Result<(), StoreError> {
        self.connection.execute("DELETE FROM ticket_keys", [])?;
        self.announce(ChangeKind::TicketKeys, "")
    }
}

impl Tx<'_> {
    fn make_ticket_key(&mut self, now: Timestamp, turn: TicketKeyTurn) -> Result<(), StoreError> {
        let mut name = [0; TICKET_KEY_NAME_OCTETS];
        self.rng.fill(&mut name)?;
        let mut octets = zeroize::Zeroizing::new([0; TICKET_KEY_OCTETS]);
        self.rng.fill(&mut *octets)?;
        let text = hex::encode(name);
        let sealed = self.sealer.seal(&place(&[&text]), &*octets, self.rng)?;
        let expires = now.checked_add(turn.seals + turn.opens).unwrap_or(now);
        let sql = "INSERT INTO ticket_keys (name, created, expires, keys) VALUES (?1, ?2, ?3, ?4)";
        self.connection.prepare_cached(sql)?.execute((
            &name[..],
            now.unix_micros(),
            expires.unix_micros(),
            sealed,
        ))?;
        self.announce(ChangeKind::TicketKeys, "")
    }
}

/// Where a sealed ticket key stands; `key` is its name in hexadecimal digits.
const fn place<'a>(key: &'a [&'a str]) -> Place<'a> {
    Place { table: schema::TICKET_KEYS, column: "keys", key }
}
