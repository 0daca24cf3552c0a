//! Reading JSON from the wire (TS-0004 §8.4.2, RFC 8259).

use crate::id::shown;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::cell::Cell;
use std::fmt;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 32;

/// Bytes that are not the one JSON value they should be. Lines and columns count from 1; columns count
/// octets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON, not UTF-8, ended too early, or something follows the value.
    #[error("not valid JSON at line {line}, column {column}: {problem}")]
    Syntax {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
        /// What the reader stumbled over.
        problem: String,
    },
    /// An object names a member twice, so that two readers could understand two things.
    #[error("member \"{name}\" appears twice in one object at line {line}, column {column}")]
    DuplicateMember {
        /// The name, at most 64 characters of it, control characters escaped.
        name: String,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// Arrays and objects are nested deeper than [`MAX_DEPTH`].
    #[error("nested deeper than 32 levels at line {line}, column {column}")]
    TooDeep {
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
}

/// Reads one JSON value that fills all of `bytes`, white space aside.
///
/// # Errors
/// [`JsonError`] for anything else, also for a member name that repeats within an object (TS-0004 §8.4.2) and
/// for nesting beyond [`MAX_DEPTH`].
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let fault = Cell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Level { depth: 0, fault: &fault }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|error| describe(&error, fault.take()))
}

fn describe(error: &serde_json::Error, fault: Option<Fault>) -> JsonError {
    let (line, column) = (error.line(), error.column());
    match fault {
        Some(Fault::Duplicate(name)) => JsonError::DuplicateMember { name, line, column },
        Some(Fault::Depth) => JsonError::TooDeep { line, column },
        None => {
            let text = error.to_string();
            let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
            JsonError::Syntax { line, column, problem: shown(problem) }
        }
    }
}

/// What our own reader refused; `serde_json` refuses the rest.
enum Fault {
    Duplicate(String),
    Depth,
}

/// Reads a value that lies `depth` levels inside others.
#[derive(Clone, Copy)]
struct Level<'f> {
    depth: usize,
    fault: &'f Cell<Option<Fault>>,
}

impl Level<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            self.fault.set(Some(Fault::Depth));
            return Err(E::custom("too deep"));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Level<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                self.fault.set(Some(Fault::Duplicate(shown(&name))));
                return Err(de::Error::custom("duplicate member"));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_serde_json_reads() {
        for text in [
            "null",
            " true ",
            "-1.5e3",
            "18446744073709551615",
            "\"\\u00e4\\n\"",
            "[]",
            "{\"a\":[1,{\"b\":null}]}",
        ] {
            assert_eq!(
                parse(text.as_bytes()).unwrap(),
                serde_json::from_str::<Value>(text).unwrap(),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_and_says_where() {
        let duplicate = parse(b"{\n  \"m2m:ae\": {\"rn\": 1, \"rn\": 2}\n}").unwrap_err();
        assert!(
            matches!(&duplicate, JsonError::DuplicateMember { name, line: 2, .. } if name == "rn"),
            "{duplicate}"
        );
        assert!(
            duplicate.to_string().starts_with("member \"rn\" appears twice in one object at line 2, column ")
        );
        for (bad, line, column) in [
            ("", 1, 0),
            ("{", 1, 1),
            ("{} x", 1, 4),
            ("{}{}", 1, 3),
            ("[1,]", 1, 4),
            ("{\"a\":1,}", 1, 8),
            ("nul", 1, 3),
        ] {
            let error = parse(bad.as_bytes()).unwrap_err();
            assert!(
                matches!(error, JsonError::Syntax { line: l, column: c, .. } if (l, c) == (line, column)),
                "{bad}: {error}"
            );
        }
        for bad in
            ["\u{feff}{}", "{\"a\":1e999}", "'a'", "{a:1}", "01", "\"\\ud800\"", "NaN", "\"a\nb\"", "// x\n1"]
        {
            assert!(matches!(parse(bad.as_bytes()), Err(JsonError::Syntax { .. })), "{bad}");
        }
        assert!(matches!(parse(b"\"\xff\""), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn the_same_name_on_two_levels_is_no_repetition() {
        assert!(parse(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
        assert!(parse(br#"{"a":1,"\u0061":2}"#).is_err());
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |open: &str, close: &str, depth| open.repeat(depth) + "1" + &close.repeat(depth);
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            assert!(parse(nested(open, close, MAX_DEPTH).as_bytes()).is_ok());
            let error = parse(nested(open, close, MAX_DEPTH + 1).as_bytes()).unwrap_err();
            assert!(matches!(error, JsonError::TooDeep { line: 1, .. }), "{error}");
        }
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _outcome = parse(&bytes);
        }

        #[test]
        fn never_panics_on_text(text in "[\\[\\]{}:,\"a0-9.e+ -]{0,60}") {
            if let Ok(value) = parse(text.as_bytes()) {
                prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
            }
        }
    }
}
