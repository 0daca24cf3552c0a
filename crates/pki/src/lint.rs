//! A look at each certificate before the authority's key signs it.

use certificate::{Chain, Flavour, Rule};
use keys::Rng;

use crate::{PkiError, PrivateKey, Profile, draft::Draft};

/// Whether the certificate that `draft` will be follows the profile, below `intermediates`. It is signed with
/// a key that is thrown away, so that a certificate that breaks a rule never exists under the authority's.
pub(crate) fn check(
    draft: &Draft,
    profile: &Profile,
    intermediates: &[Vec<u8>],
    rng: &dyn Rng,
) -> Result<(), PkiError> {
    let Some(flavour) = profile.flavour() else { return Ok(()) };
    let mut chain = vec![draft.sign(&PrivateKey::generate(rng)?)?];
    chain.extend(intermediates.iter().cloned());
    let broken = check_profile(&chain, flavour)?;
    if broken.is_empty() { Ok(()) } else { Err(PkiError::Profile(broken)) }
}

/// The rules that the chain breaks, but for the signature of the throw-away key.
fn check_profile(chain: &[Vec<u8>], flavour: Flavour) -> Result<Vec<certificate::Violation>, PkiError> {
    let chain = Chain::from_der(chain)
        .map_err(|error| PkiError::Encoding { what: "certificate", problem: error.to_string() })?;
    let mut broken = certificate::check_profile(&chain, flavour);
    broken.retain(|violation| {
        violation.rule != Rule::ChainSignature || !violation.place.starts_with("certificate 0,")
    });
    Ok(broken)
}
