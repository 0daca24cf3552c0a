//! Certificates that break one rule on purpose, for the tests of those who must notice. Behind the feature
//! `testing`, so that no program can make them.
//!
//! ```
//! use keys::SeededRng;
//! use pki::{Authority, Profile, SubjectKey, Validity, testing::Twist};
//!
//! let rng = SeededRng::new(1);
//! let year = Validity::days("20260101T000000".parse()?, 365)?;
//! let root = Authority::new_root("Example root", year, &rng)?;
//! let mef = Profile::Fqdn("mef.example.org".parse()?);
//! let issued = root.issue_twisted(&mef, SubjectKey::Fresh, year, &rng, &[Twist::NoKeyUsage])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod signer;

use der::asn1::{Any, Ia5String, Null, ObjectIdentifier};
use keys::Rng;
use x509_cert::ext::pkix::{
    BasicConstraints, KeyUsage, KeyUsages,
    name::{GeneralName, OtherName},
};

use crate::{
    Authority, Constraints, Issued, PkiError, PrivateKey, Profile, Serial, SubjectKey, Validity,
    draft::{self, Draft},
    profile,
};

/// What is done to a certificate before, or after, it is signed.
#[derive(Debug, Clone, Copy)]
pub enum Twist<'a> {
    /// Leaves keyUsage out.
    NoKeyUsage,
    /// keyUsage with keyAgreement in place of digitalSignature.
    KeyUsageWithoutSignature,
    /// keyUsage without keyCertSign, for an authority.
    KeyUsageWithoutCertSign,
    /// Leaves subjectAltName out.
    NoNames,
    /// Other entries in subjectAltName.
    Names(&'a [San<'a>]),
    /// subjectAltName twice in the list of extensions.
    NamesTwice,
    /// No extension at all, which makes it a certificate of version 1.
    NoExtensions,
    /// An extension that nobody knows, marked critical.
    UnknownCritical,
    /// basicConstraints that make an authority of it.
    Authority,
    /// basicConstraints that make no authority of it.
    NoAuthority,
    /// Leaves basicConstraints out.
    NoBasicConstraints,
    /// Leaves the key identifiers out.
    NoKeyIdentifiers,
    /// A public key of P-384.
    P384Key,
    /// A public key of RSA.
    RsaKey,
    /// The same public key, compressed.
    CompressedPoint,
    /// A signature over SHA-384.
    Sha384,
    /// A signature with one bit changed.
    BadSignature,
    /// A signature by another key than the issuer's.
    SignedBy(&'a PrivateKey),
    /// Another issuer name than the issuer's.
    IssuerName(&'a str),
    /// extendedKeyUsage with these purposes alone, as dotted object identifiers.
    Purposes(&'a [&'a str]),
    /// The serial number.
    SerialNumber(&'a Serial),
}

/// An entry of subjectAltName, whether it makes sense or not.
#[derive(Debug, Clone, Copy)]
pub enum San<'a> {
    /// dNSName.
    Dns(&'a str),
    /// uniformResourceIdentifier.
    Uri(&'a str),
    /// rfc822Name.
    Email(&'a str),
    /// otherName with a RELATIVE-OID: type-id and arcs, dotted. No arcs: a RELATIVE-OID of no octets.
    Device(&'a str, &'a str),
    /// otherName with a `UTF8String`.
    OtherText(&'a str, &'a str),
    /// otherName with NULL.
    OtherNull(&'a str),
}

impl San<'_> {
    fn general_name(self) -> Result<GeneralName, PkiError> {
        let ia5 = |text: &str| Ia5String::new(text).map_err(PkiError::der("test name"));
        let oid = |text: &str| {
            ObjectIdentifier::new(text)
                .map_err(|_| PkiError::name("type-id", text, "expected dotted numbers"))
        };
        let any = |result: der::Result<Any>| result.map_err(PkiError::der("test name"));
        Ok(match self {
            Self::Dns(text) => GeneralName::DnsName(ia5(text)?),
            Self::Uri(text) => GeneralName::UniformResourceIdentifier(ia5(text)?),
            Self::Email(text) => GeneralName::Rfc822Name(ia5(text)?),
            Self::Device(type_id, arcs) => {
                let arcs = profile::arcs(arcs).unwrap_or_default();
                GeneralName::OtherName(profile::other_name(oid(type_id)?, &arcs)?)
            }
            Self::OtherText(type_id, text) => GeneralName::OtherName(OtherName {
                type_id: oid(type_id)?,
                value: any(Any::encode_from(&text.to_owned()))?,
            }),
            Self::OtherNull(type_id) => GeneralName::OtherName(OtherName {
                type_id: oid(type_id)?,
                value: any(Any::encode_from(&Null))?,
            }),
        })
    }
}

impl Authority {
    /// [`Self::issue`], with rules broken.
    ///
    /// # Errors
    /// [`PkiError`] as there.
    pub fn issue_twisted(
        &self,
        profile: &Profile,
        key: SubjectKey<'_>,
        validity: Validity,
        rng: &dyn Rng,
        twists: &[Twist<'_>],
    ) -> Result<Issued, PkiError> {
        let (mut draft, fresh) = self.leaf(profile, key, validity, rng)?;
        let leaf = apply(&mut draft, self.key(), twists)?;
        self.issued(&draft, leaf, fresh)
    }

    /// [`Self::intermediate_with`], with rules broken.
    ///
    /// # Errors
    /// [`PkiError`] as there.
    pub fn intermediate_twisted(
        &self,
        common_name: &str,
        constraints: &Constraints,
        below: Option<u8>,
        validity: Validity,
        rng: &dyn Rng,
        twists: &[Twist<'_>],
    ) -> Result<Self, PkiError> {
        let (mut draft, key) = self.below(common_name, constraints, below, validity, rng)?;
        let certificate = apply(&mut draft, self.key(), twists)?;
        self.joined(&draft, certificate, key)
    }

    /// [`Self::new_root`], with rules broken.
    ///
    /// # Errors
    /// [`PkiError`] as there.
    pub fn root_twisted(
        common_name: &str,
        constraints: &Constraints,
        validity: Validity,
        rng: &dyn Rng,
        twists: &[Twist<'_>],
    ) -> Result<Self, PkiError> {
        let (mut draft, key) = Self::top(common_name, constraints, validity, rng)?;
        let certificate = apply(&mut draft, &key, twists)?;
        Self::alone(&draft, certificate, key)
    }
}

fn apply(draft: &mut Draft, issuer: &PrivateKey, twists: &[Twist<'_>]) -> Result<Vec<u8>, PkiError> {
    for twist in twists {
        before(draft, *twist)?;
    }
    let issuer = twists
        .iter()
        .rev()
        .find_map(|twist| match twist {
            Twist::SignedBy(key) => Some(*key),
            _ => None,
        })
        .unwrap_or(issuer);
    let mut der = if twists.iter().any(|twist| matches!(twist, Twist::Sha384)) {
        draft.sign_by(&signer::Sha384(issuer.signer()))?
    } else {
        draft.sign(issuer)?
    };
    let spoil = twists.iter().any(|twist| matches!(twist, Twist::BadSignature));
    if let Some(last) = der.last_mut().filter(|_| spoil) {
        *last ^= 1;
    }
    Ok(der)
}

fn before(draft: &mut Draft, twist: Twist<'_>) -> Result<(), PkiError> {
    match twist {
        Twist::NoKeyUsage => drop_extension(draft, KEY_USAGE),
        Twist::KeyUsageWithoutSignature => replace_key_usage(draft, KeyUsages::KeyAgreement)?,
        Twist::KeyUsageWithoutCertSign => replace_key_usage(draft, KeyUsages::DigitalSignature)?,
        Twist::NoNames => drop_extension(draft, SUBJECT_ALT_NAME),
        Twist::Names(names) => {
            drop_extension(draft, SUBJECT_ALT_NAME);
            draft.push_names(names.iter().map(|name| name.general_name()).collect::<Result<_, _>>()?)?;
        }
        Twist::NamesTwice => {
            let again =
                draft.extensions.iter().find(|extension| extension.extn_id == SUBJECT_ALT_NAME).cloned();
            draft.extensions.extend(again);
        }
        Twist::NoExtensions => draft.extensions.clear(),
        Twist::UnknownCritical => draft.extensions.push(draft::extension(UNKNOWN, true, &Null)?),
        Twist::Authority | Twist::NoAuthority => {
            drop_extension(draft, BASIC_CONSTRAINTS);
            let ca = matches!(twist, Twist::Authority);
            draft.push(true, &BasicConstraints { ca, path_len_constraint: None })?;
        }
        Twist::NoBasicConstraints => drop_extension(draft, BASIC_CONSTRAINTS),
        Twist::NoKeyIdentifiers => {
            drop_extension(draft, SUBJECT_KEY_IDENTIFIER);
            drop_extension(draft, AUTHORITY_KEY_IDENTIFIER);
        }
        Twist::P384Key => draft.spki = include_bytes!("p384.spki.der").to_vec(),
        Twist::RsaKey => draft.spki = include_bytes!("rsa.spki.der").to_vec(),
        Twist::CompressedPoint => draft.spki = compressed(&draft.spki),
        Twist::IssuerName(name) => draft.issuer = draft::named(name)?,
        Twist::Purposes(purposes) => {
            drop_extension(draft, EXTENDED_KEY_USAGE);
            let purposes: Vec<_> =
                purposes.iter().filter_map(|oid| ObjectIdentifier::new(oid).ok()).collect();
            draft.push_key_purposes(&purposes)?;
        }
        Twist::SerialNumber(serial) => draft.serial = serial.clone(),
        Twist::Sha384 | Twist::BadSignature | Twist::SignedBy(_) => {}
    }
    Ok(())
}

const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.35");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
/// In the arc that is set aside for documentation.
const UNKNOWN: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");

fn drop_extension(draft: &mut Draft, oid: ObjectIdentifier) {
    draft.extensions.retain(|extension| extension.extn_id != oid);
}

fn replace_key_usage(draft: &mut Draft, usage: KeyUsages) -> Result<(), PkiError> {
    drop_extension(draft, KEY_USAGE);
    draft.push(true, &KeyUsage(usage.into()))
}

/// The `SubjectPublicKeyInfo` of the same P-256 point in its short form: 59 octets.
fn compressed(spki: &[u8]) -> Vec<u8> {
    const ALGORITHM: &[u8] = &[
        0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
        0x3d, 0x03, 0x01, 0x07,
    ];
    let (Some(x), Some(odd)) = (spki.get(27..59), spki.last().map(|last| last & 1)) else {
        return spki.to_vec();
    };
    let mut short = vec![0x30, 0x39];
    short.extend(ALGORITHM);
    short.extend([0x03, 0x22, 0x00, 0x02 | odd]);
    short.extend(x);
    short
}
