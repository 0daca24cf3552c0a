//! Runs `properties/csv_line.rs` on what the fuzzer invents: `.ci/fuzz`.

#![no_main]

#[path = "../properties/csv_line.rs"]
mod csv_line;

libfuzzer_sys::fuzz_target!(|data: &[u8]| csv_line::check(data));
