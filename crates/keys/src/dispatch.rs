use std::collections::BTreeSet;

use onem2m::id::Fqdn;

use crate::{DraftKeyId, GbaIdentity, KeId, KeyIdentifier, KpsaId, PskIdentity};

/// The trust functions from which this server may ask for keys, by domain name. A function that is not listed
/// does not exist for it, whatever a peer sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustFunctions {
    /// MAFs, which distribute Kc.
    pub mafs: BTreeSet<Fqdn>,
    /// MEFs, which hand out keys registered with them or derived from Ke.
    pub mefs: BTreeSet<Fqdn>,
    /// BSFs, which hand out keys of GBA.
    pub bsfs: BTreeSet<Fqdn>,
}

/// Where the key of a `psk_identity` is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PskSource {
    /// In the local key table or key cache.
    Local(LocalKeyName),
    /// From a MAF: Kc by its Key Identifier (TS-0003 §8.2.2.3).
    Maf(KeyIdentifier),
    /// From a MEF (TS-0003 §8.3.2.1, §8.3.5.2.8).
    Mef(MefKeyName),
    /// From a BSF (TS-0003 §8.3.2.3).
    Bsf(GbaIdentity),
    /// Nowhere: the handshake must fail as it does for a wrong key.
    Unknown,
}

/// How a local `psk_identity` reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalKeyName {
    /// `Kcc_ID` or `Kca_ID` of the drafts. Its upper-case form is the one to look it up by (register A-03).
    Draft(DraftKeyId),
    /// KpsaID, or another identifier of that form.
    Kpsa(KpsaId),
    /// None of the defined forms; as an operator entered it, or a B-TID whose key is cached.
    Other,
}

/// A key of a MEF. The form of the identifier does not tell a registered key from one derived from Ke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MefKeyName {
    /// To be retrieved as a registered key first.
    pub key_identifier: KeyIdentifier,
    /// If the MEF knows no such key: to be fetched with fetchCredentials under this `KeID` (register A-46).
    /// Absent when the identifier cannot be a `KeID`.
    pub ke_id: Option<KeId>,
}

impl LocalKeyName {
    /// How `identity` reads as the name of a local key.
    #[must_use]
    pub fn of(identity: &PskIdentity) -> Self {
        let text = identity.as_str();
        text.parse().map(Self::Draft).or_else(|_| text.parse().map(Self::Kpsa)).unwrap_or(Self::Other)
    }
}

impl PskIdentity {
    /// The form under which a local key is stored and looked up, and which its Credential-ID holds: a
    /// `Kcc_ID` or `Kca_ID` in upper case, since peers may write it in either (register A-03); anything else
    /// as it is.
    #[must_use]
    pub fn lookup_form(&self) -> Self {
        match LocalKeyName::of(self) {
            LocalKeyName::Draft(id) => Self::from(&id),
            LocalKeyName::Kpsa(_) | LocalKeyName::Other => self.clone(),
        }
    }
}

/// Where a server finds the key for `identity`: the local table or cache if `held_locally`, else the trust
/// function that the domain in the identity names. The order is that of TS-0003 §8.3.2.1 step c: what is held
/// is never asked for again. A `Kcc_ID` or `Kca_ID` names no function and is local or unknown.
#[must_use]
pub fn psk_source(identity: &PskIdentity, held_locally: bool, functions: &TrustFunctions) -> PskSource {
    if held_locally {
        return PskSource::Local(LocalKeyName::of(identity));
    }
    let text = identity.as_str();
    if let Ok(key_identifier) = text.parse::<KeyIdentifier>() {
        if functions.mafs.contains(key_identifier.distributor()) {
            return PskSource::Maf(key_identifier);
        }
        if functions.mefs.contains(key_identifier.distributor()) {
            return PskSource::Mef(MefKeyName { key_identifier, ke_id: text.parse().ok() });
        }
    }
    match text.parse::<GbaIdentity>() {
        Ok(gba) if functions.bsfs.contains(gba.b_tid.bsf()) => PskSource::Bsf(gba),
        _ => PskSource::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn functions() -> TrustFunctions {
        let one = |name: &str| BTreeSet::from([name.parse().unwrap()]);
        TrustFunctions {
            mafs: one("maf.example.com"),
            mefs: one("mef.example.net"),
            bsfs: one("mef.example.net"),
        }
    }

    fn source(identity: &str, held: bool) -> PskSource {
        psk_source(&identity.parse().unwrap(), held, &functions())
    }

    const HEX: &str = "A0B1C2D3E4F5061728394A5B6C7D8E9F";

    #[test]
    fn what_is_held_is_not_asked_for() {
        for identity in
            [HEX, "x@maf.example.com", "x@mef.example.net", "I1U8vpY3qJ0hiuZNrke/NQ==@mef.example.net"]
        {
            assert!(matches!(source(identity, true), PskSource::Local(_)), "{identity}");
        }
        let draft = LocalKeyName::Draft(HEX.parse().unwrap());
        assert_eq!(source(&HEX.to_lowercase(), true), PskSource::Local(draft));
        assert_eq!(source("größe", true), PskSource::Local(LocalKeyName::Other));
    }

    #[test]
    fn a_draft_identifier_is_looked_up_in_one_form() {
        let form = |identity: &str| identity.parse::<PskIdentity>().unwrap().lookup_form().to_string();
        assert_eq!(form(&HEX.to_lowercase()), HEX);
        assert_eq!(form(HEX), HEX);
        for other in ["Light1@home.example.org", "a0b1", &format!("{}@x.org", HEX.to_lowercase())] {
            assert_eq!(form(other), other);
        }
    }

    #[test]
    fn the_domain_names_the_function() {
        assert_eq!(source("x@maf.example.com", false), PskSource::Maf("x@maf.example.com".parse().unwrap()));
        let with_hex = format!("{HEX}@mef.example.net");
        for (identity, ke_id) in [(&*with_hex, with_hex.parse().ok()), ("x@mef.example.net", None)] {
            let name = MefKeyName { key_identifier: identity.parse().unwrap(), ke_id };
            assert_eq!(source(identity, false), PskSource::Mef(name));
        }
        let b_tid = "I1U8vpY3qJ0hiuZNrke/NQ==@mef.example.net";
        for identity in [b_tid.to_owned(), format!("3GPP-bootstrapping-uicc;{b_tid}")] {
            assert_eq!(source(&identity, false), PskSource::Bsf(identity.parse().unwrap()));
        }
    }

    #[test]
    fn everything_else_is_unknown() {
        for identity in [
            HEX,
            "light1@home.example.org",
            "x@maf.example.com.evil.example",
            "x@MAF.example.com",
            "@maf.example.com",
            "a/b@maf.example.com",
            "x@y@maf.example.com",
            "I1U8vpY3qJ0hiuZNrke/NQ==@maf.example.com",
            "I1U8vpY3qJ0hiuZNrke/NQ==@bsf.example.org",
        ] {
            assert_eq!(source(identity, false), PskSource::Unknown, "{identity}");
        }
        assert_eq!(
            psk_source(&"x@maf.example.com".parse().unwrap(), false, &TrustFunctions::default()),
            PskSource::Unknown
        );
    }
}
