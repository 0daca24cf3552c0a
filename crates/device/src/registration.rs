use onem2m::{
    id::{AeId, AeIdStem, ResourceName},
    primitive::{Operation, Request, Response},
    resource::{ResourceType, attr},
    status::ResponseStatusCode,
};
use serde_json::{Value, json};

use crate::{Attachment, DeviceError, attachment::success};

/// The `<AE>` that a device registers.
#[derive(Debug, Clone)]
pub struct AeDescription {
    /// The AE-ID-Stem agreed beforehand; without it the registrar assigns one.
    pub stem: Option<AeIdStem>,
    /// resourceName.
    pub name: ResourceName,
    /// App-ID.
    pub app_id: String,
    /// URIs under which the device can be reached; none means that it cannot.
    pub points_of_access: Vec<String>,
    /// Release versions that it supports.
    pub releases: Vec<String>,
}

impl AeDescription {
    /// An `<AE>` of release 3 that cannot be reached from outside.
    #[must_use]
    pub fn new(stem: Option<AeIdStem>, name: ResourceName, app_id: impl Into<String>) -> Self {
        let app_id = app_id.into();
        Self { stem, name, app_id, points_of_access: Vec::new(), releases: vec!["3".into()] }
    }

    /// The content of the CREATE.
    #[must_use]
    pub fn content(&self) -> Value {
        let mut ae = json!({
            attr::RN: self.name.as_str(),
            attr::API: self.app_id,
            attr::RR: !self.points_of_access.is_empty(),
            attr::SRV: self.releases,
        });
        if let (false, Some(ae)) = (self.points_of_access.is_empty(), ae.as_object_mut()) {
            ae.insert(attr::POA.into(), json!(self.points_of_access));
        }
        json!({ "m2m:ae": ae })
    }
}

/// A device that is registered.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The AE-ID that its registrar knows it by.
    pub ae: AeId,
    /// True if it was registered before, over an earlier association.
    pub already: bool,
    /// Its `<AE>` as the registrar shows it.
    pub representation: Value,
}

impl Attachment {
    /// A CREATE `<AE>` for `ae`, to be sent as it stands or changed before.
    pub fn registration(&mut self, ae: &AeDescription) -> Request {
        let to = self.registrar().base();
        let mut request = self.new_request(Operation::Create, to);
        request.ty = Some(ResourceType::Ae.code());
        request.fr = ae.stem.as_ref().map(|stem| stem.as_str().to_owned());
        let mut content = ae.content();
        if let (Some(token), Some(ae)) =
            (self.take_token(), content.get_mut("m2m:ae").and_then(Value::as_object_mut))
        {
            ae.insert(attr::IDTK.into(), json!(token.as_str()));
        }
        request.pc = Some(content);
        request
    }

    /// Registers `ae`, or finds it registered already (TS-0001 §10.2.2.2, the registree's side). From then
    /// on requests carry its AE-ID.
    ///
    /// # Errors
    /// [`DeviceError::Refused`] with the registrar's answer; [`DeviceError::Transport`] if there is none;
    /// [`DeviceError::NoRegistration`] if the answer makes no sense.
    pub async fn register(&mut self, ae: &AeDescription) -> Result<Registered, DeviceError> {
        let request = self.registration(ae);
        let answer = self.request(&request).await?;
        let already = answer.rsc == ResponseStatusCode::OriginatorHasAlreadyRegistered;
        let answer = match &ae.stem {
            Some(stem) if already => {
                self.speak_as(stem.clone());
                self.retrieve(stem.as_str()).await?
            }
            _ => success(answer)?,
        };
        let representation = representation(answer)?;
        let assigned = representation
            .get(attr::AEI)
            .and_then(Value::as_str)
            .ok_or(DeviceError::NoRegistration("has no AE-ID (aei)"))?;
        let stem: AeIdStem = assigned.parse()?;
        if ae.stem.as_ref().is_some_and(|wanted| *wanted != stem) {
            return Err(DeviceError::NoRegistration("names another AE-ID than the one asked for"));
        }
        self.speak_as(stem.clone());
        Ok(Registered { ae: AeId::of_stem(&self.registrar().cse, stem), already, representation })
    }
}

fn representation(answer: Response) -> Result<Value, DeviceError> {
    match answer.pc {
        Some(Value::Object(mut wrapper)) => wrapper.remove("m2m:ae"),
        _ => None,
    }
    .ok_or(DeviceError::NoRegistration("carries no <AE>"))
}
