//! One TLS 1.2 association over memory, at the server's or the client's end.
//!
//! ```text
//!   transport octets                                     plaintext
//!   ---- feed ---->  +---------------------------------+ ---- read ---->
//!                    |  Association                    |
//!   <--- output ---  |   approach: read ahead          | <--- write ----
//!                    |   OpenSSL over MemIo            |
//!                    +---------------------------------+
//!                        | NeedsSession(handle)  ^ answer_session
//!                        | NeedsKey(identity)    | answer_key
//!                        | NeedsVerdict(chain)   | answer_verdict
//!                        v                       |
//!                     any lookup, as long as its caller allows
//! ```
//!
//! The peer is authenticated by a pre-shared key (TS-0003 §8.2.2.1, §10.2.2), by a certificate or raw public key
//! (§8.2.2.2, §10.2.3), by a session that is resumed, or, where a token comes later, not at all. A lookup never
//! blocks: what it needs is read ahead of OpenSSL or held back behind it, reported as an event, and the handshake
//! goes on when the answer comes.
//!
//! * A session ID or ticket is read from the ClientHello ([`client_hello`]); whether it is resumed is decided
//!   before the ServerHello, by the caller. Without the caller's consent no ticket is opened.
//! * The identity of a key is read from the plaintext ClientKeyExchange ([`cke`]). Unknown, revoked, expired and
//!   malformed identities and wrong keys look the same from outside, record for record.
//! * A client's certificate is handed out once OpenSSL has verified the client's signature, and before its
//!   ChangeCipherSpec is let through: who does not hold the private key learns nothing of the verdict.
//!
//! Suites with a pre-shared key come before those with certificates, so that one port serves both: a client that
//! has a key and offers everything proves the key.
//!
//! What this crate does not do: sockets, deadlines and limits on numbers (`net`), finding keys and sessions
//! (`store`), reading certificates (`certificate`), or deciding whom a proof stands for (`identity`).
//!
//! # Example
//!
//! ```
//! use association::{
//!     Association, ClientContext, ClientPsk, KeyAnswer, Progress, ServerContext, ServerNames, SuitePolicy,
//! };
//! use keys::{KeyLengthPolicy, Kpsa, Secret};
//!
//! let key = || Kpsa::new(Secret::new(vec![7; 16]), KeyLengthPolicy::Strict).unwrap();
//! let policy = SuitePolicy::default();
//! let psk = ClientPsk { identity: "light1@home.example.org".parse().unwrap(), key: key() };
//! let mut client = Association::client(&ClientContext::new(&policy)?, psk, Some("home.example.org"))?;
//! let mut server = Association::server(&ServerContext::new(&policy, ServerNames::Any)?);
//!
//! let established = loop {
//!     client.step()?;
//!     server.feed(client.output());
//!     client.consume_output(usize::MAX);
//!     match server.step()? {
//!         Progress::WantsInput => {}
//!         Progress::NeedsKey(identity) => {
//!             assert_eq!(identity.octets(), b"light1@home.example.org");
//!             server.answer_key(KeyAnswer::Key(key()));
//!         }
//!         Progress::Established(handshake) => break handshake,
//!         // A server without certificates and resumption asks for nothing else.
//!         Progress::NeedsSession(_) | Progress::NeedsVerdict(_) => unreachable!(),
//!     }
//!     client.feed(server.output());
//!     server.consume_output(usize::MAX);
//! };
//! assert_eq!(established.server_name.as_deref(), Some("home.example.org"));
//! # Ok::<(), association::Error>(())
//! ```

mod alert;
mod approach;
mod association;
pub mod cke;
mod client_context;
pub mod client_hello;
mod context;
mod credential;
mod engine;
mod error;
mod kept;
mod presented;
mod proving;
mod record;
mod server_context;
mod session;
mod slot;
mod staple;
mod suite;
mod ticket;
mod transport;

pub use alert::Alert;
pub use association::{Association, Handshake, KeyAnswer, Progress, ReadOutcome, Verdict};
pub use cke::IdentityAsSent;
pub use client_context::{ClientContext, ClientContextBuilder, ServerCheck, StapleCheck};
pub use credential::{ClientIdentity, CredentialError, PrivateKey, ServerCredential};
pub use error::Error;
pub use presented::{Presented, Proved};
pub use server_context::{ClientProof, ServerContext, ServerContextBuilder, ServerNames};
pub use session::{
    ClientSession, NewSession, Resumption, SavedSession, SessionAnswer, SessionHandle, SessionKind,
};
pub use slot::ClientPsk;
pub use staple::Staple;
pub use suite::{KeyExchange, Suite, SuitePolicy};
pub use ticket::{TicketKey, TicketKeys};
