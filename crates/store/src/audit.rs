//! The audit: who did what, when, from where, with what outcome.

use std::fmt;

use onem2m::time::Timestamp;
use rusqlite::Row;

use crate::{Reader, StoreError, Tx, row::Named};

/// Most octets that are kept of one text of an audit record; the rest is cut off.
pub const MAX_AUDIT_TEXT: usize = 4096;
/// Most records of one page.
pub const MAX_AUDIT_PAGE: u32 = 1000;

/// How an audited action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was refused.
    Refused,
    /// It failed for a reason on our side.
    Failed,
}

impl Outcome {
    /// The name as it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Outcome {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = [Self::Done, Self::Refused, Self::Failed];
        known.into_iter().find(|outcome| outcome.as_str() == text).ok_or("expected done, refused or failed")
    }
}

/// One audited action. The texts are facts for people: identities are those that were claimed or proved, and
/// need not be well-formed. Never put a secret here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// When.
    pub at: Timestamp,
    /// What, as one dotted name: `registration.create`, `credential.revoke`.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Credential-ID of who did it or to which it was done.
    pub credential_id: Option<String>,
    /// Absolute identity of the entity.
    pub entity: Option<String>,
    /// Network address, or the operator's account.
    pub source: Option<String>,
    /// Everything else, in words.
    pub detail: String,
}

/// A stored audit record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its number, from 1, in the order of committing.
    pub id: i64,
    /// What was recorded.
    pub record: AuditRecord,
}

/// Reading the audit.
pub trait Audit {
    /// The newest records with numbers below `before`, the newest first, at most `limit` and at most
    /// [`MAX_AUDIT_PAGE`].
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Fault`].
    fn audit_page(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreError>;
}

/// Writing the audit, in the transaction of what is audited.
pub trait AuditMut {
    /// Adds a record.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn append(&mut self, record: &AuditRecord) -> Result<(), StoreError>;

    /// Adds several records, for events that are gathered and written behind.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn append_many(&mut self, records: &[AuditRecord]) -> Result<(), StoreError>;

    /// Removes the oldest records so that at most `keep` are left; returns how many were removed.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn prune_audit(&mut self, keep: u64) -> Result<usize, StoreError>;
}

impl Audit for Reader<'_> {
    fn audit_page(&self, before: Option<i64>, limit: u32) -> Result<Vec<AuditEntry>, StoreError> {
        let sql = "SELECT id, at, action, outcome, credential_id, entity, source, detail FROM audit
                   WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((before.unwrap_or(i64::MAX), limit.min(MAX_AUDIT_PAGE)))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(entry(row)?);
        }
        Ok(found)
    }
}

impl AuditMut for Tx<'_> {
    fn append(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let sql = "INSERT INTO audit (at, action, outcome, credential_id, entity, source, detail)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        self.connection.prepare_cached(sql)?.execute((
            record.at.unix_micros(),
            cut(&record.action),
            record.outcome.as_str(),
            record.credential_id.as_deref().map(cut),
            record.entity.as_deref().map(cut),
            record.source.as_deref().map(cut),
            cut(&record.detail),
        ))?;
        Ok(())
    }

    fn append_many(&mut self, records: &[AuditRecord]) -> Result<(), StoreError> {
        records.iter().try_for_each(|record| self.append(record))
    }

    fn prune_audit(&mut self, keep: u64) -> Result<usize, StoreError> {
        // Numbers have gaps only where records were pruned, so that counting back from the newest is exact.
        let sql = "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1";
        let keep = i64::try_from(keep).unwrap_or(i64::MAX);
        Ok(self.connection.prepare_cached(sql)?.execute([keep])?)
    }
}

fn entry(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    let id: i64 = row.get(0)?;
    let key = id.to_string();
    let named = Named { row, table: "audit", key: &key };
    let record = AuditRecord {
        at: named.time(1, "at")?,
        action: named.get(2, "action")?,
        outcome: named.parse(3, "outcome")?,
        credential_id: named.get(4, "credential_id")?,
        entity: named.get(5, "entity")?,
        source: named.get(6, "source")?,
        detail: named.get(7, "detail")?,
    };
    Ok(AuditEntry { id, record })
}

/// The longest beginning of `text` that may be stored.
fn cut(text: &str) -> &str {
    if text.len() <= MAX_AUDIT_TEXT {
        return text;
    }
    let end = (0..=MAX_AUDIT_TEXT).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ä".repeat(MAX_AUDIT_TEXT);
        assert_eq!(cut(&long), "ä".repeat(MAX_AUDIT_TEXT / 2));
        assert_eq!(cut(&format!("a{long}")).len(), MAX_AUDIT_TEXT - 1);
    }
}
