//! Credential-IDs and the patterns that match them.

use keys::{
    CertificateName, CertificateUse, CredentialId, CredentialKind, KeyError,
    pattern::{CredentialPattern, EntityPattern},
};
use onem2m::id::{AeDomainName, CseDomainName, SpId};

use crate::section::Entry;

fn made(code: usize, value: &str) -> CredentialId {
    let sp: SpId = "//sp.example.com".parse().unwrap();
    let name = match code {
        10 => return CredentialId::mef_key(&value.parse().unwrap()),
        11 => return CredentialId::maf_key(&value.parse().unwrap()),
        12 => return CredentialId::saef_key(&value.parse().unwrap()),
        30 => CertificateName::RawPublicKey(value.parse().unwrap()),
        31 => CertificateName::Device(value.parse().unwrap()),
        32 => CertificateName::CseId(CseDomainName::parse_in(value, &sp).unwrap()),
        33 => CertificateName::AeId(AeDomainName::parse_in(value, &sp).unwrap()),
        34 => CertificateName::NodeId(value.parse().unwrap()),
        other => panic!("type {other}"),
    };
    CredentialId::certificate(CertificateUse::Tls, &name)
}

/// TS-0003 §10.4, §12.2, §12.3.2.1.
pub(crate) fn credential_id(section: &Entry<'_>) {
    for case in section.items("form") {
        let (of, code, value) = (case.text("of"), case.number("type_id"), case.text("value"));
        let id = made(code, value);
        assert_eq!(id.as_str(), case.text("credential_id"), "{of}");
        assert_eq!((usize::from(id.kind().code()), id.value()), (code, value));
    }
    let label = section.at("aeannc_label");
    let id: CredentialId = label.text("credential_id").parse().unwrap();
    assert_eq!(id.kind(), CredentialKind::SaefKey);
    assert_eq!(CredentialId::announcement_label(Some(&id)), label.text("label"));
    assert_eq!(CredentialId::announcement_label(None), label.text("label_without_security_association"));
    for case in section.items("parse") {
        let text = case.text("text");
        let id = text.parse::<CredentialId>().ok();
        assert_eq!(id.is_some(), case.flag("valid"), "{text}");
        assert_eq!(id.as_ref().map(|id| u64::from(id.kind().code())), case.number_if_any("type_id"));
        assert_eq!(id.as_ref().map(CredentialId::value), case.text_if_any("value"));
    }
}

/// TS-0003 §7.1.3, TS-0001 §9.6.29.
pub(crate) fn wildcard(section: &Entry<'_>) {
    let mut credentials = 0;
    for case in section.items("cases") {
        let (pattern, value, fits) = (case.text("pattern"), case.text("value"), case.flag("match"));
        let entities: EntityPattern = pattern.parse().unwrap();
        assert_eq!(entities.matches(value), fits, "{pattern} {value}");
        let parsed: Result<CredentialId, KeyError> = value.parse();
        if let Ok(id) = parsed {
            assert_eq!(pattern.parse::<CredentialPattern>().unwrap().matches(&id), fits, "{pattern} {id}");
            credentials += 1;
        }
    }
    assert_eq!(credentials, 2);
}
