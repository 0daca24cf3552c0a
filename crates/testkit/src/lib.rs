//! Helpers for the tests of every crate.
//!
//! ```text
//!   require("openssl", "openssl")      where a foreign program is, or a panic that names the package
//!   Process::spawn(command)            a child that dies with its guard; its lines can be waited for
//!   listener() / reserved_port()       a loopback port that nobody else gets
//!   Draws::named("…")                  the same pseudo-random draws on every run
//!   wait_until("…", || …)              an event, not a span of time
//! ```
//!
//! A test never skips: what is missing or late is a panic that says what to do about it. This crate uses
//! none of ours, so that all of ours may use it.
#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test helper reports failure the way a test does: by panicking with the reason"
)]

mod draws;
mod port;
mod process;
mod program;
mod wait;

pub use draws::Draws;
pub use port::{listener, reserved_port};
pub use process::{Finished, Process};
pub use program::require;
pub use wait::{DEADLINE, wait_until};
