//! Records that must survive: credentials, resources, audit; sealed, versioned, committed in groups.
