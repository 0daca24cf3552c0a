//! A registrar as an operator runs it: the real binary, a real store in a temporary folder, a real port.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

pub(crate) mod certified;
pub(crate) mod flood;
pub(crate) mod foreign;
pub(crate) mod handmade;
pub(crate) mod pair;
pub(crate) mod traced;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use device::{AeDescription, Attachment, Registrar};
use keys::{KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{Finished, Process};

/// The registrar's CSE-ID in all tests.
pub(crate) const CSE: &str = "//example.org/mn-cse-123456";

/// A folder with a configuration, and the registrar that runs from it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    server: Option<Process>,
    pub(crate) address: SocketAddr,
    /// Of every listener, in the order of the configuration.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// A device as the tests know it.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) psk_identity: String,
    pub(crate) stem: String,
    pub(crate) key_hex: String,
}

impl Device {
    pub(crate) fn numbered(number: usize) -> Self {
        Self {
            psk_identity: format!("light{number}@home.example.org"),
            stem: format!("Clight{number}"),
            key_hex: format!("{:032x}", 0x0102_0304_0506_0708_u128 << 64 | number as u128),
        }
    }

    pub(crate) fn ae_id(&self) -> String {
        format!("{CSE}/{}", self.stem)
    }

    pub(crate) fn key(&self) -> Kpsa {
        Kpsa::new(Secret::from_hex(&self.key_hex).unwrap(), KeyLengthPolicy::Strict).unwrap()
    }

    pub(crate) fn identity(&self) -> PskIdentity {
        self.psk_identity.parse().unwrap()
    }

    pub(crate) fn description(&self) -> AeDescription {
        let name = format!("ae_{}", self.stem);
        AeDescription::new(Some(self.stem.parse().unwrap()), name.parse().unwrap(), "Nlight.example")
    }
}

/// Whether to measure with as much as is promised (`ATTACHE_FULL=1`), which wants a release build and minutes.
pub(crate) fn full() -> bool {
    std::env::var("ATTACHE_FULL").is_ok_and(|full| full == "1")
}

/// Runs `attache` with `arguments`, in `folder`.
pub(crate) fn attache(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
    command.args(arguments).current_dir(folder);
    Process::run(command)
}

impl World {
    /// A folder whose registrar is not running yet. `more` is appended to the configuration.
    pub(crate) fn prepared(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            "[store]\npath = \"attache.db\"\n\n[cse]\nid = \"{CSE}\"\nbase_name = \"home_gateway\"\n\n\
             [[listener]]\naddress = \"127.0.0.1:0\"\n\n{more}"
        );
        fs::write(folder.path().join("attache.toml"), configuration).unwrap();
        Self { folder, server: None, address: "127.0.0.1:0".parse().unwrap(), addresses: Vec::new() }
    }

    /// A running registrar.
    pub(crate) fn start() -> Self {
        let mut world = Self::prepared("");
        world.serve();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the registrar and waits until it has said where all its listeners are.
    pub(crate) fn serve(&mut self) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_attache"));
        command.args(["serve", "--json"]);
        self.serve_as(command);
    }

    /// Starts the registrar by `command`, which runs it one way or another.
    pub(crate) fn serve_as(&mut self, mut command: Command) {
        command.current_dir(self.folder.path());
        let configuration = fs::read_to_string(self.path("attache.toml")).unwrap();
        let listeners = configuration.matches("[[listener]]").count();
        let server = Process::spawn(command);
        let mut addresses = Vec::new();
        self.addresses = server.wait_for_line("the addresses that the registrar listens on", |line| {
            let fact: Value = serde_json::from_str(line).ok()?;
            addresses.push(fact["listening"].as_str()?.parse().ok()?);
            (addresses.len() == listeners).then(|| std::mem::take(&mut addresses))
        });
        self.address = self.addresses[0];
        self.server = Some(server);
    }

    /// A line that the registrar says.
    pub(crate) fn wait_for_line<T>(&self, pick: impl FnMut(&str) -> Option<T>) -> T {
        self.server.as_ref().unwrap().wait_for_line("a line of the registrar", pick)
    }

    /// Ends the registrar with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// Ends the registrar with SIGTERM and gives what it said.
    pub(crate) fn stop(&mut self) -> Finished {
        let server = self.server.take().unwrap();
        server.terminate();
        server.finish()
    }

    /// Lets the registrar run beside the next one of the same folder, for as long as the caller keeps it.
    pub(crate) fn detach(&mut self) -> Process {
        self.server.take().unwrap()
    }

    pub(crate) fn server(&self) -> &Process {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn server_id(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// What the registrar holds in memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        self.status_of("VmRSS:")
    }

    /// How many threads the registrar has.
    pub(crate) fn threads(&self) -> u64 {
        self.status_of("Threads:")
    }

    fn status_of(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server_id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        attache(self.folder.path(), arguments)
    }

    /// Adds the devices by `credential import`.
    pub(crate) fn import(&self, devices: &[Device]) {
        let rows: String = devices
            .iter()
            .map(|device| format!("{},{},{},ae\n", device.psk_identity, device.key_hex, device.ae_id()))
            .collect();
        fs::write(self.path("devices.csv"), format!("psk_identity,psk_hex,entity_id,kind\n{rows}")).unwrap();
        drop(self.run(&["credential", "import", "devices.csv"]).success());
    }

    /// The digest of every record but the audit, as the operator sees it.
    pub(crate) fn digest(&self) -> String {
        let finished = self.run(&["--json", "inspect", "digest"]).success();
        let fact: Value = serde_json::from_str(&finished.stdout).unwrap();
        fact["digest"].as_str().unwrap().to_owned()
    }

    pub(crate) fn registrar(&self) -> Registrar {
        Registrar {
            address: self.address.to_string(),
            cse: CSE.parse().unwrap(),
            base_name: "home_gateway".into(),
            server_name: None,
        }
    }

    /// Attaches `device` as its maker would.
    pub(crate) async fn attach(&self, device: &Device) -> Attachment {
        Attachment::open(&self.registrar(), &device.identity(), device.key()).await.unwrap()
    }
}

/// Keys that no message may repeat.
pub(crate) const KEY: &str = "000102030405060708090a0b0c0d0e0f";
pub(crate) const OTHER_KEY: &str = "101112131415161718191a1b1c1d1e1f";

/// The first line, read as JSON.
pub(crate) fn json(text: &str) -> Value {
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

/// Runs `arguments`, which must fail with `code` and say each of `words` in one line, and must leave the store
/// and the files as they are.
pub(crate) fn fails(world: &World, arguments: &[&str], code: i32, words: &[&str]) {
    let (before, files) = (world.digest(), files(world));
    let finished = world.run(arguments);
    assert_eq!(finished.code(), code, "{arguments:?}: {}{}", finished.stdout, finished.stderr);
    let line = finished.stderr.lines().find(|line| line.starts_with("attache: ")).unwrap_or_default();
    for word in words {
        assert!(line.contains(word), "{arguments:?}: {word:?} is not in: {}", finished.stderr);
    }
    for secret in [KEY, OTHER_KEY] {
        assert!(!finished.stderr.contains(secret), "a key was printed: {}", finished.stderr);
    }
    assert_eq!(world.digest(), before, "{arguments:?} changed the store");
    assert_eq!(self::files(world), files, "{arguments:?} left a file");
}

/// The names of the files in the folder, but for what SQLite makes and removes.
pub(crate) fn files(world: &World) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(world.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with("-wal") && !name.ends_with("-shm"))
        .collect();
    names.sort();
    names
}
