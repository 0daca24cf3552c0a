//! Keys of end-to-end security.

use keys::{EsprimProtocol, OriginatorRandObject, PairwiseEsprimKey, ReceiverRandObject};

use crate::section::{Entry, hmac};

/// TS-0003 §10.3.6.
pub(crate) fn ke2e_chain(section: &Entry<'_>) {
    for case in section.items("cases") {
        let salt = case.octets("salt");
        let master = case.kpsa("kpsa").e2e_master((!salt.is_empty()).then_some(salt.as_slice()));
        assert_eq!(master.expose(), case.octets("Ke2e_master"));
        let keys = master.expand();
        assert_eq!(keys.message_authenticity.expose(), case.octets("Ke2e_msg_auth"));
        assert_eq!(keys.message_confidentiality.expose(), case.octets("Ke2e_msg_conf"));
        assert_eq!(keys.attribute_authenticity.expose(), case.octets("Ke2e_att_auth"));
        assert_eq!(keys.attribute_confidentiality.expose(), case.octets("Ke2e_att_conf"));
    }
}

/// TS-0003 §10.3.8.2.
pub(crate) fn session_esprim_key(section: &Entry<'_>) {
    let (receiver_text, originator_text) =
        (section.text("receiver_rand_object"), section.text("originator_rand_object"));
    let receiver: ReceiverRandObject = serde_json::from_str(receiver_text).unwrap();
    let originator: OriginatorRandObject = serde_json::from_str(originator_text).unwrap();
    assert_eq!(receiver.canonical(), receiver_text);
    assert_eq!(originator.canonical(), originator_text);
    let message = [receiver_text, originator_text, section.text("label")].concat();
    assert_eq!(
        hmac(&section.octets("pairwise_esprim_key"), message.as_bytes()),
        section.octets("session_esprim_key")
    );
    let pairwise = PairwiseEsprimKey::new(section.secret("pairwise_esprim_key")).unwrap();
    let session = pairwise.session_key(&receiver, &originator).unwrap();
    assert_eq!(session.expose(), section.octets("session_esprim_key"));
    for protocol in [EsprimProtocol::JweA128Gcm, EsprimProtocol::JweA192Gcm, EsprimProtocol::JweA256Gcm] {
        let expected = section.octets(&format!("cek_{}", protocol.enc()));
        assert_eq!(session.content_encryption_key(protocol).expose(), expected);
        assert_eq!(expected.len(), protocol.key_octets());
    }
}
