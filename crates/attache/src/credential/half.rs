//! The key and the device's half of a credential.

use std::{fmt::Write as _, io::Read as _, path::PathBuf};

use keys::{Kpsa, OsRng, PskIdentity, Rng as _, Secret};
use onem2m::{
    id::{EntityId, ResourceName},
    resource::attr,
};
use store::{Resources as _, Store};
use zeroize::Zeroizing;

use crate::{
    cli::{DeviceHalfArg, KeyArg},
    config::{Accept, Config, HostPort},
    device_file::{Provisional, read_key},
    outcome::Failure,
};

/// Octets of a key that is drawn here.
const DRAWN_OCTETS: usize = 32;
/// Octets of standard input that are looked at for a key.
const INPUT_OCTETS: usize = 1024;

/// The key, from where the operator said.
pub(super) fn secret(arguments: &KeyArg) -> Result<Secret, Failure> {
    if let Some(path) = &arguments.key_file {
        return read_key(path);
    }
    if arguments.key_stdin {
        // Allocated once, to leave no copies behind.
        let mut text = Zeroizing::new(String::with_capacity(INPUT_OCTETS));
        std::io::stdin().take(INPUT_OCTETS as u64).read_to_string(&mut text).map_err(|error| {
            Failure::usage(format_args!("cannot read the key from standard input: {error}"))
        })?;
        return Secret::from_hex(text.trim_end())
            .map_err(|error| Failure::usage(format_args!("standard input: {error}")));
    }
    let mut octets = vec![0; DRAWN_OCTETS];
    OsRng.fill(&mut octets).map_err(Failure::internal)?;
    Ok(Secret::new(octets))
}

/// What the device's file is about.
pub(super) struct Half<'a> {
    pub(super) config: &'a Config,
    pub(super) psk_identity: &'a PskIdentity,
    pub(super) entity: Option<&'a EntityId>,
    pub(super) key: &'a Kpsa,
    /// The registration that waits for the device, if there is one.
    pub(super) registered: Option<Registered>,
}

/// What a device has to say of itself to be recognised as the one that is registered.
pub(super) struct Registered {
    name: String,
    app_id: String,
}

/// The registration of `entity`, if it is an AE and has one.
pub(super) async fn registered(
    store: &Store,
    entity: Option<&EntityId>,
) -> Result<Option<Registered>, Failure> {
    let Some(EntityId::Ae(ae)) = entity.cloned() else { return Ok(None) };
    let found = store.read(move |records| {
        let found = records.resource(ae.stem().as_str())?;
        Ok(found.filter(|found| found.creator.as_deref() == Some(ae.to_string().as_str())))
    });
    Ok(found.await?.and_then(|resource| {
        let app_id = resource.attributes.get(attr::API)?.as_str()?.to_owned();
        Some(Registered { name: resource.rn, app_id })
    }))
}

impl Half<'_> {
    /// Writes the device's file, if one was asked for.
    pub(super) fn write(&self, arguments: &DeviceHalfArg) -> Result<Option<Provisional>, Failure> {
        let Some(path) = &arguments.device_file else { return Ok(None) };
        let text = self.text(arguments)?;
        Provisional::write(path, text.as_bytes()).map(Some)
    }

    /// Where the device reaches the registrar.
    fn registrar(&self, arguments: &DeviceHalfArg) -> Result<HostPort, Failure> {
        if let Some(address) = &arguments.registrar {
            return Ok(address.clone());
        }
        let mut listeners = self.config.listener.iter();
        let Some(listener) = listeners.find(|listener| listener.accepts(Accept::Psk)) else {
            return Err(Failure::usage("no [[listener]] accepts provisioned keys (`accept`)"));
        };
        let address = listener.address;
        listener.reached_at(address).ok_or_else(|| {
            let why = if address.port() == 0 {
                "the listener's port is chosen at its start".to_owned()
            } else {
                format!("the listener's address {address} stands for all addresses of this machine")
            };
            Failure::usage(format_args!(
                "{why}: say where devices reach it, with --registrar HOST:PORT or `advertise` in [[listener]]"
            ))
        })
    }

    /// What the device needs: the registrar's address, the key, the identity.
    fn text(&self, arguments: &DeviceHalfArg) -> Result<Zeroizing<String>, Failure> {
        let address = self.registrar(arguments)?;
        let (name, app_id) = self.application();
        let mut text = Zeroizing::new(String::with_capacity(1024));
        let mut write = |line: std::fmt::Arguments<'_>| writeln!(text, "{line}").map_err(Failure::internal);
        write(format_args!(
            "# A device of {}. It holds a key: keep it readable by its owner alone.\n",
            self.config.cse.id
        ))?;
        write(format_args!("[registrar]\naddress = \"{address}\"\ncse_id = \"{}\"", self.config.cse.id))?;
        write(format_args!("base_name = \"{}\"\n", self.config.cse.base_name))?;
        let mut digits = Zeroizing::new(vec![0; self.key.octets() * 2]);
        hex::encode_to_slice(self.key.expose(), &mut digits).map_err(Failure::internal)?;
        let digits = std::str::from_utf8(&digits).map_err(Failure::internal)?;
        let identity = toml::Value::from(self.psk_identity.as_str());
        write(format_args!("[credential]\npsk_identity = {identity}\nkey_hex = \"{digits}\""))?;
        if self.key.is_short() {
            write(format_args!("allow_short_key = true"))?;
        }
        write(format_args!("\n[ae]"))?;
        match self.entity {
            Some(EntityId::Ae(ae)) => write(format_args!("stem = \"{}\"", ae.stem()))?,
            Some(EntityId::Cse(_)) => return Err(Failure::usage("--device-file is for AEs")),
            None => write(format_args!(
                "# stem = \"C…\"        assigned by the registrar, remembered beside this file"
            ))?,
        }
        write(format_args!("name = \"{name}\"\napp_id = {}", toml::Value::from(app_id)))?;
        Ok(text)
    }

    /// resourceName and App-ID: those that are registered, else something to begin with.
    fn application(&self) -> (String, String) {
        if let Some(registered) = &self.registered {
            return (registered.name.clone(), registered.app_id.clone());
        }
        let name = self.psk_identity.as_str().split('@').next().unwrap_or_default();
        // An imported psk_identity may be anything.
        let name = if name.parse::<ResourceName>().is_ok() { name } else { "device" };
        (name.to_owned(), format!("N{name}"))
    }
}

/// What to say of the device's file.
pub(super) fn told(path: Option<&PathBuf>) -> String {
    path.map(|path| format!("; the device's half is in {}", path.display())).unwrap_or_default()
}
