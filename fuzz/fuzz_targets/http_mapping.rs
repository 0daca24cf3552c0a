//! Runs `properties/http_mapping.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/http_mapping.rs"]
mod http_mapping;

libfuzzer_sys::fuzz_target!(|data: &[u8]| http_mapping::check(data));
