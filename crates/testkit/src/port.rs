//! Loopback ports that do not collide.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

/// A listener on a loopback port chosen by the kernel, and its address. Hand the listener on: as long as
/// somebody holds it nobody else can get the port.
///
/// # Panics
///
/// When the kernel refuses a loopback port.
#[must_use]
pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("bind a loopback port");
    let address = listener.local_addr().expect("address of a bound listener");
    (listener, address)
}

/// A TCP port on 127.0.0.1 for a foreign server that must be told its port beforehand and cannot report one.
/// Our own servers report theirs; prefer that.
///
/// The port is free, and the kernel gives it to nobody who asks for "any port" for about a minute: one
/// connection was made to it and closed from its own side, which leaves the port in `TIME_WAIT`. A server that
/// sets `SO_REUSEADDR`, as servers do, can bind it meanwhile.
///
/// # Panics
///
/// When the kernel refuses a loopback connection.
#[must_use]
pub fn reserved_port() -> u16 {
    let (listener, address) = listener();
    let client = TcpStream::connect(address).expect("connect to our own listener");
    let (accepted, _) = listener.accept().expect("accept our own connection");
    // The side that closes first is the one that keeps the port in TIME_WAIT.
    drop(accepted);
    drop(client);
    address.port()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_reserved_port_is_given_out_once() {
        let ports: HashSet<u16> = (0..500).map(|_| reserved_port()).collect();
        assert_eq!(ports.len(), 500);
    }

    #[test]
    fn a_reserved_port_can_be_bound_by_its_owner() {
        let port = reserved_port();
        // The standard library sets SO_REUSEADDR on listeners.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the owner binds its reserved port");
    }
}
