//! CPU time and memory of a process and all its descendants, from /proc.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use crate::Error;

/// Ticks per second of the times in /proc/PID/stat: `USER_HZ`, fixed at 100 on Linux whatever the kernel uses.
const TICKS: u64 = 100;

/// What one line of /proc/PID/stat says (proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// User and system time of all threads, and of the children that ended and were waited for.
    ticks: u64,
}

/// User and system time of `roots` and everything below them so far. Exact to 10 ms.
pub(crate) fn cpu(roots: &[u32]) -> Result<Duration, Error> {
    let all = processes()?;
    let ticks: u64 = trees(roots, &all).iter().filter_map(|id| all.get(id)).map(|stat| stat.ticks).sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

/// Resident memory in KiB of `roots` and everything below them; pages shared between processes count for each.
pub(crate) fn resident(roots: &[u32]) -> Result<u64, Error> {
    sum_of(roots, "VmRSS:")
}

/// Threads of `roots` and everything below them.
pub(crate) fn threads(roots: &[u32]) -> Result<u64, Error> {
    sum_of(roots, "Threads:")
}

fn sum_of(roots: &[u32], field: &str) -> Result<u64, Error> {
    let mut sum = 0;
    for id in trees(roots, &processes()?) {
        let path = format!("/proc/{id}/status");
        let status = fs::read_to_string(&path).map_err(Error::io(format!("read {path}")))?;
        sum += number_of(&status, field).unwrap_or(0);
    }
    Ok(sum)
}

fn processes() -> Result<BTreeMap<u32, Stat>, Error> {
    let entries = fs::read_dir("/proc").map_err(Error::io("list /proc"))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        // A process may end while we look; then it has no line, and its time is with its parent.
        .filter_map(|id: u32| Some((id, parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)?)))
        .collect())
}

/// `roots`, of which none is below another, and everything below them.
fn trees(roots: &[u32], all: &BTreeMap<u32, Stat>) -> Vec<u32> {
    let mut found = roots.to_vec();
    let mut next = 0;
    while let Some(&id) = found.get(next) {
        found.extend(all.iter().filter(|(_, stat)| stat.parent == id).map(|(child, _)| *child));
        next += 1;
    }
    found
}

/// The name in parentheses may hold anything, blanks and parentheses too; the fields count from after it.
fn parse(line: &str) -> Option<Stat> {
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = number(11)? + number(12)? + number(13)? + number(14)?;
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn number_of(status: &str, field: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(field))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use testkit::{Process, require};

    #[test]
    fn a_line_of_stat_is_read_past_the_name() {
        let line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 5 6 7";
        assert_eq!(parse(line), Some(Stat { parent: 7, ticks: 100 }));
        assert_eq!(parse("42 (a"), None);
        assert_eq!(number_of("Name:\tx\nVmRSS:\t    1234 kB\n", "VmRSS:"), Some(1_234));
    }

    #[test]
    fn children_count_alive_and_ended() {
        let burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let mut shell = Command::new(require("sh", "dash"));
        // The first child ends and is waited for, the second stays; the shell itself does nothing.
        shell.arg("-c").arg(format!("sh -c '{burn}'; sh -c '{burn}; echo done; read x'; :"));
        let process = Process::spawn(shell);
        process.wait_for_line("done", |line| (line == "done").then_some(()));
        let total = cpu(&[process.id()]).expect("read /proc");
        let all = processes().expect("read /proc");
        let family = trees(&[process.id()], &all);
        assert_eq!(family.len(), 2, "{family:?}");
        // Both children burnt as much, so that the ended one is half of it.
        let child = Duration::from_millis(all[&family[1]].ticks * 1_000 / TICKS);
        assert!(child >= Duration::from_millis(50), "{child:?}");
        assert!(total >= child + child / 2, "{total:?} of which {child:?}");
        assert!(resident(&[process.id()]).expect("read /proc") > 100);
        assert_eq!(threads(&[process.id()]).expect("read /proc"), 2);
    }
}
