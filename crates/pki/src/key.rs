//! P-256 private keys.

use std::fmt;

use der::asn1::BitString;
use keys::Rng;
use p256::{
    SecretKey,
    ecdsa::{DerSignature, SigningKey, signature::Signer as _},
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding},
};
use zeroize::Zeroizing;

use crate::{PkiError, pem};

/// A scalar is refused with a chance of 2⁻³²; a generator that fails so often is broken.
const MAX_DRAWS: usize = 16;

/// A private key of P-256, the one curve of the profile (TS-0003 §10.1.1.1). Erased from memory when dropped;
/// never printed.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// Draws a key.
    ///
    /// # Errors
    /// [`PkiError::Randomness`] if the source fails.
    pub fn generate(rng: &dyn Rng) -> Result<Self, PkiError> {
        let mut scalar = Zeroizing::new([0_u8; 32]);
        for _ in 0..MAX_DRAWS {
            rng.fill(scalar.as_mut())?;
            if let Ok(key) = SecretKey::from_slice(scalar.as_ref()) {
                return Ok(Self(key.into()));
            }
        }
        Err(PkiError::PrivateKey("the source of randomness yields no usable number"))
    }

    /// Reads PKCS #8 (`PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), PEM or DER.
    ///
    /// # Errors
    /// [`PkiError::PrivateKey`] if it is neither, encrypted, or of another kind or curve. The error quotes
    /// nothing.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PkiError> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("-----BEGIN"));
        let key = match text {
            Some(text) if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
                return Err(PkiError::PrivateKey("it is encrypted"));
            }
            Some(text) => pem_key(text),
            None => SecretKey::from_pkcs8_der(bytes).ok().or_else(|| SecretKey::from_sec1_der(bytes).ok()),
        };
        let key = key.ok_or(PkiError::PrivateKey("found something else"))?;
        Ok(Self(key.into()))
    }

    /// PKCS #8 DER.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn to_der(&self) -> Result<Zeroizing<Vec<u8>>, PkiError> {
        let der = self
            .0
            .to_pkcs8_der()
            .map_err(|error| PkiError::Encoding { what: "private key", problem: error.to_string() })?;
        Ok(der.to_bytes())
    }

    /// PKCS #8 PEM, as `openssl genpkey` writes it.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, PkiError> {
        self.0
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| PkiError::Encoding { what: "private key", problem: error.to_string() })
    }

    /// DER `SubjectPublicKeyInfo` of its public key, the point uncompressed: 91 octets.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn spki_der(&self) -> Result<Vec<u8>, PkiError> {
        let der = self
            .0
            .verifying_key()
            .to_public_key_der()
            .map_err(|error| PkiError::Encoding { what: "public key", problem: error.to_string() })?;
        Ok(der.into_vec())
    }

    /// ECDSA over SHA-256 of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<BitString, PkiError> {
        let signature: DerSignature = self.0.sign(message);
        BitString::from_bytes(signature.as_bytes()).map_err(PkiError::der("signature"))
    }

    pub(crate) fn signer(&self) -> &SigningKey {
        &self.0
    }

    /// A second copy in memory, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.clone())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// The first key in PEM text. `openssl ecparam -genkey` puts the curve's name in a block of its own in front.
fn pem_key(text: &str) -> Option<SecretKey> {
    if let Some(block) = pem::first_block(text, "PRIVATE KEY") {
        return SecretKey::from_pkcs8_pem(block).ok();
    }
    SecretKey::from_sec1_pem(pem::first_block(text, "EC PRIVATE KEY")?).ok()
}

/// Reads a public key: PEM (`PUBLIC KEY`) or DER `SubjectPublicKeyInfo`; returns the latter.
///
/// # Errors
/// [`PkiError::PublicKey`] if it is none of P-256 with an uncompressed point.
pub fn public_key(bytes: &[u8]) -> Result<Vec<u8>, PkiError> {
    let spki = pem::one_of(&["PUBLIC KEY"], bytes).map_err(|_| PkiError::PublicKey)?;
    if is_p256_spki(&spki) { Ok(spki) } else { Err(PkiError::PublicKey) }
}

/// PEM text (`PUBLIC KEY`) of a DER `SubjectPublicKeyInfo`, as `openssl pkey -pubout` writes it.
///
/// # Errors
/// [`PkiError::Encoding`], in theory.
pub fn public_key_pem(spki: &[u8]) -> Result<String, PkiError> {
    pem::block("PUBLIC KEY", spki)
}

/// Whether `spki` is a `SubjectPublicKeyInfo` of P-256 with an uncompressed point on the curve.
pub(crate) fn is_p256_spki(spki: &[u8]) -> bool {
    use p256::pkcs8::DecodePublicKey as _;

    /// Everything in front of the point, which is 04, X and Y: 64 octets.
    const PREFIX: &[u8] = &[
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
        0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
    ];
    spki.starts_with(PREFIX) && p256::PublicKey::from_public_key_der(spki).is_ok()
}
