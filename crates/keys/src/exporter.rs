use crate::{KcId, Ke, KeyError, PairwiseE2eKey, PairwiseE2eKeyId, RelativeKeId, Secret, Usage, UsageKey};

/// A label under which keys are exported from a TLS or DTLS session (RFC 5705). One value per session and
/// label: a second export gives the same octets.
///
/// Export on a full handshake only, and only with `extended_master_secret` (RFC 7627): without it a party in
/// the middle could bring two sessions to the same secrets (register A-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExporterLabel {
    /// For Ke, between enrolee and MEF (TS-0003 §10.3.1).
    Bootstrap,
    /// For Kc, between a MAF client and the MAF (TS-0003 §10.3.1); for keys registered at a MEF as well
    /// (register A-15).
    Connection,
    /// For pairwiseE2EKey, between two end points of `ESCertKE` (TS-0003 §10.3.1).
    EsCertKe,
    /// For a fresh Kcc or Kca of the drafts (x.y.8). The prefix is the one that RFC 5705 §4 leaves to labels
    /// nobody has registered (register A-30).
    KeyGeneration,
}

impl ExporterLabel {
    /// The label, ASCII.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bootstrap => "EXPORTER-oneM2M-Bootstrap",
            Self::Connection => "EXPORTER-oneM2M-Connection",
            Self::EsCertKe => "EXPORTER-oneM2M-ESCertKE",
            Self::KeyGeneration => "EXPERIMENTAL-oneM2M-keyGeneration",
        }
    }

    /// How many octets to export.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Bootstrap | Self::Connection | Self::EsCertKe => EXPORT_OCTETS,
            Self::KeyGeneration => 32,
        }
    }

    /// Whether a context goes in. Where none does it must be absent, not empty: RFC 5705 §4 takes the two for
    /// different things.
    #[must_use]
    pub const fn has_context(self) -> bool {
        matches!(self, Self::KeyGeneration)
    }
}

const ID_OCTETS: usize = 16;
const EXPORT_OCTETS: usize = 48;

/// Octets 0 to 15 are the identifier ("most significant"), octets 16 to 47 the key (register A-01).
fn split(output: &Secret) -> Result<([u8; ID_OCTETS], Secret), KeyError> {
    match output.expose().split_first_chunk::<ID_OCTETS>() {
        Some((id, key)) if output.len() == EXPORT_OCTETS => Ok((*id, Secret::new(key.to_vec()))),
        _ => Err(KeyError::Length {
            kind: "exporter output",
            octets: output.len(),
            expected: "exactly 48 octets (TS-0003 §10.3.1)",
        }),
    }
}

/// What [`ExporterLabel::Bootstrap`] gives to enrolee and MEF (TS-0003 §10.3.1). Ker, which §8.3.2.1 names
/// beside it, is defined nowhere and not produced (register A-14).
#[derive(Debug)]
pub struct BootstrapExport {
    /// The identifier that becomes part of the `KeID`.
    pub relative_ke_id: RelativeKeId,
    /// The enrolment key.
    pub ke: Ke,
}

impl BootstrapExport {
    /// What to export for it.
    pub const LABEL: ExporterLabel = ExporterLabel::Bootstrap;

    /// Splits the output of the exporter.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless it has 48 octets.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the output is used up: it holds the key a second time"
    )]
    pub fn new(output: Secret) -> Result<Self, KeyError> {
        let (id, key) = split(&output)?;
        Ok(Self { relative_ke_id: RelativeKeId::new(id), ke: Ke::exported(key) })
    }
}

/// What [`ExporterLabel::Connection`] gives to the two ends of a key registration (TS-0003 §10.3.1,
/// §8.8.2.7).
#[derive(Debug)]
pub struct ConnectionExport {
    kc_id: KcId,
    key: Secret,
}

impl ConnectionExport {
    /// What to export for it.
    pub const LABEL: ExporterLabel = ExporterLabel::Connection;

    /// Splits the output of the exporter.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless it has 48 octets.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the output is used up: it holds the key a second time"
    )]
    pub fn new(output: Secret) -> Result<Self, KeyError> {
        let (id, key) = split(&output)?;
        Ok(Self { kc_id: KcId::new(id), key })
    }

    /// `KcID`: the identifier from which the Key Identifier is made.
    #[must_use]
    pub const fn kc_id(&self) -> KcId {
        self.kc_id
    }

    /// The key as the kind for which it is registered: Kc with 32, others with the usages of end-to-end
    /// security. 32 octets, in full (register A-05).
    ///
    /// # Errors
    /// [`KeyError::Usage`] if no key of this usage is registered at a MAF (32 to 35) or MEF (21 to 25).
    pub fn into_key(self, usage: Usage) -> Result<UsageKey, KeyError> {
        if usage.is_of_maf() || usage.is_of_mef() {
            return UsageKey::new(usage, self.key);
        }
        Err(KeyError::Usage {
            usage,
            expected: "expected 32 to 35 at a MAF, 21 to 25 at a MEF (TS-0003 §8.8.2.7, §8.3.5.2.7)",
        })
    }
}

/// What [`ExporterLabel::EsCertKe`] gives to two end points (TS-0003 §10.3.1, §8.7.2.2).
#[derive(Debug)]
pub struct EsCertKeExport {
    /// The identifier of the key.
    pub key_id: PairwiseE2eKeyId,
    /// The key.
    pub key: PairwiseE2eKey,
}

impl EsCertKeExport {
    /// What to export for it.
    pub const LABEL: ExporterLabel = ExporterLabel::EsCertKe;

    /// Splits the output of the exporter.
    ///
    /// # Errors
    /// [`KeyError::Length`] unless it has 48 octets.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "the output is used up: it holds the key a second time"
    )]
    pub fn new(output: Secret) -> Result<Self, KeyError> {
        let (id, key) = split(&output)?;
        Ok(Self { key_id: PairwiseE2eKeyId::new(id), key: PairwiseE2eKey::exported(key) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(octets: u8) -> Secret {
        Secret::new((0..octets).collect())
    }

    #[test]
    fn the_length_is_exact() {
        for octets in [0, 15, 16, 47, 49, 64] {
            assert!(BootstrapExport::new(output(octets)).is_err(), "{octets}");
            assert!(ConnectionExport::new(output(octets)).is_err(), "{octets}");
            assert!(EsCertKeExport::new(output(octets)).is_err(), "{octets}");
        }
    }

    #[test]
    fn an_exported_key_serves_what_it_was_registered_for() {
        for code in (0..=99).filter(|code| Usage::from_code(*code).is_ok()) {
            let export = ConnectionExport::new(output(48)).unwrap();
            assert_eq!(export.kc_id().octets()[15], 15);
            let key = export.into_key(Usage::from_code(code).unwrap());
            assert_eq!(key.is_ok(), (21..=25).contains(&code) || (32..=35).contains(&code), "{code}");
            assert!(key.is_ok_and(|key| key.expose()[0] == 16) || !(21..36).contains(&code));
        }
        let key = ConnectionExport::new(output(48)).unwrap().into_key(Usage::MAF_ASSOCIATION).unwrap();
        assert!(matches!(key, UsageKey::Kc(_)));
    }
}
