//! The forms of attributes that are lists of texts (TS-0004 §6.3.3). None of these lists may be empty.

use super::poa::check_poa;
use serde_json::Value;

/// A value that has not the form of its attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Not an array.
    #[error("must be an array of strings")]
    NotArray,
    /// An array without members.
    #[error("must have at least one member")]
    Empty,
    /// A member has the wrong type or form.
    #[error("[{index}] must be {expected}")]
    Member {
        /// Which one, from 0.
        index: usize,
        /// What was expected, in words.
        expected: &'static str,
    },
}

fn check_list(value: &Value, expected: &'static str, holds: impl Fn(&str) -> bool) -> Result<(), FormError> {
    let members = value.as_array().ok_or(FormError::NotArray)?;
    if members.is_empty() {
        return Err(FormError::Empty);
    }
    match members.iter().position(|member| !member.as_str().is_some_and(&holds)) {
        Some(index) => Err(FormError::Member { index, expected }),
        None => Ok(()),
    }
}

/// Checks `lbl` (`m2m:labels`): each label is `key` or `key:value` with a key that is not empty, without
/// control characters, and with single spaces only between words.
///
/// # Errors
/// [`FormError`] when the value has another form.
pub fn check_labels(value: &Value) -> Result<(), FormError> {
    check_list(value, "a label: \"key\" or \"key:value\"", |label| {
        !label.is_empty()
            && !label.starts_with([':', ' '])
            && !label.ends_with(' ')
            && !label.contains("  ")
            && !label.contains(char::is_control)
    })
}

/// Checks `srv` (`m2m:supportedReleaseVersions`): releases `1`, `2`, `2a` and `3`, and the later `4` and `5`,
/// which peers of those releases list beside the older ones.
///
/// # Errors
/// [`FormError`] when the value has another form.
pub fn check_release_versions(value: &Value) -> Result<(), FormError> {
    check_list(value, "a release: 1, 2, 2a, 3, 4 or 5", |release| {
        matches!(release, "1" | "2" | "2a" | "3" | "4" | "5")
    })
}

/// Checks `poa` (`m2m:poaList`).
///
/// # Errors
/// [`FormError`] when the value has another form.
pub fn check_points_of_access(value: &Value) -> Result<(), FormError> {
    check_list(value, "scheme://host[:port][/path]", |poa| check_poa(poa).is_ok())
}

/// Checks `csz` (`m2m:serializations`): `xml`, `json`, `cbor`.
///
/// # Errors
/// [`FormError`] when the value has another form.
pub fn check_serializations(value: &Value) -> Result<(), FormError> {
    check_list(value, "xml, json or cbor", |name| matches!(name, "xml" | "json" | "cbor"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn labels() {
        for good in ["printers", "color:red", "Credential-ID:", "a:b:c", "two words", "ä"] {
            assert_eq!(check_labels(&json!([good])), Ok(()), "{good}");
        }
        for bad in ["", ":red", " a", "a ", "a  b", "a\tb", "a\nb"] {
            assert!(check_labels(&json!([bad])).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lists() {
        for check in [check_labels, check_release_versions, check_points_of_access, check_serializations] {
            assert_eq!(check(&json!([])), Err(FormError::Empty));
            assert_eq!(check(&json!("a")), Err(FormError::NotArray));
            assert_eq!(check(&json!(null)), Err(FormError::NotArray));
            assert!(matches!(check(&json!([1])), Err(FormError::Member { index: 0, .. })));
        }
        assert_eq!(check_release_versions(&json!(["1", "2", "2a", "3"])), Ok(()));
        let wrong = check_release_versions(&json!(["3", "2b"])).unwrap_err();
        assert_eq!(wrong.to_string(), "[1] must be a release: 1, 2, 2a, 3, 4 or 5");
        assert_eq!(check_points_of_access(&json!(["http://a", "mqtts://b:8883"])), Ok(()));
        assert_eq!(check_serializations(&json!(["json", "cbor", "xml"])), Ok(()));
        assert!(check_serializations(&json!(["JSON"])).is_err());
    }
}
