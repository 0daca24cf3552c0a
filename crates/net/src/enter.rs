//! From an accepted connection to an established association.

use std::sync::Arc;

use association::{
    Association, Handshake, IdentityAsSent, KeyAnswer, NewSession, Presented, Progress, Proved,
    ServerContext, SessionAnswer, SessionHandle, Verdict,
};
use identity::{Established, KeyRefusal};
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
    /// What was wrong with its certificate.
    pub(crate) detail: Option<String>,
    refusal: Option<HandshakeRefusal>,
}

impl Attempt {
    /// Why it failed: what was refused is the reason, whatever the peer saw of it.
    pub(crate) fn refusal(&self, otherwise: HandshakeRefusal) -> HandshakeRefusal {
        self.refusal.unwrap_or(otherwise)
    }
}

/// A finished handshake.
pub(crate) struct Entered {
    pub(crate) stream: TlsStream,
    pub(crate) handshake: Handshake,
    pub(crate) established: Established,
    /// The records were read after this.
    pub(crate) read: Moment,
    /// What may be remembered once the peer is bound to an identity.
    pub(crate) session: Option<NewSession>,
}

/// What the records said, and a moment before which they were not read.
type Proof = (Established, Moment);

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
    let (mut proof, mut remembered) = (None, None);
    loop {
        match stream.handshake().await {
            Ok(Progress::NeedsKey(sent)) => {
                let (answer, found) = look_up(&sent, lookups, attempt).await;
                proof = found;
                stream.answer_key(answer);
            }
            Ok(Progress::NeedsVerdict(presented)) => {
                let (verdict, found) = judge(presented, lookups, attempt).await;
                proof = found;
                stream.answer_verdict(verdict);
            }
            Ok(Progress::NeedsSession(offered)) => {
                let (answer, found) = recall(offered, lookups).await;
                remembered = found;
                stream.answer_session(answer);
            }
            Ok(Progress::Established(handshake)) => {
                // A session that was agreed to may have been passed over all the same.
                let proof = if handshake.resumed.is_some() { remembered } else { proof };
                let proof = match (&handshake.proved, proof) {
                    (Proved::Nothing, None) => Some((Established::by_nothing(), lookups.moment())),
                    (_, proof) => proof,
                };
                let (established, read) = proof.ok_or(HandshakeRefusal::Internal)?;
                // Whoever resumes has named no credential in this handshake.
                attempt.credential_id.clone_from(&established.credential_id);
                let session = stream.new_session();
                return Ok(Entered { stream, handshake, established, read, session });
            }
            Ok(Progress::WantsInput) => return Err(HandshakeRefusal::Internal),
            Err(failure) => {
                let failed = stream.failed_sessions();
                if !failed.is_empty() {
                    lookups.source().forget(failed).await;
                }
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
) -> (KeyAnswer, Option<Proof>) {
    attempt.psk_identity = Some(sent.to_string());
    let found = match sent.check() {
        Ok(identity) => lookups.key(identity).await,
        Err(_) => {
            attempt.refusal = Some(KeyRefusal::Malformed.into());
            return (KeyAnswer::Refuse, None);
        }
    };
    let Found { answer, read } = found;
    match answer {
        Ok((credential, key)) => {
            attempt.credential_id = Some(credential.credential_id.clone());
            (KeyAnswer::Key(key), Some((Established::by_key(&credential), read)))
        }
        Err(refusal) => {
            attempt.refusal = Some(refusal.into());
            (KeyAnswer::Refuse, None)
        }
    }
}

async fn judge<K: KeySource>(
    presented: Presented,
    lookups: &Lookups<K>,
    attempt: &mut Attempt,
) -> (Verdict, Option<Proof>) {
    match lookups.certificate(presented).await {
        (Ok(established), read) => {
            attempt.credential_id.clone_from(&established.credential_id);
            (Verdict::Accept, Some((established, read)))
        }
        (Err(refusal), _) => {
            attempt.refusal = Some(refusal.reason);
            attempt.credential_id = refusal.credential_id;
            attempt.detail = Some(refusal.detail);
            (Verdict::Refuse(refusal.alert), None)
        }
    }
}

async fn recall<K: KeySource>(
    offered: SessionHandle,
    lookups: &Lookups<K>,
) -> (SessionAnswer, Option<Proof>) {
    match lookups.session(offered).await {
        Some((remembered, read)) => {
            (SessionAnswer::Resume(remembered.session), Some((remembered.established, read)))
        }
        None => (SessionAnswer::Full, None),
    }
}

fn refusal(failure: &HandshakeFailure) -> HandshakeRefusal {
    match failure {
        HandshakeFailure::Association(error) => error.into(),
        HandshakeFailure::Network(_) => HandshakeRefusal::PeerClosed,
    }
}
