//! Keys that follow from Ke.

use keys::{EnrolmentTarget, Ke, Usage, UsageKey, nfkc as normal};
use onem2m::id::{AeDomainName, CseDomainName, EntityId, EntityKind, SpId};

use crate::section::{Entry, hmac};

fn ke(case: &Entry<'_>) -> Ke {
    Ke::new(case.secret("ke")).unwrap()
}

/// TS-0003 §10.3.2.
pub(crate) fn km_from_ke(section: &Entry<'_>) {
    for case in section.items("cases") {
        let octets = case.octets("maf_id_octets");
        assert_eq!(normal(case.text("maf_id")).as_bytes(), octets);
        let message = [section.text("label").as_bytes(), &octets].concat();
        assert_eq!(hmac(&case.octets("ke"), &message), case.octets("km"));
        let km = ke(&case).legacy_derivation().km(case.text("maf_id"));
        assert_eq!(km.expose(), case.octets("km"));
    }
}

/// TS-0003 §10.3.3.
pub(crate) fn kpsa_from_ke(section: &Entry<'_>) {
    for case in section.items("cases") {
        let text = case.text("enrolee_b_id");
        let kind =
            if text.contains("/mn-cse") && !text.contains("/C") { EntityKind::Cse } else { EntityKind::Ae };
        let enrolee_b = EntityId::parse(kind, text).unwrap();
        let message = [section.text("label"), text].concat();
        assert_eq!(hmac(&case.octets("ke"), message.as_bytes()), case.octets("kpsa"));
        let kpsa = ke(&case).legacy_derivation().kpsa(&enrolee_b).unwrap();
        assert_eq!(kpsa.expose(), case.octets("kpsa"));
    }
}

fn target(usage: Usage, text: &str) -> EnrolmentTarget {
    let sp: SpId = "//sp.example.com".parse().unwrap();
    if usage == Usage::REMOTE_MAF {
        return EnrolmentTarget::Maf(text.parse().unwrap());
    }
    AeDomainName::parse_in(text, &sp)
        .map(EnrolmentTarget::Ae)
        .or_else(|_| CseDomainName::parse_in(text, &sp).map(EnrolmentTarget::Cse))
        .unwrap()
}

fn usage(case: &Entry<'_>) -> Usage {
    Usage::from_code(case.number("suid").try_into().unwrap()).unwrap()
}

/// TS-0003 §10.3.7.
pub(crate) fn usage_constrained(section: &Entry<'_>) {
    let mut kinds = Vec::new();
    for case in section.items("cases") {
        let (usage, text) = (usage(&case), case.text("enrolment_target_id"));
        let message = format!("{}{usage}{text}", section.text("label"));
        assert_eq!(hmac(&case.octets("ke"), message.as_bytes()), case.octets("key"));
        let target = target(usage, text);
        assert_eq!(target.to_string(), text);
        let key = ke(&case).usage_constrained(usage, &target).unwrap();
        assert_eq!(key.expose(), case.octets("key"));
        kinds.push(match key {
            UsageKey::Km(_) => 21,
            UsageKey::Kpsa(_) => 22,
            UsageKey::PairwiseEsprim(_) => 23,
            UsageKey::EsdataEncryption(_) => 24,
            UsageKey::EsdataSignature(_) => 25,
            UsageKey::Kpm(_) | UsageKey::Kc(_) => panic!("not a key from Ke"),
        });
    }
    assert_eq!(kinds, [21, 22, 23, 24, 25]);
    let other = section.at("not_chosen_single_octet_suid");
    let (usage, text) = (usage(&other), other.text("enrolment_target_id"));
    assert_eq!(other.octets("suid_octets"), [usage.code()]);
    let ke = ke(&section.items("cases")[0]);
    let ours = ke.usage_constrained(usage, &target(usage, text)).unwrap();
    assert_ne!(ours.expose(), other.octets("key"), "the reading that was not chosen");
}

/// TS-0003 §10.3.2, §10.3.3, §10.3.7.
pub(crate) fn nfkc(section: &Entry<'_>) {
    for case in section.items("cases") {
        let input = String::from_utf8(case.octets("input_utf8")).unwrap();
        let (name, output) = (case.text("name"), normal(&input));
        assert_eq!(output.as_bytes(), case.octets("output_utf8"), "{name}");
        assert_eq!(output != input, case.flag("changed"), "{name}");
    }
}
