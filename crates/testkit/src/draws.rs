//! Pseudo-random draws that are the same on every run.

/// A deterministic sequence of draws (splitmix64). For test data only: it is no source of keys.
#[derive(Debug, Clone)]
pub struct Draws {
    state: u64,
}

impl Draws {
    /// Draws from a fixed number.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Draws named after the test that uses them, so that two tests do not draw the same things. The
    /// environment variable `ATTACHE_SEED` (a decimal number, default 0) shifts all of them; the seed is
    /// printed, and a failing test shows it.
    ///
    /// # Panics
    ///
    /// When `ATTACHE_SEED` is set to something that is not a number.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let shift = match std::env::var("ATTACHE_SEED") {
            Ok(text) => text.parse().expect("ATTACHE_SEED is a decimal number below 2^64"),
            Err(_) => 0,
        };
        println!("draws of `{name}` with ATTACHE_SEED={shift}");
        Self::of(name, shift)
    }

    fn of(name: &str, shift: u64) -> Self {
        // FNV-1a: equal on every platform and release, which std's hasher does not promise.
        let hash = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, byte| (h ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self::seeded(hash.wrapping_add(shift))
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`, uniform but for a bias below 2^-32 for bounds below 2^32.
    ///
    /// # Panics
    ///
    /// When `bound` is zero.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "nothing can be drawn from an empty range");
        let product = u128::from(self.bits()) * bound as u128;
        usize::try_from(product >> 64).expect("below the bound")
    }

    /// Fills `out` with draws.
    pub fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            for (target, byte) in chunk.iter_mut().zip(self.bits().to_le_bytes()) {
                *target = byte;
            }
        }
    }

    /// One of `choices`, or `None` when there are none.
    pub fn choose<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        if choices.is_empty() { None } else { choices.get(self.below(choices.len())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_of_splitmix64() {
        let mut draws = Draws::seeded(1_234_567);
        assert_eq!(draws.bits(), 6_457_827_717_110_365_317);
        assert_eq!(draws.bits(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn names_and_shifts_part_the_sequences() {
        let first = Draws::of("one", 0).bits();
        assert_eq!(first, Draws::of("one", 0).bits());
        assert_ne!(first, Draws::of("two", 0).bits());
        assert_ne!(first, Draws::of("one", 1).bits());
    }

    #[test]
    fn below_covers_its_range_and_stays_inside() {
        let mut draws = Draws::seeded(7);
        let mut seen = [0_u32; 5];
        for _ in 0..5_000 {
            seen[draws.below(5)] += 1;
        }
        assert!(seen.iter().all(|&count| (900..1_100).contains(&count)), "{seen:?}");
    }

    #[test]
    fn fill_reaches_the_last_octets() {
        let mut out = [0_u8; 13];
        Draws::seeded(3).fill(&mut out);
        assert_ne!(out[8..], [0; 5]);
        assert!(Draws::seeded(1).choose::<u8>(&[]).is_none());
    }
}
