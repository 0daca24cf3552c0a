//! Keeps this CSE registered with the one above: the hands of [`cse::upstream`].

use std::{collections::VecDeque, future::Future, pin::Pin, sync::Arc, time::Duration};

use cse::{
    Registrar, Witness,
    upstream::{Action, Event, News, Trouble, Upstream},
};
use keys::{OsRng, Rng};
use onem2m::{id::CseId, primitive::Request, time::Clock};
use store::{AuditRecord, Outcome};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use super::{
    figures::Figures,
    link::{Failed, Link},
    open::FarCse,
    seats::Whose,
};
use crate::outcome::causes;

/// How long the CSE above may take for an answer to us.
const PATIENCE: Duration = Duration::from_secs(20);

/// Something that an operator wants of the registration.
pub(crate) enum Wish {
    Join,
    /// Told when it is done, or failed for now.
    Leave(oneshot::Sender<Result<(), Trouble>>),
}

/// How the registration is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    pub(crate) registered_until: Option<String>,
    /// What the last attempt failed with.
    pub(crate) trouble: Option<String>,
    pub(crate) wanted: bool,
}

/// What has changed in the store, for the agent.
#[derive(Debug, Default)]
pub(crate) struct Bells {
    /// A registration of a CSE was made, changed or removed.
    pub(crate) registrees: Notify,
    /// The local `<remoteCSE>` of the CSE above is gone.
    pub(crate) unmirrored: Notify,
}

type Work = Pin<Box<dyn Future<Output = Event> + Send>>;

pub(crate) struct Agent {
    pub(crate) machine: Upstream,
    pub(crate) registrar: Arc<Registrar>,
    pub(crate) link: Arc<Link>,
    pub(crate) far: Arc<FarCse>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) witness: Arc<dyn Witness>,
    pub(crate) figures: Figures,
    pub(crate) bells: Arc<Bells>,
    pub(crate) wishes: mpsc::Receiver<Wish>,
    pub(crate) standing: watch::Sender<Standing>,
}

/// What the agent keeps while it runs.
struct Desk {
    agent: Agent,
    events: VecDeque<Event>,
    work: Option<Work>,
    rest_until: Option<Instant>,
    /// Those who wait for the end of the registration.
    leaving: Vec<oneshot::Sender<Result<(), Trouble>>>,
}

impl Agent {
    /// Registers, and stays registered until it is dropped or told otherwise.
    pub(crate) async fn run(self) {
        let events = VecDeque::from([Event::Join]);
        let mut desk = Desk { agent: self, events, work: None, rest_until: None, leaving: Vec::new() };
        let Some(mut state) = desk.agent.link.state() else { return };
        loop {
            while let Some(event) = desk.events.pop_front() {
                desk.take(event).await;
            }
            desk.agent.publish();
            if !desk.wait(&mut state).await {
                return;
            }
        }
    }

    fn publish(&self) {
        let until = self.machine.registered_until();
        self.figures.registered(until.is_some());
        self.standing.send_modify(|standing| {
            standing.registered_until = until.map(|until| until.to_string());
        });
    }

    fn open(&self) -> Work {
        let (link, far) = (Arc::clone(&self.link), Arc::clone(&self.far));
        Box::pin(async move {
            match link.open(far).await {
                Ok(()) => Event::Opened,
                Err(trouble) => Event::NotOpened(trouble),
            }
        })
    }

    fn ask(&self, request: Request) -> Work {
        let (link, far, what) = (Arc::clone(&self.link), Arc::clone(&self.far), request.op.name());
        Box::pin(async move {
            match link.carry(far, request, Whose::Own, PATIENCE).await {
                Ok(answer) => Event::Answered(Box::new(answer)),
                Err(Failed { why, .. }) => Event::Unanswered(Trouble::Unanswered { what, why }),
            }
        })
    }

    fn tell(&self, news: &News) {
        let cse = &self.far.cse;
        match news {
            News::Registered { until, before } => {
                let before = *before;
                tracing::info!(registrar = %cse, %until, before, "registered with another CSE");
                self.figures.attempt("registered");
            }
            News::Renewed { until } => {
                tracing::debug!(registrar = %cse, %until, "the registration with another CSE was renewed");
                self.figures.attempt("renewed");
            }
            News::Left => {
                tracing::info!(registrar = %cse, "no longer registered with another CSE");
                self.figures.attempt("left");
            }
            News::Lost(again) => {
                tracing::warn!(registrar = %cse, ?again, "the association with the registrar ended");
                self.figures.attempt("lost");
            }
            News::Failed(trouble, again) => {
                tracing::warn!(registrar = %cse, %trouble, ?again, "not registered with another CSE");
                self.figures.attempt(trouble.kind());
                self.witness.refused(refusal(cse, self, trouble));
            }
        }
        self.standing.send_modify(|standing| match news {
            News::Failed(trouble, _) => standing.trouble = Some(trouble.to_string()),
            News::Registered { .. } | News::Renewed { .. } | News::Left => standing.trouble = None,
            News::Lost(_) => {}
        });
    }
}

fn refusal(cse: &CseId, agent: &Agent, trouble: &Trouble) -> AuditRecord {
    AuditRecord {
        at: agent.clock.now(),
        action: "registrar.join".into(),
        outcome: Outcome::Failed,
        credential_id: Some(agent.far.credential_id().as_str().to_owned()),
        entity: Some(cse.to_string()),
        source: agent.far.places.first().map(|place| place.address.clone()),
        detail: trouble.to_string(),
    }
}

impl Desk {
    async fn take(&mut self, event: Event) {
        let rng: &dyn Rng = &OsRng;
        let actions = self.agent.machine.step(event, self.agent.clock.now(), rng);
        for action in actions {
            self.perform(action).await;
        }
    }

    async fn perform(&mut self, action: Action) {
        match action {
            Action::Open => self.work = Some(self.agent.open()),
            Action::Close => {
                self.work = None;
                self.agent.link.reset();
            }
            Action::Ask(request) => self.work = Some(self.agent.ask(*request)),
            Action::KeepMirror(mirror) => {
                if let Err(error) = self.agent.registrar.keep_mirror(*mirror).await {
                    self.events.push_back(Event::NotMirrored(causes(&error)));
                }
            }
            Action::DropMirror => {
                if let Err(error) = self.agent.registrar.drop_mirrors(None).await {
                    tracing::error!(%error, "the <remoteCSE> of the registrar was not removed");
                }
            }
            Action::Rest(time) => self.rest_until = Some(Instant::now() + time),
            Action::Tell(news) => {
                self.agent.tell(&news);
                let left = match news {
                    News::Left => Ok(()),
                    News::Failed(trouble, _) => Err(trouble),
                    News::Registered { .. } | News::Renewed { .. } | News::Lost(_) => return,
                };
                for waiting in self.leaving.drain(..) {
                    // Whoever waited may have gone.
                    let _ = waiting.send(left.clone());
                }
            }
        }
    }

    /// Waits for something to happen. False if nothing will.
    async fn wait(&mut self, state: &mut watch::Receiver<bool>) -> bool {
        let rest = self.rest_until;
        let rested = async {
            match rest {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let work = self.work.as_mut();
        let done = async {
            match work {
                Some(work) => work.await,
                None => std::future::pending().await,
            }
        };
        let bells = Arc::clone(&self.agent.bells);
        let event = tokio::select! {
            event = done => {
                self.work = None;
                event
            }
            () = rested => {
                self.rest_until = None;
                Event::Rested
            }
            changed = state.changed() => {
                let open = *state.borrow_and_update();
                if changed.is_err() {
                    return false;
                }
                if open { return true }
                Event::Ended
            }
            () = bells.registrees.notified() => return self.look_below().await,
            () = bells.unmirrored.notified() => Event::Unmirrored,
            wish = self.agent.wishes.recv() => match wish {
                Some(wish) => self.wished(wish),
                None => return false,
            },
        };
        self.events.push_back(event);
        true
    }

    async fn look_below(&mut self) -> bool {
        match self.agent.registrar.descendants().await {
            Ok(descendants) => self.events.push_back(Event::Descendants(descendants)),
            Err(error) => tracing::error!(%error, "the CSEs below this one could not be looked up"),
        }
        true
    }

    fn wished(&mut self, wish: Wish) -> Event {
        let wanted = matches!(wish, Wish::Join);
        self.agent.standing.send_modify(|standing| standing.wanted = wanted);
        match wish {
            Wish::Join => Event::Join,
            Wish::Leave(told) => {
                if self.agent.machine.is_at_rest() {
                    // Whoever waited may have gone.
                    let _ = told.send(Ok(()));
                } else {
                    self.leaving.push(told);
                }
                Event::Leave
            }
        }
    }
}
