use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    path::PathBuf,
};

use identity::Flavour;
use net::SuitePolicy;
use serde::{Deserialize, Deserializer, de::Error};

use super::{HostPort, Misfit};

/// `[[listener]]`: an address at which peers are served over TLS 1.2, in HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerSection {
    /// Address and port, e.g. `0.0.0.0:8443`; port 0 lets the system choose.
    pub(crate) address: SocketAddr,
    /// Where devices reach it: `host:port`. Default: `address`, unless that stands for all addresses of this machine.
    pub(crate) advertise: Option<HostPort>,
    /// How peers prove who they are. Default: `psk`, `certificate` where there is one of our own, and `token` where
    /// there are names for that.
    accept: Option<BTreeSet<Accept>>,
    /// Names that peers may ask for in SNI. Default: any.
    #[serde(default)]
    pub(crate) server_names: BTreeSet<String>,
    /// Names in SNI for peers that have an identity token and nothing else. Who asks for one of them is not asked for
    /// a certificate; who asks for none of them has no use for a token.
    #[serde(default)]
    pub(crate) token_names: BTreeSet<String>,
    /// Cipher suites by their standard names, most preferred first. Default: forward secrecy and AEAD first,
    /// `TLS_PSK_WITH_AES_128_CBC_SHA256` among the last.
    #[serde(default, deserialize_with = "suites")]
    suites: Option<SuitePolicy>,
    /// What the listener proves itself with to peers without a symmetric key.
    pub(crate) certificate: Option<CertificateSection>,
    /// Whose certificates are accepted.
    #[serde(default)]
    pub(crate) clients: ClientsSection,
    /// For how long a session may be resumed after its full handshake, in minutes; 0 for never. Default: a day.
    #[serde(default = "a_day")]
    pub(crate) resumption_minutes: u32,
}

/// How peers prove who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Accept {
    /// A provisioned symmetric key (TS-0003 §8.2.2.1).
    Psk,
    /// A certificate or raw public key (TS-0003 §8.2.2.2).
    Certificate,
    /// An identity token in the registration (draft clause x.y.7); beside another way under names of its own.
    Token,
}

/// `[listener.certificate]`: a certificate of our own.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateSection {
    /// PEM: the certificate, then those between it and the root.
    pub(crate) chain_file: PathBuf,
    /// PEM: its private key, for P-256.
    pub(crate) key_file: PathBuf,
    /// Whether raw public keys are negotiated with peers that ask for them (RFC 7250).
    #[serde(default)]
    pub(crate) raw_public_keys: bool,
    /// What is said of its status to peers that ask (RFC 6066 §8). Default: nothing.
    pub(crate) ocsp: Option<OcspSection>,
}

/// `[listener.certificate.ocsp]`: where the OCSP response comes from that is stapled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OcspSection {
    /// DER: a response that somebody else keeps up to date. Default: fetched from the responder.
    pub(crate) response_file: Option<PathBuf>,
    /// `http://…`: the responder. Default: the one that the certificate names.
    pub(crate) responder: Option<String>,
    /// `http://host:port`: a proxy to fetch it through.
    pub(crate) proxy: Option<HostPort>,
    /// PEM or DER: certificate or public key of the responder. Default: the issuer of the certificate.
    pub(crate) responder_file: Option<PathBuf>,
    /// PEM: the root of our certificate, where the chain leaves it out. Default: `anchors_file` of the clients.
    pub(crate) root_file: Option<PathBuf>,
}

/// `[listener.clients]`: whose certificates are accepted, besides public keys that are enrolled by their hash.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientsSection {
    /// PEM: the roots that chains have to lead to. Default: none, and so only enrolled public keys.
    pub(crate) anchors_file: Option<PathBuf>,
    /// PEM: revocation lists. Read again when the file changes.
    pub(crate) crl_file: Option<PathBuf>,
    /// Refuse certificates of issuers of which there is no current list.
    #[serde(default)]
    pub(crate) require_crls: bool,
    /// Refuse certificates of issuers that are not held to names of their own (register A-40).
    #[serde(default)]
    pub(crate) strict_name_constraints: bool,
    /// Kinds of certificates that are accepted. Default: all.
    #[serde(default, deserialize_with = "flavours")]
    pub(crate) flavours: Option<Vec<Flavour>>,
    /// How often `crl_file` and `anchors_file` are looked at for a change, in seconds. Default: 5.
    pub(crate) look_seconds: Option<NonZeroU32>,
}

impl ClientsSection {
    /// Whether certificates of this kind are accepted.
    pub(crate) fn accept(&self, flavour: Flavour) -> bool {
        self.flavours.as_ref().is_none_or(|accepted| accepted.contains(&flavour))
    }
}

const fn a_day() -> u32 {
    24 * 60
}

impl ListenerSection {
    /// Where others reach it; `bound` is where it listens. `None` if nobody says.
    pub(crate) fn reached_at(&self, bound: SocketAddr) -> Option<HostPort> {
        match &self.advertise {
            Some(advertised) => Some(advertised.clone()),
            None => HostPort::of(bound),
        }
    }

    /// Whether peers may prove themselves like this.
    pub(crate) fn accepts(&self, way: Accept) -> bool {
        match &self.accept {
            Some(ways) => ways.contains(&way),
            None => match way {
                Accept::Psk => true,
                Accept::Certificate => self.certificate.is_some(),
                Accept::Token => !self.token_names.is_empty(),
            },
        }
    }

    /// Whether an identity token is all that is accepted, under whatever name.
    pub(crate) fn is_for_tokens_alone(&self) -> bool {
        self.accepts(Accept::Token) && !self.accepts(Accept::Psk) && !self.accepts(Accept::Certificate)
    }

    /// The suites that go with what it accepts besides tokens.
    pub(crate) fn policy(&self) -> SuitePolicy {
        match &self.suites {
            Some(chosen) => chosen.clone(),
            None => match (self.accepts(Accept::Psk), self.accepts(Accept::Certificate)) {
                (true, false) => SuitePolicy::default(),
                (false, true) => SuitePolicy::default().with_certificates().certificates_only(),
                _ => SuitePolicy::default().with_certificates(),
            },
        }
    }

    /// The suites for peers with a token.
    pub(crate) fn token_policy(&self) -> SuitePolicy {
        let policy = self.suites.clone().unwrap_or_else(|| SuitePolicy::default().with_certificates());
        policy.certificates_only()
    }

    /// How it is announced: `provisioned keys, certificates`.
    pub(crate) fn ways(&self) -> String {
        let ways = [
            (Accept::Psk, "provisioned keys"),
            (Accept::Certificate, "certificates"),
            (Accept::Token, "identity tokens"),
        ];
        let ways: Vec<&str> =
            ways.into_iter().filter(|(way, _)| self.accepts(*way)).map(|(_, name)| name).collect();
        let mut ways = ways.join(", ");
        if !self.token_names.is_empty() {
            let names: Vec<&str> = self.token_names.iter().map(String::as_str).collect();
            ways.push_str(&format!(" as {}", names.join(" or ")));
        }
        ways
    }

    /// Whether this CSE can prove itself to other CSEs with the certificate of this listener.
    pub(super) fn proves_outwards(&self) -> bool {
        self.certificate.is_some() && self.accepts(Accept::Certificate)
    }

    /// Whether what is in it goes together.
    pub(super) fn check(&self) -> Result<(), Misfit> {
        let names = [("server_names", &self.server_names), ("token_names", &self.token_names)];
        for (key, names) in names {
            if let Some(odd) = names.iter().find(|name| !is_domain_name(name)) {
                let odd: String = odd.chars().take(64).flat_map(char::escape_debug).collect();
                let expected = "expected a domain name, which is all that a peer can ask for (RFC 6066 §3)";
                return Err(wrong(key, format!("\"{odd}\": {expected}")));
            }
        }
        let both = self
            .token_names
            .iter()
            .find(|name| self.server_names.iter().any(|other| other.eq_ignore_ascii_case(name)));
        if let Some(name) = both {
            let why = "under one name a peer is either asked for a certificate or not";
            return Err(wrong("token_names", format!("\"{name}\" is in server_names too: {why}")));
        }
        self.ways_fit()
    }

    /// Whether the ways in which peers prove themselves go with one another, and with what they need.
    fn ways_fit(&self) -> Result<(), Misfit> {
        let (psk, certificate, token) =
            (self.accepts(Accept::Psk), self.accepts(Accept::Certificate), self.accepts(Accept::Token));
        let of_certificates =
            |policy: &SuitePolicy| policy.suites().iter().any(|suite| suite.is_certificate());
        let of_keys = |policy: &SuitePolicy| policy.suites().iter().any(|suite| !suite.is_certificate());
        let policy = self.policy();
        let (key, what) = match (self.token_names.is_empty(), token, psk || certificate) {
            (_, false, false) => ("accept", "expected at least one of psk, certificate, token"),
            (true, true, true) => (
                "accept",
                "token beside psk or certificate needs token_names, for one handshake cannot both ask for a \
                 certificate and not ask for one",
            ),
            (false, false, _) => ("token_names", "of no use unless accept has token"),
            (false, true, false) => (
                "token_names",
                "of no use where token is all that is accepted; server_names has the names then",
            ),
            _ if (token || certificate) && self.certificate.is_none() => {
                ("certificate", "needed where certificates or tokens are accepted")
            }
            _ if token && self.token_policy().suites().is_empty() => {
                ("suites", "none of them is for peers with an identity token, TLS_ECDHE_ECDSA_… is")
            }
            _ if certificate && !of_certificates(&policy) => {
                ("suites", "none of them is for peers with a certificate, TLS_ECDHE_ECDSA_… is")
            }
            _ if psk && !of_keys(&policy) => {
                ("suites", "none of them is for peers with a provisioned key, TLS_…PSK_… is")
            }
            _ if self.certificate.is_none() && of_certificates(&policy) => (
                "suites",
                "some of them need a certificate of our own, and there is no [listener.certificate]",
            ),
            _ => return Ok(()),
        };
        Err(wrong(key, what))
    }
}

fn wrong(key: &'static str, what: impl Into<String>) -> Misfit {
    Misfit::new("listener", key, what)
}

/// Whether a peer can ask for it in SNI: no address, no dot at the end (RFC 6066 §3).
fn is_domain_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label) && name.parse::<IpAddr>().is_err()
}

fn suites<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SuitePolicy>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    SuitePolicy::from_names(names.iter().map(String::as_str)).map(Some).map_err(D::Error::custom)
}

fn flavours<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Flavour>>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    names.iter().map(|name| flavour(name).map_err(D::Error::custom)).collect::<Result<_, _>>().map(Some)
}

fn flavour(name: &str) -> Result<Flavour, String> {
    match name {
        "raw-public-key" => Ok(Flavour::RawPublicKey),
        "device" => Ok(Flavour::Device),
        "cse-id" => Ok(Flavour::CseId),
        "ae-id" => Ok(Flavour::AeId),
        "node-id" => Ok(Flavour::NodeId),
        other => Err(format!(
            "\"{}\" is none of raw-public-key, device, cse-id, ae-id, node-id",
            other.escape_debug().take(64).collect::<String>()
        )),
    }
}
