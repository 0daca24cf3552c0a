//! The set of credentials that every server holds.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use openssl::sha::sha256;
use testkit::Draws;

/// `size` credentials numbered from 0, of which a uniformly drawn sample connects.
pub(crate) struct Credentials {
    size: usize,
    seed: u64,
    sample: Vec<Credential>,
}

/// One device: its identity in the handshake, its key, its AE-ID-Stem.
pub(crate) struct Credential {
    pub(crate) identity: String,
    pub(crate) key: [u8; 16],
    pub(crate) stem: String,
}

impl Credentials {
    pub(crate) fn new(size: usize, sample: usize, seed: u64) -> Self {
        let mut draws = Draws::seeded(seed);
        // Selection sampling: each number is taken with the chance that is left for it, so that every subset of
        // this size is equally likely and none is held in memory but the one drawn.
        let mut wanted = sample.min(size);
        let mut taken = Vec::with_capacity(wanted);
        for number in 0..size {
            if wanted > 0 && draws.below(size - number) < wanted {
                taken.push(credential(number, seed));
                wanted -= 1;
            }
        }
        Self { size, seed, sample: taken }
    }

    /// Every credential, made as it is asked for.
    pub(crate) fn all(&self) -> impl Iterator<Item = Credential> + '_ {
        (0..self.size).map(|number| credential(number, self.seed))
    }

    /// One line per key: identity, colon, hexadecimal key. So both mosquitto and stunnel want it.
    pub(crate) fn write_keys(&self, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        for credential in self.all() {
            writeln!(file, "{}:{}", credential.identity, credential.key_hex())?;
        }
        file.flush()
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.size
    }

    /// Those that connect.
    pub(crate) fn sample(&self) -> &[Credential] {
        &self.sample
    }
}

/// Identity and key follow from number and seed alone.
fn credential(number: usize, seed: u64) -> Credential {
    let digest = sha256(format!("bench key {seed} {number}").as_bytes());
    let mut key = [0; 16];
    for (target, octet) in key.iter_mut().zip(digest) {
        *target = octet;
    }
    Credential { identity: format!("dev{number:07}@bench.example"), key, stem: format!("Cdev{number:07}") }
}

impl Credential {
    pub(crate) fn key_hex(&self) -> String {
        self.key.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_drawn_from_the_whole_set() {
        let credentials = Credentials::new(10_000, 1_000, 3);
        let numbers: Vec<usize> =
            credentials.sample().iter().map(|c| c.identity[3..10].parse().expect("a number")).collect();
        assert_eq!(numbers.len(), 1_000);
        assert!(numbers.is_sorted_by(|a, b| a < b));
        let lower_half = numbers.iter().filter(|&&number| number < 5_000).count();
        assert!((400..600).contains(&lower_half), "{lower_half}");
    }

    #[test]
    fn the_sample_belongs_to_the_set() {
        let credentials = Credentials::new(50, 50, 1);
        let all: Vec<String> = credentials.all().map(|c| c.identity + &c.stem).collect();
        let sample: Vec<String> = credentials.sample().iter().map(|c| c.identity.clone() + &c.stem).collect();
        assert_eq!(all, sample);
        assert_eq!(Credentials::new(1, 1_000, 9).sample().len(), 1);
    }

    #[test]
    fn keys_depend_on_number_and_seed() {
        assert_eq!(credential(5, 1).key, credential(5, 1).key);
        assert_ne!(credential(5, 1).key, credential(6, 1).key);
        assert_ne!(credential(5, 1).key, credential(5, 2).key);
        assert_eq!(credential(5, 1).key_hex().len(), 32);
    }
}
