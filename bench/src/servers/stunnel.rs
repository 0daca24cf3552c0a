//! stunnel, the TLS proxy that Debian packages, before a trivial HTTP server of our own.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use openssl::ssl::SslStream;
use testkit::{Process, require, reserved_port, wait_until};

use super::{Server, http};
use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::load::{ConnectionError, write};

/// The proxy and what it protects; both are measured.
pub(crate) struct Stunnel {
    proxy: Process,
    web: Process,
    address: SocketAddr,
}

impl Stunnel {
    pub(crate) fn start(credentials: &Credentials, place: &Path) -> Result<Self, Error> {
        let program = require("stunnel", "stunnel4");
        let keys = place.join("keys");
        credentials.write_keys(&keys).map_err(Error::io(format!("write {}", keys.display())))?;
        let mut command = Command::new(std::env::current_exe().map_err(Error::io("find our own program"))?);
        command.arg("web");
        let web = Process::spawn(command);
        let behind: SocketAddr = web.wait_for_line("its address", |line| line.parse().ok());
        let port = reserved_port();
        let settings = place.join("stunnel.conf");
        std::fs::write(&settings, configuration(port, behind, &keys))
            .map_err(Error::io(format!("write {}", settings.display())))?;
        let mut command = Command::new(program);
        command.arg(&settings);
        let proxy = Process::spawn(command);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_until("stunnel's port", || TcpStream::connect(address).ok());
        Ok(Self { proxy, web, address })
    }
}

/// It logs warnings only: a line for each connection would be charged to it.
fn configuration(port: u16, behind: SocketAddr, keys: &Path) -> String {
    format!(
        "foreground = yes\n\
         pid =\n\
         syslog = no\n\
         debug = warning\n\
         [bench]\n\
         accept = 127.0.0.1:{port}\n\
         connect = {behind}\n\
         ciphers = PSK-AES128-CBC-SHA256\n\
         sslVersion = TLSv1.2\n\
         PSKsecrets = {}\n",
        keys.display()
    )
}

impl Server for Stunnel {
    fn name(&self) -> &'static str {
        "stunnel"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.proxy.id(), self.web.id()]
    }

    fn ask(&self, stream: &mut SslStream<TcpStream>, _: &Credential) -> Result<(), ConnectionError> {
        write(stream, b"GET / HTTP/1.1\r\nHost: bench.example\r\nAccept: application/json\r\n\r\n")?;
        let head = http::answer(stream)?;
        if head.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(ConnectionError::Answer(head)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settings_name_port_and_keys() {
        let behind = SocketAddr::from((Ipv4Addr::LOCALHOST, 8_080));
        let text = configuration(4_433, behind, Path::new("/tmp/x/keys"));
        for line in
            ["accept = 127.0.0.1:4433", "connect = 127.0.0.1:8080", "PSKsecrets = /tmp/x/keys", "[bench]"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
