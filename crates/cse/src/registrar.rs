//! The half that performs: load the records, decide, change them in one transaction, and only then answer.

use std::sync::Arc;

use identity::{Function, Peer, Speaker, usable};
use keys::Rng;
use onem2m::{
    id::{AeId, EntityId},
    primitive::{Operation, Request, Response},
    resource::ResourceType,
    status::ResponseStatusCode,
    time::{Clock, Timestamp},
};
use store::{
    AuditMut, AuditRecord, Credentials, CredentialsMut, Outcome, Reader, Resource, Resources, ResourcesMut,
    Store, StoreError, Tx,
};

use crate::{
    base,
    create_ae::{self, Whose},
    decision::{Change, Decision},
    delete_ae,
    receive::{self, Checked},
    refuse::Refuse,
    resolve::{address, is_alive, resolve},
    retrieve,
    settings::Settings,
    update_ae,
};

/// Expired registrations that one registration removes beside its own work.
const EXPIRED_AT_ONCE: u32 = 16;

/// Hears of every request that was refused because of who asked. Called in the middle of a request: it must
/// not wait.
pub trait Witness: Send + Sync {
    /// A refusal worth an audit line.
    fn refused(&self, record: AuditRecord);
}

/// A registrar CSE (TS-0001 §6.2.1): one instance for one CSE-ID.
pub struct Registrar {
    settings: Arc<Settings>,
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    witness: Arc<dyn Witness>,
}

/// What a committed transaction came to.
struct Done {
    reply: Response,
    /// The identity that the association is bound to from now on.
    bind: Option<EntityId>,
}

/// What stands in the way of a request: a rule, or our own resources.
enum Stop {
    Refuse(Refuse),
    Fault(StoreError),
}

impl From<Refuse> for Stop {
    fn from(refuse: Refuse) -> Self {
        Self::Refuse(refuse)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Fault(error)
    }
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
        Self { settings: Arc::new(settings), store, clock, rng, witness }
    }

    /// Makes the `<CSEBase>`, or brings it up to date: to be called before the first request.
    /// `points_of_access` are the URIs under which registrees reach this CSE.
    ///
    /// # Errors
    /// [`StoreError`] if it cannot be read or written, or if the store belongs to another CSE.
    pub async fn publish(&self, points_of_access: Vec<String>) -> Result<(), StoreError> {
        let (settings, now) = (Arc::clone(&self.settings), self.clock.now());
        let write = move |tx: &mut Tx<'_>| base::bring_up_to_date(tx, &settings, &points_of_access, now);
        self.store.write("cse.base", write).await
    }

    /// Carries out `request`, which came over the association with `peer`, and answers it. The answer to a
    /// request that changes something is given after the change is durable.
    pub async fn handle(&self, peer: &Arc<Peer>, request: Request) -> Response {
        match self.carry_out(peer, &request).await {
            Ok(response) => response,
            Err(Stop::Refuse(refuse)) => {
                self.note_refusal(peer, &request, &refuse);
                Response::refuse(refuse.rsc, &request, &refuse.debug)
            }
            Err(Stop::Fault(error)) => {
                tracing::error!(%error, "a request was not carried out");
                let text = "the request was not carried out: the registrar's store is not available";
                Response::refuse(ResponseStatusCode::InternalServerError, &request, text)
            }
        }
    }

    async fn carry_out(&self, peer: &Arc<Peer>, request: &Request) -> Result<Response, Stop> {
        if peer.subject().is_none() {
            self.learn_subject(peer).await?;
        }
        let now = self.clock.now();
        let checked = receive::check(&self.settings, peer, request, now)?;
        let task = Task {
            settings: Arc::clone(&self.settings),
            peer: Arc::clone(peer),
            request: request.clone(),
            checked,
            now,
        };
        match (request.op, task.checked.create) {
            (Operation::Retrieve, _) => self.store.read(move |records| Ok(task.retrieve(records))).await?,
            (Operation::Create, Some(ResourceType::Ae)) => {
                let mut random = [0; create_ae::RANDOM_OCTETS];
                self.rng.fill(&mut random).map_err(|error| StoreError::abandon(error.to_string()))?;
                self.commit("registration.create", peer, move |tx| task.create_ae(tx, random)).await
            }
            (Operation::Create, Some(kind)) => Err(task.cannot_create(kind).into()),
            (Operation::Update, _) => {
                self.commit("registration.update", peer, move |tx| task.update(tx)).await
            }
            (Operation::Delete, _) => {
                self.commit("registration.delete", peer, move |tx| task.delete(tx)).await
            }
            (Operation::Create | Operation::Notify, _) => {
                Err(Refuse::not_implemented("this operation is not supported").into())
            }
        }
    }

    /// Runs one transaction. A refusal leaves nothing behind; it travels inside of the successful result,
    /// for it is no failure of the store.
    async fn commit(
        &self,
        name: &'static str,
        peer: &Peer,
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
        if let Some(entity) = &done.bind {
            peer.bind(entity).map_err(|error| StoreError::abandon(error.to_string()))?;
        }
        Ok(done.reply)
    }

    /// The credential may have been given its identity over another association meanwhile.
    async fn learn_subject(&self, peer: &Arc<Peer>) -> Result<(), StoreError> {
        let id = peer.credential_id().clone();
        let credential = self.store.read(move |records| records.credential_by_id(&id)).await?;
        if let Some(entity) = credential.and_then(|credential| credential.entity) {
            // Only a request of the same association could have bound it first, and to the same identity.
            let _ = peer.bind(&entity);
        }
        Ok(())
    }

    fn note_refusal(&self, peer: &Peer, request: &Request, refuse: &Refuse) {
        let about_identity = matches!(
            refuse.rsc,
            ResponseStatusCode::OriginatorNotAuthenticated
                | ResponseStatusCode::SecurityAssociationRequired
                | ResponseStatusCode::OriginatorHasNoPrivilege
        );
        if !about_identity {
            return;
        }
        let from: String = request.fr.as_deref().unwrap_or("").chars().take(255).collect();
        self.witness.refused(AuditRecord {
            at: self.clock.now(),
            action: "request.refuse".into(),
            outcome: Outcome::Refused,
            credential_id: Some(peer.credential_id().as_str().to_owned()),
            entity: peer.subject().map(ToString::to_string),
            source: Some(peer.source().to_string()),
            detail: format!("{} as {from:?}: {}", request.op.name(), refuse.rsc),
        });
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
        self.store.write("registration.expire", move |tx| expire(tx, now, limit)).await
    }
}

fn expire(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
    let expired = tx.expired(now, limit)?;
    for resource in &expired {
        remove_expired(tx, resource, now)?;
    }
    Ok(expired.len())
}

fn remove_expired(tx: &mut Tx<'_>, resource: &Resource, now: Timestamp) -> Result<(), StoreError> {
    tx.delete_tree(&resource.ri)?;
    tx.append(&AuditRecord {
        at: now,
        action: "registration.expire".into(),
        outcome: Outcome::Done,
        credential_id: resource.credential_id.as_ref().map(|id| id.as_str().to_owned()),
        entity: resource.creator.clone(),
        source: None,
        detail: String::new(),
    })
}

/// A checked request on its way through one transaction.
struct Task {
    settings: Arc<Settings>,
    peer: Arc<Peer>,
    request: Request,
    checked: Checked,
    now: Timestamp,
}

impl Task {
    fn retrieve(&self, records: &Reader<'_>) -> Result<Response, Stop> {
        self.credential_still_holds(records)?;
        let target = self.target(records)?;
        let registered = self.is_registered(records)?;
        let address = address(&self.settings, &target);
        Ok(retrieve::decide(&self.request, &self.checked, &target, &address, registered)?.reply)
    }

    fn create_ae(&self, tx: &mut Tx<'_>, random: [u8; create_ae::RANDOM_OCTETS]) -> Result<Done, Stop> {
        self.credential_still_holds(&**tx)?;
        expire(tx, self.now, EXPIRED_AT_ONCE)?;
        let target = self.target(&**tx)?;
        let free = |ae: &AeId| -> Result<bool, StoreError> {
            let taken = tx.resource(ae.stem().as_str())?.is_some();
            Ok(!taken && tx.credentials_of(&EntityId::Ae(ae.clone()))?.is_empty())
        };
        let (ae, fresh) = self.ae_id(random, free)?;
        let registered = tx.resource(ae.stem().as_str())?;
        if let Some(old) = registered.as_ref().filter(|old| !is_alive(old, self.now)) {
            remove_expired(tx, old, self.now)?;
        }
        let registered = registered.filter(|resource| is_alive(resource, self.now));
        let decision = {
            let reader: &Reader<'_> = tx;
            let name_taken = |name: &str| {
                reader.child_by_name(&target.ri, name).map(|child| child.is_some()).map_err(|error| {
                    tracing::error!(%error, "a name could not be looked up");
                    Refuse::new(ResponseStatusCode::InternalServerError, "the store is not available")
                })
            };
            let records = create_ae::Records {
                target: &target,
                ae: &ae,
                fresh,
                registered: registered.as_ref(),
                name_taken: &name_taken,
            };
            let credential = self.peer.credential_id();
            create_ae::decide(&self.settings, &self.request, &self.checked, &records, credential, self.now)?
        };
        self.apply(tx, decision)
    }

    /// The AE-ID to register, and whether it is new to the credential.
    fn ae_id(
        &self,
        random: [u8; create_ae::RANDOM_OCTETS],
        free: impl Fn(&AeId) -> Result<bool, StoreError>,
    ) -> Result<(AeId, bool), Stop> {
        let candidates = match create_ae::whose(&self.settings, &self.checked.speaker)? {
            Whose::Known(ae) => return Ok((ae, false)),
            Whose::Fresh(letter) => create_ae::candidates(&self.settings, letter, random),
        };
        for ae in candidates {
            if free(&ae)? {
                return Ok((ae, true));
            }
        }
        Err(StoreError::abandon("no free AE-ID was drawn").into())
    }

    fn update(&self, tx: &mut Tx<'_>) -> Result<Done, Stop> {
        self.credential_still_holds(&**tx)?;
        let target = self.target(&**tx)?;
        let address = address(&self.settings, &target);
        let decision =
            update_ae::decide(&self.settings, &self.request, &self.checked, &target, &address, self.now)?;
        self.apply(tx, decision)
    }

    fn delete(&self, tx: &mut Tx<'_>) -> Result<Done, Stop> {
        self.credential_still_holds(&**tx)?;
        let target = self.target(&**tx)?;
        let address = address(&self.settings, &target);
        let decision = delete_ae::decide(&self.request, &self.checked, &target, &address)?;
        self.apply(tx, decision)
    }

    /// A CREATE of something else than an `<AE>`.
    fn cannot_create(&self, kind: ResourceType) -> Refuse {
        let name = kind.name();
        if kind == ResourceType::RemoteCse
            && matches!(self.checked.speaker, Speaker::Ae(_) | Speaker::Claim(_) | Speaker::Unassigned(_))
        {
            return Refuse::new(
                ResponseStatusCode::OperationNotAllowed,
                "an AE does not create a <remoteCSE> (TS-0004 §7.4.4.2.1)",
            );
        }
        if kind == ResourceType::CseBase {
            return Refuse::new(
                ResponseStatusCode::OperationNotAllowed,
                "a <CSEBase> is not created over the wire (TS-0004 §7.4.3.2)",
            );
        }
        if kind.is_infrastructure_only() && self.settings.home.cse_type != identity::CseType::In {
            return Refuse::new(
                ResponseStatusCode::OperationNotAllowed,
                format!("<{name}> exists on an IN-CSE only"),
            );
        }
        Refuse::not_implemented(format!("<{name}> is not supported"))
    }

    /// The credential was usable at the handshake; it may have been withdrawn or changed since.
    fn credential_still_holds(&self, records: &impl Credentials) -> Result<(), Stop> {
        let credential = records.credential_by_id(self.peer.credential_id())?;
        let holds = credential.is_some_and(|credential| {
            credential.version == self.peer.version() && usable(&credential, Function::Cse, self.now).is_ok()
        });
        if holds {
            return Ok(());
        }
        Err(Refuse::new(
            ResponseStatusCode::OriginatorNotAuthenticated,
            "the association no longer holds: attach again",
        )
        .into())
    }

    fn target(&self, records: &impl Resources) -> Result<Resource, Stop> {
        let found = resolve(records, &self.settings, &self.checked.segments, self.now)?;
        found.ok_or_else(|| Refuse::not_found().into())
    }

    fn is_registered(&self, records: &impl Resources) -> Result<bool, Stop> {
        let Speaker::Ae(ae) = &self.checked.speaker else { return Ok(false) };
        let registered = records.resource(ae.stem().as_str())?;
        Ok(registered.is_some_and(|resource| is_alive(&resource, self.now)))
    }

    /// Makes a decision true: its changes and its audit line, in this transaction.
    fn apply(&self, tx: &mut Tx<'_>, decision: Decision) -> Result<Done, Stop> {
        for change in &decision.changes {
            match change {
                Change::Insert(resource) => tx.insert(resource)?,
                Change::Replace(resource) => tx.update(resource)?,
                Change::Remove(ri) => drop(tx.delete_tree(ri)?),
                Change::Assign(credential, entity) => drop(tx.bind_entity(credential, entity)?),
            }
        }
        if let Some(line) = decision.audit {
            tx.append(&AuditRecord {
                at: self.now,
                action: line.action.into(),
                outcome: Outcome::Done,
                credential_id: Some(self.peer.credential_id().as_str().to_owned()),
                entity: Some(line.entity),
                source: Some(self.peer.source().to_string()),
                detail: line.detail,
            })?;
        }
        Ok(Done { reply: decision.reply, bind: decision.bind })
    }
}
