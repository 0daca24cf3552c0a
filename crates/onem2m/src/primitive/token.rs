//! Tokens of dynamic authorization.

use super::member::{Member, PrimitiveError};
use serde_json::Value;
use std::fmt;

/// A token: in compact serialization (`m2m:dynAuthJWT`, TS-0004 §6.3.3) where it is a parameter. Who reads a log must not be able to
/// use it, so `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// Takes the text over. Its form is checked by whoever uses the token.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, no copy of it left behind.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(..)")
    }
}

impl Member for AccessToken {
    fn read(value: Value) -> Result<Self, PrimitiveError> {
        String::read(value).map(Self)
    }

    fn write(&self) -> Value {
        Value::String(self.0.clone())
    }
}
