//! Resources of the CSE, registrations among them.

use keys::CredentialId;
use onem2m::time::Timestamp;
use rusqlite::{OptionalExtension as _, Params, Row};
use serde_json::{Map, Value};

use crate::{ChangeKind, Conflict, Reader, StoreError, Tx, row::Named, schema};

/// Most rows of one listing of resources.
pub const MAX_LISTED: u32 = 1000;

const COLUMNS_SQL: &str =
    "SELECT ri, ty, rn, pi, ct, lt, et, creator, credential_id, attributes FROM registrations";

/// One resource: what every resource has, and the rest as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// resourceID, unique in this CSE.
    pub ri: String,
    /// resourceType (TS-0004 §6.3.4.2.1).
    pub ty: u32,
    /// resourceName, unique below its parent.
    pub rn: String,
    /// resourceID of the parent; empty for the base of the tree.
    pub pi: String,
    /// creationTime.
    pub ct: Timestamp,
    /// lastModifiedTime.
    pub lt: Timestamp,
    /// expirationTime; `None` for a resource that does not expire.
    pub et: Option<Timestamp>,
    /// Absolute identity of the entity that created it.
    pub creator: Option<String>,
    /// Credential-ID of the association over which it was registered.
    pub credential_id: Option<CredentialId>,
    /// The other attributes under their short names.
    pub attributes: Map<String, Value>,
}

/// Reading resources.
pub trait Resources {
    /// The resource with this resourceID.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Fault`].
    fn resource(&self, ri: &str) -> Result<Option<Resource>, StoreError>;

    /// The child of `pi` with this name. The base of the tree is the child of the empty `pi`.
    ///
    /// # Errors
    /// As for [`Self::resource`].
    fn child_by_name(&self, pi: &str, rn: &str) -> Result<Option<Resource>, StoreError>;

    /// The children of `pi` with names behind `after`, in the order of their names, at most `limit` and at
    /// most [`MAX_LISTED`].
    ///
    /// # Errors
    /// As for [`Self::resource`].
    fn children(&self, pi: &str, after: Option<&str>, limit: u32) -> Result<Vec<Resource>, StoreError>;

    /// The resources of one type with resourceIDs behind `after`, in the order of their resourceIDs, at most
    /// `limit` and at most [`MAX_LISTED`].
    ///
    /// # Errors
    /// As for [`Self::resource`].
    fn resources_of_type(
        &self,
        ty: u32,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Resource>, StoreError>;

    /// How many resources of one type there are. Reads a range of an index: for figures, not for requests.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn count_of_type(&self, ty: u32) -> Result<u64, StoreError>;

    /// The resources registered over associations of this credential, at most [`MAX_LISTED`].
    ///
    /// # Errors
    /// As for [`Self::resource`].
    fn resources_of_credential(&self, id: &CredentialId) -> Result<Vec<Resource>, StoreError>;

    /// The resources whose expirationTime is not later than `now`, the earliest first, at most `limit` and
    /// at most [`MAX_LISTED`].
    ///
    /// # Errors
    /// As for [`Self::resource`].
    fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<Resource>, StoreError>;
}

/// Altering resources. Each alteration is announced to followers ([`crate::Event`]).
pub trait ResourcesMut {
    /// Adds a resource.
    ///
    /// # Errors
    /// [`Conflict::ResourceId`], [`Conflict::ResourceName`], or [`Conflict::NoParent`].
    fn insert(&mut self, resource: &Resource) -> Result<(), StoreError>;

    /// Replaces `lt`, `et`, `creator`, `credential_id` and `attributes` of the stored resource with this
    /// `ri`. The rest never changes and is not looked at.
    ///
    /// # Errors
    /// [`Conflict::NoResource`].
    fn update(&mut self, resource: &Resource) -> Result<(), StoreError>;

    /// Removes a resource and everything below it; returns the resourceIDs and types of what was removed,
    /// the resource itself first. Empty if there is none. What could have been resumed by entities whose
    /// registrations are among it is forgotten.
    ///
    /// # Errors
    /// [`StoreError::Fault`].
    fn delete_tree(&mut self, ri: &str) -> Result<Vec<(String, u32)>, StoreError>;
}

impl Resources for Reader<'_> {
    fn resource(&self, ri: &str) -> Result<Option<Resource>, StoreError> {
        self.one_resource("WHERE ri = ?1", [ri])
    }

    fn child_by_name(&self, pi: &str, rn: &str) -> Result<Option<Resource>, StoreError> {
        self.one_resource("WHERE pi = ?1 AND rn = ?2", [pi, rn])
    }

    fn children(&self, pi: &str, after: Option<&str>, limit: u32) -> Result<Vec<Resource>, StoreError> {
        let range = (pi, after.unwrap_or_default(), limit.min(MAX_LISTED));
        self.listed("WHERE pi = ?1 AND rn > ?2 ORDER BY rn LIMIT ?3", range)
    }

    fn resources_of_type(
        &self,
        ty: u32,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Resource>, StoreError> {
        let range = (ty, after.unwrap_or_default(), limit.min(MAX_LISTED));
        self.listed("WHERE ty = ?1 AND ri > ?2 ORDER BY ri LIMIT ?3", range)
    }

    fn count_of_type(&self, ty: u32) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM registrations WHERE ty = ?1";
        let count: i64 = self.connection.prepare_cached(sql)?.query_row([ty], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    fn resources_of_credential(&self, id: &CredentialId) -> Result<Vec<Resource>, StoreError> {
        self.listed("WHERE credential_id = ?1 ORDER BY ri LIMIT ?2", (id.as_str(), MAX_LISTED))
    }

    fn expired(&self, now: Timestamp, limit: u32) -> Result<Vec<Resource>, StoreError> {
        let range = (now.unix_micros(), limit.min(MAX_LISTED));
        self.listed("WHERE et <= ?1 ORDER BY et LIMIT ?2", range)
    }
}

impl ResourcesMut for Tx<'_> {
    fn insert(&mut self, resource: &Resource) -> Result<(), StoreError> {
        if self.exists("ri = ?1", [&resource.ri])? {
            return Err(Conflict::ResourceId { ri: resource.ri.clone() }.into());
        }
        if self.exists("pi = ?1 AND rn = ?2", [&resource.pi, &resource.rn])? {
            return Err(Conflict::ResourceName { pi: resource.pi.clone(), rn: resource.rn.clone() }.into());
        }
        if !resource.pi.is_empty() && !self.exists("ri = ?1", [&resource.pi])? {
            return Err(Conflict::NoParent { pi: resource.pi.clone() }.into());
        }
        let sql = "INSERT INTO registrations (ri, ty, rn, pi, ct, lt, et, creator, credential_id, attributes)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        self.connection.prepare_cached(sql)?.execute((
            &resource.ri,
            resource.ty,
            &resource.rn,
            &resource.pi,
            resource.ct.unix_micros(),
            resource.lt.unix_micros(),
            resource.et.map(Timestamp::unix_micros),
            &resource.creator,
            resource.credential_id.as_ref().map(CredentialId::as_str),
            json(&resource.attributes)?,
        ))?;
        self.announce(ChangeKind::Resource, &resource.ri)
    }

    fn update(&mut self, resource: &Resource) -> Result<(), StoreError> {
        let sql =
            "UPDATE registrations SET lt = ?2, et = ?3, creator = ?4, credential_id = ?5, attributes = ?6
                   WHERE ri = ?1";
        let updated = self.connection.prepare_cached(sql)?.execute((
            &resource.ri,
            resource.lt.unix_micros(),
            resource.et.map(Timestamp::unix_micros),
            &resource.creator,
            resource.credential_id.as_ref().map(CredentialId::as_str),
            json(&resource.attributes)?,
        ))?;
        if updated == 0 {
            return Err(Conflict::NoResource { ri: resource.ri.clone() }.into());
        }
        self.announce(ChangeKind::Resource, &resource.ri)
    }

    fn delete_tree(&mut self, ri: &str) -> Result<Vec<(String, u32)>, StoreError> {
        // A resource exists before its children and never moves, so that the tree has no loop.
        let tree = "WITH RECURSIVE tree (ri, depth) AS (
                        SELECT ri, 0 FROM registrations WHERE ri = ?1
                        UNION ALL
                        SELECT child.ri, depth + 1 FROM tree JOIN registrations AS child ON child.pi = tree.ri)
                    SELECT tree.ri, ty FROM tree JOIN registrations USING (ri) ORDER BY depth";
        let removed = self
            .connection
            .prepare_cached(tree)?
            .query_map([ri], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<Vec<(String, u32)>, _>>()?;
        for (ri, _) in &removed {
            // Nobody resumes what is not registered any more, even if it registers again.
            let sessions =
                "DELETE FROM sessions WHERE id IN (SELECT id FROM registrations AS gone JOIN sessions
                                ON sessions.entity = gone.creator
                            WHERE gone.ri = ?1 AND gone.ty IN (2, 16)
                                AND sessions.kind = iif(gone.ty = 2, 'ae', 'cse'))";
            self.connection.prepare_cached(sessions)?.execute([ri])?;
            let listed = "DELETE FROM sessions WHERE allowed IS NOT NULL AND credential_id =
                              (SELECT credential_id FROM registrations WHERE ri = ?1 AND ty IN (2, 16))";
            self.connection.prepare_cached(listed)?.execute([ri])?;
            self.connection.prepare_cached("DELETE FROM registrations WHERE ri = ?1")?.execute([ri])?;
            self.announce(ChangeKind::Resource, ri)?;
        }
        Ok(removed)
    }
}

impl Reader<'_> {
    fn one_resource(&self, filter: &str, parameters: impl Params) -> Result<Option<Resource>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS_SQL} {filter}"))?;
        statement.query_row(parameters, |row| Ok(resource(row))).optional()?.transpose()
    }

    fn listed(&self, filter: &str, parameters: impl Params) -> Result<Vec<Resource>, StoreError> {
        let mut statement = self.connection.prepare_cached(&format!("{COLUMNS_SQL} {filter}"))?;
        let mut rows = statement.query(parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(resource(row)?);
        }
        Ok(found)
    }

    fn exists(&self, filter: &str, parameters: impl Params) -> Result<bool, StoreError> {
        let sql = format!("SELECT 1 FROM registrations WHERE {filter}");
        Ok(self.connection.prepare_cached(&sql)?.exists(parameters)?)
    }
}

fn resource(row: &Row<'_>) -> Result<Resource, StoreError> {
    let key = row.get_ref(0)?.as_str().unwrap_or("(not text)");
    let named = Named { row, table: schema::RESOURCES, key };
    let attributes = row.get_ref(9)?.as_str().map_err(|error| named.damaged("attributes", &error))?;
    Ok(Resource {
        ri: named.get(0, "ri")?,
        ty: named.get(1, "ty")?,
        rn: named.get(2, "rn")?,
        pi: named.get(3, "pi")?,
        ct: named.time(4, "ct")?,
        lt: named.time(5, "lt")?,
        et: named.time_optional(6, "et")?,
        creator: named.get(7, "creator")?,
        credential_id: named.parse_optional(8, "credential_id")?,
        attributes: serde_json::from_str(attributes).map_err(|error| named.damaged("attributes", &error))?,
    })
}

fn json(attributes: &Map<String, Value>) -> Result<String, StoreError> {
    serde_json::to_string(attributes).map_err(|error| crate::Fault::other(error.to_string()).into())
}
