//! Object identifiers of devices, split between an otherName's type and its value (TS-0001 annex H; register
//!

use std::fmt::Write;

use der::asn1::ObjectIdentifier;

/// The most sub-identifiers and octets that an object identifier of a device has here.
const MAX_OCTETS: usize = 128;

/// The encoded arcs of an object identifier, or of the subtree that begins with them.
///
/// A sub-identifier ends with the first octet below 0x80, so that one encoding is a prefix of another exactly
/// when its arcs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arcs(Vec<u8>);

impl Arcs {
    /// `type_id` followed by the contents of a RELATIVE-OID, which may be empty for a subtree. `None` when the
    /// contents are not encoded as X.690 §8.20 asks.
    pub(crate) fn joined(type_id: &ObjectIdentifier, relative: &[u8]) -> Option<Self> {
        let well_formed = relative.last().is_none_or(|last| *last < 0x80)
            && relative
                .iter()
                .zip(std::iter::once(&0).chain(relative))
                .all(|(octet, before)| *octet != 0x80 || *before >= 0x80);
        let octets = [type_id.as_bytes(), relative].concat();
        (well_formed && octets.len() <= MAX_OCTETS).then_some(Self(octets))
    }

    /// Whether `self` is `tree` or stands below it.
    pub(crate) fn within(&self, tree: &Self) -> bool {
        self.0.starts_with(&tree.0)
    }

    /// The dotted form; `None` when an arc exceeds 128 bits.
    pub(crate) fn dotted(&self) -> Option<String> {
        let mut text = String::new();
        let mut arc: u128 = 0;
        for octet in &self.0 {
            arc = arc.checked_mul(128)?.checked_add(u128::from(octet & 0x7f))?;
            if *octet >= 0x80 {
                continue;
            }
            if text.is_empty() {
                let first = (arc / 40).min(2);
                write!(text, "{first}.{}", arc - first * 40).ok()?;
            } else {
                write!(text, ".{arc}").ok()?;
            }
            arc = 0;
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(type_id: &str, relative: &[u8]) -> Option<String> {
        Arcs::joined(&ObjectIdentifier::new_unwrap(type_id), relative)?.dotted()
    }

    #[test]
    fn the_example_of_the_annex() {
        // {0 2 481 1 100 3030 10011}: 3030 is 0x97 0x56, 10011 is 0xce 0x1b.
        let relative = [100, 0x97, 0x56, 0xce, 0x1b];
        assert_eq!(joined("0.2.481.1", &relative).unwrap(), "0.2.481.1.100.3030.10011");
        assert_eq!(joined("0.2.481.1.100", &relative[1..]).unwrap(), "0.2.481.1.100.3030.10011");
        assert_eq!(joined("1.3", &[0]).unwrap(), "1.3.0");
        assert_eq!(joined("2.25", &[1]).unwrap(), "2.25.1");
    }

    #[test]
    fn badly_encoded_arcs() {
        for bad in [&[0x80, 0x01][..], &[1, 0x80, 1], &[0x81], &[1, 0xff], &[0x80]] {
            assert_eq!(joined("0.2.481.1", bad), None, "{bad:02x?}");
        }
        assert!(joined("0.2.481.1", &[0x81, 0x80, 0x01]).is_some(), "an inner 0x80 is no padding");
        assert_eq!(joined("0.2.481.1", &[1; 200]), None);
        assert_eq!(
            joined("0.2.481.1", &[[0xff; 19].as_slice(), &[0x7f]].concat()),
            None,
            "an arc of 140 bits"
        );
    }

    #[test]
    fn within() {
        let arcs =
            |relative: &[u8]| Arcs::joined(&ObjectIdentifier::new_unwrap("0.2.481.1"), relative).unwrap();
        assert!(arcs(&[100, 1]).within(&arcs(&[100])));
        assert!(arcs(&[100]).within(&arcs(&[100])));
        assert!(arcs(&[100]).within(&arcs(&[])));
        assert!(!arcs(&[100]).within(&arcs(&[100, 1])));
        // 100 and 12800 = 0xe4 0x00 have octets in common, no arc.
        assert!(!arcs(&[0xe4, 0x00]).within(&arcs(&[100])));
    }
}
