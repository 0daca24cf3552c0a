//! The registrar CSE: one file per operation, decisions pure, effects at the edge.
//!
//! ```text
//! (peer, request) ─> receive ─> retrieve | create_ae | update_ae | delete_ae ─> Decision ─> registrar ─> response
//!                    checks     decide: records and request in,                 performs: load, decide, change
//!                               reply, changes, audit line out                  in one transaction, then answer
//! ```
//!
//! What this crate does not do: sockets, TLS, HTTP (`net`), finding keys, or judging who a peer is
//! (`identity`). It serves `<CSEBase>` and `<AE>`; everything else is answered as not implemented.

mod access;
mod base;
mod create_ae;
mod decision;
mod delete_ae;
mod receive;
mod refuse;
mod registrar;
mod render;
mod representation;
mod resolve;
mod retrieve;
mod settings;
mod update_ae;

pub use registrar::{Registrar, Witness};
pub use settings::Settings;

/// The representation of a stored resource, as its owner would RETRIEVE it: the attributes under their short names.
#[must_use]
pub fn representation(resource: &store::Resource) -> serde_json::Map<String, serde_json::Value> {
    render::attributes(resource)
}
