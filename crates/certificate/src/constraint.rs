//! Name constraints (RFC 5280 §4.2.1.10), otherName subtrees included (TS-0003 §10.1.1.4.2).
//!
//! OpenSSL checks directory names, mail addresses and addresses of hosts, and gives up on a constraint that it
//! does not know. What is written here stands beside it, not instead: the four kinds of name that this crate
//! reads are always judged here as well, and when OpenSSL gave up, all kinds are, those it would have judged
//! in a narrower way.

use der::asn1::ObjectIdentifier;
use der::{Tag, Tagged};
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::name::{Name as DirectoryName, RelativeDistinguishedName};

use crate::chain::Certificate;
use crate::extension::{self, NAME_CONSTRAINTS, title};
use crate::name::{Name, device, is_domain};
use crate::oid::Arcs;
use crate::{Chain, Flavour, Rule, Violation};

/// `emailAddress` in a subject, to which constraints on mail addresses apply as well.
const EMAIL_ADDRESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.1");

/// `SmtpUTF8Mailbox`, an otherName that is a mail address (RFC 8398 §3).
const SMTP_UTF8_MAILBOX: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.8.9");

/// What is judged here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// otherName, dNSName and URI; OpenSSL has judged the rest.
    OurKinds,
    /// Everything: OpenSSL has stopped before it was through.
    AllKinds,
}

/// The kinds of name that a constraint can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Other,
    Mail,
    Domain,
    Directory,
    Uri,
    Unread,
}

const fn kind(name: &GeneralName) -> Kind {
    match name {
        GeneralName::OtherName(_) => Kind::Other,
        GeneralName::Rfc822Name(_) => Kind::Mail,
        GeneralName::DnsName(_) => Kind::Domain,
        GeneralName::DirectoryName(_) => Kind::Directory,
        GeneralName::UniformResourceIdentifier(_) => Kind::Uri,
        GeneralName::IpAddress(_) | GeneralName::EdiPartyName(_) | GeneralName::RegisteredId(_) => {
            Kind::Unread
        }
    }
}

/// A name and a subtree of the same kind: one of them has a form of which nobody knows whether they match.
struct Unclear;

/// Whether every name in the path is one that all issuers above it permit and none excludes. The leaf comes
/// first, the trust anchor last; its constraints count as well.
pub(crate) fn check(path: &[&Certificate], scope: Scope) -> Result<(), Violation> {
    for (above, issuer) in path.iter().enumerate().skip(1) {
        let Some((constraints, _)) = extension::name_constraints(issuer, above)? else { continue };
        let permitted = constraints.permitted_subtrees.unwrap_or_default();
        let excluded = constraints.excluded_subtrees.unwrap_or_default();
        for subtree in permitted.iter().chain(&excluded) {
            if subtree.minimum != 0 || subtree.maximum.is_some() {
                return Err(Violation::new(Rule::SubtreeDepth, above, &title(&NAME_CONSTRAINTS)));
            }
        }
        let judge = Judge { permitted: &permitted, excluded: &excluded, above, scope };
        for (index, certificate) in path.iter().enumerate().take(above) {
            judge.certificate(certificate, index)?;
        }
    }
    Ok(())
}

/// The constraints of one issuer.
struct Judge<'a> {
    permitted: &'a [GeneralSubtree],
    excluded: &'a [GeneralSubtree],
    above: usize,
    scope: Scope,
}

impl Judge<'_> {
    fn certificate(&self, certificate: &Certificate, index: usize) -> Result<(), Violation> {
        let names = extension::subject_alt_name(certificate, index)?.unwrap_or_default();
        for name in &names {
            self.name(name, index, "subjectAltName")?;
        }
        let subject = certificate.parsed.tbs_certificate().subject();
        if self.scope == Scope::AllKinds && !subject.is_empty() {
            self.name(&GeneralName::DirectoryName(subject.clone()), index, "subject")?;
        }
        self.disguised_mail(&names, subject, index)
    }

    /// Constraints on mail addresses are about two more places in which one can stand.
    fn disguised_mail(
        &self,
        names: &[GeneralName],
        subject: &DirectoryName,
        index: usize,
    ) -> Result<(), Violation> {
        let mut trees = self.permitted.iter().chain(self.excluded);
        if self.scope == Scope::OurKinds || !trees.any(|tree| kind(&tree.base) == Kind::Mail) {
            return Ok(());
        }
        if subject.iter().any(|attribute| attribute.oid == EMAIL_ADDRESS) {
            return Err(self.broken(Rule::UnclearConstraint, index, "subject", "emailAddress"));
        }
        let is_mailbox = |name: &GeneralName| matches!(name, GeneralName::OtherName(other) if other.type_id == SMTP_UTF8_MAILBOX);
        match names.iter().find(|name| is_mailbox(name)) {
            Some(mailbox) => {
                Err(self.broken(Rule::UnclearConstraint, index, "subjectAltName", &text(mailbox)))
            }
            None => Ok(()),
        }
    }

    fn name(&self, name: &GeneralName, index: usize, field: &str) -> Result<(), Violation> {
        let kind_of_name = kind(name);
        let ours = matches!(kind_of_name, Kind::Other | Kind::Domain | Kind::Uri);
        if self.scope == Scope::OurKinds && !ours {
            return Ok(());
        }
        let same_kind = |tree: &&GeneralSubtree| kind(&tree.base) == kind_of_name;
        let shown = || text(name);
        let unclear = |_: Unclear| self.broken(Rule::UnclearConstraint, index, field, &shown());
        for tree in self.excluded.iter().filter(same_kind) {
            if excludes(&tree.base, name).map_err(unclear)? {
                return Err(self.broken(Rule::Excluded, index, field, &shown()));
            }
        }
        let mut constrained = false;
        for tree in self.permitted.iter().filter(same_kind) {
            if permits(&tree.base, name).map_err(unclear)? {
                return Ok(());
            }
            constrained = true;
        }
        if constrained { Err(self.broken(Rule::Permitted, index, field, &shown())) } else { Ok(()) }
    }

    fn broken(&self, rule: Rule, index: usize, field: &str, name: &str) -> Violation {
        Violation::new(rule, index, field).found(name).constrained_by(self.above)
    }
}

/// Whether the name is certainly in the subtree.
fn permits(base: &GeneralName, name: &GeneralName) -> Result<bool, Unclear> {
    match (base, name) {
        (GeneralName::DirectoryName(base), GeneralName::DirectoryName(name)) => Ok(begins_with(name, base)),
        (GeneralName::OtherName(base), GeneralName::OtherName(name)) => {
            let base = subtree(base)?;
            // A name of a foreign kind is in no subtree of devices.
            Ok(match device(name) {
                Some(arcs) => arcs.ok_or(Unclear)?.within(&base),
                None => false,
            })
        }
        _ => matches(base, name),
    }
}

/// Whether the name is possibly in the subtree.
fn excludes(base: &GeneralName, name: &GeneralName) -> Result<bool, Unclear> {
    match (base, name) {
        (GeneralName::DirectoryName(base), GeneralName::DirectoryName(name)) => resembles(name, base),
        (GeneralName::OtherName(base), GeneralName::OtherName(name)) => {
            let base = subtree(base)?;
            match device(name) {
                Some(arcs) => Ok(arcs.ok_or(Unclear)?.within(&base)),
                None => Ok(Arcs::joined(&name.type_id, &[]).ok_or(Unclear)?.within(&base)),
            }
        }
        _ => matches(base, name),
    }
}

fn matches(base: &GeneralName, name: &GeneralName) -> Result<bool, Unclear> {
    match (base, name) {
        (GeneralName::DnsName(base), GeneralName::DnsName(name)) => {
            domain_within(name.as_str(), base.as_str())
        }
        (GeneralName::UniformResourceIdentifier(base), GeneralName::UniformResourceIdentifier(name)) => {
            host_within(host(name.as_str()).ok_or(Unclear)?, base.as_str())
        }
        _ => Err(Unclear),
    }
}

/// The subtree of devices that an otherName stands for: its type, then what its value, a RELATIVE-OID, adds.
fn subtree(base: &OtherName) -> Result<Arcs, Unclear> {
    if base.value.tag() != Tag::RelativeOid {
        return Err(Unclear);
    }
    Arcs::joined(&base.type_id, base.value.value()).ok_or(Unclear)
}

/// A domain is within another when labels may have been put before it; with a dot in front, when at least one
/// was. An empty one holds all.
fn domain_within(name: &str, base: &str) -> Result<bool, Unclear> {
    if !is_domain(name) {
        return Err(Unclear);
    }
    if base.is_empty() {
        return Ok(true);
    }
    let below = base.strip_prefix('.');
    if !is_domain(below.unwrap_or(base)) {
        return Err(Unclear);
    }
    Ok(match below {
        Some(_) => ends_with(name, base),
        None => name.eq_ignore_ascii_case(base) || ends_with(name, &format!(".{base}")),
    })
}

/// A host is within a constraint when it is that host, or, with a dot in front, stands below it.
fn host_within(host: &str, base: &str) -> Result<bool, Unclear> {
    let below = base.strip_prefix('.');
    if !is_domain(below.unwrap_or(base)) {
        return Err(Unclear);
    }
    Ok(match below {
        Some(_) => ends_with(host, base),
        None => host.eq_ignore_ascii_case(base),
    })
}

fn ends_with(name: &str, end: &str) -> bool {
    let cut = name.len().checked_sub(end.len()).filter(|cut| *cut > 0);
    cut.and_then(|cut| name.get(cut..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// The domain name of the host in a URI: `None` when there is no authority, a user in it, or an address.
fn host(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet));
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = match authority.split_once(':') {
        Some((host, port)) if port.bytes().all(|octet| octet.is_ascii_digit()) => host,
        Some(_) => return None,
        None => authority,
    };
    let numeric =
        host.rsplit('.').next().is_some_and(|last| last.bytes().all(|octet| octet.is_ascii_digit()));
    (named && is_domain(host) && !numeric).then_some(host)
}

/// Whether the first RDNs of `name` are those of `base`, octet by octet.
fn begins_with(name: &DirectoryName, base: &DirectoryName) -> bool {
    base.len() <= name.len() && base.iter_rdn().zip(name.iter_rdn()).all(|(base, name)| base == name)
}

/// Whether the first RDNs of `name` can be taken for those of `base`: letter case, spaces and the type of
/// string set aside.
fn resembles(name: &DirectoryName, base: &DirectoryName) -> Result<bool, Unclear> {
    if base.len() > name.len() {
        return Ok(false);
    }
    for (base, name) in base.iter_rdn().zip(name.iter_rdn()) {
        if plain(base)? != plain(name)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn plain(rdn: &RelativeDistinguishedName) -> Result<Vec<(ObjectIdentifier, String)>, Unclear> {
    rdn.iter()
        .map(|attribute| {
            let value = &attribute.value;
            if !matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String) {
                return Err(Unclear);
            }
            let text = std::str::from_utf8(value.value()).map_err(|_| Unclear)?;
            let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
            Ok((attribute.oid, words.join(" ")))
        })
        .collect()
}

fn text(name: &GeneralName) -> String {
    match name {
        GeneralName::OtherName(other) => device(other)
            .flatten()
            .and_then(|arcs| arcs.dotted())
            .unwrap_or_else(|| format!("otherName of type {}", other.type_id)),
        GeneralName::Rfc822Name(text)
        | GeneralName::DnsName(text)
        | GeneralName::UniformResourceIdentifier(text) => text.as_str().to_owned(),
        GeneralName::DirectoryName(name) => name.to_string(),
        GeneralName::RegisteredId(id) => id.to_string(),
        GeneralName::IpAddress(_) => "an address".to_owned(),
        GeneralName::EdiPartyName(_) => "an ediPartyName".to_owned(),
    }
}

/// Where the chain lacks the constraint that TS-0003 asks for: the signer of an AE-ID certificate constrains
/// URIs (§10.1.1.5); some CA above a CSE-ID or FQDN certificate constrains domain names and some CA above a
/// Node-ID certificate constrains anything (§8.1.2.2), there being no way to constrain a URN. For device
/// certificates it is a recommendation. A leaf alone lacks nothing.
pub(crate) fn missing(chain: &Chain, flavour: Flavour) -> Vec<Violation> {
    let path: Vec<_> = chain.certificates().collect();
    let in_chain = check(&path, Scope::OurKinds).err();
    in_chain.into_iter().chain(unconstrained(&path, flavour)).collect()
}

/// [`missing`], for a path that ends at its trust anchor or anywhere before.
pub(crate) fn unconstrained(path: &[&Certificate], flavour: Flavour) -> Option<Violation> {
    let (wanted, nearest_only): (fn(&GeneralName) -> bool, _) = match flavour {
        Flavour::Device => return None,
        Flavour::AeId => (|base| kind(base) == Kind::Uri, true),
        Flavour::CseId | Flavour::Fqdn => (|base| kind(base) == Kind::Domain, false),
        Flavour::NodeId => (|_| true, false),
    };
    let issuers: Vec<_> =
        path.iter().enumerate().skip(1).take(if nearest_only { 1 } else { path.len() }).collect();
    let constrains = |(index, issuer): &(usize, &&Certificate)| {
        let Ok(Some((constraints, _))) = extension::name_constraints(issuer, *index) else { return false };
        let permitted = constraints.permitted_subtrees.into_iter().flatten();
        permitted.chain(constraints.excluded_subtrees.into_iter().flatten()).any(|tree| wanted(&tree.base))
    };
    if issuers.is_empty() || issuers.iter().any(constrains) {
        return None;
    }
    let clause = if nearest_only { "TS-0003 §10.1.1.5" } else { "TS-0003 §8.1.2.2" };
    Some(Violation::new(Rule::Constrained, 1, &title(&NAME_CONSTRAINTS)).under(clause))
}

/// The flavour whose issuers must constrain this name.
pub(crate) const fn flavour_of(name: &Name) -> Flavour {
    match name {
        Name::Device(_) => Flavour::Device,
        Name::Cse(_) => Flavour::CseId,
        Name::Ae(_) => Flavour::AeId,
        Name::Node(_) => Flavour::NodeId,
    }
}
