//! What the body of a transaction sees.

use std::ops::Deref;

use keys::Rng;
use onem2m::time::Timestamp;
use rusqlite::{Connection, types::ValueRef};
use sha2::{Digest as _, Sha256};

use crate::{ChangeKind, StoreError, schema, seal::Sealer};

/// A consistent view of the records. Reading goes through the traits [`crate::Credentials`],
/// [`crate::Resources`] and [`crate::Audit`].
pub struct Reader<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) sealer: &'c Sealer,
}

impl Reader<'_> {
    /// SHA-256 over every record except the audit and the announcements of changes. Two equal digests of one
    /// store mean that nothing was altered in between, not even by writing a key again: a sealed key differs
    /// each time that it is sealed. Reads the whole database.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    pub fn digest(&self) -> Result<[u8; 32], StoreError> {
        let mut hash = Sha256::new();
        for (table, key) in schema::DIGESTED {
            hash_text(&mut hash, b'+', table.as_bytes());
            let mut statement = self.connection.prepare(&format!("SELECT * FROM {table} ORDER BY {key}"))?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                hash.update(b"|");
                for column in 0..columns {
                    hash_value(&mut hash, row.get_ref(column)?);
                }
            }
        }
        Ok(hash.finalize().into())
    }
}

/// Every value is preceded by its type and length, so that no two contents hash the same octets.
fn hash_value(hash: &mut Sha256, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hash.update(b"n"),
        ValueRef::Integer(number) => hash_text(hash, b'i', &number.to_be_bytes()),
        ValueRef::Real(number) => hash_text(hash, b'r', &number.to_be_bytes()),
        ValueRef::Text(text) => hash_text(hash, b't', text),
        ValueRef::Blob(octets) => hash_text(hash, b'b', octets),
    }
}

fn hash_text(hash: &mut Sha256, tag: u8, octets: &[u8]) {
    hash.update([tag]);
    hash.update((octets.len() as u64).to_be_bytes());
    hash.update(octets);
}

/// One transaction in the making: everything that a [`Reader`] offers, and altering through the traits
/// [`crate::CredentialsMut`], [`crate::ResourcesMut`] and [`crate::AuditMut`]. It sees its own alterations.
pub struct Tx<'c> {
    reader: Reader<'c>,
    pub(crate) rng: &'c dyn Rng,
    now: Timestamp,
    announced: u64,
}

impl<'c> Tx<'c> {
    pub(crate) const fn new(reader: Reader<'c>, rng: &'c dyn Rng, now: Timestamp) -> Self {
        Self { reader, rng, now, announced: 0 }
    }

    /// The moment at which the body began.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// How many changes the body has announced.
    pub(crate) const fn announced(&self) -> u64 {
        self.announced
    }

    /// Tells the followers of every process, once this is committed.
    pub(crate) fn announce(&mut self, kind: ChangeKind, key: &str) -> Result<(), StoreError> {
        let sql = "INSERT INTO changes (kind, key) VALUES (?1, ?2)";
        self.connection.prepare_cached(sql)?.execute([kind.as_str(), key])?;
        self.announced += 1;
        Ok(())
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}
