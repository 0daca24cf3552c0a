//! The store on its SQLite engine: the suite that every engine passes, and what is special to this one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "../suite/mod.rs"]
mod suite;
#[path = "../support/mod.rs"]
mod support;

mod crash;
mod following;
mod groups;
mod import;
mod nearby;
mod opening;
mod overload;
mod resuming;
mod sealing;

store_suite!(support::Database::new);
