//! Runs `properties/certificate_chain.rs` on what the fuzzer invents: `cargo +nightly fuzz run certificate_chain corpus/certificate_chain seeds/certificate_chain`.

#![no_main]

#[path = "../properties/certificate_chain.rs"]
mod certificate_chain;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificate_chain::check(data));
