use std::io::{BufRead, ErrorKind};

use zeroize::{Zeroize as _, Zeroizing};

use crate::{StoreError, csv_import::LineProblem};

/// Longest line that is read, in octets: several times what five good fields need.
const MAX_LINE: usize = 4096;

/// The lines of an input, one at a time, in a buffer that is erased behind each.
pub(super) struct Lines<R> {
    input: R,
    number: u64,
    /// Never grows, so that no copy of a key is left behind.
    buffer: Zeroizing<Vec<u8>>,
}

/// One line, without its end.
pub(super) enum Text<'a> {
    Line(&'a str),
    Bad(LineProblem),
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0, buffer: Zeroizing::new(Vec::with_capacity(MAX_LINE)) }
    }

    /// The next line and its number, counted from 1.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Text<'_>)>, StoreError> {
        self.buffer.zeroize();
        self.number += 1;
        let Some(whole) = self.fill()? else { return Ok(None) };
        if !whole {
            let expected = format!("expected at most {MAX_LINE} octets");
            return Ok(Some((self.number, Text::Bad(LineProblem::new("line", expected)))));
        }
        let Ok(text) = std::str::from_utf8(&self.buffer) else {
            return Ok(Some((self.number, Text::Bad(LineProblem::new("line", "expected UTF-8 text")))));
        };
        // Spreadsheets put a byte order mark first.
        let text = if self.number == 1 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        Ok(Some((self.number, Text::Line(text.strip_suffix('\r').unwrap_or(text)))))
    }

    /// Reads up to the end of the line; false if it was too long to keep, `None` at the end of the input.
    fn fill(&mut self) -> Result<Option<bool>, StoreError> {
        let (mut begun, mut whole) = (false, true);
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(StoreError::Input { line: self.number, reason: error.to_string() }),
            };
            if available.is_empty() {
                return Ok(begun.then_some(whole));
            }
            begun = true;
            let end = available.iter().position(|octet| *octet == b'\n');
            let piece = available.get(..end.unwrap_or(available.len())).unwrap_or_default();
            if self.buffer.len() + piece.len() > MAX_LINE {
                whole = false;
            } else if whole {
                self.buffer.extend_from_slice(piece);
            }
            let used = piece.len() + usize::from(end.is_some());
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(whole));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn all(input: &[u8], buffer: usize) -> Vec<(u64, Result<String, String>)> {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, input));
        let mut found = Vec::new();
        while let Some((number, text)) = lines.next().unwrap() {
            found.push(match text {
                Text::Line(text) => (number, Ok(text.to_owned())),
                Text::Bad(problem) => (number, Err(problem.to_string())),
            });
        }
        found
    }

    #[test]
    fn lines_end_with_either_mark_and_the_last_may_have_none() {
        for buffer in [1, 2, 7, 100] {
            let found = all("\u{feff}a\r\n\nb\nc".as_bytes(), buffer);
            let expected = ["a", "", "b", "c"].map(|text| Ok(text.to_owned()));
            assert_eq!(found, (1..).zip(expected).collect::<Vec<_>>());
            assert_eq!(all(b"", buffer), []);
            assert_eq!(all(b"a\n", buffer).len(), 1);
        }
    }

    #[test]
    fn a_line_too_long_or_not_text_is_skipped_and_the_next_is_read() {
        let mut input = vec![b'x'; MAX_LINE];
        input.extend_from_slice(b"\n");
        input.extend_from_slice(&vec![b'y'; MAX_LINE * 3]);
        input.extend_from_slice(b"\n\xff\xfe\nz\n");
        for buffer in [10, 5000, 100_000] {
            let found = all(&input, buffer);
            assert_eq!(found[0].1.as_ref().unwrap().len(), MAX_LINE);
            assert_eq!(found[1].1, Err("line: expected at most 4096 octets".to_owned()));
            assert_eq!(found[2].1, Err("line: expected UTF-8 text".to_owned()));
            assert_eq!(found[3], (4, Ok("z".to_owned())));
        }
    }
}
