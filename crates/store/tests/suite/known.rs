//! CSE-IDs in whatever letter case.

use identity::Function;
use onem2m::id::{CseId, EntityId, EntityKind};
use store::{
    CredentialsMut as _, Enrolled, EnrolmentsMut as _, KnownCses as _, NewCredential, NewEnrolment,
    ResourcesMut as _, Store,
};

use crate::support::{key, psk_identity, resource};

type Open<'a> = &'a dyn Fn() -> Store;

fn cse(name: &str) -> CseId {
    format!("//sp.example.org/{name}").parse().unwrap()
}

pub(crate) fn cses_are_found_in_any_letter_case(open: Open<'_>) {
    let store = open();
    store
        .write_blocking("fill", |tx| {
            let mut by_key =
                NewCredential::new(Function::Cse, psk_identity("a@x.org"), key(1), EntityKind::Cse);
            by_key.entity = Some(EntityId::Cse(cse("MN-7")));
            let by_key = tx.add_credential(&by_key)?;
            let what = Enrolled::Certificate("32-mn-8.in.sp.example.org".parse().unwrap());
            let mut enrolled = NewEnrolment::new(Function::Cse, what, EntityKind::Cse);
            enrolled.subject = Some(EntityId::Cse(cse("Mn-7")));
            tx.add_enrolment(&enrolled)?;
            for (number, name) in ["mN-7", "Mn-7", "mn-70", "MN-9"].into_iter().enumerate() {
                let mut registered = resource(&format!("csr{number}"), "");
                registered.ty = 16;
                registered.creator = Some(cse(name).to_string());
                tx.insert(&registered)?;
            }
            // An AE, whatever it is called, is no CSE.
            let mut other = resource("ae", "");
            other.creator = Some(cse("mn-7").to_string());
            tx.insert(&other)?;
            tx.revoke(&by_key.credential_id)
        })
        .unwrap();
    let store = open();
    let found = |name: &str| {
        let sought = cse(name);
        store.read_blocking(move |reader| reader.cses_spelt_like(&sought)).unwrap()
    };
    assert_eq!(found("mn-7"), ["MN-7", "Mn-7", "mN-7"].map(cse));
    assert_eq!(found("mN-7"), ["mN-7", "MN-7", "Mn-7"].map(cse), "as written first");
    assert_eq!(found("mn-9"), [cse("MN-9")]);
    assert_eq!(found("mn-1"), []);
    let elsewhere: CseId = "//other.example.org/mn-7".parse().unwrap();
    assert_eq!(store.read_blocking(move |reader| reader.cses_spelt_like(&elsewhere)).unwrap(), []);
}

/// However many spellings there are, a few are given, and the one that was asked for among them.
pub(crate) fn spellings_are_bounded(open: Open<'_>) {
    let store = open();
    let spelt = |bits: usize| -> String {
        let letters = "abcde".chars().enumerate();
        letters.map(|(at, c)| if bits >> at & 1 == 1 { c.to_ascii_uppercase() } else { c }).collect()
    };
    store
        .write_blocking("fill", move |tx| {
            for bits in 0..32 {
                let mut registered = resource(&format!("csr{bits}"), "");
                registered.ty = 16;
                registered.creator = Some(cse(&spelt(bits)).to_string());
                tx.insert(&registered)?;
            }
            Ok(())
        })
        .unwrap();
    for bits in [0, 17, 31] {
        let sought = cse(&spelt(bits));
        let asked = sought.clone();
        let found = store.read_blocking(move |reader| reader.cses_spelt_like(&asked)).unwrap();
        assert_eq!((found.len(), found.first()), (8, Some(&sought)));
    }
}
