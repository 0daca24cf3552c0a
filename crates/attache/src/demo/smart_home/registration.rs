//! B: who registers, as what, and what service rules say to it.

use device::Attachment;
use onem2m::{primitive::Response, resource::attr};
use serde_json::{Value, json};

use super::{
    super::cast::{Actor, outcome},
    ASSOCIATION, Story, Tried,
    cast::{LIGHT1, LIGHT2, RULES, SENSOR1, SENSOR2},
};
use crate::outcome::Failure;

const RULE_CHECK: &str = "TS-0004 §7.3.2.7";
const CREATE_AE: &str = "TS-0004 §7.4.5.2.1";
const AE_ID: &str = "TS-0001 §10.2.2.2";

impl Story {
    /// B1 to B3 and B5 to B10; gives the associations of the lights.
    pub(super) async fn registration(&mut self) -> Result<(Attachment, Attachment), Failure> {
        for actor in [&LIGHT1, &LIGHT2, &SENSOR1, &SENSOR2] {
            self.gateway.provision(actor).await?;
        }
        self.phase = "Before there are service rules";
        let mut light1 = self.attaches("B1", &LIGHT1).await?;
        let request = light1.registration(&LIGHT1.description()?);
        let tried = Tried {
            step: "B9",
            what: "CREATE <AE> light_ae1 as Clight-AE1",
            expected: "4128",
            proved: "no subscription, no registration",
            clause: RULE_CHECK,
        };
        self.refused(tried, &mut light1, LIGHT1.name, &request).await?;
        self.gateway.allow(&RULES).await?;
        self.timeline.note("        The operator adds service rules: `attache subscription import`.");

        self.phase = "Registration";
        self.other_applications(&mut light1).await?;
        self.registers("B2", &LIGHT1, &mut light1).await?;
        let mut light2 = self.attaches("B3", &LIGHT2).await?;
        self.registers("B3", &LIGHT2, &mut light2).await?;
        let request = light1.registration(&LIGHT1.description()?);
        let tried = Tried {
            step: "B5",
            what: "CREATE <AE> once more",
            expected: "4117",
            proved: "an AE-ID is registered once",
            clause: CREATE_AE,
        };
        self.refused(tried, &mut light1, LIGHT1.name, &request).await?;
        self.sees_itself("B6", &LIGHT1, &mut light1).await;

        self.phase = "AE-IDs that the registrar chooses";
        self.is_given_a_name("From absent", &SENSOR1, None).await?;
        self.is_given_a_name("From C", &SENSOR2, Some("C")).await?;
        Ok((light1, light2))
    }

    async fn attaches(&mut self, step: &'static str, actor: &Actor) -> Result<Attachment, Failure> {
        let opened = self.gateway.attach(actor).await;
        let suite = opened.as_ref().map_or("", Attachment::suite);
        let tried = Tried {
            step,
            what: &format!("TLS handshake as {}", actor.psk_identity),
            expected: ASSOCIATION,
            proved: &format!("both hold Kpsa; {suite}"),
            clause: "TS-0003 §8.2.2.1",
        };
        self.shook_hands(tried, actor.name, &opened);
        opened.map_err(Failure::from)
    }

    async fn registers(
        &mut self,
        step: &'static str,
        actor: &Actor,
        attachment: &mut Attachment,
    ) -> Result<(), Failure> {
        let Some(stem) = actor.stem()? else { return Err(Failure::internal("the actor has no stem")) };
        let request = attachment.registration(&actor.description()?);
        let tried = Tried {
            step,
            what: &format!("CREATE <AE> {} as {stem}", actor.resource),
            expected: "2001 CREATED",
            proved: &format!("12-{} stands for {stem}", actor.psk_identity),
            clause: CREATE_AE,
        };
        self.succeeds(tried, attachment, actor.name, &request).await;
        attachment.speak_as(stem);
        Ok(())
    }

    /// B8, and B10 where a rule names the application.
    async fn other_applications(&mut self, light1: &mut Attachment) -> Result<(), Failure> {
        for (step, app_id, proved) in [
            ("B8", "Nother", "a key is for its own application"),
            ("B10", "Xlight", "the rule is asked before the form of an App-ID"),
        ] {
            let mut description = LIGHT1.description()?;
            app_id.clone_into(&mut description.app_id);
            let request = light1.registration(&description);
            let what = format!("CREATE <AE> with App-ID {app_id}");
            let tried = Tried { step, what: &what, expected: "4126", proved, clause: RULE_CHECK };
            self.refused(tried, light1, LIGHT1.name, &request).await?;
        }
        Ok(())
    }

    /// B10, then B7: under a rule that leaves the name open.
    async fn is_given_a_name(
        &mut self,
        form: &str,
        actor: &Actor,
        from: Option<&str>,
    ) -> Result<(), Failure> {
        let mut attachment = self.attaches("B7", actor).await?;
        let mut request = attachment.registration(&actor.description()?);
        request.fr = from.map(str::to_owned);
        if from.is_some() {
            self.bad_content(actor, &mut attachment, &request).await?;
        }
        let answer = attachment.request(&request).await;
        let chosen = answer.as_ref().ok().and_then(ae_id);
        let got = match &chosen {
            Some(stem) if stem.starts_with('C') && stem.len() > 8 => "2001 CREATED, a C-type AE-ID".into(),
            Some(stem) => format!("2001 CREATED, {stem}"),
            None => outcome(&answer),
        };
        let tried = Tried {
            step: "B7",
            what: &format!("CREATE <AE> {} with {form}", actor.resource),
            expected: "2001 CREATED, a C-type AE-ID",
            proved: &format!("the registrar chose {}", chosen.as_deref().unwrap_or("nothing")),
            clause: AE_ID,
        };
        self.tell(actor.name, "gateway", tried, got);
        if let Some(stem) = chosen.and_then(|stem| stem.parse().ok()) {
            attachment.speak_as(stem);
        }
        self.sees_itself("B7", actor, &mut attachment).await;
        attachment.close().await;
        Ok(())
    }

    /// B10: three mistakes, of which none registers anything.
    async fn bad_content(
        &mut self,
        actor: &Actor,
        attachment: &mut Attachment,
        good: &onem2m::primitive::Request,
    ) -> Result<(), Failure> {
        let faults: [(&str, &str, Option<Value>); 3] = [
            ("without requestReachability", attr::RR, None),
            ("with creator \"x\"", attr::CR, Some(json!("x"))),
            ("with App-ID Xlight", attr::API, Some(json!("Xlight"))),
        ];
        for (fault, name, value) in faults {
            let mut request = good.clone();
            if let Some(ae) =
                request.pc.as_mut().and_then(|content| content.get_mut("m2m:ae")?.as_object_mut())
            {
                match value {
                    Some(value) => drop(ae.insert(name.into(), value)),
                    None => drop(ae.remove(name)),
                }
            }
            let tried = Tried {
                step: "B10",
                what: &format!("CREATE <AE> {fault}"),
                expected: "4000",
                proved: "an <AE> is what the standard says",
                clause: if name == attr::API { CREATE_AE } else { "TS-0004 §7.3.3.3" },
            };
            self.refused(tried, attachment, actor.name, &request).await?;
        }
        Ok(())
    }
}

fn ae_id(answer: &Response) -> Option<String> {
    let ae = answer.pc.as_ref()?.get("m2m:ae")?;
    Some(ae.get(attr::AEI)?.as_str()?.to_owned())
}
