//! Who signs what.

use crate::Profile;

/// The authorities of a directory: the root, and one for each kind of name that can be constrained on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Office {
    /// Certifies the others.
    Root,
    /// CSE-ID, AE-ID and FQDN certificates, within the domains of the directory.
    Names,
    /// Device certificates, within the subtrees of the directory if it has any.
    Devices,
    /// Node-ID certificates; URNs cannot be constrained.
    Nodes,
}

impl Office {
    /// All of them, the root first.
    pub const ALL: [Self; 4] = [Self::Root, Self::Names, Self::Devices, Self::Nodes];

    /// What its files are called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Names => "names",
            Self::Devices => "devices",
            Self::Nodes => "nodes",
        }
    }

    /// The one that is called so.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|office| office.name() == name)
    }

    /// Who issues certificates of this profile.
    #[must_use]
    pub const fn of(profile: &Profile) -> Self {
        match profile {
            Profile::CseId(_) | Profile::AeId(_) | Profile::Fqdn(_) => Self::Names,
            Profile::Device(_) => Self::Devices,
            Profile::NodeId(_) => Self::Nodes,
            Profile::OcspResponder => Self::Root,
        }
    }
}
