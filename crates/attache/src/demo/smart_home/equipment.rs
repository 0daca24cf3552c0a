//! E: new equipment takes the place of the old; V: a key is withdrawn for good.

use std::time::Duration;

use device::Attachment;
use onem2m::resource::attr;
use serde_json::Value;

use super::{
    super::cast::outcome,
    ASSOCIATION, Story, Tried,
    cast::{BOTH_LIGHTS1_RULE, LIGHT1, LIGHT1_RULE, LIGHT2, NEW_LIGHT1},
};
use crate::outcome::Failure;

const CLOSED: &str = "association closed";
const BINDING: &str = "TS-0003 §8.2.1";

impl Story {
    /// E1 to E6; gives the association of the new light.
    pub(super) async fn replaced_equipment(&mut self, old: Attachment) -> Result<Attachment, Failure> {
        self.phase = "Light 1 is replaced";
        self.gateway.disallow(&LIGHT1_RULE).await?;
        self.gateway.allow(&[BOTH_LIGHTS1_RULE]).await?;
        self.gateway.rebind(&NEW_LIGHT1).await?;
        let tried = Tried {
            step: "E1",
            what: &format!("credential rebind: Clight-AE1 to {}", NEW_LIGHT1.psk_identity),
            expected: CLOSED,
            proved: "the old equipment's live session ends",
            clause: BINDING,
        };
        self.tell("operator", "gateway", tried, ended(&old).await);
        let proved = "its key opens nothing any more";
        self.cannot_attach("E2", "TLS handshake of the old equipment", proved, &LIGHT1).await;
        let opened = self.gateway.attach(&NEW_LIGHT1).await;
        let tried = Tried {
            step: "E3",
            what: &format!("TLS handshake as {}", NEW_LIGHT1.psk_identity),
            expected: ASSOCIATION,
            proved: "bound to Clight-AE1 by its own key",
            clause: "TS-0003 §8.2.2.1",
        };
        self.shook_hands(tried, NEW_LIGHT1.name, &opened);
        let mut new = opened.map_err(Failure::from)?;
        self.takes_over(&mut new).await?;
        self.sees_itself("E6", &NEW_LIGHT1, &mut new).await;
        Ok(new)
    }

    /// E4 and E5.
    async fn takes_over(&mut self, new: &mut Attachment) -> Result<(), Failure> {
        let request = new.registration(&NEW_LIGHT1.description()?);
        let answer = new.request(&request).await;
        let ri = answer.as_ref().ok().and_then(|answer| {
            let ae = answer.pc.as_ref()?.get("m2m:ae")?;
            ae.get(attr::RI).and_then(Value::as_str).map(str::to_owned)
        });
        let got = format!("{}, ri {}", outcome(&answer), ri.as_deref().unwrap_or("missing"));
        let tried = Tried {
            step: "E4",
            what: "CREATE <AE> light_ae1 as Clight-AE1",
            expected: "2001 CREATED, ri Clight-AE1",
            proved: "it takes the registration over, with all that lies below",
            clause: "TS-0001 §10.2.2.2",
        };
        self.tell(NEW_LIGHT1.name, "gateway", tried, got);
        let request = new.registration(&NEW_LIGHT1.description()?);
        let tried = Tried {
            step: "E5",
            what: "CREATE <AE> once more",
            expected: "4117",
            proved: "equipment is replaced once",
            clause: "TS-0004 §7.4.5.2.1",
        };
        self.refused(tried, new, NEW_LIGHT1.name, &request).await?;
        if let Some(stem) = NEW_LIGHT1.stem()? {
            new.speak_as(stem);
        }
        Ok(())
    }

    /// V: the operator withdraws a key.
    pub(super) async fn revocation(
        &mut self,
        light1: &mut Attachment,
        light2: &Attachment,
    ) -> Result<(), Failure> {
        self.phase = "Revocation";
        self.gateway.revoke(&LIGHT2).await?;
        let tried = Tried {
            step: "V1",
            what: &format!("credential revoke {}", LIGHT2.psk_identity),
            expected: CLOSED,
            proved: "the live association ends with its credential",
            clause: BINDING,
        };
        self.tell("operator", "gateway", tried, ended(light2).await);
        let proved = "revoked looks like unknown";
        self.cannot_attach("V2", "TLS handshake with the revoked key", proved, &LIGHT2).await;
        self.sees_itself("V3", &NEW_LIGHT1, light1).await;
        Ok(())
    }
}

/// Waits for the registrar to end an association, five seconds at the most.
async fn ended(attachment: &Attachment) -> String {
    for _ in 0..500 {
        if !attachment.is_open() {
            return CLOSED.into();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    "association open".into()
}
