//! PEM text.

use der::pem::{LineEnding, decode_vec, encode_string};

use crate::PkiError;

/// `CERTIFICATE`.
pub(crate) fn certificate(der: &[u8]) -> Result<String, PkiError> {
    block("CERTIFICATE", der)
}

pub(crate) fn block(label: &'static str, der: &[u8]) -> Result<String, PkiError> {
    encode_string(label, LineEnding::LF, der)
        .map_err(|error| PkiError::Encoding { what: label, problem: error.to_string() })
}

/// The contents of the first block with one of these labels; `bytes` themselves if they are no PEM text.
///
/// The error is what is wrong, for people.
pub(crate) fn one_of(labels: &[&str], bytes: &[u8]) -> Result<Vec<u8>, String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => text,
        _ => return Ok(bytes.to_vec()),
    };
    let block = labels.iter().find_map(|label| first_block(text, label));
    let Some(block) = block else {
        return Err(format!("no block `{}` in this PEM text", labels.first().unwrap_or(&"")));
    };
    let (_, der) =
        decode_vec(block.as_bytes()).map_err(|error| format!("the PEM text is damaged: {error}"))?;
    Ok(der)
}

/// The first block with this label, from its first to its last line.
pub(crate) fn first_block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let start = text.find(&format!("-----BEGIN {label}-----"))?;
    let end_line = format!("-----END {label}-----");
    let end = text.get(start..)?.find(&end_line)? + start + end_line.len();
    text.get(start..end)
}

/// Every certificate in PEM text, in its order, at least one.
///
/// The error is what is wrong, for people.
pub(crate) fn all_certificates(bytes: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    const LABEL: &str = "CERTIFICATE";
    let mut rest = std::str::from_utf8(bytes).map_err(|_| "it is no PEM text".to_owned())?;
    let mut all = Vec::new();
    while let Some(block) = first_block(rest, LABEL) {
        let (_, der) =
            decode_vec(block.as_bytes()).map_err(|error| format!("the PEM text is damaged: {error}"))?;
        all.push(der);
        let end = rest.find(block).map_or(rest.len(), |at| at + block.len());
        rest = rest.get(end..).unwrap_or_default();
    }
    if all.is_empty() { Err("it holds no certificate".to_owned()) } else { Ok(all) }
}
