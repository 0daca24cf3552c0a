use std::{
    future::pending,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use keys::OsRng;
use onem2m::time::{ManualClock, Timestamp};
use store::{Audit as _, KekSource, MAX_AUDIT_PAGE, Options};
use tokio::sync::oneshot;

use super::*;

fn now() -> Timestamp {
    "20260101T000000".parse().unwrap()
}

fn journal(kept: u64) -> (Arc<Journal>, Scribe) {
    Journal::new(Arc::new(ManualClock::new(now())), kept, Metrics::new())
}

fn line(number: usize) -> AuditRecord {
    AuditRecord {
        at: now(),
        action: "test.happen".into(),
        outcome: Outcome::Done,
        credential_id: None,
        entity: None,
        source: None,
        detail: number.to_string(),
    }
}

fn take_down(journal: &Journal, numbers: std::ops::Range<usize>) {
    numbers.for_each(|number| journal.take_down(line(number)));
}

fn told(lines: &[AuditRecord]) -> Vec<usize> {
    lines.iter().filter_map(|line| line.detail.parse().ok()).collect()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

#[test]
fn lines_are_gathered_until_the_time_is_over() {
    let (journal, mut scribe) = journal(10_000);
    let (end, over) = oneshot::channel();
    let mut lines = vec![line(0)];
    {
        let mut gathering = pin!(scribe.gather(&mut lines, async { over.await.unwrap() }));
        assert_eq!(poll(gathering.as_mut()), None);
        for number in 1..100 {
            journal.take_down(line(number));
            assert_eq!(poll(gathering.as_mut()), None, "woken by line {number}");
        }
        end.send(()).unwrap();
        assert_eq!(poll(gathering), Some(true), "more may come");
    }
    assert_eq!(told(&lines), (0..100).collect::<Vec<_>>());
}

/// Half of what may wait is enough: the other half is there for what comes while it is written.
#[test]
fn a_queue_that_fills_up_is_not_waited_for() {
    let (journal, mut scribe) = journal(10_000);
    let mut lines = Vec::new();
    {
        let mut gathering = pin!(scribe.gather(&mut lines, pending()));
        take_down(&journal, 0..WAITING / 2 - 1);
        assert_eq!(poll(gathering.as_mut()), None);
        take_down(&journal, WAITING / 2 - 1..WAITING / 2);
        assert_eq!(poll(gathering), Some(true));
    }
    assert_eq!(told(&lines), (0..WAITING / 2).collect::<Vec<_>>());
}

#[test]
fn the_end_is_not_waited_for() {
    let (journal, mut scribe) = journal(10_000);
    let mut lines = vec![line(0)];
    {
        let mut gathering = pin!(scribe.gather(&mut lines, pending()));
        take_down(&journal, 1..3);
        assert_eq!(poll(gathering.as_mut()), None);
        drop(journal);
        assert_eq!(poll(gathering), Some(false), "no more will come");
    }
    assert_eq!(told(&lines), [0, 1, 2]);
}

/// What is in the audit after `happen` has had a journal of `kept` lines, oldest first, and the number of commits.
async fn written(kept: u64, happen: impl FnOnce(&Journal)) -> (Vec<AuditRecord>, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.db");
    let (clock, rng) = (Arc::new(ManualClock::new(now())), Arc::new(OsRng));
    let store = Store::open(&path, &KekSource::beside(&path), clock, rng, Options::default()).unwrap();
    let (journal, scribe) = journal(kept);
    happen(&journal);
    drop(journal);
    scribe.write(store.clone()).await;
    let mut lines = Vec::new();
    let mut before = None;
    loop {
        let page = store.read(move |records| records.audit_page(before, MAX_AUDIT_PAGE)).await.unwrap();
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        lines.extend(page.into_iter().map(|entry| entry.record));
    }
    lines.reverse();
    (lines, store.statistics().commits)
}

#[tokio::test]
async fn so_many_lines_share_a_commit() {
    let (lines, commits) = written(10_000, |journal| take_down(journal, 0..AT_ONCE)).await;
    assert_eq!((told(&lines), commits), ((0..AT_ONCE).collect(), 1));
    let (lines, commits) = written(10_000, |journal| take_down(journal, 0..2 * AT_ONCE + 1)).await;
    assert_eq!((told(&lines), commits), ((0..2 * AT_ONCE + 1).collect(), 3));
}

#[tokio::test]
async fn what_finds_no_room_is_counted() {
    let (lines, _) = written(10_000, |journal| take_down(journal, 0..WAITING + 7)).await;
    assert_eq!(told(&lines), (0..WAITING).collect::<Vec<_>>());
    let losses: Vec<_> = lines.iter().filter(|line| line.action == "audit.lose").collect();
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].detail.as_str(), losses[0].outcome), ("7 lines", Outcome::Failed));
}

#[tokio::test]
async fn the_audit_keeps_the_newest_lines() {
    let (lines, _) = written(100, |journal| take_down(journal, 0..2 * AT_ONCE)).await;
    assert_eq!(told(&lines), (2 * AT_ONCE - 100..2 * AT_ONCE).collect::<Vec<_>>());
}
