use sha2::{Digest, Sha256};

use crate::{Kpsa, PskIdentity};

pub use super::octets::DraftKeyId;

/// `Kcc_ID` of a key that two CSEs share: the leftmost 128 bits of SHA-256 over a fixed prefix and the key
/// (draft clause a.b.1). The identifier is a hash of the key: keys must have full entropy.
#[must_use]
pub fn kcc_id(key: &Kpsa) -> DraftKeyId {
    draft_key_id(b"oneM2M-Kcc_ID-Generation", key)
}

/// `Kca_ID` of a key that an AE and a CSE share (draft clause a.b.2).
#[must_use]
pub fn kca_id(key: &Kpsa) -> DraftKeyId {
    draft_key_id(b"oneM2M-Kca_ID-Generation", key)
}

fn draft_key_id(prefix: &[u8], key: &Kpsa) -> DraftKeyId {
    let digest = Sha256::new().chain_update(prefix).chain_update(key.expose()).finalize();
    let mut octets = [0; 16];
    octets.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    DraftKeyId::new(octets)
}

impl From<&DraftKeyId> for PskIdentity {
    fn from(id: &DraftKeyId) -> Self {
        Self::of_identifier(&id.to_string())
    }
}
