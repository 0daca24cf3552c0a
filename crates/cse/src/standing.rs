//! What the records say of the sender itself, where From cannot be judged without (TS-0004 §7.3.2.1).

use identity::{Attempt, Channel, CredentialState, Known, OsPeer, behind_which};
use onem2m::{
    id::{AeId, CseId, EntityId, FromParam},
    resource::ResourceType,
    time::Timestamp,
};
use store::{Enrolments, Resource, Resources, StoreError};

use crate::{
    marks, representation, resolve::is_alive, resolve::remote_cse_id, route::Routes, settings::Settings,
};

/// What has to be looked up before a request is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// Nothing: the channel decides.
    Nothing,
    /// Whether the way to `named` leads through the registree `through`.
    Behind { through: CseId, named: CseId },
    /// Which local peer registered this AE.
    Holder(AeId),
}

/// The answer.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    descendants: Vec<CseId>,
    holder: Option<OsPeer>,
    from_above: bool,
}

impl Question {
    pub(crate) fn about(settings: &Settings, channel: &Channel, from: &FromParam, attempt: Attempt) -> Self {
        match channel {
            Channel::Association(peer) if attempt != Attempt::CreateRemoteCse => {
                match (peer.subject(), behind_which(&settings.home, peer, from)) {
                    (Some(EntityId::Cse(through)), Some(named)) => {
                        Self::Behind { through: through.clone(), named }
                    }
                    _ => Self::Nothing,
                }
            }
            Channel::Local(_) => match from {
                FromParam::Stem(stem) => Self::Holder(AeId::of_stem(&settings.home.cse, stem.clone())),
                _ => Self::Nothing,
            },
            Channel::Association(_) | Channel::Clear(_) => Self::Nothing,
        }
    }

    pub(crate) fn answer(
        &self,
        records: &(impl Resources + Enrolments),
        settings: &Settings,
        routes: &Routes,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        match self {
            Self::Nothing => Ok(Standing::default()),
            Self::Behind { through, named } => {
                let Some(peer) = cse_registration(records, settings, through, now)? else {
                    return Ok(Standing::default());
                };
                if marks::own_address(&peer).is_some() {
                    let below = routes.table(records, settings)?.lists(named);
                    let from_above = !below && !is_known_at_first_hand(records, settings, named, now)?;
                    return Ok(Standing { from_above, ..Standing::default() });
                }
                let leads = leads_to(records, settings, &peer, named, now)?;
                let descendants = leads.then(|| named.clone()).into_iter().collect();
                Ok(Standing { descendants, ..Standing::default() })
            }
            Self::Holder(ae) => {
                let held = registration(records, ae, now)?.and_then(|resource| marks::holder(&resource));
                Ok(Standing { holder: held, ..Standing::default() })
            }
        }
    }
}

impl Standing {
    pub(crate) fn known(&self) -> Known<'_> {
        Known {
            descendants: &self.descendants,
            local_holder: self.holder.as_ref(),
            from_above: self.from_above,
        }
    }
}

/// The live registration of `ae`.
pub(crate) fn registration(
    records: &impl Resources,
    ae: &AeId,
    now: Timestamp,
) -> Result<Option<Resource>, StoreError> {
    let found = records.resource(ae.stem().as_str())?;
    let is_its = |resource: &Resource| {
        resource.ty == ResourceType::Ae.code()
            && resource.creator.as_deref() == Some(ae.to_string().as_str())
            && is_alive(resource, now)
    };
    Ok(found.filter(is_its))
}

/// The live registration of `cse`.
pub(crate) fn cse_registration(
    records: &impl Resources,
    settings: &Settings,
    cse: &CseId,
    now: Timestamp,
) -> Result<Option<Resource>, StoreError> {
    let found = records.resource(&remote_cse_id(settings, cse))?;
    Ok(found.filter(|resource| resource.ty == ResourceType::RemoteCse.code() && is_alive(resource, now)))
}

/// Whether `registree` lists `named` among the CSEs below it, and nothing that we know at first hand speaks
/// against it: a CSE that registered here itself, or holds a key of ours, speaks for itself.
fn leads_to(
    records: &(impl Resources + Enrolments),
    settings: &Settings,
    registree: &Resource,
    named: &CseId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(representation::descendants(&registree.attributes, settings.home.cse.sp()).contains(named)
        && !is_known_at_first_hand(records, settings, named, now)?)
}

/// Whether `cse` is registered here, or holds a credential of ours.
fn is_known_at_first_hand(
    records: &(impl Resources + Enrolments),
    settings: &Settings,
    cse: &CseId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if cse_registration(records, settings, cse, now)?.is_some() {
        return Ok(true);
    }
    let holders = records.holders_of(&EntityId::Cse(cse.clone()))?;
    Ok(holders.iter().any(|credential| credential.state == CredentialState::Active))
}
