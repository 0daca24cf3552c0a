//! Certificate revocation lists (RFC 5280 §5).

use std::{fmt, str::FromStr};

use der::Encode as _;
use onem2m::time::Timestamp;
use x509_cert::{
    Version,
    crl::{CertificateList, RevokedCert, TbsCertList},
    ext::pkix::{AuthorityKeyIdentifier, CrlNumber, CrlReason},
};

use crate::{Authority, PkiError, Serial, draft, pem, validity};

/// Why a certificate was withdrawn (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The private key is known to others.
    KeyCompromise,
    /// The private key of the authority is known to others.
    AuthorityCompromise,
    /// Something that the certificate says of its subject has changed.
    AffiliationChanged,
    /// Another certificate took its place.
    Superseded,
    /// It is not needed any more.
    CessationOfOperation,
    /// A right that it stands for was withdrawn.
    PrivilegeWithdrawn,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::KeyCompromise,
        Self::AuthorityCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::PrivilegeWithdrawn,
    ];

    /// The name in RFC 5280.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyCompromise => "keyCompromise",
            Self::AuthorityCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
        }
    }

    pub(crate) const fn code(self) -> CrlReason {
        match self {
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::AuthorityCompromise => CrlReason::CaCompromise,
            Self::AffiliationChanged => CrlReason::AffiliationChanged,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Reason {
    type Err = PkiError;

    fn from_str(text: &str) -> Result<Self, PkiError> {
        Self::ALL.into_iter().find(|reason| reason.name() == text).ok_or_else(|| {
            PkiError::name(
                "reason for a revocation",
                text,
                "expected keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or \
                 privilegeWithdrawn (RFC 5280 §5.3.1)",
            )
        })
    }
}

/// One withdrawn certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its serial number.
    pub serial: Serial,
    /// From when on it is not to be trusted.
    pub at: Timestamp,
    /// Why, unless unspecified.
    pub reason: Option<Reason>,
}

/// A list of withdrawn certificates, signed by their authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crl {
    /// DER `CertificateList`.
    pub der: Vec<u8>,
    /// The same as PEM (`X509 CRL`).
    pub pem: String,
}

impl Authority {
    /// Signs the list of all certificates of this authority that are withdrawn. `number` must grow from list
    /// to list.
    ///
    /// # Errors
    /// [`PkiError::Validity`] if `next_update` is not after `this_update`.
    pub fn crl(
        &self,
        revoked: &[Revocation],
        number: u64,
        this_update: Timestamp,
        next_update: Timestamp,
    ) -> Result<Crl, PkiError> {
        let span = crate::Validity::new(this_update, next_update)?;
        let mut extensions = Vec::new();
        let issuer = AuthorityKeyIdentifier {
            key_identifier: Some(draft::octets(&draft::key_identifier(self.spki())?)?),
            ..AuthorityKeyIdentifier::default()
        };
        extensions.push(draft::extension_of(false, &issuer)?);
        let number = CrlNumber::try_from(number).map_err(PkiError::der("CRL number"))?;
        extensions.push(draft::extension_of(false, &number)?);
        let entries = revoked.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let tbs_cert_list: TbsCertList = TbsCertList {
            version: Version::V2,
            signature: draft::algorithm(),
            issuer: self.subject().clone(),
            this_update: validity::time(span.not_before())?,
            next_update: Some(validity::time(span.not_after())?),
            // An empty list must be absent (RFC 5280 §5.1.2.6).
            revoked_certificates: (!entries.is_empty()).then_some(entries),
            crl_extensions: Some(extensions),
        };
        let what = "certificate revocation list";
        let signature = self.key().sign(&tbs_cert_list.to_der().map_err(PkiError::der(what))?)?;
        let list = CertificateList { tbs_cert_list, signature_algorithm: draft::algorithm(), signature };
        let der = list.to_der().map_err(PkiError::der(what))?;
        let pem = pem::block("X509 CRL", &der)?;
        Ok(Crl { der, pem })
    }
}

fn entry(revocation: &Revocation) -> Result<RevokedCert, PkiError> {
    let reason = revocation.reason.map(|reason| draft::extension_of(false, &reason.code())).transpose()?;
    Ok(RevokedCert {
        serial_number: revocation.serial.encoded()?,
        revocation_date: validity::time(revocation.at)?,
        crl_entry_extensions: reason.map(|reason| vec![reason]),
    })
}
