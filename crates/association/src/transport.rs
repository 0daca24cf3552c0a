use std::io::{self, Read, Write};

/// The octets between OpenSSL and whoever moves them: a queue in each direction. Neither holds memory while
/// it is empty and the association idles.
#[derive(Debug, Default)]
pub(crate) struct MemIo {
    input: Vec<u8>,
    taken: usize,
    output: Vec<u8>,
}

impl MemIo {
    /// Octets that OpenSSL has not read yet.
    pub(crate) fn unread(&self) -> usize {
        self.input.len() - self.taken
    }

    pub(crate) fn push_input(&mut self, octets: &[u8]) {
        if self.taken > 0 && self.unread() == 0 {
            self.input.clear();
            self.taken = 0;
        }
        self.input.extend_from_slice(octets);
    }

    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    pub(crate) fn push_output(&mut self, octets: &[u8]) {
        self.output.extend_from_slice(octets);
    }

    pub(crate) fn consume_output(&mut self, octets: usize) {
        if octets >= self.output.len() {
            self.output = Vec::new();
        } else {
            self.output.drain(..octets);
        }
    }

    /// Gives back the memory of an input queue that was read to its end.
    pub(crate) fn release_input(&mut self) {
        if self.unread() == 0 {
            self.input = Vec::new();
            self.taken = 0;
        }
    }
}

impl Read for MemIo {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut rest = self.input.get(self.taken..).unwrap_or_default();
        if rest.is_empty() && !out.is_empty() {
            // The end of the transport is the association's business: OpenSSL only ever has to wait.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.read(out)?;
        self.taken += count;
        Ok(count)
    }
}

impl Write for MemIo {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.push_output(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
