//! The crate from outside.

#[expect(dead_code, reason = "each case uses its own part of it")]
mod factory;
mod profile;
