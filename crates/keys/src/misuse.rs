//! What must not compile. Each refusal stands below its lawful twin, from which it differs in one line, so
//! that it is refused for that line.

/// A Kpsa is not a Ke: no enrolment key comes out of a provisioned one.
///
/// ```
/// use keys::{Ke, EnrolmentTarget, Secret, Usage};
/// fn derive(ke: &Ke, maf: &EnrolmentTarget) { let _ = ke.usage_constrained(Usage::REMOTE_MAF, maf); }
/// fn with(key: Ke, maf: EnrolmentTarget) {
///     derive(&key, &maf);
/// }
/// ```
///
/// ```compile_fail,E0308
/// use keys::{Ke, Kpsa, EnrolmentTarget, Secret, Usage};
/// fn derive(ke: &Ke, maf: &EnrolmentTarget) { let _ = ke.usage_constrained(Usage::REMOTE_MAF, maf); }
/// fn with(key: Kpsa, maf: EnrolmentTarget) {
///     derive(&key, &maf);
/// }
/// ```
///
/// ```compile_fail,E0599
/// use keys::{Kpsa, EnrolmentTarget, Usage};
/// fn with(key: Kpsa, maf: EnrolmentTarget) {
///     let _ = key.usage_constrained(Usage::REMOTE_MAF, &maf);
/// }
/// ```
struct KpsaIsNoKe;

/// Ke is for derivation: it does not become the `psk` of a handshake, nor does a key of end-to-end security.
///
/// ```
/// fn psk(key: keys::Km) -> keys::Psk { key.into() }
/// fn psk_of_kpm(key: keys::Kpm) -> keys::Psk { key.into() }
/// fn psk_of_kpsa(key: keys::Kpsa) -> keys::Psk { key.into() }
/// fn psk_of_kc(key: keys::Kc) -> keys::Psk { key.into() }
/// ```
///
/// ```compile_fail,E0277
/// fn psk(key: keys::Ke) -> keys::Psk { key.into() }
/// ```
///
/// ```compile_fail,E0277
/// fn psk(key: keys::PairwiseEsprimKey) -> keys::Psk { key.into() }
/// ```
///
/// ```compile_fail,E0277
/// fn psk(key: keys::Secret) -> keys::Psk { key.into() }
/// ```
struct OnlyFourKindsOpenAHandshake;

/// Kc is not Kpsa, nor Km: what a MAF distributes is not what an operator provisioned.
///
/// ```
/// fn use_it(_: &keys::Kpsa) {}
/// fn with(key: keys::Kpsa) { use_it(&key); }
/// ```
///
/// ```compile_fail,E0308
/// fn use_it(_: &keys::Kpsa) {}
/// fn with(key: keys::Kc) { use_it(&key); }
/// ```
///
/// ```compile_fail,E0308
/// fn use_it(_: &keys::Kpsa) {}
/// fn with(key: keys::Km) { use_it(&key); }
/// ```
///
/// ```compile_fail,E0308
/// fn use_it(_: &keys::Kpsa) {}
/// fn with(key: keys::Kpm) { use_it(&key); }
/// ```
struct KeysOfOtherFunctions;

/// The end-to-end chain starts from Kpsa, not from Ke or Kc.
///
/// ```
/// fn chain(key: &keys::Kpsa) -> keys::Ke2eKeys { key.e2e_master(None).expand() }
/// ```
///
/// ```compile_fail,E0599
/// fn chain(key: &keys::Ke) -> keys::Ke2eKeys { key.e2e_master(None).expand() }
/// ```
///
/// ```compile_fail,E0599
/// fn chain(key: &keys::Kc) -> keys::Ke2eKeys { key.e2e_master(None).expand() }
/// ```
struct TheChainStartsFromKpsa;

/// The four end keys are ends, and each is its own type.
///
/// ```
/// fn confidential(keys: keys::Ke2eKeys) -> keys::Ke2eMsgConf { keys.message_confidentiality }
/// ```
///
/// ```compile_fail,E0308
/// fn confidential(keys: keys::Ke2eKeys) -> keys::Ke2eMsgConf { keys.message_authenticity }
/// ```
///
/// ```compile_fail,E0599
/// fn again(key: keys::Ke2eMsgConf) -> keys::Ke2eKeys { key.expand() }
/// ```
struct TheChainEnds;

/// The earlier derivations are reached through their name alone.
///
/// ```
/// fn km(ke: &keys::Ke) -> keys::Km { ke.legacy_derivation().km("maf.example.com") }
/// ```
///
/// ```compile_fail,E0599
/// fn km(ke: &keys::Ke) -> keys::Km { ke.km("maf.example.com") }
/// ```
///
/// ```compile_fail,E0423
/// fn legacy(ke: &keys::Ke) -> keys::LegacyDerivation<'_> { keys::LegacyDerivation(ke) }
/// ```
struct LegacyHasAName;

/// A secret is copied on purpose or not at all.
///
/// ```
/// fn copy(secret: &keys::Secret) -> keys::Secret { secret.duplicate() }
/// ```
///
/// ```compile_fail,E0308
/// fn copy(secret: &keys::Secret) -> keys::Secret { secret.clone() }
/// ```
///
/// ```compile_fail,E0277
/// fn needs_clone<T: Clone>() {}
/// fn main() { needs_clone::<keys::Secret>() }
/// ```
///
/// ```compile_fail,E0277
/// fn needs_clone<T: Clone>() {}
/// fn main() { needs_clone::<keys::Kpsa>() }
/// ```
///
/// ```compile_fail,E0277
/// fn needs_clone<T: Clone>() {}
/// fn main() { needs_clone::<keys::Ke>() }
/// ```
struct NoClone;

/// A secret does not leave by printing, comparing or serialising; `Debug` shows no octet.
///
/// ```
/// let secret = keys::Secret::new(vec![0xab; 32]);
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// let key = keys::Ke::new(secret).unwrap();
/// assert_eq!(format!("{key:?} {key:#?}"), "Ke(32 octets) Ke(32 octets)");
/// ```
///
/// ```compile_fail,E0277
/// fn show(secret: &keys::Secret) -> String { format!("{secret}") }
/// ```
///
/// ```compile_fail,E0277
/// fn show(key: &keys::Kpsa) -> String { format!("{key}") }
/// ```
///
/// ```compile_fail,E0369
/// fn same(a: &keys::Secret, b: &keys::Secret) -> bool { a == b }
/// ```
///
/// ```compile_fail,E0277
/// fn json(secret: &keys::Secret) -> String { serde_json::to_string(secret).unwrap() }
/// ```
///
/// ```compile_fail,E0277
/// fn json(key: &keys::Kc) -> String { serde_json::to_string(key).unwrap() }
/// ```
struct NoWayOut;

/// The inside of a key is private: length and origin are checked once, where it is made.
///
/// ```
/// fn ke(secret: keys::Secret) -> Result<keys::Ke, keys::KeyError> { keys::Ke::new(secret) }
/// ```
///
/// ```compile_fail,E0423
/// fn ke(secret: keys::Secret) -> keys::Ke { keys::Ke(secret) }
/// ```
///
/// ```compile_fail,E0624
/// fn ke(secret: keys::Secret) -> keys::Ke { keys::Ke::exported(secret) }
/// ```
struct NoBackDoor;

/// An identifier of one kind is not one of another.
///
/// ```
/// fn id(id: &keys::KmId) -> keys::CredentialId { keys::CredentialId::maf_key(id) }
/// ```
///
/// ```compile_fail,E0308
/// fn id(id: &keys::KpmId) -> keys::CredentialId { keys::CredentialId::maf_key(id) }
/// ```
///
/// ```compile_fail,E0308
/// fn ke_id(id: keys::KcId, mef: &onem2m::id::Fqdn) { let _ = keys::KeId::new(id, mef); }
/// ```
struct IdentifiersHaveKinds;
