//! A: the gateway joins an IN-CSE; X9 to X12: another gateway tries to pass for it.

use std::{path::Path, sync::Arc, time::Duration};

use device::{Attachment, Device, DeviceError, Proof};
use keys::IdentityToken;
use onem2m::{
    id::CseId,
    primitive::{Operation, Request},
    resource::ResourceType,
    time::SystemClock,
};
use pki::Issued;
use serde_json::{Value, json};
use store::{Resources as _, Store};

use super::{
    super::{
        cast::{Gateway, outcome, refusal},
        server::Server,
    },
    ASSOCIATION, Line, Story, Tried,
    makers::Makers,
};
use crate::{
    control::{self, Question},
    outcome::Failure,
};

const NAME: &str = "in-cse.example.org";
const GATEWAY_NAME: &str = "mn-cse-123456.in-cse.example.org";
const ROGUE_NAME: &str = "mn-cse-999.in-cse.example.org";
const TO: &str = "IN-CSE";

const CONFIGURATION: &str = r#"
[store]
path = "in.db"

[cse]
id = "//example.org/in-cse"
kind = "in"
base_name = "server"

[[listener]]
address = "127.0.0.1:0"

[listener.certificate]
chain_file = "server.pem"
key_file = "server.key"

[listener.clients]
anchors_file = "root.pem"

[[listener]]
address = "127.0.0.1:0"
accept = ["token"]

[listener.certificate]
chain_file = "server.pem"
key_file = "server.key"
"#;

/// The IN-CSE.
pub(super) struct Infrastructure {
    pub(super) server: Server,
    /// Who certifies everybody here.
    pub(super) makers: Makers,
    gateway: Issued,
    rogue: Issued,
}

impl Infrastructure {
    pub(super) async fn start() -> Result<Self, Failure> {
        let makers = Makers::new()?;
        let prepare = |folder: &Path| {
            makers.write_root(folder)?;
            makers.write(folder, "server", &makers.of_cse(NAME)?)?;
            Ok(String::new())
        };
        let server = Server::start(CONFIGURATION, Some(NAME), prepare).await?;
        let (gateway, rogue) = (makers.of_cse(GATEWAY_NAME)?, makers.of_cse(ROGUE_NAME)?);
        Ok(Self { server, makers, gateway, rogue })
    }

    /// Puts what the gateway needs to join into its folder, and says what `[registrar]` of its configuration is.
    pub(super) fn above(&self, folder: &Path) -> Result<String, Failure> {
        self.makers.write_root(folder)?;
        self.makers.write(folder, "server", &self.gateway)?;
        let (cse, address) = (&self.server.registrar.cse, &self.server.registrar.address);
        Ok(format!("[registrar]\ncse_id = \"{cse}\"\naddress = \"{address}\"\n"))
    }

    /// An association of whoever holds this certificate.
    async fn associate(&self, issued: &Issued) -> Result<Attachment, DeviceError> {
        self.device(self.makers.proof(issued)?)?.attach(None).await
    }

    /// A device with this proof, which knows the IN-CSE by its certificate.
    pub(super) fn device(&self, proof: Proof) -> Result<Device, DeviceError> {
        let clock = Arc::new(SystemClock);
        Device::new(self.server.registrar.clone(), proof, self.makers.trust()?, clock)
    }

    /// The same at the listener for identity tokens.
    pub(super) fn token_device(&self, token: IdentityToken) -> Result<Device, Failure> {
        let mut registrar = self.server.registrar.clone();
        let address =
            self.server.running.addresses().get(1).ok_or_else(|| Failure::internal("no second listener"))?;
        registrar.address = address.to_string();
        let trust = self.makers.trust()?;
        Ok(Device::new(registrar, Proof::Token(token), trust, Arc::new(SystemClock))?)
    }

    pub(super) fn cse(&self) -> CseId {
        self.server.registrar.cse.clone()
    }
}

/// What the store keeps of another CSE: one attribute of its `<remoteCSE>`.
async fn kept(store: &Store, ri: &'static str, name: &str) -> Result<String, Failure> {
    let found = store.read(move |records| records.resource(ri)).await?;
    let value = found.as_ref().and_then(|resource| resource.attributes.get(name));
    Ok(value.map_or_else(
        || "nothing".to_owned(),
        |value| value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    ))
}

fn said(from: &str, operation: Operation, to: &str, line: &mut Attachment) -> Request {
    let mut request = line.new_request(operation, to);
    request.fr = Some(from.to_owned());
    request
}

fn registration(from: &str, csi: &str, line: &mut Attachment) -> Request {
    let mut request = said(from, Operation::Create, "/in-cse/server", line);
    request.ty = Some(ResourceType::RemoteCse.code());
    request.pc = Some(json!({ "m2m:csr": {
        "csi": csi, "cb": format!("{csi}/home_gateway"), "rr": false, "srv": ["3"],
    }}));
    request
}

impl Gateway {
    /// Waits until it is registered above; false if it is not within five seconds.
    async fn has_joined(&self) -> bool {
        for _ in 0..500 {
            let fact = self.registration();
            let until = fact.as_ref().and_then(|fact| fact.pointer("/registrar/registered_until"));
            if until.is_some_and(Value::is_string) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    }
}

impl Story {
    /// A1 to A5 and A7.
    pub(super) async fn joining(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        self.phase = "The gateway joins";
        let joined = self.gateway.has_joined().await;
        let tried = Tried {
            step: "A1",
            what: "TLS handshake, a CSE-ID certificate at either end",
            expected: ASSOCIATION,
            proved: "mn-cse-123456.in-cse.example.org and in-cse.example.org, each by its key",
            clause: "TS-0003 §8.2.2.2",
        };
        self.tell("gateway", TO, tried, if joined { ASSOCIATION } else { "none" }.into());
        let tried = Tried {
            step: "A2",
            what: "CREATE <remoteCSE> home_gateway as /mn-cse-123456",
            expected: "csi /mn-cse-123456",
            proved: "the IN-CSE has it under the name that was proved",
            clause: "TS-0001 §10.2.2.7",
        };
        let got = kept(&infrastructure.server.operator, "csr-mn-cse-123456", "csi").await?;
        self.tell("gateway", TO, tried, format!("csi {got}"));
        let tried = Tried {
            step: "A3",
            what: "its own <remoteCSE> of the IN-CSE",
            expected: "csi /in-cse",
            proved: "requests for others go there",
            clause: "TS-0004 §7.4.4.2.1",
        };
        let got = kept(&self.gateway.server.operator, "csr-in-cse", "csi").await?;
        self.tell("gateway", "gateway", tried, format!("csi {got}"));
        let tried = Tried {
            step: "A4",
            what: "RETRIEVE /in-cse/server, kept there",
            expected: "cst 1",
            proved: "it is an IN-CSE, and says so itself",
            clause: "TS-0001 §10.2.2.7",
        };
        let got = kept(&self.gateway.server.operator, "csr-in-cse", "cst").await?;
        self.tell("gateway", TO, tried, format!("cst {got}"));
        self.joins_twice(infrastructure).await?;
        self.is_asked_from_above(infrastructure).await
    }

    /// A5.
    async fn joins_twice(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        let mut line = infrastructure.associate(&infrastructure.gateway).await.map_err(Failure::from)?;
        let request = registration("/mn-cse-123456", "/mn-cse-123456", &mut line);
        let answer = line.request(&request).await;
        let tried = Tried {
            step: "A5",
            what: "CREATE <remoteCSE> once more",
            expected: "4117 ORIGINATOR_HAS_ALREADY_REGISTERED",
            proved: "a CSE registers once",
            clause: "TS-0004 §7.4.4.2.1",
        };
        self.tell("gateway", TO, tried, outcome(&answer));
        line.close().await;
        Ok(())
    }

    /// A7.
    async fn is_asked_from_above(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        let to = "/mn-cse-123456/home_gateway".to_owned();
        let asked = control::ask(&infrastructure.server.config, &Question::Retrieve { to }).await;
        let rsc = asked.ok().and_then(|(facts, _)| facts.first()?.pointer("/answer/rsc")?.as_u64());
        let tried = Tried {
            step: "A7",
            what: "RETRIEVE /mn-cse-123456/home_gateway over an association of its own",
            expected: "2000",
            proved: "SA2: the same certificates with the roles swapped",
            clause: "TS-0003 §8.2.1",
        };
        self.tell(TO, "gateway", tried, rsc.map_or_else(|| "no answer".to_owned(), |rsc| rsc.to_string()));
        Ok(())
    }

    /// X9 to X12.
    pub(super) async fn rogue_gateway(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        self.phase = "Another gateway";
        let opened = infrastructure.associate(&infrastructure.rogue).await;
        let tried = Tried {
            step: "X9",
            what: "TLS handshake with the certificate of /mn-cse-999",
            expected: ASSOCIATION,
            proved: "it is who it is",
            clause: "TS-0003 §8.1.2.5",
        };
        let got = opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into());
        self.tell("/mn-cse-999", TO, tried, got);
        let mut rogue = opened.map_err(Failure::from)?;
        let request = registration("/mn-cse-123456", "/mn-cse-123456", &mut rogue);
        let proved = "and is nobody else, registered or not";
        let clause = "TS-0004 §7.3.2.1";
        let tried =
            Tried { step: "X9", what: "register as /mn-cse-123456", expected: "4106", proved, clause };
        self.refused_above(infrastructure, tried, &mut rogue, "/mn-cse-999", &request).await?;
        let request = registration("/mn-cse-999", "/mn-cse-999", &mut rogue);
        let answer = rogue.request(&request).await;
        let proved = "its own name is free to use";
        let what = "register as /mn-cse-999";
        let tried = Tried { step: "X10", what, expected: "2001 CREATED", proved, clause };
        self.tell("/mn-cse-999", TO, tried, outcome(&answer));
        for from in ["/mn-cse-123456", "/mn-cse-123456/Clight-AE1"] {
            let request = said(from, Operation::Retrieve, "/in-cse/server", &mut rogue);
            let what = format!("RETRIEVE as {from}");
            let proved = "another registree and its AEs";
            let tried = Tried { step: "X10", what: &what, expected: "4106", proved, clause };
            self.refused_above(infrastructure, tried, &mut rogue, "/mn-cse-999", &request).await?;
        }
        for (step, from, proved) in [
            ("X11", "Cphone1", "a bare stem is an AE's own word"),
            ("X12", "/in-cse/Cphone1", "an AE of the receiver"),
            ("X12", "/in-cse", "the receiver itself"),
        ] {
            let request = said(from, Operation::Retrieve, "/in-cse/server", &mut rogue);
            let what = format!("RETRIEVE as {from}");
            let tried = Tried { step, what: &what, expected: "4106", proved, clause };
            self.refused_above(infrastructure, tried, &mut rogue, "/mn-cse-999", &request).await?;
        }
        rogue.close().await;
        self.without_certificate(infrastructure).await
    }

    /// X14.
    async fn without_certificate(&mut self, infrastructure: &Infrastructure) -> Result<(), Failure> {
        let before = infrastructure.server.digest().await?;
        let strangers = Makers::new()?;
        let makers = &infrastructure.makers;
        for (what, issued, expected) in [
            ("a certificate of another authority", Some(strangers.of_cse(GATEWAY_NAME)?), "alert unknown_ca"),
            ("an expired certificate", Some(makers.expired(GATEWAY_NAME)?), "alert certificate_expired"),
            (
                "a certificate for a CSE of another IN-CSE",
                Some(makers.of_cse("mn-cse-123456.other.example.org")?),
                "alert certificate_unknown",
            ),
            ("no certificate", None, "alert handshake_failure"),
        ] {
            let opened = match &issued {
                Some(issued) => infrastructure.associate(issued).await,
                None => infrastructure.device(Proof::Token(Makers::token()?))?.attach(None).await,
            };
            let after = infrastructure.server.digest().await?;
            let store = if before == after { "store unchanged" } else { "store CHANGED" };
            let got = opened.as_ref().map_or_else(refusal, |_| ASSOCIATION.into());
            let expected = format!("{expected}, store unchanged");
            let proved = "nobody without a name from here comes in";
            let clause = "TS-0003 §8.1.2.5";
            let tried = Tried { step: "X14", what, expected: &expected, proved, clause };
            self.tell("somebody", TO, tried, format!("{got}, {store}"));
        }
        Ok(())
    }

    /// One request to the IN-CSE that is to be refused: the status, and that nothing but the audit changed there.
    async fn refused_above(
        &mut self,
        infrastructure: &Infrastructure,
        tried: Tried<'_>,
        line: &mut impl Line,
        from: &'static str,
        request: &Request,
    ) -> Result<(), Failure> {
        let before = infrastructure.server.digest().await?;
        let answer = line.ask(request).await;
        let after = infrastructure.server.digest().await?;
        let code = answer.map_or_else(|error| error, |response| response.rsc.code().to_string());
        let expected = format!("{}, store unchanged", tried.expected);
        let store = if before == after { "store unchanged" } else { "store CHANGED" };
        self.tell(from, TO, Tried { expected: &expected, ..tried }, format!("{code}, {store}"));
        Ok(())
    }
}
