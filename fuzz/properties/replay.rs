//! Runs a property on the seeds of its target and on the corpus that was kept of earlier runs of the fuzzer.

use std::{fs, path::Path};

/// Runs `check` on each of them.
///
/// # Panics
/// When the property does not hold, when there are none, or when the corpus is no hexadecimal text.
pub(crate) fn replay(target: &str, check: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let mut seeds = 0;
    for entry in fs::read_dir(fuzz.join("seeds").join(target)).unwrap() {
        check(&fs::read(entry.unwrap().path()).unwrap());
        seeds += 1;
    }
    assert!(seeds > 0, "there are no seeds for {target}");
    let corpus = fs::read_to_string(fuzz.join("corpus").join(format!("{target}.hex"))).unwrap();
    for line in corpus.lines() {
        check(&octets(line));
    }
    println!("{target}: {seeds} seeds, {} inputs of the corpus", corpus.lines().count());
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    assert!(digits.len().is_multiple_of(2), "half an octet: {hex}");
    digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()
}
