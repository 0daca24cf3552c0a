//! Eclipse Mosquitto, the MQTT broker that Debian packages, with its own list of pre-shared keys.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use openssl::ssl::SslStream;
use testkit::{Process, require, reserved_port, wait_until};

use super::Server;
use crate::Error;
use crate::credentials::{Credential, Credentials};
use crate::load::{ConnectionError, read_exactly, write};

/// A broker that takes PSK only and lets every identity connect.
pub(crate) struct Mosquitto {
    process: Process,
    address: SocketAddr,
}

/// MQTT 3.1.1 CONNACK: accepted, no session present.
const ACCEPTED: [u8; 4] = [0x20, 2, 0, 0];
const DISCONNECT: [u8; 2] = [0xe0, 0];

impl Mosquitto {
    pub(crate) fn start(credentials: &Credentials, place: &Path) -> Result<Self, Error> {
        let program = require("mosquitto", "mosquitto");
        let keys = place.join("keys");
        credentials.write_keys(&keys).map_err(Error::io(format!("write {}", keys.display())))?;
        let port = reserved_port();
        let settings = place.join("mosquitto.conf");
        std::fs::write(&settings, configuration(port, &keys))
            .map_err(Error::io(format!("write {}", settings.display())))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&settings);
        let process = Process::spawn(command);
        process.wait_for_line("that it runs", |line| line.contains(" running").then_some(()));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        wait_until("mosquitto's port", || TcpStream::connect(address).ok());
        Ok(Self { process, address })
    }
}

/// `user root` only keeps a broker started by root from becoming a user that cannot read our directory.
fn configuration(port: u16, keys: &Path) -> String {
    format!(
        "user root\n\
         persistence false\n\
         log_dest stderr\n\
         log_type error\n\
         log_type warning\n\
         log_type information\n\
         connection_messages false\n\
         allow_anonymous true\n\
         listener {port} 127.0.0.1\n\
         max_connections -1\n\
         psk_hint bench\n\
         psk_file {}\n\
         ciphers PSK-AES128-CBC-SHA256\n\
         tls_version tlsv1.2\n\
         use_identity_as_username true\n",
        keys.display()
    )
}

impl Server for Mosquitto {
    fn name(&self) -> &'static str {
        "mosquitto"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.process.id()]
    }

    fn ask(&self, stream: &mut SslStream<TcpStream>, _: &Credential) -> Result<(), ConnectionError> {
        write(stream, &connect())?;
        let mut answer = [0; ACCEPTED.len()];
        read_exactly(stream, &mut answer)?;
        if answer != ACCEPTED {
            return Err(ConnectionError::Answer(format!("{answer:02x?} instead of CONNACK")));
        }
        write(stream, &DISCONNECT)
    }
}

/// MQTT 3.1.1 CONNECT with a clean session, no keep-alive and an empty client identifier, for which the broker
/// chooses one; two connections of one device then do not throw each other out.
fn connect() -> [u8; 14] {
    [0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0b0000_0010, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connect_is_as_long_as_it_says() {
        let packet = connect();
        assert_eq!(usize::from(packet[1]), packet.len() - 2);
        assert_eq!(packet[2..8], [0, 4, b'M', b'Q', b'T', b'T']);
    }

    #[test]
    fn the_settings_name_port_and_keys() {
        let text = configuration(1_883, Path::new("/tmp/x/keys"));
        for line in ["listener 1883 127.0.0.1", "psk_file /tmp/x/keys", "use_identity_as_username true"] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }
}
