//! Private keys, and the certificates that they belong to.

use std::{fmt::Display, path::Path};

use certificate::Chain;
use net::PrivateKey;

use crate::outcome::Failure;

/// The private key that `pem` holds, read from `file`; it has to belong to the first certificate of the chain, where
/// one is given with the file that it is from.
///
/// # Errors
/// A [`Failure`] that names the file, and never repeats what is in it.
pub(crate) fn private_key(
    file: &Path,
    pem: &[u8],
    certificate: Option<(&Chain, &Path)>,
) -> Result<PrivateKey, Failure> {
    let wrong = |what: &dyn Display| Failure::usage(format_args!("{}: {what}", file.display()));
    let key = PrivateKey::from_pem(pem).map_err(|error| wrong(&error))?;
    if let Some((chain, of)) = certificate {
        let public = key.public_key_der().map_err(|error| wrong(&error))?;
        if public != chain.spki() {
            let what = format!(
                "private key: does not belong to certificate 0 of {} (TS-0003 §8.1.2.3)",
                of.display()
            );
            return Err(wrong(&what));
        }
    }
    Ok(key)
}
