//! Certificates for tests.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock},
};

use association::{ClientIdentity, Presented, PrivateKey, ServerCredential};
use openssl::{
    asn1::Asn1Time,
    bn::BigNum,
    ec::{EcGroup, EcKey},
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    x509::{X509, X509Name},
};

/// A certificate for P-256 with its key, signed by that key or by another.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Made {
    pub(crate) fn new(name: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self::with_key(name, &PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    pub(crate) fn with_key(name: &str, key: &PKey<Private>) -> Self {
        Self::signed(name, key.clone(), name, key)
    }

    fn signed(name: &str, key: PKey<Private>, issuer: &str, by: &PKey<Private>) -> Self {
        let named = |name: &str| {
            let mut subject = X509Name::builder().unwrap();
            subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
            subject.build()
        };
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&named(name)).unwrap();
        builder.set_issuer_name(&named(issuer)).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        builder.sign(by, MessageDigest::sha256()).unwrap();
        Self { key, certificate: builder.build() }
    }

    /// OpenSSL staples nothing to a certificate that has signed itself.
    pub(crate) fn issued(name: &str, issuer: &str) -> Self {
        Self::signed(name, Self::new(name).key, issuer, &made(issuer).key)
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        self.certificate.to_der().unwrap()
    }

    pub(crate) fn private_key(&self) -> PrivateKey {
        PrivateKey::from_der(&self.key.private_key_to_der().unwrap()).unwrap()
    }

    pub(crate) fn server(&self) -> ServerCredential {
        ServerCredential::Chain { chain_der: vec![self.der()], key: self.private_key() }
    }

    pub(crate) fn client(&self) -> ClientIdentity {
        ClientIdentity::Chain { chain_der: vec![self.der()], key: self.private_key() }
    }

    pub(crate) fn presented(&self) -> Presented {
        Presented::Chain(vec![self.der()])
    }
}

/// The certificate of this name, the same for every call.
pub(crate) fn made(name: &str) -> Made {
    static ALL: OnceLock<Mutex<HashMap<String, Made>>> = OnceLock::new();
    let all = ALL.get_or_init(Mutex::default);
    if let Some(made) = all.lock().unwrap().get(name) {
        return made.clone();
    }
    let made = if name == "server" { Made::issued(name, "root") } else { Made::new(name) };
    all.lock().unwrap().entry(name.to_owned()).or_insert(made).clone()
}
