//! The crate from outside.

mod constraints;
mod factory;
mod paths;
mod profile;
mod reading;
mod staples;
