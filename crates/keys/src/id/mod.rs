//! Identifiers of keys.

mod at;
mod b_tid;
mod draft;
mod fetch;
mod octets;
mod public_key;
mod relative;
mod symmetric;

pub use at::{KeId, KeyIdentifier, KmId, KpmId, KpsaId};
pub use b_tid::{BTid, GbaIdentity, GbaKey};
pub use draft::{DraftKeyId, kca_id, kcc_id};
pub use fetch::FetchCredentials;
pub use octets::{KcId, PairwiseE2eKeyId, RelativeKeId};
pub use public_key::{PublicKeyHash, PublicKeyIdentifier};
pub use relative::RelativeKeyId;
pub use symmetric::SymmetricKeyId;

use onem2m::id::EntityId;

use crate::KeyError;

/// An entity's absolute identifier for use in a derivation, which takes the grammar of TS-0004 §6.2.3 alone:
/// the wider alphabet of TS-0001 §7.2 has characters that a peer might write in another form.
pub(crate) fn narrow(entity: &EntityId) -> Result<String, KeyError> {
    let (kind, narrow) = match entity {
        EntityId::Ae(id) => ("AE-ID", id.is_narrow()),
        EntityId::Cse(id) => ("CSE-ID", id.is_narrow()),
    };
    let text = entity.to_string();
    if narrow {
        return Ok(text);
    }
    Err(KeyError::identifier(kind, &text, "expected the grammar of TS-0004 §6.2.3 where keys are derived"))
}

/// Compares, orders and hashes by `canonical()`, so that two spellings of one identifier are one value.
macro_rules! compare_by_canonical {
    ($name:ident) => {
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.canonical() == other.canonical()
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.canonical().hash(state);
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.canonical().cmp(&other.canonical())
            }
        }
    };
}

use compare_by_canonical;
