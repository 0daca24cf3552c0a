use std::time::Duration;

use keys::Rng;

/// How long to wait before trying again: twice as long after each failure, up to a bound; of that between half
/// and the whole, by chance, so that many gateways which lost the same registrar do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// The longest.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), most: Duration::from_secs(300) }
    }
}

impl Backoff {
    /// How long to wait after `failures` failures in a row.
    pub(super) fn delay(&self, failures: u32, rng: &dyn Rng) -> Duration {
        let factor = 2_u32.saturating_pow(failures.saturating_sub(1).min(30));
        let whole = self.first.saturating_mul(factor).min(self.most);
        whole / 2 + (whole / 2).mul_f64(share(rng))
    }
}

/// A number from 0 to 1. Without randomness the longer wait is the safer one.
pub(super) fn share(rng: &dyn Rng) -> f64 {
    let mut octets = [0; 4];
    match rng.fill(&mut octets) {
        Ok(()) => f64::from(u32::from_be_bytes(octets)) / f64::from(u32::MAX),
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use keys::SeededRng;

    use super::*;

    #[test]
    fn it_doubles_up_to_the_bound_and_is_never_less_than_half() {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(300));
        let (backoff, rng) = (Backoff { first, most }, SeededRng::new(7));
        for (failures, whole) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (40, 300), (u32::MAX, 300)]
        {
            let whole = Duration::from_secs(whole);
            let delays: Vec<_> = (0..200).map(|_| backoff.delay(failures, &rng)).collect();
            assert!(delays.iter().all(|delay| *delay >= whole / 2 && *delay <= whole), "{failures}");
            let spread = delays.iter().max().unwrap().saturating_sub(*delays.iter().min().unwrap());
            assert!(spread > whole / 4, "{failures}: {spread:?}");
        }
    }
}
