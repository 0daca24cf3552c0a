//! Helpers for tests: foreign programs, seeded randomness, a clock that is set by hand.
