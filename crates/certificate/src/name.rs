//! The globally unique identifiers in subjectAltName (TS-0003 §8.1.2.4, §10.1.1.4 to §10.1.1.8).

use der::{Decode, Tag, Tagged};
use onem2m::id::{AeId, Fqdn, NodeId};
use x509_cert::ext::pkix::name::{GeneralName, OtherName};

use crate::chain::Certificate;
use crate::extension::{self, SUBJECT_ALT_NAME};
use crate::oid::Arcs;
use crate::{Chain, Flavour, Rule, Violation};

/// What precedes an absolute AE-ID in the URI that stands for it (register A-09).
const AE_SCHEME: &str = "m2m:";
/// What precedes an object identifier in the URN that stands for it (RFC 3061; register A-11).
const OID_URN: &str = "urn:oid:";
const FIELD: &str = "subjectAltName";
/// The longest domain name and label (RFC 1035 §2.3.4).
const MAX_DOMAIN: usize = 253;
const MAX_LABEL: usize = 63;

/// A globally unique identifier that a certificate holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A hardware instance: an object identifier in dotted form (TS-0001 annex H), from an otherName whose
    /// type is its beginning and whose value, a RELATIVE-OID, is the rest (register A-10).
    Device(String),
    /// A CSE, a MAF or a MEF: a dNSName, with its letters as written.
    Cse(String),
    /// An AE: a URI `m2m:` with the absolute AE-ID, or that AE-ID alone (register A-09).
    Ae(AeId),
    /// A node: a URN. `urn:oid:` with an object identifier is that object identifier (register A-11).
    Node(NodeId),
}

impl Name {
    /// Whether certificates of this flavour hold such a name.
    #[must_use]
    pub const fn is_of(&self, flavour: Flavour) -> bool {
        matches!(
            (self, flavour),
            (Self::Device(_), Flavour::Device)
                | (Self::Cse(_), Flavour::CseId | Flavour::Fqdn)
                | (Self::Ae(_), Flavour::AeId)
                | (Self::Node(_), Flavour::NodeId)
        )
    }

    /// The name as it is written: dotted object identifier, domain name, absolute AE-ID, Node-ID.
    #[must_use]
    pub fn as_text(&self) -> String {
        match self {
            Self::Device(text) | Self::Cse(text) => text.clone(),
            Self::Ae(id) => id.to_string(),
            Self::Node(id) => id.as_str().to_owned(),
        }
    }
}

/// The URI that stands for an AE in subjectAltName: `m2m://SP/S…` or `m2m://SP/cse/C…` (TS-0003 §10.1.1.5;
/// register A-09).
#[must_use]
pub fn ae_uri(ae: &AeId) -> String {
    format!("{AE_SCHEME}{ae}")
}

/// The URI that stands for a node in subjectAltName: the Node-ID itself when it is a URN, `urn:oid:` and the
/// Node-ID when it is a dotted object identifier; any other Node-ID has none (TS-0003 §10.1.1.8; register
/// A-11).
#[must_use]
pub fn node_uri(node: &NodeId) -> Option<String> {
    let text = node.as_str();
    if is_urn(text) {
        Some(text.to_owned())
    } else if is_dotted(text) {
        Some(format!("{OID_URN}{text}"))
    } else {
        None
    }
}

/// Whether a certificate of this flavour can hold the identifier, written as [`Name::as_text`] writes it. One that
/// none can hold, such as a domain name with a wildcard, is no name that a peer could ever prove (TS-0003 §10.1.1.4.1
/// to §10.1.1.8).
///
/// ```
/// use certificate::{Flavour, can_hold};
///
/// assert!(can_hold(Flavour::CseId, "mn-cse-7.in-cse.example.org"));
/// assert!(!can_hold(Flavour::CseId, "*.example.org"));
/// ```
#[must_use]
pub fn can_hold(flavour: Flavour, text: &str) -> bool {
    match flavour {
        Flavour::Device => is_dotted(text),
        Flavour::CseId | Flavour::Fqdn => matches!(domain(text), Ok(Some(_))),
        Flavour::AeId => text.parse::<AeId>().is_ok(),
        Flavour::NodeId => text.parse().is_ok_and(|node| node_uri(&node).is_some()),
    }
}

/// The identifiers in subjectAltName of the leaf: those of the four kinds, in their order. Names of other kinds
/// are passed over; the subject is never looked at.
///
/// # Errors
/// The [`Violation`] when there is no subjectAltName, none of its names is an identifier, one holds a wildcard
/// or is malformed, or a CSE and an AE are named at once.
pub fn names(chain: &Chain) -> Result<Vec<Name>, Violation> {
    let found = read(chain.leaf(), 0);
    match found.violations.into_iter().next() {
        Some(violation) => Err(violation),
        None if found.names.is_empty() => Err(Violation::new(Rule::SubjectAltName, 0, FIELD)),
        None => Ok(found.names),
    }
}

/// The one identifier of this flavour in subjectAltName of the leaf: what a peer that nobody expected is bound
/// to (TS-0003 §8.1.2.4). A device certificate may hold several; then the first.
///
/// # Errors
/// The [`Violation`]: as [`names`], no name of the flavour, or more than one.
pub fn sole_name(chain: &Chain, flavour: Flavour) -> Result<Name, Violation> {
    let mut of_flavour = names(chain)?.into_iter().filter(|name| name.is_of(flavour));
    let first = of_flavour.next().ok_or_else(|| Violation::new(Rule::Named(flavour), 0, FIELD))?;
    match of_flavour.next() {
        Some(second) if flavour != Flavour::Device => {
            Err(Violation::new(Rule::OneName(flavour), 0, FIELD).found(&second.as_text()))
        }
        _ => Ok(first),
    }
}

/// What subjectAltName of a certificate holds.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) names: Vec<Name>,
    pub(crate) violations: Vec<Violation>,
}

pub(crate) fn read(certificate: &Certificate, index: usize) -> Found {
    let mut found = Found::default();
    let general = match extension::subject_alt_name(certificate, index) {
        Ok(Some(names)) if !names.is_empty() => names,
        Ok(_) => {
            found.violations.push(Violation::new(Rule::SubjectAltName, index, FIELD));
            return found;
        }
        Err(violation) => {
            found.violations.push(violation);
            return found;
        }
    };
    for general in &general {
        match identifier(general) {
            Ok(Some(name)) => found.names.push(name),
            Ok(None) => {}
            Err((rule, text)) => found.violations.push(Violation::new(rule, index, FIELD).found(&text)),
        }
    }
    let names_a = |flavour| found.names.iter().find(|name| name.is_of(flavour));
    if let (Some(_), Some(ae)) = (names_a(Flavour::CseId), names_a(Flavour::AeId)) {
        found.violations.push(Violation::new(Rule::OneEntity, index, FIELD).found(&ae.as_text()));
    }
    found
}

/// The identifier in one name, if it is of a kind that holds one.
fn identifier(name: &GeneralName) -> Result<Option<Name>, (Rule, String)> {
    match name {
        GeneralName::DnsName(text) => domain(text.as_str()),
        GeneralName::UniformResourceIdentifier(text) => uri(text.as_str()),
        GeneralName::OtherName(other) => match device(other) {
            None => Ok(None),
            Some(arcs) => arcs
                .and_then(|arcs| arcs.dotted())
                .map(|dotted| Some(Name::Device(dotted)))
                .ok_or_else(|| (Rule::NameForm, format!("otherName of type {}", other.type_id))),
        },
        _ => Ok(None),
    }
}

/// The object identifier in an otherName: `None` when the value is no RELATIVE-OID, `Some(None)` when it is a
/// malformed or empty one.
pub(crate) fn device(other: &OtherName) -> Option<Option<Arcs>> {
    if other.value.tag() != Tag::RelativeOid {
        return None;
    }
    let relative = other.value.value();
    Some(Arcs::joined(&other.type_id, relative).filter(|_| !relative.is_empty()))
}

fn domain(text: &str) -> Result<Option<Name>, (Rule, String)> {
    if text.contains('*') {
        return Err((Rule::Wildcard, text.to_owned()));
    }
    if !is_domain(text) {
        return Err((Rule::NameForm, text.to_owned()));
    }
    // A single label, such as localhost, is in order but nobody's public domain name.
    Ok(text.contains('.').then(|| Name::Cse(text.to_owned())))
}

/// Whether the text is a domain name: labels of letters in any case, digits, hyphens and underscores, of which
/// a public domain name of a CSE can be made.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
            && label.starts_with(|first: char| first.is_ascii_alphanumeric())
            && !label.ends_with('-')
    };
    text.len() <= MAX_DOMAIN && text.split('.').all(label)
}

fn uri(text: &str) -> Result<Option<Name>, (Rule, String)> {
    if text.contains('*') {
        return Err((Rule::Wildcard, text.to_owned()));
    }
    let malformed = || (Rule::NameForm, text.to_owned());
    if let Some(id) = ae_part(text) {
        return id.parse().map(|id| Some(Name::Ae(id))).map_err(|_| malformed());
    }
    if is_urn(text) {
        let id = text
            .get(..OID_URN.len())
            .filter(|scheme| scheme.eq_ignore_ascii_case(OID_URN))
            .and_then(|_| text.get(OID_URN.len()..))
            .unwrap_or(text);
        if id.len() < text.len() && !is_dotted(id) {
            return Err(malformed());
        }
        return id.parse().map(|id| Some(Name::Node(id))).map_err(|_| malformed());
    }
    Ok(None)
}

/// The AE-ID in the URI of an AE; `None` when it is the URI of something else.
fn ae_part(text: &str) -> Option<&str> {
    match text.get(..AE_SCHEME.len()) {
        // RFC 3986 §3.1: the letters of a scheme are the same in either case.
        Some(scheme) if scheme.eq_ignore_ascii_case(AE_SCHEME) => text.get(AE_SCHEME.len()..),
        _ => text.starts_with("//").then_some(text),
    }
}

fn is_urn(text: &str) -> bool {
    text.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("urn:"))
}

/// Whether the text is an object identifier in dotted form: digits without leading zeros, at least two arcs.
fn is_dotted(text: &str) -> bool {
    let arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|octet| octet.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    text.contains('.') && text.split('.').all(arc)
}

/// Whether a dNSName has the form of an FQDN of oneM2M: lower case.
pub(crate) fn is_fqdn(name: &str) -> bool {
    name.parse::<Fqdn>().is_ok()
}

impl Chain {
    /// Whether the leaf has a subjectAltName at all, readable or not.
    #[must_use]
    pub fn has_subject_alt_name(&self) -> bool {
        extension::all(self.leaf()).any(|extension| extension.extn_id == SUBJECT_ALT_NAME)
    }
}

/// Reads a list of names; in subjectAltName and nowhere else.
pub(crate) fn general_names(der: &[u8]) -> der::Result<Vec<GeneralName>> {
    Vec::<GeneralName>::from_der(der)
}
