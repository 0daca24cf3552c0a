//! Tag, length, value.

use ::der::Encode;
use ::der::asn1::ObjectIdentifier;

pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len().to_be_bytes();
    let significant: Vec<u8> = length.iter().copied().skip_while(|octet| *octet == 0).collect();
    let mut encoded = vec![tag];
    match value.len() {
        short @ 0..0x80 => encoded.push(u8::try_from(short).unwrap()),
        _ => {
            encoded.push(0x80 | u8::try_from(significant.len()).unwrap());
            encoded.extend(significant);
        }
    }
    encoded.extend(value);
    encoded
}

pub(crate) fn sequence(value: &[u8]) -> Vec<u8> {
    tlv(0x30, value)
}

pub(crate) fn context(number: u8, value: &[u8]) -> Vec<u8> {
    tlv(0x80 | number, value)
}

pub(crate) fn explicit(number: u8, value: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, value)
}

pub(crate) fn integer(value: &[u8]) -> Vec<u8> {
    tlv(0x02, value)
}

pub(crate) fn boolean(value: bool) -> Vec<u8> {
    tlv(0x01, &[if value { 0xff } else { 0 }])
}

pub(crate) fn oid(text: &str) -> Vec<u8> {
    ObjectIdentifier::new(text).unwrap().to_der().unwrap()
}
