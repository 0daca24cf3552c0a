//! The servers that are measured.

mod attache;
mod mosquitto;

pub(crate) use attache::Attache;
pub(crate) use mosquitto::Mosquitto;

use std::net::{SocketAddr, TcpStream};

use openssl::ssl::SslStream;

use crate::credentials::Credential;
use crate::load::ConnectionError;

/// A running server that holds the credentials and is ready for connections. It ends when it is dropped.
pub(crate) trait Server: Sync {
    fn name(&self) -> &'static str;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The process whose tree is measured.
    fn process(&self) -> u32;

    /// Sends the one request and checks the answer.
    fn ask(&self, stream: &mut SslStream<TcpStream>, credential: &Credential) -> Result<(), ConnectionError>;
}
