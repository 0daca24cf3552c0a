//! What a person types.
#![expect(clippy::doc_markdown, reason = "these texts are printed as they stand")]

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use identity::{AppIdPattern, StemPattern};
use keys::pattern::CredentialPattern;
use onem2m::id::{AeId, CseId, ResourceName, RoleId};

use crate::{config::HostPort, credential::EnrolArg, pki::PkiCommand};

/// Security for oneM2M deployments: registrar, credentials, devices.
#[derive(Debug, Parser)]
#[command(name = "attache", version, max_term_width = 100, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// Print facts as JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the registrar that a configuration file describes
    Serve(ConfigArg),
    /// Add, import, show, rotate and revoke credentials (the psk-lookup-table)
    #[command(subcommand)]
    Credential(Box<CredentialCommand>),
    /// Say which AEs may register, with which credential, as which application (service rules)
    #[command(subcommand)]
    Subscription(SubscriptionCommand),
    /// See and change the registration of this CSE with another one
    #[command(subcommand)]
    Registrar(RegistrarCommand),
    /// Act as a device: attach to a registrar and send requests
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Make certificates of every flavour with a development authority, and check those of others
    #[command(subcommand)]
    Pki(PkiCommand),
    /// Look into the store
    #[command(subcommand)]
    Inspect(InspectCommand),
    /// Say what is wrong with a deployment and how to mend it; exit code 2 if something must be
    Doctor(ConfigArg),
    /// Run a whole story on loopback, over real sockets
    #[command(subcommand)]
    Demo(DemoCommand),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "attache.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CredentialCommand {
    /// Add one provisioned symmetric key, public key, certificate's name or identity token
    Add(CredentialAdd),
    /// Import many from CSV: psk_identity,psk_hex,entity_id,kind and, where wanted, not_after
    Import(CredentialImport),
    /// List credentials, never their keys
    List(CredentialList),
    /// Show one credential and what is registered with it, never its key
    Show(CredentialName),
    /// Give a credential a new key; whoever attached with the old one is disconnected
    Rotate(CredentialRotate),
    /// Replace equipment: a new credential takes over an identity and its registration, all others are withdrawn
    Rebind(CredentialRebind),
    /// Let a device or node certificate speak as other AEs than before; whoever attached with it is disconnected
    Allow(CredentialAllow),
    /// Withdraw a credential for good: its key is erased, its identity stays reserved
    Revoke(CredentialName),
}

/// Where a key comes from; never from the command line, which others can see.
#[derive(Debug, Args)]
#[group(id = "key", multiple = false)]
pub(crate) struct KeyArg {
    /// Draw a new key of 32 octets
    #[arg(long, requires = "device_file")]
    pub(crate) generate: bool,
    /// Read the key, in hexadecimal digits, from a file
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Read the key, in hexadecimal digits, from standard input
    #[arg(long)]
    pub(crate) key_stdin: bool,
}

#[derive(Debug, Args)]
#[group(id = "device_half", multiple = true)]
pub(crate) struct DeviceHalfArg {
    /// Write a device file with the key and the registrar's address, readable by its owner alone
    #[arg(long, value_name = "FILE")]
    pub(crate) device_file: Option<PathBuf>,
    /// Where the device reaches the registrar [default: `advertise` or `address` of the first listener]
    #[arg(long, value_name = "HOST:PORT", requires = "device_file")]
    pub(crate) registrar: Option<HostPort>,
}

#[derive(Debug, Args)]
#[command(group = proofs())]
pub(crate) struct CredentialAdd {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// What the device sends as psk_identity: a KpsaID such as light1@home.example.org
    #[arg(long, value_name = "KPSA-ID", requires = "key")]
    pub(crate) psk_identity: Option<String>,
    #[command(flatten)]
    pub(crate) enrol: EnrolArg,
    /// An AE that a device or node may speak as, in place of one identity; may be repeated
    #[arg(long, value_name = "AE-ID", conflicts_with_all = ["ae_id", "cse_id", "psk_identity", "public_key", "token"])]
    pub(crate) allowed_ae_id: Vec<AeId>,
    /// The AE that the key stands for, e.g. //example.org/mn-cse-123456/Clight1; without it the registrar
    /// assigns an AE-ID at the first registration
    #[arg(long, value_name = "AE-ID", conflicts_with = "cse_id")]
    pub(crate) ae_id: Option<AeId>,
    /// The CSE that the key stands for, e.g. //example.org/mn-cse-7
    #[arg(long, value_name = "CSE-ID")]
    pub(crate) cse_id: Option<CseId>,
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[command(flatten)]
    pub(crate) half: DeviceHalfArg,
    /// Last moment of its use, UTC: YYYYMMDDThhmmss
    #[arg(long, value_name = "TIME")]
    pub(crate) not_after: Option<onem2m::time::Timestamp>,
    /// Accept a key of 8 to 15 octets (for tests only)
    #[arg(long)]
    pub(crate) allow_short_key: bool,
}

#[derive(Debug, Args)]
#[command(mut_group("key", |key| key.required(true)))]
pub(crate) struct CredentialRotate {
    #[command(flatten)]
    pub(crate) name: CredentialName,
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[command(flatten)]
    pub(crate) half: DeviceHalfArg,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialAllow {
    #[command(flatten)]
    pub(crate) name: CredentialName,
    /// An AE that it may speak as from now on; may be repeated. Those that are not named here it may no longer
    #[arg(long, value_name = "AE-ID", required = true)]
    pub(crate) allowed_ae_id: Vec<AeId>,
}

/// By what a device is to be known: exactly one.
fn proofs() -> ArgGroup {
    let proofs = ["psk_identity", "public_key", "certificate_name", "token"];
    ArgGroup::new("proof").required(true).multiple(false).args(proofs)
}

/// Whose equipment is replaced.
#[derive(Debug, Args)]
#[group(id = "entity", required = true, multiple = false)]
pub(crate) struct EntityArg {
    /// The AE whose equipment is replaced
    #[arg(long, value_name = "AE-ID")]
    pub(crate) ae_id: Option<AeId>,
    /// The CSE whose equipment is replaced
    #[arg(long, value_name = "CSE-ID")]
    pub(crate) cse_id: Option<CseId>,
}

#[derive(Debug, Args)]
#[command(group = proofs())]
pub(crate) struct CredentialRebind {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    #[command(flatten)]
    pub(crate) entity: EntityArg,
    /// What the new equipment sends as psk_identity; that of the old one may be kept, unless it is revoked
    #[arg(long, value_name = "KPSA-ID", requires = "key")]
    pub(crate) psk_identity: Option<String>,
    #[command(flatten)]
    pub(crate) enrol: EnrolArg,
    #[command(flatten)]
    pub(crate) key: KeyArg,
    #[command(flatten)]
    pub(crate) half: DeviceHalfArg,
    /// Last moment of its use, UTC: YYYYMMDDThhmmss
    #[arg(long, value_name = "TIME")]
    pub(crate) not_after: Option<onem2m::time::Timestamp>,
    /// Accept a key of 8 to 15 octets (for tests only)
    #[arg(long)]
    pub(crate) allow_short_key: bool,
    /// Let the new equipment register as another application
    #[arg(long)]
    pub(crate) any_app_id: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialImport {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The CSV file; - for standard input
    pub(crate) file: PathBuf,
    /// Check every line, also against the store, and write nothing
    #[arg(long)]
    pub(crate) check: bool,
    /// Leave bad lines out instead of importing nothing
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Accept keys of 8 to 15 octets (for tests only)
    #[arg(long)]
    pub(crate) allow_short_key: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialList {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Start behind this psk_identity, or behind this Credential-ID of what is no key
    #[arg(long, value_name = "KPSA-ID")]
    pub(crate) after: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct CredentialName {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Its psk_identity or Credential-ID, or the hash of the public key
    pub(crate) psk_identity: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SubscriptionCommand {
    /// Add a rule; from the first one on, an AE registers only if a rule allows it
    Add(SubscriptionAdd),
    /// Add the rules of a TOML or JSON file, all or none: each a rule with name, credentials, app_ids, ae_ids, role_ids
    Import(SubscriptionImport),
    /// List the rules
    List(ConfigArg),
    /// Remove a rule, or all of them
    Remove(SubscriptionRemove),
}

#[derive(Debug, Args)]
#[group(id = "who", required = true, multiple = true, args = ["credentials", "no_association"])]
pub(crate) struct SubscriptionAdd {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// A Credential-ID that the rule is for, e.g. 12-light1@home.example.org; * stands for any text
    #[arg(long = "cred", value_name = "PATTERN", conflicts_with = "no_association")]
    pub(crate) credentials: Vec<CredentialPattern>,
    /// The rule is for registrations without a security association, on this equipment
    #[arg(long)]
    pub(crate) no_association: bool,
    /// An App-ID that it allows, e.g. Nlight.example; * stands for any text
    #[arg(long = "app-id", value_name = "PATTERN")]
    pub(crate) app_ids: Vec<AppIdPattern>,
    /// An AE-ID-Stem that it allows, e.g. Clight1; * stands for any text
    #[arg(long = "ae-id", value_name = "PATTERN")]
    pub(crate) ae_ids: Vec<StemPattern>,
    /// A Role-ID that a registration may name, e.g. admin@roles.example.org
    #[arg(long = "role", value_name = "ROLE-ID")]
    pub(crate) roles: Vec<RoleId>,
    /// What to call the rule [default: the AE-ID-Stem, or a number]
    #[arg(long)]
    pub(crate) name: Option<ResourceName>,
}

#[derive(Debug, Args)]
pub(crate) struct SubscriptionImport {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The file: JSON if its name ends in .json, TOML otherwise
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
#[group(id = "what", required = true, multiple = false, args = ["name", "all"])]
pub(crate) struct SubscriptionRemove {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// The rule; if it was the last one, no AE can register
    pub(crate) name: Option<ResourceName>,
    /// All rules and the profile, as if there had never been one
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RegistrarCommand {
    /// Say whether this CSE is registered with the one in `[registrar]`, and if not, why
    Status(ConfigArg),
    /// Register again, after leaving
    Join(ConfigArg),
    /// De-register, until `join` or the next start of the server
    Leave(ConfigArg),
}

#[derive(Debug, Subcommand)]
pub(crate) enum InspectCommand {
    /// Who is connected to the running server now
    Associations(InspectAssociations),
    /// The registered AEs and CSEs, by resourceID
    Registrations(InspectRegistrations),
    /// The audit, newest first
    Audit(InspectAudit),
    /// What another CSE answers to this one: RETRIEVE of a resource that is hosted there
    Remote(InspectRemote),
    /// A digest of all records but the audit: equal before and after whatever changed nothing
    Digest(ConfigArg),
}

#[derive(Debug, Args)]
pub(crate) struct InspectAssociations {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Start behind the association with this number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) after: u64,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct InspectRegistrations {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Start behind the registration with this resourceID
    #[arg(long, value_name = "RESOURCE-ID")]
    pub(crate) after: Option<String>,
    /// How many at the most
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
pub(crate) struct InspectRemote {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// Address of the resource, e.g. /mn-cse-123456/home_gateway
    #[arg(value_name = "ADDRESS")]
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct InspectAudit {
    #[command(flatten)]
    pub(crate) config: ConfigArg,
    /// How many at the most, from the newest on
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceCommand {
    /// Make a security association and register the device's AE, or find it registered
    Attach(DeviceFile),
    /// Send one request over a security association
    Request(DeviceRequest),
}

#[derive(Debug, Args)]
pub(crate) struct DeviceFile {
    /// The device file (`attache credential add --device-file` writes one)
    #[arg(long, short, value_name = "FILE", default_value = "device.toml")]
    pub(crate) device: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verb {
    Create,
    Retrieve,
    Update,
    Delete,
}

#[derive(Debug, Args)]
pub(crate) struct DeviceRequest {
    #[command(flatten)]
    pub(crate) file: DeviceFile,
    /// What to do
    pub(crate) verb: Verb,
    /// The resource, e.g. home_gateway/light_ae1
    pub(crate) to: String,
    /// Resource type of a CREATE, e.g. 2 for AE
    #[arg(long, value_name = "NUMBER")]
    pub(crate) ty: Option<u32>,
    /// Content: JSON text, or @FILE
    #[arg(long, value_name = "JSON")]
    pub(crate) content: Option<String>,
    /// Result content (rcn)
    #[arg(long, value_name = "NUMBER")]
    pub(crate) rcn: Option<u32>,
    /// Originator to write into From instead of the device's own (a registrar refuses an identity that the
    /// key does not stand for)
    #[arg(long, value_name = "ID")]
    pub(crate) from: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum DemoCommand {
    /// A home gateway, its lights, sensors and applications, and the attacks on them
    SmartHome,
}
