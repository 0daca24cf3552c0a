//! Peers that connect and do not go on, from as many loopback addresses as it takes.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use super::handmade::{Hello, hello_record, key_exchange_record};

/// How far a peer goes before it falls silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Halt {
    /// It says nothing at all.
    Silent,
    /// In the middle of its ClientHello.
    InHello,
    /// After ClientHello, with an exchange of pre-shared keys alone.
    Greeted,
    /// The same with ECDHE, for which the server draws a key.
    GreetedEcdhe,
    /// The same with DHE.
    GreetedDhe,
    /// In the middle of its ClientKeyExchange.
    InKeyExchange,
    /// After ClientKeyExchange: the server has looked up the key.
    Keyed,
}

impl Halt {
    pub(crate) const ALL: [Self; 7] = [
        Self::Silent,
        Self::InHello,
        Self::Greeted,
        Self::GreetedEcdhe,
        Self::GreetedDhe,
        Self::InKeyExchange,
        Self::Keyed,
    ];

    fn hello(self) -> Vec<u8> {
        // supported_groups with secp256r1, ec_point_formats with the uncompressed one.
        const P_256: [u8; 14] = [0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0];
        let hello = match self {
            Self::GreetedEcdhe => Hello { suites: &[0xC037], extensions: &P_256, ..Hello::default() },
            Self::GreetedDhe => Hello { suites: &[0x00AA], ..Hello::default() },
            _ => Hello::default(),
        };
        hello_record(&hello)
    }
}

/// The `number`th of 127.0.0.2, 127.0.0.3 and so on, 250 to a block.
pub(crate) fn loopback(number: usize) -> Ipv4Addr {
    let octet = |n: usize| u8::try_from(n).unwrap();
    Ipv4Addr::new(127, 0, octet(number / 250), octet(number % 250 + 2))
}

/// Connects from this very address.
pub(crate) async fn connect_from(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // Thousands of connections in TIME_WAIT of an earlier run must not be in the way.
    socket.set_reuseaddr(true).unwrap();
    socket.bind((IpAddr::V4(source), 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Goes as far as `halt` says; `identity` is that of a credential.
///
/// # Errors
/// That of the connection, if the server ends it before.
pub(crate) async fn go_as_far_as(halt: Halt, tcp: &mut TcpStream, identity: &str) -> io::Result<()> {
    let hello = halt.hello();
    match halt {
        Halt::Silent => return Ok(()),
        Halt::InHello => return tcp.write_all(&hello[..hello.len() / 2]).await,
        _ => tcp.write_all(&hello).await?,
    }
    // ServerHello and what belongs to it come in one go.
    let mut answer = [0; 4096];
    if tcp.read(&mut answer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let key_exchange = key_exchange_record(identity.as_bytes());
    match halt {
        Halt::InKeyExchange => tcp.write_all(&key_exchange[..key_exchange.len() / 2]).await,
        Halt::Keyed => tcp.write_all(&key_exchange).await,
        _ => Ok(()),
    }
}

/// Reads until the server has closed.
pub(crate) async fn until_closed(tcp: &mut TcpStream) {
    let mut scrap = [0; 4096];
    while tcp.read(&mut scrap).await.is_ok_and(|octets| octets > 0) {}
}
