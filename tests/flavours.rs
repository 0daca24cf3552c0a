//! Raw public keys, device certificates and Node-ID certificates (TS-0003 §8.1.2.1, §10.1.1.2, §10.1.1.4, §10.1.1.8):
//! a device and a gateway with each of them, from the handshake to the registration and back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::{fs, sync::Arc};

use net::{ClientContext, ClientIdentity, DialLimits, Dialer, PrivateKey, ServerCheck, SuitePolicy};
use onem2m::{
    primitive::{Operation, Response},
    status::ResponseStatusCode as Rsc,
};
use pki::{Issued, Profile, SubjectKey};
use serde_json::json;
use support::{
    World,
    certified::{CERTIFICATES, IN_CSE, Makers, prepared, write, year},
    pair::said,
};

/// One flavour: whom it names, how that is enrolled, the Credential-ID under which it then is.
struct Flavour {
    profile: Option<&'static str>,
    enrolled: [&'static str; 2],
    credential_id: &'static str,
}

const DEVICE: Flavour = Flavour {
    profile: Some("0.2.481.1/100.3030.10011"),
    enrolled: ["--certificate-name", "device:0.2.481.1.100.3030.10011"],
    credential_id: "31-0.2.481.1.100.3030.10011",
};
const NODE: Flavour = Flavour {
    profile: Some("urn:gsma:imei:90420156-025763-0"),
    enrolled: ["--certificate-name", "node:urn:gsma:imei:90420156-025763-0"],
    credential_id: "34-urn:gsma:imei:90420156-025763-0",
};
const RAW: Flavour =
    Flavour { profile: None, enrolled: ["--public-key", "mine.pem"], credential_id: "30-sha-256." };
const ALL: [&Flavour; 3] = [&RAW, &DEVICE, &NODE];

impl Flavour {
    /// A certificate of the flavour for a name; of a raw public key only the key in it is used.
    fn issue(&self, makers: &Makers, name: &str) -> Issued {
        let profile = match self.enrolled[1].split(':').next() {
            Some("device") => Profile::Device(name.parse().unwrap()),
            Some("node") => Profile::NodeId(name.parse().unwrap()),
            _ => return pki::self_signed(name, None, year(), &makers.rng).unwrap(),
        };
        // The issuer is held to domain names and URIs with a host.
        makers.root.issue(&profile, SubjectKey::Fresh, year(), &makers.rng).unwrap()
    }

    fn mine(&self, makers: &Makers) -> Issued {
        self.issue(makers, self.profile.unwrap_or("mine"))
    }

    /// Others that are no less good: of the same authority for another name, of another authority for this name.
    fn others(&self, makers: &Makers) -> [Issued; 2] {
        let another = match self.profile {
            Some(device) if device.contains('/') => "0.2.481.1/100.3030.10012",
            Some(_) => "urn:gsma:imei:90420156-025763-1",
            None => "other",
        };
        [self.issue(makers, another), self.mine(&Makers::new(99))]
    }

    fn is_raw(&self) -> bool {
        self.profile.is_none()
    }

    /// A registrar that runs; what is ours is in `mine.pem` and `mine.key`.
    fn world(&self, makers: &Makers) -> World {
        let mut world = prepared(makers, CERTIFICATES);
        write(world.folder.path(), "mine", &self.mine(makers));
        world.serve();
        world
    }

    fn enrol(&self, world: &World, whose: [&str; 2]) {
        drop(world.run(&[&["credential", "add"], &self.enrolled[..], &whose[..]].concat()).success());
    }

    fn revoke(&self, world: &World) {
        drop(world.run(&["credential", "revoke", &id_of(world)]).success());
    }

    fn is_told(&self, world: &World, who: &str) {
        let told = world.run(&["--json", "inspect", "registrations"]).success().stdout;
        let told = told.lines().find(|line| line.contains(who)).unwrap_or_else(|| panic!("{who} in {told}"));
        assert!(told.contains(self.credential_id), "{told}");
    }
}

/// The Credential-ID of the only enrolment.
fn id_of(world: &World) -> String {
    let list = world.run(&["--json", "credential", "list"]).success().stdout;
    let ids: Vec<_> = list.split('"').filter(|text| text.starts_with('3') && text.contains('-')).collect();
    ids.first().unwrap().to_string()
}

/// Writes the device file of a lamp that proves itself with `name`.pem and `name`.key.
fn lamp(world: &World, flavour: &Flavour, name: &str) {
    let certificate =
        if flavour.is_raw() { String::new() } else { format!("certificate_file = \"{name}.pem\"\n") };
    let device = format!(
        "[registrar]\naddress = \"{}\"\ncse_id = \"{IN_CSE}\"\n\n[registrar.trust]\nroots_file = \"root.pem\"\n\n\
         [credential]\n{certificate}private_key_file = \"{name}.key\"\n\n\
         [ae]\nstem = \"Clamp\"\nname = \"lamp\"\napp_id = \"Nlight.example\"\n",
        world.address
    );
    fs::write(world.path("device.toml"), device).unwrap();
}

/// Runs `attache device` and gives exit code and what it said.
fn device(world: &World, arguments: &[&str]) -> (i32, String) {
    let finished = world.run(&[&["device"], arguments, &["--device", "device.toml"]].concat());
    (finished.code(), format!("{}{}", finished.stdout, finished.stderr))
}

/// The device of `attache device`: nobody until it is enrolled, itself and nobody else then, nobody when withdrawn.
#[test]
fn a_device_attaches_with_each_flavour() {
    for (number, flavour) in (1..).zip(ALL) {
        let makers = Makers::new(number);
        let world = flavour.world(&makers);
        let refused = || {
            let digest = world.digest();
            let (code, text) = device(&world, &["attach"]);
            assert_eq!(code, 1, "{text}");
            assert!(text.contains("the registrar refused our certificate"), "{text}");
            assert_eq!(world.digest(), digest);
        };
        lamp(&world, flavour, "mine");
        refused();
        flavour.enrol(&world, ["--ae-id", "//example.org/in-cse/Clamp"]);
        for other in flavour.others(&makers) {
            write(world.folder.path(), "other", &other);
            lamp(&world, flavour, "other");
            refused();
        }
        lamp(&world, flavour, "mine");
        let (code, text) = device(&world, &["attach"]);
        assert_eq!(code, 0, "{text}");
        flavour.is_told(&world, "Clamp");
        // By what is remembered as well.
        let (code, text) = device(&world, &["attach"]);
        assert_eq!(code, 0, "{text}");
        flavour.revoke(&world);
        refused();
    }
}

/// A gateway: it registers as the CSE of its enrolment, and as no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_registers_with_each_flavour() {
    for (number, flavour) in (11..).zip(ALL) {
        let makers = Makers::new(number);
        let world = flavour.world(&makers);
        let mine = flavour.mine(&makers);
        write(world.folder.path(), "mine", &mine);
        assert!(connect(&world, flavour, &mine).await.is_err(), "nobody enrolled it");
        flavour.enrol(&world, ["--cse-id", "//example.org/mn-7"]);
        for other in flavour.others(&makers) {
            assert!(connect(&world, flavour, &other).await.is_err());
        }
        let digest = world.digest();
        for (from, expected) in [("/mn-8", Rsc::OriginatorNotAuthenticated), ("/mn-7", Rsc::Created)] {
            assert_eq!(world.digest(), digest, "{from}");
            let mut connection = connect(&world, flavour, &mine).await.unwrap();
            assert_eq!(create_cse(&mut connection, from).await.rsc, expected, "{from}");
        }
        flavour.is_told(&world, "mn-7");
        flavour.revoke(&world);
        assert!(connect(&world, flavour, &mine).await.is_err(), "it is withdrawn");
    }
}

/// Another list ends what was open, and from then on the device speaks as those and no others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_speaks_as_those_of_its_list() {
    let makers = Makers::new(21);
    let world = DEVICE.world(&makers);
    let mine = DEVICE.mine(&makers);
    DEVICE.enrol(&world, ["--allowed-ae-id", "//example.org/in-cse/Clamp"]);
    let mut before = connect(&world, &DEVICE, &mine).await.unwrap();
    assert_eq!(create_ae(&mut before, "Clamp").await.rsc, Rsc::Created);
    let allow = ["credential", "allow", DEVICE.credential_id, "--allowed-ae-id", "//example.org/in-cse/Cfan"];
    let said_so = world.run(&allow).success();
    assert!(
        said_so.stderr.contains("//example.org/in-cse/Clamp is registered and not in"),
        "{}",
        said_so.stderr
    );
    tokio::time::timeout(testkit::DEADLINE, before.ended()).await.unwrap();

    let digest = world.digest();
    let mut after = connect(&world, &DEVICE, &mine).await.unwrap();
    let mut lamp = said(Operation::Retrieve, "Clamp", "/in-cse/server/ae_Clamp");
    lamp.rvi = Some("3".into());
    assert_eq!(after.request(&lamp).await.unwrap().rsc, Rsc::OriginatorNotAuthenticated);
    assert_eq!(world.digest(), digest);
    assert_eq!(create_ae(&mut after, "Cfan").await.rsc, Rsc::Created);
}

/// CREATE `<AE>`.
async fn create_ae(connection: &mut net::HttpConnection, stem: &str) -> Response {
    let mut request = said(Operation::Create, stem, "/in-cse/server");
    request.ty = Some(2);
    request.rvi = Some("3".into());
    let name = format!("ae_{stem}");
    request.pc = Some(json!({ "m2m:ae": { "rn": name, "api": "Nx", "rr": false, "srv": ["3"] } }));
    connection.request(&request).await.unwrap()
}

/// A full handshake as a CSE makes it; whom it leads to does not matter.
async fn connect(
    world: &World,
    flavour: &Flavour,
    issued: &Issued,
) -> Result<net::HttpConnection, net::NetError> {
    let key = PrivateKey::from_pem(issued.key_pem.as_ref().unwrap().as_bytes()).unwrap();
    let identity = if flavour.is_raw() {
        ClientIdentity::RawKey { key }
    } else {
        ClientIdentity::Chain { chain_der: issued.chain_der.clone(), key }
    };
    let suites = SuitePolicy::default().with_certificates().certificates_only();
    let believes: ServerCheck = Arc::new(|_| Ok(()));
    let context = ClientContext::builder(&suites).identity(identity).server(believes).build().unwrap();
    let dialer = Dialer::of(context, DialLimits::default());
    dialer.connect_with(&world.address.to_string(), None, None, None).await
}

/// CREATE `<remoteCSE>`.
async fn create_cse(connection: &mut net::HttpConnection, csi: &str) -> Response {
    let mut request = said(Operation::Create, csi, "/in-cse/server");
    request.ty = Some(16);
    request.rvi = Some("3".into());
    let csr = json!({ "csi": csi, "cb": format!("{csi}/base"), "rr": false, "srv": ["3"] });
    request.pc = Some(json!({ "m2m:csr": csr }));
    connection.request(&request).await.unwrap()
}
