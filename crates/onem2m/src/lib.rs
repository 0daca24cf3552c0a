//! The oneM2M language: identifiers, primitives, resource types, status codes, time.
