//! `openssl s_client` and `gnutls-cli` as devices.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::mpsc::{self, Receiver},
    thread,
};

use testkit::{Process, require};

use super::Device;

/// CREATE `<AE>` as a person would type it.
pub(crate) fn registration(device: &Device) -> String {
    let content = format!(
        r#"{{"m2m:ae":{{"rn":"ae_{}","api":"Nlight.example","rr":false,"srv":["3"]}}}}"#,
        device.stem
    );
    format!(
        "POST /~/mn-cse-123456/home_gateway HTTP/1.1\r\nHost: gw\r\nX-M2M-Origin: {}\r\nX-M2M-RI: 1\r\n\
         X-M2M-RVI: 3\r\nContent-Type: application/json;ty=2\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{content}",
        device.stem,
        content.len()
    )
}

/// `openssl s_client` with a cipher list in OpenSSL's words, speaking TLS 1.2.
pub(crate) fn openssl(address: SocketAddr, identity: &str, key_hex: &str, suites: &str) -> Process {
    openssl_with(address, &["-tls1_2", "-cipher", suites, "-psk_identity", identity, "-psk", key_hex])
}

pub(crate) fn openssl_with(address: SocketAddr, options: &[&str]) -> Process {
    let mut command = Command::new(require("openssl", "openssl"));
    command.args(["s_client", "-connect", &address.to_string(), "-ign_eof"]).args(options);
    Process::spawn(command)
}

/// `gnutls-cli` with a priority string that starts from nothing.
pub(crate) fn gnutls(address: SocketAddr, device: &Device, suite: &str) -> Process {
    let mut command = Command::new(require("gnutls-cli", "gnutls-bin"));
    command.args(["--port", &address.port().to_string(), &address.ip().to_string()]);
    command.args(["--pskusername", &device.psk_identity, "--pskkey", &device.key_hex, "--priority"]);
    command.arg(format!("NONE:+VERS-TLS1.2:{suite}:+COMP-NULL:+SIGN-ALL:+GROUP-ALL"));
    Process::spawn(command)
}

/// The response status code, if that is what the line holds.
pub(crate) fn status(line: &str) -> Option<String> {
    line.to_ascii_lowercase().strip_prefix("x-m2m-rsc: ").map(|rsc| rsc.trim().to_owned())
}

/// The description of the alert that `openssl s_client` received, if that is what the line tells.
pub(crate) fn alert_number(line: &str) -> Option<u8> {
    line.rsplit_once("SSL alert number ")?.1.trim().parse().ok()
}

/// An address that leads to `server` for one connection, and then both ends of it, to write into.
pub(crate) fn between(server: SocketAddr) -> (SocketAddr, Receiver<(TcpStream, TcpStream)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let (client, server) = (listener.accept().unwrap().0, TcpStream::connect(server).unwrap());
        for (mut from, mut to) in [(&client, &server), (&server, &client)]
            .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
        {
            thread::spawn(move || {
                // An end that is gone ends the other.
                let _ = io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Write);
            });
        }
        sender.send((client, server)).unwrap();
    });
    (address, receiver)
}

/// A record that does not verify, whoever gets it: the answer is a fatal alert.
pub(crate) fn garbled() -> Vec<u8> {
    [&[23, 3, 3, 0, 64][..], &[0; 64]].concat()
}

/// What the registrar says at `debug` when it forgets sessions because of a fatal alert.
pub(crate) const FORGOTTEN: &str = "a fatal alert has ended sessions";
