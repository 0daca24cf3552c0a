//! PEM: text around base64 around DER (RFC 7468).

use base64::{Engine, engine::general_purpose::STANDARD};

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// The most octets of PEM text in a file of certificates.
pub const MAX_PEM: usize = 1 << 20;

/// A text that is no PEM, or not the PEM that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// The text is too long.
    #[error("PEM: {octets} octets, at most {most} are read")]
    TooLong {
        /// Its octets.
        octets: usize,
        /// How many are read.
        most: usize,
    },
    /// The file is not text.
    #[error("PEM: neither PEM text nor anything that looks like it (RFC 7468)")]
    NotText,
    /// There is no block at all.
    #[error("PEM: no \"{DASHES}BEGIN {expected}{DASHES}\" (RFC 7468)")]
    None {
        /// The label that was looked for.
        expected: &'static str,
    },
    /// A block has another label than the expected ones.
    #[error("PEM block {index}: is a {label}, expected {expected} (RFC 7468)")]
    Label {
        /// Place of the block in the text, from 0.
        index: usize,
        /// Its label, cut to 64 characters.
        label: String,
        /// The label that was looked for.
        expected: &'static str,
    },
    /// A block has no end line, or not its own.
    #[error("PEM block {index}: has no \"{DASHES}END {label}{DASHES}\" (RFC 7468)")]
    End {
        /// Place of the block in the text, from 0.
        index: usize,
        /// Its label.
        label: String,
    },
    /// What stands in a block is not base64.
    #[error("PEM block {index}: is not base64 (RFC 7468)")]
    Base64 {
        /// Place of the block in the text, from 0.
        index: usize,
    },
}

/// One block: its label among those that were asked for, and its octets.
pub(crate) struct Block {
    pub(crate) label: &'static str,
    pub(crate) der: Vec<u8>,
}

/// Whether `octets` look like PEM rather than DER.
pub(crate) fn looks_like_pem(octets: &[u8]) -> bool {
    octets.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The blocks of a PEM text, all with one of `labels`; what stands between blocks is skipped.
pub(crate) fn blocks(text: &[u8], labels: &[&'static str], most: usize) -> Result<Vec<Block>, PemError> {
    let expected = labels.first().copied().unwrap_or("CERTIFICATE");
    if text.len() > most {
        return Err(PemError::TooLong { octets: text.len(), most });
    }
    let text = std::str::from_utf8(text).map_err(|_| PemError::NotText)?;
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else {
            continue;
        };
        let index = found.len();
        let Some(label) = labels.iter().find(|known| **known == label).copied() else {
            return Err(PemError::Label { index, label: shown(label), expected });
        };
        let mut encoded = String::new();
        let end = format!("{DASHES}END {label}{DASHES}");
        loop {
            let line =
                lines.next().map(str::trim).ok_or_else(|| PemError::End { index, label: shown(label) })?;
            if line == end {
                break;
            }
            if line.starts_with(DASHES) {
                return Err(PemError::End { index, label: shown(label) });
            }
            encoded.extend(line.chars().filter(|c| !c.is_ascii_whitespace()));
        }
        let der = STANDARD.decode(encoded).map_err(|_| PemError::Base64 { index })?;
        found.push(Block { label, der });
    }
    if found.is_empty() { Err(PemError::None { expected }) } else { Ok(found) }
}

/// A foreign text, cut to 64 characters, with control characters escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut quoted: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    if text.chars().count() > 64 {
        quoted.push('…');
    }
    quoted
}
