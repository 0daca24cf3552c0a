//! What a person types behind `attache pki`.
#![expect(clippy::doc_markdown, reason = "these texts are printed as they stand")]

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use onem2m::{
    id::{AeId, CseId, CseName, Fqdn, NodeId},
    time::Timestamp,
};
use pki::{DeviceId, DeviceSubtree, Reason, Serial};

#[derive(Debug, Subcommand)]
pub(crate) enum PkiCommand {
    /// Make a development authority in a new directory: a root, and below it authorities for names, devices
    /// and nodes
    Init(PkiInit),
    /// Issue a certificate that keeps to a profile of TS-0003, or make a key that is trusted by its hash
    Issue(Box<PkiIssue>),
    /// Withdraw a certificate for good, and write new revocation lists
    Revoke(PkiRevoke),
    /// Write new revocation lists of all authorities
    Crl(PkiCrl),
    /// Sign the status of a certificate, to be stapled, or answer whoever asks (OCSP)
    Ocsp(PkiOcsp),
    /// Say which rules of the profile a certificate breaks, whoever made it; exit code 1 if any
    Check(PkiCheck),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DirectoryArg {
    /// The directory of the authority
    #[arg(long = "dir", value_name = "DIR", default_value = "pki")]
    pub(super) path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PkiInit {
    #[command(flatten)]
    pub(super) directory: DirectoryArg,
    /// The domain of a service provider whose CSEs, AEs, MAF and MEF are certified; may be repeated
    #[arg(long = "domain", value_name = "FQDN", required = true)]
    pub(super) domains: Vec<Fqdn>,
    /// Devices that are certified: an indication arc, a slash and the first arcs behind it, e.g.
    /// 0.2.481.1/100.3030; may be repeated [default: all]
    #[arg(long = "devices", value_name = "SUBTREE")]
    pub(super) devices: Vec<DeviceSubtree>,
    /// Where status can be asked for (attache pki ocsp --listen), to be named in each certificate
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(super) ocsp_url: Option<String>,
    /// For how many days the authorities are valid
    #[arg(long, value_name = "NUMBER", default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

/// Whom or what it is for.
#[derive(Debug, Args)]
#[group(id = "subject", required = true, multiple = false)]
pub(super) struct SubjectArg {
    /// A CSE, e.g. //example.org/mn-cse-7; an MN-CSE or ASN-CSE needs --in-cse as well
    #[arg(long, value_name = "CSE-ID")]
    pub(super) cse_id: Option<CseId>,
    /// An AE, e.g. //example.org/mn-cse-7/Clight1
    #[arg(long, value_name = "AE-ID")]
    pub(super) ae_id: Option<AeId>,
    /// A node: a URN or a dotted object identifier
    #[arg(long, value_name = "NODE-ID")]
    pub(super) node_id: Option<NodeId>,
    /// A device: its M2M Device ID, e.g. 0.2.481.1/100.3030.10011 (the slash ends the indication arc)
    #[arg(long, value_name = "OID")]
    pub(super) device: Option<DeviceId>,
    /// A MAF or MEF
    #[arg(long, value_name = "FQDN")]
    pub(super) fqdn: Option<Fqdn>,
    /// A self-signed certificate with this name in it, to be enrolled by the hash of its key; needs no authority
    #[arg(long, value_name = "NAME")]
    pub(super) self_signed: Option<String>,
    /// A raw public key, to be enrolled by its hash; needs no authority
    #[arg(long)]
    pub(super) raw_key: bool,
}

/// Whose key it is.
#[derive(Debug, Args)]
#[group(id = "key_source", multiple = false)]
pub(super) struct KeyArg {
    /// The key of a certificate signing request (PKCS #10), which must ask for the same name
    #[arg(long, value_name = "FILE")]
    pub(super) csr: Option<PathBuf>,
    /// A public key
    #[arg(long, value_name = "FILE")]
    pub(super) public_key: Option<PathBuf>,
    /// A private key that exists [default: a new one]
    #[arg(long, value_name = "FILE")]
    pub(super) key: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PkiIssue {
    #[command(flatten)]
    pub(super) directory: DirectoryArg,
    #[command(flatten)]
    pub(super) subject: SubjectArg,
    /// The IN-CSE of the domain, whose name stands in that of an MN-CSE or ASN-CSE
    #[arg(long, value_name = "NAME")]
    pub(super) in_cse: Option<CseName>,
    #[command(flatten)]
    pub(super) key: KeyArg,
    /// What the files are called: NAME.pem for the chain, NAME.key.pem for a new private key, NAME.pub.pem for
    /// a raw public key
    #[arg(long, value_name = "NAME")]
    pub(super) out: PathBuf,
    /// For how many days it is valid
    #[arg(long, value_name = "NUMBER", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

/// Which certificate.
#[derive(Debug, Args)]
#[group(id = "which", multiple = false)]
pub(super) struct WhichArg {
    /// Its file
    #[arg(value_name = "CERTIFICATE")]
    pub(super) file: Option<PathBuf>,
    /// Its serial number
    #[arg(long, value_name = "HEX")]
    pub(super) serial: Option<Serial>,
}

#[derive(Debug, Args)]
pub(crate) struct PkiRevoke {
    #[command(flatten)]
    pub(super) directory: DirectoryArg,
    #[command(flatten)]
    pub(super) which: WhichArg,
    /// Why: keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or
    /// privilegeWithdrawn
    #[arg(long)]
    pub(super) reason: Option<Reason>,
    /// For how many days the revocation lists are valid
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

#[derive(Debug, Args)]
pub(crate) struct PkiCrl {
    #[command(flatten)]
    pub(super) directory: DirectoryArg,
    /// For how many days they are valid
    #[arg(long, value_name = "NUMBER", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = true, args = ["file", "serial", "listen"])]
pub(crate) struct PkiOcsp {
    #[command(flatten)]
    pub(super) directory: DirectoryArg,
    #[command(flatten)]
    pub(super) which: WhichArg,
    /// Where the answer goes, DER; what was there is replaced
    #[arg(long, value_name = "FILE", required_unless_present = "listen")]
    pub(super) out: Option<PathBuf>,
    /// Answer over HTTP at this address until stopped
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["file", "serial", "out"])]
    pub(super) listen: Option<SocketAddr>,
    /// For how many hours an answer is valid
    #[arg(long, value_name = "NUMBER", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub(super) hours: u32,
}

/// As what a certificate is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Judged {
    CseId,
    AeId,
    NodeId,
    Device,
    Fqdn,
    /// By its key alone, as one that is enrolled by its hash
    RawKey,
}

#[derive(Debug, Args)]
pub(crate) struct PkiCheck {
    /// The certificate, and those of the authorities above it, PEM; or a public key
    pub(super) file: PathBuf,
    /// As what to judge it [default: what its names say]
    #[arg(long = "as", value_name = "FLAVOUR")]
    pub(super) judged: Option<Judged>,
    /// Roots: the certificate must lead to one of them as well, be valid now, and be no further than their
    /// constraints allow
    #[arg(long, value_name = "FILE")]
    pub(super) anchors: Option<PathBuf>,
    /// Revocation lists of those below the roots
    #[arg(long, value_name = "FILE", requires = "anchors")]
    pub(super) crls: Option<PathBuf>,
    /// The time to judge by, UTC: YYYYMMDDThhmmss [default: now]
    #[arg(long, value_name = "TIME", requires = "anchors")]
    pub(super) at: Option<Timestamp>,
}

fn http_url(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").map(|rest| rest.split('/').next().unwrap_or_default());
    let plain = text.bytes().all(|octet| octet.is_ascii_graphic());
    match host {
        Some(host) if !host.is_empty() && plain && text.len() <= 255 => Ok(text.to_owned()),
        _ => Err("expected http:// and a host, such as http://ocsp.example.org/ (RFC 6960 §A.1)".to_owned()),
    }
}
