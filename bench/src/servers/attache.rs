//! `attache serve`, as an operator starts it: one configuration file, credentials imported from CSV.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use openssl::ssl::SslStream;
use testkit::Process;

use super::{Server, http};
use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::load::{self, ConnectionError, write};

const NAME: &str = "attache";

/// The CSE that registers the devices, and the name of its `<CSEBase>`.
const CSE: &str = "//bench.example/bench-cse";
const BASE: &str = "base";

/// A store with the credentials in it, and the configuration file beside it.
pub(crate) struct Installation {
    program: PathBuf,
    configuration: PathBuf,
}

impl Installation {
    /// Imports the credentials. `limits` is put into the configuration as it is.
    pub(crate) fn new(
        program: &Path,
        credentials: &Credentials,
        place: &Path,
        limits: &str,
    ) -> Result<Self, Error> {
        let program = program.canonicalize().map_err(Error::io(format!(
            "find {}; build it with `cargo build --release`",
            program.display()
        )))?;
        let configuration = place.join("attache.toml");
        std::fs::write(&configuration, settings(limits))
            .map_err(Error::io(format!("write {}", configuration.display())))?;
        let list = place.join("credentials.csv");
        write_list(&list, credentials).map_err(Error::io(format!("write {}", list.display())))?;
        let installation = Self { program, configuration };
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

    fn command(&self, subcommand: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(subcommand).arg("--config").arg(&self.configuration);
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
        let server = Installation::new(program, credentials, place, "")?.serve();
        for credential in credentials.sample() {
            server.named(credential, || {
                let mut stream = load::open(server.address, credential)?;
                server.register(&mut stream, credential)
            })?;
        }
        Ok(server)
    }

    /// Its clients leave without having said so in the request.
    pub(crate) fn kept_alive(self) -> Self {
        Self { kept_alive: true, ..self }
    }

    /// Says of an error which device it befell.
    pub(crate) fn named<T>(
        &self,
        credential: &Credential,
        attempt: impl FnOnce() -> Result<T, ConnectionError>,
    ) -> Result<T, Error> {
        attempt().map_err(|source| Error::Connection {
            server: NAME,
            identity: credential.identity.clone(),
            source,
        })
    }

    /// CREATE of the device's `<AE>`. Only a registered AE has one of its own to ask for.
    pub(crate) fn register(
        &self,
        stream: &mut SslStream<TcpStream>,
        credential: &Credential,
    ) -> Result<(), ConnectionError> {
        let content = r#"{"m2m:ae":{"api":"Nbench.example","rr":false,"srv":["3"]}}"#;
        let request = format!(
            "POST /{BASE} HTTP/1.1\r\nHost: {}\r\nX-M2M-Origin: {}\r\nX-M2M-RI: register\r\nX-M2M-RVI: 3\r\n\
             Content-Type: application/json;ty=2\r\nContent-Length: {}\r\n\r\n{content}",
            self.address,
            credential.stem,
            content.len()
        );
        write(stream, request.as_bytes())?;
        expect(stream, "2001")
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
        let Credential { stem, .. } = credential;
        // As an MQTT client says DISCONNECT.
        let last = if self.kept_alive { "" } else { "Connection: close\r\n" };
        let request = format!(
            "GET /{stem} HTTP/1.1\r\nHost: {}\r\nX-M2M-Origin: {stem}\r\nX-M2M-RI: own\r\nX-M2M-RVI: 3\r\n\
             Accept: application/json\r\n{last}\r\n",
            self.address
        );
        write(stream, request.as_bytes())?;
        expect(stream, "2000")
    }
}

/// Everything at its default but the one suite that all servers are measured with, and `limits`.
fn settings(limits: &str) -> String {
    format!(
        "[store]\npath = \"attache.db\"\n\n\
         [cse]\nid = \"{CSE}\"\nbase_name = \"{BASE}\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nsuites = [\"TLS_PSK_WITH_AES_128_CBC_SHA256\"]\n\n\
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
