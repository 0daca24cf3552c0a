//! The authority of the story: whoever certifies the home's equipment, for the length of the demonstration.

use std::{fs, path::Path, time::Duration};

use certificate::{Anchors, Chain};
use device::{DeviceError, Proof, RegistrarTrust};
use keys::{IdentityToken, OsRng};
use net::PrivateKey;
use onem2m::{
    id::CseDomainName,
    time::{Clock as _, SystemClock, Timestamp},
};
use pki::{Authority, Constraints, Issued, Profile, SubjectKey, Validity, self_signed};

use crate::outcome::Failure;

const DAY: Duration = Duration::from_secs(86_400);

/// A root, and below it who issues names in `example.org`.
pub(super) struct Makers {
    root: Authority,
    issuer: Authority,
}

impl Makers {
    pub(super) fn new() -> Result<Self, Failure> {
        let domain = "example.org".parse().map_err(Failure::internal)?;
        let names = Constraints::none().permit_dns(&domain).and_then(|names| names.permit_uri_host(&domain));
        let names = names.map_err(Failure::internal)?;
        let root = Authority::new_root("Demo root", today()?, &OsRng).map_err(Failure::internal)?;
        let issuer = root.intermediate("Demo names", &names, today()?, &OsRng).map_err(Failure::internal)?;
        Ok(Self { root, issuer })
    }

    /// A certificate for the CSE with this public domain name.
    pub(super) fn of_cse(&self, name: &str) -> Result<Issued, Failure> {
        self.issue(name, today()?)
    }

    /// The same, yesterday's.
    pub(super) fn expired(&self, name: &str) -> Result<Issued, Failure> {
        let now = SystemClock.now();
        let ago = |days: u32| before(now, DAY * days);
        self.issue(name, Validity::new(ago(2)?, ago(1)?).map_err(Failure::internal)?)
    }

    fn issue(&self, name: &str, validity: Validity) -> Result<Issued, Failure> {
        let sp = "//example.org".parse().map_err(Failure::internal)?;
        let name = CseDomainName::parse_in(name, &sp).map_err(Failure::internal)?;
        let profile = Profile::CseId(name);
        self.issuer.issue(&profile, SubjectKey::Fresh, validity, &OsRng).map_err(Failure::internal)
    }

    /// A self-signed certificate, which nobody vouches for.
    pub(super) fn on_its_own(name: &str) -> Result<Issued, Failure> {
        self_signed(name, None, today()?, &OsRng).map_err(Failure::internal)
    }

    pub(super) fn token() -> Result<IdentityToken, Failure> {
        IdentityToken::generate(&OsRng).map_err(Failure::internal)
    }

    /// The root for whoever has to trust it.
    pub(super) fn write_root(&self, folder: &Path) -> Result<(), Failure> {
        let pem = self.root.root_pem().map_err(Failure::internal)?;
        fs::write(folder.join("root.pem"), pem).map_err(Failure::internal)
    }

    /// A certificate and its key, into a folder that is removed with the story.
    pub(super) fn write(&self, folder: &Path, name: &str, issued: &Issued) -> Result<(), Failure> {
        let key =
            issued.key_pem.as_ref().ok_or_else(|| Failure::internal("a certificate without its key"))?;
        fs::write(folder.join(format!("{name}.pem")), &issued.chain_pem).map_err(Failure::internal)?;
        fs::write(folder.join(format!("{name}.key")), key.as_bytes()).map_err(Failure::internal)
    }

    /// What its holder proves itself with.
    pub(super) fn proof(&self, issued: &Issued) -> Result<Proof, DeviceError> {
        let unusable = DeviceError::NoRegistration("was not tried: the actor has no valid certificate");
        let chain = Chain::from_der(&issued.chain_der).ok();
        let key = issued.key_pem.as_ref().and_then(|pem| PrivateKey::from_pem(pem.as_bytes()).ok());
        match (chain, key) {
            (Some(chain), Some(key)) => Ok(Proof::Certificate { chain, key }),
            _ => Err(unusable),
        }
    }

    /// By what a device knows the IN-CSE.
    pub(super) fn trust(&self) -> Result<RegistrarTrust, DeviceError> {
        let unusable = || DeviceError::NoRegistration("was not tried: the actor has no valid root");
        let pem = self.root.root_pem().map_err(|_| unusable())?;
        let anchors = Anchors::from_pem(pem.as_bytes(), SystemClock.now()).map_err(|_| unusable())?;
        let sp = "//example.org".parse().map_err(|_| unusable())?;
        let name = CseDomainName::parse_in("in-cse.example.org", &sp).map_err(|_| unusable())?;
        Ok(RegistrarTrust::in_domain(anchors, name))
    }
}

/// From a minute ago, for a day.
fn today() -> Result<Validity, Failure> {
    let begin = before(SystemClock.now(), Duration::from_secs(60))?;
    Validity::days(begin, 1).map_err(Failure::internal)
}

fn before(now: Timestamp, span: Duration) -> Result<Timestamp, Failure> {
    let micros = i64::try_from(span.as_micros()).map_err(Failure::internal)?;
    let earlier = Timestamp::from_unix_micros(now.unix_micros() - micros);
    earlier.ok_or_else(|| Failure::internal("the clock is before its beginning"))
}
