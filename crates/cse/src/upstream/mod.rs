//! The registration of this CSE with another one, as a machine without hands: what happens goes in, what is to be
//! done comes out (TS-0001 §10.2.2.7 to 10.2.2.10, TS-0004 §7.4.4.2).
//!
//! ```text
//!            ┌────────────── Rest ◄───────── trouble, or the association ends ──────────┐
//!            ▼                                                                          │
//!   Association ── address known? ── UPDATE own ── 4004 ──┐                             │
//!            │ no                        │ 2004           ▼                             │
//!            └──────────────────────────────────────► CREATE ── 4117 ─► RETRIEVE own    │
//!                                        │                │ 2001            │ UPDATE    │
//!                                        ▼                ▼                 ▼           │
//!                                       RETRIEVE <CSEBase> ─► mirror ─► Registered ─────┘
//!                                                                          │  ▲
//!                                              time, or another descendant │  │ UPDATE own
//! ```
//!
//! One request is under way at a time. The caller opens and closes associations, sends requests, sets one timer
//! and keeps the mirror; it tells the time and brings the randomness.

mod backoff;
mod message;

use std::time::Duration;

use keys::Rng;
use onem2m::{
    id::CseId,
    primitive::{Request, Response},
    status::ResponseStatusCode as Rsc,
    time::Timestamp,
};
use thiserror::Error;

pub use backoff::Backoff;

use crate::{mirror::Mirror, settings::Settings};
use backoff::share;
use message::{Messages, Own};

/// An association that lasted so long was a good one.
const STEADY: Duration = Duration::from_secs(60);

/// With whom this CSE registers, and what it says there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The CSE above.
    pub registrar: CseId,
    /// resourceName of its `<CSEBase>`, or `-`.
    pub base_name: String,
    /// Where this CSE can be reached; none means that it cannot.
    pub points_of_access: Vec<String>,
    /// How long a registration is to last without renewal.
    pub lifetime: Duration,
    /// How long to wait after failures.
    pub backoff: Backoff,
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// This CSE is to be registered from now on.
    Join,
    /// This CSE is not to be registered any more.
    Leave,
    /// The time that [`Action::Rest`] asked for is over.
    Rested,
    /// There is an association.
    Opened,
    /// There is none.
    NotOpened(Trouble),
    /// The answer to the request under way.
    Answered(Box<Response>),
    /// There will be no answer to the request under way.
    Unanswered(Trouble),
    /// The association has ended between requests.
    Ended,
    /// Which CSEs are below this one now.
    Descendants(Vec<CseId>),
    /// The mirror is gone: the CSE above, or an operator, has removed it.
    Unmirrored,
    /// The mirror could not be kept.
    NotMirrored(String),
}

/// What is to be done, in this order.
#[derive(Debug, PartialEq)]
pub enum Action {
    /// Make an association; answer with [`Event::Opened`] or [`Event::NotOpened`].
    Open,
    /// End the association; [`Event::Ended`] is not expected for it.
    Close,
    /// Send this; answer with [`Event::Answered`] or [`Event::Unanswered`].
    Ask(Box<Request>),
    /// Keep the local `<remoteCSE>`.
    KeepMirror(Box<Mirror>),
    /// Remove the local `<remoteCSE>`.
    DropMirror,
    /// Say [`Event::Rested`] after this time, and not after one asked for earlier.
    Rest(Duration),
    /// For logs, figures and the audit.
    Tell(News),
}

/// What is worth telling.
#[derive(Debug, PartialEq)]
pub enum News {
    /// This CSE is registered; `before` if it was before.
    Registered {
        /// Until when, if it is not renewed.
        until: Timestamp,
        /// An earlier registration was found.
        before: bool,
    },
    /// The registration was renewed.
    Renewed {
        /// Until when.
        until: Timestamp,
    },
    /// This CSE is not registered any more, because it wanted so.
    Left,
    /// The association ended; it is made anew after this time.
    Lost(Duration),
    /// It failed, and is tried again after this time.
    Failed(Trouble, Duration),
}

/// Why this CSE is not registered.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Trouble {
    /// The registrar is not there.
    #[error("could not reach it: {0}")]
    Unreachable(String),
    /// The handshake was refused.
    #[error(
        "it refused the handshake: {0}; the key here and its key for this psk_identity must be the same, and not revoked"
    )]
    KeyRefused(String),
    /// It did not prove to be the CSE that is expected.
    #[error("it is not trusted: {0}")]
    Untrusted(String),
    /// There is no credential to prove.
    #[error("{0}")]
    NoCredential(String),
    /// The association broke, or there was no answer in time.
    #[error("{what} was not answered: {why}")]
    Unanswered {
        /// The request.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// It answered, but not with success.
    #[error("it answered {what} with {rsc}{debug}{}", hint(*rsc))]
    Refused {
        /// The request.
        what: &'static str,
        /// The status.
        rsc: Rsc,
        /// What it said besides, with a colon before it.
        debug: String,
    },
    /// It is another CSE than the configured one.
    #[error("it is {found}, not {expected}: registrar.cse_id is wrong, or its address")]
    OtherCse {
        /// As configured.
        expected: CseId,
        /// As it says itself.
        found: String,
    },
    /// An answer that makes no sense.
    #[error("its answer to {what} cannot be used: {problem}")]
    Nonsense {
        /// The request.
        what: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The local `<remoteCSE>` could not be kept.
    #[error("the <remoteCSE> of the registrar was not kept here: {0}")]
    NotMirrored(String),
}

impl Trouble {
    /// One word for figures.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::KeyRefused(_) => "key_refused",
            Self::Untrusted(_) => "untrusted",
            Self::NoCredential(_) => "no_credential",
            Self::Unanswered { .. } => "unanswered",
            Self::Refused { .. } => "refused",
            Self::OtherCse { .. } => "other_cse",
            Self::Nonsense { .. } => "nonsense",
            Self::NotMirrored(_) => "not_mirrored",
        }
    }
}

/// What an operator looks at first.
const fn hint(rsc: Rsc) -> &'static str {
    match rsc {
        Rsc::BadRequest | Rsc::NotFound => "; is registrar.cse_id the CSE-ID of the CSE at that address?",
        Rsc::OriginatorNotAuthenticated | Rsc::SecurityAssociationRequired => {
            "; over there the credential stands for another CSE-ID than this one's"
        }
        Rsc::ReleaseVersionNotSupported => "; cse.releases ends with a release that it does not know",
        _ => "",
    }
}

/// What this CSE wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    Registered,
    Gone,
}

/// What is waited for.
#[derive(Debug)]
enum State {
    /// For somebody to want something.
    AwaitGoal,
    AwaitRest,
    AwaitAssociation,
    AwaitCreated,
    /// The answer to RETRIEVE of our own `<remoteCSE>`.
    AwaitFound,
    AwaitRenewed(Renewal),
    AwaitDeleted,
    AwaitBase(Own, Before),
    /// Something to change.
    Registered(Own, Timestamp),
}

/// Whether this CSE was registered before.
type Before = bool;

#[derive(Debug)]
struct Renewal {
    own: Own,
    /// It was registered over this association already.
    settled: bool,
    /// When it came to be registered, over this association.
    since: Timestamp,
}

/// The machine.
#[derive(Debug)]
pub struct Upstream {
    messages: Messages,
    goal: Goal,
    state: State,
    /// Where our own `<remoteCSE>` is, as far as is known.
    address: Option<String>,
    failures: u32,
    /// Associations in a row that did not last.
    flaps: u32,
    descendants: Vec<CseId>,
    /// What was said of descendants last.
    told: Option<Vec<CseId>>,
}

/// A moment, and randomness.
struct Now<'a> {
    time: Timestamp,
    rng: &'a dyn Rng,
}

impl Upstream {
    /// A machine that waits for [`Event::Join`]. `address` is where our own `<remoteCSE>` was the last time.
    #[must_use]
    pub const fn new(
        settings: Settings,
        membership: Membership,
        address: Option<String>,
        descendants: Vec<CseId>,
    ) -> Self {
        Self {
            messages: Messages::new(settings, membership),
            goal: Goal::Gone,
            state: State::AwaitGoal,
            address,
            failures: 0,
            flaps: 0,
            descendants,
            told: None,
        }
    }

    /// Whether this CSE is registered, as far as it knows, and until when.
    #[must_use]
    pub const fn registered_until(&self) -> Option<Timestamp> {
        match &self.state {
            State::Registered(own, _) => Some(own.until),
            State::AwaitRenewed(renewal) if renewal.settled => Some(renewal.own.until),
            _ => None,
        }
    }

    /// Whether nothing is wanted any more and nothing under way: this CSE has left.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.goal == Goal::Gone && matches!(self.state, State::AwaitGoal)
    }

    /// What follows from `event`, which happened at `now`.
    pub fn step(&mut self, event: Event, now: Timestamp, rng: &dyn Rng) -> Vec<Action> {
        let now = Now { time: now, rng };
        match event {
            Event::Join => self.wants(Goal::Registered, &now),
            Event::Leave => self.wants(Goal::Gone, &now),
            Event::Descendants(descendants) => {
                self.descendants = descendants;
                self.settle(Vec::new(), &now)
            }
            Event::Rested => match &self.state {
                State::AwaitRest => self.open(),
                State::Registered(..) => self.renew(&now),
                _ => Vec::new(),
            },
            Event::Opened => match self.state {
                State::AwaitAssociation => self.begin(&now),
                _ => Vec::new(),
            },
            Event::NotOpened(trouble) => match self.state {
                State::AwaitAssociation => self.fails(trouble, &now),
                _ => Vec::new(),
            },
            Event::Answered(answer) => self.answered(&answer, &now),
            Event::Unanswered(trouble) => match self.state {
                State::AwaitGoal | State::AwaitRest | State::AwaitAssociation | State::Registered(..) => {
                    Vec::new()
                }
                _ => self.fails(trouble, &now),
            },
            Event::NotMirrored(why) => match self.state {
                State::AwaitGoal | State::AwaitRest | State::AwaitAssociation => Vec::new(),
                _ => self.fails(Trouble::NotMirrored(why), &now),
            },
            Event::Ended | Event::Unmirrored => match &self.state {
                State::Registered(_, since) => {
                    let since = *since;
                    self.lost(since, &now)
                }
                _ => Vec::new(),
            },
        }
    }

    fn wants(&mut self, goal: Goal, now: &Now<'_>) -> Vec<Action> {
        if self.goal == goal {
            return Vec::new();
        }
        self.goal = goal;
        self.failures = 0;
        match self.state {
            State::AwaitGoal | State::AwaitRest => self.open(),
            State::Registered(..) => self.begin(now),
            // The answer under way comes first.
            _ => Vec::new(),
        }
    }

    fn open(&mut self) -> Vec<Action> {
        self.state = State::AwaitAssociation;
        vec![Action::Open]
    }

    /// There is an association and nothing is under way.
    fn begin(&mut self, now: &Now<'_>) -> Vec<Action> {
        let request = match (self.goal, self.address.clone()) {
            (Goal::Registered, Some(address)) => {
                let own = Own { address, until: now.time };
                return self.renewal(Renewal { own, settled: false, since: now.time }, now);
            }
            (Goal::Registered, None) => {
                self.state = State::AwaitCreated;
                self.told = Some(self.descendants.clone());
                self.messages.create(&self.descendants, now.time)
            }
            (Goal::Gone, Some(address)) => {
                self.state = State::AwaitDeleted;
                self.messages.delete(&address)
            }
            (Goal::Gone, None) => {
                self.state = State::AwaitFound;
                self.messages.find()
            }
        };
        ask(request)
    }

    fn renewal(&mut self, renewal: Renewal, now: &Now<'_>) -> Vec<Action> {
        let request = self.messages.renew(&renewal.own.address, &self.descendants, now.time);
        self.told = Some(self.descendants.clone());
        self.state = State::AwaitRenewed(renewal);
        ask(request)
    }

    fn renew(&mut self, now: &Now<'_>) -> Vec<Action> {
        match std::mem::replace(&mut self.state, State::AwaitGoal) {
            State::Registered(own, since) => self.renewal(Renewal { own, settled: true, since }, now),
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    fn answered(&mut self, answer: &Response, now: &Now<'_>) -> Vec<Action> {
        let rsc = answer.rsc;
        match std::mem::replace(&mut self.state, State::AwaitGoal) {
            State::AwaitCreated if rsc == Rsc::Created => self.created(answer, now),
            State::AwaitCreated if rsc == Rsc::OriginatorHasAlreadyRegistered => {
                self.state = State::AwaitFound;
                ask(self.messages.find())
            }
            State::AwaitCreated => self.fails(refused("CREATE <remoteCSE>", answer), now),
            State::AwaitFound if rsc == Rsc::Ok => {
                match self.messages.own("RETRIEVE <remoteCSE>", answer, now.time) {
                    Ok(own) => {
                        self.address = Some(own.address);
                        self.begin(now)
                    }
                    Err(trouble) => self.fails(trouble, now),
                }
            }
            State::AwaitFound if rsc == Rsc::NotFound && self.goal == Goal::Gone => self.gone(),
            State::AwaitFound if rsc == Rsc::NotFound => {
                let problem = "this CSE is registered there under another resourceName".to_owned();
                self.fails(Trouble::Nonsense { what: "RETRIEVE <remoteCSE>", problem }, now)
            }
            State::AwaitFound => self.fails(refused("RETRIEVE <remoteCSE>", answer), now),
            State::AwaitRenewed(renewal) if rsc == Rsc::Updated => self.renewed(renewal, answer, now),
            // It is gone, or the resourceID is another one's by now.
            State::AwaitRenewed(_) if is_missing(rsc) => {
                self.address = None;
                self.begin(now)
            }
            State::AwaitRenewed(_) => self.fails(refused("UPDATE <remoteCSE>", answer), now),
            State::AwaitDeleted if rsc == Rsc::Deleted || is_missing(rsc) => self.gone(),
            State::AwaitDeleted => self.fails(refused("DELETE <remoteCSE>", answer), now),
            State::AwaitBase(own, before) => self.based(own, before, answer, now),
            other @ (State::AwaitGoal
            | State::AwaitRest
            | State::AwaitAssociation
            | State::Registered(..)) => {
                self.state = other;
                Vec::new()
            }
        }
    }

    fn created(&mut self, answer: &Response, now: &Now<'_>) -> Vec<Action> {
        match self.messages.own("CREATE <remoteCSE>", answer, now.time) {
            Ok(own) => self.introduced(own, false),
            Err(trouble) => self.fails(trouble, now),
        }
    }

    /// Registered, now to see with whom.
    fn introduced(&mut self, own: Own, before: Before) -> Vec<Action> {
        self.address = Some(own.address.clone());
        self.state = State::AwaitBase(own, before);
        ask(self.messages.retrieve_base())
    }

    fn renewed(&mut self, renewal: Renewal, answer: &Response, now: &Now<'_>) -> Vec<Action> {
        let until = self.messages.renewed(answer, now.time);
        let own = Own { until, ..renewal.own };
        if !renewal.settled {
            return self.introduced(own, true);
        }
        let actions = vec![Action::Tell(News::Renewed { until })];
        self.registered(own, renewal.since, None, actions, now)
    }

    /// The `<CSEBase>` above was shown, or not: we may not have the right.
    fn based(&mut self, own: Own, before: Before, answer: &Response, now: &Now<'_>) -> Vec<Action> {
        let shown = answer.rsc.is_success().then_some(answer);
        if let (None, false) = (shown, answer.rsc == Rsc::OriginatorHasNoPrivilege) {
            return self.fails(refused("RETRIEVE <CSEBase>", answer), now);
        }
        match self.messages.mirrored(shown) {
            Ok(attributes) => {
                let told = News::Registered { until: own.until, before };
                self.registered(own, now.time, Some(attributes), vec![Action::Tell(told)], now)
            }
            Err(trouble) => self.fails(trouble, now),
        }
    }

    fn registered(
        &mut self,
        own: Own,
        since: Timestamp,
        attributes: Option<serde_json::Map<String, serde_json::Value>>,
        mut actions: Vec<Action>,
        now: &Now<'_>,
    ) -> Vec<Action> {
        self.failures = 0;
        let mirror = Mirror {
            registrar: self.messages.membership().registrar.clone(),
            own_address: own.address.clone(),
            until: own.until,
            attributes,
        };
        actions.insert(0, Action::KeepMirror(Box::new(mirror)));
        actions.push(Action::Rest(Messages::renewal(own.until, now.time, share(now.rng))));
        self.state = State::Registered(own, since);
        self.settle(actions, now)
    }

    /// Registered as it was asked for, and perhaps not as it is wanted meanwhile.
    fn settle(&mut self, mut actions: Vec<Action>, now: &Now<'_>) -> Vec<Action> {
        if matches!(self.state, State::Registered(..)) {
            if self.goal == Goal::Gone {
                actions.extend(self.begin(now));
            } else if self.told.as_ref() != Some(&self.descendants) {
                actions.extend(self.renew(now));
            }
        }
        actions
    }

    fn gone(&mut self) -> Vec<Action> {
        (self.address, self.told) = (None, None);
        let mut actions = vec![Action::DropMirror, Action::Tell(News::Left), Action::Close];
        self.state = State::AwaitGoal;
        // Somebody may have changed their mind meanwhile.
        if self.goal == Goal::Registered {
            actions.extend(self.open());
        }
        actions
    }

    fn fails(&mut self, trouble: Trouble, now: &Now<'_>) -> Vec<Action> {
        self.failures = self.failures.saturating_add(1);
        let delay = self.messages.membership().backoff.delay(self.failures, now.rng);
        self.state = State::AwaitRest;
        vec![Action::Close, Action::Tell(News::Failed(trouble, delay)), Action::Rest(delay)]
    }

    fn lost(&mut self, since: Timestamp, now: &Now<'_>) -> Vec<Action> {
        let lasted = now.time.since(since).unwrap_or_default();
        self.flaps = if lasted >= STEADY { 0 } else { self.flaps.saturating_add(1) };
        let delay = self.messages.membership().backoff.delay(self.flaps, now.rng);
        self.state = State::AwaitRest;
        vec![Action::Close, Action::Tell(News::Lost(delay)), Action::Rest(delay)]
    }
}

fn ask(request: Request) -> Vec<Action> {
    vec![Action::Ask(Box::new(request))]
}

fn is_missing(rsc: Rsc) -> bool {
    matches!(rsc, Rsc::NotFound | Rsc::OriginatorHasNoPrivilege)
}

fn refused(what: &'static str, answer: &Response) -> Trouble {
    let debug: String =
        answer.debug_info().unwrap_or_default().chars().take(256).flat_map(char::escape_debug).collect();
    let debug = if debug.is_empty() { debug } else { format!(": {debug}") };
    Trouble::Refused { what, rsc: answer.rsc, debug }
}

#[cfg(test)]
mod tests;
