//! What is refused again and again becomes two audit lines in the first minute and one in each further one,
//! however often it happens and from however many addresses.

use std::{
    collections::{HashMap, hash_map},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use onem2m::time::Timestamp;
use store::{AuditRecord, Outcome};

/// How long refusals of one kind are counted before a line says how many they were.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// Kinds that are counted each for itself; whatever exceeds them is counted together.
pub(crate) const KINDS: usize = 4096;

/// One refusal.
#[derive(Debug, Clone)]
pub(crate) struct Refusal {
    /// What was refused, as one dotted name.
    pub(crate) action: String,
    /// Where it came from: address and port, or what a local peer is called.
    pub(crate) source: String,
    /// Why, if that is one of few.
    pub(crate) reason: Option<&'static str>,
    /// What the peer said, escaped and bounded.
    pub(crate) said: Option<String>,
    /// The credential that it is about.
    pub(crate) credential_id: Option<String>,
    /// The entity that it is about.
    pub(crate) entity: Option<String>,
    /// The credential was proved, not only named.
    pub(crate) proved: bool,
}

/// What is counted together: who asks (the network of an IPv6 address, of which one site has 2^64), for what,
/// with which result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kind {
    action: String,
    source: Source,
    reason: Option<&'static str>,
    /// Credential and entity of an authenticated peer. Before that anybody can name any.
    proved: Option<(Option<String>, Option<String>)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Source {
    Address(IpAddr),
    Network(Ipv6Addr),
    Local(String),
}

/// What has been counted since `since`, the refusals that have lines of their own left out.
#[derive(Debug)]
struct Tally {
    since: Timestamp,
    more: u64,
    first: Option<String>,
    last: Option<String>,
}

/// Counts refusals by kind. Knows no clock: whoever asks brings the time.
#[derive(Debug)]
pub(crate) struct Coalescer {
    kinds: usize,
    tallies: HashMap<Kind, Tally>,
    /// Refusals of kinds for which there was no room, by what was refused.
    others: HashMap<String, Tally>,
}

impl Coalescer {
    /// Counts at most `kinds` kinds each for itself.
    pub(crate) fn new(kinds: usize) -> Self {
        Self { kinds, tallies: HashMap::new(), others: HashMap::new() }
    }

    /// Takes a refusal. The line to write now, if it is the first of its kind.
    pub(crate) fn take(&mut self, refusal: Refusal, now: Timestamp) -> Option<AuditRecord> {
        let kind = Kind::of(&refusal);
        let room = self.tallies.len() < self.kinds;
        match self.tallies.entry(kind) {
            hash_map::Entry::Occupied(known) => {
                known.into_mut().add(refusal.said);
                None
            }
            hash_map::Entry::Vacant(place) if room => {
                place.insert(Tally::new(now));
                Some(refusal.line(now))
            }
            hash_map::Entry::Vacant(_) => {
                self.others.entry(refusal.action).or_insert_with(|| Tally::new(now)).add(refusal.said);
                None
            }
        }
    }

    /// The lines about what was counted for a whole window. A kind that goes on being refused is counted on
    /// without a line of its own at the beginning; one that has stopped is forgotten.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<AuditRecord> {
        let mut lines = Vec::new();
        self.tallies.retain(|kind, tally| {
            if !tally.is_over(now) {
                return true;
            }
            let line = (tally.more > 0).then(|| kind.line(tally, now));
            let goes_on = line.is_some();
            lines.extend(line);
            *tally = Tally::new(now);
            goes_on
        });
        self.others.retain(|action, tally| {
            let over = tally.is_over(now);
            lines.extend(over.then(|| others(action, tally, now)));
            !over
        });
        lines
    }

    /// The lines about everything that was counted, for the end of the program.
    pub(crate) fn rest(&mut self, now: Timestamp) -> Vec<AuditRecord> {
        let counted = std::mem::take(&mut self.tallies);
        let counted = counted.iter().filter(|(_, tally)| tally.more > 0);
        let mut lines: Vec<_> = counted.map(|(kind, tally)| kind.line(tally, now)).collect();
        let rest = std::mem::take(&mut self.others);
        lines.extend(rest.iter().map(|(action, tally)| others(action, tally, now)));
        lines
    }
}

impl Kind {
    fn of(refusal: &Refusal) -> Self {
        Self {
            action: refusal.action.clone(),
            source: Source::of(&refusal.source),
            reason: refusal.reason,
            proved: refusal.proved.then(|| (refusal.credential_id.clone(), refusal.entity.clone())),
        }
    }

    fn line(&self, tally: &Tally, now: Timestamp) -> AuditRecord {
        let (credential_id, entity) = self.proved.clone().unwrap_or_default();
        AuditRecord {
            at: now,
            action: self.action.clone(),
            outcome: Outcome::Refused,
            credential_id,
            entity,
            source: Some(self.source.to_string()),
            detail: joined(self.reason, Some(tally.text())),
        }
    }
}

fn others(action: &str, tally: &Tally, now: Timestamp) -> AuditRecord {
    AuditRecord {
        at: now,
        action: action.to_owned(),
        outcome: Outcome::Refused,
        credential_id: None,
        entity: None,
        source: None,
        detail: format!("other addresses and reasons, {}", tally.text()),
    }
}

impl Refusal {
    fn line(self, now: Timestamp) -> AuditRecord {
        AuditRecord {
            at: now,
            action: self.action,
            outcome: Outcome::Refused,
            credential_id: self.credential_id,
            entity: self.entity,
            source: Some(self.source),
            detail: joined(self.reason, self.said),
        }
    }
}

fn joined(reason: Option<&str>, text: Option<String>) -> String {
    match (reason, text) {
        (Some(reason), Some(text)) => format!("{reason}, {text}"),
        (reason, text) => text.or_else(|| reason.map(str::to_owned)).unwrap_or_default(),
    }
}

impl Tally {
    const fn new(since: Timestamp) -> Self {
        Self { since, more: 0, first: None, last: None }
    }

    fn add(&mut self, said: Option<String>) {
        self.more = self.more.saturating_add(1);
        if let Some(said) = said {
            if self.first.is_none() {
                self.first = Some(said.clone());
            }
            self.last = Some(said);
        }
    }

    /// A clock that was set back ends the window too: else it could last for years.
    fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.since).is_none_or(|passed| passed >= WINDOW)
    }

    fn text(&self) -> String {
        let count = format!("{} more since {}", self.more, self.since.whole_seconds());
        match (&self.first, &self.last) {
            (Some(first), Some(last)) if first == last => format!("{count}: {first}"),
            (Some(first), Some(last)) => format!("{count}: first {first}, last {last}"),
            _ => count,
        }
    }
}

impl Source {
    fn of(text: &str) -> Self {
        // What follows the address says how it came.
        let first = text.split(' ').next().unwrap_or_default();
        let Ok(address) = first.parse::<SocketAddr>() else { return Self::Local(text.to_owned()) };
        match address.ip().to_canonical() {
            IpAddr::V6(address) if !address.is_loopback() => {
                Self::Network(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
            address => Self::Address(address),
        }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => write!(f, "{network}/64"),
            Self::Local(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        "20260101T000000".parse::<Timestamp>().unwrap().saturating_add(Duration::from_secs(second))
    }

    fn refusal(source: &str, reason: &'static str, said: &str) -> Refusal {
        Refusal {
            action: "association.establish".into(),
            source: source.into(),
            reason: Some(reason),
            said: Some(format!("psk_identity {said}")),
            credential_id: None,
            entity: None,
            proved: false,
        }
    }

    #[test]
    fn the_first_has_a_line_and_the_rest_share_one_a_minute() {
        let mut coalescer = Coalescer::new(KINDS);
        let first = coalescer.take(refusal("192.0.2.1:1000", "unknown", "a@x.org"), at(0)).unwrap();
        assert_eq!(first.source.as_deref(), Some("192.0.2.1:1000"));
        assert_eq!(first.detail, "unknown, psk_identity a@x.org");
        for number in 0..1000 {
            let again =
                refusal(&format!("192.0.2.1:{}", 1001 + number), "unknown", &format!("b{number}@x.org"));
            assert!(coalescer.take(again, at(1)).is_none());
        }
        assert!(coalescer.due(at(59)).is_empty());
        let lines = coalescer.due(at(60));
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].source.as_deref(), Some("192.0.2.1"));
        assert_eq!(
            lines[0].detail,
            "unknown, 1000 more since 20260101T000000: first psk_identity b0@x.org, last psk_identity b999@x.org"
        );
        assert!(coalescer.take(refusal("192.0.2.1:9", "unknown", "c@x.org"), at(61)).is_none(), "it goes on");
        assert_eq!(
            coalescer.due(at(120))[0].detail,
            "unknown, 1 more since 20260101T000100: psk_identity c@x.org"
        );
        assert!(coalescer.due(at(180)).is_empty());
        assert!(coalescer.tallies.is_empty(), "what has stopped is forgotten");
        assert!(coalescer.take(refusal("192.0.2.1:9", "unknown", "c@x.org"), at(181)).is_some());
    }

    #[test]
    fn kinds_differ_in_address_reason_and_who_was_proved() {
        let mut coalescer = Coalescer::new(KINDS);
        let mut take = |refusal| coalescer.take(refusal, at(0)).is_some();
        assert!(take(refusal("192.0.2.1:1", "unknown", "a")));
        assert!(take(refusal("192.0.2.2:1", "unknown", "a")));
        assert!(take(refusal("192.0.2.1:1", "wrong_key", "a")));
        assert!(!take(refusal("[::ffff:192.0.2.1]:1", "unknown", "a")), "the same, mapped");
        assert!(take(refusal("[2001:db8:0:1::1]:1", "unknown", "a")));
        assert!(!take(refusal("[2001:db8:0:1:ffff::2]:1", "unknown", "a")), "one site's addresses are one");
        let proved = |credential: &str| Refusal {
            credential_id: Some(credential.into()),
            proved: true,
            ..refusal("192.0.2.1:1", "unknown", "a")
        };
        assert!(take(proved("12-a")));
        assert!(!take(proved("12-a")));
        assert!(take(proved("12-b")));
        let named = Refusal { proved: false, ..proved("12-c") };
        assert!(!take(named), "a credential that was only named tells nobody apart");
    }

    #[test]
    fn the_table_is_bounded_and_what_exceeds_it_is_counted() {
        let mut coalescer = Coalescer::new(2);
        let mut lines = 0;
        for number in 0..200_u8 {
            let refusal = refusal(&format!("192.0.2.{number}:1"), "unknown", &number.to_string());
            lines += usize::from(coalescer.take(refusal, at(0)).is_some());
        }
        assert_eq!((lines, coalescer.tallies.len(), coalescer.others.len()), (2, 2, 1));
        let due = coalescer.due(at(60));
        assert_eq!(due.len(), 1, "the two kinds had no more than their first");
        assert_eq!(
            due[0].detail,
            "other addresses and reasons, 198 more since 20260101T000000: first psk_identity 2, last psk_identity 199"
        );
        assert!(
            coalescer.take(refusal("192.0.2.99:1", "unknown", "a"), at(61)).is_some(),
            "there is room again"
        );
    }

    #[test]
    fn nothing_counted_is_lost_at_the_end_and_a_clock_set_back_ends_the_window() {
        let mut coalescer = Coalescer::new(1);
        for _ in 0..3 {
            coalescer.take(refusal("192.0.2.1:1", "unknown", "a"), at(100));
            coalescer.take(refusal("192.0.2.2:1", "unknown", "b"), at(100));
        }
        assert_eq!(coalescer.due(at(0)).len(), 2, "set back");
        coalescer.take(refusal("192.0.2.1:1", "unknown", "a"), at(1));
        coalescer.take(refusal("192.0.2.2:1", "unknown", "b"), at(1));
        let rest: Vec<_> = coalescer.rest(at(2)).into_iter().map(|line| line.detail).collect();
        assert_eq!(rest.len(), 2, "{rest:?}");
        assert!(rest[0].starts_with("unknown, 1 more") && rest[1].starts_with("other addresses"), "{rest:?}");
        assert!(coalescer.rest(at(3)).is_empty());
    }
}
