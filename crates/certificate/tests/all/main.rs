//! The crate from outside.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail loudly"
)]

mod clauses;
mod constraints;
mod factory;
mod judge;
mod paths;
mod profile;
mod reading;
mod seeds;
mod staples;
