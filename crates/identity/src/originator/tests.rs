use std::sync::Arc;

use keys::CredentialId;
use onem2m::{id::EntityKind, status::ResponseStatusCode as Rsc};

use super::*;
use crate::{Established, Framework};

fn home() -> Home {
    Home { cse: "//example.org/mn-cse-123456".parse().unwrap(), cse_type: CseType::Mn }
}

fn peer(kind: EntityKind, subject: Option<&str>) -> Peer {
    Peer::new(established(kind, subject), "127.0.0.1:5000".parse().unwrap())
}

fn established(kind: EntityKind, subject: Option<&str>) -> Established {
    let credential_id: CredentialId = "12-light1@home.example.org".parse().unwrap();
    let subject = subject.map(|text| EntityId::parse(kind, text).unwrap());
    Established {
        framework: Framework::ProvisionedKey,
        credential_id: Some(credential_id),
        version: 1,
        kind: Some(kind),
        subject,
        allowed: Vec::new(),
        not_after: None,
    }
}

fn channel(kind: EntityKind, subject: Option<&str>) -> Channel {
    Channel::Association(Arc::new(peer(kind, subject)))
}

fn ask(channel: &Channel, from: Option<&str>, attempt: Attempt) -> Result<Speaker, Rsc> {
    ask_knowing(channel, from, attempt, &Known::default())
}

fn ask_knowing(
    channel: &Channel,
    from: Option<&str>,
    attempt: Attempt,
    known: &Known<'_>,
) -> Result<Speaker, Rsc> {
    check_originator(&home(), channel, &FromParam::parse(from), attempt, known).map_err(|refusal| refusal.rsc)
}

const ATTEMPTS: [Attempt; 3] = [Attempt::CreateAe, Attempt::CreateRemoteCse, Attempt::Other];
const REQUIRED: Rsc = Rsc::SecurityAssociationRequired;
const LIGHT1: &str = "//example.org/mn-cse-123456/Clight1";
const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;
const BAD: Rsc = Rsc::BadRequest;

/// TS-0003 §7.2.1, TS-0004 §7.3.2.1: inside an association an AE speaks for its own AE-ID alone.
#[test]
fn a_bound_ae_speaks_for_itself_alone() {
    let light1 = channel(EntityKind::Ae, Some(LIGHT1));
    let own = Ok(Speaker::Ae(LIGHT1.parse().unwrap()));
    for attempt in ATTEMPTS {
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
    let light1 = channel(EntityKind::Ae, Some(LIGHT1));
    let own = Ok(Speaker::Ae(LIGHT1.parse().unwrap()));
    for from in [None, Some(""), Some("C")] {
        assert_eq!(ask(&light1, from, Attempt::CreateAe), own, "{from:?}");
        assert_eq!(ask(&light1, from, Attempt::Other), Err(BAD), "{from:?}");
    }
    assert_eq!(ask(&light1, Some("S"), Attempt::CreateAe), Err(DENIED));
    let nobody = channel(EntityKind::Ae, None);
    assert_eq!(ask(&nobody, None, Attempt::CreateAe), Ok(Speaker::Unassigned(None)));
    let c = Speaker::Unassigned(Some(StemKind::C));
    assert_eq!(ask(&nobody, Some("C"), Attempt::CreateAe), Ok(c));
}

/// What it asks for, service rules decide; until then it has no name to speak in.
#[test]
fn an_unbound_association_may_ask_for_a_stem_and_do_nothing_else() {
    let peer = Arc::new(peer(EntityKind::Ae, None));
    let nobody = Channel::Association(Arc::clone(&peer));
    for stem in ["Clight1", "Cnew", "Snew"] {
        let claimed = AeId::of_stem(&home().cse, stem.parse().unwrap());
        assert_eq!(ask(&nobody, Some(stem), Attempt::CreateAe), Ok(Speaker::Claim(claimed)));
        assert_eq!(ask(&nobody, Some(stem), Attempt::Other), Err(DENIED));
        assert_eq!(ask(&nobody, Some(stem), Attempt::CreateRemoteCse), Err(DENIED));
    }
    peer.bind(&EntityId::Ae(LIGHT1.parse().unwrap())).unwrap();
    assert!(ask(&nobody, Some("Clight1"), Attempt::Other).is_ok());
    for attempt in ATTEMPTS {
        assert_eq!(ask(&nobody, Some("Cnew"), attempt), Err(DENIED));
    }
    assert!(peer.bind(&EntityId::Ae("//example.org/mn-cse-123456/Cnew".parse().unwrap())).is_err());
}

/// X9 to X13: TS-0004 §7.3.2.1 and the project's rules for what it leaves open. A CSE speaks for itself and
/// for what is below it, never for the receiver, another CSE or theirs.
#[test]
fn a_cse_speaks_for_itself_and_its_aes() {
    let gateway = channel(EntityKind::Cse, Some("//example.org/mn-7"));
    let cse: CseId = "//example.org/mn-7".parse().unwrap();
    for from in ["/mn-7", "//example.org/mn-7"] {
        for attempt in ATTEMPTS {
            assert_eq!(ask(&gateway, Some(from), attempt), Ok(Speaker::Cse(cse.clone())));
        }
    }
    for from in ["/mn-7/Clight", "//example.org/mn-7/Clight"] {
        let ae = EntityId::Ae("//example.org/mn-7/Clight".parse().unwrap());
        assert_eq!(ask(&gateway, Some(from), Attempt::Other), Ok(Speaker::Behind(cse.clone(), ae)));
        assert_eq!(ask(&gateway, Some(from), Attempt::CreateRemoteCse), Err(DENIED));
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
        for attempt in ATTEMPTS {
            assert_eq!(ask(&gateway, Some(from), attempt), Err(DENIED), "{from}");
        }
    }
    for from in [None, Some(""), Some("C"), Some("S"), Some("/"), Some("//")] {
        assert_eq!(ask(&gateway, from, Attempt::Other), Err(BAD), "{from:?}");
    }
    let unbound = channel(EntityKind::Cse, None);
    for from in ["/mn-7", "/mn-7/Clight", "//example.org/mn-7"] {
        assert_eq!(ask(&unbound, Some(from), Attempt::Other), Err(REQUIRED), "{from}");
    }
    assert_eq!(ask(&unbound, Some("Clight"), Attempt::Other), Err(DENIED));
}

/// The routing list of a registree opens the names in it and those below them; not the receiver's own, even
/// if the list has it, and no registration.
#[test]
fn a_cse_speaks_for_its_descendants() {
    let gateway = channel(EntityKind::Cse, Some("//example.org/mn-7"));
    let cse: CseId = "//example.org/mn-7".parse().unwrap();
    let below: CseId = "//example.org/asn-3".parse().unwrap();
    let listed = [below.clone(), home().cse];
    let known = Known { descendants: &listed, ..Known::default() };
    let ask = |from, attempt| ask_knowing(&gateway, Some(from), attempt, &known);
    let behind = |entity| Ok(Speaker::Behind(cse.clone(), entity));
    assert_eq!(ask("/asn-3", Attempt::Other), behind(EntityId::Cse(below)));
    let ae = EntityId::Ae("//example.org/asn-3/Clamp".parse().unwrap());
    assert_eq!(ask("/asn-3/Clamp", Attempt::Other), behind(ae));
    assert_eq!(ask("/asn-3", Attempt::CreateRemoteCse), Err(DENIED), "F-22");
    for from in ["/mn-cse-123456", "/mn-cse-123456/Clight1", "/asn-4", "/asn-4/Clamp", "Clamp", "/Slamp"] {
        assert_eq!(ask(from, Attempt::Other), Err(DENIED), "{from}");
    }
    let Channel::Association(peer) = &gateway else { panic!() };
    let asked = |from| behind_which(&home(), peer, &FromParam::parse(Some(from))).map(|cse| cse.to_string());
    assert_eq!(asked("/asn-3").as_deref(), Some("//example.org/asn-3"));
    assert_eq!(asked("/asn-3/Clamp").as_deref(), Some("//example.org/asn-3"));
    for decided in ["/mn-7", "/mn-7/Clamp", "/mn-cse-123456", "/mn-cse-123456/Clight1", "Clamp"] {
        assert_eq!(asked(decided), None, "{decided}");
    }
}

/// TS-0003 §8.2.1, SA2: from the receiver's own Registrar comes what anybody says who is not at or below the
/// receiver; never the receiver's own name, nor a bare stem.
#[test]
fn the_registrar_forwards_for_the_rest_of_the_world() {
    let infrastructure = channel(EntityKind::Cse, Some("//example.org/in-cse"));
    let above = Known { from_above: true, ..Known::default() };
    for from in ["/mn-7", "/mn-7/Clamp", "//example.com/x/Cy", "//example.com/x", "/Sabc"] {
        assert_eq!(ask(&infrastructure, Some(from), Attempt::Other), Err(DENIED), "{from}");
        let speaker = ask_knowing(&infrastructure, Some(from), Attempt::Other, &above);
        assert!(matches!(speaker, Ok(Speaker::Behind(..))), "{from}: {speaker:?}");
        let registering = ask_knowing(&infrastructure, Some(from), Attempt::CreateRemoteCse, &above);
        assert_eq!(registering, Err(DENIED), "{from}");
    }
    for from in ["/mn-cse-123456", "/mn-cse-123456/Clight1", "//example.org/mn-cse-123456/Clight1", "Cphone1"]
    {
        assert_eq!(ask_knowing(&infrastructure, Some(from), Attempt::Other, &above), Err(DENIED), "{from}");
    }
    let phone = ask_knowing(&infrastructure, Some("/in-cse/Cphone1"), Attempt::Other, &above);
    assert!(matches!(phone, Ok(Speaker::Behind(_, EntityId::Ae(_)))));
    let itself = ask_knowing(&infrastructure, Some("/in-cse"), Attempt::Other, &above);
    assert_eq!(itself, Ok(Speaker::Cse("//example.org/in-cse".parse().unwrap())));
}

/// TS-0004 §7.3.2.1 outside of an association, on a trusted endpoint: the AE that this local peer registered,
/// and the registration of a new one.
#[test]
fn a_local_peer_speaks_for_what_it_registered() {
    let holder = OsPeer::Account(1000);
    let local = Channel::Local(holder.clone());
    let gw = AeId::of_stem(&home().cse, "Cgw".parse().unwrap());
    let own = Known { local_holder: Some(&holder), ..Known::default() };
    for attempt in ATTEMPTS {
        assert_eq!(ask_knowing(&local, Some("Cgw"), attempt, &own), Ok(Speaker::Ae(gw.clone())));
    }
    let sibling = Channel::Local(OsPeer::Process { uid: 1000, pid: 7 });
    for (channel, known) in [(&sibling, own), (&local, Known::default())] {
        let claim = ask_knowing(channel, Some("Cgw"), Attempt::CreateAe, &known);
        assert_eq!(claim, Ok(Speaker::Claim(gw.clone())));
        for attempt in [Attempt::Other, Attempt::CreateRemoteCse] {
            assert_eq!(ask_knowing(channel, Some("Cgw"), attempt, &known), Err(DENIED));
        }
    }
    assert_eq!(ask(&local, None, Attempt::CreateAe), Ok(Speaker::Unassigned(None)));
    let c = Speaker::Unassigned(Some(StemKind::C));
    assert_eq!(ask(&local, Some("C"), Attempt::CreateAe), Ok(c));
}

/// X5 to X7, registers A-54 and F-21: in the clear nothing is possible, on a trusted endpoint no CSE.
#[test]
fn outside_of_an_association() {
    let local = Channel::Local(OsPeer::Connection(1));
    let clear = Channel::Clear("192.0.2.9:80".parse().unwrap());
    for channel in [&local, &clear] {
        for attempt in ATTEMPTS {
            for from in ["/mn-cse-123456", "/mn-7", "//example.org/mn-7", "/mn-7/Clight1", "/Sabc"] {
                assert_eq!(ask(channel, Some(from), attempt), Err(REQUIRED), "{from}");
            }
            for from in ["x y", "/", "clight"] {
                assert_eq!(ask(channel, Some(from), attempt), Err(BAD), "{from}");
            }
        }
        for from in ["Cunknown", "Clight1", "Sabc"] {
            assert_eq!(ask(channel, Some(from), Attempt::Other), Err(DENIED), "{from}");
        }
        for from in [None, Some(""), Some("C"), Some("S")] {
            assert_eq!(ask(channel, from, Attempt::Other), Err(BAD), "{from:?}");
        }
    }
    for from in [None, Some("C"), Some("S"), Some("Cunknown"), Some("Clight1")] {
        assert_eq!(ask(&clear, from, Attempt::CreateAe), Err(REQUIRED), "{from:?}");
    }
}

/// F-12: before its token a session may say nothing at all.
#[test]
fn a_session_without_its_token_is_nobodys() {
    let peer = Peer::new(Established::by_nothing(), "127.0.0.1:5000".parse().unwrap());
    let channel = Channel::Association(Arc::new(peer));
    for attempt in ATTEMPTS {
        for from in
            [None, Some(""), Some("C"), Some("Clight1"), Some("/mn-7"), Some("x y"), Some("/mn-7/Clamp")]
        {
            assert_eq!(ask(&channel, from, attempt), Err(REQUIRED), "{from:?}");
        }
    }
}

/// TS-0003 §8.2.1, §7.2.1: a device or Node-ID certificate with a list speaks as its members and no other.
#[test]
fn a_list_of_aes_speaks_as_each_of_them() {
    let of = |stem: &str| AeId::of_stem(&home().cse, stem.parse().unwrap());
    let foreign: AeId = "//example.org/in-cse/Cphone1".parse().unwrap();
    let allowed = vec![of("Cone"), of("Stwo"), foreign];
    let established = Established { allowed, ..established(EntityKind::Ae, None) };
    let channel = Channel::Association(Arc::new(Peer::new(established, "127.0.0.1:5000".parse().unwrap())));
    for attempt in ATTEMPTS {
        for own in ["Cone", "Stwo"] {
            assert_eq!(ask(&channel, Some(own), attempt), Ok(Speaker::Ae(of(own))));
        }
        for other in ["Cthree", "Cphone1", "Sone", "CONE"] {
            assert_eq!(ask(&channel, Some(other), attempt), Err(DENIED), "{other}");
        }
        assert_eq!(ask(&channel, Some("/mn-cse-123456/Cone"), attempt), Err(BAD));
    }
    assert_eq!(ask(&channel, None, Attempt::CreateAe), Ok(Speaker::Unassigned(None)), "none is picked");
    let only = Established { allowed: vec![of("Cone")], ..self::established(EntityKind::Ae, None) };
    let only = Channel::Association(Arc::new(Peer::new(only, "127.0.0.1:5000".parse().unwrap())));
    for from in [None, Some("C"), Some("Cone")] {
        assert_eq!(ask(&only, from, Attempt::CreateAe), Ok(Speaker::Ae(of("Cone"))), "{from:?}");
    }
    assert_eq!(ask(&only, Some("S"), Attempt::CreateAe), Err(DENIED));
    assert_eq!(ask(&only, Some("Ctwo"), Attempt::CreateAe), Err(DENIED));
    assert_eq!(ask(&channel, None, Attempt::Other), Err(BAD));
}
