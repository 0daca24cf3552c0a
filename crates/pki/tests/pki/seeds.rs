//! Runs the property that the fuzzer checks on its seeds, and on what resembles them.

#[path = "../../../../fuzz/properties/pki_request.rs"]
mod pki_request;
#[path = "../../../../fuzz/properties/replay.rs"]
mod replay;

use std::{fs, path::Path};

use testkit::Draws;

#[test]
fn requests_and_questions() {
    replay::replay("pki_request", pki_request::check);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/pki_request");
    let entries = fs::read_dir(folder).unwrap();
    let seeds: Vec<_> = entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect();
    let mut draws = Draws::named("pki_request");
    for _ in 0..3000 {
        let mut data = seeds[draws.below(seeds.len())].clone();
        for _ in 0..=draws.below(4) {
            let at = draws.below(data.len());
            match draws.below(4) {
                0 => data[at] = draws.below(256).try_into().unwrap(),
                1 => data[at] ^= 1 << draws.below(8),
                2 => drop(data.remove(at)),
                _ => data.truncate(at.max(1)),
            }
        }
        pki_request::check(&data);
    }
}
