//! `attache serve`, as an operator starts it: one configuration file, credentials imported from CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::ssl::SslStream;
use testkit::{Finished, Process};

use super::{Server, http};
use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::load::{self, ConnectionError, write};

const NAME: &str = "attache";

/// The CSE that registers the devices, and the name of its `<CSEBase>`.
pub(crate) const CSE: &str = "//bench.example/bench-cse";
const BASE: &str = "base";

/// In what the configurations of the measurements differ; everything else is at its default.
pub(crate) struct Settings<'a> {
    /// What kind of CSE it is.
    pub(crate) kind: &'a str,
    /// Lines of the listener, and sections below it.
    pub(crate) listener: &'a str,
    /// Lines of `[limits]`.
    pub(crate) limits: &'a str,
}

/// The one suite that all servers are measured with.
impl Default for Settings<'_> {
    fn default() -> Self {
        Self { kind: "mn", listener: "suites = [\"TLS_PSK_WITH_AES_128_CBC_SHA256\"]", limits: "" }
    }
}

/// What a device asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operation {
    /// CREATE of its `<AE>`.
    Register,
    /// RETRIEVE of it.
    Retrieve,
    /// UPDATE of its labels.
    Update,
    /// DELETE of it.
    Deregister,
}

/// A store with the credentials in it, and the configuration file beside it.
pub(crate) struct Installation {
    program: PathBuf,
    place: PathBuf,
    configuration: PathBuf,
}

impl Installation {
    /// Imports the credentials.
    pub(crate) fn new(
        program: &Path,
        credentials: &Credentials,
        place: &Path,
        settings: &Settings<'_>,
    ) -> Result<Self, Error> {
        let program = program.canonicalize().map_err(Error::io(format!(
            "find {}; build it with `cargo build --release`",
            program.display()
        )))?;
        let configuration = place.join("attache.toml");
        std::fs::write(&configuration, configured(settings))
            .map_err(Error::io(format!("write {}", configuration.display())))?;
        let list = place.join("credentials.csv");
        write_list(&list, credentials).map_err(Error::io(format!("write {}", list.display())))?;
        let installation = Self { program, place: place.to_owned(), configuration };
        installation.run(installation.command(&["credential", "import"]).arg(&list))?;
        Ok(installation)
    }

    /// Starts the registrar and waits until it says where it listens.
    pub(crate) fn serve(&self) -> Attache {
        let process = Process::spawn(self.command(&["serve"]));
        let address = process.wait_for_line("its address", address_in);
        Attache { process, address, kept_alive: false }
    }

    /// How many AEs the store holds, at most `limit`.
    pub(crate) fn registrations(&self, limit: usize) -> Result<usize, Error> {
        let limit = limit.to_string();
        let listed = self
            .run(self.command(&["--json", "inspect", "registrations"]).args(["--limit", limit.as_str()]))?;
        Ok(listed.lines().count())
    }

    /// Enrols the public key of the certificate in `file`, which stands for the AE with this stem.
    pub(crate) fn enrol(&self, file: &str, stem: &str) -> Result<(), Error> {
        let ae_id = format!("{CSE}/{stem}");
        let arguments = ["--public-key", file, "--ae-id", ae_id.as_str()];
        self.run(self.command(&["credential", "add"]).args(arguments)).map(drop)
    }

    /// Uses the development PKI beside the store.
    pub(crate) fn pki(&self, arguments: &[&str]) -> Result<(), Error> {
        let mut command = Command::new(&self.program);
        self.run(command.arg("pki").args(arguments).current_dir(&self.place)).map(drop)
    }

    fn command(&self, subcommand: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(subcommand).arg("--config").arg(&self.configuration).current_dir(&self.place);
        command
    }

    /// Runs a command to its end and returns what it said.
    fn run(&self, command: &mut Command) -> Result<String, Error> {
        let finished = command.output().map_err(Error::io(format!("run {}", self.program.display())))?;
        if !finished.status.success() {
            let problem = String::from_utf8_lossy(&finished.stderr).into_owned();
            return Err(Error::Server { server: NAME, problem });
        }
        Ok(String::from_utf8_lossy(&finished.stdout).into_owned())
    }
}

/// A registrar that runs.
pub(crate) struct Attache {
    process: Process,
    address: SocketAddr,
    /// Its clients do not say that their request is the last.
    kept_alive: bool,
}

impl Attache {
    /// The registrar, with the sample's AEs registered.
    pub(crate) fn start(program: &Path, credentials: &Credentials, place: &Path) -> Result<Self, Error> {
        let server = Installation::new(program, credentials, place, &Settings::default())?.serve();
        server.register_all(1, credentials)?;
        Ok(server)
    }

    /// Whether its clients leave without having said so in the request.
    pub(crate) fn kept_alive(self, kept_alive: bool) -> Self {
        Self { kept_alive, ..self }
    }

    /// Registers the sample's AEs, `clients` of them at the same time.
    pub(crate) fn register_all(&self, clients: usize, credentials: &Credentials) -> Result<(), Error> {
        load::each(clients, credentials, |credential| {
            self.named(&credential.identity, || {
                let mut stream = load::open(self.address, credential)?;
                self.request(&mut stream, &credential.stem, Operation::Register)?;
                load::close(&mut stream);
                Ok(())
            })
        })
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub(crate) fn end(self) -> Result<(), Error> {
        self.process.terminate();
        let Finished { status, stderr, .. } = self.process.finish();
        if status.success() {
            return Ok(());
        }
        Err(Error::Server { server: NAME, problem: format!("it ended with {status}: {stderr}") })
    }

    /// Says of an error which device it befell.
    pub(crate) fn named<T>(
        &self,
        identity: &str,
        attempt: impl FnOnce() -> Result<T, ConnectionError>,
    ) -> Result<T, Error> {
        attempt().map_err(|source| Error::Connection { server: NAME, identity: identity.to_owned(), source })
    }

    /// Sends the request of the device with this AE-ID-Stem, as its last one unless clients are kept alive, and checks the
    /// answer. Only a registered AE has one of its
    /// own to ask for.
    pub(crate) fn request(
        &self,
        stream: &mut SslStream<TcpStream>,
        stem: &str,
        operation: Operation,
    ) -> Result<(), ConnectionError> {
        let (method, to, ty, content, status) = match operation {
            Operation::Register => {
                let content = r#"{"m2m:ae":{"api":"Nbench.example","rr":false,"srv":["3"]}}"#;
                ("POST", BASE, ";ty=2", content, "2001")
            }
            Operation::Retrieve => ("GET", stem, "", "", "2000"),
            Operation::Update => ("PUT", stem, "", r#"{"m2m:ae":{"lbl":["bench"]}}"#, "2004"),
            Operation::Deregister => ("DELETE", stem, "", "", "2002"),
        };
        let mut request = format!(
            "{method} /{to} HTTP/1.1\r\nHost: {}\r\nX-M2M-Origin: {stem}\r\nX-M2M-RI: own\r\nX-M2M-RVI: 3\r\n\
             Accept: application/json\r\n",
            self.address
        );
        // As an MQTT client says DISCONNECT.
        if !self.kept_alive {
            request.push_str("Connection: close\r\n");
        }
        if !content.is_empty() {
            let length = content.len();
            request.push_str(&format!("Content-Type: application/json{ty}\r\nContent-Length: {length}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(content);
        write(stream, request.as_bytes())?;
        expect(stream, status)
    }
}

impl Server for Attache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn ask(&self, stream: &mut SslStream<TcpStream>, credential: &Credential) -> Result<(), ConnectionError> {
        self.request(stream, &credential.stem, Operation::Retrieve)
    }
}

fn configured(settings: &Settings<'_>) -> String {
    let Settings { kind, listener, limits } = settings;
    format!(
        "[store]\npath = \"attache.db\"\n\n\
         [cse]\nid = \"{CSE}\"\nkind = \"{kind}\"\nbase_name = \"{BASE}\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\n{listener}\n\n\
         [limits]\n{limits}\n\n\
         [log]\nlevel = \"info\"\n"
    )
}

fn write_list(path: &Path, credentials: &Credentials) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "psk_identity,psk_hex,entity_id,kind")?;
    for credential in credentials.all() {
        let Credential { identity, stem, .. } = &credential;
        writeln!(file, "{identity},{},{CSE}/{stem},ae", credential.key_hex())?;
    }
    file.flush()
}

/// The first loopback address with a port in a line of the log, whatever stands around it.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .map(|word| word.trim_matches(':'))
        .filter_map(|word| word.parse().ok())
        .find(|address: &SocketAddr| address.ip().is_loopback() && address.port() != 0)
}

/// Reads one answer and checks its X-M2M-RSC.
fn expect(stream: &mut SslStream<TcpStream>, status: &str) -> Result<(), ConnectionError> {
    let head = http::answer(stream)?;
    if http::field(&head, "x-m2m-rsc") == Some(status) { Ok(()) } else { Err(ConnectionError::Answer(head)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_text_and_json() {
        let address: SocketAddr = "127.0.0.1:40123".parse().expect("an address");
        for line in [
            "listening on 127.0.0.1:40123",
            "2026-11-21T03:04:05.678Z  INFO net: listening address=127.0.0.1:40123 suites=1",
            r#"{"time":"03:04:05","listening":"https://127.0.0.1:40123"}"#,
        ] {
            assert_eq!(address_in(line), Some(address), "{line}");
        }
        assert_eq!(address_in("configured for 127.0.0.1:0"), None);
        assert_eq!(address_in("at 03:04:05 from 192.0.2.1:99"), None);
    }
}
