//! Reading columns so that a broken one is named by table, column and row.

use onem2m::time::Timestamp;
use rusqlite::{Row, types::FromSql};

use crate::{Damaged, StoreError};

/// A row being read, with what is needed to name it.
pub(crate) struct Named<'a, 'r> {
    pub(crate) row: &'a Row<'r>,
    pub(crate) table: &'static str,
    /// Its primary key, for messages.
    pub(crate) key: &'a str,
}

impl Named<'_, '_> {
    pub(crate) fn damaged(&self, column: &'static str, reason: &impl ToString) -> StoreError {
        Damaged::Value {
            table: self.table,
            column,
            row: self.key.escape_debug().take(300).collect(),
            reason: reason.to_string(),
        }
        .into()
    }

    pub(crate) fn get<T: FromSql>(&self, index: usize, column: &'static str) -> Result<T, StoreError> {
        self.row.get(index).map_err(|error| match error.sqlite_error() {
            Some(_) => error.into(),
            None => self.damaged(column, &error),
        })
    }

    /// A text column with a form of its own.
    pub(crate) fn parse<T>(&self, index: usize, column: &'static str) -> Result<T, StoreError>
    where
        T: std::str::FromStr<Err: ToString>,
    {
        let text = self.row.get_ref(index)?.as_str().map_err(|error| self.damaged(column, &error))?;
        text.parse().map_err(|error: T::Err| self.damaged(column, &error))
    }

    /// Like [`Self::parse`], with NULL for `None`.
    pub(crate) fn parse_optional<T>(
        &self,
        index: usize,
        column: &'static str,
    ) -> Result<Option<T>, StoreError>
    where
        T: std::str::FromStr<Err: ToString>,
    {
        match self.row.get_ref(index)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => self.parse(index, column).map(Some),
        }
    }

    /// A moment, stored as microseconds since 1970.
    pub(crate) fn time(&self, index: usize, column: &'static str) -> Result<Timestamp, StoreError> {
        self.moment(self.get(index, column)?, column)
    }

    /// Like [`Self::time`], with NULL for `None`.
    pub(crate) fn time_optional(
        &self,
        index: usize,
        column: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        let micros: Option<i64> = self.get(index, column)?;
        micros.map(|micros| self.moment(micros, column)).transpose()
    }

    fn moment(&self, micros: i64, column: &'static str) -> Result<Timestamp, StoreError> {
        Timestamp::from_unix_micros(micros)
            .ok_or_else(|| self.damaged(column, &"expected a year from 0 to 9999"))
    }
}

/// Refuses a text that is too long for its column.
pub(crate) fn bounded(column: &'static str, text: &str, limit: usize) -> Result<(), StoreError> {
    if text.len() <= limit {
        return Ok(());
    }
    Err(crate::Unacceptable::TooLong { column, octets: text.len(), limit }.into())
}
