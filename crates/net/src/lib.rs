//! Sockets and dialers: joins association and binding.
//!
//! A device uses [`Dialer`] and [`HttpConnection`].

mod client;
mod stream;

pub use client::{DialLimits, Dialer, HttpConnection, NetError};
