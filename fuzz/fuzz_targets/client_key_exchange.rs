//! Runs `properties/client_key_exchange.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/client_key_exchange.rs"]
mod client_key_exchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| client_key_exchange::check(data));
