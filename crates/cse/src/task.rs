//! A checked request on its way through one transaction: load, decide, change.

use std::sync::Arc;

use identity::{Channel, Function, OsPeer, Speaker};
use onem2m::{
    id::{AeId, EntityId},
    primitive::{Request, Response},
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
    time::Timestamp,
};
use store::{
    AuditMut, AuditRecord, CredentialsMut, Enrolments, Outcome, Reader, Resource, Resources, ResourcesMut,
    StoreError, Tx,
};

use crate::{
    access::{self, Wish},
    admission::{self, Choice, RANDOM_OCTETS},
    children::{self, Below, Looking},
    create_ae::{self, Assigned},
    create_cse,
    decision::{Change, Decision},
    delete,
    local::LocalPeers,
    marks,
    receive::{self, Checked},
    refuse::{Decided, Refuse},
    registration::{Registering, given},
    resolve::{BASE_ID, address, is_alive, resolve},
    retrieve,
    route::Routes,
    settings::Settings,
    standing::{Question, cse_registration, registration},
    subscription::Remembered,
    update,
};

/// Expired registrations that one registration removes beside its own work.
const EXPIRED_AT_ONCE: u32 = 16;

/// What a committed transaction came to.
pub(crate) struct Done {
    pub(crate) reply: Response,
    /// The identity that the association is bound to from now on.
    pub(crate) bind: Option<EntityId>,
    /// A `<remoteCSE>` was made, changed or removed.
    pub(crate) routes_changed: bool,
}

/// What stands in the way of a request: a rule, or our own resources.
pub(crate) enum Stop {
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

/// A checked request.
pub(crate) struct Task {
    pub(crate) settings: Arc<Settings>,
    pub(crate) rules: Arc<Remembered>,
    pub(crate) locals: Arc<LocalPeers>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) channel: Channel,
    pub(crate) request: Arc<Request>,
    pub(crate) checked: Checked,
    /// What the check of the originator depended on; it is asked again inside of the transaction.
    pub(crate) question: Question,
    /// The request showed an identity token, which was accepted.
    pub(crate) token_shown: bool,
    pub(crate) now: Timestamp,
}

impl Task {
    pub(crate) fn retrieve(&self, records: &Reader<'_>) -> Result<Response, Stop> {
        self.speaker_still_holds(records)?;
        let target = self.target(records)?;
        let registered = self.is_registered(records, &target)?;
        retrieve::permit(&self.request, &self.checked, &target, registered)?;
        let below = self.below(records, &target, registered)?;
        Ok(retrieve::answer(&self.request, &self.checked, &target, below.as_ref())?)
    }

    pub(crate) fn create_ae(&self, tx: &mut Tx<'_>, random: [u8; RANDOM_OCTETS]) -> Result<Done, Stop> {
        self.speaker_still_holds(&**tx)?;
        let assigned = self.assign(tx, random)?;
        let target = self.target(&**tx)?;
        let registered = match &assigned {
            Assigned::Known(ae) => registration(&**tx, ae, self.now)?,
            Assigned::New(_) | Assigned::Abandoned(_) | Assigned::NotPossible => None,
        };
        let leaving = match &assigned {
            Assigned::Abandoned(ae) => Some(ae.stem().as_str()),
            Assigned::Known(_) | Assigned::New(_) | Assigned::NotPossible => None,
        };
        let decision = self.registering(tx, &target, registered.as_ref(), leaving, |making| {
            create_ae::decide(making, &assigned)
        })?;
        expire(tx, self.now, EXPIRED_AT_ONCE)?;
        let done = self.apply(tx, decision)?;
        if let (Channel::Local(peer), Some(EntityId::Ae(ae))) = (&self.channel, &done.bind) {
            self.locals.registered(peer, ae.stem().as_str());
        }
        Ok(done)
    }

    pub(crate) fn create_cse(&self, tx: &mut Tx<'_>) -> Result<Done, Stop> {
        self.speaker_still_holds(&**tx).map_err(|stop| match stop {
            // In place of the check of access (TS-0004 §7.4.4.2.1).
            Stop::Refuse(refuse) if refuse.rsc == ResponseStatusCode::OriginatorNotAuthenticated => {
                Stop::Refuse(Refuse { rsc: ResponseStatusCode::SecurityAssociationRequired, ..refuse })
            }
            other => other,
        })?;
        let target = self.target(&**tx)?;
        let cse = create_cse::registree(&self.checked.speaker)?;
        let registered = cse_registration(&**tx, &self.settings, cse, self.now)?;
        let decision = self
            .registering(tx, &target, registered.as_ref(), None, |making| create_cse::decide(making, cse))?;
        expire(tx, self.now, EXPIRED_AT_ONCE)?;
        self.apply(tx, decision)
    }

    /// A CREATE of a type that this CSE does not make: told in the order of TS-0004 §7.2.2.2, except that a type
    /// which no right could open is refused before rights are looked at.
    pub(crate) fn create_other(&self, records: &Reader<'_>, kind: ResourceType) -> Result<Response, Stop> {
        self.speaker_still_holds(records)?;
        let target = self.target(records)?;
        let name = kind.name();
        if kind == ResourceType::CseBase {
            return Err(Refuse::not_allowed("a <CSEBase> is not created over the wire").into());
        }
        if kind.is_infrastructure_only() && self.settings.home.cse_type != identity::CseType::In {
            return Err(Refuse::not_allowed(format!("<{name}> exists on an IN-CSE only")).into());
        }
        let registered = self.is_registered(records, &target)?;
        access::by_default(&target, &self.checked.speaker, registered, Wish::Alter)?;
        Err(Refuse::not_implemented(format!("<{name}> is not supported")).into())
    }

    pub(crate) fn update(&self, tx: &mut Tx<'_>) -> Result<Done, Stop> {
        self.speaker_still_holds(&**tx)?;
        let target = self.target(&**tx)?;
        let children_until = if given(&self.request).contains_key(attr::ET) {
            children::latest_expiry(&**tx, &target)?
        } else {
            None
        };
        let (settings, request, checked) = (&self.settings, &self.request, &self.checked);
        let decision =
            update::decide(settings, request, checked, &target, children_until, self.token_shown, self.now)?;
        self.apply(tx, decision)
    }

    pub(crate) fn delete(&self, tx: &mut Tx<'_>) -> Result<Done, Stop> {
        self.speaker_still_holds(&**tx)?;
        let target = self.target(&**tx)?;
        delete::permit(&self.checked, &target)?;
        let below = self.below(&**tx, &target, true)?;
        let decision = delete::decide(&self.request, &self.checked, &target, below.as_ref());
        self.apply(tx, decision)
    }

    /// Lets `decide` see the registration with the records around it; the resource `leaving` is as good as gone.
    fn registering(
        &self,
        tx: &Tx<'_>,
        target: &Resource,
        registered: Option<&Resource>,
        leaving: Option<&str>,
        decide: impl FnOnce(&Registering<'_>) -> Decided<Decision>,
    ) -> Result<Decision, Stop> {
        let reader: &Reader<'_> = tx;
        let name_taken = |name: &str| match reader.child_by_name(&target.ri, name) {
            Ok(child) => {
                Ok(child.is_some_and(|child| is_alive(&child, self.now) && Some(&*child.ri) != leaving))
            }
            Err(error) => {
                tracing::error!(%error, "a name could not be looked up");
                Err(Refuse::new(ResponseStatusCode::InternalServerError, "the store is not available"))
            }
        };
        Ok(decide(&Registering {
            settings: &self.settings,
            channel: &self.channel,
            request: &self.request,
            checked: &self.checked,
            target,
            registered,
            name_taken: &name_taken,
            now: self.now,
        })?)
    }

    /// Steps Recv-6.0.1 and 6.0.2, and which AE-ID it will be.
    fn assign(&self, tx: &Tx<'_>, random: [u8; RANDOM_OCTETS]) -> Result<Assigned, Stop> {
        let profile = self.rules.profile(&**tx, &self.settings)?;
        let rules = admission::rules(&self.settings, &profile)?;
        let app_id = create_ae::given_app_id(&self.request);
        let (settings, speaker, roles) = (&self.settings, &self.checked.speaker, &self.checked.roles);
        match admission::choose(settings, &self.channel, speaker, rules, app_id, roles)? {
            Choice::Known(ae) => Ok(Assigned::Known(ae)),
            Choice::NeedsAnnouncement => Ok(Assigned::NotPossible),
            // A device with a list of AE-IDs gets none beside it (register A-26).
            Choice::Given(ae) if self.is_listed(&ae) => Ok(Assigned::Known(ae)),
            Choice::Given(_) | Choice::Fresh(..) if self.has_list() => Err(Refuse::not_yours().into()),
            Choice::Given(ae) => self.if_free(tx, ae)?.ok_or_else(|| Refuse::not_yours().into()),
            Choice::Fresh(letter, patterns) => {
                for ae in admission::candidates(&self.settings, letter, &patterns, random) {
                    if let Some(assigned @ Assigned::New(_)) = self.if_free(tx, ae)? {
                        return Ok(assigned);
                    }
                }
                Err(StoreError::abandon("no free AE-ID was drawn").into())
            }
        }
    }

    /// The AE-IDs that the association is bound to in place of one.
    fn list(&self) -> &[AeId] {
        match &self.channel {
            Channel::Association(peer) => peer.allowed(),
            Channel::Local(_) | Channel::Clear(_) => &[],
        }
    }

    fn has_list(&self) -> bool {
        !self.list().is_empty()
    }

    fn is_listed(&self, ae: &AeId) -> bool {
        self.list().contains(ae)
    }

    /// `ae`, unless it is registered or reserved for a credential: also for a withdrawn one, whose device other
    /// entities may still know by that name.
    fn if_free(&self, tx: &Tx<'_>, ae: AeId) -> Result<Option<Assigned>, StoreError> {
        if !tx.holders_of(&EntityId::Ae(ae.clone()))?.is_empty() {
            return Ok(None);
        }
        let occupant = tx.resource(ae.stem().as_str())?.filter(|resource| is_alive(resource, self.now));
        let Some(occupant) = occupant else { return Ok(Some(Assigned::New(ae))) };
        let abandoned = match (marks::holder(&occupant), &self.channel) {
            (Some(holder), Channel::Local(claimant)) => self.locals.has_left(&holder, claimant),
            _ => false,
        };
        Ok(abandoned.then_some(Assigned::Abandoned(ae)))
    }

    /// The speaker was judged before the transaction began. A credential may have been withdrawn or changed
    /// since, and the records that the judgement depended on may be others.
    pub(crate) fn speaker_still_holds(&self, records: &(impl Enrolments + Resources)) -> Result<(), Stop> {
        let gone = || {
            Refuse::new(
                ResponseStatusCode::OriginatorNotAuthenticated,
                "the association no longer holds: attach again",
            )
        };
        if let Channel::Association(peer) = &self.channel {
            let validity = match peer.credential_id() {
                Some(id) => records.credential_validity(id)?,
                None => None,
            };
            if !peer.still_holds(validity.as_ref(), Function::Cse, self.now) {
                return Err(gone().into());
            }
        }
        if self.question != Question::Nothing {
            let standing = self.question.answer(records, &self.settings, &self.routes, self.now)?;
            let speaker = receive::speaker(&self.settings, &self.channel, &self.request, &standing)?;
            if speaker != self.checked.speaker {
                return Err(Refuse::not_yours().into());
            }
        }
        Ok(())
    }

    fn target(&self, records: &impl Resources) -> Result<Resource, Stop> {
        let segments = self.checked.hosted.as_ref().map_err(Clone::clone)?;
        let found = resolve(records, &self.settings, segments, self.now)?;
        found.ok_or_else(|| Refuse::not_found().into())
    }

    /// Whether the speaker is registered, where that matters: the `<CSEBase>` is open to who is.
    fn is_registered(&self, records: &impl Resources, target: &Resource) -> Result<bool, StoreError> {
        if target.ri != BASE_ID {
            return Ok(true);
        }
        let registered = match &self.checked.speaker {
            Speaker::Ae(ae) => registration(records, ae, self.now)?,
            Speaker::Cse(cse) => cse_registration(records, &self.settings, cse, self.now)?,
            Speaker::Claim(_) | Speaker::Unassigned(_) | Speaker::Behind(..) => None,
        };
        Ok(registered.is_some())
    }

    /// Whether the answer tells of what lies below the target, which may be much.
    pub(crate) const fn looks_below(&self) -> bool {
        children::are_wanted(self.checked.result_content)
    }

    /// What lies below `target`, if the answer is to tell.
    fn below(
        &self,
        records: &impl Resources,
        target: &Resource,
        registered: bool,
    ) -> Result<Option<Below>, StoreError> {
        if !self.looks_below() {
            return Ok(None);
        }
        let (settings, speaker, now) = (&*self.settings, &self.checked.speaker, self.now);
        let looking = Looking { settings, speaker, registered, now };
        let address = address(records, target)?;
        looking.below(records, target, &address, self.checked.window).map(Some)
    }

    /// Makes a decision true: its changes and its audit line, in this transaction.
    fn apply(&self, tx: &mut Tx<'_>, decision: Decision) -> Result<Done, Stop> {
        let mut routes_changed = false;
        for change in &decision.changes {
            routes_changed |= match change {
                Change::Insert(resource) | Change::Replace(resource) => is_remote_cse(resource.ty),
                Change::Remove(_) | Change::Assign(..) => false,
            };
            match change {
                Change::Insert(resource) => match tx.insert(resource) {
                    Err(StoreError::Conflict(_)) => {
                        self.make_room(tx, resource)?;
                        tx.insert(resource)?;
                    }
                    inserted => inserted?,
                },
                Change::Replace(resource) => tx.update(resource)?,
                Change::Remove(ri) => {
                    routes_changed |= tx.delete_tree(ri)?.iter().any(|(_, ty)| is_remote_cse(*ty));
                }
                Change::Assign(credential, entity) => drop(tx.bind_entity(credential, entity)?),
            }
        }
        if let Some(line) = decision.audit {
            tx.append(&AuditRecord {
                at: self.now,
                action: line.action.into(),
                outcome: Outcome::Done,
                credential_id: self.channel.credential_id().map(|id| id.as_str().to_owned()),
                entity: Some(line.entity),
                source: Some(self.channel.to_string()),
                detail: line.detail,
            })?;
        }
        Ok(Done { reply: decision.reply, bind: decision.bind, routes_changed })
    }

    /// Removes what has expired and stands in the place of a new resource.
    fn make_room(&self, tx: &mut Tx<'_>, resource: &Resource) -> Result<(), StoreError> {
        let of_this_id = tx.resource(&resource.ri)?;
        let of_this_name = tx.child_by_name(&resource.pi, &resource.rn)?;
        for old in of_this_id.iter().chain(&of_this_name).filter(|old| !is_alive(old, self.now)) {
            remove_expired(tx, old, self.now)?;
        }
        Ok(())
    }
}

const fn is_remote_cse(ty: u32) -> bool {
    ty == ResourceType::RemoteCse.code()
}

/// Removes registrations that have expired, at most `limit` of them.
pub(crate) fn expire(tx: &mut Tx<'_>, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
    let expired = tx.expired(now, limit)?;
    for resource in &expired {
        remove_expired(tx, resource, now)?;
    }
    Ok(expired.len())
}

fn remove_expired(tx: &mut Tx<'_>, resource: &Resource, now: Timestamp) -> Result<(), StoreError> {
    remove(tx, resource, now, "registration.expire", None)
}

/// Removes a registration and what lies below it, which nobody on the wire asked for.
pub(crate) fn remove(
    tx: &mut Tx<'_>,
    resource: &Resource,
    now: Timestamp,
    action: &str,
    source: Option<String>,
) -> Result<(), StoreError> {
    // What lay below another that was removed is gone already.
    if tx.delete_tree(&resource.ri)?.is_empty() {
        return Ok(());
    }
    tx.append(&AuditRecord {
        at: now,
        action: action.to_owned(),
        outcome: Outcome::Done,
        credential_id: resource.credential_id.as_ref().map(|id| id.as_str().to_owned()),
        entity: resource.creator.clone(),
        source,
        detail: String::new(),
    })
}

/// Removes of the resources `held` those that are still `peer`'s.
pub(crate) fn end_local(
    tx: &mut Tx<'_>,
    peer: &OsPeer,
    held: &[String],
    now: Timestamp,
) -> Result<usize, StoreError> {
    let mut ended = 0;
    for ri in held {
        let Some(resource) = tx.resource(ri)? else { continue };
        if marks::holder(&resource).as_ref() == Some(peer) {
            remove(tx, &resource, now, "registration.end", Some(format!("local {peer}")))?;
            ended += 1;
        }
    }
    Ok(ended)
}
