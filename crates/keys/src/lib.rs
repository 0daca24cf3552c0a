//! Secrets, key types, key identifiers, derivations, Credential-ID.
