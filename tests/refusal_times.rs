//! Whether an identity is unknown, or its key wrong, revoked or expired, shows neither in the alert nor in the time
//! that the server takes. By default a few tries among 20,000 keys, of which only the alerts decide; with
//! `ATTACHE_FULL=1` 5,000 of each kind among a million, whose medians may not be 5 % apart.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc, time::Duration};

use keys::{CredentialId, OsRng};
use onem2m::time::SystemClock;
use serde_json::Value;
use store::{CredentialsMut as _, KekSource, Options, Store};
use support::{Device, World, full, handmade::attach_timed};
use testkit::Draws;

/// RFC 5246 §7.2: fatal, `bad_record_mac`.
const REFUSED: [u8; 2] = [2, 20];
/// The largest median to the smallest.
const APART: f64 = 1.05;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Unknown,
    Wrong,
    Revoked,
    Expired,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Unknown, Self::Wrong, Self::Revoked, Self::Expired];

    /// What the registrar's log calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Wrong => "wrong_key",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// Tries of each kind, and rows. Each identity is tried once, and all kinds lie between each other, so that none is
/// in a cache where another is not.
struct Plan {
    tries: usize,
    rows: usize,
}

impl Plan {
    fn new() -> Self {
        if full() { Self { tries: 5000, rows: 1_000_000 } } else { Self { tries: 200, rows: 20_000 } }
    }

    /// Distinct numbers of devices, for each kind so many as there are tries; those of unknown ones are in no row.
    fn draw(&self, draws: &mut Draws) -> BTreeMap<Kind, Vec<usize>> {
        let mut left: Vec<usize> = (0..self.rows + self.tries).collect();
        let mut take = || (0..self.tries).map(|_| left.swap_remove(draws.below(left.len()))).collect();
        Kind::ALL.into_iter().map(|kind| (kind, take())).collect()
    }

    fn world(&self, drawn: &BTreeMap<Kind, Vec<usize>>) -> World {
        let world = World::prepared("[log]\nformat = \"json\"\nlevel = \"warn,attache::witness=trace\"\n");
        let mut rows = String::new();
        let (unknown, expired) = (sorted(&drawn[&Kind::Unknown]), sorted(&drawn[&Kind::Expired]));
        for number in (0..self.rows + self.tries).filter(|number| unknown.binary_search(number).is_err()) {
            let device = device(number);
            let until = if expired.binary_search(&number).is_ok() { ",20200101T000000" } else { "" };
            writeln!(rows, "{},{},{},ae{until}", device.psk_identity, device.key_hex, device.ae_id())
                .unwrap();
        }
        fs::write(world.path("devices.csv"), rows).unwrap();
        drop(world.run(&["credential", "import", "devices.csv"]).success());
        revoke(&world, &drawn[&Kind::Revoked]);
        world
    }
}

fn sorted(numbers: &[usize]) -> Vec<usize> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

/// Of the same length as all others.
fn device(number: usize) -> Device {
    Device { psk_identity: format!("light{number:07}@home.example.org"), ..Device::numbered(number) }
}

/// In one transaction: thousands of commands would take minutes.
fn revoke(world: &World, numbers: &[usize]) {
    let path = world.path("attache.db");
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(OsRng));
    let store = Store::open(&path, &KekSource::beside(&path), clock, rng, Options::default()).unwrap();
    let ids: Vec<CredentialId> = numbers
        .iter()
        .map(|number| format!("12-{}", device(*number).psk_identity).parse().unwrap())
        .collect();
    let revoked =
        store.write_blocking("test.revoke", move |tx| ids.iter().try_for_each(|id| tx.revoke(id).map(drop)));
    revoked.unwrap();
    store.close();
}

#[test]
fn a_refusal_takes_as_long_whatever_the_reason() {
    let plan = Plan::new();
    let mut draws = Draws::named("refusal times");
    let drawn = plan.draw(&mut draws);
    let mut world = plan.world(&drawn);
    world.serve();

    let mut seen: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
    let mut first = None;
    let mut left = drawn.clone();
    for _ in 0..plan.tries {
        let mut kinds = Kind::ALL.to_vec();
        while !kinds.is_empty() {
            let kind = kinds.swap_remove(draws.below(kinds.len()));
            let tried = device(left.get_mut(&kind).and_then(Vec::pop).unwrap());
            let mut key = hex::decode(&tried.key_hex).unwrap();
            if kind == Kind::Wrong {
                key[0] ^= 1;
            }
            let (learnt, took) = attach_timed(world.address, tried.psk_identity.as_bytes(), &key);
            assert_eq!(learnt.alert, Some(REFUSED), "{kind:?}: {learnt:?}");
            assert_eq!(first.get_or_insert_with(|| learnt.clone()), &learnt, "{kind:?}");
            seen.entry(kind).or_default().push(took);
        }
    }

    let said = world.stop().success().stderr;
    let measured = measured(&said);
    assert!(
        measured.values().all(|durations| durations.len() == plan.tries),
        "a line of the log for each try"
    );
    println!("{} tries of each kind among {} keys", plan.tries, plan.rows);
    println!(
        "| kind | handshake, by the server's clock: median (p10, p90) | from the last flight to the alert |"
    );
    for kind in Kind::ALL {
        println!("| {} | {} | {} |", kind.name(), quantiles(&measured[&kind]), quantiles(&seen[&kind]));
    }
    let (server, client) = (apart(&measured), apart(&seen));
    println!("medians apart: {server:.3} by the server's clock, {client:.3} by the client's");
    if full() {
        assert!(server < APART, "{server:.3} by the server's clock");
    }
}

/// The durations that the registrar measured.
fn measured(said: &str) -> BTreeMap<Kind, Vec<Duration>> {
    let mut measured: BTreeMap<Kind, Vec<Duration>> = BTreeMap::new();
    for line in said.lines() {
        let fact: Value = serde_json::from_str(line).unwrap();
        let fields = &fact["fields"];
        if let Some(kind) = Kind::ALL.into_iter().find(|kind| fields["outcome"] == kind.name()) {
            let took = Duration::from_nanos(fields["nanoseconds"].as_u64().unwrap());
            measured.entry(kind).or_default().push(took);
        }
    }
    measured
}

fn quantile(durations: &[Duration], of_ten: usize) -> Duration {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() * of_ten / 10]
}

fn quantiles(durations: &[Duration]) -> String {
    let [low, median, high] = [1, 5, 9].map(|of_ten| quantile(durations, of_ten).as_nanos() / 100);
    let micros = |tenths: u128| format!("{}.{} µs", tenths / 10, tenths % 10);
    format!("{} ({}, {})", micros(median), micros(low), micros(high))
}

fn apart(kinds: &BTreeMap<Kind, Vec<Duration>>) -> f64 {
    let medians: Vec<f64> = kinds.values().map(|durations| quantile(durations, 5).as_secs_f64()).collect();
    let least = medians.iter().copied().fold(f64::INFINITY, f64::min);
    medians.iter().copied().fold(0.0, f64::max) / least
}
