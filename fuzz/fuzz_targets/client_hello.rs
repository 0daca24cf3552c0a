//! Runs `properties/client_hello.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/client_hello.rs"]
mod client_hello;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_hello::check(data));
