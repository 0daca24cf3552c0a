//! The servers that are measured.

mod attache;
mod http;
mod mosquitto;
mod stunnel;
mod web;

pub(crate) use attache::{Attache, CSE, Installation, Operation, Settings};
pub(crate) use mosquitto::Mosquitto;
pub(crate) use stunnel::Stunnel;
pub(crate) use web::serve as serve_web;

use std::net::{SocketAddr, TcpStream};

use openssl::ssl::SslStream;

use crate::credentials::Credential;
use crate::load::ConnectionError;

/// A running server that holds the credentials and is ready for connections. It ends when it is dropped.
pub(crate) trait Server: Sync {
    fn name(&self) -> &'static str;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// The processes that are measured, with everything below them.
    fn processes(&self) -> Vec<u32>;

    /// Sends the one request and checks the answer.
    fn ask(&self, stream: &mut SslStream<TcpStream>, credential: &Credential) -> Result<(), ConnectionError>;
}
