use crate::{KeyError, Secret, hmac::hmac_sha256};

use super::{
    EsprimProtocol, OriginatorRandObject, PairwiseEsprimKey, ReceiverRandObject, derived_key, key_access,
};

const SESSION_KEY: &[u8] = b"oneM2M HMAC-SHA256 sessionESPrimKey derivation algorithm";

derived_key! {
    /// sessionESPrimKey: what protects the primitives of one ESPrim session, 32 octets (TS-0003 §8.4.2,
    /// §10.3.8).
    SessionEsprimKey, "sessionESPrimKey"
}

impl PairwiseEsprimKey {
    /// The session key that follows from the two parties' rand objects, each in its canonical form (TS-0003
    /// §10.3.8.2). Whether the objects have expired is for the caller to judge, who knows the time.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the originator's object is no answer to the receiver's
    /// ([`OriginatorRandObject::answers`]).
    pub fn session_key(
        &self,
        receiver: &ReceiverRandObject,
        originator: &OriginatorRandObject,
    ) -> Result<SessionEsprimKey, KeyError> {
        originator.answers(receiver)?;
        let (receiver, originator) = (receiver.canonical(), originator.canonical());
        let parts = [receiver.as_bytes(), originator.as_bytes(), SESSION_KEY];
        Ok(SessionEsprimKey(hmac_sha256(self.expose(), &parts)))
    }
}

impl SessionEsprimKey {
    /// The content encryption key for `protocol`: the leftmost 16, 24 or 32 octets. The standard uses the
    /// session key "directly", which fits the longest algorithm alone (TS-0003 §8.4.2; register A-21).
    #[must_use]
    pub fn content_encryption_key(&self, protocol: EsprimProtocol) -> ContentEncryptionKey {
        let octets = self.expose().iter().copied().take(protocol.key_octets()).collect();
        ContentEncryptionKey(Secret::new(octets))
    }
}

/// The key of the AES-GCM under an ESPrim object: 16, 24 or 32 octets.
pub struct ContentEncryptionKey(Secret);

key_access!(ContentEncryptionKey);
