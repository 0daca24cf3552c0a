//! What a key lookup costs with 1, ten thousand and a million credentials.
//!
//! ```text
//! cargo run --release -p store --example lookup -- [folder] [rows ...]
//! ```
//!
//! A database of each size is made by importing that many lines, unless the folder has it already; then it is
//! opened anew and asked for identities in random order.
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    error::Error,
    io::{BufReader, Read},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use identity::Function;
use keys::{OsRng, PskIdentity};
use onem2m::time::SystemClock;
use store::{Credentials as _, ImportOptions, KekSource, Options, Store};

const LOOKUPS: u32 = 50_000;
const CONCURRENT: u32 = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "target/lookup".to_owned());
    std::fs::create_dir_all(&folder)?;
    let mut sizes = arguments.map(|size| size.parse()).collect::<Result<Vec<u64>, _>>()?;
    if sizes.is_empty() {
        sizes = vec![1, 10_000, 1_000_000];
    }
    for rows in sizes {
        let path = Path::new(&folder).join(format!("{rows}.db"));
        if !path.exists() {
            fill(&path, rows)?;
        }
        measure(&path, rows)?;
    }
    Ok(())
}

fn open(path: &Path, options: Options) -> Outcome<Store> {
    Ok(Store::open(path, &KekSource::beside(path), Arc::new(SystemClock), Arc::new(OsRng), options)?)
}

fn fill(path: &Path, rows: u64) -> Outcome<()> {
    let store = open(path, Options::for_bulk_import())?;
    let begin = Instant::now();
    let input = BufReader::with_capacity(1 << 20, Lines { next: 0, rows, line: Vec::new() });
    let report =
        store.import_credentials(input, &ImportOptions::new(Function::Cse), |_| ControlFlow::Continue(()))?;
    let took = begin.elapsed();
    println!("{rows:>8} rows: imported {} in {:.1} s", report.imported, took.as_secs_f64());
    Ok(())
}

fn measure(path: &Path, rows: u64) -> Outcome<()> {
    let begin = Instant::now();
    let store = open(path, Options::default())?;
    let start = begin.elapsed();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    // Once over, so that what follows finds the caches as a running server has them.
    direct(&store, rows)?;
    let direct = direct(&store, rows)?;
    let absent = each(&runtime, &store, 1, |number| name(number % rows, false))?;
    let alone = each(&runtime, &store, 1, |number| name(number % rows, true))?;
    let many = each(&runtime, &store, CONCURRENT, |number| name(number % rows, true))?;
    println!(
        "{rows:>8} rows: opened in {:.1} ms; lookup {:.1} µs on its thread, {:.1} µs asked one by one \
         ({:.1} µs if unknown), {:.1} µs with {CONCURRENT} waiting; {} MB resident",
        start.as_secs_f64() * 1e3,
        micros(direct),
        micros(alone),
        micros(absent),
        micros(many),
        resident()? / 1024,
    );
    Ok(())
}

/// Lookups on a reading thread, without the way there and back.
fn direct(store: &Store, rows: u64) -> Outcome<Duration> {
    Ok(store.read_blocking(move |reader| {
        let names: Vec<PskIdentity> =
            (0..LOOKUPS).map(|number| name(scattered(number) % rows, true)).collect();
        let begin = Instant::now();
        for name in &names {
            let found = reader.psk(Function::Cse, name)?;
            assert!(found.is_some_and(|record| record.key.is_some()), "{name}");
        }
        Ok(begin.elapsed())
    })?)
}

/// Lookups as a server makes them, so many at a time.
fn each(
    runtime: &tokio::runtime::Runtime,
    store: &Store,
    tasks: u32,
    choose: impl Fn(u64) -> PskIdentity,
) -> Outcome<Duration> {
    let mut shares: Vec<Vec<PskIdentity>> = (0..tasks).map(|_| Vec::new()).collect();
    for (number, share) in (0..LOOKUPS).zip((0..shares.len()).cycle()) {
        if let Some(share) = shares.get_mut(share) {
            share.push(choose(scattered(number)));
        }
    }
    let begin = Instant::now();
    runtime.block_on(async {
        let mut running = Vec::new();
        for share in shares {
            let store = store.clone();
            running.push(tokio::spawn(async move {
                for name in share {
                    store.psk(Function::Cse, name).await?;
                }
                Ok::<(), store::StoreError>(())
            }));
        }
        for task in running {
            task.await??;
        }
        Ok::<(), Box<dyn Error>>(())
    })?;
    Ok(begin.elapsed())
}

fn micros(total: Duration) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(LOOKUPS)
}

fn scattered(number: u32) -> u64 {
    (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

/// Every second number belongs to an identity that is not there, so that those lie among the others.
fn name(number: u64, known: bool) -> PskIdentity {
    let number = 2 * number + u64::from(!known);
    let text = format!("AE{number:012}-light@provider.example.org");
    text.parse().unwrap_or_else(|error| unreachable!("{error}"))
}

/// Resident memory of this process, in KiB.
fn resident() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// The import file, made while it is read.
struct Lines {
    next: u64,
    rows: u64,
    line: Vec<u8>,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.line.is_empty() && self.next < self.rows {
            // Not in the order of the identities, as a delivery from a factory would not be.
            let number = (self.next * 7_919) % self.rows;
            let key = u128::from(number).wrapping_mul(0x1234_5678_9ABC_DEF1_2345_6789_ABCD_EF13);
            let name = name(number, true);
            self.line = format!("{name},{key:032x},//provider.example.org/Slight{number},ae\n").into_bytes();
            self.next += 1;
        }
        let count = self.line.len().min(out.len());
        for (to, from) in out.iter_mut().zip(self.line.drain(..count)) {
            *to = from;
        }
        Ok(count)
    }
}
