//! Sessions that may be resumed, and for whom each stands (register A-33). What may really be resumed is decided by
//! [`identity::may_resume`], on what is read here, at each resumption.
//!
//! No part of the contents that [`crate::Reader::digest`] covers: a session is remembered without anything of what
//! the registrar knows being altered.

use identity::{CredentialFacts, Function, Present, SessionRecord};
use keys::{CredentialId, Secret};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::Timestamp,
};
use rusqlite::{OptionalExtension as _, Row};

use crate::{
    Enrolments as _, Fault, Reader, StoreError, Tx, Unacceptable,
    row::{Named, bounded},
    schema,
    seal::Place,
};

/// How many sessions are remembered unless another number is given.
pub const SESSIONS_KEPT: u32 = 1_048_576;
/// Most octets of a session in its DER form.
pub const MAX_SESSION_OCTETS: usize = 65_536;
/// How many ended sessions are removed with each new one.
const ENDED_AT_ONCE: u32 = 4;

/// What a session is known by: SHA-256 of its session ID or of its ticket.
pub type SessionDigest = [u8; 32];

/// A session to be remembered.
#[derive(Debug)]
pub struct NewSession {
    /// What it is known by.
    pub digest: SessionDigest,
    /// For whom it stands.
    pub record: SessionRecord,
    /// The session itself, where the client only has its session ID. With a ticket the client keeps it.
    pub session: Option<Secret>,
    /// How many sessions are remembered at most; older ones are forgotten. [`SESSIONS_KEPT`] is a good number.
    pub keep: u32,
}

/// A remembered session with the present state of everything that it depends on, as one moment saw it.
#[derive(Debug)]
pub struct FoundSession {
    /// For whom it stands.
    pub record: SessionRecord,
    /// The session itself, where we keep it.
    pub session: Option<Secret>,
    /// What is known of its credential today.
    pub credential: Option<CredentialFacts>,
    /// Whether its entity, or one of the listed AEs, is registered today.
    pub registered: bool,
}

impl FoundSession {
    /// The same in the form in which [`identity::may_resume`] asks for it, for a client that reached `function` and
    /// asks for `server_name`.
    #[must_use]
    pub const fn present<'a>(&'a self, function: Function, server_name: Option<&'a str>) -> Present<'a> {
        Present { function, server_name, credential: self.credential.as_ref(), registered: self.registered }
    }
}

/// Reading sessions.
pub trait Sessions {
    /// The session with this digest, and at `now` its credential and registration.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], also where the session was tampered with, or [`StoreError::Fault`].
    fn session(&self, digest: &SessionDigest, now: Timestamp) -> Result<Option<FoundSession>, StoreError>;

    /// How many sessions are remembered. Reads a whole index: for operators, not for handshakes.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn session_count(&self) -> Result<u64, StoreError>;
}

/// Altering sessions. Announces nothing: whether a session may be resumed is looked up every time.
///
/// Whatever makes the associations of a credential or entity invalid forgets their sessions in the same transaction,
/// by itself: revocation, another key or entity, de-registration.
pub trait SessionsMut {
    /// Remembers a session. One with the same digest is replaced; the oldest and those that have ended make room.
    ///
    /// # Errors
    /// [`Unacceptable::TooLong`].
    fn remember_session(&mut self, new: &NewSession) -> Result<(), StoreError>;

    /// Forgets one session; says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn forget_session(&mut self, digest: &SessionDigest) -> Result<bool, StoreError>;

    /// Forgets the sessions of a credential, and says how many there were.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn forget_sessions_of_credential(&mut self, id: &CredentialId) -> Result<u64, StoreError>;

    /// Forgets the sessions that stand for `entity`, and says how many there were.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn forget_sessions_of(&mut self, entity: &EntityId) -> Result<u64, StoreError>;

    /// Forgets the sessions of everybody whose certificate was verified by its chain, and says how many there were:
    /// for when the anchors or the revocation lists have changed.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn forget_certificate_sessions(&mut self) -> Result<u64, StoreError>;
}

const COLUMNS_SQL: &str = "SELECT function, framework, credential_id, version, kind, entity, allowed,
    server_name, ems, suite, created, expires, not_after, session FROM sessions WHERE digest = ?1";

impl Sessions for Reader<'_> {
    fn session(&self, digest: &SessionDigest, now: Timestamp) -> Result<Option<FoundSession>, StoreError> {
        let key = hex::encode(digest);
        let mut statement = self.connection.prepare_cached(COLUMNS_SQL)?;
        let found = statement.query_row([&digest[..]], |row| Ok(read(row, &key))).optional()?.transpose()?;
        let Some((record, cell)) = found else { return Ok(None) };
        let session = match cell {
            None => None,
            Some(cell) => Some(self.sealer.open(&place(&[&key]), &cell)?),
        };
        let credential = self.credential_facts(&record.credential_id)?;
        let subject =
            credential.as_ref().and_then(|facts| facts.subject.as_ref()).or(record.subject.as_ref());
        let registered = match subject {
            Some(entity) => self.is_registered(&entity.to_string(), entity.kind(), now)?,
            None => self.one_is_registered(&record.allowed, now)?,
        };
        Ok(Some(FoundSession { record, session, credential, registered }))
    }

    fn session_count(&self) -> Result<u64, StoreError> {
        let count: i64 = self.connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }
}

impl Reader<'_> {
    fn is_registered(&self, entity: &str, kind: EntityKind, now: Timestamp) -> Result<bool, StoreError> {
        // The type is no parameter: one that decides whether the index can be used makes SQLite plan anew each time.
        let sql = match kind {
            EntityKind::Ae => {
                "SELECT 1 FROM registrations WHERE creator = ?1 AND ty IN (2, 16) AND ty = 2
                 AND (et IS NULL OR et > ?2)"
            }
            EntityKind::Cse => {
                "SELECT 1 FROM registrations WHERE creator = ?1 AND ty IN (2, 16) AND ty = 16
                 AND (et IS NULL OR et > ?2)"
            }
        };
        Ok(self.connection.prepare_cached(sql)?.exists((entity, now.unix_micros()))?)
    }

    fn one_is_registered(&self, allowed: &[AeId], now: Timestamp) -> Result<bool, StoreError> {
        for ae in allowed {
            if self.is_registered(&ae.to_string(), EntityKind::Ae, now)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn read(row: &Row<'_>, key: &str) -> Result<(SessionRecord, Option<Vec<u8>>), StoreError> {
    let named = Named { row, table: schema::SESSIONS, key };
    let kind: EntityKind = named.parse(4, "kind")?;
    let subject = match named.get::<Option<String>>(5, "entity")? {
        None => None,
        Some(text) => Some(EntityId::parse(kind, &text).map_err(|error| named.damaged("entity", &error))?),
    };
    let allowed = match named.get::<Option<String>>(6, "allowed")? {
        None => Vec::new(),
        Some(text) => text
            .split_terminator('\n')
            .map(|ae| ae.parse::<AeId>().map_err(|error| named.damaged("allowed", &error)))
            .collect::<Result<_, _>>()?,
    };
    let version: i64 = named.get(3, "version")?;
    let record = SessionRecord {
        function: named.parse(0, "function")?,
        framework: named.parse(1, "framework")?,
        credential_id: named.parse(2, "credential_id")?,
        version: u64::try_from(version).map_err(|error| named.damaged("version", &error))?,
        kind,
        subject,
        allowed,
        server_name: named.get(7, "server_name")?,
        extended_master_secret: named.get(8, "ems")?,
        suite: named.get(9, "suite")?,
        created: named.time(10, "created")?,
        expires: named.time(11, "expires")?,
        not_after: named.time_optional(12, "not_after")?,
    };
    Ok((record, named.get(13, "session")?))
}

impl SessionsMut for Tx<'_> {
    fn remember_session(&mut self, new: &NewSession) -> Result<(), StoreError> {
        let record = &new.record;
        bounded("server_name", record.server_name.as_deref().unwrap_or_default(), 255)?;
        bounded("suite", &record.suite, 255)?;
        if let Some(octets) = new.session.as_ref().map(Secret::len).filter(|len| *len > MAX_SESSION_OCTETS) {
            return Err(Unacceptable::TooLong { column: "session", octets, limit: MAX_SESSION_OCTETS }.into());
        }
        let key = hex::encode(new.digest);
        let sealed = match &new.session {
            None => None,
            Some(session) => Some(self.sealer.seal(&place(&[&key]), session.expose(), self.rng)?),
        };
        let allowed: String = record.allowed.iter().map(|ae| format!("{ae}\n")).collect();
        let version = i64::try_from(record.version).map_err(|error| Fault::other(error.to_string()))?;
        self.forget_session(&new.digest)?;
        let sql = "INSERT INTO sessions (digest, function, framework, credential_id, version, kind, entity,
                   allowed, server_name, ems, suite, created, expires, not_after, session)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
        let id = self.connection.prepare_cached(sql)?.insert(rusqlite::params![
            &new.digest[..],
            record.function.as_str(),
            record.framework.as_str(),
            record.credential_id.as_str(),
            version,
            record.kind.as_str(),
            record.subject.as_ref().map(ToString::to_string),
            (!allowed.is_empty()).then_some(allowed),
            record.server_name,
            record.extended_master_secret,
            record.suite,
            record.created.unix_micros(),
            record.expires.unix_micros(),
            record.not_after.map(Timestamp::unix_micros),
            sealed,
        ])?;
        self.make_room_for_sessions(id, new.keep)
    }

    fn forget_session(&mut self, digest: &SessionDigest) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE digest = ?1";
        Ok(self.connection.prepare_cached(sql)?.execute([&digest[..]])? > 0)
    }

    fn forget_sessions_of_credential(&mut self, id: &CredentialId) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE credential_id = ?1";
        Ok(self.connection.prepare_cached(sql)?.execute([id.as_str()])? as u64)
    }

    fn forget_sessions_of(&mut self, entity: &EntityId) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE entity = ?1 AND kind = ?2";
        let parameters = (entity.to_string(), entity.kind().as_str());
        Ok(self.connection.prepare_cached(sql)?.execute(parameters)? as u64)
    }

    fn forget_certificate_sessions(&mut self) -> Result<u64, StoreError> {
        // An enrolled hash may be tied to a chain.
        let sql =
            "DELETE FROM sessions WHERE framework LIKE '%-certificate' OR framework = 'public-key-hash'";
        Ok(self.connection.execute(sql, [])? as u64)
    }
}

impl Tx<'_> {
    /// Sessions are numbered in the order in which they were remembered: what is behind by more than `keep` goes.
    /// Those that were forgotten in between are counted along, so that there are never more, and may be fewer.
    fn make_room_for_sessions(&self, newest: i64, keep: u32) -> Result<(), StoreError> {
        let sql = "DELETE FROM sessions WHERE id <= ?1";
        self.connection.prepare_cached(sql)?.execute([newest.saturating_sub(keep.into())])?;
        let sql = "DELETE FROM sessions WHERE id IN
                   (SELECT id FROM sessions WHERE expires <= ?1 ORDER BY expires LIMIT ?2)";
        self.connection.prepare_cached(sql)?.execute((self.now().unix_micros(), ENDED_AT_ONCE))?;
        Ok(())
    }
}

/// Where a sealed session stands; `key` is its digest in hexadecimal digits.
const fn place<'a>(key: &'a [&'a str]) -> Place<'a> {
    Place { table: schema::SESSIONS, column: "session", key }
}
