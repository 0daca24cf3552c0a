//! The registrar: every rule by its exact status code, on a real store.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test may fail loudly and reads better with values"
)]

mod certificate;
mod content;
mod forwarding;
mod local;
mod rebind;
mod registration;
mod remote_cse;
mod subscription;
mod token;
mod world;
