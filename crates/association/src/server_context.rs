use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use keys::Secret;
use openssl::{
    sha::{Sha256, sha256},
    ssl::{
        NameType, SniError, SslAlert, SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef,
        SslSessionCacheMode, SslVerifyMode,
    },
};
use ossl::{Kinds, Way};

use crate::{
    CredentialError, Error, Resumption, ServerCredential, Staple, Suite, SuitePolicy,
    context::common,
    credential::{install_chain, install_key},
    session::Resumable,
    slot,
    ticket::TicketKeys,
};

/// How long OpenSSL takes a session for good, in seconds. Whoever answers [`crate::Progress::NeedsSession`] may
/// think otherwise.
const SESSION_SECONDS: i32 = 24 * 60 * 60;

const CERTIFICATE_VERIFY: u8 = 15;
const NEW_SESSION_TICKET: u8 = 4;

/// Under which names a server may be asked for in SNI (TS-0003 §10.2.1, RFC 6066 §3). A client that sends no
/// name always gets the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServerNames {
    /// Any name.
    #[default]
    Any,
    /// These, compared without regard to ASCII case; another is refused with `unrecognized_name`. Written in
    /// lower case.
    Only(BTreeSet<String>),
}

impl ServerNames {
    fn accept(&self, name: Option<&str>) -> bool {
        match (self, name) {
            (Self::Any, _) => true,
            (Self::Only(names), Some(name)) => names.contains(&name.to_ascii_lowercase()),
            // A name that is no text is none of ours.
            (Self::Only(_), None) => false,
        }
    }
}

/// How clients of a server prove who they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ClientProof {
    /// With a pre-shared key or, where certificate suites are configured, a certificate or raw public key. Who
    /// has neither is refused.
    #[default]
    KeyOrCertificate,
    /// Not in the handshake: the server alone proves itself, and certificate suites are all there is. What the
    /// client says first must say who it is.
    Token,
}

/// What all associations of a server have in common. Cheap to clone.
#[derive(Clone)]
pub struct ServerContext {
    ssl: SslContext,
    clients: ClientProof,
    resumable: Option<Resumable>,
    tickets: Option<TicketKeys>,
    /// Whether it can show a certificate as well as a raw public key.
    both_kinds: bool,
    others: Others,
}

/// Servers of their own for some names, which are in lower case.
type Others = Arc<BTreeMap<String, ServerContext>>;

impl ServerContext {
    /// A server with these suites, in its own order of preference, under these names, and nothing else: see
    /// [`builder`](Self::builder).
    ///
    /// # Errors
    /// As [`ServerContextBuilder::build`].
    pub fn new(policy: &SuitePolicy, names: ServerNames) -> Result<Self, Error> {
        Self::builder(policy).names(names).build()
    }

    /// A server with these suites, in its own order of preference.
    #[must_use]
    pub fn builder(policy: &SuitePolicy) -> ServerContextBuilder {
        ServerContextBuilder {
            policy: policy.clone(),
            names: ServerNames::default(),
            credential: None,
            raw_keys: false,
            raw_client_keys: true,
            clients: ClientProof::default(),
            staple: None,
            resumption: None,
            others: BTreeMap::new(),
        }
    }

    /// Whether a choice depends on what the ClientHello says, before OpenSSL sees it.
    pub(crate) fn reads_ahead(&self) -> bool {
        self.resumable.is_some() || self.both_kinds || !self.others.is_empty()
    }

    /// Whether it can show a certificate as well as a raw public key, as the client prefers.
    pub(crate) const fn has_both_kinds(&self) -> bool {
        self.both_kinds
    }

    /// The server for clients that ask for this name.
    pub(crate) fn asked_for(&self, name: Option<&str>) -> &Self {
        name.and_then(|name| self.others.get(&name.to_ascii_lowercase())).unwrap_or(self)
    }

    pub(crate) const fn ssl_context(&self) -> &SslContext {
        &self.ssl
    }

    pub(crate) const fn clients(&self) -> ClientProof {
        self.clients
    }

    pub(crate) const fn resumable(&self) -> Option<Resumable> {
        self.resumable
    }

    pub(crate) const fn tickets(&self) -> Option<&TicketKeys> {
        self.tickets.as_ref()
    }
}

/// A [`ServerContext`] in the making.
pub struct ServerContextBuilder {
    policy: SuitePolicy,
    names: ServerNames,
    credential: Option<ServerCredential>,
    raw_keys: bool,
    raw_client_keys: bool,
    clients: ClientProof,
    staple: Option<Staple>,
    resumption: Option<Resumption>,
    others: BTreeMap<String, ServerContext>,
}

impl ServerContextBuilder {
    /// Under which names clients may ask for it; without this, any.
    #[must_use]
    pub fn names(mut self, names: ServerNames) -> Self {
        self.names = names;
        self
    }

    /// What it proves itself with in certificate suites.
    #[must_use]
    pub fn credential(mut self, credential: ServerCredential) -> Self {
        self.credential = Some(credential);
        self
    }

    /// Whether raw public keys (RFC 7250) are negotiated beside certificates, its own and clients', in each client's
    /// order of preference. Without this, no.
    #[must_use]
    pub const fn raw_keys(mut self, allowed: bool) -> Self {
        self.raw_keys = allowed;
        self
    }

    /// Whether, where raw public keys are negotiated, clients may show them. Without this, yes. A client that has both
    /// shows its certificate where they may not.
    #[must_use]
    pub const fn raw_client_keys(mut self, allowed: bool) -> Self {
        self.raw_client_keys = allowed;
        self
    }

    /// How clients prove who they are; without this, by key or certificate, as the suites go.
    #[must_use]
    pub const fn clients(mut self, clients: ClientProof) -> Self {
        self.clients = clients;
        self
    }

    /// The OCSP response that clients get that ask for one; without this, none.
    #[must_use]
    pub fn staple(mut self, staple: Staple) -> Self {
        self.staple = Some(staple);
        self
    }

    /// Lets sessions be resumed; without this, none is.
    #[must_use]
    pub fn resumption(mut self, resumption: Resumption) -> Self {
        self.resumption = Some(resumption);
        self
    }

    /// Gives clients that ask for `name` in SNI, compared without regard to ASCII case, another server, which is to
    /// know that name: other suites, other proofs. Which one it is, is decided by the ClientHello, before either of
    /// them sees it. Clients that send no name get this one.
    #[must_use]
    pub fn under(mut self, name: &str, server: ServerContext) -> Self {
        self.others.insert(name.to_ascii_lowercase(), server);
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// [`Error::NoSuites`] if none is left, [`CredentialError::Missing`] for certificate suites without a
    /// credential, [`CredentialError`] for one that cannot be used, [`Error::Engine`] if OpenSSL lacks all of
    /// the suites.
    pub fn build(self) -> Result<ServerContext, Error> {
        let policy = match self.clients {
            ClientProof::KeyOrCertificate => self.policy,
            ClientProof::Token => self.policy.certificates_only(),
        };
        let mut context = common(SslMethod::tls_server(), &policy)?;
        context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        slot::install_server(&mut context)?;
        let (names, others) = (self.names, Others::new(self.others));
        let elsewhere = Arc::clone(&others);
        context.set_servername_callback(move |ssl, alert| check_name(&names, &elsewhere, ssl, alert));
        let mut both_kinds = false;
        if policy.has_certificates() {
            let credential = self.credential.ok_or(CredentialError::Missing)?;
            both_kinds = install_credential(&mut context, &credential, self.raw_keys, self.raw_client_keys)?
                == Kinds::Both;
            match self.clients {
                ClientProof::KeyOrCertificate => ask_for_certificates(&mut context)?,
                ClientProof::Token => context.set_verify(SslVerifyMode::NONE),
            }
            if let Some(staple) = self.staple {
                context.set_status_callback(move |ssl| match staple.get() {
                    Some(response) => ssl.set_ocsp_status(&response).map(|()| true),
                    None => Ok(false),
                })?;
            }
        }
        let resumption = self.resumption.filter(|resumption| resumption.tickets.is_some() || resumption.ids);
        let resumable = resumption
            .as_ref()
            .map(|resumption| Resumable { tickets: resumption.tickets.is_some(), ids: resumption.ids });
        let tickets = resumption.as_ref().and_then(|resumption| resumption.tickets.clone());
        if let Some(resumption) = resumption {
            install_resumption(&mut context, resumption, self.clients, &policy)?;
        }
        if policy.has_certificates() || resumable.is_some() {
            ossl::watch_messages(&mut context, note_message)?;
        }
        let ssl = context.build();
        Ok(ServerContext { ssl, clients: self.clients, resumable, tickets, both_kinds, others })
    }
}

/// Which kinds of proof it makes.
fn install_credential(
    context: &mut SslContextBuilder,
    credential: &ServerCredential,
    raw_keys: bool,
    of_clients: bool,
) -> Result<Kinds, Error> {
    let allowed = |allowed| if allowed { Kinds::Both } else { Kinds::Certificates };
    let clients = allowed(raw_keys && of_clients);
    let servers = match credential {
        ServerCredential::Chain { chain_der, key } => {
            install_chain(context, chain_der, key)?;
            allowed(raw_keys)
        }
        ServerCredential::RawKey { key } => {
            install_key(context, key)?;
            Kinds::RawKeys
        }
    };
    set_kinds(context, clients, servers)?;
    Ok(servers)
}

/// As [`ossl::set_kinds`], where there is anything to set.
pub(crate) fn set_kinds(
    context: &mut SslContextBuilder,
    clients: Kinds,
    servers: Kinds,
) -> Result<(), Error> {
    if (clients, servers) == (Kinds::Certificates, Kinds::Certificates) {
        return Ok(());
    }
    if !ossl::RAW_PUBLIC_KEYS {
        return Err(CredentialError::NoRawPublicKeys.into());
    }
    Ok(ossl::set_kinds(context, clients, servers)?)
}

/// Every client without a pre-shared key has to present something. OpenSSL takes whatever it is and checks that
/// the client holds the key; the verdict is asked for after that, and nothing is established before it.
fn ask_for_certificates(context: &mut SslContextBuilder) -> Result<(), Error> {
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    ossl::set_certificate_judge(context, |ssl, shown| {
        if let Some(slot) = slot::server_slot(ssl) {
            slot.present(shown.into());
        }
        Ok(())
    })?;
    Ok(())
}

fn note_message(ssl: &SslRef, way: Way, message: &[u8]) {
    let Some(slot) = slot::server_slot(ssl) else { return };
    match (way, message.first()) {
        (Way::Received, Some(&CERTIFICATE_VERIFY)) => slot.sign(),
        (Way::Sent, Some(&NEW_SESSION_TICKET)) => {
            // Type and length (4), lifetime (4), length of the ticket (2). An empty ticket is none.
            if let Some(ticket) = message.get(10..).filter(|ticket| !ticket.is_empty()) {
                slot.send_ticket(sha256(ticket));
            }
        }
        _ => {}
    }
}

fn install_resumption(
    context: &mut SslContextBuilder,
    resumption: Resumption,
    clients: ClientProof,
    policy: &SuitePolicy,
) -> Result<(), Error> {
    // The sessions are kept elsewhere; without this mode OpenSSL gives out no IDs.
    let cache = if resumption.ids { SslSessionCacheMode::SERVER } else { SslSessionCacheMode::OFF };
    context.set_session_cache_mode(cache | SslSessionCacheMode::NO_INTERNAL);
    context.set_session_id_context(&session_context(clients, policy))?;
    ossl::set_session_seconds(context, SESSION_SECONDS);
    let for_psk = resumption.for_psk;
    ossl::set_resumable_rule(context, move |ssl, suite| {
        let certificate = suite.and_then(Suite::from_id).is_some_and(Suite::is_certificate);
        (certificate || for_psk)
            && slot::server_slot(ssl).is_some_and(slot::ServerSlot::extended_master_secret)
    })?;
    ossl::set_session_filter(context, |ssl, session| {
        slot::server_slot(ssl).is_some_and(|slot| slot.fits(ossl::server_name(session)))
    })?;
    ossl::set_session_source(context, |ssl, _id| slot::server_slot(ssl)?.take_session().map(Exposed));
    if let Some(keys) = resumption.tickets {
        context.clear_options(SslOptions::NO_TICKET);
        ossl::set_ticket_keys(context, keys)?;
    }
    Ok(())
}

/// A session is resumed only where clients prove themselves as they did when it was made, among the same
/// suites. The same on every server that is configured alike.
fn session_context(clients: ClientProof, policy: &SuitePolicy) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(match clients {
        ClientProof::KeyOrCertificate => b"key or certificate",
        ClientProof::Token => b"token",
    });
    for suite in policy.suites() {
        digest.update(&suite.id().to_be_bytes());
    }
    digest.finish()
}

/// Octets that OpenSSL reads and that are erased after it.
struct Exposed(Secret);

impl AsRef<[u8]> for Exposed {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

fn check_name(
    names: &ServerNames,
    others: &Others,
    ssl: &SslRef,
    alert: &mut SslAlert,
) -> Result<(), SniError> {
    // The callback also runs for a ClientHello without the extension.
    if ssl.servername_raw(NameType::HOST_NAME).is_none() {
        return Ok(());
    }
    let name = ssl.servername(NameType::HOST_NAME);
    // Who asks for another server in a way that only OpenSSL can read gets neither.
    let elsewhere = name.is_some_and(|name| others.contains_key(&name.to_ascii_lowercase()));
    if names.accept(name) && !elsewhere {
        return Ok(());
    }
    if let Some(slot) = slot::server_slot(ssl) {
        slot.refuse_name();
    }
    *alert = SslAlert::UNRECOGNIZED_NAME;
    Err(SniError::ALERT_FATAL)
}
