use onem2m::id::EntityId;

use crate::{
    KeyError,
    hmac::{hmac_sha256, nfkc},
    id::narrow,
};

use super::{Ke, Km, Kpsa};

const MASTER_CREDENTIAL: &[u8] = b"oneM2M Enrolment Key to Master Credential derivation";
const SECURE_CONNECTION: &[u8] = b"oneM2M Enrolment Key to Provisioned Secure Connection Key derivation";

/// The two derivations from Ke that came before the usage-constrained one. Only
/// [`Ke::legacy_derivation`] makes it, so that every use can be found by that name.
#[derive(Debug)]
pub struct LegacyDerivation<'ke>(&'ke Ke);

impl<'ke> LegacyDerivation<'ke> {
    pub(super) const fn new(ke: &'ke Ke) -> Self {
        Self(ke)
    }

    /// Km for the MAF with this MAF-ID, 32 octets (TS-0003 §10.3.2). The MAF-ID of today is the MAF's domain
    /// name; peers that need this derivation may have another one, hence text. It is taken in NFKC.
    #[must_use]
    pub fn km(&self, maf_id: &str) -> Km {
        Km::derived(hmac_sha256(self.0.expose(), &[MASTER_CREDENTIAL, nfkc(maf_id).as_bytes()]))
    }

    /// Kpsa towards `enrolee_b`, 32 octets (TS-0003 §10.3.3). The clause leaves the form of the identifier
    /// open; it is taken in absolute form and in NFKC.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if the identifier is outside of the alphabet of TS-0004 §6.2.3: two sides
    /// could write it differently.
    pub fn kpsa(&self, enrolee_b: &EntityId) -> Result<Kpsa, KeyError> {
        let identifier = narrow(enrolee_b)?;
        let key = hmac_sha256(self.0.expose(), &[SECURE_CONNECTION, nfkc(&identifier).as_bytes()]);
        Ok(Kpsa::derived(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[test]
    fn an_identifier_that_could_be_written_differently_is_refused() {
        let ke = Ke::new(Secret::new(vec![7; 32])).unwrap();
        let kpsa = |text: &str| ke.legacy_derivation().kpsa(&EntityId::Cse(text.parse().unwrap()));
        assert!(kpsa("//sp.example.com/mn-cse").is_ok());
        assert_eq!(
            kpsa("//sp.example.com/mn~cse").unwrap_err().to_string(),
            "CSE-ID \"//sp.example.com/mn~cse\": expected the grammar of TS-0004 §6.2.3 where keys are derived"
        );
    }
}
