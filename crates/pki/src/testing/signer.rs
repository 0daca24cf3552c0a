//! A P-256 key that signs over another hash than the profile's.

use p256::{
    ecdsa::{
        DerSignature, Signature, SigningKey, VerifyingKey,
        signature::{Error, Keypair, Signer, hazmat::PrehashSigner as _},
    },
    pkcs8::{
        ObjectIdentifier,
        spki::{self, DynSignatureAlgorithmIdentifier},
    },
};
use sha2::{Digest as _, Sha384 as Hash};
use x509_cert::spki::AlgorithmIdentifierOwned;

pub(super) struct Sha384<'a>(pub(super) &'a SigningKey);

impl Keypair for Sha384<'_> {
    type VerifyingKey = VerifyingKey;

    fn verifying_key(&self) -> VerifyingKey {
        *self.0.verifying_key()
    }
}

impl DynSignatureAlgorithmIdentifier for Sha384<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        let oid = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
        Ok(AlgorithmIdentifierOwned { oid, parameters: None })
    }
}

impl Signer<DerSignature> for Sha384<'_> {
    fn try_sign(&self, message: &[u8]) -> Result<DerSignature, Error> {
        let signature: Signature = self.0.sign_prehash(&Hash::digest(message))?;
        Ok(signature.to_der())
    }
}
