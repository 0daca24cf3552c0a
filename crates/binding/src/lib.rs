//! HTTP messages to and from oneM2M primitives.
