//! Steps Recv-6.0.1 and 6.0.2: may this AE register, and under which AE-ID (TS-0001 §10.2.2.2 steps 003 and
//! 004, TS-0004 §7.3.2.7).

use identity::{
    Admitted, Applicant, Channel, CseType, RefusalReason, RuleBook, Speaker, StemPattern, Wanted,
};
use onem2m::{
    id::{AeId, AeIdStem, RoleId, StemKind},
    status::ResponseStatusCode,
};

use crate::{
    refuse::{Decided, Refuse},
    settings::{ServiceSubscription, Settings},
    subscription::Profile,
};

/// Octets of randomness that a registration takes along: for four stems of 64 bits.
pub(crate) const RANDOM_OCTETS: usize = 32;

/// Which AE-ID a registration is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The one that the sender is known by.
    Known(AeId),
    /// This one, if it is nobody's: the sender asked for it, or a rule names it.
    Given(AeId),
    /// One that has yet to be drawn.
    Fresh(StemKind, Vec<StemPattern>),
    /// One of type S that the IN-CSE would have to hear of, which `<AEAnnc>` is for (cases a, b and e of
    /// TS-0001 §10.2.2.2): there is none yet. To be said in its place among the checks.
    NeedsAnnouncement,
}

/// The rules that bind registrations; `None` while none are enforced.
pub(crate) fn rules<'a>(settings: &Settings, profile: &'a Profile) -> Decided<Option<&'a RuleBook>> {
    match (profile, settings.service_subscription) {
        (Profile::Rules(book), _) => Ok(Some(book)),
        (Profile::None, ServiceSubscription::Auto) => Ok(None),
        (Profile::None, ServiceSubscription::Enforce) | (Profile::NoNode, _) => Err(Refuse::new(
            ResponseStatusCode::ServiceSubscriptionNotEstablished,
            "no service subscription is provisioned for this CSE (TS-0004 §7.3.2.7)",
        )),
    }
}

/// Decides whether `speaker`, on `channel`, may register an AE with this App-ID and in these roles, and what it will
/// be called.
pub(crate) fn choose(
    settings: &Settings,
    channel: &Channel,
    speaker: &Speaker,
    rules: Option<&RuleBook>,
    app_id: &str,
    roles: &[RoleId],
) -> Decided<Choice> {
    if rules.is_none() && !roles.is_empty() {
        return Err(Refuse::not_implemented("rids: no service rules say which roles are allowed"));
    }
    let applicant = Applicant { credential: channel.credential_id(), app_id, roles };
    let admitted = |wanted| rules.map(|book| book.admit(&applicant, wanted)).transpose();
    let is_in = settings.home.cse_type == CseType::In;
    let announced = |letter: StemKind| letter == StemKind::S && !is_in;
    match speaker {
        Speaker::Ae(ae) => {
            admitted(Wanted::Known(ae.stem()))?;
            Ok(Choice::Known(ae.clone()))
        }
        Speaker::Claim(ae) => {
            let kind = ae.stem().kind();
            match (admitted(Wanted::Claimed(ae.stem()))?, channel) {
                // What the operator wrote down letter by letter needs no announcement to be unique.
                (Some(Admitted::Exactly { named: true, .. }), _) => Ok(Choice::Given(ae.clone())),
                // Without a rule to say which key may take which name, the first to come would take it.
                (None, Channel::Association(_) | Channel::Clear(_)) => Err(Refuse::new(
                    ResponseStatusCode::OriginatorNotAuthenticated,
                    RefusalReason::Unbound.to_string(),
                )),
                _ if announced(kind) => Ok(Choice::NeedsAnnouncement),
                _ => Ok(Choice::Given(ae.clone())),
            }
        }
        Speaker::Unassigned(letter) => match admitted(Wanted::Open(*letter))? {
            Some(Admitted::Exactly { stem, .. }) if !announced(stem.kind()) => {
                Ok(Choice::Given(AeId::of_stem(&settings.home.cse, stem)))
            }
            Some(Admitted::Fresh { letter, patterns }) if !announced(letter) => {
                Ok(Choice::Fresh(letter, patterns))
            }
            None if !letter.is_some_and(announced) => {
                Ok(Choice::Fresh(letter.unwrap_or(StemKind::C), Vec::new()))
            }
            _ => Ok(Choice::NeedsAnnouncement),
        },
        Speaker::Cse(_) | Speaker::Behind(..) => {
            Err(Refuse::not_allowed("a CSE does not register as an AE (TS-0004 §7.4.5.2.1)"))
        }
    }
}

/// What an AE-ID of type S is told while there is no `<AEAnnc>`.
pub(crate) fn no_announcement() -> Refuse {
    Refuse::not_implemented("an AE-ID of type S needs <AEAnnc> at the IN-CSE, which is not supported")
}

/// AE-IDs made of `random`, to be tried in this order: of `letter`, and fitting one of `patterns` if there are
/// any.
pub(crate) fn candidates(
    settings: &Settings,
    letter: StemKind,
    patterns: &[StemPattern],
    random: [u8; RANDOM_OCTETS],
) -> Vec<AeId> {
    let stem = |octets: &[u8]| {
        let drawn = hex(octets);
        if patterns.is_empty() {
            return AeIdStem::issue(letter, &drawn).ok();
        }
        patterns.iter().find_map(|pattern| pattern.issue(letter, &drawn))
    };
    let stems = random.chunks_exact(8).filter_map(stem);
    stems.map(|stem| AeId::of_stem(&settings.home.cse, stem)).collect()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
