//! Authorities: who signs.

use der::{
    Decode as _, Encode as _,
    asn1::{Ia5String, Null, ObjectIdentifier},
    oid::db::rfc5280::{ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH},
};
use keys::Rng;
use x509_cert::{
    Certificate,
    ext::pkix::{
        AccessDescription, AuthorityInfoAccessSyntax, BasicConstraints, KeyUsages, name::GeneralName,
    },
    name::Name,
};
use zeroize::Zeroizing;

use crate::{
    Constraints, PkiError, PrivateKey, Profile, Request, Serial, SubjectKey, Validity, draft, draft::Draft,
    key::is_p256_spki, lint, pem,
};

const ID_KP_OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
const ID_PKIX_OCSP_NOCHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
const ID_AD_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");

/// A certificate and the means to use it.
#[derive(Debug)]
pub struct Issued {
    /// Its serial number.
    pub serial: Serial,
    /// The certificate and those of the authorities above it, DER, leaf first, without the root.
    pub chain_der: Vec<Vec<u8>>,
    /// The same as PEM.
    pub chain_pem: String,
    /// The private key, if it was made here.
    pub key: Option<PrivateKey>,
    /// The same as PKCS #8 PEM.
    pub key_pem: Option<Zeroizing<String>>,
}

impl Issued {
    pub(crate) fn new(
        serial: Serial,
        chain_der: Vec<Vec<u8>>,
        key: Option<PrivateKey>,
    ) -> Result<Self, PkiError> {
        let chain_pem = chain_der.iter().map(|der| pem::certificate(der)).collect::<Result<_, _>>()?;
        let key_pem = key.as_ref().map(PrivateKey::to_pem).transpose()?;
        Ok(Self { serial, chain_der, chain_pem, key, key_pem })
    }

    /// The certificate alone, DER.
    #[must_use]
    pub fn leaf_der(&self) -> &[u8] {
        self.chain_der.first().map_or(&[], Vec::as_slice)
    }
}

/// What everybody may know of an authority: by what its certificates are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Public {
    pub(crate) subject: Name,
    /// DER `SubjectPublicKeyInfo`.
    pub(crate) spki: Vec<u8>,
}

/// A certification authority: a root, or an intermediate below one.
#[derive(Debug)]
pub struct Authority {
    subject: Name,
    key: PrivateKey,
    spki: Vec<u8>,
    /// Its own certificate and those above it, the root last, DER.
    path: Vec<Vec<u8>>,
    ocsp_url: Option<String>,
}

impl Authority {
    /// Makes a root: a self-signed certificate of a new key.
    ///
    /// # Errors
    /// [`PkiError`] if there is no randomness.
    pub fn new_root(common_name: &str, validity: Validity, rng: &dyn Rng) -> Result<Self, PkiError> {
        let (draft, key) = Self::top(common_name, &Constraints::none(), validity, rng)?;
        let certificate = draft.sign(&key)?;
        Self::alone(&draft, certificate, key)
    }

    pub(crate) fn top(
        common_name: &str,
        constraints: &Constraints,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<(Draft, PrivateKey), PkiError> {
        let key = PrivateKey::generate(rng)?;
        let subject = draft::named(common_name)?;
        let mut draft = Draft {
            subject: subject.clone(),
            issuer: subject,
            serial: Serial::draw(rng)?,
            validity,
            spki: key.spki_der()?,
            extensions: Vec::new(),
        };
        let own = draft.spki.clone();
        fill_authority(&mut draft, None, constraints, &own)?;
        Ok((draft, key))
    }

    pub(crate) fn alone(draft: &Draft, certificate: Vec<u8>, key: PrivateKey) -> Result<Self, PkiError> {
        let subject = draft.subject.clone();
        Ok(Self { subject, spki: key.spki_der()?, key, path: vec![certificate], ocsp_url: None })
    }

    /// Makes an authority below this one, with a new key, that may certify end entities only.
    ///
    /// # Errors
    /// [`PkiError`] if there is no randomness.
    pub fn intermediate(
        &self,
        common_name: &str,
        constraints: &Constraints,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<Self, PkiError> {
        self.intermediate_with(common_name, constraints, Some(0), validity, rng)
    }

    /// Makes an authority below this one, with a new key; `below` is how many authorities may follow it, as
    /// many as one likes if absent.
    ///
    /// # Errors
    /// [`PkiError`] if there is no randomness.
    pub fn intermediate_with(
        &self,
        common_name: &str,
        constraints: &Constraints,
        below: Option<u8>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<Self, PkiError> {
        let (draft, key) = self.below(common_name, constraints, below, validity, rng)?;
        let certificate = draft.sign(&self.key)?;
        self.joined(&draft, certificate, key)
    }

    pub(crate) fn below(
        &self,
        common_name: &str,
        constraints: &Constraints,
        below: Option<u8>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<(Draft, PrivateKey), PkiError> {
        let key = PrivateKey::generate(rng)?;
        let mut draft = self.draft(draft::named(common_name)?, key.spki_der()?, validity, rng)?;
        fill_authority(&mut draft, below, constraints, &self.spki)?;
        Ok((draft, key))
    }

    pub(crate) fn joined(
        &self,
        draft: &Draft,
        certificate: Vec<u8>,
        key: PrivateKey,
    ) -> Result<Self, PkiError> {
        let mut path = vec![certificate];
        path.extend(self.path.iter().cloned());
        let subject = draft.subject.clone();
        Ok(Self { subject, spki: key.spki_der()?, key, path, ocsp_url: self.ocsp_url.clone() })
    }

    /// The authority that was made earlier: its certificate, those above it up to the root, and its key.
    ///
    /// # Errors
    /// [`PkiError::AuthorityCertificate`] if the first certificate is no authority's or does not parse,
    /// [`PkiError::KeyMismatch`] if the key is another's.
    pub fn from_parts(path: Vec<Vec<u8>>, key: PrivateKey) -> Result<Self, PkiError> {
        let bad = PkiError::AuthorityCertificate;
        let own = parsed(&path)?;
        let tbs = own.tbs_certificate();
        let basic =
            tbs.get_extension::<BasicConstraints>().map_err(|_| bad("basicConstraints does not parse"))?;
        if !basic.is_some_and(|(_, basic)| basic.ca) {
            return Err(bad("basicConstraints does not say that it is one (RFC 5280 §4.2.1.9)"));
        }
        let spki = tbs.subject_public_key_info().to_der().map_err(|_| PkiError::PublicKey)?;
        if spki != key.spki_der()? {
            return Err(PkiError::KeyMismatch(tbs.subject().to_string()));
        }
        Ok(Self { subject: tbs.subject().clone(), key, spki, path, ocsp_url: None })
    }

    /// What everybody may know of it.
    pub(crate) fn to_public(&self) -> Public {
        Public { subject: self.subject.clone(), spki: self.spki.clone() }
    }

    /// What everybody may know of the authority whose certificate is the first.
    pub(crate) fn public(path: &[Vec<u8>]) -> Result<Public, PkiError> {
        let own = parsed(path)?;
        let tbs = own.tbs_certificate();
        let spki = tbs.subject_public_key_info().to_der().map_err(|_| PkiError::PublicKey)?;
        Ok(Public { subject: tbs.subject().clone(), spki })
    }

    /// The serial number of its certificate.
    ///
    /// # Errors
    /// [`PkiError::Name`] if it is none.
    pub fn serial(&self) -> Result<Serial, PkiError> {
        Serial::new(parsed(&self.path)?.tbs_certificate().serial_number().as_bytes())
    }

    /// From now on issued certificates say that status can be asked for at this URL (RFC 5280 §4.2.2.1).
    #[must_use]
    pub fn with_ocsp_url(mut self, url: impl Into<String>) -> Self {
        self.ocsp_url = Some(url.into());
        self
    }

    /// Makes a certificate, after a look at it: what a peer will see, it and the intermediates, must follow
    /// the profile.
    ///
    /// # Errors
    /// [`PkiError::Profile`] with every rule that would be broken; [`PkiError`] if the name has no form in a certificate, the key is not of P-256, or the request asks
    /// for another name.
    pub fn issue(
        &self,
        profile: &Profile,
        key: SubjectKey<'_>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<Issued, PkiError> {
        let (draft, fresh) = self.leaf(profile, key, validity, rng)?;
        if !is_p256_spki(&draft.spki) {
            return Err(PkiError::PublicKey);
        }
        lint::check(&draft, profile, self.intermediates(), rng)?;
        let leaf = draft.sign(&self.key)?;
        self.issued(&draft, leaf, fresh)
    }

    pub(crate) fn leaf(
        &self,
        profile: &Profile,
        key: SubjectKey<'_>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<(Draft, Option<PrivateKey>), PkiError> {
        let (spki, fresh) = match key {
            SubjectKey::Fresh => {
                let key = PrivateKey::generate(rng)?;
                (key.spki_der()?, Some(key))
            }
            SubjectKey::Public(spki) => (spki.to_vec(), None),
            SubjectKey::Csr(bytes) => {
                let request = Request::from_bytes(bytes)?;
                request.check_names(profile)?;
                (request.spki().to_vec(), None)
            }
            SubjectKey::Private(key) => (key.spki_der()?, None),
        };
        let subject = draft::named(&profile.common_name())?;
        let mut draft = self.draft(subject, spki, validity, rng)?;
        self.fill_leaf(&mut draft, profile)?;
        Ok((draft, fresh))
    }

    pub(crate) fn issued(
        &self,
        draft: &Draft,
        leaf: Vec<u8>,
        fresh: Option<PrivateKey>,
    ) -> Result<Issued, PkiError> {
        let mut chain_der = vec![leaf];
        chain_der.extend(self.intermediates().iter().cloned());
        Issued::new(draft.serial.clone(), chain_der, fresh)
    }

    fn draft(
        &self,
        subject: Name,
        spki: Vec<u8>,
        validity: Validity,
        rng: &dyn Rng,
    ) -> Result<Draft, PkiError> {
        Ok(Draft {
            subject,
            issuer: self.subject.clone(),
            serial: Serial::draw(rng)?,
            validity,
            spki,
            extensions: Vec::new(),
        })
    }

    fn fill_leaf(&self, draft: &mut Draft, profile: &Profile) -> Result<(), PkiError> {
        if let Some(name) = profile.general_name()? {
            draft.push_names(vec![name])?;
        }
        draft.push_key_usage(&[KeyUsages::DigitalSignature])?;
        if *profile == Profile::OcspResponder {
            draft.push_key_purposes(&[ID_KP_OCSP_SIGNING])?;
            draft.extensions.push(draft::extension(ID_PKIX_OCSP_NOCHECK, false, &Null)?);
        } else {
            // Both: the two ends of an association change roles in the reverse one (TS-0003 §8.2.1).
            draft.push_key_purposes(&[ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH])?;
            self.push_ocsp_url(draft)?;
        }
        draft.push_key_identifiers(&self.spki)
    }

    fn push_ocsp_url(&self, draft: &mut Draft) -> Result<(), PkiError> {
        let Some(url) = &self.ocsp_url else { return Ok(()) };
        let url = Ia5String::new(url).map_err(PkiError::der("OCSP URL"))?;
        let access = AccessDescription {
            access_method: ID_AD_OCSP,
            access_location: GeneralName::UniformResourceIdentifier(url),
        };
        draft.push(false, &AuthorityInfoAccessSyntax(vec![access]))
    }

    /// Its certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        self.path.first().map_or(&[], Vec::as_slice)
    }

    /// Its certificate, PEM.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn certificate_pem(&self) -> Result<String, PkiError> {
        pem::certificate(self.certificate_der())
    }

    /// The root above it, or itself, DER.
    #[must_use]
    pub fn root_der(&self) -> &[u8] {
        self.path.last().map_or(&[], Vec::as_slice)
    }

    /// The root above it, or itself, PEM: what others configure as trust anchor.
    ///
    /// # Errors
    /// [`PkiError::Encoding`], in theory.
    pub fn root_pem(&self) -> Result<String, PkiError> {
        pem::certificate(self.root_der())
    }

    /// Its certificate and those above it, the root last, DER.
    #[must_use]
    pub fn path(&self) -> &[Vec<u8>] {
        &self.path
    }

    pub(crate) const fn subject(&self) -> &Name {
        &self.subject
    }

    /// DER `SubjectPublicKeyInfo` of its key.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// What stands between a certificate of this authority and the root: nothing if it is the root.
    fn intermediates(&self) -> &[Vec<u8>] {
        self.path.split_last().map_or(&[], |(_, below)| below)
    }

    /// Its private key.
    #[must_use]
    pub const fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// Makes a self-signed certificate that names nobody, for enrolment by the hash of its key. Its names and
/// dates mean nothing to whoever trusts the hash.
///
/// # Errors
/// [`PkiError`] if there is no randomness.
pub fn self_signed(
    common_name: &str,
    key: Option<&PrivateKey>,
    validity: Validity,
    rng: &dyn Rng,
) -> Result<Issued, PkiError> {
    let fresh = if key.is_some() { None } else { Some(PrivateKey::generate(rng)?) };
    let key = key.or(fresh.as_ref()).ok_or(PkiError::PrivateKey("there is none"))?;
    let subject = draft::named(common_name)?;
    let spki = key.spki_der()?;
    let mut draft = Draft {
        subject: subject.clone(),
        issuer: subject,
        serial: Serial::draw(rng)?,
        validity,
        spki: spki.clone(),
        extensions: Vec::new(),
    };
    draft.push_key_usage(&[KeyUsages::DigitalSignature])?;
    draft.push_key_identifiers(&spki)?;
    let der = draft.sign(key)?;
    Issued::new(draft.serial, vec![der], fresh)
}

fn parsed(path: &[Vec<u8>]) -> Result<Certificate, PkiError> {
    let bad = PkiError::AuthorityCertificate;
    let own = path.first().ok_or_else(|| bad("there is none"))?;
    Certificate::from_der(own).map_err(|_| bad("it is no DER certificate"))
}

fn fill_authority(
    draft: &mut Draft,
    below: Option<u8>,
    constraints: &Constraints,
    issuer_key: &[u8],
) -> Result<(), PkiError> {
    draft.push_authority(below)?;
    // The profile asks for digitalSignature of every certificate, those of authorities among them (TS-0003
    // §10.1.1.1); the authority signs OCSP responses with it as well.
    draft.push_key_usage(&[KeyUsages::DigitalSignature, KeyUsages::KeyCertSign, KeyUsages::CRLSign])?;
    if let Some(constraints) = constraints.extension() {
        draft.push(true, &constraints)?;
    }
    draft.push_key_identifiers(issuer_key)
}
