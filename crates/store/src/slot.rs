//! The number under which a row of the psk-lookup-table lies: computed from what a peer sends, so that finding the
//! row is one descent of one tree of numbers.
//!
//! Two identities may come to the same number, so each has a run of slots, and its row lies in one of them.

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::{Fault, StoreError};

/// Slots of one run, of which the first number is a multiple.
const RUN: i64 = 16;

/// The first slot of the run in which the row of this identity lies; the others follow it.
pub(crate) fn first(function: &str, identity: &str) -> i64 {
    let digest = Sha256::new().chain_update(function).chain_update([0]).chain_update(identity).finalize();
    let mut octets = [0; 8];
    octets.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    i64::from_be_bytes(octets) & i64::MAX & !(RUN - 1)
}

/// The last slot of the run that begins with `first`.
pub(crate) const fn last(first: i64) -> i64 {
    first | (RUN - 1)
}

/// The first slot of the run that is free in `table`.
pub(crate) fn free(connection: &Connection, table: &str, first: i64) -> Result<i64, StoreError> {
    let sql = format!("SELECT slot FROM {table} WHERE slot BETWEEN ?1 AND ?2 ORDER BY slot");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut taken = statement.query((first, last(first)))?;
    let mut free = first;
    while let Some(row) = taken.next()? {
        if row.get::<_, i64>(0)? != free {
            break;
        }
        free += 1;
    }
    if free > last(first) {
        return Err(Fault::other(format!("table {table}: all slots of one run are taken")).into());
    }
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_identity_has_a_run_of_its_own() {
        let one = first("cse", "a@x.org");
        assert_eq!(one, first("cse", "a@x.org"));
        assert_eq!(one % RUN, 0);
        assert!(one >= 0 && last(one) - one == RUN - 1);
        assert_ne!(one, first("maf", "a@x.org"));
        assert_ne!(one, first("cse", "b@x.org"));
        assert_ne!(
            first("cse", "xa"),
            first("csex", "a"),
            "function and identity do not run into each other"
        );
    }

    #[test]
    fn rows_that_come_to_the_same_run_lie_side_by_side() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (slot INTEGER PRIMARY KEY)").unwrap();
        let take = |slot: i64| connection.execute("INSERT INTO t VALUES (?1)", [slot]).unwrap();
        take(15);
        take(32);
        for expected in 16..32 {
            assert_eq!(free(&connection, "t", 16).unwrap(), expected);
            take(expected);
        }
        let full = free(&connection, "t", 16).unwrap_err().to_string();
        assert!(full.contains("all slots of one run are taken"), "{full}");
        connection.execute("DELETE FROM t WHERE slot = 20", []).unwrap();
        assert_eq!(free(&connection, "t", 16).unwrap(), 20);
    }
}
