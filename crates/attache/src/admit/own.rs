//! What a listener proves itself with.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use certificate::{Anchors, Chain, Flavour, Rule, check_profile};
use net::{
    ClientIdentity, ClientProof, PrivateKey, Resumption, ServerContext, ServerCredential, ServerNames,
    Staple, SuitePolicy, TicketKeys,
};
use onem2m::time::Timestamp;

use super::{Trust, trust::read};
use crate::{
    config::{CertificateSection, ListenerSection},
    key_pair,
    outcome::{Failure, causes},
};

/// The certificate of a listener, read and looked at.
pub(crate) struct Own {
    pub(crate) chain: Chain,
    key: PrivateKey,
}

impl Own {
    /// Reads the files that the section names, relative to `folder`.
    pub(crate) fn load(section: &CertificateSection, folder: &Path, now: Timestamp) -> Result<Self, Failure> {
        let file = folder.join(&section.chain_file);
        let wrong = |file: &Path, what: &dyn std::fmt::Display| {
            Failure::usage(format_args!("{}: {what}", file.display()))
        };
        let chain = Chain::from_pem(&read(&file)?).map_err(|error| wrong(&file, &error))?;
        if chain.not_after() < now {
            let what =
                format!("certificate 0, validity: it ended at {} (RFC 5280 §4.1.2.5)", chain.not_after());
            return Err(wrong(&file, &what));
        }
        // An authority without name constraints of its own is the peers' worry (register A-40).
        let violations = check_profile(&chain, Flavour::CseId);
        if let Some(violation) = violations.iter().find(|violation| violation.rule != Rule::Constrained) {
            return Err(wrong(&file, violation));
        }
        let key_file = folder.join(&section.key_file);
        let pem = zeroize::Zeroizing::new(read(&key_file)?);
        let key = key_pair::private_key(&key_file, &pem, Some((&chain, &file)))?;
        Ok(Self { chain, key })
    }

    /// The same for associations that this CSE opens itself, with what it holds the other end against.
    pub(super) fn outwards(&self, trust: &Trust) -> OwnCertificate {
        OwnCertificate(Arc::new(Outwards { shown: RwLock::new(self.shown()), trust: trust.clone() }))
    }

    fn shown(&self) -> Shown {
        let chain_der = self.chain.ders().map(<[u8]>::to_vec).collect();
        Shown { chain_der, key: self.key.share(), not_after: self.chain.not_after() }
    }

    fn credential(&self) -> ServerCredential {
        ServerCredential::Chain {
            chain_der: self.chain.ders().map(<[u8]>::to_vec).collect(),
            key: self.key.share(),
        }
    }
}

/// What this CSE proves itself with to other CSEs: the certificate of its first listener that has one and accepts
/// certificates. All clones are one, and show the same after a renewal.
#[derive(Clone)]
pub(crate) struct OwnCertificate(Arc<Outwards>);

struct Outwards {
    shown: RwLock<Shown>,
    trust: Trust,
}

struct Shown {
    chain_der: Vec<Vec<u8>>,
    key: PrivateKey,
    not_after: Timestamp,
}

impl OwnCertificate {
    /// What associations that are opened from now on prove, and the last moment at which it is good for that.
    pub(crate) fn identity(&self) -> (ClientIdentity, Timestamp) {
        let shown = self.0.shown.read().unwrap_or_else(PoisonError::into_inner);
        let identity = ClientIdentity::Chain { chain_der: shown.chain_der.clone(), key: shown.key.share() };
        (identity, shown.not_after)
    }

    /// From now on it is this one. What is open stays.
    pub(super) fn renew(&self, own: &Own) {
        *self.0.shown.write().unwrap_or_else(PoisonError::into_inner) = own.shown();
    }

    /// The anchors and revocation lists, as they are now.
    pub(crate) fn anchors(&self) -> Anchors {
        self.0.trust.anchors()
    }

    /// Whether issuers have to be held to names of their own.
    pub(crate) fn strict(&self) -> bool {
        self.0.trust.strict()
    }
}

/// The TLS settings of a listener.
pub(crate) fn tls_of(
    section: &ListenerSection,
    own: Option<&Own>,
    tickets: Option<&TicketKeys>,
    staple: Option<&Staple>,
) -> Result<ServerContext, Failure> {
    let wrong = |error: net::AssociationError| {
        Failure::usage(format_args!("listener {}: {}", section.address, causes(&error)))
    };
    let builder = |policy: &SuitePolicy, names: &BTreeSet<String>| {
        let mut builder = ServerContext::builder(policy);
        if !names.is_empty() {
            let names = names.iter().map(|name| name.to_ascii_lowercase()).collect();
            builder = builder.names(ServerNames::Only(names));
        }
        if let (Some(own), Some(certificate)) = (own, &section.certificate) {
            builder = builder.credential(own.credential()).raw_keys(certificate.raw_public_keys);
            builder = builder.raw_client_keys(section.clients.accept(identity::Flavour::RawPublicKey));
        }
        if let Some(staple) = staple {
            builder = builder.staple(staple.clone());
        }
        if let Some(tickets) = tickets {
            let tickets = Some(tickets.clone());
            builder = builder.resumption(Resumption { tickets, ids: true, for_psk: false });
        }
        builder
    };
    let for_tokens =
        |names| builder(&section.token_policy(), names).clients(ClientProof::Token).build().map_err(wrong);
    if section.is_for_tokens_alone() {
        return for_tokens(&section.server_names);
    }
    let mut server = builder(&section.policy(), &section.server_names);
    if !section.token_names.is_empty() {
        let tokens = for_tokens(&section.token_names)?;
        for name in &section.token_names {
            server = server.under(name, tokens.clone());
        }
    }
    server.build().map_err(wrong)
}
