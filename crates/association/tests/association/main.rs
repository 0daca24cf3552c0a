//! Both ends of an association over memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed, helpers included"
)]

mod by_name;
mod certificate;
mod handshake;
mod hostile;
mod indistinguishable;
mod maker;
mod raw_key;
mod resumption;
mod staple;
mod wire;
