//! Who gets into a listener, and how it proves itself: keys, certificates, tokens and sessions, each looked up in
//! the store at every handshake.

mod gates;
mod own;
mod staple;
mod tickets;
mod trust;
mod verifier;

pub(crate) use self::{
    gates::{Gates, Renewal},
    own::OwnCertificate,
};
use self::{
    own::{Own, tls_of},
    staple::{StapleKeeper, Subject},
    tickets::Tickets,
    trust::Trust,
    verifier::Verifier,
};
