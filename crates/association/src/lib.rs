//! One TLS association over memory: feed, drain, events.
