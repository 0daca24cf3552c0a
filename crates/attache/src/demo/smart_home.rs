//! The smart home: a gateway, two lights, an application on the gateway, and what others try.
//!
//! Data of TR-0038 §7.1 (stems, `KpsaID`s, 8-octet keys) in the domain `//example.org`; step numbers of the
//! project's acceptance scenario: B registration, R re-attachment, X refusals, V revocation.

use std::{process::ExitCode, time::Duration};

use device::Attachment;
use keys::{Kpsa, PskIdentity};
use onem2m::{
    primitive::{Operation, Request},
    resource::ResourceType,
};
use serde_json::json;

use super::{
    cast::{Actor, Gateway, outcome, refusal},
    timeline::{Step, Timeline},
};
use crate::outcome::{Done, Failure};

const LIGHT1: Actor = Actor {
    name: "light 1",
    stem: "Clight-AE1",
    resource: "light_ae1",
    app_id: "Nlight.example",
    psk_identity: "AE123456789012-Light@in.provider.com",
    key_hex: "1a2b3c4d5e6f7a8b",
};
const LIGHT2: Actor = Actor {
    name: "light 2",
    stem: "Clight-AE2",
    resource: "light_ae2",
    app_id: "Nlight.example",
    psk_identity: "AE123456789015-Light@in.provider.com",
    key_hex: "12345678abcdefab",
};
const PANEL: Actor = Actor {
    name: "gateway app",
    stem: "Cgw",
    resource: "gateway_ae",
    app_id: "Ngw.example",
    psk_identity: "gw@home.example.org",
    key_hex: "c0ffee00c0ffee01c0ffee02c0ffee03",
};

const ASSOCIATION: &str = "association";
const UNCHANGED: &str = "4106, store unchanged";
const OTHER: &str = "From is not the identity of the association";

/// Runs the story.
pub(crate) async fn run(json: bool) -> Done {
    let mut story = Story { timeline: Timeline::new(json), gateway: Gateway::start().await? };
    story.timeline.note(&format!(
        "A home gateway listens on {}: registrar {}, TLS 1.2 with provisioned symmetric keys, HTTP.",
        story.gateway.registrar.address, story.gateway.registrar.cse
    ));
    for actor in [&LIGHT1, &LIGHT2, &PANEL] {
        story.gateway.provision(actor).await?;
    }
    let mut light1 = story.registers("B1", "B2", &LIGHT1).await?;
    let mut light2 = story.registers("B3", "B3", &LIGHT2).await?;
    let panel = story.registers("B4", "B4", &PANEL).await?;
    panel.close().await;
    story.registers_twice(&mut light1).await?;
    story.sees_itself(&mut light1, "Registration", "B6").await?;
    light1.close().await;
    let mut light1 = story.comes_back().await?;
    story.impersonation(&mut light1, &mut light2).await?;
    story.wrong_keys().await?;
    story.revocation(&mut light1, &mut light2).await?;
    light1.close().await;
    let held = story
        .timeline
        .finish("Every device is known by the key that it proved, and by nothing that it said.");
    story.gateway.stop().await?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// Waits for the registrar to end an association; false if it has not within five seconds.
async fn closes(attachment: &Attachment) -> bool {
    for _ in 0..500 {
        if !attachment.is_open() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    false
}

/// What a refusal is to show.
struct Tried<'a> {
    step: &'static str,
    what: &'a str,
    expected: &'a str,
    proved: &'a str,
}

struct Story {
    timeline: Timeline,
    gateway: Gateway,
}

impl Story {
    /// B1 to B4: a handshake, then a registration over it.
    async fn registers(
        &mut self,
        handshake: &'static str,
        registration: &'static str,
        actor: &Actor,
    ) -> Result<Attachment, Failure> {
        let opened = self.gateway.attach(actor).await;
        let suite =
            opened.as_ref().map_or_else(|_| String::new(), |attachment| attachment.suite().to_owned());
        self.timeline.step(&Step {
            phase: "Registration",
            step: handshake,
            from: actor.name,
            to: "gateway",
            what: format!("TLS handshake as {}", actor.psk_identity),
            expected: ASSOCIATION.into(),
            got: opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into()),
            proved: format!("both hold Kpsa; {suite}"),
        });
        let mut attachment = opened.map_err(Failure::from)?;
        let request = attachment.registration(&actor.description()?);
        let answer = attachment.request(&request).await;
        self.timeline.step(&Step {
            phase: "Registration",
            step: registration,
            from: actor.name,
            to: "gateway",
            what: format!("CREATE <AE> {} as {}", actor.resource, actor.stem),
            expected: "2001 CREATED".into(),
            got: outcome(&answer),
            proved: format!("12-{} stands for {}", actor.psk_identity, actor.stem),
        });
        attachment.speak_as(actor.stem()?);
        Ok(attachment)
    }

    /// B5.
    async fn registers_twice(&mut self, light1: &mut Attachment) -> Result<(), Failure> {
        let request = light1.registration(&LIGHT1.description()?);
        let answer = light1.request(&request).await;
        self.timeline.step(&Step {
            phase: "Registration",
            step: "B5",
            from: LIGHT1.name,
            to: "gateway",
            what: "CREATE <AE> once more".into(),
            expected: "4117 ORIGINATOR_HAS_ALREADY_REGISTERED".into(),
            got: outcome(&answer),
            proved: "an AE-ID is registered once".into(),
        });
        Ok(())
    }

    /// B6, and the proof elsewhere that a legitimate device is untouched.
    async fn sees_itself(
        &mut self,
        light1: &mut Attachment,
        phase: &'static str,
        step: &'static str,
    ) -> Result<(), Failure> {
        let to = format!("{}/{}", self.gateway.registrar.base_name, LIGHT1.resource);
        let request = light1.new_request(Operation::Retrieve, to);
        let answer = light1.request(&request).await;
        self.timeline.step(&Step {
            phase,
            step,
            from: LIGHT1.name,
            to: "gateway",
            what: "RETRIEVE its own <AE>".into(),
            expected: "2000 OK".into(),
            got: outcome(&answer),
            proved: "the owner is served".into(),
        });
        Ok(())
    }

    /// A new association with the same key; the identity is bound at once.
    async fn comes_back(&mut self) -> Result<Attachment, Failure> {
        let opened = self.gateway.attach(&LIGHT1).await;
        self.timeline.step(&Step {
            phase: "Re-attachment",
            step: "R1",
            from: LIGHT1.name,
            to: "gateway",
            what: "new TCP connection, new TLS handshake, same key".into(),
            expected: ASSOCIATION.into(),
            got: opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into()),
            proved: format!("bound to {} before it says a word", LIGHT1.stem),
        });
        let mut attachment = opened.map_err(Failure::from)?;
        attachment.speak_as(LIGHT1.stem()?);
        self.sees_itself(&mut attachment, "Re-attachment", "R2").await?;
        Ok(attachment)
    }

    /// X1 to X3: a registered device speaks in another name.
    async fn impersonation(
        &mut self,
        light1: &mut Attachment,
        light2: &mut Attachment,
    ) -> Result<(), Failure> {
        let mut as_light1 = light2.new_request(
            Operation::Create,
            format!("{}/{}", self.gateway.registrar.base_name, LIGHT1.resource),
        );
        as_light1.ty = Some(4);
        as_light1.fr = Some(LIGHT1.stem.into());
        as_light1.pc = Some(json!({ "m2m:cin": { "con": "OFF" } }));
        self.says(
            Tried { step: "X1", what: "switch light 1, in its name", expected: UNCHANGED, proved: OTHER },
            light2,
            &LIGHT2,
            as_light1,
        )
        .await?;
        let mut registration = light2.registration(&LIGHT1.description()?);
        registration.fr = Some(LIGHT1.stem.into());
        self.says(
            Tried { step: "X2", what: "register as light 1", expected: UNCHANGED, proved: OTHER },
            light2,
            &LIGHT2,
            registration,
        )
        .await?;
        for from in ["/mn-cse-123456/Clight-AE1", "/in-cse/Cphone1"] {
            let to = format!("{}/{}", self.gateway.registrar.base_name, LIGHT1.resource);
            let mut request = light1.new_request(Operation::Retrieve, to);
            request.fr = Some(from.into());
            let what = format!("RETRIEVE as {from}");
            self.says(
                Tried {
                    step: "X3",
                    what: &what,
                    expected: "4000, store unchanged",
                    proved: "an AE writes its bare stem",
                },
                light1,
                &LIGHT1,
                request,
            )
            .await?;
        }
        for (from, expected) in
            [("/mn-cse-999", "4000, store unchanged"), (LIGHT1.stem, "4005, store unchanged")]
        {
            let mut request = light1.new_request(Operation::Create, self.gateway.registrar.base());
            request.ty = Some(ResourceType::RemoteCse.code());
            request.fr = Some(from.into());
            request.pc = Some(json!({ "m2m:csr": { "cb": "/mn-cse-999/x", "rr": false, "srv": ["3"] } }));
            let what = format!("CREATE <remoteCSE> as {from}");
            self.says(
                Tried { step: "X4", what: &what, expected, proved: "an AE is no CSE" },
                light1,
                &LIGHT1,
                request,
            )
            .await?;
        }
        self.sees_itself(light1, "Refusals", "B6").await
    }

    /// One refused request: the status, and that nothing but the audit changed.
    async fn says(
        &mut self,
        tried: Tried<'_>,
        attachment: &mut Attachment,
        actor: &Actor,
        request: Request,
    ) -> Result<(), Failure> {
        let before = self.gateway.digest().await?;
        let answer = attachment.request(&request).await;
        let after = self.gateway.digest().await?;
        let code = answer.as_ref().map_or_else(refusal, |response| response.rsc.code().to_string());
        let store = if before == after { "store unchanged" } else { "store CHANGED" };
        self.timeline.step(&Step {
            phase: "Refusals",
            step: tried.step,
            from: actor.name,
            to: "gateway",
            what: tried.what.into(),
            expected: tried.expected.into(),
            got: format!("{code}, {store}"),
            proved: tried.proved.into(),
        });
        Ok(())
    }

    /// X8: whoever cannot prove a key learns nothing by trying.
    async fn wrong_keys(&mut self) -> Result<(), Failure> {
        let before = self.gateway.digest().await?;
        let tries = [
            ("unknown identity", "nobody@in.provider.com", LIGHT1.key_hex),
            ("wrong key", LIGHT1.psk_identity, "ffffffffffffffff"),
            ("the other light's key", LIGHT1.psk_identity, LIGHT2.key_hex),
        ];
        for (what, identity, key) in tries {
            let got = self.handshake(identity, key).await?;
            self.timeline.step(&Step {
                phase: "Refusals",
                step: "X8",
                from: "stranger",
                to: "gateway",
                what: format!("TLS handshake: {what}"),
                expected: "alert bad_record_mac".into(),
                got,
                proved: "all look alike from outside".into(),
            });
        }
        let after = self.gateway.digest().await?;
        self.timeline.step(&Step {
            phase: "Refusals",
            step: "X8",
            from: "operator",
            to: "store",
            what: "digest of all records but the audit, before and after".into(),
            expected: "equal".into(),
            got: if before == after { "equal" } else { "different" }.into(),
            proved: "refusals leave no trace but the audit's".into(),
        });
        Ok(())
    }

    async fn handshake(&self, identity: &str, key: &str) -> Result<String, Failure> {
        let identity: PskIdentity = identity.parse().map_err(Failure::internal)?;
        let key: Kpsa = Actor::kpsa(key)?;
        let opened = Attachment::open(&self.gateway.registrar, &identity, key).await;
        Ok(opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into()))
    }

    /// V: the operator withdraws a key.
    async fn revocation(&mut self, light1: &mut Attachment, light2: &mut Attachment) -> Result<(), Failure> {
        self.gateway.revoke(&LIGHT2).await?;
        let ended = closes(light2).await;
        self.timeline.step(&Step {
            phase: "Revocation",
            step: "V1",
            from: "operator",
            to: "gateway",
            what: format!("credential revoke {}", LIGHT2.psk_identity),
            expected: "association closed".into(),
            got: if ended { "association closed" } else { "association open" }.into(),
            proved: "the live association ends with its credential".into(),
        });
        let got = self.handshake(LIGHT2.psk_identity, LIGHT2.key_hex).await?;
        self.timeline.step(&Step {
            phase: "Revocation",
            step: "V2",
            from: LIGHT2.name,
            to: "gateway",
            what: "TLS handshake with the revoked key".into(),
            expected: "alert bad_record_mac".into(),
            got,
            proved: "revoked looks like unknown".into(),
        });
        self.sees_itself(light1, "Revocation", "V3").await
    }
}
