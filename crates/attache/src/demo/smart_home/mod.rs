//! The smart home: a gateway, lights and sensors, an application on the gateway, and what others try.
//!
//! Data of TR-0038 §7.1 (stems, `KpsaID`s, 8-octet keys) in the domain `//example.org`; step numbers of the
//! project's acceptance scenario: A the gateway itself, B registration, K devices without
//! symmetric keys, R re-attachment, L local applications, X and F refusals, E
//! replaced equipment, V revocation.

mod cast;
mod equipment;
mod joining;
mod keyless;
mod makers;
mod outside;
mod refusals;
mod registration;

use std::process::ExitCode;

use device::{Attachment, DeviceError};
use onem2m::primitive::{Operation, Request, Response};

use self::{cast::LIGHT1, joining::Infrastructure};
use super::{
    cast::{Actor, Gateway, outcome, refusal},
    open_line::OpenLine,
    timeline::{Step, Timeline},
};
use crate::outcome::{Done, Failure};

const ASSOCIATION: &str = "association";

/// Runs the story.
pub(crate) async fn run(json: bool) -> Done {
    let infrastructure = Infrastructure::start().await?;
    let gateway = Gateway::start(|folder| infrastructure.above(folder)).await?;
    let mut story = Story { timeline: Timeline::new(json), gateway, phase: "" };
    story.timeline.note(&format!(
        "A home gateway listens on {}: registrar {}, TLS 1.2 with provisioned symmetric keys and certificates, HTTP.",
        story.gateway.server.registrar.address, story.gateway.server.registrar.cse
    ));
    story.joining(&infrastructure).await?;
    let (mut light1, mut light2) = story.registration().await?;
    story.local_applications().await?;
    story.re_attachment(&mut light1).await?;
    story.refusals(&mut light1, &mut light2).await?;
    story.rogue_gateway(&infrastructure).await?;
    story.devices_without_keys(&infrastructure).await?;
    let mut new_light1 = story.replaced_equipment(light1).await?;
    story.revocation(&mut new_light1, &light2).await?;
    new_light1.close().await;
    let held = story.timeline.finish("Everybody is known by what it proved, and by nothing that it said.");
    story.gateway.server.stop().await?;
    infrastructure.server.stop().await?;
    Ok(if held { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What a step is to show; who does it, and what came of it, is told besides.
#[derive(Clone, Copy)]
struct Tried<'a> {
    step: &'static str,
    what: &'a str,
    expected: &'a str,
    proved: &'a str,
    clause: &'static str,
}

/// Something that requests go over.
trait Line {
    async fn ask(&mut self, request: &Request) -> Result<Response, String>;
}

impl Line for Attachment {
    async fn ask(&mut self, request: &Request) -> Result<Response, String> {
        self.request(request).await.map_err(|error| refusal(&error))
    }
}

impl Line for OpenLine {
    async fn ask(&mut self, request: &Request) -> Result<Response, String> {
        self.request(request).await.map_err(|error| error.to_string())
    }
}

struct Story {
    timeline: Timeline,
    gateway: Gateway,
    phase: &'static str,
}

impl Story {
    /// Tells what `from` did, and what it came to.
    fn tell(&mut self, from: &'static str, to: &'static str, tried: Tried<'_>, got: String) {
        self.timeline.step(&Step {
            phase: self.phase,
            step: tried.step,
            from,
            to,
            what: tried.what.into(),
            expected: tried.expected.into(),
            got,
            proved: tried.proved.into(),
            clause: tried.clause,
        });
    }

    /// One request that is to succeed.
    async fn succeeds(
        &mut self,
        tried: Tried<'_>,
        line: &mut impl Line,
        from: &'static str,
        request: &Request,
    ) -> Option<Response> {
        let answer = line.ask(request).await;
        let got = answer.as_ref().map_or_else(Clone::clone, |response| response.rsc.to_string());
        self.tell(from, "gateway", tried, got);
        answer.ok()
    }

    /// One request that is to be refused: the status, and that nothing but the audit changed.
    async fn refused(
        &mut self,
        tried: Tried<'_>,
        line: &mut impl Line,
        from: &'static str,
        request: &Request,
    ) -> Result<(), Failure> {
        let before = self.gateway.server.digest().await?;
        let answer = line.ask(request).await;
        let after = self.gateway.server.digest().await?;
        let code = answer.map_or_else(|error| error, |response| response.rsc.code().to_string());
        let expected = format!("{}, store unchanged", tried.expected);
        let store = if before == after { "store unchanged" } else { "store CHANGED" };
        self.tell(from, "gateway", Tried { expected: &expected, ..tried }, format!("{code}, {store}"));
        Ok(())
    }

    /// One handshake.
    fn shook_hands(
        &mut self,
        tried: Tried<'_>,
        from: &'static str,
        opened: &Result<Attachment, DeviceError>,
    ) {
        let got = opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into());
        self.tell(from, "gateway", tried, got);
    }

    /// B6, and the proof elsewhere that a legitimate device is untouched.
    async fn sees_itself(&mut self, step: &'static str, actor: &Actor, attachment: &mut Attachment) {
        let request = attachment.new_request(Operation::Retrieve, self.gateway.below(actor.resource));
        let answer = attachment.request(&request).await;
        let tried = Tried {
            step,
            what: "RETRIEVE its own <AE>",
            expected: "2000 OK",
            proved: "the owner is served",
            clause: "TS-0001 §9.6.1.3.2",
        };
        self.tell(actor.name, "gateway", tried, outcome(&answer));
    }

    /// R: a new association with the same key; the identity is bound at once.
    async fn re_attachment(&mut self, light1: &mut Attachment) -> Result<(), Failure> {
        self.phase = "Re-attachment";
        let opened = self.gateway.attach(&LIGHT1).await;
        let tried = Tried {
            step: "R1",
            what: "new TCP connection, new TLS handshake, same key",
            expected: ASSOCIATION,
            proved: "bound to Clight-AE1 before it says a word",
            clause: "TS-0003 §8.2.1",
        };
        self.shook_hands(tried, LIGHT1.name, &opened);
        let mut attachment = opened.map_err(Failure::from)?;
        if let Some(stem) = LIGHT1.stem()? {
            attachment.speak_as(stem);
        }
        self.sees_itself("R2", &LIGHT1, &mut attachment).await;
        std::mem::replace(light1, attachment).close().await;
        Ok(())
    }
}
