//! Nothing is acknowledged before it is on the disk. After a kill -9 the system still writes what it was given, so
//! that only the order of the system calls shows it: `strace` watches them.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::collections::BTreeSet;

use support::{Device, World, traced};
use tokio::task::JoinSet;

/// Everything that writes to a file or a socket, or makes a file durable.
const CALLS: &str = "trace=fdatasync,fsync,sync_file_range,msync,pwrite64,pwritev,pwritev2,write,writev,sendto,sendmsg,\
                     sendmmsg,sendfile";
/// Registrations that come one by one, so that no other one's flush can stand in for theirs, and then at a time.
const ALONE: usize = 8;
const WAVES: usize = 4;
const IN_A_WAVE: usize = 8;
/// Two digits each: no name is the beginning of another one.
const FIRST: usize = 10;

/// What of the trace matters, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    /// Octets that hold the names of these `<AE>`s were given to the write-ahead log.
    Logged(BTreeSet<usize>),
    /// The write-ahead log is on the disk, as the system says.
    Flushed,
    /// An answer was given to a socket: a record of application data.
    Answered,
}

/// One line of the trace without its process, if it stands for a step. A call that another process interrupts has
/// two lines; its arguments stand in the first one, its result in the second.
fn step(line: &str, flushing: &mut BTreeSet<String>) -> Option<Step> {
    let (process, call) = line.split_once(' ').unwrap();
    let call = call.trim_start();
    let is_flush = call.starts_with("fsync(") || call.starts_with("fdatasync(");
    if is_flush && call.contains("attache.db-wal>") && call.ends_with("<unfinished ...>") {
        flushing.insert(process.to_owned());
    } else if is_flush && call.contains("attache.db-wal>") && call.ends_with("= 0")
        || call.starts_with("<... f") && call.ends_with("= 0") && flushing.remove(process)
    {
        return Some(Step::Flushed);
    } else if call.starts_with("pwrite") && call.contains("attache.db-wal>") {
        let names = call.split("ae_Clight").skip(1).filter_map(|rest| rest.get(..2)?.parse().ok());
        return Some(Step::Logged(names.collect()));
    } else if call.contains("<TCP:") && call.contains(r#""\27\3\3"#) {
        return Some(Step::Answered);
    }
    None
}

#[test]
fn the_trace_is_understood() {
    let mut flushing = BTreeSet::new();
    let mut steps =
        |text: &str| -> Vec<Step> { text.lines().filter_map(|line| step(line, &mut flushing)).collect() };
    let logged = |names: &[usize]| Step::Logged(names.iter().copied().collect());
    assert_eq!(
        steps(concat!(
            "12 pwrite64(11</tmp/x/attache.db-wal>, \"\\r\\0ae_Clight12Clight12\\17ae_Clight13\"..., 4096, 56) = 4096\n",
            "12 fsync(11</tmp/x/attache.db-wal>) = 0\n",
            "12 fsync(10</tmp/x/attache.db>) = 0\n",
            "12 fdatasync(11</tmp/x/attache.db-wal> <unfinished ...>\n",
            "13 write(4<anon_inode:[eventfd]>, \"\\1\\0\", 8) = 8\n",
            "13 fsync(9</tmp/x/attache.db> <unfinished ...>\n",
            "13 <... fsync resumed>) = 0\n",
            "12 <... fdatasync resumed>)           = 0\n",
            "13 sendto(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\26\\3\\3\\0005\", 53, MSG_NOSIGNAL, NULL, 0) = 53\n",
            "13 sendto(23<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"\\27\\3\\3\\1\\201\", 390, MSG_NOSIGNAL, NULL, 0) = 390\n",
        )),
        [logged(&[12, 13]), Step::Flushed, Step::Flushed, Step::Answered]
    );
}

async fn register(world: &World, devices: &[Device]) {
    let mut registering = JoinSet::new();
    for device in devices {
        let mut attachment = world.attach(device).await;
        let description = device.description();
        registering.spawn(async move { assert!(!attachment.register(&description).await.unwrap().already) });
    }
    registering.join_all().await;
}

#[tokio::test]
async fn a_batch_is_flushed_before_its_first_acknowledgement() {
    let mut world = World::prepared("[log]\nlevel = \"warn\"\n");
    let devices: Vec<Device> = (FIRST..FIRST + ALONE + WAVES * IN_A_WAVE).map(Device::numbered).collect();
    world.import(&devices);
    traced::serve(&mut world, CALLS);
    let (alone, waves) = devices.split_at(ALONE);
    for device in alone {
        register(&world, std::slice::from_ref(device)).await;
    }
    for wave in waves.chunks(IN_A_WAVE) {
        register(&world, wave).await;
    }
    let trace = traced::stop(&mut world);

    let (mut flushing, mut logged, mut durable) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut answered = 0;
    for (number, line) in trace.lines().enumerate() {
        match step(line, &mut flushing) {
            Some(Step::Logged(names)) => logged.extend(names),
            Some(Step::Flushed) => durable.clone_from(&logged),
            Some(Step::Answered) => {
                answered += 1;
                assert!(
                    answered <= durable.len(),
                    "line {} of the trace acknowledges registration {answered}, while {} are on the disk",
                    number + 1,
                    durable.len()
                );
            }
            None => {}
        }
    }
    assert_eq!(answered, devices.len(), "one answer for each registration");
    assert_eq!(durable, (FIRST..FIRST + devices.len()).collect(), "each of them in the log");
}
