//! Lists that travel as one text.

use super::percent;

/// Splits a query value at its plus signs and decodes each part. Plus is the separator, so a plus within a
/// part is encoded (TS-0009 §6.2.2.2). No part may be empty.
pub(super) fn read_query(raw: &str) -> Result<Vec<String>, &'static str> {
    raw.split('+')
        .map(|part| if part.is_empty() { Err("has an empty part") } else { percent::decode(part) })
        .collect()
}

/// Reads a query value that is one text. Form encoders write a space as plus, and an encoder that means a
/// plus encodes it.
pub(super) fn read_query_text(raw: &str) -> Result<String, &'static str> {
    percent::decode(&raw.replace('+', "%20"))
}

/// Encodes the parts and joins them with plus signs.
pub(super) fn write_query(parts: impl Iterator<Item = String>) -> String {
    parts.map(|part| percent::encode(&part)).collect::<Vec<_>>().join("+")
}

/// Splits a header value at its plus signs; white space around a part means nothing (TS-0009 §6.4.24).
pub(super) fn read_header(value: &str) -> impl Iterator<Item = &str> {
    value.split('+').map(|part| part.trim_matches([' ', '\t']))
}
