use std::{collections::BTreeSet, net::SocketAddr, num::NonZeroU32, path::PathBuf};

use identity::Flavour;
use net::SuitePolicy;
use serde::{Deserialize, Deserializer, de::Error};

use super::HostPort;

/// `[[listener]]`: an address at which peers are served over TLS 1.2, in HTTP.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenerSection {
    /// Address and port, e.g. `0.0.0.0:8443`; port 0 lets the system choose.
    pub(crate) address: SocketAddr,
    /// Where devices reach it: `host:port`. Default: `address`, unless that stands for all addresses of this machine.
    pub(crate) advertise: Option<HostPort>,
    /// How peers prove who they are. Default: `psk`, and `certificate` where there is one of our own.
    accept: Option<BTreeSet<Accept>>,
    /// Names that peers may ask for in SNI. Default: any.
    #[serde(default)]
    pub(crate) server_names: BTreeSet<String>,
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
    /// An identity token in the registration (draft clause x.y.7); with no other beside it.
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
                Accept::Token => false,
            },
        }
    }

    /// The suites that go with what it accepts.
    pub(crate) fn policy(&self) -> SuitePolicy {
        match &self.suites {
            Some(chosen) => chosen.clone(),
            None if self.accepts(Accept::Token) => SuitePolicy::default().with_certificates(),
            None => match (self.accepts(Accept::Psk), self.accepts(Accept::Certificate)) {
                (true, false) => SuitePolicy::default(),
                (false, true) => SuitePolicy::default().with_certificates().certificates_only(),
                _ => SuitePolicy::default().with_certificates(),
            },
        }
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
        ways.join(", ")
    }

    /// What in it does not go together, if anything.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let (psk, certificate, token) =
            (self.accepts(Accept::Psk), self.accepts(Accept::Certificate), self.accepts(Accept::Token));
        if token && (psk || certificate) {
            Some(
                "accept: token clients need a listener of their own, for one handshake cannot both ask for a certificate and not ask for one",
            )
        } else if (token || certificate) && self.certificate.is_none() {
            Some("certificate: needed where certificates or tokens are accepted")
        } else if !(psk || certificate || token) {
            Some("accept: expected at least one of psk, certificate, token")
        } else {
            None
        }
    }
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
