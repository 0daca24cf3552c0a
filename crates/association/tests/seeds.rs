//! Runs the properties that the fuzzer checks on its seeds, and on octets that resemble them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "../../../fuzz/properties/client_hello.rs"]
mod client_hello;

use std::{fs, path::Path};

use proptest::prelude::*;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/client_hello");
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn client_hello_seeds() {
    let seeds = seeds();
    assert!(!seeds.is_empty(), "there are no seeds");
    seeds.iter().for_each(|seed| client_hello::check(seed));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        client_hello::check(&data);
    }

    #[test]
    fn resembling_hellos(
        seed in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let seeds = seeds();
        let mut data = seeds[seed.index(seeds.len())].clone();
        for (at, octet) in changes {
            let at = at.index(data.len());
            data[at] = octet;
        }
        if cut {
            data.truncate(length.index(data.len()));
        }
        client_hello::check(&data);
    }
}
