//! What an operator changes while the registrar serves, seen from the devices: a withdrawn or replaced key ends the
//! associations that it made, at once and without a restart, and nobody else notices. With 20,000 credentials; with
//! a million if `ATTACHE_FULL=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use device::{Attachment, DeviceError};
use onem2m::status::ResponseStatusCode as Rsc;
use support::{Device, World, full};
use tokio::{
    sync::Mutex,
    task::{JoinHandle, JoinSet, block_in_place},
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// The probe attaches so often.
const PERIOD: Duration = Duration::from_millis(5);
/// No two successes of the probe may be further apart.
const GAP: Duration = Duration::from_millis(50);
const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// What the operator does one after the other while the probe goes on.
const ROUNDS: usize = 50;
/// Keys that are added in one command meanwhile.
const ADDED: usize = 5000;

/// One test at a time: each needs the machine for itself.
static ALONE: Mutex<()> = Mutex::const_new(());

fn rows() -> usize {
    if full() { 1_000_000 } else { 20_000 }
}

/// The device with another key.
fn rekeyed(device: &Device, round: usize) -> Device {
    Device { key_hex: format!("{round:08x}{}", "5a".repeat(12)), ..device.clone() }
}

async fn refused(world: &World, device: &Device) -> bool {
    match Attachment::open(&world.registrar(), &device.identity(), device.key()).await {
        Ok(_) => false,
        Err(DeviceError::Transport(_)) => true,
        Err(other) => panic!("{other}"),
    }
}

async fn attach_many(world: &World, device: &Device, number: usize) -> Vec<Attachment> {
    let mut attached = Vec::new();
    for _ in 0..number {
        attached.push(world.attach(device).await);
    }
    attached
}

async fn until_closed(attached: &[Attachment]) {
    let begun = Instant::now();
    while attached.iter().any(Attachment::is_open) {
        assert!(begun.elapsed() < testkit::DEADLINE, "an association stays open");
        sleep(Duration::from_millis(2)).await;
    }
}

fn rotate(world: &World, before: &Device, after: &Device) {
    let file = world.path("new.key");
    fs::write(&file, &after.key_hex).unwrap();
    let file = file.to_str().unwrap();
    drop(world.run(&["credential", "rotate", &before.psk_identity, "--key-file", file]).success());
}

fn revoke(world: &World, device: &Device) {
    drop(world.run(&["credential", "revoke", &device.psk_identity]).success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_withdrawn_key_ends_its_associations_within_a_second() {
    let _alone = ALONE.lock().await;
    let world = World::start();
    world.import(&[1, 2, 3].map(Device::numbered));
    let server = world.server_id();
    let [withdrawn, changed, other] = [1, 2, 3].map(Device::numbered);
    let of_withdrawn = attach_many(&world, &withdrawn, 50).await;
    let of_changed = attach_many(&world, &changed, 50).await;
    let mut of_other = attach_many(&world, &other, 50).await;
    of_other.first_mut().unwrap().register(&other.description()).await.unwrap();

    let begun = Instant::now();
    block_in_place(|| revoke(&world, &withdrawn));
    assert!(refused(&world, &withdrawn).await, "a withdrawn key opens nothing any more");
    until_closed(&of_withdrawn).await;
    let took = begun.elapsed();
    println!(
        "{} associations of a withdrawn key closed {took:?} after the command began",
        of_withdrawn.len()
    );
    assert!(took < CLOSED_WITHIN, "{took:?}");

    let begun = Instant::now();
    block_in_place(|| rotate(&world, &changed, &rekeyed(&changed, 1)));
    assert!(refused(&world, &changed).await, "nor does one that was replaced");
    until_closed(&of_changed).await;
    let took = begun.elapsed();
    println!("{} associations of a replaced key closed {took:?} after the command began", of_changed.len());
    assert!(took < CLOSED_WITHIN, "{took:?}");
    world.attach(&rekeyed(&changed, 1)).await.close().await;

    for attachment in &mut of_other {
        attachment.speak_as(other.stem.parse().unwrap());
        let own = attachment.retrieve(format!("home_gateway/ae_{}", other.stem)).await.unwrap();
        assert_eq!(own.rsc, Rsc::Ok, "associations of another key go on");
    }
    assert_eq!(world.server_id(), server);
}

/// Attaches one device over and over, 200 times a second, and keeps when it succeeded.
struct Probe {
    going: Arc<AtomicBool>,
    probing: JoinHandle<Vec<Instant>>,
}

impl Probe {
    fn of(world: &World, device: &Device) -> Self {
        let going = Arc::new(AtomicBool::new(true));
        let (registrar, device) = (world.registrar(), device.clone());
        let goes_on = Arc::clone(&going);
        let probing = tokio::spawn(async move {
            let mut attempts = JoinSet::new();
            let mut turn = interval(PERIOD);
            turn.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut successes = vec![Instant::now()];
            while goes_on.load(Ordering::Relaxed) {
                turn.tick().await;
                let (registrar, device) = (registrar.clone(), device.clone());
                attempts.spawn(async move {
                    let attached = Attachment::open(&registrar, &device.identity(), device.key()).await;
                    drop(attached.expect("whoever is not concerned is not refused"));
                    Instant::now()
                });
                while let Some(success) = attempts.try_join_next() {
                    successes.push(success.unwrap());
                }
            }
            successes.extend(attempts.join_all().await);
            successes.sort_unstable();
            successes
        });
        Self { going, probing }
    }

    async fn end(self) -> Vec<Instant> {
        self.going.store(false, Ordering::Relaxed);
        self.probing.await.unwrap()
    }
}

/// The longest time between two successes.
fn longest(successes: &[Instant]) -> Duration {
    gaps(successes).map(|(from, to)| to - from).max().unwrap()
}

fn gaps(successes: &[Instant]) -> impl Iterator<Item = (Instant, Instant)> {
    successes.iter().copied().zip(successes.iter().copied().skip(1))
}

/// The longest time between two successes of which the machine itself is not guilty: for so long as `control`
/// stood still as well, a registrar for whom nothing was changed got nothing done either.
fn longest_of_its_own(successes: &[Instant], control: &[Instant]) -> Duration {
    let stood_still = |from: Instant, to: Instant| {
        let overlaps =
            gaps(control).map(|(begun, ended)| to.min(ended).saturating_duration_since(from.max(begun)));
        overlaps.max().unwrap_or_default()
    };
    let own = gaps(successes).map(|(from, to)| (to - from).saturating_sub(stood_still(from, to)));
    // While nothing stands still, the control's own pace is no excuse.
    own.max().unwrap() + PERIOD
}

#[test]
fn a_gap_is_excused_only_by_one_of_the_control_at_the_same_time() {
    let start = Instant::now();
    let at = |milliseconds: &[u64]| -> Vec<Instant> {
        milliseconds.iter().map(|after| start + Duration::from_millis(*after)).collect()
    };
    let own = |probe: &[u64], control: &[u64]| longest_of_its_own(&at(probe), &at(control)).as_millis();
    assert_eq!(own(&[0, 5, 105, 110], &[0, 5, 10, 50, 60, 100, 105, 110]), 65);
    assert_eq!(own(&[0, 5, 105, 110], &[0, 5, 100, 105, 110]), 10);
    assert_eq!(own(&[0, 5, 105, 110, 210], &[0, 5, 10, 110, 210]), 10);
}

/// What an operator does, and that it holds from the moment the command has ended.
async fn operate(world: &World, round: usize, victims: &mut impl Iterator<Item = Device>) {
    let changed = victims.next().unwrap();
    block_in_place(|| rotate(world, &changed, &rekeyed(&changed, round)));
    assert!(refused(world, &changed).await, "round {round}: the old key still opens");
    drop(world.attach(&rekeyed(&changed, round)).await);
    let withdrawn = victims.next().unwrap();
    block_in_place(|| revoke(world, &withdrawn));
    assert!(refused(world, &withdrawn).await, "round {round}: a withdrawn key still opens");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_notices_when_a_key_changes() {
    let _alone = ALONE.lock().await;
    let numbered = |numbers: std::ops::Range<usize>| numbers.map(Device::numbered).collect::<Vec<_>>();
    let quiet = "[log]\nlevel = \"warn\"\n";
    let devices = numbered(0..rows());
    let mut world = World::prepared(quiet);
    block_in_place(|| world.import(&devices));
    world.serve();
    let steady = devices.last().unwrap();
    // A registrar of its own, for whom nothing changes.
    let mut control = World::prepared(quiet);
    block_in_place(|| control.import(&numbered(0..1)));
    control.serve();
    let unconcerned = Device::numbered(0);
    drop((world.attach(steady).await, control.attach(&unconcerned).await));

    let server = world.server_id();
    let probes = [Probe::of(&world, steady), Probe::of(&control, &unconcerned)];
    let mut victims = devices.iter().cloned();
    for round in 0..ROUNDS {
        operate(&world, round, &mut victims).await;
        sleep(PERIOD * 10).await;
    }
    block_in_place(|| world.import(&numbered(rows()..rows() + ADDED)));
    drop(world.attach(&Device::numbered(rows() + ADDED - 1)).await);
    let [probed, control] = probes;
    let (probed, control) = (probed.end().await, control.end().await);

    let own = longest_of_its_own(&probed, &control);
    println!(
        "{} credentials, {} keys replaced and withdrawn, {ADDED} added, {} attachments in {:?}: longest gap {:?}, of the \
         control {:?}, not explained by it {own:?}",
        rows(),
        2 * ROUNDS,
        probed.len() - 1,
        *probed.last().unwrap() - *probed.first().unwrap(),
        longest(&probed),
        longest(&control),
    );
    // A machine on which an unconcerned registrar stands still for so long cannot tell such gaps apart.
    let (probed, control) = (longest(&probed), longest(&control));
    let overloaded = control > GAP && probed <= control * 3;
    assert!(own <= GAP || overloaded, "longest gap {probed:?}, {own:?} of it not shared by the control");
    assert_eq!(world.server_id(), server);
}
