//! What an end of ours proves itself with.

use openssl::{
    ec::EcKey,
    nid::Nid,
    pkey::{PKey, Private},
    ssl::{SslContextBuilder, SslMode},
    x509::X509,
};
use thiserror::Error;

use crate::Error;

/// What is wrong with a key or a certificate of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// The private key cannot be read.
    #[error("private key: expected PKCS#8 or SEC1, unencrypted, in {form} (RFC 5958, RFC 5915)")]
    UnreadableKey {
        /// PEM or DER.
        form: &'static str,
    },
    /// The private key is of another kind (TS-0003 §10.1.1).
    #[error("private key: expected one for P-256 (secp256r1), by the name of its curve (TS-0003 §10.1.1.1)")]
    NotP256,
    /// The private and the public part of the key belong to different keys.
    #[error("private key: its public part does not belong to it (RFC 5915 §3)")]
    InconsistentKey,
    /// There is no certificate.
    #[error("certificate chain: expected at least one certificate")]
    EmptyChain,
    /// A certificate cannot be read.
    #[error("certificate chain: certificate {position} is not one in DER")]
    UnreadableCertificate {
        /// Counted from 0, the end entity's.
        position: usize,
    },
    /// The certificate is for another key.
    #[error("the private key does not belong to certificate 0 of the chain")]
    KeyMismatch,
    /// Certificate suites are configured and nothing to prove oneself with.
    #[error("certificate suites are configured, but neither certificate nor raw public key")]
    Missing,
    /// Certificate suites are configured and nobody to judge what servers present.
    #[error("certificate suites are configured, but no check of the server's certificate")]
    NoServerCheck,
    /// The OpenSSL that is linked is older than 3.2.
    #[error("raw public keys need OpenSSL 3.2 or later, and {} is linked", ossl::version())]
    NoRawPublicKeys,
    /// A ticket key of another length.
    #[error("ticket key: expected 80 octets, found {octets}")]
    TicketKey {
        /// Octets found.
        octets: usize,
    },
}

/// A private key for P-256. Not printed, and erased by OpenSSL when the last use of it is dropped.
pub struct PrivateKey(PKey<Private>);

impl PrivateKey {
    /// Reads PKCS#8 or SEC1 in PEM.
    ///
    /// # Errors
    /// [`CredentialError::UnreadableKey`] (an encrypted one too), [`CredentialError::NotP256`],
    /// [`CredentialError::InconsistentKey`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, CredentialError> {
        // Without the callback OpenSSL would ask the terminal for a passphrase.
        let key = PKey::private_key_from_pem_callback(pem, |_| Ok(0));
        Self::checked(&key.map_err(|_| CredentialError::UnreadableKey { form: "PEM" })?)
    }

    /// Reads PKCS#8 or SEC1 in DER.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem).
    pub fn from_der(der: &[u8]) -> Result<Self, CredentialError> {
        let key = PKey::private_key_from_der(der);
        Self::checked(&key.map_err(|_| CredentialError::UnreadableKey { form: "DER" })?)
    }

    fn checked(key: &PKey<Private>) -> Result<Self, CredentialError> {
        let key = key.ec_key().map_err(|_| CredentialError::NotP256)?;
        if key.group().curve_name() != Some(Nid::X9_62_PRIME256V1) {
            return Err(CredentialError::NotP256);
        }
        key.check_key().map_err(|_| CredentialError::InconsistentKey)?;
        Self::of(key)
    }

    fn of(key: EcKey<Private>) -> Result<Self, CredentialError> {
        PKey::from_ec_key(key).map(Self).map_err(|_| CredentialError::InconsistentKey)
    }

    /// The public key: `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// [`Error::Engine`] if OpenSSL has no memory.
    pub fn public_key_der(&self) -> Result<Vec<u8>, Error> {
        Ok(self.0.public_key_to_der()?)
    }

    /// A second hold of the same key: nothing is copied.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What a server proves itself with.
pub enum ServerCredential {
    /// A certificate; the key alone for clients that ask for raw public keys, where the context allows it.
    Chain {
        /// Certificates in DER, the server's own first, the root left out.
        chain_der: Vec<Vec<u8>>,
        /// The key of the first.
        key: PrivateKey,
    },
    /// A raw public key alone (RFC 7250): who does not ask for one finds no suite in common.
    RawKey {
        /// The key.
        key: PrivateKey,
    },
}

/// What a client proves itself with, if the server asks for a certificate.
pub enum ClientIdentity {
    /// With nothing.
    None,
    /// With a certificate.
    Chain {
        /// Certificates in DER, the client's own first, the root left out.
        chain_der: Vec<Vec<u8>>,
        /// The key of the first.
        key: PrivateKey,
    },
    /// With a raw public key (RFC 7250), if the server takes one; else with nothing.
    RawKey {
        /// The key.
        key: PrivateKey,
    },
}

/// Gives OpenSSL a chain and its key.
pub(crate) fn install_chain(
    context: &mut SslContextBuilder,
    chain_der: &[Vec<u8>],
    key: &PrivateKey,
) -> Result<(), Error> {
    let mut position = 0;
    let read = |der: &Vec<u8>| {
        let certificate = X509::from_der(der).ok().filter(|read| read.to_der().ok().as_ref() == Some(der));
        position += 1;
        certificate.ok_or(CredentialError::UnreadableCertificate { position: position - 1 })
    };
    let mut chain = chain_der.iter().map(read).collect::<Result<Vec<_>, _>>()?.into_iter();
    let own = chain.next().ok_or(CredentialError::EmptyChain)?;
    let public = own.public_key().map_err(|_| CredentialError::KeyMismatch)?;
    if !public.public_eq(&key.0) {
        return Err(CredentialError::KeyMismatch.into());
    }
    context.set_certificate(&own)?;
    for issuer in chain {
        context.add_extra_chain_cert(issuer)?;
    }
    // The chain is what was configured, without a search for more of it at each handshake.
    context.set_mode(SslMode::NO_AUTO_CHAIN);
    install_key(context, key)
}

/// Gives OpenSSL a key that no certificate goes with.
pub(crate) fn install_key(context: &mut SslContextBuilder, key: &PrivateKey) -> Result<(), Error> {
    Ok(context.set_private_key(&key.0)?)
}

#[cfg(test)]
mod tests {
    use openssl::{ec::EcGroup, rsa::Rsa, symm::Cipher};

    use super::*;

    fn ec(curve: Nid) -> PKey<Private> {
        let group = EcGroup::from_curve_name(curve).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    #[test]
    fn a_key_is_read_in_each_form() {
        let key = ec(Nid::X9_62_PRIME256V1);
        let sec1 = key.ec_key().unwrap();
        let spki = key.public_key_to_der().unwrap();
        for read in [
            PrivateKey::from_pem(&key.private_key_to_pem_pkcs8().unwrap()),
            PrivateKey::from_pem(&sec1.private_key_to_pem().unwrap()),
            PrivateKey::from_der(&key.private_key_to_pkcs8().unwrap()),
            PrivateKey::from_der(&sec1.private_key_to_der().unwrap()),
        ] {
            assert_eq!(read.ok().unwrap().share().public_key_der().unwrap(), spki);
        }
    }

    #[test]
    fn other_keys_are_refused() {
        let refused = |key: &PKey<Private>| PrivateKey::from_der(&key.private_key_to_der().unwrap()).err();
        assert_eq!(refused(&ec(Nid::SECP384R1)), Some(CredentialError::NotP256));
        assert_eq!(refused(&ec(Nid::SECP256K1)), Some(CredentialError::NotP256));
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        assert_eq!(refused(&rsa), Some(CredentialError::NotP256));
        let key = ec(Nid::X9_62_PRIME256V1);
        let locked = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"x").unwrap();
        for unreadable in [locked.as_slice(), b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"] {
            let error = PrivateKey::from_pem(unreadable).err().unwrap();
            assert_eq!(error, CredentialError::UnreadableKey { form: "PEM" });
        }
        assert_eq!(
            PrivateKey::from_der(b"\x30\x00").err(),
            Some(CredentialError::UnreadableKey { form: "DER" })
        );
    }
}
