//! What only the running server knows, over a UNIX socket of its own: one request, one JSON object a line.
//!
//! ```text
//!  attache inspect associations ── {"op":"associations","after":0,"limit":1000}\n ──> attache.db.sock (0600)
//!                               <── {"association":{…}}\n … {"end":{"more":false}}\n
//! ```
//!
//! The other end is told only if it runs under the server's account, or as root. Everything has a bound: the
//! length of a request, of a page, how long either may take, and how many are answered at a time.

mod client;
mod server;

use serde::{Deserialize, Serialize};

pub(crate) use client::{ask, ask_anyone};
pub(crate) use server::{Control, View};

/// Most associations of one page.
pub(crate) const PAGE: usize = 1000;

/// What is to be done with the registration with another CSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Nothing.
    #[default]
    Look,
    /// Register, after leaving.
    Join,
    /// De-register.
    Leave,
}

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Question {
    /// The associations with numbers behind `after`, in their order.
    Associations {
        #[serde(default)]
        after: u64,
        /// At most so many, and at most [`PAGE`].
        #[serde(default)]
        limit: usize,
    },
    /// Who answers.
    Status,
    /// How the registration with another CSE is, after this was done with it.
    Registrar {
        #[serde(default)]
        order: Order,
    },
    /// The answer to a RETRIEVE of this CSE at another one.
    Retrieve { to: String },
}
