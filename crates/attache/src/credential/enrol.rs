//! Public keys, names in certificates, and identity tokens, beside the keys of the psk-lookup-table.

#![expect(clippy::doc_markdown, reason = "the texts of arguments are printed as they stand")]

use std::{path::PathBuf, process::ExitCode};

use certificate::{Anchors, Chain, Flavour, RawKey};
use clap::Args;
use identity::{ChainPolicy, Enrolment, Function, Named, Surroundings, credential_id_of, may_register};
use keys::{CredentialId, IdentityToken, OsRng, PublicKeyHash, PublicKeyIdentifier};
use onem2m::{
    id::{AeId, EntityId, EntityKind, NodeId},
    time::{Clock as _, SystemClock, Timestamp},
};
use serde_json::{Value, json};
use store::{AuditMut as _, Enrolled, EnrolmentsMut as _, NewEnrolment, Store};

use super::{not_yet_over, warn_of};
use crate::{
    cli::{CredentialAdd, CredentialRebind},
    config::Config,
    outcome::{Done, Failure, say},
    stored::{self, by_operator, operator},
};

/// What is enrolled in place of a symmetric key.
#[derive(Debug, Args)]
pub(crate) struct EnrolArg {
    /// Enrol a public key: a file with a certificate or public key, or its hash (ni:///sha-256;...)
    #[arg(long, value_name = "FILE|HASH", conflicts_with_all = ["key", "device_half", "allow_short_key"])]
    public_key: Option<String>,
    /// Enrol the name in a certificate: cse:DNS-NAME, ae:AE-ID, device:OID or node:NODE-ID
    #[arg(long, value_name = "NAME", conflicts_with_all = ["key", "device_half", "allow_short_key"])]
    certificate_name: Option<String>,
    /// Issue an identity token; it is shown this once
    #[arg(long, conflicts_with_all = ["key", "device_half", "allow_short_key"])]
    token: bool,
    /// Accept the public key only in a chain to one of the certificates in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["psk_identity", "certificate_name", "token"])]
    chain_anchors: Option<PathBuf>,
}

impl EnrolArg {
    /// Whether something else than a symmetric key is meant.
    pub(super) const fn is_given(&self) -> bool {
        self.public_key.is_some() || self.certificate_name.is_some() || self.token
    }
}

/// What is to be enrolled, and the token if it is one.
struct Ready {
    new: NewEnrolment,
    token: Option<IdentityToken>,
}

/// Whom it is for, beside what it is.
struct Whom {
    subject: Option<EntityId>,
    allowed: Vec<AeId>,
    not_after: Option<Timestamp>,
}

pub(super) async fn add(arguments: CredentialAdd, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let subject = match (arguments.ae_id, arguments.cse_id) {
        (_, Some(cse)) => Some(EntityId::Cse(cse)),
        (Some(ae), None) => Some(EntityId::Ae(ae)),
        (None, None) => None,
    };
    let whom = Whom { subject, allowed: arguments.allowed_ae_id, not_after: arguments.not_after };
    let Ready { new, token } = ready(&config, &arguments.enrol, whom)?;
    let store = stored::open(&config)?;
    let sharing = super::sharing(&store, new.subject.as_ref()).await?;
    let added = enrol(&store, new).await?;
    warn_of(&store, &config, &added.credential_id, sharing).await?;
    let id = &added.credential_id;
    let mut fact = json!({ "added": id.as_str(), "method": added.method.as_str() });
    say(
        json,
        show_token(&mut fact, token.as_ref()),
        format_args!("added {id}{}", told_token(token.as_ref()).as_str()),
    );
    Ok(ExitCode::SUCCESS)
}

/// Adds the enrolment, on the record.
pub(crate) async fn enrol(store: &Store, new: NewEnrolment) -> Result<Enrolment, Failure> {
    let added = store.write("credential.add", move |tx| {
        let enrolment = tx.add_enrolment(&new)?;
        let entity = enrolment.subject.as_ref().map(ToString::to_string);
        let id = enrolment.credential_id.as_str();
        tx.append(&by_operator("credential.add", id, entity, enrolment.method.as_str().to_owned()))?;
        Ok(enrolment)
    });
    Ok(added.await?)
}

pub(super) async fn rebind(arguments: CredentialRebind, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let entity = arguments.entity.whose()?;
    let whom = Whom { subject: Some(entity.clone()), allowed: Vec::new(), not_after: arguments.not_after };
    let Ready { new, token } = ready(&config, &arguments.enrol, whom)?;
    let store = stored::open_existing(&config)?;
    let (settings, any_app_id, source) = (config.cse.settings(), arguments.any_app_id, operator());
    let replaced = store
        .write("credential.rebind", move |tx| {
            cse::replace_by_enrolment(tx, &settings, &new, any_app_id, &source)
        })
        .await?;
    super::rebind::warn_if_ruled_out(replaced.ruled_out);
    let id = replaced.credential.credential_id.as_str();
    let withdrawn: Vec<&str> = replaced.withdrawn.iter().map(CredentialId::as_str).collect();
    let mut fact = json!({
        "rebound": entity.to_string(),
        "credential_id": id,
        "version": replaced.credential.version,
        "withdrawn": withdrawn,
        "awaited": replaced.awaited,
    });
    let line = super::rebind::line(&entity, id, &withdrawn, replaced.awaited);
    say(
        json,
        show_token(&mut fact, token.as_ref()),
        format_args!("{line}{}", told_token(token.as_ref()).as_str()),
    );
    Ok(ExitCode::SUCCESS)
}

fn ready(config: &Config, given: &EnrolArg, whom: Whom) -> Result<Ready, Failure> {
    not_yet_over(whom.not_after)?;
    let mut token = None;
    let what = if let Some(key) = &given.public_key {
        Enrolled::PublicKey(public_key(key)?)
    } else if let Some(name) = &given.certificate_name {
        Enrolled::Certificate(certificate_name(config, name)?)
    } else {
        let issued = IdentityToken::generate(&OsRng).map_err(Failure::internal)?;
        let digest = issued.digest();
        token = Some(issued);
        Enrolled::Token(digest)
    };
    let of_cse =
        matches!(&what, Enrolled::Certificate(id) if id.kind() == keys::CredentialKind::CseIdCertificate);
    let kind = match &whom.subject {
        Some(entity) => entity.kind(),
        None if of_cse => EntityKind::Cse,
        None => EntityKind::Ae,
    };
    let listed = whom.allowed.iter().cloned().map(EntityId::Ae);
    for entity in whom.subject.iter().cloned().chain(listed) {
        may_register(&entity, &config.cse.id).map_err(Failure::usage)?;
    }
    let new = NewEnrolment {
        subject: whom.subject,
        allowed: whom.allowed,
        not_after: whom.not_after,
        chain_policy: given.chain_anchors.as_ref().map(chain_policy).transpose()?,
        ..NewEnrolment::new(Function::Cse, what, kind)
    };
    Ok(Ready { new, token })
}

/// A hash as it is written, or the hash of the key in a file.
fn public_key(text: &str) -> Result<PublicKeyIdentifier, Failure> {
    match text.parse() {
        Ok(hash) => return Ok(hash),
        Err(error) if text.starts_with("ni:") || text.starts_with("nih:") => {
            return Err(Failure::usage(error));
        }
        Err(_) => {}
    }
    let contents = std::fs::read(text).map_err(|error| {
        Failure::usage(format_args!(
            "--public-key {text}: {error} (neither is it a hash such as ni:///sha-256;...)"
        ))
    })?;
    let wrong = |error: &dyn std::fmt::Display| Failure::usage(format_args!("--public-key {text}: {error}"));
    let spki = match pem_public_key(&contents) {
        Some(der) => RawKey::from_spki_der(&der).map_err(|error| wrong(&error))?,
        None if contents.starts_with(b"\x30") => RawKey::from_spki_der(&contents)
            .or_else(|_| key_of(&Chain::from_der(&[&contents]).map_err(|error| wrong(&error))?, &wrong))?,
        None => key_of(&Chain::from_pem(&contents).map_err(|error| wrong(&error))?, &wrong)?,
    };
    Ok(PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, spki.spki()))
}

fn key_of(chain: &Chain, wrong: &dyn Fn(&dyn std::fmt::Display) -> Failure) -> Result<RawKey, Failure> {
    chain.key().map_err(|violation| wrong(&violation))
}

/// The DER of the first public key in PEM, if there is one.
fn pem_public_key(contents: &[u8]) -> Option<Vec<u8>> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = std::str::from_utf8(contents).ok()?;
    let (_, rest) = text.split_once("-----BEGIN PUBLIC KEY-----")?;
    let (body, _) = rest.split_once("-----END PUBLIC KEY-----")?;
    STANDARD.decode(body.split_ascii_whitespace().collect::<String>()).ok()
}

/// The Credential-ID of a certificate with this name.
fn certificate_name(config: &Config, text: &str) -> Result<CredentialId, Failure> {
    let settings = config.cse.settings();
    let here =
        Surroundings { home: &settings.home, infrastructure: config.cse.infrastructure.as_ref(), known: &[] };
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format_args!("--certificate-name {}: {error}", text.escape_debug()))
    };
    let expected = "expected cse:DNS-NAME, ae:AE-ID, device:OID or node:NODE-ID";
    let (kind, name) = text.split_once(':').ok_or_else(|| wrong(&expected))?;
    // Nobody could ever prove another one, and the record would look as if it let somebody in.
    let held = |flavour, form: &str| {
        certificate::can_hold(flavour, name)
            .then_some(())
            .ok_or_else(|| wrong(&format_args!("no certificate can hold it: expected {form}")))
    };
    match kind {
        "cse" => held(Flavour::CseId, "a domain name of several labels, no wildcard (TS-0003 §10.1.1.7)")?,
        "device" => held(Flavour::Device, "an object identifier in dotted form (TS-0003 §10.1.1.4.1)")?,
        "node" => held(Flavour::NodeId, "a URN or a dotted object identifier (TS-0003 §10.1.1.8)")?,
        _ => {}
    }
    let id = match kind {
        "cse" => credential_id_of(&here, Named::Cse(name)),
        "device" => credential_id_of(&here, Named::Device(name)),
        "ae" => {
            let ae = AeId::parse_in(name, settings.home.cse.sp()).map_err(|error| wrong(&error))?;
            credential_id_of(&here, Named::Ae(&ae))
        }
        "node" => {
            let node: NodeId = name.parse().map_err(|error| wrong(&error))?;
            credential_id_of(&here, Named::Node(&node))
        }
        _ => return Err(wrong(&expected)),
    };
    id.map_err(|error| wrong(&error))
}

fn chain_policy(file: &PathBuf) -> Result<ChainPolicy, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::usage(format_args!("--chain-anchors {}: {error}", file.display()))
    };
    let anchors_pem = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    Anchors::from_pem(anchors_pem.as_bytes(), SystemClock.now()).map_err(|error| wrong(&error))?;
    Ok(ChainPolicy { anchors_pem })
}

fn show_token<'a>(fact: &'a mut Value, token: Option<&IdentityToken>) -> &'a Value {
    if let (Some(fact), Some(token)) = (fact.as_object_mut(), token) {
        fact.insert("token".into(), json!(token.to_text().as_str()));
    }
    fact
}

fn told_token(token: Option<&IdentityToken>) -> zeroize::Zeroizing<String> {
    let text = token.map(|token| format!("\ntoken, shown this once: {}", token.to_text().as_str()));
    zeroize::Zeroizing::new(text.unwrap_or_default())
}

/// One line of a list.
pub(super) fn line(enrolment: &Enrolment) -> String {
    let until = enrolment.not_after.map(|time| format!("  until {time}")).unwrap_or_default();
    format!("{:<8} {:<40} {}{until}", enrolment.state, enrolment.credential_id, stands_for(enrolment))
}

/// For whom it stands, in words.
pub(super) fn stands_for(enrolment: &Enrolment) -> String {
    use identity::Method;
    if !enrolment.allowed.is_empty() {
        return enrolment.allowed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    match (&enrolment.subject, enrolment.method) {
        (Some(subject), _) => subject.to_string(),
        (None, Method::Certificate(identity::Flavour::CseId | identity::Flavour::AeId)) => {
            "(whom the certificate names)".into()
        }
        (None, _) => "(not assigned yet)".into(),
    }
}
