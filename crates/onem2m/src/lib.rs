//! The oneM2M language: identifiers, primitives, resource types, status codes, time.
//!
//! This crate reads and writes what the standard's entities say to one another, and judges its form. It opens
//! no connection, keeps no state, and decides nothing about who may do what.
//!
//! ```text
//! text, bytes ──> id, time, address, json ──> primitive (Request, Response) ──> the functions above
//! ```
//!
//! Numbers such as `TS-0004 §6.2.3` name clauses of the oneM2M specifications.

pub mod address;
pub mod id;
pub mod json;
pub mod primitive;
pub mod resource;
pub mod status;
pub mod time;
