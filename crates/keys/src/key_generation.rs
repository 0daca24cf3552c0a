use std::{fmt, str::FromStr};

use onem2m::id::{CseId, EntityId, EntityKind};
use subtle::ConstantTimeEq;

use crate::{
    DraftKeyId, ExporterLabel, KeyError, KeyLengthPolicy, Kpsa, Rng, RngError, Secret, id::narrow, kca_id,
    kcc_id,
};

/// 16 random octets that one side gives to a key generation; as text 32 hexadecimal digits, written in upper
/// case, read in either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Draws a fresh one.
    ///
    /// # Errors
    /// [`RngError`] if the source of randomness fails.
    pub fn draw(rng: &dyn Rng) -> Result<Self, RngError> {
        let mut octets = [0; 16];
        rng.fill(&mut octets)?;
        Ok(Self(octets))
    }

    /// The octets.
    #[must_use]
    pub const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl FromStr for Nonce {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut octets = [0; 16];
        hex::decode_to_slice(text, &mut octets)
            .map_err(|_| KeyError::identifier("nonce", text, "expected 32 hexadecimal digits"))?;
        Ok(Self(octets))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

/// Which long-term key of the drafts: the two kinds of pair have identifiers of their own (a.b.1, a.b.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DraftKeyKind {
    /// Kcc, between two CSEs.
    Kcc,
    /// Kca, between an AE and a CSE.
    Kca,
}

impl DraftKeyKind {
    /// The kind of key that a registree of this kind shares with its registrar.
    #[must_use]
    pub const fn of(registree: EntityKind) -> Self {
        match registree {
            EntityKind::Cse => Self::Kcc,
            EntityKind::Ae => Self::Kca,
        }
    }

    /// The number in `keyUsage` of a keyGeneration: 1 for Kcc, 2 for Kca (register A-30).
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Kcc => 1,
            Self::Kca => 2,
        }
    }

    /// The identifier of `key` as a key of this kind.
    #[must_use]
    pub fn id_of(self, key: &Kpsa) -> DraftKeyId {
        match self {
            Self::Kcc => kcc_id(key),
            Self::Kca => kca_id(key),
        }
    }

    /// Whether `claimed` is the identifier of `key`: asked wherever a key is installed or agreed. Compared in
    /// constant time.
    ///
    /// # Errors
    /// [`KeyError::Mismatch`] if it is not.
    pub fn check(self, key: &Kpsa, claimed: &DraftKeyId) -> Result<(), KeyError> {
        if self.id_of(key).octets().ct_eq(claimed.octets()).into() {
            return Ok(());
        }
        let kind = match self {
            Self::Kcc => "Kcc_ID",
            Self::Kca => "Kca_ID",
        };
        Err(KeyError::Mismatch { kind, claimed: claimed.to_string() })
    }
}

/// One run of keyGeneration: two entities that share an association make a fresh long-term key out of it
/// (draft x.y.8; the construction is the project's, register A-30).
///
/// Both sides build the same value, export [`KeyGeneration::LABEL`] with [`KeyGeneration::context`], and get
/// the same [`GeneratedKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyGeneration {
    kind: DraftKeyKind,
    context: Vec<u8>,
}

impl KeyGeneration {
    /// What to export for it.
    pub const LABEL: ExporterLabel = ExporterLabel::KeyGeneration;

    /// The run between these two entities with these nonces.
    ///
    /// # Errors
    /// [`KeyError::Identifier`] if an identifier is outside of the alphabet of TS-0004 §6.2.3: two sides
    /// could write it differently.
    pub fn new(
        registree: &EntityId,
        registrar: &CseId,
        nonce_registree: Nonce,
        nonce_registrar: Nonce,
    ) -> Result<Self, KeyError> {
        let registrar = EntityId::Cse(registrar.clone());
        // NUL ends each identifier, which cannot contain it: no two pairs of identifiers give one context.
        let context = [
            narrow(registree)?.as_bytes(),
            &[0],
            narrow(&registrar)?.as_bytes(),
            &[0],
            nonce_registree.octets(),
            nonce_registrar.octets(),
        ]
        .concat();
        Ok(Self { kind: DraftKeyKind::of(registree.kind()), context })
    }

    /// Kcc or Kca, as the registree's kind has it.
    #[must_use]
    pub const fn kind(&self) -> DraftKeyKind {
        self.kind
    }

    /// The context of the exporter: both absolute identifiers, each ended by NUL, then both nonces, the
    /// registree's first.
    #[must_use]
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// The key out of the exporter's output.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless the output has 32 octets.
    pub fn key(&self, output: Secret) -> Result<GeneratedKey, KeyError> {
        if output.len() != Self::LABEL.octets() {
            return Err(KeyError::Length {
                kind: "exporter output",
                octets: output.len(),
                expected: "exactly 32 octets",
            });
        }
        let key = Kpsa::new(output, KeyLengthPolicy::Strict)?;
        Ok(GeneratedKey { kind: self.kind, id: self.kind.id_of(&key), key })
    }
}

/// A key that keyGeneration made, not yet confirmed by the other side.
#[derive(Debug)]
pub struct GeneratedKey {
    kind: DraftKeyKind,
    id: DraftKeyId,
    key: Kpsa,
}

impl GeneratedKey {
    /// Its `Kcc_ID` or `Kca_ID`: what the registrar answers with.
    #[must_use]
    pub const fn id(&self) -> DraftKeyId {
        self.id
    }

    /// The registrar's key, which it keeps as pending until the registree has used it.
    #[must_use]
    pub fn into_pending(self) -> (DraftKeyId, Kpsa) {
        (self.id, self.key)
    }

    /// The registree's key, if the registrar found the same one. Compared in constant time.
    ///
    /// # Errors
    /// [`KeyError::Mismatch`] if `answered` is another key's identifier; the new key is dropped and the old
    /// one stays in use.
    pub fn confirm(self, answered: &DraftKeyId) -> Result<(DraftKeyId, Kpsa), KeyError> {
        self.kind.check(&self.key, answered)?;
        Ok((self.id, self.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRng;

    fn run(registree: &EntityId) -> Result<KeyGeneration, KeyError> {
        let rng = SeededRng::new(3);
        let registrar = "//sp.example.com/mn-cse".parse().unwrap();
        KeyGeneration::new(registree, &registrar, Nonce::draw(&rng).unwrap(), Nonce::draw(&rng).unwrap())
    }

    fn ae(text: &str) -> EntityId {
        EntityId::Ae(text.parse().unwrap())
    }

    #[test]
    fn the_kind_of_registree_decides_the_kind_of_key() {
        let ae_run = run(&ae("//sp.example.com/S1")).unwrap();
        let cse_run = run(&EntityId::Cse("//sp.example.com/S1".parse().unwrap())).unwrap();
        assert_eq!((ae_run.kind(), cse_run.kind()), (DraftKeyKind::Kca, DraftKeyKind::Kcc));
        assert_eq!(ae_run.context(), cse_run.context());
        let key = |run: &KeyGeneration| run.key(Secret::new(vec![9; 32])).unwrap();
        assert_ne!(key(&ae_run).id(), key(&cse_run).id());
    }

    #[test]
    fn another_identifier_or_length_is_refused() {
        let run = run(&ae("//sp.example.com/S1")).unwrap();
        let generated = run.key(Secret::new(vec![9; 32])).unwrap();
        let (id, _) = run.key(Secret::new(vec![9; 32])).unwrap().confirm(&generated.id()).unwrap();
        assert_eq!(id, generated.id());
        let other = run.key(Secret::new(vec![8; 32])).unwrap().into_pending().0;
        assert_eq!(
            generated.confirm(&other).unwrap_err(),
            KeyError::Mismatch { kind: "Kca_ID", claimed: other.to_string() }
        );
        for octets in [16, 31, 33, 48] {
            assert!(run.key(Secret::new(vec![9; octets])).is_err(), "{octets}");
        }
    }

    #[test]
    fn identifiers_outside_of_the_narrow_alphabet_are_refused() {
        assert!(run(&ae("//sp.example.com/Sa~b")).is_err());
        assert!(run(&EntityId::Cse("//sp.example.com/_a".parse().unwrap())).is_err());
    }
}
