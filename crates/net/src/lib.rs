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
//! One task per connection. A request exists only with the [`identity::Peer`] of an established association; what
//! it may do is the handler's business. Nothing here knows what a registrar is.
//!
//! What stops a flood or a slow peer is in [`Limits`]; who is connected is in [`Live`], which also ends the
//! associations of a credential that was revoked, those included whose handshake was under way.
//!
//! A device uses [`Dialer`] and [`HttpConnection`].

mod admission;
mod burst;
mod client;
mod enter;
mod exchange;
mod limits;
mod listener;
mod live;
mod lookup;
mod observer;
mod serve;
mod stream;

pub use client::{DialLimits, Dialer, HttpConnection, NetError};
pub use exchange::Handler;
pub use limits::Limits;
pub use listener::{ListenError, Listener, ListenerConfig};
pub use live::{Live, LiveAssociation};
pub use lookup::KeySource;
pub use observer::{EndEvent, EndReason, HandshakeEvent, HandshakeOutcome, HandshakeRefusal, Observer};

/// What users of this crate need of `association`, which they do not see.
pub use association::{Alert, ClientPsk, Error as AssociationError, ServerNames, Suite, SuitePolicy};
