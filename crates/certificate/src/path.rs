//! Path validation (RFC 5280 §6.1) by OpenSSL, to the configured anchors only.

use onem2m::time::Timestamp;
use openssl::error::ErrorStack;
use openssl::stack::Stack;
use openssl::x509::store::{X509Store, X509StoreBuilder};
use openssl::x509::verify::{X509VerifyFlags, X509VerifyParam};
use openssl::x509::{X509, X509PurposeId, X509StoreContext, X509VerifyResult};

use crate::chain::Certificate;
use crate::constraint::{self, Scope};
use crate::extension::{self, INHIBIT_ANY_POLICY, POLICY_CONSTRAINTS, POLICY_MAPPINGS, title};
use crate::refusal::Reason;
use crate::{Anchors, Chain, Refusal, Rule, Violation, crl, name, profile};

/// The most CAs between a leaf and its trust anchor.
pub const MAX_INTERMEDIATES: usize = 6;

/// The end of an association at which the certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// That of the entity that opened the association.
    Client,
    /// That of the entity that accepted it.
    Server,
}

impl Purpose {
    const fn id(self) -> X509PurposeId {
        match self {
            Self::Client => X509PurposeId::SSL_CLIENT,
            Self::Server => X509PurposeId::SSL_SERVER,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Client => "TLS clients",
            Self::Server => "TLS servers",
        }
    }
}

/// Numbers of OpenSSL (`openssl/x509_vfy.h`).
mod code {
    pub(super) const UNABLE_TO_GET_ISSUER: i32 = 2;
    pub(super) const SIGNATURE_FAILURE: i32 = 7;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED_LEAF: i32 = 18;
    pub(super) const SELF_SIGNED_IN_CHAIN: i32 = 19;
    pub(super) const ISSUER_NOT_LOCAL: i32 = 20;
    pub(super) const LEAF_SIGNATURE: i32 = 21;
    pub(super) const INVALID_PURPOSE: i32 = 26;
    pub(super) const UNSUPPORTED_CONSTRAINT_TYPE: i32 = 51;
}

/// Whether the chain is one that an entity at this end may authenticate itself with at `now`: the path leads to
/// a configured anchor (RFC 5280 §6.1, TS-0003 §8.1.2.2), every certificate below the anchor follows the
/// profile (TS-0003 §10.1.1), no issuer revokes or forbids what stands below it, and the leaf holds a globally
/// unique identifier. Whether it is the identifier that was expected is for others to say
/// ([`matches_server`](crate::matches_server), `identity`).
///
/// `strict_name_constraints` asks besides that issuers constrain the names below them, which TS-0003 §8.1.2.2
/// demands of every CA and few CAs do (register A-40).
///
/// # Errors
/// The [`Refusal`], with the alert that tells the peer.
pub fn verify(
    anchors: &Anchors,
    chain: &Chain,
    purpose: Purpose,
    now: Timestamp,
    strict_name_constraints: bool,
) -> Result<(), Refusal> {
    let path = valid_path(anchors, chain, purpose, now)?;
    let names = name::names(chain)?;
    if strict_name_constraints {
        for name in &names {
            if let Some(violation) = constraint::unconstrained(&path, constraint::flavour_of(name)) {
                return Err(violation.into());
            }
        }
    }
    Ok(())
}

/// [`verify`], but for the names: the leaf may hold none, or any. For a certificate that is known by its key,
/// whose chain only says more about it.
///
/// # Errors
/// The [`Refusal`], with the alert that tells the peer.
pub fn verify_path(
    anchors: &Anchors,
    chain: &Chain,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(), Refusal> {
    valid_path(anchors, chain, purpose, now).map(|_| ())
}

/// The path from the leaf to an anchor, with everything looked at but which names the leaf holds.
fn valid_path<'a>(
    anchors: &'a Anchors,
    chain: &'a Chain,
    purpose: Purpose,
    now: Timestamp,
) -> Result<Vec<&'a Certificate>, Refusal> {
    if anchors.is_empty() {
        return Err(Reason::NoAnchors.into());
    }
    for (index, certificate) in chain.certificates().enumerate() {
        if let Some(violation) = profile::algorithm_rules(certificate, index).into_iter().next() {
            return Err(violation.into());
        }
    }
    readable(chain)?;
    let (path, scope) = built(anchors, chain, purpose, now)?;
    if scope == Scope::AllKinds {
        without_policies(&path)?;
    }
    follows_profile(&path)?;
    constraint::check(&path, scope)?;
    for (index, pair) in path.windows(2).enumerate() {
        if let [certificate, issuer] = pair {
            crl::check(anchors.lists(), anchors.crls_required(), certificate, issuer, index, now)?;
        }
    }
    Ok(path)
}

/// Whether the extensions that hold a peer's text can be read. OpenSSL quotes what it cannot read in its errors,
/// and the `openssl` crate panics at an error that is not UTF-8.
fn readable(chain: &Chain) -> Result<(), Violation> {
    for (index, certificate) in chain.certificates().enumerate() {
        extension::subject_alt_name(certificate, index)?;
        extension::name_constraints(certificate, index)?;
    }
    Ok(())
}

/// The path that OpenSSL has found and validated, from the leaf to the anchor, and which name constraints are
/// left to judge.
fn built<'a>(
    anchors: &'a Anchors,
    chain: &'a Chain,
    purpose: Purpose,
    now: Timestamp,
) -> Result<(Vec<&'a Certificate>, Scope), Refusal> {
    let run = || -> Result<Outcome, ErrorStack> {
        let Some(leaf) = chain.leaf().openssl() else { return Ok(Outcome::unread()) };
        let store = store(anchors, purpose, now)?;
        let mut untrusted = Stack::new()?;
        for issuer in chain.issuers().iter().filter_map(Certificate::openssl) {
            untrusted.push(issuer.clone())?;
        }
        let mut context = X509StoreContext::new()?;
        context.init(&store, leaf, &untrusted, |context| {
            let valid = context.verify_cert()?;
            let path = context.chain().map(|path| path.iter().map(ToOwned::to_owned).collect());
            Ok(Outcome {
                valid,
                error: context.error(),
                depth: context.error_depth(),
                path: path.unwrap_or_default(),
            })
        })
    };
    let outcome = run();
    // As profile::openssl_says does.
    ossl::forget_errors();
    let outcome =
        outcome.map_err(|error| Reason::Path { certificate: 0, text: error.to_string(), code: -1 })?;
    let path: Vec<_> = outcome.path.iter().filter_map(|found| known(anchors, chain, found)).collect();
    let unsupported = outcome.error.as_raw() == code::UNSUPPORTED_CONSTRAINT_TYPE;
    // OpenSSL looks at name constraints after everything else but policies, so that this error means a path
    // that is valid up to there.
    if path.len() != outcome.path.len() || path.is_empty() || !(outcome.valid || unsupported) {
        return Err(refusal(&outcome, purpose).into());
    }
    Ok((path, if outcome.valid { Scope::OurKinds } else { Scope::AllKinds }))
}

struct Outcome {
    valid: bool,
    error: X509VerifyResult,
    depth: u32,
    path: Vec<X509>,
}

impl Outcome {
    /// What there is to say of a leaf that only `x509-cert` can read.
    const fn unread() -> Self {
        Self { valid: false, error: X509VerifyResult::APPLICATION_VERIFICATION, depth: 0, path: Vec::new() }
    }
}

/// The anchors alone, with the time, the purpose and the depth that a path to them is judged by.
fn store(anchors: &Anchors, purpose: Purpose, now: Timestamp) -> Result<X509Store, ErrorStack> {
    let mut param = X509VerifyParam::new()?;
    param.set_time(now.unix_micros().div_euclid(1_000_000));
    param.set_depth(i32::try_from(MAX_INTERMEDIATES).unwrap_or(i32::MAX));
    param.set_purpose(purpose.id())?;
    param.set_flags(X509VerifyFlags::POLICY_CHECK)?;
    let mut store = X509StoreBuilder::new()?;
    for root in anchors.certificates().iter().filter_map(Certificate::openssl) {
        store.add_cert(root.clone())?;
    }
    store.set_param(&param)?;
    Ok(store.build())
}

/// The certificate that OpenSSL means, as it was read here.
fn known<'a>(anchors: &'a Anchors, chain: &'a Chain, found: &X509) -> Option<&'a Certificate> {
    let der = found.to_der().ok()?;
    chain.certificates().chain(anchors.certificates()).find(|certificate| certificate.der == der)
}

fn refusal(outcome: &Outcome, purpose: Purpose) -> Reason {
    let certificate = outcome.depth;
    let at = usize::try_from(certificate).ok().and_then(|depth| outcome.path.get(depth));
    let read = at.and_then(|found| Certificate::from_der(0, &found.to_der().ok()?).ok());
    match (outcome.error.as_raw(), read) {
        (
            code::UNABLE_TO_GET_ISSUER
            | code::SELF_SIGNED_LEAF
            | code::SELF_SIGNED_IN_CHAIN
            | code::ISSUER_NOT_LOCAL
            | code::LEAF_SIGNATURE,
            Some(read),
        ) => Reason::UnknownIssuer { certificate, issuer: read.issuer() },
        (code::NOT_YET_VALID, Some(read)) => Reason::NotYetValid { certificate, at: read.not_before() },
        (code::EXPIRED, Some(read)) => Reason::Expired { certificate, at: read.not_after() },
        (code::SIGNATURE_FAILURE, _) => Reason::Signature { certificate },
        (code::INVALID_PURPOSE, _) => Reason::Purpose { certificate, purpose: purpose.title() },
        (code, _) => Reason::Path { certificate, text: outcome.error.error_string().to_owned(), code },
    }
}

/// When OpenSSL stopped at a name constraint it has not come to policies: a path that uses them is refused.
fn without_policies(path: &[&Certificate]) -> Result<(), Violation> {
    for (index, certificate) in path.iter().enumerate() {
        for extension in extension::all(certificate) {
            if [POLICY_CONSTRAINTS, POLICY_MAPPINGS, INHIBIT_ANY_POLICY].contains(&extension.extn_id) {
                return Err(Violation::new(Rule::CriticalExtension, index, &title(&extension.extn_id)));
            }
        }
    }
    Ok(())
}

/// The profile, for the certificates below the anchor; the anchor was looked at when it was configured.
fn follows_profile(path: &[&Certificate]) -> Result<(), Violation> {
    let below = path.len().saturating_sub(1);
    for (index, certificate) in path.iter().enumerate().take(below) {
        let own = if index == 0 {
            profile::leaf_rules(certificate)
        } else {
            profile::issuer_rules(certificate, index, index - 1)
        };
        let broken = profile::certificate_rules(certificate, index)
            .into_iter()
            .chain(own)
            .find(|violation| violation.rule.binds_verifiers());
        if let Some(violation) = broken {
            return Err(violation);
        }
    }
    // A leaf that is its own anchor has nothing below it; it is the certificate of a CA.
    if below == 0 { Err(Violation::new(Rule::EndEntity, 0, "basicConstraints")) } else { Ok(()) }
}
