use std::collections::BTreeSet;

use openssl::ssl::{
    NameType, SniError, SslAlert, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef,
    SslSessionCacheMode, SslVersion,
};

use crate::{Error, SuitePolicy, key_slot};

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

/// What all associations of a server have in common. Cheap to clone.
#[derive(Clone)]
pub struct ServerContext(SslContext);

impl ServerContext {
    /// A server with these suites, in its own order of preference, under these names.
    ///
    /// # Errors
    /// [`Error::NoSuites`], or [`Error::Engine`] if OpenSSL lacks all of the suites.
    pub fn new(policy: &SuitePolicy, names: ServerNames) -> Result<Self, Error> {
        let mut context = common(SslMethod::tls_server(), policy)?;
        context.set_options(SslOptions::CIPHER_SERVER_PREFERENCE);
        key_slot::install_server(&mut context)?;
        context.set_servername_callback(move |ssl, alert| check_name(&names, ssl, alert));
        Ok(Self(context.build()))
    }

    pub(crate) const fn ssl_context(&self) -> &SslContext {
        &self.0
    }
}

/// What all associations of a client have in common. Cheap to clone.
#[derive(Clone)]
pub struct ClientContext(SslContext);

impl ClientContext {
    /// A client that offers these suites.
    ///
    /// # Errors
    /// As [`ServerContext::new`].
    pub fn new(policy: &SuitePolicy) -> Result<Self, Error> {
        let mut context = common(SslMethod::tls_client(), policy)?;
        key_slot::install_client(&mut context)?;
        Ok(Self(context.build()))
    }

    pub(crate) const fn ssl_context(&self) -> &SslContext {
        &self.0
    }
}

/// TLS 1.2 exactly (TS-0003 §10.2.1), without renegotiation and compression. A resumed session would save a
/// PSK handshake nothing and skip the key lookup, so there is none. The one group is that of the profile.
/// `encrypt_then_mac` and `extended_master_secret` are OpenSSL's defaults.
fn common(method: SslMethod, policy: &SuitePolicy) -> Result<SslContextBuilder, Error> {
    let mut context = SslContext::builder(method)?;
    context.set_min_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_max_proto_version(Some(SslVersion::TLS1_2))?;
    context.set_options(SslOptions::NO_RENEGOTIATION | SslOptions::NO_COMPRESSION | SslOptions::NO_TICKET);
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_mode(
        SslMode::RELEASE_BUFFERS | SslMode::ENABLE_PARTIAL_WRITE | SslMode::ACCEPT_MOVING_WRITE_BUFFER,
    );
    context.set_groups_list("P-256")?;
    ossl::allow_ccm_8(&mut context);
    if policy.has_dhe() {
        ossl::set_dh_auto(&mut context)?;
    }
    if policy.suites().is_empty() {
        return Err(Error::NoSuites);
    }
    context.set_cipher_list(&policy.openssl_list())?;
    Ok(context)
}

fn check_name(names: &ServerNames, ssl: &SslRef, alert: &mut SslAlert) -> Result<(), SniError> {
    // The callback also runs for a ClientHello without the extension.
    if ssl.servername_raw(NameType::HOST_NAME).is_none() || names.accept(ssl.servername(NameType::HOST_NAME))
    {
        return Ok(());
    }
    if let Some(slot) = key_slot::server_slot(ssl) {
        slot.refuse_name();
    }
    *alert = SslAlert::UNRECOGNIZED_NAME;
    Err(SniError::ALERT_FATAL)
}
