use cse::{Direction, NotCarried};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// What is counted of other CSEs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Figures {
    carried: Family<Carried, Counter>,
    attempts: Family<Attempt, Counter>,
    registered: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Carried {
    direction: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    outcome: &'static str,
}

impl Figures {
    pub(crate) fn carried(&self, direction: Direction, failed: Option<NotCarried>) {
        let direction = match direction {
            Direction::Up => "up",
            Direction::Down => "down",
        };
        let outcome = match failed {
            None => "answered",
            Some(NotCarried::Unreachable) => "unreachable",
            Some(NotCarried::Late) => "late",
            Some(NotCarried::Busy) => "busy",
        };
        self.carried.get_or_create(&Carried { direction, outcome }).inc();
    }

    /// How an attempt to register with another CSE, to renew that or to leave, ended.
    pub(crate) fn attempt(&self, outcome: &'static str) {
        self.attempts.get_or_create(&Attempt { outcome }).inc();
    }

    pub(crate) fn registered(&self, is: bool) {
        self.registered.set(is.into());
    }

    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Requests passed on to other CSEs, by direction and outcome";
        registry.register("forwarded_requests", help, self.carried.clone());
        let help = "Attempts to register this CSE with its registrar, or to renew that, by outcome";
        registry.register("registrar_attempts", help, self.attempts.clone());
        let help = "Whether this CSE is registered with its registrar";
        registry.register("registrar_registered", help, self.registered.clone());
    }
}
