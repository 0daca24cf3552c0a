//! `attache credential rotate`: a new key under the same `psk_identity`.

use std::process::ExitCode;

use keys::{CredentialId, Kpsa, PskIdentity};
use serde_json::json;
use store::{AuditMut as _, Conflict, Credentials as _, CredentialsMut as _};

use super::{
    half::{Half, registered, secret, told},
    length_policy,
};
use crate::{
    cli::CredentialRotate,
    config::Config,
    device_file::Provisional,
    outcome::{Done, Failure, say},
    stored::{self, by_operator},
};

pub(super) async fn run(arguments: CredentialRotate, json: bool) -> Done {
    let config = Config::load(&arguments.name.config.config)?;
    let psk_identity: PskIdentity = arguments.name.psk_identity.parse().map_err(Failure::usage)?;
    let id = CredentialId::saef_key(&psk_identity);
    let secret = secret(&arguments.key)?;
    let store = stored::open_existing(&config)?;
    let sought = id.clone();
    let known = store.read(move |records| records.credential_by_id(&sought)).await?;
    let Some(known) = known else {
        return Err(Failure::usage(Conflict::NoCredential { credential_id: id.to_string() }));
    };
    let key = Kpsa::new(secret, length_policy(known.allow_short_key)).map_err(Failure::usage)?;
    let entity = known.entity.as_ref();
    let registered = registered(&store, entity).await?;
    let half = Half { config: &config, psk_identity: &known.psk_identity, entity, key: &key, registered };
    let half = half.write(&arguments.half)?;
    let rotated = store
        .write("credential.rotate", move |tx| {
            let credential = tx.rotate_key(&id, &key)?;
            let entity = credential.entity.as_ref().map(ToString::to_string);
            let detail = format!("version {}", credential.version);
            tx.append(&by_operator("credential.rotate", credential.credential_id.as_str(), entity, detail))?;
            Ok(credential)
        })
        .await?;
    half.into_iter().for_each(Provisional::keep);
    let (id, version, device_file) = (rotated.credential_id, rotated.version, arguments.half.device_file);
    say(
        json,
        &json!({ "rotated": id.as_str(), "version": version, "device_file": device_file }),
        format_args!("rotated {id} to version {version}{}", told(device_file.as_ref())),
    );
    Ok(ExitCode::SUCCESS)
}
