//! PEM text.

use der::pem::{LineEnding, encode_string};

use crate::PkiError;

/// `CERTIFICATE`.
pub(crate) fn certificate(der: &[u8]) -> Result<String, PkiError> {
    block("CERTIFICATE", der)
}

pub(crate) fn block(label: &'static str, der: &[u8]) -> Result<String, PkiError> {
    encode_string(label, LineEnding::LF, der)
        .map_err(|error| PkiError::Encoding { what: label, problem: error.to_string() })
}
