//! The reference point Mcc: this CSE and other CSEs (TS-0001 §10.2.2.7 to 10.2.2.10, TS-0003 §8.2.1).
//!
//! ```text
//!   cse::Registrar ── request for another CSE ──> Links ──> Link (a few associations each) ──> the next CSE
//!                                                   ▲
//!   cse::upstream ── actions ──> Agent ── own requests, upwards
//!                 <── events ──
//!   store ── changes ──> follow: closes links, tells the agent who is below
//! ```
//!
//! Upwards (SA1) the association is kept; downwards (SA2) it is opened when something is to be carried. Both prove
//! the one credential with which the lower CSE registered.

mod agent;
mod certified;
mod figures;
mod link;
mod links;
mod open;
mod seats;

use std::{sync::Arc, time::Duration};

use cse::{
    NextHops, Registrar, Witness,
    upstream::{Trouble, Upstream},
};
use keys::CredentialId;
use onem2m::{
    id::CseId,
    time::{Clock, Timestamp},
};
use serde_json::{Value, json};
use store::{Change, ChangeKind, Changes, Event, Resources as _, Store, StoreError};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use self::{
    agent::{Agent, Bells, Standing, Wish},
    links::Links,
    open::{FarCse, Opener},
};
use crate::{
    admit::OwnCertificate,
    config::{Config, RegistrarSection},
    outcome::{Failure, causes},
};

pub(crate) use figures::Figures;

/// How long de-registration may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(5);
/// Wishes that wait for the agent.
const WISHES: usize = 4;

/// The credential that is proved to the CSE above, if it can be used, and until when.
///
/// # Errors
/// What stands in its way, in the words of the agent.
pub(crate) async fn credential_of(
    section: &RegistrarSection,
    store: &Store,
    clock: &Arc<dyn Clock>,
) -> Result<(CredentialId, Option<Timestamp>), String> {
    let far = FarCse::above(section).map_err(|error| error.to_string())?;
    let opener = Opener::new(store.clone(), Arc::clone(clock)).map_err(|error| causes(&error))?;
    let not_after = opener.look(&far).await.map_err(|trouble| trouble.to_string())?;
    Ok((far.credential_id(), not_after))
}

/// Everything between CSEs, not started yet.
pub(crate) struct Mcc {
    links: Arc<Links>,
    section: Option<RegistrarSection>,
    settings: cse::Settings,
    store: Store,
    changes: Changes,
    clock: Arc<dyn Clock>,
    figures: Figures,
}

impl Mcc {
    /// What `config` says. Follows the store from here on.
    pub(crate) fn new(
        config: &Config,
        store: &Store,
        clock: &Arc<dyn Clock>,
        figures: Figures,
    ) -> Result<Self, Failure> {
        let changes = store.subscribe()?;
        let opener = Opener::new(store.clone(), Arc::clone(clock))
            .map_err(|error| Failure::internal(causes(&error)))?;
        let above = config.registrar.as_ref().map(FarCse::above).transpose();
        let above = above.map_err(|error| Failure::usage(format_args!("registrar: {error}")))?;
        Ok(Self {
            links: Arc::new(Links::new(opener, above, figures.clone())),
            section: config.registrar.clone(),
            settings: config.cse.settings(),
            store: store.clone(),
            changes,
            clock: Arc::clone(clock),
            figures,
        })
    }

    /// What this CSE proves itself with where it is no symmetric key.
    pub(crate) fn prove_with(&self, own: Option<OwnCertificate>) {
        self.links.prove_with(own);
    }

    /// Closes what was opened with certificates' anchors and lists as they were.
    pub(crate) fn reset(&self) -> impl Fn() + Clone + Send + 'static {
        let links = Arc::clone(&self.links);
        move || links.reset_all()
    }

    /// What carries requests to other CSEs.
    pub(crate) fn next_hops(&self) -> Arc<dyn NextHops> {
        Arc::clone(&self.links) as Arc<dyn NextHops>
    }

    /// Starts: registers with the CSE above, if there is to be one. `points_of_access` is where this CSE can be
    /// reached.
    pub(crate) async fn start(
        self,
        registrar: &Arc<Registrar>,
        witness: Arc<dyn Witness>,
        points_of_access: Vec<String>,
    ) -> Result<Running, Failure> {
        let bells = Arc::new(Bells::default());
        let forgotten = registrar.drop_mirrors(self.section.as_ref().map(|section| &section.cse_id)).await?;
        if forgotten > 0 {
            tracing::warn!("this CSE was registered with another one, which is not configured any more");
        }
        let follower = Follower {
            store: self.store,
            links: Arc::clone(&self.links),
            registrar: Arc::clone(registrar),
            bells: Arc::clone(&bells),
        };
        let mut tasks = vec![tokio::spawn(follower.follow(self.changes))];
        let (Some(section), Some(above)) = (self.section, self.links.above()) else {
            return Ok(Running { tasks, above: None, leave: false });
        };
        let (sender, wishes) = mpsc::channel(WISHES);
        let (standing, shown) = watch::channel(Standing { wanted: true, ..Standing::default() });
        let agent = Agent {
            machine: Upstream::new(
                self.settings,
                section.membership(points_of_access),
                registrar.own_address_at(&section.cse_id).await?,
                registrar.descendants().await?,
            ),
            registrar: Arc::clone(registrar),
            link: Arc::clone(&above.link),
            far: Arc::clone(&above.far),
            clock: self.clock,
            witness,
            figures: self.figures,
            bells,
            wishes,
            standing,
        };
        tasks.push(tokio::spawn(agent.run()));
        let address = section.address.to_string();
        let above = Handle { cse: section.cse_id, address, wishes: sender, standing: shown };
        Ok(Running { tasks, above: Some(above), leave: section.leave_on_stop })
    }
}

/// What is between this CSE and others while the server runs.
pub(crate) struct Running {
    tasks: Vec<JoinHandle<()>>,
    above: Option<Handle>,
    leave: bool,
}

impl Running {
    /// The registration with the CSE above; `None` if none is configured.
    pub(crate) fn above(&self) -> Option<Handle> {
        self.above.clone()
    }

    /// De-registers where configured so, and ends.
    pub(crate) async fn stop(self) {
        if let (Some(above), true) = (&self.above, self.leave) {
            match timeout(FAREWELL, above.leave()).await {
                Ok(Ok(())) => {}
                Ok(Err(trouble)) => tracing::warn!(%trouble, "not de-registered"),
                Err(_) => tracing::warn!("not de-registered: it took more than {FAREWELL:?}"),
            }
        }
        for task in self.tasks {
            task.abort();
            // It was told to end; how it does is of no interest.
            let _ = task.await;
        }
    }
}

/// The registration with the CSE above, for an operator.
#[derive(Clone)]
pub(crate) struct Handle {
    cse: CseId,
    address: String,
    wishes: mpsc::Sender<Wish>,
    standing: watch::Receiver<Standing>,
}

impl Handle {
    /// How it is.
    pub(crate) fn fact(&self) -> Value {
        let standing = self.standing.borrow().clone();
        json!({ "registrar": {
            "cse": self.cse.to_string(),
            "address": self.address,
            "wanted": standing.wanted,
            "registered_until": standing.registered_until,
            "trouble": standing.trouble,
        }})
    }

    /// Registers, after [`Self::leave`]; waits until that is known to be wanted, not until it is done.
    pub(crate) async fn join(&self) {
        let mut standing = self.standing.clone();
        // An agent that has ended ends with the server.
        if self.wishes.send(Wish::Join).await.is_ok() {
            let _ = standing.wait_for(|standing| standing.wanted).await;
        }
    }

    /// De-registers and stays so until [`Self::join`] or the next start.
    pub(crate) async fn leave(&self) -> Result<(), Trouble> {
        let gone = || Trouble::Unreachable("the program stops".into());
        let (told, left) = oneshot::channel();
        self.wishes.send(Wish::Leave(told)).await.map_err(|_| gone())?;
        left.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Follows what becomes of registrations and credentials, whichever process changes them.
struct Follower {
    store: Store,
    links: Arc<Links>,
    registrar: Arc<Registrar>,
    bells: Arc<Bells>,
}

impl Follower {
    async fn follow(self, mut changes: Changes) {
        while let Some(event) = changes.recv().await {
            match event {
                Event::Change(Change { kind: ChangeKind::Resource, key, .. })
                    if cse::is_remote_cse_id(&key) =>
                {
                    if let Err(error) = self.registration_changed(key).await {
                        tracing::error!(%error, "a change of a registration was not followed");
                        self.missed();
                    }
                }
                Event::Change(Change { kind: ChangeKind::Credential, key, .. }) => match key.parse() {
                    Ok(id) => self.links.credential_changed(&id),
                    Err(_) => self.missed(),
                },
                Event::Change(_) => {}
                Event::Lost => self.missed(),
            }
        }
    }

    async fn registration_changed(&self, ri: String) -> Result<(), StoreError> {
        self.registrar.routes_have_changed();
        let sought = ri.clone();
        let gone = self.store.read(move |records| Ok(records.resource(&sought)?.is_none())).await?;
        if gone {
            self.links.registration_ended(&ri);
            let above = self.links.above().map(|above| &above.far.cse);
            if above.is_some_and(|cse| self.registrar.is_registration_of(&ri, cse)) {
                self.bells.unmirrored.notify_one();
            }
        }
        self.bells.registrees.notify_one();
        Ok(())
    }

    /// Changes were missed: nothing that is open can be relied on.
    fn missed(&self) {
        self.registrar.routes_have_changed();
        self.links.reset_all();
        self.bells.registrees.notify_one();
    }
}
