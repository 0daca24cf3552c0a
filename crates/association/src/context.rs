//! What both ends' contexts have in common.

use openssl::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};

use crate::{Error, SuitePolicy};

/// Most octets of a peer's Certificate message.
const MAX_CERTIFICATES: u16 = 1 << 14;

/// TLS 1.2 exactly (TS-0003 §10.2.1), without renegotiation and compression, and without resumption unless it
/// is turned on. The one group is that of the profile. `encrypt_then_mac` and `extended_master_secret` are
/// OpenSSL's defaults.
pub(crate) fn common(method: SslMethod, policy: &SuitePolicy) -> Result<SslContextBuilder, Error> {
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
    if policy.has_certificates() {
        // The one algorithm of the profile (TS-0003 §10.1.1).
        context.set_sigalgs_list("ECDSA+SHA256")?;
        ossl::set_max_certificate_octets(&mut context, MAX_CERTIFICATES);
    }
    if policy.suites().is_empty() {
        return Err(Error::NoSuites);
    }
    context.set_cipher_list(&policy.openssl_list())?;
    Ok(context)
}
