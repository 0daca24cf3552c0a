//! Runs `properties/certificate_chain.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/certificate_chain.rs"]
mod certificate_chain;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificate_chain::check(data));
