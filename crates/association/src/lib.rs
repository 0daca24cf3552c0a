//! One TLS 1.2 association over memory, at the server's or the client's end.
//!
//! ```text
//!   transport octets                                     plaintext
//!   ---- feed ---->  +---------------------------------+ ---- read ---->
//!                    |  Association                    |
//!   <--- output ---  |   approach: psk_identity ahead  | <--- write ----
//!                    |   OpenSSL over MemIo            |
//!                    +---------------------------------+
//!                        | NeedsKey(identity)   ^ answer_key
//!                        v                      |
//!                     any lookup, as long as its caller allows
//! ```
//!
//! The peer is authenticated by a pre-shared key (TS-0003 §8.2.2.1, §10.2.2). A lookup of that key never
//! blocks: the identity is read from the plaintext ClientKeyExchange ahead of OpenSSL ([`cke`]), reported as an
//! event, and the handshake goes on when the answer comes. Unknown, revoked, expired and malformed identities
//! and wrong keys look the same from outside, record for record.
//!
//! What this crate does not do: sockets, deadlines and limits on numbers (`net`), finding keys (`store`), or
//! deciding whom an identity stands for (`identity`).

mod alert;
pub mod cke;
mod error;
mod record;
mod suite;

pub use alert::Alert;
pub use cke::IdentityAsSent;
pub use error::Error;
pub use suite::{KeyExchange, Suite, SuitePolicy};
