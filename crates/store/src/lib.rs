//! Records that must survive: credentials, resources, audit; sealed, versioned, committed in groups.

mod error;
mod kek;
mod seal;

pub use error::{Conflict, Damaged, Fault, FaultKind, KekError, OpenError, StoreError, Unacceptable};
pub use kek::{KEK_OCTETS, KekSource};
