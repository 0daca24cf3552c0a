//! Runs the properties that the fuzzer checks on its seeds, and on octets that resemble them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "../../../fuzz/properties/client_hello.rs"]
mod client_hello;
#[path = "../../../fuzz/properties/client_key_exchange.rs"]
mod client_key_exchange;
#[path = "../../../fuzz/properties/replay.rs"]
mod replay;

use std::{fs, path::Path};

use proptest::prelude::*;
use replay::replay;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/client_hello");
    fs::read_dir(folder).unwrap().map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn client_hello_seeds() {
    replay("client_hello", client_hello::check);
}

#[test]
fn client_key_exchange_seeds() {
    replay("client_key_exchange", client_key_exchange::check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        client_hello::check(&data);
        client_key_exchange::check(&data);
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

    #[test]
    fn resembling_messages(
        cut in any::<u8>(),
        first in prop_oneof![4 => Just(16_u8), 1 => any::<u8>()],
        identity in prop::collection::vec(any::<u8>(), 0..300),
        tail in prop::collection::vec(any::<u8>(), 0..70),
        sizes in prop::collection::vec(1_usize..200, 1..6),
        behind in prop::collection::vec(any::<u8>(), 0..10),
    ) {
        let body = u32::try_from(2 + identity.len() + tail.len()).unwrap();
        let length = u16::try_from(identity.len()).unwrap();
        let message =
            [&[first], &body.to_be_bytes()[1..], &length.to_be_bytes(), identity.as_slice(), &tail].concat();
        let mut data = vec![cut];
        let mut rest = message.as_slice();
        for size in sizes.iter().cycle() {
            let (payload, behind) = rest.split_at((*size).min(rest.len()));
            data.extend([22, 3, 3, 0, u8::try_from(payload.len()).unwrap()]);
            data.extend(payload);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        data.extend(behind);
        client_key_exchange::check(&data);
    }
}
