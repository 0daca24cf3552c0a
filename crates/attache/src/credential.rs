//! `attache credential`: the psk-lookup-table.

use std::{fmt::Write as _, io::Read as _, process::ExitCode};

use identity::Function;
use keys::{CredentialId, KeyLengthPolicy, Kpsa, OsRng, PskIdentity, Rng as _, Secret};
use onem2m::id::{EntityId, EntityKind};
use serde_json::json;
use store::{AuditMut as _, CredentialPage, Credentials as _, CredentialsMut as _, NewCredential, Store};
use zeroize::Zeroizing;

use crate::{
    cli::{CredentialAdd, CredentialCommand, CredentialList, CredentialName},
    config::Config,
    device_file::{read_key, write_private},
    import,
    outcome::{Done, Failure, say},
    stored::{self, by_operator},
};

/// Octets of a key that is drawn here.
const DRAWN_OCTETS: usize = 32;

pub(crate) async fn run(command: CredentialCommand, json: bool) -> Done {
    match command {
        CredentialCommand::Add(arguments) => add(arguments, json).await,
        CredentialCommand::Import(arguments) => import::run(&arguments, json),
        CredentialCommand::List(arguments) => list(arguments, json).await,
        CredentialCommand::Revoke(arguments) => revoke_named(arguments, json).await,
    }
}

async fn add(arguments: CredentialAdd, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let psk_identity = psk_identity(&arguments.psk_identity)?;
    let policy =
        if arguments.allow_short_key { KeyLengthPolicy::AllowShort } else { KeyLengthPolicy::Strict };
    let key = Kpsa::new(secret(&arguments)?, policy).map_err(Failure::usage)?;
    let (kind, entity) = match (&arguments.ae_id, &arguments.cse_id) {
        (_, Some(cse)) => (EntityKind::Cse, Some(EntityId::Cse(cse.clone()))),
        (Some(ae), None) => (EntityKind::Ae, Some(EntityId::Ae(ae.clone()))),
        (None, None) => (EntityKind::Ae, None),
    };
    if let Some(path) = arguments.device_file.as_ref().filter(|path| path.exists()) {
        return Err(Failure::usage(format_args!("{} exists; choose another name", path.display())));
    }
    let device_file = match &arguments.device_file {
        Some(path) => Some((path, device_file(&arguments, &config, &psk_identity, entity.as_ref(), &key)?)),
        None => None,
    };
    let mut new = NewCredential::new(Function::Cse, psk_identity, key, kind);
    new.entity = entity;
    new.not_after = arguments.not_after;
    new.allow_short_key = arguments.allow_short_key;
    let store = stored::open(&config)?;
    let id = add_key(&store, new).await?;
    if let Some((path, text)) = device_file {
        write_private(path, text.as_bytes(), false)?;
    }
    let line = match &arguments.device_file {
        Some(path) => format!("added {id}; the device's half is in {}", path.display()),
        None => format!("added {id}"),
    };
    say(json, &json!({ "added": id.as_str(), "device_file": arguments.device_file }), line);
    Ok(ExitCode::SUCCESS)
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

fn secret(arguments: &CredentialAdd) -> Result<Secret, Failure> {
    if let Some(path) = &arguments.key_file {
        return read_key(path);
    }
    if arguments.key_stdin {
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().take(1024).read_to_string(&mut text).map_err(|error| {
            Failure::usage(format_args!("cannot read the key from standard input: {error}"))
        })?;
        return Secret::from_hex(text.trim_end())
            .map_err(|error| Failure::usage(format_args!("standard input: {error}")));
    }
    let mut octets = vec![0; DRAWN_OCTETS];
    OsRng.fill(&mut octets).map_err(Failure::internal)?;
    Ok(Secret::new(octets))
}

/// What the device needs: the registrar's address, the key, the identity.
fn device_file(
    arguments: &CredentialAdd,
    config: &Config,
    psk_identity: &PskIdentity,
    entity: Option<&EntityId>,
    key: &Kpsa,
) -> Result<Zeroizing<String>, Failure> {
    let address = match (arguments.registrar, config.listener.first()) {
        (Some(address), _) => address,
        (None, Some(listener)) => listener.address,
        (None, None) => return Err(Failure::usage("the configuration has no [[listener]]")),
    };
    if address.port() == 0 {
        return Err(Failure::usage("the listener's port is chosen at its start: name it with --registrar"));
    }
    let name = arguments.psk_identity.split('@').next().unwrap_or("device");
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let mut write = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").map_err(Failure::internal);
    write(format_args!(
        "# A device of {}. It holds a key: keep it readable by its owner alone.\n",
        config.cse.id
    ))?;
    write(format_args!("[registrar]\naddress = \"{address}\"\ncse_id = \"{}\"", config.cse.id))?;
    write(format_args!("base_name = \"{}\"\n", config.cse.base_name))?;
    let mut digits = Zeroizing::new(vec![0; key.octets() * 2]);
    hex::encode_to_slice(key.expose(), &mut digits).map_err(Failure::internal)?;
    let digits = std::str::from_utf8(&digits).map_err(Failure::internal)?;
    write(format_args!("[credential]\npsk_identity = \"{psk_identity}\"\nkey_hex = \"{digits}\""))?;
    if key.is_short() {
        write(format_args!("allow_short_key = true"))?;
    }
    write(format_args!("\n[ae]"))?;
    match entity {
        Some(EntityId::Ae(ae)) => write(format_args!("stem = \"{}\"", ae.stem()))?,
        Some(EntityId::Cse(_)) => return Err(Failure::usage("--device-file is for AEs")),
        None => write(format_args!(
            "# stem = \"C…\"        assigned by the registrar, remembered beside this file"
        ))?,
    }
    write(format_args!("name = \"{name}\"\napp_id = \"N{name}\""))?;
    Ok(text)
}

async fn list(arguments: CredentialList, json: bool) -> Done {
    let store = stored::open(&Config::load(&arguments.config.config)?)?;
    let mut after = arguments.after;
    let mut left = arguments.limit;
    while left > 0 {
        let page = CredentialPage {
            function: Function::Cse,
            after: after.clone(),
            limit: left.min(store::MAX_PAGE),
        };
        let rows = store.read(move |records| records.credentials(&page)).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.credential.psk_identity.as_str().to_owned());
        left -= u32::try_from(rows.len()).unwrap_or(left);
        for row in rows {
            let credential = row.credential;
            let entity = credential.entity.as_ref().map(ToString::to_string);
            let not_after = credential.not_after.map(|time| time.to_string());
            let fact = json!({
                "credential_id": credential.credential_id.as_str(),
                "psk_identity": credential.psk_identity.as_str(),
                "kind": credential.kind.as_str(),
                "entity": entity,
                "state": credential.state.as_str(),
                "not_after": not_after,
                "version": credential.version,
                "short_key_allowed": credential.allow_short_key,
                "created": row.created.to_string(),
            });
            let entity = entity.as_deref().unwrap_or("(not assigned yet)");
            let until = not_after.map(|time| format!("  until {time}")).unwrap_or_default();
            let line = format!("{:<8} {:<40} {entity}{until}", credential.state, credential.psk_identity);
            say(json, &fact, line);
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn revoke_named(arguments: CredentialName, json: bool) -> Done {
    let store = stored::open(&Config::load(&arguments.config.config)?)?;
    let identity: PskIdentity = arguments.psk_identity.parse().map_err(Failure::usage)?;
    let id = CredentialId::saef_key(&identity);
    revoke(&store, id.clone()).await?;
    say(
        json,
        &json!({ "revoked": id.as_str() }),
        format_args!("revoked {id}; its associations are being closed"),
    );
    Ok(ExitCode::SUCCESS)
}

/// Withdraws a credential and adds the audit line about it.
pub(crate) async fn revoke(store: &Store, id: CredentialId) -> Result<(), Failure> {
    store
        .write("credential.revoke", move |tx| {
            let credential = tx.revoke(&id)?;
            let entity = credential.entity.as_ref().map(ToString::to_string);
            tx.append(&by_operator("credential.revoke", id.as_str(), entity, String::new()))
        })
        .await?;
    Ok(())
}
