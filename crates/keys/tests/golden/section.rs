//! Reading a section of the vectors while keeping account of what was read.

use std::{cell::RefCell, collections::BTreeSet};

use keys::{KeyLengthPolicy, Kpsa, Secret};
use serde_json::Value;

use crate::ELSEWHERE;

/// Members that explain and prove nothing.
const PROSE: &[&str] = &["clause", "rule", "note", "choice", "why", "salt_note", "input", "key_source"];

pub(crate) fn vectors() -> Value {
    serde_json::from_str(include_str!("../data/onem2m.json")).unwrap()
}

/// A place in the vectors.
#[derive(Clone)]
pub(crate) struct Entry<'a> {
    path: String,
    value: &'a Value,
    read: &'a RefCell<BTreeSet<String>>,
}

/// Runs `proof` on a section and fails if it left anything unread.
pub(crate) fn prove(section: &str, proof: impl Fn(&Entry<'_>)) {
    let vectors = vectors();
    let read = RefCell::default();
    proof(&Entry { path: section.to_owned(), value: &vectors[section], read: &read });
    let mut unread = Vec::new();
    leaves(section, &vectors[section], &mut unread);
    unread.retain(|path| !read.borrow().contains(path));
    unread.retain(|path| !ELSEWHERE.iter().any(|(part, _)| path.starts_with(&format!("{part}/"))));
    assert!(unread.is_empty(), "the proof of {section} does not read {unread:#?}");
}

fn leaves(path: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(name, _)| !PROSE.contains(&name.as_str()))
            .for_each(|(name, member)| leaves(&format!("{path}/{name}"), member, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| leaves(&format!("{path}/{at}"), item, into));
        }
        _ => into.push(path.to_owned()),
    }
}

impl<'a> Entry<'a> {
    /// The member, which must be there.
    pub(crate) fn at(&self, name: &str) -> Self {
        let value = self.value.get(name).unwrap_or_else(|| panic!("{} has no {name}", self.path));
        Self { path: format!("{}/{name}", self.path), value, read: self.read }
    }

    pub(crate) fn items(&self, name: &str) -> Vec<Self> {
        let list = self.at(name);
        let items = list.value.as_array().unwrap().iter().enumerate();
        items
            .map(|(at, value)| Self { path: format!("{}/{at}", list.path), value, read: self.read })
            .collect()
    }

    fn leaf(&self) -> &'a Value {
        self.read.borrow_mut().insert(self.path.clone());
        self.value
    }

    /// This place itself as text.
    pub(crate) fn as_text(&self) -> &'a str {
        self.leaf().as_str().unwrap()
    }

    pub(crate) fn text(&self, name: &str) -> &'a str {
        self.at(name).as_text()
    }

    /// Text, or `None` where the vectors hold null.
    pub(crate) fn text_if_any(&self, name: &str) -> Option<&'a str> {
        self.at(name).leaf().as_str()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.at(name).leaf().as_bool().unwrap()
    }

    pub(crate) fn number(&self, name: &str) -> usize {
        self.at(name).leaf().as_u64().unwrap().try_into().unwrap()
    }

    pub(crate) fn number_if_any(&self, name: &str) -> Option<u64> {
        self.at(name).leaf().as_u64()
    }

    pub(crate) fn octets(&self, name: &str) -> Vec<u8> {
        hex::decode(self.text(name)).unwrap()
    }

    pub(crate) fn secret(&self, name: &str) -> Secret {
        Secret::new(self.octets(name))
    }

    pub(crate) fn kpsa(&self, name: &str) -> Kpsa {
        Kpsa::new(self.secret(name), KeyLengthPolicy::AllowShort).unwrap()
    }
}

/// HMAC-SHA-256 straight from the library, for what the vectors say about themselves.
pub(crate) fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    use hmac::{KeyInit, Mac};
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
