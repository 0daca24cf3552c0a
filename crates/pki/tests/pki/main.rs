//! What is made here, as the `openssl` program sees it, and what is refused.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

mod directory;
mod issue;
mod request;
mod revocation;
mod seeds;
mod twist;

use std::{path::Path, process::Command};

use keys::SeededRng;
use onem2m::id::CseDomainName;
use pki::{Authority, Constraints, Issued, Profile, SubjectKey, Validity};

/// Long enough that no clock decides a test: 2020 to 2099.
fn century() -> Validity {
    Validity::new("20200101T000000".parse().unwrap(), "20990101T000000".parse().unwrap()).unwrap()
}

/// Runs `openssl` in `dir`: what it printed if it is content, and if not.
fn openssl(dir: &Path, arguments: &str) -> Result<String, String> {
    let output =
        Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let text = format!("{stdout}{stderr}");
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// A root, an authority below it for names of example.org, and a source of numbers.
struct Site {
    rng: SeededRng,
    root: Authority,
    names: Authority,
}

impl Site {
    fn new() -> Self {
        let rng = SeededRng::new(1);
        let domain = "example.org".parse().unwrap();
        let root = Authority::new_root("Example root", century(), &rng).unwrap();
        let names = Constraints::none().permit_dns(&domain).unwrap().permit_uri_host(&domain).unwrap();
        let names = root.intermediate("Example names", &names, century(), &rng).unwrap();
        Self { rng, root, names }
    }

    fn issue(&self, profile: &Profile) -> Issued {
        self.names.issue(profile, SubjectKey::Fresh, century(), &self.rng).unwrap()
    }

    /// `root.pem`, `names.pem`, `leaf.pem`, `chain.pem` and `key.pem`.
    fn write(&self, dir: &Path, issued: &Issued) {
        std::fs::write(dir.join("root.pem"), self.root.root_pem().unwrap()).unwrap();
        std::fs::write(dir.join("names.pem"), self.names.certificate_pem().unwrap()).unwrap();
        std::fs::write(dir.join("chain.pem"), &issued.chain_pem).unwrap();
        if let Some(key) = &issued.key_pem {
            std::fs::write(dir.join("key.pem"), key).unwrap();
        }
    }
}

fn gateway() -> Profile {
    let sp = "//example.org".parse().unwrap();
    Profile::CseId(CseDomainName::parse_in("mn-cse.in-cse.example.org", &sp).unwrap())
}

fn lamp() -> Profile {
    Profile::AeId("//example.org/mn-cse/Clamp".parse().unwrap())
}
