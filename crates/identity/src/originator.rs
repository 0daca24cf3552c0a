use onem2m::{
    id::{AeId, AeIdStem, CseId, EntityId, EntityKind, FromParam, StemKind},
    status::ResponseStatusCode,
};
use thiserror::Error;

use crate::{CseType, Peer};

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
    /// Everything else.
    Other,
}

/// Who speaks, once it is certain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Speaker {
    /// The AE that the association is bound to.
    Ae(AeId),
    /// An AE whose association is not bound to an AE-ID yet and that leaves the choice to the registrar,
    /// or wants the letter given.
    Unassigned(Option<StemKind>),
    /// The CSE that the association is bound to.
    Cse(CseId),
    /// An AE registered at the CSE that the association is bound to, which forwards for it.
    Behind(CseId, AeId),
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
    /// From is another identity than the one bound to the association.
    #[error("From is not the identity of the association")]
    Impersonation,
    /// The association is bound to no identity, and the request needs one.
    #[error("the association is bound to no identity")]
    Unbound,
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

    const fn impersonation(reason: RefusalReason) -> Self {
        Self { rsc: ResponseStatusCode::OriginatorNotAuthenticated, reason }
    }
}

/// Decides whether `from` may be the originator of a request that came over the association with `peer`.
/// The impersonation check of TS-0003 §7.2.1 with the detailed rules of TS-0004 §7.3.2.1, and register
/// A-26 where From leaves the AE-ID open.
///
/// The answer depends on the association and on From alone: never on what is registered here, so that a
/// refusal cannot tell which identities exist.
///
/// # Errors
/// [`Refusal`] with 4000 if From is missing, malformed, or, from an AE, not a bare stem; with 4106 if it is
/// not an identity that this association may speak for.
pub fn check_originator(
    home: &Home,
    peer: &Peer,
    from: &FromParam,
    attempt: Attempt,
) -> Result<Speaker, Refusal> {
    match peer.kind() {
        EntityKind::Ae => ae_speaks(home, peer.subject(), from, attempt),
        EntityKind::Cse => cse_speaks(home, peer.subject(), from),
    }
}

fn ae_speaks(
    home: &Home,
    subject: Option<&EntityId>,
    from: &FromParam,
    attempt: Attempt,
) -> Result<Speaker, Refusal> {
    let bound = match subject {
        Some(EntityId::Ae(ae)) => Some(ae),
        Some(EntityId::Cse(_)) => return Err(Refusal::impersonation(RefusalReason::Impersonation)),
        None => None,
    };
    match (from, attempt) {
        (FromParam::Stem(stem), _) => stem_speaks(home, bound, stem),
        (FromParam::Absent, Attempt::CreateAe) => Ok(leave_to_registrar(bound, None)),
        (FromParam::Assign(letter), Attempt::CreateAe) => match bound {
            Some(ae) if ae.stem().kind() != *letter => {
                Err(Refusal::impersonation(RefusalReason::Impersonation))
            }
            _ => Ok(leave_to_registrar(bound, Some(*letter))),
        },
        (FromParam::Absent, Attempt::Other) => Err(Refusal::malformed(RefusalReason::Missing)),
        (FromParam::Malformed(_), _) => Err(Refusal::malformed(RefusalReason::Malformed)),
        (FromParam::Assign(_), Attempt::Other) | (FromParam::SpRelative(..) | FromParam::Absolute(..), _) => {
            Err(Refusal::malformed(RefusalReason::NotAStem))
        }
    }
}

/// An unbound association may not claim a stem of its own choice: whether that stem is another one's would
/// show in the answer, and the first to come would take it.
fn stem_speaks(home: &Home, bound: Option<&AeId>, stem: &AeIdStem) -> Result<Speaker, Refusal> {
    match bound {
        Some(ae) if *ae == AeId::of_stem(&home.cse, stem.clone()) => Ok(Speaker::Ae(ae.clone())),
        Some(_) => Err(Refusal::impersonation(RefusalReason::Impersonation)),
        None => Err(Refusal::impersonation(RefusalReason::Unbound)),
    }
}

fn leave_to_registrar(bound: Option<&AeId>, letter: Option<StemKind>) -> Speaker {
    bound.map_or(Speaker::Unassigned(letter), |ae| Speaker::Ae(ae.clone()))
}

/// Equality with the CSE's own identity is not required: a transit CSE forwards what its AEs say. What is
/// refused is everything that is neither its own nor below it.
fn cse_speaks(home: &Home, subject: Option<&EntityId>, from: &FromParam) -> Result<Speaker, Refusal> {
    match from {
        FromParam::Absent => return Err(Refusal::malformed(RefusalReason::Missing)),
        FromParam::Malformed(_) | FromParam::Assign(_) => {
            return Err(Refusal::malformed(RefusalReason::Malformed));
        }
        FromParam::Stem(_) => return Err(Refusal::impersonation(RefusalReason::Impersonation)),
        FromParam::SpRelative(..) | FromParam::Absolute(..) => {}
    }
    let Some(EntityId::Cse(cse)) = subject else {
        return Err(Refusal::impersonation(RefusalReason::Unbound));
    };
    if from.as_cse(home.cse.sp()).as_ref() == Some(cse) {
        return Ok(Speaker::Cse(cse.clone()));
    }
    match from.as_ae(&home.cse) {
        Some(ae) if ae.sp() == cse.sp() && ae.registrar() == Some(cse.name()) => {
            Ok(Speaker::Behind(cse.clone(), ae))
        }
        _ => Err(Refusal::impersonation(RefusalReason::Impersonation)),
    }
}

#[cfg(test)]
mod tests {
    use keys::CredentialId;
    use onem2m::{id::EntityKind, status::ResponseStatusCode as Rsc};

    use super::*;
    use crate::{Established, Framework};

    fn home() -> Home {
        Home { cse: "//example.org/mn-cse-123456".parse().unwrap(), cse_type: CseType::Mn }
    }

    fn peer(kind: EntityKind, subject: Option<&str>) -> Peer {
        let credential_id: CredentialId = "12-light1@home.example.org".parse().unwrap();
        let subject = subject.map(|text| EntityId::parse(kind, text).unwrap());
        let framework = Framework::ProvisionedKey;
        let established = Established { framework, credential_id, version: 1, kind, subject };
        Peer::new(established, "127.0.0.1:5000".parse().unwrap())
    }

    fn ask(peer: &Peer, from: Option<&str>, attempt: Attempt) -> Result<Speaker, Rsc> {
        check_originator(&home(), peer, &FromParam::parse(from), attempt).map_err(|refusal| refusal.rsc)
    }

    const LIGHT1: &str = "//example.org/mn-cse-123456/Clight1";
    const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;
    const BAD: Rsc = Rsc::BadRequest;

    /// TS-0003 §7.2.1, TS-0004 §7.3.2.1: inside an association an AE speaks for its own AE-ID alone.
    #[test]
    fn a_bound_ae_speaks_for_itself_alone() {
        let light1 = peer(EntityKind::Ae, Some(LIGHT1));
        let own = Ok(Speaker::Ae(LIGHT1.parse().unwrap()));
        for attempt in [Attempt::CreateAe, Attempt::Other] {
            assert_eq!(ask(&light1, Some("Clight1"), attempt), own);
            for other in ["Clight2", "clight1", "CLIGHT1", "Clight", "Clight11", "Slight1"] {
                let expected = if other.starts_with('c') { BAD } else { DENIED };
                assert_eq!(ask(&light1, Some(other), attempt), Err(expected), "{other}");
            }
            for not_a_stem in
                [LIGHT1, "/mn-cse-123456/Clight1", "/in-cse/Cphone1", "/mn-cse-999", "//example.org/in-cse"]
            {
                assert_eq!(ask(&light1, Some(not_a_stem), attempt), Err(BAD), "{not_a_stem}");
            }
            for malformed in ["Clight1 ", " Clight1", "C/light1", "C\0", "Clight1#", "é"] {
                assert_eq!(ask(&light1, Some(malformed), attempt), Err(BAD), "{malformed}");
            }
        }
    }

    /// Register A-26: the AE-ID known to the association is assigned if its first letter fits.
    #[test]
    fn a_registration_may_leave_the_choice_open() {
        let light1 = peer(EntityKind::Ae, Some(LIGHT1));
        let own = Ok(Speaker::Ae(LIGHT1.parse().unwrap()));
        for from in [None, Some(""), Some("C")] {
            assert_eq!(ask(&light1, from, Attempt::CreateAe), own, "{from:?}");
            assert_eq!(ask(&light1, from, Attempt::Other), Err(BAD), "{from:?}");
        }
        assert_eq!(ask(&light1, Some("S"), Attempt::CreateAe), Err(DENIED));
        let nobody = peer(EntityKind::Ae, None);
        assert_eq!(ask(&nobody, None, Attempt::CreateAe), Ok(Speaker::Unassigned(None)));
        let c = Speaker::Unassigned(Some(StemKind::C));
        assert_eq!(ask(&nobody, Some("C"), Attempt::CreateAe), Ok(c));
    }

    #[test]
    fn an_unbound_association_claims_no_stem() {
        let nobody = peer(EntityKind::Ae, None);
        for attempt in [Attempt::CreateAe, Attempt::Other] {
            assert_eq!(ask(&nobody, Some("Clight1"), attempt), Err(DENIED));
            assert_eq!(ask(&nobody, Some("Cnew"), attempt), Err(DENIED));
        }
        nobody.bind(&EntityId::Ae(LIGHT1.parse().unwrap())).unwrap();
        assert!(ask(&nobody, Some("Clight1"), Attempt::Other).is_ok());
        assert_eq!(ask(&nobody, Some("Cnew"), Attempt::Other), Err(DENIED));
        assert!(nobody.bind(&EntityId::Ae("//example.org/mn-cse-123456/Cnew".parse().unwrap())).is_err());
    }

    /// TS-0004 §7.3.2.1 and the project's rules for what it leaves open: a CSE speaks for itself and for
    /// the AEs below it, never for the receiver, another CSE or theirs.
    #[test]
    fn a_cse_speaks_for_itself_and_its_aes() {
        let gateway = peer(EntityKind::Cse, Some("//example.org/mn-7"));
        let cse: CseId = "//example.org/mn-7".parse().unwrap();
        for from in ["/mn-7", "//example.org/mn-7"] {
            assert_eq!(ask(&gateway, Some(from), Attempt::Other), Ok(Speaker::Cse(cse.clone())));
        }
        for from in ["/mn-7/Clight", "//example.org/mn-7/Clight"] {
            let behind = Speaker::Behind(cse.clone(), "//example.org/mn-7/Clight".parse().unwrap());
            assert_eq!(ask(&gateway, Some(from), Attempt::Other), Ok(behind));
        }
        for from in [
            "Clight",
            "Slight",
            "/Slight",
            "/mn-8",
            "/mn-8/Clight",
            "/mn-cse-123456",
            "/mn-cse-123456/Clight1",
            "//example.com/mn-7",
            "//example.com/mn-7/Clight",
            "/MN-7",
        ] {
            assert_eq!(ask(&gateway, Some(from), Attempt::Other), Err(DENIED), "{from}");
        }
        for from in [None, Some(""), Some("C"), Some("S"), Some("/"), Some("//")] {
            assert_eq!(ask(&gateway, from, Attempt::Other), Err(BAD), "{from:?}");
        }
        let unbound = peer(EntityKind::Cse, None);
        assert_eq!(ask(&unbound, Some("/mn-7"), Attempt::Other), Err(DENIED));
    }
}
