//! Certificate signing requests (TS-0003 §10.1.4, RFC 2986).

use der::{Decode as _, Encode as _, asn1::ObjectIdentifier};
use p256::{
    ecdsa::{DerSignature, VerifyingKey, signature::Verifier as _},
    pkcs8::DecodePublicKey as _,
};
use x509_cert::{
    ext::{
        Extension,
        pkix::{
            BasicConstraints, SubjectAltName,
            name::{GeneralName, OtherName},
        },
    },
    request::{CertReq, ExtensionReq},
};

use crate::{PkiError, Profile, draft, key::is_p256_spki, pem};

/// The longest request that is read, PEM or DER.
pub const MAX_REQUEST_FILE: usize = 64 * 1024;

const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const EXTENSION_REQUEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.14");

/// A request whose signature shows that its sender holds the key.
#[derive(Debug)]
pub struct Request {
    spki: Vec<u8>,
    names: Vec<GeneralName>,
}

impl Request {
    /// Reads a PKCS #10 request, PEM or DER, and checks its key, its signature and that it does not ask to
    /// become an authority.
    ///
    /// # Errors
    /// [`PkiError::Request`], which names the field and the clause.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PkiError> {
        let form = |problem: &str| bad("form", problem, "RFC 2986 §4");
        if bytes.len() > MAX_REQUEST_FILE {
            return Err(form("longer than 64 KiB"));
        }
        let der = pem::one_of(&["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"], bytes)
            .map_err(|problem| form(&problem))?;
        let request =
            CertReq::from_der(&der).map_err(|_| form("no PKCS #10 request, neither PEM nor DER"))?;
        let spki = request.info.public_key.to_der().map_err(|_| PkiError::PublicKey)?;
        if !is_p256_spki(&spki) {
            return Err(bad(
                "subjectPublicKeyInfo",
                "expected an uncompressed point of P-256 (secp256r1)",
                "TS-0003 §10.1.1.1",
            ));
        }
        check_signature(&request, &spki)?;
        let extensions = requested_extensions(&request)?;
        Ok(Self { spki, names: names(&extensions)? })
    }

    /// DER `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether the request asks for the one name of this profile, in the name type that the profile uses.
    ///
    /// # Errors
    /// [`PkiError::Request`] that says which name it asks for instead.
    pub fn check_names(&self, profile: &Profile) -> Result<(), PkiError> {
        const FIELD: &str = "subjectAltName";
        let Some(expected) = profile.general_name()? else {
            return Err(bad(FIELD, "a key for OCSP is not certified on request", "RFC 6960 §4.2.2.2"));
        };
        let clause = profile.clause();
        match self.names.as_slice() {
            [] => Err(bad(FIELD, &format!("missing; expected {}", shown(&expected)), "TS-0003 §10.1.4")),
            [only] if *only == expected || is_bare(only, profile) => Ok(()),
            [only] => {
                Err(bad(FIELD, &format!("expected {}, found {}", shown(&expected), shown(only)), clause))
            }
            many => Err(bad(
                FIELD,
                &format!("expected {} alone, found {} names", shown(&expected), many.len()),
                clause,
            )),
        }
    }
}

fn bad(field: &'static str, problem: &str, clause: &'static str) -> PkiError {
    PkiError::Request { field, problem: problem.to_owned(), clause }
}

fn check_signature(request: &CertReq, spki: &[u8]) -> Result<(), PkiError> {
    const FIELD: &str = "signature";
    if request.algorithm.oid != draft::algorithm().oid {
        return Err(bad(FIELD, "expected ECDSA with SHA-256", "TS-0003 §10.1.1.1"));
    }
    let wrong = || bad(FIELD, "does not verify with the key in the request", "RFC 2986 §4.2");
    let key = VerifyingKey::from_public_key_der(spki).map_err(|_| wrong())?;
    let signature = DerSignature::from_bytes(request.signature.raw_bytes()).map_err(|_| wrong())?;
    let signed = request.info.to_der().map_err(|_| wrong())?;
    key.verify(&signed, &signature).map_err(|_| wrong())
}

fn requested_extensions(request: &CertReq) -> Result<Vec<Extension>, PkiError> {
    let broken = || bad("extensionRequest", "does not parse", "RFC 2985 §5.4.2");
    let mut all = Vec::new();
    for attribute in request.info.attributes.iter().filter(|attribute| attribute.oid == EXTENSION_REQUEST) {
        for value in attribute.values.iter() {
            let der = value.to_der().map_err(|_| broken())?;
            all.extend(ExtensionReq::from_der(&der).map_err(|_| broken())?.0);
        }
    }
    Ok(all)
}

fn names(extensions: &[Extension]) -> Result<Vec<GeneralName>, PkiError> {
    let mut names = Vec::new();
    for extension in extensions {
        match extension.extn_id {
            SUBJECT_ALT_NAME => {
                let found = SubjectAltName::from_der(extension.extn_value.as_bytes())
                    .map_err(|_| bad("subjectAltName", "does not parse", "RFC 5280 §4.2.1.6"))?;
                names.extend(found.0);
            }
            BASIC_CONSTRAINTS => {
                let basic = BasicConstraints::from_der(extension.extn_value.as_bytes())
                    .map_err(|_| bad("basicConstraints", "does not parse", "RFC 5280 §4.2.1.9"))?;
                if basic.ca {
                    return Err(bad("basicConstraints", "asks to become an authority", "RFC 5280 §4.2.1.9"));
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

/// The absolute AE-ID alone, which others may write in place of the URI with our scheme (register A-09).
fn is_bare(name: &GeneralName, profile: &Profile) -> bool {
    match (name, profile) {
        (GeneralName::UniformResourceIdentifier(uri), Profile::AeId(id)) => uri.as_str() == id.to_string(),
        _ => false,
    }
}

/// A name as `openssl` would print it, cut to 64 characters, control characters escaped.
fn shown(name: &GeneralName) -> String {
    let (kind, text) = match name {
        GeneralName::DnsName(text) => ("DNS", text.as_str().to_owned()),
        GeneralName::UniformResourceIdentifier(text) => ("URI", text.as_str().to_owned()),
        GeneralName::Rfc822Name(text) => ("email", text.as_str().to_owned()),
        GeneralName::OtherName(OtherName { type_id, value }) => ("otherName", {
            let value: String = value.value().iter().take(32).map(|octet| format!("{octet:02x}")).collect();
            format!("{type_id};{value}")
        }),
        GeneralName::IpAddress(_) => ("IP", "an address".to_owned()),
        GeneralName::DirectoryName(name) => ("dirName", name.to_string()),
        GeneralName::EdiPartyName(_) => ("ediPartyName", String::new()),
        GeneralName::RegisteredId(id) => ("registeredID", id.to_string()),
    };
    let text: String = text.chars().take(64).flat_map(char::escape_debug).collect();
    format!("{kind}:{text}")
}
