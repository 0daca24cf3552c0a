//! The half that performs: load the records, decide, change them in one transaction, and only then answer.

use std::sync::Arc;

use identity::{Channel, OsPeer, Peer};
use keys::Rng;
use onem2m::{
    id::FromParam,
    primitive::{Operation, Request, Response},
    resource::ResourceType,
    status::ResponseStatusCode,
    time::Clock,
};
use store::{AuditRecord, Enrolments as _, Outcome, Resources, Store, StoreError, Tx};

use crate::{
    admission::RANDOM_OCTETS,
    base,
    forward::{NextHops, NoNextHops, OnTheirWay},
    local::LocalPeers,
    receive,
    refuse::Refuse,
    route::Routes,
    settings::{ServiceSubscription, Settings},
    standing::{Question, Standing},
    subscription::{Remembered, SubscriptionState, subscription_state},
    task::{self, Done, Stop, Task},
    token::{self, Shown},
};

/// Hears of every request that was refused because of who asked. Called in the middle of a request: it must
/// not wait.
pub trait Witness: Send + Sync {
    /// A refusal worth an audit line.
    fn refused(&self, record: AuditRecord);
}

/// A registrar CSE (TS-0001 §6.2.1): one instance for one CSE-ID.
pub struct Registrar {
    pub(crate) settings: Arc<Settings>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    witness: Arc<dyn Witness>,
    rules: Arc<Remembered>,
    locals: Arc<LocalPeers>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) on_their_way: Arc<OnTheirWay>,
    pub(crate) next_hops: Arc<dyn NextHops>,
}

impl Registrar {
    /// The registrar that `settings` describes, with the records in `store`.
    #[must_use]
    pub fn new(
        settings: Settings,
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        witness: Arc<dyn Witness>,
    ) -> Self {
        let settings = Arc::new(settings);
        Self {
            settings,
            store,
            clock,
            rng,
            witness,
            rules: Arc::default(),
            locals: Arc::default(),
            routes: Arc::default(),
            on_their_way: Arc::default(),
            next_hops: Arc::new(NoNextHops),
        }
    }

    /// Lets requests for other CSEs be carried by `next_hops`; without, none is reached.
    #[must_use]
    pub fn forwarding(mut self, next_hops: Arc<dyn NextHops>) -> Self {
        self.next_hops = next_hops;
        self
    }

    /// Makes the `<CSEBase>`, or brings it up to date: to be called before the first request.
    /// `points_of_access` are the URIs under which registrees reach this CSE.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read or written, or if the store belongs to another CSE.
    pub async fn publish(&self, points_of_access: Vec<String>) -> Result<(), StoreError> {
        let (settings, now) = (Arc::clone(&self.settings), self.clock.now());
        let write = move |tx: &mut Tx<'_>| base::bring_up_to_date(tx, &settings, &points_of_access, now);
        self.store.write("cse.base", write).await?;
        let settings = Arc::clone(&self.settings);
        let state = self.store.read(move |records| subscription_state(records, &settings)).await?;
        match (state, self.settings.service_subscription) {
            (SubscriptionState::Rules(rules), _) => {
                tracing::info!(rules, "registrations of AEs are held against service rules");
            }
            (SubscriptionState::NotProvisioned, ServiceSubscription::Auto) => tracing::info!(
                "no service subscription is provisioned: the AE-ID bound to a credential decides on registrations"
            ),
            (SubscriptionState::NotProvisioned | SubscriptionState::NotForThisCse, _) => tracing::warn!(
                "no service subscription is provisioned for this CSE: no AE can register (4128)"
            ),
        }
        Ok(())
    }

    /// Carries out `request`, which came over the association with `peer`, and answers it. The answer to a
    /// request that changes something is given after the change is durable.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request) -> Response {
        self.handle_over(&Channel::Association(Arc::clone(peer)), request).await
    }

    /// As [`Self::handle`], for requests that may have come outside of an association. The caller vouches for the
    /// channel: [`Channel::Local`] is for endpoints that only this equipment reaches, and that the operator
    /// switched on.
    pub async fn handle_over(&self, channel: &Channel, mut request: Request) -> Response {
        let shown = token::take(&mut request);
        if let Channel::Local(peer) = channel {
            self.locals.came(peer);
        }
        let request = Arc::new(request);
        match self.carry_out(channel, &request, shown).await {
            Ok(response) => response,
            Err(Stop::Refuse(refuse)) => {
                self.note_refusal(channel, &request, &refuse);
                Response::refuse(refuse.rsc, &request, &refuse.debug)
            }
            Err(Stop::Fault(error)) => {
                tracing::error!(%error, "a request was not carried out");
                let text = "the request was not carried out: the registrar's store is not available";
                Response::refuse(ResponseStatusCode::InternalServerError, &request, text)
            }
        }
    }

    async fn carry_out(
        &self,
        channel: &Channel,
        request: &Arc<Request>,
        shown: Shown,
    ) -> Result<Response, Stop> {
        let now = self.clock.now();
        let token_shown = token::admit(&self.settings, &self.store, channel, request, shown, now).await?;
        match channel {
            Channel::Association(peer) if peer.subject().is_none() => self.learn_subject(peer).await?,
            Channel::Association(_) | Channel::Local(_) | Channel::Clear(_) => {}
        }
        let from = FromParam::parse(request.fr.as_deref());
        let question = Question::about(&self.settings, channel, &from, receive::attempt(request));
        let standing = match &question {
            Question::Nothing => Standing::default(),
            Question::Behind { .. } | Question::Holder(_) => {
                let (question, settings) = (question.clone(), Arc::clone(&self.settings));
                let routes = Arc::clone(&self.routes);
                self.store.read(move |records| question.answer(records, &settings, &routes, now)).await?
            }
        };
        let checked = receive::check(&self.settings, channel, request, &standing, now)?;
        let (create, transit) = (checked.create, checked.transit.clone());
        if let (Err(elsewhere), None, false) = (&checked.hosted, &transit, create == Some(ResourceType::Ae)) {
            return Err(elsewhere.clone().into());
        }
        let task = Task {
            settings: Arc::clone(&self.settings),
            rules: Arc::clone(&self.rules),
            locals: Arc::clone(&self.locals),
            routes: Arc::clone(&self.routes),
            channel: channel.clone(),
            request: Arc::clone(request),
            checked,
            question,
            token_shown,
            now,
        };
        if let Some(target) = transit {
            return self.pass_on(task, target).await;
        }
        match (request.op, create) {
            (Operation::Retrieve, _) if task.looks_below() => {
                self.store.read(move |records| Ok(task.retrieve(records))).await?
            }
            (Operation::Retrieve, _) => {
                self.store.read_brief(move |records| Ok(task.retrieve(records))).await?
            }
            (Operation::Create, Some(ResourceType::Ae)) => {
                let mut random = [0; RANDOM_OCTETS];
                self.rng.fill(&mut random).map_err(|error| StoreError::abandon(error.to_string()))?;
                self.commit("registration.create", channel, move |tx| task.create_ae(tx, random)).await
            }
            (Operation::Create, Some(ResourceType::RemoteCse)) => {
                self.commit("registration.create", channel, move |tx| task.create_cse(tx)).await
            }
            (Operation::Create, Some(kind)) => {
                self.store.read(move |records| Ok(task.create_other(records, kind))).await?
            }
            (Operation::Update, _) => {
                self.commit("registration.update", channel, move |tx| task.update(tx)).await
            }
            (Operation::Delete, _) => {
                self.commit("registration.delete", channel, move |tx| task.delete(tx)).await
            }
            (Operation::Create | Operation::Notify, _) => {
                Err(Refuse::not_implemented("this operation is not supported").into())
            }
        }
    }

    /// Runs one transaction. A refusal leaves nothing behind, since everything is refused before anything is
    /// changed; it travels inside of the successful result, for it is no failure of the store.
    async fn commit(
        &self,
        name: &'static str,
        channel: &Channel,
        mut body: impl FnMut(&mut Tx<'_>) -> Result<Done, Stop> + Send + 'static,
    ) -> Result<Response, Stop> {
        let done = self
            .store
            .write(name, move |tx| match body(tx) {
                Ok(done) => Ok(Ok(done)),
                Err(Stop::Refuse(refuse)) => Ok(Err(refuse)),
                Err(Stop::Fault(error)) => Err(error),
            })
            .await??;
        if done.routes_changed {
            self.routes.forget();
        }
        if let (Channel::Association(peer), Some(entity)) = (channel, &done.bind) {
            peer.bind(entity).map_err(|error| StoreError::abandon(error.to_string()))?;
        }
        Ok(done.reply)
    }

    /// The credential may have been given its identity over another association meanwhile.
    async fn learn_subject(&self, peer: &Arc<Peer>) -> Result<(), StoreError> {
        let Some(id) = peer.credential_id().cloned().filter(|_| peer.allowed().is_empty()) else {
            return Ok(());
        };
        let credential = self.store.read_brief(move |records| records.credential_facts(&id)).await?;
        if let Some(entity) = credential.and_then(|credential| credential.subject) {
            // Only a request of the same association could have bound it first, and to the same identity.
            let _ = peer.bind(&entity);
        }
        Ok(())
    }

    fn note_refusal(&self, channel: &Channel, request: &Request, refuse: &Refuse) {
        let about_identity = matches!(
            refuse.rsc,
            ResponseStatusCode::OriginatorNotAuthenticated
                | ResponseStatusCode::SecurityAssociationRequired
                | ResponseStatusCode::OriginatorHasNoPrivilege
                | ResponseStatusCode::AppRuleValidationFailed
                | ResponseStatusCode::ServiceSubscriptionNotEstablished
        );
        if !about_identity && !refuse.of_originator {
            return;
        }
        let from: String = request.fr.as_deref().unwrap_or("").chars().take(255).collect();
        self.witness.refused(AuditRecord {
            at: self.clock.now(),
            action: "request.refuse".into(),
            outcome: Outcome::Refused,
            credential_id: channel.credential_id().map(|id| id.as_str().to_owned()),
            entity: channel.subject().map(ToString::to_string),
            source: Some(channel.to_string()),
            detail: format!("{} as {from:?}: {}", request.op.name(), refuse.rsc),
        });
    }

    /// A local process or connection has ended: removes what it registered, and says how much that was. What
    /// an account registered stays, for its next process to use.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read or written.
    pub async fn end_local(&self, peer: &OsPeer) -> Result<usize, StoreError> {
        let held = self.locals.ended(peer);
        if held.is_empty() {
            return Ok(0);
        }
        let (peer, now) = (peer.clone(), self.clock.now());
        self.store.write("registration.end", move |tx| task::end_local(tx, &peer, &held, now)).await
    }

    /// Removes registrations that have expired, at most `limit` of them, and says how many.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read or written.
    pub async fn expire(&self, limit: u32) -> Result<usize, StoreError> {
        let now = self.clock.now();
        if self.store.read(move |records| records.expired(now, 1)).await?.is_empty() {
            return Ok(0);
        }
        let expired = self.store.write("registration.expire", move |tx| task::expire(tx, now, limit)).await?;
        self.routes.forget();
        Ok(expired)
    }
}
