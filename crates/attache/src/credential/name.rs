//! Which credential an operator means.

use keys::{CertificateName, CertificateUse, CredentialId, PskIdentity, PublicKeyIdentifier};
use store::{Conflict, Enrolments as _, Store};

use crate::outcome::Failure;

/// The credential that `text` names: by its `psk_identity`, its Credential-ID, or the hash of its public key. What
/// could be either is the `psk_identity` of a key, if there is one.
pub(super) async fn credential_named(store: &Store, text: &str) -> Result<CredentialId, Failure> {
    let identity: PskIdentity = text.parse().map_err(Failure::usage)?;
    let key = CredentialId::saef_key(&identity);
    let hash = text
        .parse::<PublicKeyIdentifier>()
        .ok()
        .map(|hash| CredentialId::certificate(CertificateUse::Tls, &CertificateName::RawPublicKey(hash)));
    let candidates: Vec<CredentialId> =
        [Some(key.clone()), text.parse().ok(), hash].into_iter().flatten().collect();
    let found = store.read(move |records| {
        for id in candidates {
            if let Some(found) = records.credential_facts(&id)? {
                return Ok(Some(found.credential_id));
            }
        }
        Ok(None)
    });
    found.await?.ok_or_else(|| Failure::usage(Conflict::NoCredential { credential_id: key.to_string() }))
}
