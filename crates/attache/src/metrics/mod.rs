//! What is counted: for Prometheus, as text.
//!
//! Labels name kinds of things and never an identity, a credential or an address: their number is bounded
//! whatever peers do, and the figures tell nobody who is there.

mod endpoint;
mod measured;

use std::{sync::Arc, time::Duration};

use identity::Framework;
use identity::KeyRefusal;
use net::{EndReason, HandshakeEvent, HandshakeOutcome};
use onem2m::{primitive::Operation, status::ResponseStatusCode};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use store::CommitHook;

use crate::mcc;

pub(crate) use endpoint::{Endpoint, Sources};
pub(crate) use measured::{MeasuredHandler, MeasuredKeys};

/// The framework of a handshake that failed, as far as it got.
fn tried(event: &HandshakeEvent) -> &'static str {
    match (&event.psk_identity, &event.detail) {
        (Some(_), _) => Framework::ProvisionedKey.as_str(),
        (None, Some(_)) => "certificate",
        (None, None) => "",
    }
}

type Times<L> = Family<L, Histogram, fn() -> Histogram>;

/// Everything that the parts of the program count. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    handshakes: Family<Handshake, Counter>,
    handshake_seconds: Times<Outcome>,
    lookups: Family<Outcome, Counter>,
    lookup_seconds: Histogram,
    ended: Family<End, Counter>,
    requests: Family<Request, Counter>,
    request_seconds: Times<Kind>,
    audit_lost: Counter,
    group: Histogram,
    /// What is counted of other CSEs.
    pub(crate) mcc: mcc::Figures,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handshake {
    framework: &'static str,
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    operation: &'static str,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    operation: &'static str,
}

/// From 250 µs to about 8 s: what a network and a disk take.
fn round_trips() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            handshakes: Family::default(),
            handshake_seconds: Family::new_with_constructor(round_trips),
            lookups: Family::default(),
            // From 10 µs, for most answers are in memory, to about 5 s, the deadline.
            lookup_seconds: Histogram::new(exponential_buckets(0.000_01, 2.0, 20)),
            ended: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(round_trips),
            audit_lost: Counter::default(),
            group: Histogram::new(exponential_buckets(1.0, 2.0, 9)),
            mcc: mcc::Figures::default(),
        }
    }

    pub(crate) fn handshake(&self, event: &HandshakeEvent) {
        let (framework, outcome, reason) = match event.outcome {
            HandshakeOutcome::Established { framework, resumed: false, .. } => {
                (framework.as_str(), "established", "")
            }
            HandshakeOutcome::Established { framework, resumed: true, .. } => {
                (framework.as_str(), "resumed", "")
            }
            HandshakeOutcome::Refused(reason) => (tried(event), "refused", reason.as_str()),
        };
        self.handshakes.get_or_create(&Handshake { framework, outcome, reason }).inc();
        self.handshake_seconds.get_or_create(&Outcome { outcome }).observe(event.duration.as_secs_f64());
    }

    pub(crate) fn ended(&self, reason: EndReason) {
        self.ended.get_or_create(&End { reason: reason.as_str() }).inc();
    }

    pub(crate) fn audit_lost(&self, lines: u64) {
        self.audit_lost.inc_by(lines);
    }

    /// Hears of each commit of the store.
    pub(crate) fn commit_hook(&self) -> CommitHook {
        let group = self.group.clone();
        // A group has at most a few hundred transactions.
        Arc::new(move |transactions| {
            group.observe(f64::from(u32::try_from(transactions).unwrap_or(u32::MAX)));
        })
    }

    fn lookup(&self, refusal: Option<KeyRefusal>, took: Duration) {
        let outcome = match refusal {
            None => "found",
            Some(KeyRefusal::Unknown) => "unknown",
            Some(KeyRefusal::Revoked) => "revoked",
            Some(KeyRefusal::Expired) => "expired",
            Some(KeyRefusal::Malformed) => "malformed",
            Some(KeyRefusal::Unavailable) => "unavailable",
        };
        self.lookups.get_or_create(&Outcome { outcome }).inc();
        self.lookup_seconds.observe(took.as_secs_f64());
    }

    fn request(&self, operation: Operation, rsc: ResponseStatusCode, took: Duration) {
        let operation = operation.name();
        let class = match rsc.code() / 1000 {
            1 => "1xxx",
            2 => "2xxx",
            4 => "4xxx",
            5 => "5xxx",
            _ => "6xxx",
        };
        self.requests.get_or_create(&Request { operation, class }).inc();
        self.request_seconds.get_or_create(&Kind { operation }).observe(took.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        let all = registry;
        all.register("handshakes", "Handshakes by framework, outcome and reason", self.handshakes.clone());
        let seconds = Unit::Seconds;
        let help = "From accepting a connection to the end of its handshake";
        all.register_with_unit("handshake", help, seconds.clone(), self.handshake_seconds.clone());
        all.register("key_lookups", "Lookups of keys by outcome", self.lookups.clone());
        let help = "How long lookups of keys took";
        all.register_with_unit("key_lookup", help, seconds.clone(), self.lookup_seconds.clone());
        all.register("associations_ended", "Associations that ended, by reason", self.ended.clone());
        all.register("requests", "Requests by operation and class of status code", self.requests.clone());
        let help = "From a request to its answer, the network left out";
        all.register_with_unit("request", help, seconds, self.request_seconds.clone());
        let help = "Lines of the audit that could not be written";
        all.register("audit_lines_lost", help, self.audit_lost.clone());
        all.register("store_group_transactions", "Transactions in one commit", self.group.clone());
        self.mcc.register(all);
    }
}
