//! Runs `properties/identifiers.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/identifiers.rs"]
mod identifiers;

libfuzzer_sys::fuzz_target!(|data: &[u8]| identifiers::check(data));
