//! Sockets, listeners and dialers: joins association and binding, hands (peer, request) to a handler.
//!
//! ```text
//!  TCP --> admission --> handshake --------------> idle <-----> burst of requests
//!          bounds,       deadline,                 no hyper     hyper, binding,
//!          oldest        key from KeySource,       state        Handler(peer, request)
//!          evicted       Observer told                 |              |
//!                                                      +-- closed, expired, idle, drained
//! ```
//!
//! One task per connection, on one of the threads of a [`Crew`]. A request exists only with the [`identity::Peer`] of an established association; what
//! it may do is the handler's business. Nothing here knows what a registrar is.
//!
//! What stops a flood or a slow peer is in [`Limits`]; who is connected is in [`Live`], which also ends the
//! associations of a credential that was revoked, those included whose handshake was under way.
//!
//! A device uses [`Dialer`] and [`HttpConnection`].
//!
//! What this crate does not do: find keys ([`KeySource`]), judge requests ([`Handler`]), or keep records
//! ([`Observer`]). The first bound of each kind that a peer meets ends its own connection and no other.
//!
//! # Example
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use identity::{Channel, Credential, KeyRefusal};
//! use keys::{Kpsa, PskIdentity};
//! use net::{Handler, KeySource, Listener, ListenerConfig};
//! use onem2m::{primitive::{Request, Response}, status::ResponseStatusCode};
//! use tokio_util::sync::CancellationToken;
//!
//! struct NoKeys;
//! impl KeySource for NoKeys {
//!     async fn key(&self, _: PskIdentity) -> Result<(Credential, Kpsa), KeyRefusal> {
//!         Err(KeyRefusal::Unknown)
//!     }
//! }
//!
//! struct NotFound;
//! impl Handler for NotFound {
//!     async fn handle(&self, _: &Channel, request: Request) -> Response {
//!         Response::new(ResponseStatusCode::NotFound, &request)
//!     }
//! }
//!
//! # async fn serve() -> Result<(), net::ListenError> {
//! let config = ListenerConfig::new(([0, 0, 0, 0], 8443).into())?;
//! let listener = Listener::bind(config, Arc::new(NoKeys), Arc::new(NotFound), Arc::new(()))?;
//! listener.serve(CancellationToken::new()).await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod burst;
mod client;
mod crew;
mod enter;
mod exchange;
mod limits;
mod listener;
mod live;
mod lookup;
mod observer;
mod plain;
mod resident;
mod serve;
mod server_tls;
mod stream;
mod tether;

pub use client::{DialLimits, Dialer, HttpConnection, NetError};
pub use crew::Crew;
pub use exchange::Handler;
pub use limits::Limits;
pub use listener::{ListenError, Listener, ListenerConfig};
pub use live::{Live, LiveAssociation};
pub use lookup::{CertificateRefusal, KeySource, Remembered};
pub use observer::{EndEvent, EndReason, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, Observer};
pub use plain::{PlainEndpoint, PlainError, PlainListener};
pub use server_tls::ServerTls;

/// What users of this crate need of `association`, which they do not see.
pub use association::{
    Alert, ClientContext, ClientIdentity, ClientProof, ClientPsk, ClientSession, CredentialError,
    Error as AssociationError, Handshake, NewSession, Presented, PrivateKey, Resumption, SavedSession,
    ServerCheck, ServerContext, ServerCredential, ServerNames, SessionHandle, SessionKind, Staple,
    StapleCheck, Suite, SuitePolicy, TicketKey, TicketKeys,
};
