//! Listener and client over loopback sockets. Deadlines that a test waits for are short and those that it must
//! not meet are long; what happens is told by events, never by how long something took.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on has failed, helpers included"
)]

mod crew;
mod ending;
mod entering;
mod exchanging;
mod plain;
mod stage;
