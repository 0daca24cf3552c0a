//! What two parties of ESPrim tell one another to make a session key from, and the octets it is hashed as.

use std::str::FromStr;

use onem2m::time::AbsRelTimestamp;
use serde::{Deserialize, Serialize};

use crate::{KeyError, Rng, RngError};

/// `m2m:esprimKeyGenAlgID`: how a session key is derived (TS-0004 §6.3.4.2.40).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum EsprimKeyGenAlgorithm {
    /// 1.
    HmacSha256,
}

impl EsprimKeyGenAlgorithm {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::HmacSha256 => 1,
        }
    }
}

/// `m2m:esprimProtocolAndAlgID`: how primitives are protected (TS-0004 §6.3.4.2.41).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum EsprimProtocol {
    /// 10: JWE compact serialisation with A128GCM.
    JweA128Gcm,
    /// 11: JWE compact serialisation with A192GCM.
    JweA192Gcm,
    /// 12: JWE compact serialisation with A256GCM.
    JweA256Gcm,
}

impl EsprimProtocol {
    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::JweA128Gcm => 10,
            Self::JweA192Gcm => 11,
            Self::JweA256Gcm => 12,
        }
    }

    /// The value of the JWE header `enc`.
    #[must_use]
    pub const fn enc(self) -> &'static str {
        match self {
            Self::JweA128Gcm => "A128GCM",
            Self::JweA192Gcm => "A192GCM",
            Self::JweA256Gcm => "A256GCM",
        }
    }

    /// Octets of its key.
    #[must_use]
    pub const fn key_octets(self) -> usize {
        match self {
            Self::JweA128Gcm => 16,
            Self::JweA192Gcm => 24,
            Self::JweA256Gcm => 32,
        }
    }
}

/// Conversions of an enumeration from and to its number.
macro_rules! numbered {
    ($type:ident, $kind:literal, [$($variant:ident),+]) => {
        impl From<$type> for u8 {
            fn from(value: $type) -> Self {
                value.code()
            }
        }

        impl TryFrom<u8> for $type {
            type Error = KeyError;

            fn try_from(code: u8) -> Result<Self, KeyError> {
                [$(Self::$variant),+].into_iter().find(|value| value.code() == code).ok_or_else(|| {
                    KeyError::identifier($kind, &code.to_string(), "not defined (TS-0004 §6.3.4.2)")
                })
            }
        }
    };
}

numbered!(EsprimKeyGenAlgorithm, "esprimKeyGenAlgID", [HmacSha256]);
numbered!(EsprimProtocol, "esprimProtocolAndAlgID", [JweA128Gcm, JweA192Gcm, JweA256Gcm]);

/// A name without colon, as XML Schema's `NCName`, 1 to 128 octets: an ASCII letter or `_`, then letters,
/// digits, `.`, `_`, `-`. Such text has the same form in every serialisation.
fn ncname(kind: &'static str, text: &str) -> Result<(), KeyError> {
    let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-".contains(&octet));
    if first && rest && text.len() <= 128 {
        return Ok(());
    }
    Err(KeyError::identifier(
        kind,
        text,
        "expected an NCName of at most 128 ASCII characters (TS-0004 §6.3.5.50)",
    ))
}

/// esprimRandValue: an `NCName` that carries 128 random bits; ours is `R` and 32 upper-case hexadecimal
/// digits (register A-21).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RandValue(Box<str>);

impl RandValue {
    /// Draws a fresh value.
    ///
    /// # Errors
    /// [`RngError`] if the source of randomness fails.
    pub fn draw(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = [0; 16];
        rng.fill(&mut octets)?;
        Ok(Self(format!("R{}", hex::encode_upper(octets)).into()))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RandValue {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        ncname("esprimRandValue", text).map(|()| Self(text.into()))
    }
}

impl TryFrom<String> for RandValue {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<RandValue> for String {
    fn from(value: RandValue) -> Self {
        value.0.into()
    }
}

/// What both objects begin with. Times stay as they were written: the hash is over the text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    id: Box<str>,
    value: RandValue,
    expiry: Box<str>,
}

impl Head {
    fn new(id: &str, value: RandValue, expiry: &str) -> Result<Self, KeyError> {
        ncname("esprimRandID", id)?;
        expiry.parse::<AbsRelTimestamp>().map_err(|_| {
            KeyError::identifier("esprimRandExpiry", expiry, "expected a time (TS-0004 §6.3.3)")
        })?;
        Ok(Self { id: id.into(), value, expiry: expiry.into() })
    }

    /// The three first members, without braces.
    fn canonical(&self) -> String {
        format!(r#""esri":"{}","esrv":"{}","esrx":"{}""#, self.id, self.value.as_str(), self.expiry)
    }
}

fn numbers<T: Copy + Into<u8>>(values: &[T]) -> String {
    let texts: Vec<String> = values.iter().map(|value| (*value).into().to_string()).collect();
    texts.join(",")
}

fn some_of<T>(kind: &'static str, values: &[T]) -> Result<(), KeyError> {
    match values.len() {
        1..=16 => Ok(()),
        count => Err(KeyError::identifier(kind, &format!("list of {count}"), "expected 1 to 16 values")),
    }
}

/// receiverESPrimRandObject: what a receiver offers to make a session key from (TS-0003 §8.4.3.1.2, TS-0004
/// §6.3.5.51). serde reads and writes it with its short names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ReceiverWire", into = "ReceiverWire")]
pub struct ReceiverRandObject {
    head: Head,
    algorithms: Vec<EsprimKeyGenAlgorithm>,
    protocols: Vec<EsprimProtocol>,
}

impl ReceiverRandObject {
    /// The object of these members; `expiry` is an `m2m:absRelTimestamp` and is kept as written.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if `id` is no `NCName`, `expiry` no time, or a list is empty or over 16 long.
    pub fn new(
        id: &str,
        value: RandValue,
        expiry: &str,
        algorithms: Vec<EsprimKeyGenAlgorithm>,
        protocols: Vec<EsprimProtocol>,
    ) -> Result<Self, KeyError> {
        some_of("esprimKeyGenAlgIDs", &algorithms)?;
        some_of("esprimProtocolAndAlgIDs", &protocols)?;
        Ok(Self { head: Head::new(id, value, expiry)?, algorithms, protocols })
    }

    /// esprimRandID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.head.id
    }

    /// esprimRandExpiry as written.
    #[must_use]
    pub fn expiry(&self) -> &str {
        &self.head.expiry
    }

    /// The octets that enter the derivation: compact JSON, short names, members in the order of TS-0004
    /// §6.3.5.51 (register A-21). CSEs on the way may write the object anew, so that what arrived is no
    /// guide.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!(
            r#"{{{},"esks":[{}],"espa":[{}]}}"#,
            self.head.canonical(),
            numbers(&self.algorithms),
            numbers(&self.protocols)
        )
    }
}

/// originatorESPrimRandObject: what an originator answers with (TS-0003 §8.4.3.1.1, TS-0004 §6.3.5.50). serde
/// reads and writes it with its short names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "OriginatorWire", into = "OriginatorWire")]
pub struct OriginatorRandObject {
    head: Head,
    algorithm: EsprimKeyGenAlgorithm,
    protocols: Vec<EsprimProtocol>,
}

impl OriginatorRandObject {
    /// The object of these members; `expiry` is an `m2m:absRelTimestamp` and is kept as written.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if `id` is no `NCName`, `expiry` no time, or the list is empty or over 16
    /// long.
    pub fn new(
        id: &str,
        value: RandValue,
        expiry: &str,
        algorithm: EsprimKeyGenAlgorithm,
        protocols: Vec<EsprimProtocol>,
    ) -> Result<Self, KeyError> {
        some_of("esprimProtocolAndAlgIDs", &protocols)?;
        Ok(Self { head: Head::new(id, value, expiry)?, algorithm, protocols })
    }

    /// esprimRandID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.head.id
    }

    /// esprimRandExpiry as written.
    #[must_use]
    pub fn expiry(&self) -> &str {
        &self.head.expiry
    }

    /// The octets that enter the derivation, as [`ReceiverRandObject::canonical`] (TS-0004 §6.3.5.50).
    #[must_use]
    pub fn canonical(&self) -> String {
        format!(
            r#"{{{},"esk":{},"espa":[{}]}}"#,
            self.head.canonical(),
            self.algorithm.code(),
            numbers(&self.protocols)
        )
    }

    /// Whether it keeps to what the receiver offered: one of its algorithms, protocols out of its list
    /// (TS-0003 §8.4.2 steps B.2g, C.6b.2, C.6c.1).
    ///
    /// # Errors
    /// [`KeyError::Identifier`] naming the member that does not.
    pub fn answers(&self, receiver: &ReceiverRandObject) -> Result<(), KeyError> {
        let refuse = |kind, code: u8| {
            Err(KeyError::identifier(
                kind,
                &code.to_string(),
                "expected what the receiver offered (TS-0003 §8.4.2)",
            ))
        };
        if !receiver.algorithms.contains(&self.algorithm) {
            return refuse("esprimKeyGenAlgID", self.algorithm.code());
        }
        match self.protocols.iter().find(|protocol| !receiver.protocols.contains(protocol)) {
            Some(protocol) => refuse("esprimProtocolAndAlgIDs", protocol.code()),
            None => Ok(()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReceiverWire {
    esri: String,
    esrv: RandValue,
    esrx: String,
    esks: Vec<EsprimKeyGenAlgorithm>,
    espa: Vec<EsprimProtocol>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OriginatorWire {
    esri: String,
    esrv: RandValue,
    esrx: String,
    esk: EsprimKeyGenAlgorithm,
    espa: Vec<EsprimProtocol>,
}

impl TryFrom<ReceiverWire> for ReceiverRandObject {
    type Error = KeyError;

    fn try_from(wire: ReceiverWire) -> Result<Self, KeyError> {
        Self::new(&wire.esri, wire.esrv, &wire.esrx, wire.esks, wire.espa)
    }
}

impl From<ReceiverRandObject> for ReceiverWire {
    fn from(object: ReceiverRandObject) -> Self {
        let Head { id, value, expiry } = object.head;
        let (esri, esrx) = (id.into(), expiry.into());
        Self { esri, esrv: value, esrx, esks: object.algorithms, espa: object.protocols }
    }
}

impl TryFrom<OriginatorWire> for OriginatorRandObject {
    type Error = KeyError;

    fn try_from(wire: OriginatorWire) -> Result<Self, KeyError> {
        Self::new(&wire.esri, wire.esrv, &wire.esrx, wire.esk, wire.espa)
    }
}

impl From<OriginatorRandObject> for OriginatorWire {
    fn from(object: OriginatorRandObject) -> Self {
        let Head { id, value, expiry } = object.head;
        let (esri, esrx) = (id.into(), expiry.into());
        Self { esri, esrv: value, esrx, esk: object.algorithm, espa: object.protocols }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    const RECEIVER: &str =
        r#"{"esri":"S_1","esrv":"R00","esrx":"20301231T235959,5","esks":[1],"espa":[12,10]}"#;
    const ORIGINATOR: &str = r#"{"esri":"U_1","esrv":"R01","esrx":"5000","esk":1,"espa":[12]}"#;

    fn receiver(text: &str) -> Option<ReceiverRandObject> {
        serde_json::from_str(text).ok()
    }

    fn originator(text: &str) -> Option<OriginatorRandObject> {
        serde_json::from_str(text).ok()
    }

    /// Members in another order, white space: what a CSE on the way may have done.
    #[test]
    fn the_canonical_form_does_not_depend_on_the_received_one() {
        let shuffled = r#"{ "espa": [12, 10], "esks": [1], "esrx": "20301231T235959,5",
            "esrv": "R00", "esri": "S_1" }"#;
        assert_eq!(receiver(shuffled).unwrap().canonical(), RECEIVER);
        let object = receiver(RECEIVER).unwrap();
        assert_eq!((object.id(), object.expiry()), ("S_1", "20301231T235959,5"));
        assert_eq!(originator(ORIGINATOR).unwrap().canonical(), ORIGINATOR);
    }

    #[test]
    fn an_answer_keeps_to_the_offer() {
        let offer = receiver(RECEIVER).unwrap();
        for (protocols, fits) in [("12", true), ("10,12", true), ("11", false), ("12,11", false)] {
            let text = ORIGINATOR.replace("[12]", &format!("[{protocols}]"));
            assert_eq!(originator(&text).unwrap().answers(&offer).is_ok(), fits, "{protocols}");
        }
        let pairwise = crate::PairwiseEsprimKey::new(crate::Secret::new(vec![7; 32])).unwrap();
        let other = originator(&ORIGINATOR.replace("[12]", "[11]")).unwrap();
        assert!(pairwise.session_key(&offer, &other).is_err());
    }

    #[test]
    fn malformed_objects() {
        for (from, to) in [
            ("\"S_1\"", "\"1S\""),
            ("\"S_1\"", "\"\""),
            ("\"S_1\"", "\"S:1\""),
            ("\"S_1\"", "\"S\\\"1\""),
            ("\"R00\"", "\"R 0\""),
            ("20301231T235959,5", "tomorrow"),
            ("[1]", "[]"),
            ("[1]", "[2]"),
            ("[12,10]", "[13]"),
            ("[12,10]", "[12,12,12,12,12,12,12,12,12,12,12,12,12,12,12,12,12]"),
            ("\"esri\"", "\"x\":1,\"esri\""),
            ("\"esri\"", "\"esrx\":\"5\",\"esri\""),
        ] {
            let text = RECEIVER.replacen(from, to, 1);
            assert_ne!(text, RECEIVER);
            assert!(receiver(&text).is_none(), "{text}");
        }
        assert!(receiver(ORIGINATOR).is_none() && originator(RECEIVER).is_none());
    }

    #[test]
    fn drawn_values_are_names() {
        let rng = SeededRng::new(5);
        let [a, b] = [(); 2].map(|()| RandValue::draw(&rng).unwrap());
        assert_ne!(a, b);
        assert_eq!((a.as_str().len(), a.as_str().parse()), (33, Ok(a.clone())));
    }
}
