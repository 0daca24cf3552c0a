use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use openssl::ssl::{SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslVerifyMode};
use ossl::Kinds;

use crate::{
    Alert, ClientIdentity, CredentialError, Error, Presented, Suite, SuitePolicy,
    context::common,
    credential::{install_chain, install_key},
    server_context::set_kinds,
    slot::{self, Unacceptable},
};

/// Judges what a server presents, before anything else of it is believed. An alert of 40, 42 to 46, 48, 51 or
/// 80 is sent as it is, any other as 46.
pub type ServerCheck = Arc<dyn Fn(&Presented) -> Result<(), Alert> + Send + Sync>;

/// Judges the OCSP response, or its absence, of a server that [`ServerCheck`] has accepted. The server gets
/// `bad_certificate_status_response` whatever the alert is.
pub type StapleCheck = Arc<dyn Fn(Option<&[u8]>, &Presented) -> Result<(), Alert> + Send + Sync>;

/// What all associations of a client have in common. Cheap to clone.
#[derive(Clone)]
pub struct ClientContext {
    ssl: SslContext,
    /// The suites for an association without a pre-shared key, if others are configured.
    without_key: Option<Arc<str>>,
    asks_for_staple: bool,
    resumes: bool,
}

impl ClientContext {
    /// A client that offers these suites and has nothing but pre-shared keys. It does not resume.
    ///
    /// # Errors
    /// As [`ClientContextBuilder::build`].
    pub fn new(policy: &SuitePolicy) -> Result<Self, Error> {
        Self::builder(policy).resumption(false).build()
    }

    /// A client that offers these suites.
    #[must_use]
    pub fn builder(policy: &SuitePolicy) -> ClientContextBuilder {
        ClientContextBuilder {
            policy: policy.clone(),
            identity: ClientIdentity::None,
            server: None,
            raw_server_keys: false,
            staple_check: None,
            resumption: true,
        }
    }

    pub(crate) const fn ssl_context(&self) -> &SslContext {
        &self.ssl
    }

    pub(crate) fn list_without_key(&self) -> Option<&str> {
        self.without_key.as_deref()
    }

    pub(crate) const fn asks_for_staple(&self) -> bool {
        self.asks_for_staple
    }

    pub(crate) const fn resumes(&self) -> bool {
        self.resumes
    }
}

/// A [`ClientContext`] in the making.
pub struct ClientContextBuilder {
    policy: SuitePolicy,
    identity: ClientIdentity,
    server: Option<ServerCheck>,
    raw_server_keys: bool,
    staple_check: Option<StapleCheck>,
    resumption: bool,
}

impl ClientContextBuilder {
    /// What the client proves itself with if the server asks for a certificate; without this, nothing.
    #[must_use]
    pub fn identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = identity;
        self
    }

    /// Who judges what servers present. Certificate suites need it.
    #[must_use]
    pub fn server(mut self, check: ServerCheck) -> Self {
        self.server = Some(check);
        self
    }

    /// Whether the server may present a raw public key (RFC 7250) in the place of a certificate. Without this,
    /// no.
    #[must_use]
    pub const fn raw_server_keys(mut self, allowed: bool) -> Self {
        self.raw_server_keys = allowed;
        self
    }

    /// Asks servers for an OCSP response and lets this judge it.
    #[must_use]
    pub fn staple_check(mut self, check: StapleCheck) -> Self {
        self.staple_check = Some(check);
        self
    }

    /// Whether sessions can be resumed later: asks for tickets. Without this, yes.
    #[must_use]
    pub const fn resumption(mut self, wanted: bool) -> Self {
        self.resumption = wanted;
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// [`Error::NoSuites`], [`CredentialError::NoServerCheck`] for certificate suites without a check,
    /// [`CredentialError`] for an identity that cannot be used, [`Error::Engine`] if OpenSSL lacks all of the
    /// suites.
    pub fn build(self) -> Result<ClientContext, Error> {
        let mut context = common(SslMethod::tls_client(), &self.policy)?;
        slot::install_client(&mut context)?;
        let asks_for_staple = self.staple_check.is_some();
        if self.policy.has_certificates() {
            install_check(&mut context, self.server.ok_or(CredentialError::NoServerCheck)?)?;
            install_identity(&mut context, &self.identity, self.raw_server_keys)?;
            if let Some(check) = self.staple_check {
                context.set_status_callback(move |ssl| Ok(judge_staple(ssl, &check)))?;
            }
        }
        if self.resumption {
            context.clear_options(SslOptions::NO_TICKET);
        }
        let mixed = self.policy.has_certificates() && self.policy.has_keys();
        Ok(ClientContext {
            ssl: context.build(),
            without_key: mixed.then(|| self.policy.certificates_only().openssl_list().into()),
            asks_for_staple,
            resumes: self.resumption,
        })
    }
}

fn install_identity(
    context: &mut SslContextBuilder,
    identity: &ClientIdentity,
    raw_server_keys: bool,
) -> Result<(), Error> {
    let clients = match identity {
        ClientIdentity::None => Kinds::Certificates,
        ClientIdentity::Chain { chain_der, key } => {
            install_chain(context, chain_der, key)?;
            Kinds::Certificates
        }
        ClientIdentity::RawKey { key } => {
            install_key(context, key)?;
            Kinds::RawKeys
        }
    };
    let servers = if raw_server_keys { Kinds::Both } else { Kinds::Certificates };
    set_kinds(context, clients, servers)
}

fn install_check(context: &mut SslContextBuilder, check: ServerCheck) -> Result<(), Error> {
    context.set_verify(SslVerifyMode::PEER);
    ossl::set_certificate_judge(context, move |ssl, shown| {
        let presented = Presented::from(shown);
        let verdict = check(&presented);
        if let Some(slot) = slot::client_slot(ssl) {
            match verdict {
                Ok(()) => slot.present(presented),
                Err(alert) => slot.refuse(Unacceptable::Certificate(alert)),
            }
        }
        verdict.map_err(|alert| alert.0)
    })?;
    Ok(())
}

/// Called also where the server has stapled nothing, and where it proves itself with a pre-shared key.
fn judge_staple(ssl: &SslRef, check: &StapleCheck) -> bool {
    if ossl::chosen_suite(ssl).and_then(Suite::from_id).is_some_and(|suite| !suite.is_certificate()) {
        return true;
    }
    let Some(slot) = slot::client_slot(ssl) else { return false };
    let Some(presented) = slot.presented() else { return false };
    let verdict = catch_unwind(AssertUnwindSafe(|| check(ssl.ocsp_status(), &presented)));
    let verdict = verdict.unwrap_or(Err(Alert::INTERNAL_ERROR));
    if let Err(alert) = verdict {
        slot.refuse(Unacceptable::Staple(alert));
    }
    verdict.is_ok()
}
