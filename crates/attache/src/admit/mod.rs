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
    own::{Own, OwnCertificate},
    staple::StapleKeeper,
    trust::Trust,
};
use self::{own::tls_of, staple::Subject, tickets::Tickets, verifier::Verifier};
