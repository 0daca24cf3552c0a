//! X: a registered device speaks in another name, and strangers try keys.

use device::Attachment;
use onem2m::{primitive::Operation, resource::ResourceType};
use serde_json::json;

use super::{
    super::cast::Actor,
    Story, Tried,
    cast::{LIGHT1, LIGHT2},
};
use crate::outcome::Failure;

const OTHER: &str = "From is not the identity of the association";
const IMPERSONATION: &str = "TS-0003 §7.2.1";
const FROM: &str = "TS-0004 §7.3.2.1";

impl Story {
    /// X1 to X8.
    pub(super) async fn refusals(
        &mut self,
        light1: &mut Attachment,
        light2: &mut Attachment,
    ) -> Result<(), Failure> {
        self.phase = "Refusals";
        self.impersonation(light2).await?;
        self.other_identities(light1).await?;
        self.clear_text().await?;
        self.wrong_keys().await?;
        self.sees_itself("B6", &LIGHT1, light1).await;
        Ok(())
    }

    /// X1 and X2.
    async fn impersonation(&mut self, light2: &mut Attachment) -> Result<(), Failure> {
        let mut request = light2.new_request(Operation::Create, self.gateway.below(LIGHT1.resource));
        request.ty = Some(ResourceType::ContentInstance.code());
        request.fr = LIGHT1.stem.map(str::to_owned);
        request.pc = Some(json!({ "m2m:cin": { "con": "OFF" } }));
        let what = "switch light 1, in its name";
        let tried = Tried { step: "X1", what, expected: "4106", proved: OTHER, clause: IMPERSONATION };
        self.refused(tried, light2, LIGHT2.name, &request).await?;
        let request = light2.registration(&LIGHT1.description()?);
        let what = "register as light 1";
        let tried = Tried { step: "X2", what, expected: "4106", proved: OTHER, clause: IMPERSONATION };
        self.refused(tried, light2, LIGHT2.name, &request).await
    }

    /// X3 and X4.
    async fn other_identities(&mut self, light1: &mut Attachment) -> Result<(), Failure> {
        for from in ["/mn-cse-123456/Clight-AE1", "/in-cse/Cphone1"] {
            let mut request = light1.new_request(Operation::Retrieve, self.gateway.below(LIGHT1.resource));
            request.fr = Some(from.into());
            let what = format!("RETRIEVE as {from}");
            let proved = "an AE writes its bare stem";
            let tried = Tried { step: "X3", what: &what, expected: "4000", proved, clause: FROM };
            self.refused(tried, light1, LIGHT1.name, &request).await?;
        }
        for (from, expected, clause) in
            [("/mn-cse-999", "4000", FROM), ("Clight-AE1", "4005", "TS-0004 §7.4.4.2.1")]
        {
            let mut request = light1.new_request(Operation::Create, self.gateway.server.registrar.base());
            request.ty = Some(ResourceType::RemoteCse.code());
            request.fr = Some(from.into());
            request.pc = Some(json!({ "m2m:csr": { "cb": "/mn-cse-999/x", "rr": false, "srv": ["3"] } }));
            let what = format!("CREATE <remoteCSE> as {from}");
            let tried = Tried { step: "X4", what: &what, expected, proved: "an AE is no CSE", clause };
            self.refused(tried, light1, LIGHT1.name, &request).await?;
        }
        Ok(())
    }

    /// X8: whoever cannot prove a key learns nothing by trying.
    async fn wrong_keys(&mut self) -> Result<(), Failure> {
        let before = self.gateway.server.digest().await?;
        let stranger = Actor { name: "stranger", ..LIGHT1 };
        for (what, actor) in [
            ("unknown identity", Actor { psk_identity: "nobody@in.provider.com", ..stranger }),
            ("wrong key", Actor { key_hex: "ffffffffffffffff", ..stranger }),
            ("the other light's key", Actor { key_hex: LIGHT2.key_hex, ..stranger }),
        ] {
            self.cannot_attach(
                "X8",
                &format!("TLS handshake: {what}"),
                "all look alike from outside",
                &actor,
            )
            .await;
        }
        let after = self.gateway.server.digest().await?;
        let tried = Tried {
            step: "X8",
            what: "digest of all records but the audit, before and after",
            expected: "equal",
            proved: "refusals leave no trace but the audit's",
            clause: "TS-0003 §8.2.2.1",
        };
        let got = if before == after { "equal" } else { "different" };
        self.tell("operator", "store", tried, got.into());
        Ok(())
    }

    /// A handshake that has to fail, as all such handshakes do.
    pub(super) async fn cannot_attach(
        &mut self,
        step: &'static str,
        what: &str,
        proved: &str,
        actor: &Actor,
    ) {
        let opened = self.gateway.attach(actor).await;
        let expected = "alert bad_record_mac";
        let tried = Tried { step, what, expected, proved, clause: "TS-0003 §8.2.2.1, RFC 4279 §2" };
        self.shook_hands(tried, actor.name, &opened);
    }
}
