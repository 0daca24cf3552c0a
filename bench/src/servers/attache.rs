//! `attache serve`, as an operator starts it: one configuration file, credentials imported from CSV.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use openssl::ssl::SslStream;
use testkit::Process;

use super::Server;
use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::load::{self, ConnectionError, write};

const NAME: &str = "attache";

/// The CSE that registers the devices, and the name of its `<CSEBase>`.
const CSE: &str = "//bench.example/bench-cse";
const BASE: &str = "base";

/// No header block of the registrar is longer than this.
const HEADER_LIMIT: usize = 16 * 1_024;

/// The registrar, with the sample's AEs registered.
pub(crate) struct Attache {
    process: Process,
    address: SocketAddr,
}

impl Attache {
    pub(crate) fn start(program: &Path, credentials: &Credentials, place: &Path) -> Result<Self, Error> {
        let unusable = |problem: String| Error::Server { server: NAME, problem };
        let program = program.canonicalize().map_err(Error::io(format!(
            "find {}; build it with `cargo build --release`",
            program.display()
        )))?;
        let configuration = place.join("attache.toml");
        std::fs::write(&configuration, settings())
            .map_err(Error::io(format!("write {}", configuration.display())))?;
        let list = place.join("credentials.csv");
        write_list(&list, credentials).map_err(Error::io(format!("write {}", list.display())))?;
        let imported = command(&program, &["credential", "import"], &configuration).arg(&list).output();
        let imported = imported.map_err(Error::io(format!("run {}", program.display())))?;
        if !imported.status.success() {
            return Err(unusable(format!("import failed: {}", String::from_utf8_lossy(&imported.stderr))));
        }
        let process = Process::spawn(command(&program, &["serve"], &configuration));
        let address = process.wait_for_line("its address", address_in);
        let server = Self { process, address };
        for credential in credentials.sample() {
            server.register(credential).map_err(|source| Error::Connection {
                server: NAME,
                identity: credential.identity.clone(),
                source,
            })?;
        }
        Ok(server)
    }

    /// Only a registered AE has an `<AE>` of its own to ask for.
    fn register(&self, credential: &Credential) -> Result<(), ConnectionError> {
        let mut stream = load::open(self.address, credential)?;
        let content = r#"{"m2m:ae":{"api":"Nbench.example","rr":false,"srv":["3"]}}"#;
        let request = format!(
            "POST /{BASE} HTTP/1.1\r\nHost: {}\r\nX-M2M-Origin: {}\r\nX-M2M-RI: register\r\nX-M2M-RVI: 3\r\n\
             Content-Type: application/json;ty=2\r\nContent-Length: {}\r\n\r\n{content}",
            self.address,
            credential.stem,
            content.len()
        );
        write(&mut stream, request.as_bytes())?;
        expect(&mut stream, "2001")
    }
}

impl Server for Attache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> u32 {
        self.process.id()
    }

    fn ask(&self, stream: &mut SslStream<TcpStream>, credential: &Credential) -> Result<(), ConnectionError> {
        let Credential { stem, .. } = credential;
        let request = format!(
            "GET /{stem} HTTP/1.1\r\nHost: {}\r\nX-M2M-Origin: {stem}\r\nX-M2M-RI: own\r\nX-M2M-RVI: 3\r\n\
             Accept: application/json\r\n\r\n",
            self.address
        );
        write(stream, request.as_bytes())?;
        expect(stream, "2000")
    }
}

fn command(program: &Path, subcommand: &[&str], configuration: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(subcommand).arg("--config").arg(configuration);
    command
}

/// Everything at its default but the one suite that both servers are measured with.
fn settings() -> String {
    format!(
        "[store]\npath = \"attache.db\"\n\n\
         [cse]\nid = \"{CSE}\"\nbase_name = \"{BASE}\"\n\n\
         [[listener]]\naddress = \"127.0.0.1:0\"\nsuites = [\"TLS_PSK_WITH_AES_128_CBC_SHA256\"]\n\n\
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
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    let header = loop {
        let octets = stream.read(&mut piece)?;
        answer.extend(piece.iter().take(octets));
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None if octets == 0 || answer.len() > HEADER_LIMIT => {
                return Err(ConnectionError::Answer(String::from_utf8_lossy(&answer).into_owned()));
            }
            None => {}
        }
    };
    let (head, content) = answer.split_at(header);
    let head = String::from_utf8_lossy(head).into_owned();
    if field(&head, "x-m2m-rsc") != Some(status) {
        return Err(ConnectionError::Answer(head));
    }
    let length: usize = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut rest = vec![0; length.saturating_sub(content.len())];
    load::read_exactly(stream, &mut rest)
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
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

    #[test]
    fn header_fields_are_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(field(head, "x-m2m-rsc"), Some("2000"));
        assert_eq!(field(head, "Content-Length"), Some("5"));
        assert_eq!(field(head, "x-m2m-ri"), None);
    }
}
