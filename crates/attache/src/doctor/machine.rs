use std::{path::Path, time::Duration};

use onem2m::time::Timestamp;
use rustix::process::{Resource, getrlimit};
use store::{Audit as _, Store};

use super::Finding;
use crate::{config::Config, descriptors};

const MIB: u64 = 1024 * 1024;
/// Less is not enough for the write-ahead log and what it is carried into.
const LEAST_DISK: u64 = 64 * MIB;
/// Less is gone before somebody looks again.
const LITTLE_DISK: u64 = 512 * MIB;
/// How far clocks of two writers may be apart.
const SKEW: Duration = Duration::from_secs(60);
/// When this release was made: the clock cannot be earlier.
const RELEASED: &str = "20260101T000000";

/// Free space where the store is.
pub(super) fn disk(config: &Config) -> Finding {
    let path = config.store_path();
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."));
    match rustix::fs::statvfs(folder) {
        Ok(disk) => judge_disk(&folder.display().to_string(), disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => {
            let found = format_args!("{}: {error}", folder.display());
            Finding::broken("disk", found, "make the directory, or correct `path` in [store]")
        }
    }
}

fn judge_disk(folder: &str, free: u64) -> Finding {
    let found = format!("{folder}: {} MiB free", free / MIB);
    if free < LEAST_DISK {
        Finding::broken("disk", found, "free some space: a registration that cannot be kept is refused")
    } else if free < LITTLE_DISK {
        Finding::warning("disk", found, "free some space, or lower `lines` in [audit]")
    } else {
        Finding::fine("disk", found)
    }
}

/// File descriptors, of which every connection takes one.
pub(super) fn open_files(config: &Config) -> Finding {
    judge_open_files(getrlimit(Resource::Nofile).maximum, descriptors::needed(config))
}

fn judge_open_files(most: Option<u64>, needed: u64) -> Finding {
    match most {
        Some(most) if most < needed => Finding::broken(
            "open files",
            format_args!("the process may open {most}, [limits] need {needed}"),
            "raise the limit (`ulimit -Hn`, LimitNOFILE= of a systemd unit), or lower `associations` and `half_open`",
        ),
        Some(most) => Finding::fine("open files", format_args!("{most} allowed, {needed} needed")),
        None => Finding::fine("open files", format_args!("no limit, {needed} needed")),
    }
}

/// Whether the clock can be right: expiry depends on it.
pub(super) fn clock(store: Option<&Store>, now: Timestamp) -> Finding {
    let newest = store.and_then(|store| store.read_blocking(|records| records.audit_page(None, 1)).ok());
    let newest = newest.and_then(|page| page.first().map(|entry| entry.record.at));
    judge_clock(newest, now)
}

fn judge_clock(newest: Option<Timestamp>, now: Timestamp) -> Finding {
    let how = "set the clock, and keep it with NTP: what expires when depends on it";
    if RELEASED.parse::<Timestamp>().is_ok_and(|released| now < released) {
        return Finding::broken("clock", format_args!("{now} is before this release was made"), how);
    }
    match newest.and_then(|newest| newest.since(now)) {
        Some(behind) if behind > SKEW => {
            let found = format_args!("{now} is {} s behind the newest line of the audit", behind.as_secs());
            Finding::broken("clock", found, how)
        }
        _ => Finding::fine("clock", format_args!("{now}, not behind the audit")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn space_files_and_time_are_judged() {
        for (free, state) in [
            (0, State::Broken),
            (LEAST_DISK - 1, State::Broken),
            (LEAST_DISK, State::Warning),
            (LITTLE_DISK, State::Fine),
        ] {
            assert_eq!(judge_disk("/", free).state, state, "{free}");
        }
        for (most, state) in [(Some(1023), State::Broken), (Some(1024), State::Fine), (None, State::Fine)] {
            assert_eq!(judge_open_files(most, 1024).state, state, "{most:?}");
        }
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = time("20260601T120000");
        for (newest, now, state) in [
            (None, now, State::Fine),
            (Some(time("20260601T115900")), now, State::Fine),
            (Some(time("20260601T120100")), now, State::Fine),
            (Some(time("20260601T120101")), now, State::Broken),
            (None, time("19700101T000010"), State::Broken),
        ] {
            assert_eq!(judge_clock(newest, now).state, state, "{newest:?} {now}");
        }
    }
}
