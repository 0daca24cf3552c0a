//! Clients of bare OpenSSL, their octets, and the CPU time of this thread.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    time::Duration,
};

use openssl::ssl::SslStream;
use rustix::time::{ClockId, clock_gettime};

/// The tenth, fifth and ninth tenth of what was measured.
pub(crate) fn tenths(values: &mut [f64]) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 10], values[values.len() / 2], values[values.len() * 9 / 10])
}

/// What a client says first, or next.
pub(crate) fn flight(client: &mut SslStream<Pipe>) -> Vec<u8> {
    assert!(client.do_handshake().is_err());
    std::mem::take(&mut client.get_mut().output)
}

/// Gives each client what its server said, and takes what it says next.
pub(crate) fn answer(clients: &mut [SslStream<Pipe>], flights: &mut [Vec<u8>], back: &mut Vec<Vec<u8>>) {
    for ((client, next), back) in clients.iter_mut().zip(flights).zip(back.drain(..)) {
        client.get_mut().input.extend(back);
        let _ = client.do_handshake();
        *next = std::mem::take(&mut client.get_mut().output);
    }
}

/// CPU time of this thread.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// A transport in memory.
#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) input: VecDeque<u8>,
    pub(crate) output: Vec<u8>,
}

impl Read for Pipe {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.input.read(out) }
    }
}

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.output.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
