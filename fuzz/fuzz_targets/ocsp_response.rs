//! Runs `properties/ocsp_response.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/ocsp_response.rs"]
mod ocsp_response;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ocsp_response::check(data));
