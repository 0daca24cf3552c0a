//! Messages of transport protocols to and from oneM2M primitives: pure mapping, no input or output.
//!
//! One request primitive is one message and one response primitive is one message. What a message claims
//! about its sender is carried over as it is; who may claim it is decided elsewhere, from the connection.

pub mod http;
