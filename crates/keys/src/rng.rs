use std::sync::Mutex;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// The operating system gave no randomness.
#[derive(Debug, Error)]
#[error("the operating system's random number generator failed: {0}")]
pub struct RngError(String);

/// A source of unpredictable octets, passed in so that tests can repeat a run.
pub trait Rng: Send + Sync {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`RngError`] if the source fails; `out` must then not be used.
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError>;
}

/// The operating system's generator. The one place that asks it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

impl Rng for OsRng {
    #[expect(clippy::disallowed_methods, reason = "this is the file that may")]
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        getrandom::fill(out).map_err(|error| RngError(error.to_string()))
    }
}

/// A repeatable stream for tests: HMAC-SHA-256 of a counter under the seed. Not for keys that anyone relies
/// on.
#[derive(Debug)]
pub struct SeededRng {
    seed: u64,
    counter: Mutex<u64>,
}

impl SeededRng {
    /// A stream that depends on `seed` alone.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: Mutex::new(0) }
    }
}

impl Rng for SeededRng {
    fn fill(&self, out: &mut [u8]) -> Result<(), RngError> {
        let mut counter = self.counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in out.chunks_mut(32) {
            *counter += 1;
            let mut mac = Hmac::<Sha256>::new_from_slice(&self.seed.to_be_bytes())
                .map_err(|error| RngError(error.to_string()))?;
            mac.update(&counter.to_be_bytes());
            chunk.iter_mut().zip(mac.finalize().into_bytes()).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_never_stands_still() {
        let (a, b) = (SeededRng::new(7), SeededRng::new(7));
        let (mut x, mut y, mut z) = ([0; 40], [0; 40], [0; 40]);
        a.fill(&mut x).unwrap();
        b.fill(&mut y).unwrap();
        a.fill(&mut z).unwrap();
        assert_eq!(x, y);
        assert_ne!(x, z);
        OsRng.fill(&mut y).unwrap();
        assert_ne!(x, y);
    }
}
