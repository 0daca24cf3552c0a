//! L: applications on the gateway itself, which have no association and need none; X5 to X7: the same from afar.

use std::time::Duration;

use onem2m::{
    primitive::{Operation, Request},
    resource::ResourceType,
};
use serde_json::json;

use super::{super::cast::Door, Story, Tried, cast::LIGHT1};
use crate::outcome::Failure;

const OUTSIDE: &str = "TS-0004 §7.3.2.1";
const NO_CREDENTIAL: &str = "TS-0001 §9.6.29";
const GATEWAY_APP: &str = "gateway app";
const SIBLING: &str = "other app";
const PANEL: &str = "panel app";
const STRANGER: &str = "stranger";

impl Story {
    pub(super) async fn local_applications(&mut self) -> Result<(), Failure> {
        self.phase = "Applications on the gateway itself";
        let mut own = self.gateway.enter(Door::Socket).await?;
        let tried = Tried {
            step: "B4",
            what: "UNIX socket: CREATE <AE> gateway_ae as Cgw",
            expected: "2001 CREATED",
            proved: "known by its account; a rule without credentials allows it",
            clause: NO_CREDENTIAL,
        };
        let request = self.registration_of("Cgw", "gateway_ae", "Ngw.example");
        self.succeeds(tried, &mut own, GATEWAY_APP, &request).await;
        let tried = Tried {
            step: "L1",
            what: "RETRIEVE its own <AE>",
            expected: "2000 OK",
            proved: "what its account registered is its own",
            clause: OUTSIDE,
        };
        let request = self.retrieve("gateway_ae", "Cgw");
        self.succeeds(tried, &mut own, GATEWAY_APP, &request).await;

        let mut sibling = self.gateway.enter(Door::Loopback).await?;
        for (step, from, expected, proved) in [
            ("L2", "Cgw", "4106", "an application's name is not its neighbour's"),
            ("L3", "Clight-AE1", "4106", "nor is a device's"),
            ("L4", "/mn-cse-123456", "4107", "a CSE-ID needs an association"),
        ] {
            let what = format!("loopback: RETRIEVE as {from}");
            let tried = Tried { step, what: &what, expected, proved, clause: OUTSIDE };
            let resource = if from == "Clight-AE1" { LIGHT1.resource } else { "gateway_ae" };
            let request = self.retrieve(resource, from);
            self.refused(tried, &mut sibling, SIBLING, &request).await?;
        }
        sibling.close().await;
        self.connection_ends().await
    }

    /// Over loopback the system tells no account: a registration lasts as long as its connection.
    async fn connection_ends(&mut self) -> Result<(), Failure> {
        let before = self.gateway.server.digest().await?;
        let mut panel = self.gateway.enter(Door::Loopback).await?;
        let tried = Tried {
            step: "L5",
            what: "loopback: CREATE <AE> panel_ae as Cpanel",
            expected: "2001 CREATED",
            proved: "known by its connection",
            clause: NO_CREDENTIAL,
        };
        let request = self.registration_of("Cpanel", "panel_ae", "Npanel.example");
        self.succeeds(tried, &mut panel, PANEL, &request).await;
        panel.close().await;
        let mut gone = false;
        for _ in 0..500 {
            gone = self.gateway.server.digest().await? == before;
            if gone {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let tried = Tried {
            step: "L6",
            what: "closes its connection",
            expected: "registration removed",
            proved: "nobody inherits the name",
            clause: OUTSIDE,
        };
        let got = if gone { "registration removed" } else { "registration left" };
        self.tell(PANEL, "gateway", tried, got.into());
        Ok(())
    }

    /// X5 to X7 and F-21: what is said in the clear is nobody's word.
    pub(super) async fn clear_text(&mut self) -> Result<(), Failure> {
        let mut clear = self.gateway.enter(Door::Clear).await?;
        for (step, from, expected, proved, clause) in [
            ("X5", "Cunknown", "4106", "nobody is known without an association", OUTSIDE),
            ("X6", "Clight-AE1", "4106", "who registered over TLS speaks over TLS", "TS-0003 §7.2.1"),
            ("X7", "/mn-cse-123456", "4107", "a CSE-ID needs an association", OUTSIDE),
        ] {
            let what = format!("clear text: RETRIEVE as {from}");
            let tried = Tried { step, what: &what, expected, proved, clause };
            let request = self.retrieve(LIGHT1.resource, from);
            self.refused(tried, &mut clear, STRANGER, &request).await?;
        }
        let tried = Tried {
            step: "F21",
            what: "clear text: CREATE <AE> as the gateway's application",
            expected: "4107",
            proved: "the local way is for the gateway itself",
            clause: OUTSIDE,
        };
        let request = self.registration_of("Cgw", "gateway_ae", "Ngw.example");
        self.refused(tried, &mut clear, STRANGER, &request).await?;
        clear.close().await;
        Ok(())
    }

    fn retrieve(&self, resource: &str, from: &str) -> Request {
        let mut request = Request::new(Operation::Retrieve, self.gateway.below(resource), "o1");
        request.fr = Some(from.to_owned());
        request.rvi = Some("3".to_owned());
        request
    }

    fn registration_of(&self, from: &str, name: &str, app_id: &str) -> Request {
        let mut request = Request::new(Operation::Create, self.gateway.server.registrar.base(), "o2");
        request.fr = Some(from.to_owned());
        request.rvi = Some("3".to_owned());
        request.ty = Some(ResourceType::Ae.code());
        request.pc = Some(json!({ "m2m:ae": { "rn": name, "api": app_id, "rr": false, "srv": ["3"] } }));
        request
    }
}
