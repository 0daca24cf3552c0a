//! Sockets, listeners and dialers: joins association and binding, hands peer and request to a handler.
