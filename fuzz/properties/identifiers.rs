//! What holds for every text that is read as an identifier, an address or a time. Run by the fuzzer, and on
//! the seeds by the tests of `onem2m`.

use onem2m::address::Target;
use onem2m::id::{
    AeDomainName, AeId, AeIdStem, AppId, CseDomainName, CseId, CseName, EntityId, EntityKind, Fqdn,
    FromParam, MAX_ID, NodeId, ResourceName, SpId,
};
use onem2m::resource::PointOfAccess;
use onem2m::time::{AbsRelTimestamp, ResultPersistence, Timestamp, XsDuration};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// Reads `data` as everything; what can be read can be written and read again, unchanged.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    identifier::<Fqdn>(text);
    identifier::<SpId>(text);
    identifier::<CseName>(text);
    identifier::<CseId>(text);
    identifier::<AeIdStem>(text);
    identifier::<AeId>(text);
    identifier::<AppId>(text);
    identifier::<NodeId>(text);
    identifier::<ResourceName>(text);
    verbatim::<Target>(text);
    verbatim::<PointOfAccess>(text);
    verbatim::<XsDuration>(text);
    round_trip::<Timestamp>(text);
    round_trip::<AbsRelTimestamp>(text);
    round_trip::<ResultPersistence>(text);
    from_param(text);
    in_domain(text);
}

/// An identifier is written as it was read, and within the common bound.
fn identifier<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    verbatim::<T>(text);
    if text.parse::<T>().is_ok() {
        assert!(text.len() <= MAX_ID);
    }
}

fn verbatim<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) {
    if let Some(value) = round_trip::<T>(text) {
        assert_eq!(value.to_string(), text);
    }
}

fn round_trip<T: FromStr<Err: Display> + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
            Some(value)
        }
        Err(error) => {
            assert!(error.to_string().len() < 1024, "an error message grows with its input");
            assert!(
                !error.to_string().contains(char::is_control),
                "an error message repeats control characters"
            );
            None
        }
    }
}

fn from_param(text: &str) {
    let registrar: CseId = "//home.example/in-cse".parse().expect("a CSE-ID");
    let from = FromParam::parse(Some(text));
    if !matches!(from, FromParam::Malformed(_)) {
        assert_eq!(from.to_string(), text);
    }
    for (kind, id) in [
        (EntityKind::Cse, from.as_cse(registrar.sp()).map(EntityId::from)),
        (EntityKind::Ae, from.as_ae(&registrar).map(EntityId::from)),
    ] {
        if let Some(id) = id {
            assert_eq!(id.kind(), kind);
            let absolute = id.to_string();
            assert!(absolute.len() <= MAX_ID);
            assert_eq!(EntityId::parse(kind, &absolute).as_ref(), Ok(&id));
            // The absolute form of an originator means the same originator.
            let again = FromParam::parse(Some(&absolute));
            match kind {
                EntityKind::Cse => assert_eq!(again.as_cse(registrar.sp()).map(EntityId::from), Some(id)),
                EntityKind::Ae => assert_eq!(again.as_ae(&registrar).map(EntityId::from), Some(id)),
            }
        }
    }
}

fn in_domain(text: &str) {
    let sp: SpId = "//home.example".parse().expect("an M2M-SP-ID");
    if let Ok(name) = CseDomainName::parse_in(text, &sp) {
        assert!(name.to_string().eq_ignore_ascii_case(text));
        assert_eq!(CseDomainName::parse_in(&name.to_string(), &sp).as_ref(), Ok(&name));
        assert_eq!(name.cse_id().sp(), &sp);
    }
    if let Ok(name) = AeDomainName::parse_in(text, &sp) {
        assert!(name.to_string().eq_ignore_ascii_case(text));
        assert_eq!(AeDomainName::parse_in(&name.to_string(), &sp).as_ref(), Ok(&name));
        assert_eq!(name.ae_id().sp(), &sp);
    }
    for (kind, parsed) in [
        (EntityKind::Cse, CseId::parse_in(text, &sp).map(EntityId::from)),
        (EntityKind::Ae, AeId::parse_in(text, &sp).map(EntityId::from)),
    ] {
        if let Ok(id) = parsed {
            assert_eq!(EntityId::parse(kind, &id.to_string()), Ok(id));
        }
    }
}
