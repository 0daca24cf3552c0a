//! An authority on a disk.
//!
//! ```text
//! DIR/root.pem                    the trust anchor, for those who are to believe the certificates
//! DIR/crl.pem                     revocation lists of all authorities, and the intermediates that sign them
//! DIR/index.json                  what was issued and withdrawn
//! DIR/authorities/NAME.pem        root, names, devices, nodes: each with those above it
//! DIR/ocsp/NAME.pem               the certificate with which status is signed for that authority
//! DIR/private/…                   their keys, readable by the owner alone
//! ```
//!
//! Each file is replaced as a whole, and whoever changes something holds a lock. A certificate is on record
//! before anybody has it.

mod create;
mod files;
mod index;
mod office;
mod status;

use std::{
    fs::File,
    path::{Path, PathBuf},
    str::FromStr as _,
};

use keys::Rng;
use onem2m::{id::Fqdn, time::Timestamp};

pub use self::{
    create::Plan,
    index::{Entry, Withdrawn},
    office::Office,
    status::{Desk, answer, staple},
};
use self::{
    files::{Readers, put},
    index::Index,
};
use crate::{
    Authority, Issued, PkiError, PrivateKey, Profile, Reason, Revocation, Serial, SubjectKey, Validity,
    ocsp::Status, pem,
};

const INDEX: &str = "index.json";
const ROOT: &str = "root.pem";
const LISTS: &str = "crl.pem";
const LOCK: &str = ".lock";

/// A directory as it stands, for those who only read it.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    index: Index,
}

/// A directory that nobody else changes at the moment.
#[derive(Debug)]
pub struct Directory {
    records: Records,
    _lock: File,
}

/// A certificate that is not on record yet.
#[derive(Debug)]
pub struct Pending {
    /// The certificate and the key.
    pub issued: Issued,
    entry: Entry,
}

impl Records {
    /// Reads the index.
    ///
    /// # Errors
    /// [`PkiError::File`] if it cannot be read, [`PkiError::Index`] if it is damaged.
    pub fn read(path: &Path) -> Result<Self, PkiError> {
        Ok(Self { path: path.to_owned(), index: Index::read(&path.join(INDEX))? })
    }

    /// What is on record, the oldest first.
    #[must_use]
    pub fn certificates(&self) -> &[Entry] {
        &self.index.certificates
    }

    /// The certificate with this serial number.
    #[must_use]
    pub fn find(&self, serial: &Serial) -> Option<&Entry> {
        self.index.find(serial)
    }

    /// The domains that the authority for names may certify.
    #[must_use]
    pub fn domains(&self) -> &[Fqdn] {
        &self.index.domains
    }

    /// Where the revocation lists are.
    #[must_use]
    pub fn lists_path(&self) -> PathBuf {
        self.path.join(LISTS)
    }

    /// Reads an authority with its key.
    ///
    /// # Errors
    /// [`PkiError::In`], which names the file.
    pub fn authority(&self, office: Office) -> Result<Authority, PkiError> {
        let authority = Authority::from_parts(self.authority_path(office)?, self.key(office.name())?)
            .map_err(PkiError::inside(&self.path.join(authority_file(office))))?;
        Ok(match &self.index.ocsp_url {
            Some(url) => authority.with_ocsp_url(url),
            None => authority,
        })
    }

    /// The certificate of an authority and those above it, DER, the root last.
    fn authority_path(&self, office: Office) -> Result<Vec<Vec<u8>>, PkiError> {
        self.certificates_in(&self.path.join(authority_file(office)))
    }

    fn certificates_in(&self, path: &Path) -> Result<Vec<Vec<u8>>, PkiError> {
        pem::all_certificates(&files::get(path)?)
            .map_err(|problem| PkiError::Index { path: path.display().to_string(), problem })
    }

    fn key(&self, name: &str) -> Result<PrivateKey, PkiError> {
        let path = self.path.join(key_file(name));
        PrivateKey::from_bytes(&files::get(&path)?).map_err(PkiError::inside(&path))
    }

    /// What is known of a certificate of this authority.
    ///
    /// # Errors
    /// [`PkiError::Name`] if the reason on record is none.
    pub fn status(&self, office: Office, serial: &Serial) -> Result<Status, PkiError> {
        let entry = self.index.find(serial).filter(|entry| entry.authority == office.name());
        Ok(match entry.map(|entry| &entry.revoked) {
            None => Status::Unknown,
            Some(None) => Status::Good,
            Some(Some(withdrawn)) => Status::Revoked { at: withdrawn.at, reason: withdrawn.reason()? },
        })
    }
}

impl Withdrawn {
    fn reason(&self) -> Result<Option<Reason>, PkiError> {
        self.reason.as_deref().map(Reason::from_str).transpose()
    }
}

impl Directory {
    /// Opens a directory, waiting until nobody else changes it.
    ///
    /// # Errors
    /// [`PkiError::File`] if there is none, [`PkiError::Index`] if its index is damaged.
    pub fn open(path: &Path) -> Result<Self, PkiError> {
        // Who misspelt the path must not find a lock file there afterwards.
        drop(Records::read(path)?);
        let lock = files::lock(&path.join(LOCK))?;
        Ok(Self { records: Records::read(path)?, _lock: lock })
    }

    /// What is there.
    #[must_use]
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// Makes a certificate that is not on record yet: [`Self::record`] it before anybody gets it.
    ///
    /// # Errors
    /// [`PkiError`] as [`Authority::issue`], or if it would outlive its authority.
    pub fn prepare(
        &self,
        profile: &Profile,
        key: SubjectKey<'_>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<Pending, PkiError> {
        let office = Office::of(profile);
        let index = &self.records.index;
        let end = index
            .certificates
            .iter()
            .filter(|entry| entry.kind == "authority")
            .map(|entry| entry.not_after)
            .min();
        if end.is_some_and(|end| validity.not_after() > end) {
            return Err(PkiError::Validity {
                not_before: validity.not_before(),
                not_after: validity.not_after(),
                problem: "must not outlive the authority",
            });
        }
        let issued = self.records.authority(office)?.issue(profile, key, validity, rng)?;
        let entry = entry(&issued.serial, office, profile.kind(), profile.name(), validity);
        Ok(Pending { issued, entry })
    }

    /// Puts a certificate on record.
    ///
    /// # Errors
    /// [`PkiError::File`]; then it is not.
    pub fn record(&mut self, pending: Pending) -> Result<Issued, PkiError> {
        let mut index = self.records.index.clone();
        index.certificates.push(pending.entry);
        self.commit(index)?;
        Ok(pending.issued)
    }

    /// Withdraws a certificate for good, and writes new revocation lists.
    ///
    /// # Errors
    /// [`PkiError::NotIssued`] if it is not on record, [`PkiError::AlreadyRevoked`] if it is withdrawn.
    pub fn revoke(
        &mut self,
        serial: &Serial,
        reason: Option<Reason>,
        now: Timestamp,
        next_update: Timestamp,
    ) -> Result<Entry, PkiError> {
        let mut index = self.records.index.clone();
        let entry = index
            .certificates
            .iter_mut()
            .find(|entry| entry.serial == *serial)
            .ok_or_else(|| PkiError::NotIssued(serial.clone()))?;
        if let Some(withdrawn) = &entry.revoked {
            return Err(PkiError::AlreadyRevoked { serial: serial.clone(), at: withdrawn.at });
        }
        entry.revoked = Some(Withdrawn {
            at: now.whole_seconds(),
            reason: reason.map(|reason| reason.name().to_owned()),
        });
        let entry = entry.clone();
        self.commit(index)?;
        self.write_lists(now, next_update)?;
        Ok(entry)
    }

    /// Signs new revocation lists of all authorities into `crl.pem`: together with the intermediates, so that
    /// whoever reads it can tell whose they are. Returns the text.
    ///
    /// # Errors
    /// [`PkiError::Validity`] if `next_update` is not after `now`.
    pub fn write_lists(&mut self, now: Timestamp, next_update: Timestamp) -> Result<String, PkiError> {
        Validity::new(now, next_update)?;
        let mut index = self.records.index.clone();
        index.crl_number += 1;
        let mut text = String::new();
        for office in Office::ALL {
            let authority = self.records.authority(office)?;
            if office != Office::Root {
                text.push_str(&authority.certificate_pem()?);
            }
            text.push_str(
                &authority.crl(&revocations(&index, office)?, index.crl_number, now, next_update)?.pem,
            );
        }
        self.commit(index)?;
        put(&self.records.lists_path(), text.as_bytes(), Readers::All)?;
        Ok(text)
    }

    fn commit(&mut self, index: Index) -> Result<(), PkiError> {
        index.write(&self.records.path.join(INDEX))?;
        self.records.index = index;
        Ok(())
    }
}

fn revocations(index: &Index, office: Office) -> Result<Vec<Revocation>, PkiError> {
    let of_office = index.certificates.iter().filter(|entry| entry.authority == office.name());
    let mut revoked = Vec::new();
    for entry in of_office {
        if let Some(withdrawn) = &entry.revoked {
            let serial = entry.serial.clone();
            revoked.push(Revocation { serial, at: withdrawn.at, reason: withdrawn.reason()? });
        }
    }
    Ok(revoked)
}

fn entry(serial: &Serial, office: Office, kind: &str, name: String, validity: Validity) -> Entry {
    Entry {
        serial: serial.clone(),
        authority: office.name().to_owned(),
        kind: kind.to_owned(),
        name,
        not_before: validity.not_before(),
        not_after: validity.not_after(),
        revoked: None,
    }
}

fn authority_file(office: Office) -> String {
    format!("authorities/{}.pem", office.name())
}

fn responder_file(office: Office) -> String {
    format!("ocsp/{}.pem", office.name())
}

fn responder_key(office: Office) -> String {
    format!("ocsp-{}", office.name())
}

fn key_file(name: &str) -> String {
    format!("private/{name}.key.pem")
}
