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

/// A self-signed certificate for P-256 with its key.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) key: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Made {
    pub(crate) fn new(name: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        Self::with_key(name, PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap())
    }

    pub(crate) fn with_key(name: &str, key: PKey<Private>) -> Self {
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
        let subject = subject.build();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&BigNum::from_u32(7).unwrap().to_asn1_integer().unwrap()).unwrap();
        builder.set_subject_name(&subject).unwrap();
        builder.set_issuer_name(&subject).unwrap();
        builder.set_pubkey(&key).unwrap();
        builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
        builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { key, certificate: builder.build() }
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
    let mut all = ALL.get_or_init(Mutex::default).lock().unwrap();
    all.entry(name.to_owned()).or_insert_with(|| Made::new(name)).clone()
}
