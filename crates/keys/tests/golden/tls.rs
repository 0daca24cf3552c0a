//! What comes out of a TLS 1.2 session. The PRF stands here and only here: in the product it is OpenSSL's.

use keys::{
    BootstrapExport, ConnectionExport, DraftKeyKind, EsCertKeExport, ExporterLabel, KeyGeneration, Kpsa,
    KpsaId, PskIdentity, RelativeKeyId, Secret, Usage, UsageKey, kca_id,
};
use onem2m::id::{EntityId, EntityKind};

use crate::section::{Entry, hmac};

const LABELS: [ExporterLabel; 4] = [
    ExporterLabel::Bootstrap,
    ExporterLabel::Connection,
    ExporterLabel::EsCertKe,
    ExporterLabel::KeyGeneration,
];

fn label_of(case: &Entry<'_>) -> ExporterLabel {
    let text = case.text("label");
    LABELS.into_iter().find(|label| label.as_str() == text).unwrap()
}

/// The PRF of TLS 1.2 with SHA-256 (RFC 5246 §5).
fn prf(secret: &[u8], label: &str, seed: &[u8], octets: usize) -> Vec<u8> {
    let seed = [label.as_bytes(), seed].concat();
    let (mut output, mut a) = (Vec::new(), seed.clone());
    while output.len() < octets {
        a = hmac(secret, &a);
        output.extend(hmac(secret, &[a.clone(), seed.clone()].concat()));
    }
    output.truncate(octets);
    output
}

struct Session {
    master_secret: Vec<u8>,
    randoms: Vec<u8>,
}

impl Session {
    fn of(entry: &Entry<'_>) -> Self {
        let randoms = [entry.octets("client_random"), entry.octets("server_random")].concat();
        Self { master_secret: entry.octets("master_secret"), randoms }
    }

    /// RFC 5705 §4: an absent context adds nothing, a present one its length too.
    fn export(&self, label: ExporterLabel, context: Option<&[u8]>) -> Vec<u8> {
        let mut seed = self.randoms.clone();
        if let Some(context) = context {
            seed.extend(u16::try_from(context.len()).unwrap().to_be_bytes());
            seed.extend(context);
        }
        prf(&self.master_secret, label.as_str(), &seed, label.octets())
    }
}

fn check_split(case: &Entry<'_>, label: ExporterLabel, output: Vec<u8>) {
    let (id_field, key_field) = (case.text("id_field"), case.text("key_field"));
    let output = Secret::new(output);
    let (fields, id, key) = match label {
        ExporterLabel::Bootstrap => {
            let export = BootstrapExport::new(output).unwrap();
            (("RelativeKeID", "Ke"), *export.relative_ke_id.octets(), export.ke.expose().to_vec())
        }
        ExporterLabel::Connection => {
            let export = ConnectionExport::new(output).unwrap();
            let id = *export.kc_id().octets();
            let UsageKey::Kc(kc) = export.into_key(Usage::MAF_ASSOCIATION).unwrap() else { panic!("no Kc") };
            (("KcID", "Kc"), id, kc.expose().to_vec())
        }
        ExporterLabel::EsCertKe => {
            let export = EsCertKeExport::new(output).unwrap();
            (("pairwiseE2EKeyID", "pairwiseE2EKey"), *export.key_id.octets(), export.key.expose().to_vec())
        }
        ExporterLabel::KeyGeneration => panic!("it has no identifier in its output"),
    };
    assert_eq!((id_field, key_field), fields);
    assert_eq!(id.to_vec(), case.octets(id_field));
    assert_eq!(key, case.octets(key_field));
}

/// TS-0003 §10.3.1.
pub(crate) fn tls12_exporter(section: &Entry<'_>) {
    assert_eq!(section.text("prf_hash"), "SHA-256");
    let session = Session::of(section);
    for case in section.items("cases") {
        let label = label_of(&case);
        assert_eq!(label.octets(), case.number("length"));
        assert_eq!(case.text_if_any("context").is_some(), label.has_context());
        let output = session.export(label, None);
        assert_eq!(output, case.octets("output"));
        check_split(&case, label, output);
    }
    let negative = section.at("negative_zero_length_context");
    let empty = session.export(label_of(&negative), Some(&negative.octets("context")));
    assert_eq!(empty, negative.octets("output"));
    assert_ne!(empty, session.export(label_of(&negative), None));
    capture(&section.at("openssl_capture"));
    capture_with_context(&section.at("openssl_capture_context"));
}

fn capture(capture: &Entry<'_>) {
    let output = Session::of(capture).export(label_of(capture), None);
    assert_eq!(output, capture.octets("output"));
    let export = ConnectionExport::new(Secret::new(output)).unwrap();
    assert_eq!(export.kc_id().octets().to_vec(), capture.octets("KcID"));
    assert_eq!(RelativeKeyId::from(export.kc_id()).as_str(), capture.text("RelativeKeyID"));
    let kc = export.into_key(Usage::MAF_ASSOCIATION).unwrap();
    assert_eq!(kc.expose(), capture.octets("Kc"));
    assert_eq!(capture.kpsa("psk").octets(), 32);
    let id: KpsaId = capture.text("psk_identity").parse().unwrap();
    assert_eq!(PskIdentity::from(&id).as_str(), id.as_str());
}

/// The session that OpenSSL ran with an absent, an empty and a filled context.
fn capture_with_context(capture: &Entry<'_>) {
    let key = Kpsa::new(Secret::new((0..32).collect()), keys::KeyLengthPolicy::Strict).unwrap();
    assert_eq!(PskIdentity::from(&kca_id(&key)).as_str(), capture.text("psk_identity"));
    let session = Session::of(capture);
    let run =
        run("//sp.example.com/S98821", "//sp.example.com/mn-cse-123456", &"11".repeat(16), &"22".repeat(16));
    for case in capture.items("cases") {
        let (label, context) = (label_of(&case), case.text_if_any("context"));
        assert_eq!(label.octets(), case.number("length"));
        let context = context.map(|context| hex::decode(context).unwrap());
        assert_eq!(session.export(label, context.as_deref()), case.octets("output"));
        if label.has_context() {
            assert_eq!(context.unwrap(), run.context());
        }
    }
}

/// RFC 4279 §2: what a Kpsa is used as.
pub(crate) fn tls_psk_premaster(section: &Entry<'_>) {
    let key = section.kpsa("psk");
    let length = u16::try_from(key.octets()).unwrap().to_be_bytes();
    let zeros = vec![0; key.octets()];
    let premaster = [&length[..], &zeros, &length, key.expose()].concat();
    assert_eq!(premaster, section.octets("premaster"));
    let randoms = [section.octets("client_random"), section.octets("server_random")].concat();
    let master = prf(&premaster, "master secret", &randoms, 48);
    assert_eq!(master, section.octets("master_secret_no_ems"));
}

fn run(registree: &str, registrar: &str, nonce_registree: &str, nonce_registrar: &str) -> KeyGeneration {
    let registree = EntityId::parse(EntityKind::Ae, registree).unwrap();
    let nonces = (nonce_registree.parse().unwrap(), nonce_registrar.parse().unwrap());
    KeyGeneration::new(&registree, &registrar.parse().unwrap(), nonces.0, nonces.1).unwrap()
}

/// Draft x.y.8.
pub(crate) fn key_generation(section: &Entry<'_>) {
    let run = run(
        section.text("registree_id"),
        section.text("registrar_id"),
        section.text("nonce_registree"),
        section.text("nonce_registrar"),
    );
    assert_eq!(run.kind(), DraftKeyKind::Kca);
    assert_eq!(run.context(), section.octets("context"));
    assert_eq!(KeyGeneration::LABEL, label_of(section));
    assert_eq!(KeyGeneration::LABEL.octets(), section.number("length"));
    let output = Session::of(section).export(KeyGeneration::LABEL, Some(run.context()));
    let generated = run.key(Secret::new(output)).unwrap();
    assert_eq!(generated.id().octets().to_vec(), section.octets("kca_id"));
    assert_eq!(PskIdentity::from(&generated.id()).as_str(), section.text("kca_psk_identity"));
    let answered = section.text("kca_psk_identity").parse().unwrap();
    let (_, key) = generated.confirm(&answered).unwrap();
    assert_eq!(key.expose(), section.octets("key"));
}
