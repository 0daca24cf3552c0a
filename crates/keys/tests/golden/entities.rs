//! Identifiers of entities, which derivations and Credential-IDs take in: `onem2m` reads them as the vectors
//! say.

use onem2m::id::{AeDomainName, AeId, AeIdStem, CseDomainName, CseId, CseName, SpId, StemKind};

use crate::section::Entry;

/// TS-0004 §6.2.3, in the narrow alphabet.
fn classify(text: &str) -> String {
    if text.parse::<SpId>().is_ok() {
        return "sp-id".to_owned();
    }
    if let Some(stem) = text.parse::<AeIdStem>().ok().filter(AeIdStem::is_narrow) {
        return format!("stem-{}", stem.kind().letter().to_ascii_lowercase());
    }
    let home = "//home.example.org".parse().unwrap();
    let cse = CseId::parse_in(text, &home).ok().filter(CseId::is_narrow);
    let ae = AeId::parse_in(text, &home).ok().filter(AeId::is_narrow);
    let form = match (cse, ae.map(|ae| ae.stem().kind())) {
        (Some(_), Some(StemKind::S)) => "cse-or-ae-s",
        (Some(_), None) => "cse",
        (None, Some(StemKind::C)) => "ae-c",
        (None, None) => return "invalid".to_owned(),
        (Some(_), Some(StemKind::C)) | (None, Some(StemKind::S)) => panic!("{text} is two things"),
    };
    format!("{}-{form}", if text.starts_with("//") { "absolute" } else { "sp" })
}

fn cse(case: &Entry<'_>, name: &str) -> CseId {
    let sp: SpId = format!("//{}", case.text("sp")).parse().unwrap();
    CseId::parse_in(case.text(name), &sp).unwrap()
}

fn domain(cse: &CseId, infrastructure: &CseName) -> Option<CseDomainName> {
    if cse.name() == infrastructure {
        return CseDomainName::of_infrastructure(cse).ok();
    }
    CseDomainName::of_field(cse, infrastructure).ok()
}

/// TS-0004 §6.2.3, TS-0001 §7.2, §6.5.1.1.
pub(crate) fn entity_ids(section: &Entry<'_>) {
    for case in section.items("classify") {
        assert_eq!(classify(case.text("id")), case.text("kind"), "{}", case.text("id"));
    }
    for case in section.items("to_absolute_ae") {
        let ae = AeId::of_stem(&cse(&case, "registrar"), case.text("stem").parse().unwrap());
        assert_eq!(ae.to_string(), case.text("absolute"));
    }
    for case in section.items("cse_domain") {
        let name = domain(&cse(&case, "cse"), cse(&case, "in_cse").name());
        assert_eq!(name.map(|name| name.to_string()).as_deref(), case.text_if_any("domain"));
    }
    for case in section.items("ae_domain") {
        let registrar = domain(&cse(&case, "registrar"), cse(&case, "in_cse").name()).unwrap();
        let name = AeDomainName::of_registrar(&registrar, &case.text("stem").parse().unwrap()).ok();
        assert_eq!(name.map(|name| name.to_string()).as_deref(), case.text_if_any("domain"));
    }
}
