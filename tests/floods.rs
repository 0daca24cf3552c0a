//! Peers that connect and do not go on, five thousand of them, from hundreds of addresses, with the limits as they
//! are shipped: they are closed, they cost less than peers that do, and they keep nobody out.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::{net::Ipv4Addr, process::Command, time::Duration};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use support::{
    Device, World,
    flood::{Halt, connect_from, go_as_far_as, loopback, until_closed},
    handmade::attach_over,
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};

const FLOOD: usize = 5000;
const ADDRESSES: usize = 250;
/// As many at a time as are still connecting when the next ones begin.
const WAVE: usize = 50;
/// What is said of a flood: all of it is gone after so long, and others get in within so long.
const ALL_CLOSED: Duration = Duration::from_secs(15);
const LET_IN: Duration = Duration::from_secs(1);

/// A registrar whose log does not grow with what is tried on it, and devices that it knows.
fn world(devices: &[Device]) -> World {
    let mut world = World::prepared("[log]\nlevel = \"warn\"\n");
    world.import(devices);
    // As a shell starts it: the customary limit, which the server has to raise.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 1024 && exec \"$0\" serve --json", env!("CARGO_BIN_EXE_attache")]);
    world.serve_as(command);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.server_id())).unwrap();
    let open_files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let mut numbers = open_files.split_whitespace();
    assert_eq!(numbers.next(), numbers.next(), "the limit on open files was not raised: {open_files}");
    world
}

/// This program needs a descriptor for each of its peers as well.
fn many_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let needed = FLOOD as u64 + 2000;
    assert!(limit.maximum.is_none_or(|most| most >= needed), "`ulimit -Hn` has to be {needed} for this test");
}

/// KiB that one established, idle association costs.
async fn cost_of_established() -> u64 {
    let device = Device::numbered(1);
    let world = world(std::slice::from_ref(&device));
    drop(world.attach(&device).await);
    let before = world.resident_kib();
    let mut established = Vec::new();
    for _ in 0..1000 {
        established.push(world.attach(&device).await);
    }
    (world.resident_kib() - before) / 1000
}

/// KiB that one connection costs which halts there.
async fn cost_of(halt: Halt) -> u64 {
    let device = Device::numbered(1);
    let world = world(std::slice::from_ref(&device));
    drop(world.attach(&device).await);
    let (before, threads) = (world.resident_kib(), world.threads());
    let mut halted = Vec::new();
    for number in 0..1000 {
        let mut tcp = connect_from(loopback(number % ADDRESSES), world.address).await;
        go_as_far_as(halt, &mut tcp, &device.psk_identity).await.unwrap();
        halted.push(tcp);
    }
    // Whoever comes last is served after all the others.
    drop(world.attach(&device).await);
    assert_eq!(world.threads(), threads);
    (world.resident_kib() - before) / 1000
}

/// Lets two in while the flood goes on: one from an address that floods, and one that has nothing to do with it
/// and registers.
async fn let_in(world: &World, device: &Device) -> Duration {
    let key = hex::decode(&device.key_hex).unwrap();
    let before = Instant::now();
    let tcp = connect_from(loopback(0), world.address).await.into_std().unwrap();
    tcp.set_nonblocking(false).unwrap();
    let identity = device.psk_identity.clone();
    let learnt =
        tokio::task::spawn_blocking(move || attach_over(tcp, identity.as_bytes(), &key)).await.unwrap();
    assert!(learnt.established, "from a flooding address: {learnt:?}");
    let same = before.elapsed();

    let before = Instant::now();
    let mut attachment = world.attach(device).await;
    assert!(!attachment.register(&device.description()).await.unwrap().already);
    same.max(before.elapsed())
}

/// One peer of the flood; tells when it has come as far as it goes, and how long it was there.
async fn peer(
    number: usize,
    world: std::net::SocketAddr,
    identity: String,
    here: mpsc::Sender<()>,
) -> Duration {
    let source: Ipv4Addr = loopback(number % ADDRESSES);
    let halt = *Halt::ALL.get(number % Halt::ALL.len()).unwrap();
    let mut tcp = connect_from(source, world).await;
    let since = Instant::now();
    let gone = go_as_far_as(halt, &mut tcp, &identity).await;
    // The end of the test may not wait for it.
    let _ = here.send(()).await;
    drop(here);
    if gone.is_ok() {
        until_closed(&mut tcp).await;
    }
    since.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_closed_and_keeps_nobody_out() {
    many_descriptors();
    let established = cost_of_established().await;
    for halt in [Halt::Silent, Halt::InHello] {
        let cost = cost_of(halt).await;
        println!("{halt:?}: {cost} KiB, established: {established} KiB");
        assert!(cost * 2 < established, "{halt:?}: {cost} KiB, established: {established} KiB");
    }

    let devices: Vec<Device> = (0..FLOOD).map(Device::numbered).collect();
    let world = world(&devices);
    drop(world.attach(&devices[0]).await);
    let (before, threads) = (world.resident_kib(), world.threads());
    let (mut peak, mut slowest) = (before, Duration::ZERO);
    let (here, mut arrivals) = mpsc::channel(FLOOD);
    let mut peers = tokio::task::JoinSet::new();
    let mut visitors = devices.iter();
    for number in 0..FLOOD {
        let identity = devices[0].psk_identity.clone();
        peers.spawn(peer(number, world.address, identity, here.clone()));
        if number % WAVE == WAVE - 1 {
            for _ in 0..WAVE {
                arrivals.recv().await.unwrap();
            }
            slowest = slowest.max(let_in(&world, visitors.next().unwrap()).await);
            peak = peak.max(world.resident_kib());
        }
    }
    assert_eq!(world.threads(), threads);

    let last = Instant::now();
    let mut longest = Duration::ZERO;
    let mut left = FLOOD;
    while left > 0 {
        let closed = timeout(testkit::DEADLINE, peers.join_next()).await;
        let closed = closed.unwrap_or_else(|_| panic!("{left} connections were never closed"));
        longest = longest.max(closed.unwrap().unwrap());
        left -= 1;
        if left.is_multiple_of(WAVE) {
            slowest = slowest.max(let_in(&world, visitors.next().unwrap()).await);
        }
    }
    println!(
        "slowest visitor {slowest:?}, longest peer {longest:?}, all gone {:?} after the last",
        last.elapsed()
    );
    let each = (peak - before) / FLOOD as u64;
    println!("{} KiB for the flood, {each} KiB each, established: {established} KiB", peak - before);
    assert!(longest < ALL_CLOSED, "{longest:?}");
    assert!(slowest < LET_IN, "{slowest:?}");
    assert!(each < established, "{each} KiB, established: {established} KiB");
}
