//! As much of an HTTP client as the measured requests need.

use std::io::Read;
use std::net::TcpStream;

use openssl::ssl::SslStream;

use crate::load::{self, ConnectionError};

/// No header block of the measured servers is longer than this.
const HEADER_LIMIT: usize = 16 * 1_024;

/// Reads one answer to its end and returns its header block.
pub(super) fn answer(stream: &mut SslStream<TcpStream>) -> Result<String, ConnectionError> {
    let mut answer = Vec::new();
    let mut piece = [0; 4_096];
    let header = loop {
        let octets = stream.read(&mut piece)?;
        answer.extend(piece.iter().take(octets));
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        match end {
            Some(end) => break end + 4,
            None if octets == 0 || answer.len() > HEADER_LIMIT => {
                return Err(ConnectionError::Answer(String::from_utf8_lossy(&answer).into_owned()));
            }
            None => {}
        }
    };
    let (head, content) = answer.split_at(header);
    let head = String::from_utf8_lossy(head).into_owned();
    let length: usize = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut rest = vec![0; length.saturating_sub(content.len())];
    load::read_exactly(stream, &mut rest)?;
    Ok(head)
}

/// The value of a header field, whose name may be written in any case.
pub(super) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_fields_are_found_in_any_case() {
        let head = "HTTP/1.1 200 OK\r\nX-M2M-RSC: 2000\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(field(head, "x-m2m-rsc"), Some("2000"));
        assert_eq!(field(head, "Content-Length"), Some("5"));
        assert_eq!(field(head, "x-m2m-ri"), None);
    }
}
