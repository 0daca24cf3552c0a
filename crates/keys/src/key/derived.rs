use crate::Secret;

use super::{chosen_key, derived_key};

chosen_key! {
    /// Kc: the M2M secure connection key of one pair of entities, which the MAF distributes. 32 octets from
    /// the exporter, 16 to 64 when the client chose it. The TLS `psk` of the MAF framework, in full (TS-0003
    /// §8.2.2.3, §10.3.1; register A-05).
    Kc, "Kc"
}

chosen_key! {
    /// pairwiseESPrimKey: what originator and receiver of protected primitives share, 16 to 64 octets, 32
    /// when derived (TS-0003 §8.4.2).
    PairwiseEsprimKey, "pairwiseESPrimKey"
}

chosen_key! {
    /// The key of one group of ESData end points for authenticated encryption, 16 to 64 octets, 32 when
    /// derived (TS-0003 §8.5, usages 14, 24, 34).
    EsdataEncryptionKey, "ESData encryption key"
}

chosen_key! {
    /// The key of one group of ESData end points for signatures alone, 16 to 64 octets, 32 when derived
    /// (TS-0003 §8.5, usages 15, 25, 35).
    EsdataSignatureKey, "ESData signature key"
}

derived_key! {
    /// pairwiseE2EKey: what two end points got out of a certificate handshake inside primitives, 32 octets
    /// (TS-0003 §8.7, §10.3.1).
    PairwiseE2eKey, "pairwiseE2EKey"
}

impl PairwiseE2eKey {
    pub(crate) const fn exported(secret: Secret) -> Self {
        Self(secret)
    }

    /// The same octets as a pairwiseESPrimKey: `ESCertKE` is one way to establish it, and the standard names
    /// no derivation in between (TS-0003 §8.4.2, §8.7.1).
    #[must_use]
    pub fn into_pairwise_esprim_key(self) -> PairwiseEsprimKey {
        PairwiseEsprimKey(self.0)
    }
}

impl Kc {
    pub(super) fn into_secret(self) -> Secret {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyError;

    #[test]
    fn lengths() {
        for octets in [0, 15, 16, 64, 65] {
            let good = (16..=64).contains(&octets);
            assert_eq!(Kc::new(Secret::new(vec![7; octets])).is_ok(), good, "{octets}");
            assert_eq!(PairwiseEsprimKey::new(Secret::new(vec![7; octets])).is_ok(), good, "{octets}");
        }
        assert_eq!(
            PairwiseE2eKey::new(Secret::new(vec![7; 31])).unwrap_err(),
            KeyError::Length { kind: "pairwiseE2EKey", octets: 31, expected: "exactly 32 octets" }
        );
        let key = PairwiseE2eKey::new(Secret::new(vec![7; 32])).unwrap();
        assert_eq!(format!("{key:?}"), "PairwiseE2eKey(32 octets)");
    }
}
