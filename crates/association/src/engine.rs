//! Turns of OpenSSL's handshake, and what its complaints mean.

use openssl::ssl::{ShutdownState, Ssl, SslStream};

use crate::{
    Alert, Error, ServerContext,
    error::{Complaint, complaint},
    proving::Proving,
    record,
    slot::{self, ClientSlot, ServerSlot, Unacceptable},
    transport::MemIo,
};

/// OpenSSL's side of a server's end.
pub(crate) fn server_stream(context: &ServerContext) -> Result<SslStream<MemIo>, Error> {
    let mut ssl = Ssl::new(context.ssl_context())?;
    ssl.set_ex_data(slot::server_index()?, ServerSlot::default());
    ssl.set_accept_state();
    Ok(SslStream::new(ssl, MemIo::default())?)
}

pub(crate) fn has_closed(stream: &mut SslStream<MemIo>) -> bool {
    stream.get_shutdown().contains(ShutdownState::SENT)
}

/// What a complaint means once the answers are given.
pub(crate) fn handshake_error(stream: &SslStream<MemIo>, proving: &Proving, complaint: Complaint) -> Error {
    if let Some(why) = slot::client_slot(stream.ssl()).and_then(ClientSlot::refused) {
        return match why {
            Unacceptable::Certificate(alert) => Error::CertificateRefused { alert },
            Unacceptable::Staple(alert) => Error::StapleRefused { alert },
        };
    }
    match (complaint, proving) {
        (Complaint::Unverified, Proving::Key(_) | Proving::Server(_)) => Error::WrongKey,
        (Complaint::Unverified, Proving::Refused) => Error::Refused,
        (Complaint::Other(Error::PeerAlert { alert }), Proving::Server(Some(_)))
            if alert.refuses_the_key() =>
        {
            Error::KeyRefused { alert }
        }
        (Complaint::Other(Error::PeerAlert { alert }), Proving::Server(_))
            if alert.refuses_the_certificate() =>
        {
            Error::CertificateDenied { alert }
        }
        (other, _) => approach_error(stream, other),
    }
}

/// One turn of OpenSSL's handshake.
pub(crate) fn handshake(stream: &mut SslStream<MemIo>) -> Result<(), Complaint> {
    clear_errors();
    stream.do_handshake().map_err(|error| complaint(&error))
}

/// What a complaint means before the key has been used.
pub(crate) fn approach_error(stream: &SslStream<MemIo>, complaint: Complaint) -> Error {
    if slot::server_slot(stream.ssl()).is_some_and(ServerSlot::name_refused) {
        return Error::UnknownServerName;
    }
    match complaint {
        Complaint::WantsInput | Complaint::Closed => Error::ClosedInHandshake,
        Complaint::Unverified => Error::Protocol { reason: "a record does not verify".to_owned() },
        Complaint::Other(error) => error,
    }
}

/// OpenSSL's errors are per thread, and one left by somebody else would be taken for this call's.
pub(crate) fn clear_errors() {
    ossl::forget_errors();
}

/// Ends a handshake from here: OpenSSL never saw what was wrong.
pub(crate) fn alert(stream: &mut SslStream<MemIo>, alert: Alert) {
    stream.get_mut().push_output(&record::fatal_alert(alert));
}
