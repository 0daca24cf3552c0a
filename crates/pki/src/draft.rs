//! A certificate before it is signed.

use der::{
    Decode as _, Encode as _,
    asn1::{ObjectIdentifier, OctetString},
    oid::AssociatedOid,
};
use p256::{
    ecdsa::{
        DerSignature, VerifyingKey,
        signature::{Keypair, Signer},
    },
    pkcs8::spki::DynSignatureAlgorithmIdentifier,
};
use sha1::{Digest as _, Sha1};
use x509_cert::{
    AlgorithmIdentifier, TbsCertificate,
    builder::{Builder as _, CertificateBuilder, profile::BuilderProfile},
    ext::{
        Extension,
        pkix::{
            AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName,
            SubjectKeyIdentifier, name::GeneralName,
        },
    },
    name::Name,
    spki::{SubjectPublicKeyInfoOwned, SubjectPublicKeyInfoRef},
};

use crate::{PkiError, PrivateKey, Serial, Validity};

const ECDSA_WITH_SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

/// Everything of a certificate but the signature. Signing it twice, with a throw-away key and then with the
/// authority's, yields the same contents.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) subject: Name,
    pub(crate) issuer: Name,
    pub(crate) serial: Serial,
    pub(crate) validity: Validity,
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Draft {
    /// The certificate, signed with ECDSA and SHA-256 (TS-0003 §10.1.1.3), as DER.
    pub(crate) fn sign(&self, key: &PrivateKey) -> Result<Vec<u8>, PkiError> {
        self.sign_by(key.signer())
    }

    /// The certificate, signed by `signer`, as DER.
    pub(crate) fn sign_by<S>(&self, signer: &S) -> Result<Vec<u8>, PkiError>
    where
        S: Signer<DerSignature> + Keypair<VerifyingKey = VerifyingKey> + DynSignatureAlgorithmIdentifier,
    {
        let spki = SubjectPublicKeyInfoOwned::from_der(&self.spki).map_err(|_| PkiError::PublicKey)?;
        let failed = PkiError::encoding("certificate");
        let (serial, validity) = (self.serial.encoded()?, self.validity.encoded()?);
        let builder = CertificateBuilder::new(self, serial, validity, spki).map_err(&failed)?;
        let certificate = builder.build::<_, DerSignature>(signer).map_err(&failed)?;
        certificate.to_der().map_err(PkiError::der("certificate"))
    }

    /// Adds an extension, behind the others.
    pub(crate) fn push<E: der::Encode + AssociatedOid>(
        &mut self,
        critical: bool,
        value: &E,
    ) -> Result<(), PkiError> {
        self.extensions.push(extension_of(critical, value)?);
        Ok(())
    }

    pub(crate) fn push_key_usage(&mut self, usages: &[KeyUsages]) -> Result<(), PkiError> {
        let usages = usages.iter().fold(der::flagset::FlagSet::default(), |all, usage| all | *usage);
        self.push(true, &KeyUsage(usages))
    }

    pub(crate) fn push_key_purposes(&mut self, purposes: &[ObjectIdentifier]) -> Result<(), PkiError> {
        self.push(false, &ExtendedKeyUsage(purposes.to_vec()))
    }

    /// subjectAltName: critical when there is no other subject (RFC 5280 §4.2.1.6).
    pub(crate) fn push_names(&mut self, names: Vec<GeneralName>) -> Result<(), PkiError> {
        let critical = self.subject.is_empty();
        self.push(critical, &SubjectAltName(names))
    }

    /// basicConstraints of an authority.
    pub(crate) fn push_authority(&mut self, below: Option<u8>) -> Result<(), PkiError> {
        self.push(true, &BasicConstraints { ca: true, path_len_constraint: below })
    }

    pub(crate) fn push_key_identifiers(&mut self, issuer_key: &[u8]) -> Result<(), PkiError> {
        let own = octets(&key_identifier(&self.spki)?)?;
        self.push(false, &SubjectKeyIdentifier(own))?;
        let issuer = AuthorityKeyIdentifier {
            key_identifier: Some(octets(&key_identifier(issuer_key)?)?),
            ..AuthorityKeyIdentifier::default()
        };
        self.push(false, &issuer)
    }
}

impl BuilderProfile for &Draft {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> x509_cert::builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

pub(crate) fn extension<E: der::Encode>(
    oid: ObjectIdentifier,
    critical: bool,
    value: &E,
) -> Result<Extension, PkiError> {
    let der = value.to_der().map_err(PkiError::der("extension"))?;
    Ok(Extension { extn_id: oid, critical, extn_value: octets(&der)? })
}

/// An extension whose type says what it is called.
pub(crate) fn extension_of<E: der::Encode + AssociatedOid>(
    critical: bool,
    value: &E,
) -> Result<Extension, PkiError> {
    extension(E::OID, critical, value)
}

/// ECDSA with SHA-256, without parameters (RFC 5758 §3.2).
pub(crate) fn algorithm() -> AlgorithmIdentifier {
    AlgorithmIdentifier { oid: ECDSA_WITH_SHA_256, parameters: None }
}

pub(crate) fn octets(value: &[u8]) -> Result<OctetString, PkiError> {
    OctetString::new(value).map_err(PkiError::der("octet string"))
}

/// SHA-1 of the public key's bits (RFC 5280 §4.2.1.2, first method): a name for a key, not a protection.
pub(crate) fn key_identifier(spki: &[u8]) -> Result<[u8; 20], PkiError> {
    let spki = SubjectPublicKeyInfoOwned::from_der(spki).map_err(|_| PkiError::PublicKey)?;
    Ok(Sha1::digest(spki.subject_public_key.raw_bytes()).into())
}

/// A name that is one common name; without one if it exceeds the 64 characters it may have (RFC 5280 A.1).
pub(crate) fn named(common_name: &str) -> Result<Name, PkiError> {
    if common_name.chars().count() > 64 {
        return Ok(Name::default());
    }
    // RFC 4514 §2.4: any octet may be written as two hexadecimal digits.
    let escaped: String = common_name
        .bytes()
        .map(|octet| match octet {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(octet).to_string(),
            _ => format!("\\{octet:02x}"),
        })
        .collect();
    format!("CN={escaped}").parse().map_err(PkiError::der("subject"))
}
