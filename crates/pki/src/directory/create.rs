//! A new directory.

use std::{
    fs::{self, File},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
};

use keys::Rng;
use onem2m::{id::Fqdn, time::Timestamp};

use super::{
    Directory, INDEX, Office, ROOT, authority_file, entry,
    files::{Readers, put},
    index::{self, Index},
    key_file, responder_file, responder_key,
};
use crate::{Authority, Constraints, DeviceSubtree, PkiError, Profile, SubjectKey, Validity, pem};

/// What a new directory is for.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The domains of the service providers whose CSEs, AEs, MAF and MEF are certified; at least one.
    pub domains: Vec<Fqdn>,
    /// The devices that are certified; all if empty.
    pub devices: Vec<DeviceSubtree>,
    /// Where status can be asked for, to be named in each certificate.
    pub ocsp_url: Option<String>,
    /// Of the authorities.
    pub validity: Validity,
}

impl Directory {
    /// Makes a directory: a root, an authority for each kind of name, and who signs status for each. The
    /// directory appears whole, or not at all.
    ///
    /// # Errors
    /// [`PkiError::Exists`] if there is something at `path`.
    pub fn create(path: &Path, plan: &Plan, now: Timestamp, rng: &dyn Rng) -> Result<Self, PkiError> {
        if fs::symlink_metadata(path).is_ok() {
            return Err(PkiError::Exists(path.display().to_string()));
        }
        let failed = |error: std::io::Error| PkiError::file("make", path, &error);
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let building = tempfile::Builder::new().prefix(".pki-").tempdir_in(parent).map_err(failed)?;
        fs::set_permissions(building.path(), fs::Permissions::from_mode(0o755)).map_err(failed)?;
        fill(building.path(), plan, now, rng)?;
        // `rename` would replace an empty directory that came to be meanwhile; it holds nothing to lose.
        fs::rename(building.path(), path).map_err(failed)?;
        drop(building.keep());
        File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Self::open(path)
    }
}

/// Writes everything that a new directory holds.
fn fill(path: &Path, plan: &Plan, now: Timestamp, rng: &dyn Rng) -> Result<(), PkiError> {
    for (folder, mode) in [("authorities", 0o755), ("ocsp", 0o755), ("private", 0o700)] {
        let folder = path.join(folder);
        fs::DirBuilder::new()
            .mode(mode)
            .create(&folder)
            .map_err(|error| PkiError::file("make", &folder, &error))?;
    }
    let first = plan.domains.first().ok_or_else(|| PkiError::Encoding {
        what: "domains",
        problem: "at least one is needed".to_owned(),
    })?;
    let root = Authority::new_root(&format!("{first} development root"), plan.validity, rng)?;
    let mut certificates = Vec::new();
    put(&path.join(ROOT), root.root_pem()?.as_bytes(), Readers::All)?;
    for office in Office::ALL {
        let below = match office {
            Office::Root => None,
            _ => {
                let name = format!("{first} development {}", office.name());
                Some(root.intermediate(&name, &constraints(office, plan)?, plan.validity, rng)?)
            }
        };
        let authority = below.as_ref().unwrap_or(&root);
        certificates.push(entry(
            &authority.serial()?,
            Office::Root,
            "authority",
            office.name().to_owned(),
            plan.validity,
        ));
        let text = authority.path().iter().map(|der| pem::certificate(der)).collect::<Result<String, _>>()?;
        put(&path.join(authority_file(office)), text.as_bytes(), Readers::All)?;
        put(&path.join(key_file(office.name())), authority.key().to_pem()?.as_bytes(), Readers::Owner)?;
        let desk = authority.issue(&Profile::OcspResponder, SubjectKey::Fresh, plan.validity, rng)?;
        let kind = Profile::OcspResponder.kind();
        certificates.push(entry(&desk.serial, office, kind, office.name().to_owned(), plan.validity));
        put(&path.join(responder_file(office)), desk.chain_pem.as_bytes(), Readers::All)?;
        let key = desk.key_pem.as_ref().map_or(&[][..], |key| key.as_bytes());
        put(&path.join(key_file(&responder_key(office))), key, Readers::Owner)?;
    }
    let index = Index {
        version: index::VERSION,
        domains: plan.domains.clone(),
        ocsp_url: plan.ocsp_url.clone(),
        crl_number: 0,
        certificates,
    };
    index.write(&path.join(INDEX))?;
    Directory::open(path)?.write_lists(now, plan.validity.not_after()).map(drop)
}

/// Each authority may certify names of its kind alone, as far as constraints reach.
fn constraints(office: Office, plan: &Plan) -> Result<Constraints, PkiError> {
    let mut constraints = Constraints::none();
    match office {
        Office::Root => {}
        Office::Names => {
            for domain in &plan.domains {
                constraints = constraints.permit_dns(domain)?.permit_uri_host(domain)?;
            }
            constraints = constraints.no_other_devices()?;
        }
        Office::Devices => {
            for subtree in &plan.devices {
                constraints = constraints.permit_devices(subtree)?;
            }
            constraints = constraints.no_other_dns()?.no_other_uri()?;
        }
        Office::Nodes => constraints = constraints.no_other_dns()?.no_other_devices()?,
    }
    Ok(constraints)
}
