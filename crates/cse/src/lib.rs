//! The registrar CSE: one file per operation, decisions pure, effects at the edge.
//!
//! ```text
//!                    standing: what the records say of the sender
//! (channel, request) ─> receive ─> retrieve | create_ae | create_cse | update | delete ─> Decision ─> task ─> answer
//!                    checks     decide: records and request in,                       performs: load, decide,
//!                               reply, changes, audit line out                        change in one transaction
//! ```
//!
//! A registration of an AE passes `admission` first, which holds it against the service rules (`subscription`) and
//! says which AE-ID it gets.
//!
//! What this crate does not do: sockets, TLS, HTTP (`net`), finding keys, or judging who a peer is and what rules
//! allow (`identity`). It serves `<CSEBase>`, `<AE>` and `<remoteCSE>`; everything else is answered as not
//! implemented.

mod access;
mod admission;
mod base;
mod children;
mod create_ae;
mod create_cse;
mod decision;
mod delete;
mod forward;
mod local;
mod marks;
mod mirror;
mod rebind;
mod receive;
mod refuse;
mod registrar;
mod registration;
mod render;
mod representation;
mod resolve;
mod retrieve;
mod route;
mod settings;
mod standing;
mod subscription;
mod task;
mod token;
mod update;
pub mod upstream;

pub use forward::{Carried, NextHops, NotCarried};
pub use mirror::Mirror;
pub use rebind::{Replaced, replace_by_enrolment, replace_equipment};
pub use registrar::{Registrar, Witness};
pub use resolve::is_remote_cse_id;
pub use route::{Direction, NextHop};
pub use settings::{AbsentLists, ServiceSubscription, Settings};
pub use subscription::{
    ServiceRule, SubscriptionState, add_service_rules, drop_service_subscription, is_left_out,
    remove_service_rule, service_rules, set_service_rules, subscription_state,
};

/// Whether a stored registration waits for new equipment to take it over ([`replace_equipment`]).
#[must_use]
pub fn awaits_equipment(registration: &store::Resource) -> bool {
    marks::awaits(registration).is_some()
}

/// The local peer that a stored registration belongs to; `None` if it was made over an association.
#[must_use]
pub fn local_holder(registration: &store::Resource) -> Option<identity::OsPeer> {
    marks::holder(registration)
}

/// Whether `registration` is not one here, but our own side of our registration with the CSE that it represents.
#[must_use]
pub fn is_of_our_registrar(registration: &store::Resource) -> bool {
    marks::own_address(registration).is_some()
}

/// The representation of a stored resource, as its owner would RETRIEVE it: the attributes under their short names.
#[must_use]
pub fn representation(resource: &store::Resource) -> serde_json::Map<String, serde_json::Value> {
    render::attributes(resource)
}
