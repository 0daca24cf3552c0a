//! Certificates written octet by octet, so that every one of them can be wrong. It shares no code with what
//! reads them, nor with `pki`.

mod der;

use ::der::Encode;
use ::der::asn1::ObjectIdentifier;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;

use onem2m::time::Timestamp;

pub(crate) use der::{boolean, context, explicit, integer, oid, sequence, tlv};

/// When every test takes place, unless it says otherwise.
pub(crate) const NOW: &str = "20260601T120000";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn now() -> Timestamp {
    at(NOW)
}

pub(crate) const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
pub(crate) const ECDSA_SHA384: &str = "1.2.840.10045.4.3.3";

pub(crate) const BASIC: &str = "2.5.29.19";
pub(crate) const USAGE: &str = "2.5.29.15";
pub(crate) const SAN: &str = "2.5.29.17";
pub(crate) const CONSTRAINTS: &str = "2.5.29.30";
pub(crate) const SKI: &str = "2.5.29.14";
pub(crate) const AKI: &str = "2.5.29.35";
pub(crate) const EKU: &str = "2.5.29.37";
pub(crate) const POLICY_CONSTRAINTS: &str = "2.5.29.36";

pub(crate) const DIGITAL_SIGNATURE: u8 = 0x80;
pub(crate) const KEY_CERT_SIGN: u8 = 0x04;
pub(crate) const CRL_SIGN: u8 = 0x02;

pub(crate) type Key = PKey<Private>;
/// A change to a certificate before it is signed.
pub(crate) type Edit<'a> = &'a dyn Fn(&mut Draft);

pub(crate) fn key() -> Key {
    key_on(Nid::X9_62_PRIME256V1)
}

pub(crate) fn key_on(curve: Nid) -> Key {
    let group = EcGroup::from_curve_name(curve).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

pub(crate) fn rsa() -> Key {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

pub(crate) fn spki(key: &Key) -> Vec<u8> {
    key.public_key_to_der().unwrap()
}

/// A name of one attribute, commonName as `UTF8String`.
pub(crate) fn common_name(text: &str) -> Vec<u8> {
    directory(&[("2.5.4.3", text)])
}

pub(crate) fn directory(attributes: &[(&str, &str)]) -> Vec<u8> {
    let rdns: Vec<u8> = attributes
        .iter()
        .flat_map(|(kind, text)| tlv(0x31, &sequence(&[oid(kind), tlv(0x0c, text.as_bytes())].concat())))
        .collect();
    sequence(&rdns)
}

pub(crate) fn algorithm(id: &str) -> Vec<u8> {
    sequence(&oid(id))
}

/// `UTCTime` or `GeneralizedTime`, by the length of the text.
pub(crate) fn time(text: &str) -> Vec<u8> {
    tlv(if text.len() == 13 { 0x17 } else { 0x18 }, text.as_bytes())
}

/// An extension: its identifier, whether it is critical, its value.
#[derive(Clone)]
pub(crate) struct Extension(pub(crate) String, pub(crate) bool, pub(crate) Vec<u8>);

/// A certificate before it is signed.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) inner: Vec<u8>,
    pub(crate) outer: Vec<u8>,
    pub(crate) digest: fn() -> MessageDigest,
    pub(crate) issuer: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) not_after: Vec<u8>,
    pub(crate) subject: Vec<u8>,
    pub(crate) spki: Vec<u8>,
    /// issuerUniqueID and subjectUniqueID, if any.
    pub(crate) unique: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

impl Draft {
    fn new(issuer: Vec<u8>, subject: Vec<u8>, key: &Key) -> Self {
        Self {
            version: explicit(0, &integer(&[2])),
            serial: draw(),
            inner: algorithm(ECDSA_SHA256),
            outer: algorithm(ECDSA_SHA256),
            digest: MessageDigest::sha256,
            issuer,
            not_before: time("260101000000Z"),
            not_after: time("280101000000Z"),
            subject,
            spki: spki(key),
            unique: Vec::new(),
            extensions: Vec::new(),
        }
    }

    pub(crate) fn put(&mut self, id: &str, critical: bool, value: Vec<u8>) {
        self.drop(id);
        self.extensions.push(Extension(id.to_owned(), critical, value));
    }

    pub(crate) fn drop(&mut self, id: &str) {
        self.extensions.retain(|extension| extension.0 != id);
    }

    pub(crate) fn usage(&mut self, bits: u8) {
        self.put(USAGE, true, tlv(0x03, &[u8::try_from(bits.trailing_zeros()).unwrap(), bits]));
    }

    pub(crate) fn names(&mut self, names: &[Vec<u8>]) {
        let critical = self.subject == sequence(&[]);
        self.put(SAN, critical, sequence(&names.concat()));
    }

    pub(crate) fn purposes(&mut self, purposes: &[&str]) {
        self.put(EKU, false, sequence(&purposes.iter().flat_map(|purpose| oid(purpose)).collect::<Vec<_>>()));
    }

    pub(crate) fn sign(&self, key: &Key) -> Vec<u8> {
        let extensions: Vec<u8> = self
            .extensions
            .iter()
            .flat_map(|Extension(id, critical, value)| {
                let critical = if *critical { boolean(true) } else { Vec::new() };
                sequence(&[oid(id), critical, tlv(0x04, value)].concat())
            })
            .collect();
        let extensions = if extensions.is_empty() { Vec::new() } else { explicit(3, &sequence(&extensions)) };
        let signed = sequence(
            &[
                self.version.as_slice(),
                &tlv(0x02, &self.serial),
                &self.inner,
                &self.issuer,
                &sequence(&[self.not_before.as_slice(), &self.not_after].concat()),
                &self.subject,
                &self.spki,
                &self.unique,
                &extensions,
            ]
            .concat(),
        );
        let mut signer = Signer::new((self.digest)(), key).unwrap();
        let signature = signer.sign_oneshot_to_vec(&signed).unwrap();
        sequence(&[signed, self.outer.clone(), tlv(0x03, &[&[0][..], &signature].concat())].concat())
    }
}

/// A serial number that is positive and unlike the others.
fn draw() -> Vec<u8> {
    let mut octets = vec![0; 8];
    openssl::rand::rand_bytes(&mut octets).unwrap();
    octets[0] = octets[0] & 0x3f | 0x40;
    octets
}

/// A CA: its name, its key, its certificate, and those above it without the root.
pub(crate) struct Ca {
    pub(crate) key: Key,
    pub(crate) name: Vec<u8>,
    pub(crate) der: Vec<u8>,
    pub(crate) above: Vec<Vec<u8>>,
}

impl Ca {
    pub(crate) fn root(edit: impl FnOnce(&mut Draft)) -> Self {
        Self::root_named("Root", edit)
    }

    pub(crate) fn root_named(name: &str, edit: impl FnOnce(&mut Draft)) -> Self {
        let key = key();
        let name = common_name(name);
        let mut draft = ca_draft(name.clone(), name, &key, &key);
        edit(&mut draft);
        let der = draft.sign(&key);
        Self { name: draft.subject, key, der, above: Vec::new() }
    }

    pub(crate) fn below(&self, name: &str, edit: impl FnOnce(&mut Draft)) -> Self {
        self.below_with(key(), name, edit)
    }

    /// [`Self::below`], with a key that may be of another kind.
    pub(crate) fn below_with(&self, key: Key, name: &str, edit: impl FnOnce(&mut Draft)) -> Self {
        let mut draft = ca_draft(self.name.clone(), common_name(name), &key, &self.key);
        edit(&mut draft);
        let der = draft.sign(&self.key);
        let mut above = Vec::new();
        above.push(der.clone());
        above.extend(self.above.iter().cloned());
        Self { name: draft.subject, key, der, above }
    }

    pub(crate) fn draft(&self, key: &Key, names: &[Vec<u8>]) -> Draft {
        let mut draft = Draft::new(self.name.clone(), common_name("Leaf"), key);
        draft.usage(DIGITAL_SIGNATURE);
        draft.names(names);
        draft.put(AKI, false, sequence(&context(0, &identifier(&self.key))));
        draft
    }

    /// A chain without the root.
    pub(crate) fn leaf(&self, names: &[Vec<u8>], edit: impl FnOnce(&mut Draft)) -> Vec<Vec<u8>> {
        let mut draft = self.draft(&key(), names);
        edit(&mut draft);
        let mut chain = vec![draft.sign(&self.key)];
        chain.extend(self.above.iter().cloned());
        chain
    }

    pub(crate) fn pem(&self) -> Vec<u8> {
        pem("CERTIFICATE", &self.der)
    }
}

fn ca_draft(issuer: Vec<u8>, subject: Vec<u8>, key: &Key, signer: &Key) -> Draft {
    let mut draft = Draft::new(issuer, subject, key);
    draft.usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN | CRL_SIGN);
    draft.put(BASIC, true, sequence(&boolean(true)));
    draft.put(SKI, false, tlv(0x04, &identifier(key)));
    draft.put(AKI, false, sequence(&context(0, &identifier(signer))));
    draft
}

/// A key identifier, whatever it is made of.
pub(crate) fn identifier(key: &Key) -> Vec<u8> {
    openssl::sha::sha1(&spki(key)).to_vec()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text.into_bytes()
}

pub(crate) fn dns(text: &str) -> Vec<u8> {
    context(2, text.as_bytes())
}

pub(crate) fn uri(text: &str) -> Vec<u8> {
    context(6, text.as_bytes())
}

pub(crate) fn mail(text: &str) -> Vec<u8> {
    context(1, text.as_bytes())
}

/// otherName with a RELATIVE-OID of these arcs.
pub(crate) fn device(kind: &str, arcs: &[u32]) -> Vec<u8> {
    other(kind, &tlv(0x0d, &relative(arcs)))
}

pub(crate) fn other(kind: &str, value: &[u8]) -> Vec<u8> {
    tlv(0xa0, &[oid(kind), explicit(0, value)].concat())
}

/// The contents of a RELATIVE-OID, taken from an object identifier that begins with 1.3.
pub(crate) fn relative(arcs: &[u32]) -> Vec<u8> {
    let text = arcs.iter().fold("1.3".to_owned(), |text, arc| format!("{text}.{arc}"));
    let whole = ObjectIdentifier::new(&text).unwrap().to_der().unwrap();
    whole[3..].to_vec()
}

/// `NameConstraints` with these bases.
pub(crate) fn constraints(permitted: &[Vec<u8>], excluded: &[Vec<u8>]) -> Vec<u8> {
    let trees = |number: u8, bases: &[Vec<u8>]| {
        let trees: Vec<u8> = bases.iter().flat_map(|base| sequence(base)).collect();
        if trees.is_empty() { Vec::new() } else { tlv(0xa0 | number, &trees) }
    };
    sequence(&[trees(0, permitted), trees(1, excluded)].concat())
}
