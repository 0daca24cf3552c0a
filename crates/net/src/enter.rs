//! From an accepted connection to an established association.

use std::sync::Arc;

use association::{
    Alert, Association, Handshake, IdentityAsSent, KeyAnswer, Progress, ServerContext, SessionAnswer, Verdict,
};
use identity::{Credential, KeyRefusal};
use keys::CredentialId;
use tokio::net::TcpStream;

use crate::{
    HandshakeRefusal, KeySource, Limits,
    live::Moment,
    lookup::{Found, Lookups},
    stream::{HandshakeFailure, TlsStream},
};

/// What is known of a peer while its handshake runs; survives a handshake that is given up.
#[derive(Default)]
pub(crate) struct Attempt {
    pub(crate) psk_identity: Option<String>,
    pub(crate) credential_id: Option<CredentialId>,
    key_refusal: Option<KeyRefusal>,
}

impl Attempt {
    /// Why it failed: a refused key is the reason, whatever the peer saw of it.
    pub(crate) fn refusal(&self, otherwise: HandshakeRefusal) -> HandshakeRefusal {
        self.key_refusal.map_or(otherwise, HandshakeRefusal::from)
    }
}

/// A finished handshake.
pub(crate) struct Entered {
    pub(crate) stream: TlsStream,
    pub(crate) handshake: Handshake,
    pub(crate) credential: Credential,
    /// The credential was read after this.
    pub(crate) read: Moment,
}

/// Runs the handshake. Deadlines are the caller's.
pub(crate) async fn enter<K: KeySource>(
    tcp: TcpStream,
    context: &ServerContext,
    lookups: &Lookups<K>,
    limits: &Arc<Limits>,
    attempt: &mut Attempt,
) -> Result<Entered, HandshakeRefusal> {
    let association = Association::server(context);
    let mut stream = TlsStream::new(tcp, association, limits.send_deadline);
    let mut found = None;
    loop {
        match stream.handshake().await {
            Ok(Progress::NeedsKey(sent)) => {
                let (answer, credential) = look_up(&sent, lookups, attempt).await;
                found = credential;
                stream.answer_key(answer);
            }
            Ok(Progress::NeedsSession(_)) => stream.answer_session(SessionAnswer::Full),
            Ok(Progress::NeedsVerdict(_)) => {
                stream.answer_verdict(Verdict::Refuse(Alert::CERTIFICATE_UNKNOWN));
            }
            Ok(Progress::Established(handshake)) => {
                let (credential, read) = found.ok_or(HandshakeRefusal::Internal)?;
                return Ok(Entered { stream, handshake, credential, read });
            }
            Ok(Progress::WantsInput) => return Err(HandshakeRefusal::Internal),
            Err(failure) => {
                stream.drain_arrived();
                return Err(attempt.refusal(refusal(&failure)));
            }
        }
    }
}

async fn look_up<K: KeySource>(
    sent: &IdentityAsSent,
    lookups: &Lookups<K>,
    attempt: &mut Attempt,
) -> (KeyAnswer, Option<(Credential, Moment)>) {
    attempt.psk_identity = Some(sent.to_string());
    let found = match sent.check() {
        Ok(identity) => lookups.key(identity).await,
        Err(_) => {
            attempt.key_refusal = Some(KeyRefusal::Malformed);
            return (KeyAnswer::Refuse, None);
        }
    };
    let Found { answer, read } = found;
    match answer {
        Ok((credential, key)) => {
            attempt.credential_id = Some(credential.credential_id.clone());
            (KeyAnswer::Key(key), Some((credential, read)))
        }
        Err(refusal) => {
            attempt.key_refusal = Some(refusal);
            (KeyAnswer::Refuse, None)
        }
    }
}

fn refusal(failure: &HandshakeFailure) -> HandshakeRefusal {
    match failure {
        HandshakeFailure::Association(error) => error.into(),
        HandshakeFailure::Network(_) => HandshakeRefusal::PeerClosed,
    }
}
