use crate::{
    Rng, RngError, Secret,
    hmac::{DERIVED_OCTETS, hmac_sha256},
};

use super::{Kpsa, chosen_key, derived_key};

derived_key! {
    /// `Ke2e_master`: the key from which the four end-to-end keys follow, 32 octets (TS-0003 §10.3.6.1).
    Ke2eMaster, "Ke2e_master"
}

derived_key! {
    /// `Ke2e_msg_auth`: authenticity of whole primitives, 32 octets (TS-0003 §10.3.6.2).
    Ke2eMsgAuth, "Ke2e_msg_auth"
}

derived_key! {
    /// `Ke2e_msg_conf`: confidentiality of whole primitives, 32 octets (TS-0003 §10.3.6.2).
    Ke2eMsgConf, "Ke2e_msg_conf"
}

derived_key! {
    /// `Ke2e_att_auth`: authenticity of attributes, 32 octets (TS-0003 §10.3.6.2).
    Ke2eAttAuth, "Ke2e_att_auth"
}

derived_key! {
    /// `Ke2e_att_conf`: confidentiality of attributes, 32 octets (TS-0003 §10.3.6.2).
    Ke2eAttConf, "Ke2e_att_conf"
}

chosen_key! {
    /// The random value that takes the place of Kpsa when a source makes its end-to-end keys by itself, 16 to
    /// 64 octets (TS-0003 §8.6.3, §10.3.6.1).
    SourceGeneratedValue, "source-generated value"
}

impl SourceGeneratedValue {
    /// Draws one of 32 octets.
    ///
    /// # Errors
    /// [`RngError`] if the source of randomness fails.
    pub fn draw(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = vec![0; DERIVED_OCTETS];
        rng.fill(&mut octets)?;
        Ok(Self(Secret::new(octets)))
    }

    /// The master key of the chain (TS-0003 §10.3.6.1); without a salt, 32 zero octets stand for it
    /// (RFC 5869 §2.2).
    #[must_use]
    pub fn e2e_master(&self, salt: Option<&[u8]>) -> Ke2eMaster {
        extract(self.expose(), salt)
    }
}

impl Kpsa {
    /// The master key of the end-to-end chain (TS-0003 §10.3.6.1); without a salt, 32 zero octets stand for
    /// it (RFC 5869 §2.2). The hash is SHA-256; the clause's identifier of the source is not an input
    /// (register A-23).
    #[must_use]
    pub fn e2e_master(&self, salt: Option<&[u8]>) -> Ke2eMaster {
        extract(self.expose(), salt)
    }
}

fn extract(key: &[u8], salt: Option<&[u8]>) -> Ke2eMaster {
    Ke2eMaster(hmac_sha256(salt.unwrap_or(&[0; DERIVED_OCTETS]), &[key]))
}

/// The four keys at the end of the chain (TS-0003 table 10.3.6.2-1). With an AEAD algorithm one of the two
/// message keys does both (§10.3.6.2).
#[derive(Debug)]
pub struct Ke2eKeys {
    /// Authenticity of whole primitives.
    pub message_authenticity: Ke2eMsgAuth,
    /// Confidentiality of whole primitives.
    pub message_confidentiality: Ke2eMsgConf,
    /// Authenticity of attributes.
    pub attribute_authenticity: Ke2eAttAuth,
    /// Confidentiality of attributes.
    pub attribute_confidentiality: Ke2eAttConf,
}

impl Ke2eMaster {
    /// Expands to the four keys (TS-0003 §10.3.6.2). Each is chained through the one before it, as in
    /// HKDF-Expand, but under a string of its own.
    #[must_use]
    pub fn expand(&self) -> Ke2eKeys {
        let next = |previous: &[u8], label: &str, number: u8| {
            hmac_sha256(self.expose(), &[previous, label.as_bytes(), &[number]])
        };
        let message_authenticity = next(&[], "E2E Message Authentication Key", 1);
        let message_confidentiality =
            next(message_authenticity.expose(), "E2E Message Confidentiality Key", 2);
        let attribute_authenticity =
            next(message_confidentiality.expose(), "E2E Attribute Authenticity Key", 3);
        let attribute_confidentiality =
            next(attribute_authenticity.expose(), "E2E Attribute Confidentiality Key", 4);
        Ke2eKeys {
            message_authenticity: Ke2eMsgAuth(message_authenticity),
            message_confidentiality: Ke2eMsgConf(message_confidentiality),
            attribute_authenticity: Ke2eAttAuth(attribute_authenticity),
            attribute_confidentiality: Ke2eAttConf(attribute_confidentiality),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KeyLengthPolicy, SeededRng};

    #[test]
    fn a_source_generated_value_takes_the_place_of_kpsa() {
        let value = SourceGeneratedValue::draw(&SeededRng::new(1)).unwrap();
        let kpsa = Kpsa::new(Secret::new(value.expose().to_vec()), KeyLengthPolicy::Strict).unwrap();
        for salt in [None, Some(&b""[..]), Some(&b"salt"[..])] {
            assert_eq!(value.e2e_master(salt).expose(), kpsa.e2e_master(salt).expose());
        }
        assert_eq!(kpsa.e2e_master(None).expose(), kpsa.e2e_master(Some(&[0; 32])).expose());
        assert_ne!(kpsa.e2e_master(None).expose(), kpsa.e2e_master(Some(b"salt")).expose());
    }
}
