use onem2m::{
    id::{AeId, AeIdStem, CseId, EntityId, EntityKind, FromParam, StemKind},
    status::ResponseStatusCode,
};
use thiserror::Error;

use crate::{Channel, CseType, OsPeer, Peer};

/// The receiving CSE: relative identities are read as seen from here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Its absolute CSE-ID.
    pub cse: CseId,
    /// Its kind.
    pub cse_type: CseType,
}

/// What the request asks for, as far as the check of its originator depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// CREATE `<AE>`: the one request whose From may leave the AE-ID to the registrar.
    CreateAe,
    /// CREATE `<remoteCSE>`: nobody does that for another.
    CreateRemoteCse,
    /// Everything else.
    Other,
}

/// What the receiver's records say about the sender's own standing, at this moment. Empty where the channel
/// alone decides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Over the association of a CSE: the CSEs that are reached through it (`descendantCSEs` of its
    /// `<remoteCSE>`), without those that the receiver knows at first hand.
    pub descendants: &'a [CseId],
    /// Over a local endpoint: who registered, over a local endpoint, the AE that From names.
    pub local_holder: Option<&'a OsPeer>,
    /// Over the association of a CSE: it is the receiver's own Registrar, and From names nobody that is at or
    /// below the receiver. Whoever else there is may be behind it.
    pub from_above: bool,
}

/// Who speaks, once it is certain, or what it asks to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// The AE that the association is bound to, or that the local peer has registered.
    Ae(AeId),
    /// In a registration, a sender that is not known by an AE-ID yet and asks for this one. Whether it may
    /// have it, service rules tell ([`crate::RuleBook::admit`]); nothing else may be done in this name.
    Claim(AeId),
    /// In a registration, a sender that is not known by an AE-ID yet and leaves the choice to the registrar,
    /// or wants the letter given.
    Unassigned(Option<StemKind>),
    /// The CSE that the association is bound to.
    Cse(CseId),
    /// An entity behind the CSE that the association is bound to, which forwards for it. That CSE vouches for
    /// it; it is not authenticated (TS-0003 §7.1.2).
    Behind(CseId, EntityId),
}

/// Why an originator may not speak. One line for the log; the peer is told the status alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RefusalReason {
    /// No From where one is needed.
    #[error("no From")]
    Missing,
    /// From has none of the forms of an identity.
    #[error("malformed From")]
    Malformed,
    /// An AE wrote more than its stem.
    #[error("From of an AE is not an AE-ID-Stem")]
    NotAStem,
    /// From is not an identity that this sender may speak for.
    #[error("From is not an identity that this sender may speak for")]
    Impersonation,
    /// The association is bound to no identity, and the request needs one.
    #[error("the association is bound to no identity")]
    Unbound,
    /// Only inside of a security association.
    #[error("the request needs a security association")]
    NoAssociation,
    /// The peer has not shown its identity token yet (register A-32).
    #[error("the session is nobody's before an identity token (idtk) in a registration")]
    Unproven,
    /// No service rule allows the registration.
    #[error("no service rule allows this registration")]
    NoRule,
}

/// A request refused for its originator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{rsc}: {reason}")]
pub struct Refusal {
    /// The status that the peer is told.
    pub rsc: ResponseStatusCode,
    /// Why.
    pub reason: RefusalReason,
}

impl Refusal {
    const fn malformed(reason: RefusalReason) -> Self {
        Self { rsc: ResponseStatusCode::BadRequest, reason }
    }

    pub(crate) const fn impersonation(reason: RefusalReason) -> Self {
        Self { rsc: ResponseStatusCode::OriginatorNotAuthenticated, reason }
    }

    const fn association_required() -> Self {
        Self { rsc: ResponseStatusCode::SecurityAssociationRequired, reason: RefusalReason::NoAssociation }
    }

    const fn unproven() -> Self {
        Self { rsc: ResponseStatusCode::SecurityAssociationRequired, reason: RefusalReason::Unproven }
    }

    pub(crate) const fn no_rule() -> Self {
        Self { rsc: ResponseStatusCode::AppRuleValidationFailed, reason: RefusalReason::NoRule }
    }
}

/// Decides whether `from` may be the originator of a request that came over `channel`. The impersonation
/// check of TS-0003 §7.2.1 with the detailed rules of TS-0004 §7.3.2.1, and registers where
/// those leave something open.
///
/// The answer depends on the channel, on From, and on what the records say of the sender itself: never on
/// who else is registered here, so that a refusal cannot tell which identities exist.
///
/// # Errors
/// [`Refusal`] with 4000 if From is missing, malformed, or, from an AE, not a bare stem; with 4106 if it is
/// not an identity that this sender may speak for; with 4107 if it needs an association that there is not.
pub fn check_originator(
    home: &Home,
    channel: &Channel,
    from: &FromParam,
    attempt: Attempt,
    known: &Known<'_>,
) -> Result<Speaker, Refusal> {
    match channel {
        Channel::Association(peer) => match peer.kind() {
            Some(EntityKind::Ae) => ae_speaks(home, peer, from, attempt),
            Some(EntityKind::Cse) => cse_speaks(home, peer, from, attempt, known),
            None => Err(Refusal::unproven()),
        },
        Channel::Local(peer) => local_speaks(home, peer, from, attempt, known),
        Channel::Clear(_) => Err(clear_text(from, attempt)),
    }
}

fn ae_speaks(home: &Home, peer: &Peer, from: &FromParam, attempt: Attempt) -> Result<Speaker, Refusal> {
    if let (FromParam::Stem(stem), [_, ..]) = (from, peer.allowed()) {
        return listed_speaks(home, peer.allowed(), stem);
    }
    let bound = match peer.subject() {
        Some(EntityId::Ae(ae)) => Some(ae),
        Some(EntityId::Cse(_)) => return Err(Refusal::impersonation(RefusalReason::Impersonation)),
        // A list of one is that one, also where the choice is left to the registrar (register A-26).
        None => match peer.allowed() {
            [only] => Some(only),
            _ => None,
        },
    };
    match (from, attempt) {
        (FromParam::Stem(stem), _) => stem_speaks(home, bound, stem, attempt),
        (FromParam::Absent, Attempt::CreateAe) => Ok(leave_to_registrar(bound, None)),
        (FromParam::Assign(letter), Attempt::CreateAe) => match bound {
            Some(ae) if ae.stem().kind() != *letter => {
                Err(Refusal::impersonation(RefusalReason::Impersonation))
            }
            _ => Ok(leave_to_registrar(bound, Some(*letter))),
        },
        (FromParam::Absent, _) => Err(Refusal::malformed(RefusalReason::Missing)),
        (FromParam::Malformed(_), _) => Err(Refusal::malformed(RefusalReason::Malformed)),
        (FromParam::Assign(_) | FromParam::SpRelative(..) | FromParam::Absolute(..), _) => {
            Err(Refusal::malformed(RefusalReason::NotAStem))
        }
    }
}

/// A device or node with several AEs: From is one of those (TS-0003 §8.2.1, §7.2.1).
fn listed_speaks(home: &Home, allowed: &[AeId], stem: &AeIdStem) -> Result<Speaker, Refusal> {
    let named = AeId::of_stem(&home.cse, stem.clone());
    if allowed.contains(&named) {
        return Ok(Speaker::Ae(named));
    }
    Err(Refusal::impersonation(RefusalReason::Impersonation))
}

/// An unbound association may ask for a stem in a registration, where rules decide on it; it may not speak in
/// that name.
fn stem_speaks(
    home: &Home,
    bound: Option<&AeId>,
    stem: &AeIdStem,
    attempt: Attempt,
) -> Result<Speaker, Refusal> {
    let named = AeId::of_stem(&home.cse, stem.clone());
    match bound {
        Some(ae) if *ae == named => Ok(Speaker::Ae(named)),
        Some(_) => Err(Refusal::impersonation(RefusalReason::Impersonation)),
        None if attempt == Attempt::CreateAe => Ok(Speaker::Claim(named)),
        None => Err(Refusal::impersonation(RefusalReason::Unbound)),
    }
}

fn leave_to_registrar(bound: Option<&AeId>, letter: Option<StemKind>) -> Speaker {
    bound.map_or(Speaker::Unassigned(letter), |ae| Speaker::Ae(ae.clone()))
}

/// Equality with the CSE's own identity is not required: a transit CSE forwards what its AEs and the CSEs
/// below it say. What is refused is everything that is neither its own nor below it.
fn cse_speaks(
    home: &Home,
    peer: &Peer,
    from: &FromParam,
    attempt: Attempt,
    known: &Known<'_>,
) -> Result<Speaker, Refusal> {
    match from {
        FromParam::Absent => return Err(Refusal::malformed(RefusalReason::Missing)),
        FromParam::Malformed(_) | FromParam::Assign(_) => {
            return Err(Refusal::malformed(RefusalReason::Malformed));
        }
        FromParam::Stem(_) => return Err(Refusal::impersonation(RefusalReason::Impersonation)),
        FromParam::SpRelative(..) | FromParam::Absolute(..) => {}
    }
    let Some(EntityId::Cse(cse)) = peer.subject() else {
        return Err(Refusal::association_required());
    };
    let named = from.as_cse(home.cse.sp());
    if named.as_ref() == Some(cse) {
        return Ok(Speaker::Cse(cse.clone()));
    }
    let refused = Err(Refusal::impersonation(RefusalReason::Impersonation));
    if attempt == Attempt::CreateRemoteCse {
        return refused;
    }
    let below = |candidate: &CseId| *candidate != home.cse && known.descendants.contains(candidate);
    if let Some(descendant) = named.filter(below) {
        return Ok(Speaker::Behind(cse.clone(), EntityId::Cse(descendant)));
    }
    let ae = from.as_ae(&home.cse);
    if let Some(ae) = &ae
        && registrar_of(ae).is_some_and(|registrar| registrar == *cse || below(&registrar))
    {
        return Ok(Speaker::Behind(cse.clone(), EntityId::Ae(ae.clone())));
    }
    if !known.from_above || behind_which(home, peer, from).is_none() {
        return refused;
    }
    // A text that can be either is more likely an AE-ID: a CSE-ID is not to begin with S.
    let other = ae.map(EntityId::Ae).or_else(|| from.as_cse(home.cse.sp()).map(EntityId::Cse));
    other.map_or(refused, |entity| Ok(Speaker::Behind(cse.clone(), entity)))
}

/// The CSE whose name a C-type AE-ID contains.
fn registrar_of(ae: &AeId) -> Option<CseId> {
    ae.registrar().map(|name| CseId::new(ae.sp().clone(), name.clone()))
}

/// The CSE that a request over the association with `peer` would have to come from behind of, according to
/// `from`: the receiver looks up whether `peer` leads there and says so in [`Known::descendants`]. `None` if
/// From can be decided without.
#[must_use]
pub fn behind_which(home: &Home, peer: &Peer, from: &FromParam) -> Option<CseId> {
    let Some(EntityId::Cse(cse)) = peer.subject() else { return None };
    let named = from.as_cse(home.cse.sp()).or_else(|| from.as_ae(&home.cse).as_ref().and_then(registrar_of));
    named.filter(|named| named != cse && *named != home.cse)
}

/// Outside of an association, on this equipment: an AE that the operating system vouches for.
fn local_speaks(
    home: &Home,
    peer: &OsPeer,
    from: &FromParam,
    attempt: Attempt,
    known: &Known<'_>,
) -> Result<Speaker, Refusal> {
    match (from, attempt) {
        (FromParam::Stem(stem), _) => {
            let named = AeId::of_stem(&home.cse, stem.clone());
            match attempt {
                _ if known.local_holder == Some(peer) => Ok(Speaker::Ae(named)),
                Attempt::CreateAe => Ok(Speaker::Claim(named)),
                Attempt::CreateRemoteCse | Attempt::Other => {
                    Err(Refusal::impersonation(RefusalReason::Impersonation))
                }
            }
        }
        (FromParam::Absent, Attempt::CreateAe) => Ok(Speaker::Unassigned(None)),
        (FromParam::Assign(letter), Attempt::CreateAe) => Ok(Speaker::Unassigned(Some(*letter))),
        _ => Err(without_association(from)),
    }
}

/// In the clear, over the network, nobody can be told from anybody else: not even a registration is taken.
fn clear_text(from: &FromParam, attempt: Attempt) -> Refusal {
    match (from, attempt) {
        (FromParam::Stem(_) | FromParam::Absent | FromParam::Assign(_), Attempt::CreateAe) => {
            Refusal::association_required()
        }
        (FromParam::Stem(_), _) => Refusal::impersonation(RefusalReason::NoAssociation),
        _ => without_association(from),
    }
}

/// What no sender outside of an association may write into From. A From with a CSE part is the stricter case,
/// whether it is a CSE-ID or an AE-ID (register A-54).
fn without_association(from: &FromParam) -> Refusal {
    let of_a_cse = match from {
        FromParam::SpRelative(id) => id.cse_part().is_some(),
        FromParam::Absolute(id) => id.sp_relative().cse_part().is_some(),
        FromParam::Absent => return Refusal::malformed(RefusalReason::Missing),
        FromParam::Malformed(_) => return Refusal::malformed(RefusalReason::Malformed),
        FromParam::Assign(_) | FromParam::Stem(_) => false,
    };
    if of_a_cse { Refusal::association_required() } else { Refusal::malformed(RefusalReason::NotAStem) }
}

#[cfg(test)]
mod tests;
