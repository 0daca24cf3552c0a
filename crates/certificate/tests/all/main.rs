//! The crate from outside.

mod constraints;
mod factory;
mod paths;
mod profile;
