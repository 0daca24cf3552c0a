//! Which CSE-IDs our records know, whatever letter case they are asked for in (register A-50).

use onem2m::id::CseId;

use crate::{Reader, StoreError, row::Named, schema};

/// Most spellings of one CSE-ID that are given.
const MOST: i64 = 8;

/// Reading what is known of CSEs.
pub trait KnownCses {
    /// The CSE-IDs that differ from `id` by the case of ASCII letters at most: of CSEs that are registered, and of those
    /// that a credential stands for, withdrawn or not. `id` itself comes first, if it is one of them; at most 8.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Fault`].
    fn cses_spelt_like(&self, id: &CseId) -> Result<Vec<CseId>, StoreError>;
}

impl KnownCses for Reader<'_> {
    fn cses_spelt_like(&self, id: &CseId) -> Result<Vec<CseId>, StoreError> {
        let sql = "SELECT DISTINCT known FROM (
                SELECT entity AS known FROM psk_lookup_table WHERE kind = 'cse' AND entity = ?1 COLLATE NOCASE
                UNION ALL
                SELECT entity FROM enrolments WHERE kind = 'cse' AND entity = ?1 COLLATE NOCASE
                UNION ALL
                SELECT creator FROM registrations WHERE ty = 16 AND creator = ?1 COLLATE NOCASE)
            ORDER BY known <> ?1, known LIMIT ?2";
        let text = id.to_string();
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((&text, MOST))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let named = Named { row, table: schema::RESOURCES, key: &text };
            found.push(named.parse(0, "creator")?);
        }
        Ok(found)
    }
}
