//! The few OpenSSL calls that the openssl crate lacks.
