//! K: devices without symmetric keys: a self-signed certificate, an identity token; how they come back, and how they
//! do not.

use device::{AeDescription, Attachment, Device, DeviceError, RememberedSession};
use identity::{Enrolment, Function};
use keys::{CredentialId, PublicKeyHash, PublicKeyIdentifier};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    primitive::Operation,
    resource::attr,
};
use serde_json::json;
use store::{Enrolled, NewEnrolment};

use super::{
    super::cast::{outcome, refusal},
    ASSOCIATION, Story, Tried,
    joining::Infrastructure,
    makers::Makers,
};
use crate::{credential, outcome::Failure};

const TO: &str = "IN-CSE";
const RESUMED: &str = "association, resumed";
const BY_KEY: &str = "draft x.y.6";
const BY_TOKEN: &str = "draft x.y.7";
const BY_SESSION: &str = "draft x.y.4";

/// A device of this phase: its name in the story, its AE-ID-Stem, its `<AE>`.
#[derive(Clone, Copy)]
struct Character {
    name: &'static str,
    stem: &'static str,
    resource: &'static str,
}

const LAMP: Character = Character { name: "lamp", stem: "Clamp", resource: "lamp" };
const METER: Character = Character { name: "meter", stem: "Cmeter", resource: "meter" };

impl Character {
    fn description(self) -> Result<AeDescription, Failure> {
        let stem = self.stem.parse().map_err(Failure::internal)?;
        let name = self.resource.parse().map_err(Failure::internal)?;
        Ok(AeDescription::new(Some(stem), name, "Nhome.example"))
    }
}

/// The three ways back that a phase shows: the steps' numbers.
struct Steps {
    resumed: &'static str,
    revoked: &'static str,
}

impl Infrastructure {
    /// What `attache credential add` does.
    async fn enrol(&self, what: Enrolled, character: Character) -> Result<Enrolment, Failure> {
        let stem = character.stem.parse().map_err(Failure::internal)?;
        let subject = EntityId::Ae(AeId::of_stem(&self.cse(), stem));
        let new =
            NewEnrolment { subject: Some(subject), ..NewEnrolment::new(Function::Cse, what, EntityKind::Ae) };
        credential::enrol(&self.server.operator, new).await
    }
}

impl Story {
    /// K1 to K9.
    pub(super) async fn devices_without_keys(
        &mut self,
        infrastructure: &Infrastructure,
    ) -> Result<(), Failure> {
        self.phase = "Without symmetric keys";
        self.self_signed(infrastructure).await?;
        self.by_token(infrastructure).await
    }

    /// A certificate that nobody vouches for, and whose public key the operator knows.
    async fn self_signed(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        let certificate = Makers::on_its_own("lamp")?;
        let key =
            certificate.key.as_ref().ok_or_else(|| Failure::internal("a certificate without its key"))?;
        let spki = key.spki_der().map_err(Failure::internal)?;
        let id = PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, &spki);
        let lamp = infrastructure.device(infrastructure.makers.proof(&certificate)?)?;
        let tried = Tried {
            step: "K1",
            what: "a self-signed certificate that nobody has enrolled",
            expected: "alert certificate_unknown",
            proved: "what it says of itself counts for nothing",
            clause: BY_KEY,
        };
        let got = lamp.attach(None).await.as_ref().map_or_else(refusal, |_| ASSOCIATION.into());
        self.tell(LAMP.name, TO, tried, got);
        let enrolled = infrastructure.enrol(Enrolled::PublicKey(id), LAMP).await?;
        let tried = Tried {
            step: "K2",
            what: "the same, after the operator enrolled the hash of its key",
            expected: ASSOCIATION,
            proved: "the key is Clamp's",
            clause: BY_KEY,
        };
        let opened = lamp.attach(None).await;
        self.tell(LAMP.name, TO, tried, opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into()));
        let session = self.registers_keyless("K3", LAMP, opened?, BY_KEY).await?;
        let steps = Steps { resumed: "K4", revoked: "K5" };
        self.comes_back(infrastructure, LAMP, &lamp, session, &enrolled.credential_id, &steps).await
    }

    /// Nothing but a token.
    async fn by_token(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        let token = Makers::token()?;
        let enrolled = infrastructure.enrol(Enrolled::Token(token.digest()), METER).await?;
        let meter = infrastructure.token_device(token)?;
        let mut silent = meter.attach(None).await?;
        let mut request = silent.new_request(Operation::Retrieve, "/in-cse/server");
        request.fr = Some(METER.stem.into());
        let answer = silent.request(&request).await;
        let tried = Tried {
            step: "K6",
            what: "RETRIEVE before it has shown its token",
            expected: "4107 SECURITY_ASSOCIATION_REQUIRED",
            proved: "the registrar is known, the device is not",
            clause: BY_TOKEN,
        };
        self.tell(METER.name, TO, tried, outcome(&answer));
        let mut request = silent.registration(&METER.description()?);
        if let Some(ae) = request.pc.as_mut().and_then(|content| content.pointer_mut("/m2m:ae")) {
            ae[attr::IDTK] = json!(Makers::token()?.to_text().as_str());
        }
        let answer = silent.request(&request).await;
        let tried = Tried {
            step: "K7",
            what: "CREATE <AE> with a token of its own invention",
            expected: "4106 ORIGINATOR_NOT_AUTHENTICATED",
            proved: "five of those, and the session ends",
            clause: BY_TOKEN,
        };
        self.tell(METER.name, TO, tried, outcome(&answer));
        silent.close().await;
        let opened = meter.attach(None).await?;
        let session = self.registers_keyless("K8", METER, opened, BY_TOKEN).await?;
        let steps = Steps { resumed: "K9", revoked: "K10" };
        self.comes_back(infrastructure, METER, &meter, session, &enrolled.credential_id, &steps).await
    }

    async fn registers_keyless(
        &mut self,
        step: &'static str,
        character: Character,
        mut attachment: Attachment,
        clause: &'static str,
    ) -> Result<Option<RememberedSession>, Failure> {
        let registered = attachment.register(&character.description()?).await;
        let expected = format!("//example.org/in-cse/{}", character.stem);
        let tried = Tried {
            step,
            what: "CREATE <AE>",
            expected: &expected,
            proved: "the session is bound to what was enrolled",
            clause,
        };
        self.tell(
            character.name,
            TO,
            tried,
            registered.as_ref().map_or_else(refusal, |registered| registered.ae.to_string()),
        );
        let session = attachment.take_session();
        attachment.close().await;
        Ok(session)
    }

    /// An abbreviated handshake; and after a revocation neither that nor a full one.
    async fn comes_back(
        &mut self,
        infrastructure: &Infrastructure,
        character: Character,
        device: &Device,
        session: Option<RememberedSession>,
        credential: &CredentialId,
        steps: &Steps,
    ) -> Result<(), Failure> {
        let opened = device.attach(session.as_ref()).await;
        let tried = Tried {
            step: steps.resumed,
            what: "a new connection with the session that it kept",
            expected: RESUMED,
            proved: "who it is was looked up again, not remembered",
            clause: BY_SESSION,
        };
        self.tell(character.name, TO, tried, how(&opened));
        if let Ok(attachment) = opened {
            attachment.close().await;
        }
        credential::revoke(&infrastructure.server.operator, credential.clone()).await?;
        let opened = device.attach(session.as_ref()).await;
        let (got, expected) = match opened {
            // With a token nothing is refused before the token is shown.
            Ok(mut attachment) => {
                let resumed = attachment.is_resumed();
                let answer = attachment.register(&character.description()?).await;
                attachment.close().await;
                let code = answer.as_ref().map_or_else(refusal, |_| "registered".into());
                (
                    format!("{}{code}", if resumed { "resumed, " } else { "" }),
                    "the registrar answered 4106 ORIGINATOR_NOT_AUTHENTICATED",
                )
            }
            Err(error) => (refusal(&error), "alert certificate_unknown"),
        };
        let tried = Tried {
            step: steps.revoked,
            what: "the same after the operator revoked its credential",
            expected,
            proved: "no session outlives what it stands for",
            clause: BY_SESSION,
        };
        self.tell(character.name, TO, tried, got);
        Ok(())
    }
}

fn how(opened: &Result<Attachment, DeviceError>) -> String {
    opened.as_ref().map_or_else(refusal, |attachment| {
        if attachment.is_resumed() { RESUMED.into() } else { ASSOCIATION.into() }
    })
}
