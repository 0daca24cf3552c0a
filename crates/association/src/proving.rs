//! What the peer is proving while OpenSSL alone finishes the handshake, and what has been proved in the end.

use keys::PskIdentity;
use openssl::ssl::SslRef;

use crate::{
    Error, Presented, Proved, SessionHandle, Suite,
    session::client_handle,
    slot::{self, ClientSlot, ServerSlot},
};

/// What the peer is proving.
pub(crate) enum Proving {
    /// Server: to hold the key of this identity.
    Key(PskIdentity),
    /// Server: that it sent what was accepted; it has signed with the private key of it.
    Certificate(Presented),
    /// Server: to hold the secret of this session.
    Session(SessionHandle),
    /// Server: nothing in the handshake.
    Nothing,
    /// Server: whatever it is, it is not good.
    Refused,
    /// Client: what the server chooses to prove. Holds our own identity, if we have a pre-shared key.
    Server(Option<PskIdentity>),
}

impl Proving {
    /// What has been proved, now that OpenSSL takes the handshake with this suite for finished. Whatever OpenSSL
    /// says, nobody is established whose proof was not seen here.
    pub(crate) fn finish(self, ssl: &SslRef, suite: Suite) -> Result<(Proved, Option<SessionHandle>), Error> {
        let certificate = suite.is_certificate();
        match (self, ssl.session_reused()) {
            // A server that gave OpenSSL the stand-in key is never established.
            (Self::Key(identity), false)
                if !certificate && slot::server_slot(ssl).is_some_and(ServerSlot::handed_over) =>
            {
                Ok((Proved::Key(identity), None))
            }
            (Self::Certificate(presented), false) if certificate => {
                Ok((Proved::Certificate(presented), None))
            }
            (Self::Nothing, false) if certificate => Ok((Proved::Nothing, None)),
            (Self::Session(handle), true) => {
                Ok((proved_in_session(ssl, certificate)?.unwrap_or(Proved::Nothing), Some(handle)))
            }
            (Self::Server(identity), resumed) => finish_client(identity, resumed, ssl, certificate),
            _ => Err(Error::Refused),
        }
    }
}

/// The server has proved itself by the key of our identity, by what the check accepted, or by the session.
fn finish_client(
    identity: Option<PskIdentity>,
    resumed: bool,
    ssl: &SslRef,
    certificate: bool,
) -> Result<(Proved, Option<SessionHandle>), Error> {
    if resumed {
        let proved = proved_in_session(ssl, certificate)?.ok_or(Error::Refused)?;
        return Ok((proved, ssl.session().map(client_handle)));
    }
    let proved = if certificate {
        slot::client_slot(ssl).and_then(ClientSlot::presented).map(Proved::Certificate)
    } else {
        identity.map(Proved::Key)
    };
    Ok((proved.ok_or(Error::Refused)?, None))
}

/// What the peer proved when the session was made. OpenSSL keeps no more than the peer's own certificate of a
/// chain.
fn proved_in_session(ssl: &SslRef, certificate: bool) -> Result<Option<Proved>, Error> {
    if !certificate {
        let identity = ssl.psk_identity().and_then(|identity| PskIdentity::from_wire(identity).ok());
        return identity.map(Proved::Key).map(Some).ok_or(Error::Refused);
    }
    if let Some(presented) = slot::server_slot(ssl).and_then(ServerSlot::presented_then) {
        return Ok(Some(Proved::Certificate(presented)));
    }
    if let Some(key) = ossl::peer_raw_key(ssl) {
        return Ok(Some(Proved::Certificate(Presented::RawKey(key))));
    }
    let Some(leaf) = ssl.peer_certificate() else { return Ok(None) };
    Ok(Some(Proved::Certificate(Presented::Chain(vec![leaf.to_der()?]))))
}
