//! Runs `properties/pki_request.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/pki_request.rs"]
mod pki_request;

libfuzzer_sys::fuzz_target!(|data: &[u8]| pki_request::check(data));
