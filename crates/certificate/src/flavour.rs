use keys::CertificateFlavour;

/// The flavours of certificate that come with a chain (TS-0003 §8.1.2.1). A raw public key is none of them: it
/// is a [`RawKey`](crate::RawKey).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavour {
    /// Names a hardware instance.
    Device,
    /// Names a CSE.
    CseId,
    /// Names an AE.
    AeId,
    /// Names a node.
    NodeId,
    /// Names a MAF or MEF. In form the same as a CSE-ID certificate: what it is used for decides.
    Fqdn,
}

impl Flavour {
    /// Every flavour.
    pub const ALL: [Self; 5] = [Self::Device, Self::CseId, Self::AeId, Self::NodeId, Self::Fqdn];

    /// The flavour in a Credential-ID; `None` for that of a MAF or MEF, which has no Credential-ID.
    #[must_use]
    pub const fn in_credential_id(self) -> Option<CertificateFlavour> {
        match self {
            Self::Device => Some(CertificateFlavour::Device),
            Self::CseId => Some(CertificateFlavour::CseId),
            Self::AeId => Some(CertificateFlavour::AeId),
            Self::NodeId => Some(CertificateFlavour::NodeId),
            Self::Fqdn => None,
        }
    }
}
