//! Runs `properties/primitive_json.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/primitive_json.rs"]
mod primitive_json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| primitive_json::check(data));
