//! Is this the server that was meant? (TS-0003 §8.1.2.5)

use keys::PublicKeyIdentifier;
use onem2m::id::{CseDomainName, Fqdn, NodeId};

use crate::refusal::Reason;
use crate::{Chain, Name, RawKey, Refusal, name, pem};

/// How many of a certificate's names a refusal repeats.
const MOST_SHOWN: usize = 3;

/// What a client knows of the server it wants (TS-0003 §8.1.2.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedServer {
    /// A CSE, by its public domain name.
    Cse(CseDomainName),
    /// A CSE, by its public domain name in whatever letter case: one that came with a certificate like that, where no
    /// other has a name so alike (register A-50).
    CseInAnyLetters(CseDomainName),
    /// A MAF or MEF, by its FQDN.
    Fqdn(Fqdn),
    /// Whoever has this key, in a certificate or raw.
    Key(PublicKeyIdentifier),
    /// The CSE on this node.
    Node(NodeId),
    /// The CSE on the device with this object identifier, in dotted form.
    Device(String),
}

/// Whether the leaf names the expected server. Names are compared octet by octet, in subjectAltName alone: not
/// in the subject, not through a wildcard, and in the other letter case only where that is expected. One of several
/// names is enough.
///
/// This says nothing about who issued the certificate: [`verify`](crate::verify) does, except for an expected
/// key, which is trusted by itself.
///
/// # Errors
/// The [`Refusal`], with the alert that tells the peer.
pub fn matches_server(chain: &Chain, expected: &ExpectedServer) -> Result<(), Refusal> {
    if let ExpectedServer::Key(trusted) = expected {
        return matches_key(&chain.key()?, trusted);
    }
    let names = name::names(chain)?;
    if names.iter().any(|name| is(name, expected)) {
        return Ok(());
    }
    let mut found: Vec<_> =
        names.iter().take(MOST_SHOWN).map(|name| format!("\"{}\"", pem::shown(&name.as_text()))).collect();
    if names.len() > MOST_SHOWN {
        found.push("…".to_owned());
    }
    Err(Reason::OtherServer { expected: format!("\"{}\"", text(expected)), found: found.join(", ") }.into())
}

/// Whether a raw public key is the one that is trusted.
///
/// # Errors
/// The [`Refusal`], with the alert that tells the peer.
pub fn matches_key(key: &RawKey, trusted: &PublicKeyIdentifier) -> Result<(), Refusal> {
    if key.matches(trusted) { Ok(()) } else { Err(Reason::OtherKey { expected: trusted.to_string() }.into()) }
}

fn is(name: &Name, expected: &ExpectedServer) -> bool {
    match (name, expected) {
        (Name::Cse(found), ExpectedServer::Cse(cse)) => *found == cse.to_string(),
        (Name::Cse(found), ExpectedServer::CseInAnyLetters(cse)) => {
            found.eq_ignore_ascii_case(&cse.to_string())
        }
        (Name::Cse(found), ExpectedServer::Fqdn(fqdn)) => found == fqdn.as_str(),
        // The two spellings of an object identifier are one Node-ID (register A-11).
        (Name::Node(found), ExpectedServer::Node(node)) => {
            let uri = name::node_uri(node);
            uri.is_some() && uri == name::node_uri(found)
        }
        (Name::Device(found), ExpectedServer::Device(device)) => found == device,
        _ => false,
    }
}

fn text(expected: &ExpectedServer) -> String {
    match expected {
        ExpectedServer::Cse(cse) | ExpectedServer::CseInAnyLetters(cse) => cse.to_string(),
        ExpectedServer::Fqdn(fqdn) => fqdn.to_string(),
        ExpectedServer::Key(key) => key.to_string(),
        ExpectedServer::Node(node) => node.to_string(),
        ExpectedServer::Device(device) => pem::shown(device),
    }
}
