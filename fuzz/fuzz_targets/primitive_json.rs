//! Runs `properties/primitive_json.rs` on what the fuzzer invents: `cargo +nightly fuzz run primitive_json corpus/primitive_json seeds/primitive_json`.

#![no_main]

#[path = "../properties/primitive_json.rs"]
mod primitive_json;

libfuzzer_sys::fuzz_target!(|data: &[u8]| primitive_json::check(data));
