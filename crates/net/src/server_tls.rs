use std::sync::{Arc, PoisonError, RwLock};

use association::ServerContext;

/// The TLS settings of a listener. All clones are one; what is put in their place counts from the next
/// connection on, so that a certificate can be renewed while the listener serves.
#[derive(Clone)]
pub struct ServerTls(Arc<RwLock<ServerContext>>);

impl ServerTls {
    /// These settings.
    #[must_use]
    pub fn new(context: ServerContext) -> Self {
        Self(Arc::new(RwLock::new(context)))
    }

    /// Puts others in their place.
    pub fn replace(&self, context: ServerContext) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = context;
    }

    pub(crate) fn current(&self) -> ServerContext {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
