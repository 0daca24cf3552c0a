//! The least that can stand behind stunnel: one thread, one fixed answer, nothing looked up.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Error;

/// What every request is answered with.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";

/// A request is there at once; who says nothing is a probe of the port.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says where it listens on standard output, and answers until it is killed.
pub(crate) fn serve() -> Result<(), Error> {
    let (listener, address) = testkit::listener();
    println!("{address}");
    for connection in listener.incoming() {
        let connection = connection.map_err(Error::io("accept a connection"))?;
        // A client that goes away is no reason to end.
        let _ = answer(connection);
    }
    Ok(())
}

fn answer(mut connection: TcpStream) -> std::io::Result<()> {
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut request = [0; 4_096];
    let mut read = 0;
    while !request.get(..read).is_some_and(|read| read.ends_with(b"\r\n\r\n")) {
        let octets = connection.read(request.get_mut(read..).unwrap_or_default())?;
        if octets == 0 {
            return Ok(());
        }
        read += octets;
    }
    connection.write_all(ANSWER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_request_in_two_pieces_has_one_answer() {
        let (listener, address) = testkit::listener();
        let serving = thread::spawn(move || answer(listener.accept().expect("accept").0));
        let mut client = TcpStream::connect(address).expect("connect");
        client.write_all(b"GET / HTTP/1.1\r\n").expect("write");
        client.write_all(b"Host: x\r\n\r\n").expect("write");
        let mut said = Vec::new();
        client.read_to_end(&mut said).expect("read to the end");
        assert_eq!(said, ANSWER);
        serving.join().expect("no panic").expect("no error");
    }
}
