//! `attache credential`: the psk-lookup-table.

mod allow;
mod enrol;
mod half;
mod name;
mod rebind;
mod rotate;
mod show;

use std::process::ExitCode;

use identity::{CredentialState, Function, Method, may_register};
use keys::{CredentialId, KeyLengthPolicy, Kpsa, PskIdentity};
use onem2m::{
    id::{EntityId, EntityKind},
    time::{Clock as _, SystemClock, Timestamp},
};
use serde_json::json;
use store::{
    AuditMut as _, CredentialPage, Credentials as _, CredentialsMut as _, EnrolmentPage, Enrolments as _,
    NewCredential, Store,
};

use crate::{
    cli::{CredentialAdd, CredentialCommand, CredentialList, CredentialName},
    config::Config,
    device_file::Provisional,
    import,
    outcome::{Done, Failure, more_follow, say},
    stored::{self, by_operator},
};

pub(crate) use enrol::{EnrolArg, enrol};
use half::{Half, secret, told};
pub(crate) use rebind::replace;

pub(crate) async fn run(command: CredentialCommand, json: bool) -> Done {
    match command {
        CredentialCommand::Add(arguments) => add(arguments, json).await,
        CredentialCommand::Import(arguments) => import::run(&arguments, json),
        CredentialCommand::List(arguments) => list(arguments, json).await,
        CredentialCommand::Show(arguments) => show::run(arguments, json).await,
        CredentialCommand::Rotate(arguments) => rotate::run(arguments, json).await,
        CredentialCommand::Rebind(arguments) => rebind::run(arguments, json).await,
        CredentialCommand::Allow(arguments) => allow::run(arguments, json).await,
        CredentialCommand::Revoke(arguments) => revoke_named(arguments, json).await,
    }
}

async fn add(arguments: CredentialAdd, json: bool) -> Done {
    if arguments.enrol.is_given() {
        return enrol::add(arguments, json).await;
    }
    let config = Config::load(&arguments.config.config)?;
    let psk_identity = psk_identity(arguments.psk_identity.as_deref().unwrap_or_default())?;
    not_yet_over(arguments.not_after)?;
    let key = Kpsa::new(secret(&arguments.key)?, length_policy(arguments.allow_short_key));
    let key = key.map_err(Failure::usage)?;
    let (kind, entity) = match (&arguments.ae_id, &arguments.cse_id) {
        (_, Some(cse)) => (EntityKind::Cse, Some(EntityId::Cse(cse.clone()))),
        (Some(ae), None) => (EntityKind::Ae, Some(EntityId::Ae(ae.clone()))),
        (None, None) => (EntityKind::Ae, None),
    };
    if let Some(entity) = &entity {
        may_register(entity, &config.cse.id).map_err(Failure::usage)?;
    }
    let store = stored::open(&config)?;
    if key.is_short() {
        eprintln!("warning: the key is shorter than 16 octets (--allow-short-key)");
    }
    not_reserved(&store, &psk_identity).await?;
    let half = Half {
        config: &config,
        psk_identity: &psk_identity,
        entity: entity.as_ref(),
        key: &key,
        registered: None,
    };
    let half = half.write(&arguments.half)?;
    let mut new = NewCredential::new(Function::Cse, psk_identity, key, kind);
    new.entity = entity;
    new.not_after = arguments.not_after;
    new.allow_short_key = arguments.allow_short_key;
    let sharing = sharing(&store, new.entity.as_ref()).await?;
    let id = add_key(&store, new).await?;
    warn_of(&store, &config, &id, sharing).await?;
    half.into_iter().for_each(Provisional::keep);
    let device_file = arguments.half.device_file;
    let line = format!("added {id}{}", told(device_file.as_ref()));
    say(json, &json!({ "added": id.as_str(), "device_file": device_file }), line);
    Ok(ExitCode::SUCCESS)
}

/// The identity of a revoked credential never stands for another key.
async fn not_reserved(store: &Store, psk_identity: &PskIdentity) -> Result<(), Failure> {
    let known = CredentialId::saef_key(psk_identity);
    let known = store.read(move |records| records.credential_record(&known)).await?;
    match known.filter(|known| known.credential.state == CredentialState::Revoked) {
        Some(known) => Err(Failure::usage(format_args!(
            "psk_identity \"{psk_identity}\" is that of a credential that was revoked at {}, and stays reserved: choose \
             another one",
            known.changed
        ))),
        None => Ok(()),
    }
}

/// Warns of what stands beside the credential `id`, which was added, or in its way.
async fn warn_of(
    store: &Store,
    config: &Config,
    id: &CredentialId,
    sharing: Vec<CredentialId>,
) -> Result<(), Failure> {
    for other in sharing {
        eprintln!(
            "warning: {other} stands for the same identity: the holders of both keys are one to the registrar"
        );
    }
    let (settings, added) = (config.cse.settings(), id.clone());
    if store.read(move |records| cse::is_left_out(records, &settings, &added)).await? {
        eprintln!(
            "warning: service rules are enforced and none speaks of {id}: until one does it cannot register (`attache \
             subscription add`)"
        );
    }
    Ok(())
}

/// The active credentials that stand for `entity` already.
async fn sharing(store: &Store, entity: Option<&EntityId>) -> Result<Vec<CredentialId>, Failure> {
    let Some(entity) = entity.cloned() else { return Ok(Vec::new()) };
    let holders = store.read(move |records| records.holders_of(&entity)).await?;
    let active = holders.into_iter().filter(|credential| credential.state == CredentialState::Active);
    Ok(active.map(|credential| credential.credential_id).collect())
}

const fn length_policy(allow_short_key: bool) -> KeyLengthPolicy {
    if allow_short_key { KeyLengthPolicy::AllowShort } else { KeyLengthPolicy::Strict }
}

/// Adds `new` and the audit line about it.
pub(crate) async fn add_key(store: &Store, new: NewCredential) -> Result<CredentialId, Failure> {
    let added = store
        .write("credential.add", move |tx| {
            let credential = tx.add_credential(&new)?;
            let entity = credential.entity.as_ref().map(ToString::to_string);
            let detail = if new.key.is_short() { "a short key was allowed" } else { "" };
            let id = credential.credential_id.as_str();
            tx.append(&by_operator("credential.add", id, entity, detail.to_owned()))?;
            Ok(credential)
        })
        .await?;
    Ok(added.credential_id)
}

fn psk_identity(text: &str) -> Result<PskIdentity, Failure> {
    let identity: PskIdentity = text.parse().map_err(Failure::usage)?;
    if text.contains('@') {
        text.parse::<keys::KpsaId>().map_err(Failure::usage)?;
    } else {
        text.parse::<keys::DraftKeyId>().map_err(|_| {
            Failure::usage(format_args!(
                "psk_identity \"{identity}\": expected a KpsaID (`name@issuer-domain`, TS-0003 §10.5) or the 32 \
                 hexadecimal digits of a Kcc_ID/Kca_ID"
            ))
        })?;
    }
    Ok(identity)
}

async fn list(arguments: CredentialList, json: bool) -> Done {
    let store = stored::open_existing(&Config::load(&arguments.config.config)?)?;
    let is_enrolment = |id: &CredentialId| Method::of(id).is_some();
    let behind_keys = arguments.after.as_deref().and_then(|after| after.parse().ok()).filter(is_enrolment);
    let mut after = arguments.after;
    let mut left = arguments.limit;
    let mut listed = false;
    while left > 0 && behind_keys.is_none() {
        let page = CredentialPage {
            function: Function::Cse,
            after: after.clone(),
            limit: left.min(store::MAX_PAGE),
        };
        let rows = store.read(move |records| records.credentials(&page)).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.credential.psk_identity.as_str().to_owned());
        listed = true;
        left -= u32::try_from(rows.len()).unwrap_or(left);
        for row in rows {
            let fact = show::fact(&row);
            let credential = row.credential;
            let entity = credential.entity.as_ref().map(ToString::to_string);
            let entity = entity.as_deref().unwrap_or("(not assigned yet)");
            let until = credential.not_after.map(|time| format!("  until {time}")).unwrap_or_default();
            let line = format!("{:<8} {:<40} {entity}{until}", credential.state, credential.psk_identity);
            say(json, &fact, line);
        }
    }
    let mut shown = if listed { after } else { None };
    let mut after = behind_keys.map(|id| id.as_str().to_owned());
    while left > 0 {
        let limit = left.min(store::MAX_PAGE);
        let page = EnrolmentPage { function: Function::Cse, after: after.clone(), limit };
        let rows = store.read(move |records| records.enrolments(&page)).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.enrolment.credential_id.as_str().to_owned());
        listed = true;
        shown.clone_from(&after);
        left -= u32::try_from(rows.len()).unwrap_or(left);
        for row in rows {
            say(json, &show::enrolment_fact(&row), enrol::line(&row.enrolment));
        }
    }
    if !listed && arguments.limit > 0 {
        eprintln!("there is no credential");
    }
    if let Some(last) = shown.filter(|_| left == 0) {
        let how = format!("--after {}", last.escape_debug());
        // Whichever list it ended in: enrolments are listed behind all keys.
        let page_of_keys = after.is_none();
        let more = move |records: &store::Reader<'_>| {
            let page = EnrolmentPage { function: Function::Cse, after, limit: 1 };
            if !records.enrolments(&page)?.is_empty() {
                return Ok(true);
            }
            let page = CredentialPage { function: Function::Cse, after: Some(last), limit: 1 };
            Ok(page_of_keys && !records.credentials(&page)?.is_empty())
        };
        if store.read(more).await? {
            more_follow(how);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke_named(arguments: CredentialName, json: bool) -> Done {
    let store = stored::open_existing(&Config::load(&arguments.config.config)?)?;
    let id = name::credential_named(&store, &arguments.psk_identity).await?;
    match revoke(&store, id.clone()).await? {
        Revoked::Now => {
            let line = format_args!("revoked {id}; its associations are being closed");
            say(json, &json!({ "revoked": id.as_str(), "already": false }), line);
        }
        Revoked::Before(since) => {
            let fact = json!({ "revoked": id.as_str(), "already": true, "since": since.to_string() });
            say(json, &fact, format_args!("{id} was already revoked at {since}; nothing was changed"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a revocation came to.
pub(crate) enum Revoked {
    Now,
    /// It had been revoked at this time.
    Before(Timestamp),
}

/// Withdraws a credential, unless it is withdrawn already, and adds the audit line about it.
pub(crate) async fn revoke(store: &Store, id: CredentialId) -> Result<Revoked, Failure> {
    let revoke = move |tx: &mut store::Tx<'_>| {
        let key = tx.credential_record(&id)?.map(|key| (key.credential.state, key.changed));
        let enrolled = tx.enrolment_record(&id)?.map(|enrolled| (enrolled.enrolment.state, enrolled.changed));
        if let Some((CredentialState::Revoked, since)) = key.or(enrolled) {
            return Ok(Revoked::Before(since));
        }
        let credential = tx.revoke(&id)?;
        let entity = credential.subject.as_ref().map(ToString::to_string);
        tx.append(&by_operator("credential.revoke", id.as_str(), entity, String::new()))?;
        Ok(Revoked::Now)
    };
    Ok(store.write("credential.revoke", revoke).await?)
}

/// A credential that has ended before it begins would open nothing.
fn not_yet_over(not_after: Option<Timestamp>) -> Result<(), Failure> {
    match not_after {
        Some(end) if end <= SystemClock.now() => Err(Failure::usage(format_args!(
            "--not-after {end}: this time has passed; expected a later one (UTC)"
        ))),
        _ => Ok(()),
    }
}
