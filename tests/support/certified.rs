//! A certification authority for one test, and a registrar that trusts it.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::{fs, path::Path};

use keys::SeededRng;
use onem2m::{
    id::CseDomainName,
    time::{Clock as _, SystemClock, Timestamp},
};
use pki::{Authority, Issued, Profile, SubjectKey, Validity};

use super::World;

/// The registrar's CSE-ID in the tests with certificates.
pub(crate) const IN_CSE: &str = "//example.org/in-cse";
/// CREATE requests go here.
pub(crate) const BASE: &str = "/~/in-cse/server";

/// Root, issuer, and randomness of its own.
pub(crate) struct Makers {
    pub(crate) root: Authority,
    pub(crate) issuer: Authority,
    pub(crate) rng: SeededRng,
}

impl Makers {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let root = Authority::new_root("Test root", year(), &rng).unwrap();
        let domain = "example.org".parse().unwrap();
        let constraints = pki::Constraints::none().permit_dns(&domain).unwrap();
        let constraints = constraints.permit_uri_host(&domain).unwrap();
        let issuer = root.intermediate("Test issuer", &constraints, year(), &rng).unwrap();
        Self { root, issuer, rng }
    }

    pub(crate) fn issue(&self, profile: &Profile) -> Issued {
        self.issuer.issue(profile, SubjectKey::Fresh, year(), &self.rng).unwrap()
    }

    /// The issuer's list of withdrawn certificates, with its own certificate beside it.
    pub(crate) fn revocation_list(&self, number: u64, withdrawn: &[&Issued]) -> String {
        let at = in_seconds(-60);
        let of = |issued: &&Issued| pki::Revocation { serial: issued.serial.clone(), at, reason: None };
        let withdrawn: Vec<_> = withdrawn.iter().map(of).collect();
        let list = self.issuer.crl(&withdrawn, number, at, in_seconds(3600)).unwrap();
        format!("{}{}", list.pem, self.issuer.certificate_pem().unwrap())
    }

    /// A certificate for a CSE in the field.
    pub(crate) fn gateway(&self, cse: &str) -> Issued {
        self.issue(&of_cse(&format!("{cse}.in-cse.example.org")))
    }

    pub(crate) fn application(&self, ae_id: &str) -> Issued {
        self.issue(&Profile::AeId(ae_id.parse().unwrap()))
    }
}

/// The certificate of the CSE with this public domain name.
pub(crate) fn of_cse(name: &str) -> Profile {
    let sp = "//example.org".parse().unwrap();
    Profile::CseId(CseDomainName::parse_in(name, &sp).unwrap())
}

/// From an hour ago, for a year.
pub(crate) fn year() -> Validity {
    around(-3600, 365 * 86_400)
}

/// From `begin` to `end`, in seconds from now.
pub(crate) fn around(begin: i64, end: i64) -> Validity {
    Validity::new(in_seconds(begin), in_seconds(end)).unwrap()
}

pub(crate) fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_unix_micros(SystemClock.now().unix_micros() + seconds * 1_000_000).unwrap()
}

/// An HTTP request as a person would type it, the last one of its connection.
pub(crate) fn request(method: &str, to: &str, from: &str, ty: Option<u32>, content: &str) -> String {
    last(&going_on(method, to, from, ty, content))
}

/// The request as the last one of its connection.
pub(crate) fn last(request: &str) -> String {
    request.replacen("\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
}

/// The same with others behind it.
pub(crate) fn going_on(method: &str, to: &str, from: &str, ty: Option<u32>, content: &str) -> String {
    let ty = ty.map(|ty| format!(";ty={ty}")).unwrap_or_default();
    format!(
        "{method} {to} HTTP/1.1\r\nHost: in\r\nX-M2M-Origin: {from}\r\nX-M2M-RI: 1\r\nX-M2M-RVI: 3\r\n\
         Content-Type: application/json{ty}\r\nContent-Length: {}\r\n\r\n{content}",
        content.len()
    )
}

/// CREATE `<AE>`, with more attributes.
pub(crate) fn ae_with(stem: &str, more: &str) -> String {
    let content =
        format!(r#"{{"m2m:ae":{{"rn":"ae_{stem}","api":"Nlight.example","rr":false,"srv":["3"]{more}}}}}"#);
    request("POST", BASE, stem, Some(2), &content)
}

/// CREATE `<AE>`.
pub(crate) fn ae(stem: &str) -> String {
    ae_with(stem, "")
}

/// Writes a certificate and its key as `name.pem` and `name.key`.
pub(crate) fn write(folder: &Path, name: &str, issued: &Issued) {
    fs::write(folder.join(format!("{name}.pem")), &issued.chain_pem).unwrap();
    let key = issued.key_pem.as_ref().unwrap();
    fs::write(folder.join(format!("{name}.key")), key.as_bytes()).unwrap();
}

/// The sections of a listener that accepts certificates.
pub(crate) const CERTIFICATES: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\n\n\
    [listener.certificate]\nchain_file = \"server.pem\"\nkey_file = \"server.key\"\nraw_public_keys = true\n\n\
    [listener.clients]\nanchors_file = \"root.pem\"\ncrl_file = \"crl.pem\"\nlook_seconds = 1\n\n";
/// The sections of a listener for identity tokens.
pub(crate) const TOKENS: &str = "[[listener]]\naddress = \"127.0.0.1:0\"\naccept = [\"token\"]\n\n\
    [listener.certificate]\nchain_file = \"server.pem\"\nkey_file = \"server.key\"\n\n";

/// A folder with an IN-CSE of these listeners, its certificate, and what it trusts.
pub(crate) fn prepared(makers: &Makers, listeners: &str) -> World {
    let world = World::prepared("");
    let configuration = format!(
        "[store]\npath = \"attache.db\"\n\n[cse]\nid = \"{IN_CSE}\"\nkind = \"in\"\nbase_name = \"server\"\n\n{listeners}"
    );
    fs::write(world.path("attache.toml"), configuration).unwrap();
    fs::write(world.path("root.pem"), makers.root.root_pem().unwrap()).unwrap();
    fs::write(world.path("crl.pem"), makers.revocation_list(1, &[])).unwrap();
    let server = makers.issue(&of_cse("in-cse.example.org"));
    write(world.folder.path(), "server", &server);
    world
}
