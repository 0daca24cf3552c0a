//! Identity tokens: registers; F-12, F-13, F-14 and F-16.

use std::sync::Arc;

use cse::{ServiceRule, add_service_rules};
use identity::{
    Channel, Established, Framework, Function, MAX_WRONG_TOKENS, Made, OsPeer, Peer, Rule, SessionRecord,
};
use keys::{CredentialId, IdentityToken, SeededRng};
use onem2m::{
    id::{AeId, EntityId},
    primitive::{AccessToken, Operation, Request},
    status::ResponseStatusCode as Rsc,
    time::Clock as _,
};
use serde_json::{Value, json};
use store::{Audit as _, CredentialsMut as _, Enrolled, EnrolmentsMut as _, NewEnrolment, Resources as _};

use crate::world::{DAY, World, ae, create, request, update, with};

const DENIED: Rsc = Rsc::OriginatorNotAuthenticated;
const REQUIRED: Rsc = Rsc::SecurityAssociationRequired;

fn of_stem(stem: &str) -> EntityId {
    EntityId::Ae(AeId::of_stem(&"//example.org/mn-cse-123456".parse().unwrap(), stem.parse().unwrap()))
}

/// A token and the Credential-ID of its record.
pub(crate) struct Issued {
    pub(crate) text: String,
    pub(crate) id: CredentialId,
}

impl World {
    pub(crate) async fn issue(&self, subject: EntityId) -> Issued {
        let token = IdentityToken::generate(&SeededRng::new(1000 + self.draw())).unwrap();
        let text = token.to_text().to_string();
        let enrolment = self
            .store
            .write("test.enrol", move |tx| {
                let what = Enrolled::Token(token.digest());
                let mut new = NewEnrolment::new(Function::Cse, what, subject.kind());
                new.subject = Some(subject.clone());
                tx.add_enrolment(&new)
            })
            .await
            .unwrap();
        Issued { text, id: enrolment.credential_id }
    }

    /// Whether any record of the store, the audit included, holds the text.
    async fn holds(&self, text: &str) -> bool {
        let lines = self.store.read(|records| records.audit_page(None, 1000)).await.unwrap();
        let refusals = format!("{:?}", self.refusals.0.lock().unwrap());
        // Not the file with the locks: closing it would drop them.
        let files = ["cse.db", "cse.db-wal"].into_iter().any(|name| {
            let contents = std::fs::read(self.store.path().with_file_name(name)).unwrap();
            contents.windows(text.len()).any(|window| window == text.as_bytes())
        });
        files || format!("{lines:?}").contains(text) || refusals.contains(text)
    }
}

fn session() -> Arc<Peer> {
    Arc::new(Peer::new(Established::by_nothing(), "192.0.2.7:5000".parse().unwrap()))
}

fn showing(content: Value, token: &str) -> Value {
    with(content, "idtk", json!(token))
}

fn register(token: &str) -> Request {
    create(Some("Clight1"), showing(ae(), token))
}

/// The whole of it: a registration with the token, requests without, and coming back.
#[tokio::test]
async fn a_device_with_nothing_but_a_token_registers_and_comes_back() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    let first = session();
    let created = world.ask(&first, register(&token.text)).await;
    assert_eq!(created.rsc, Rsc::Created);
    assert_eq!(first.subject(), Some(&of_stem("Clight1")));
    assert_eq!((first.credential_id(), first.version()), (Some(&token.id), 1));
    let shown = created.pc.unwrap();
    assert_eq!(shown["m2m:ae"]["aei"], json!("Clight1"));
    assert!(!shown.to_string().contains("idtk"), "F-14");
    let own = || request(Operation::Retrieve, "Clight1", Some("Clight1"));
    let found = world.ask(&first, own()).await;
    assert_eq!(found.rsc, Rsc::Ok);
    assert!(!found.pc.unwrap().to_string().contains("idtk"), "F-14");
    let row = world.store.read(|records| records.resource("Clight1")).await.unwrap().unwrap();
    assert_eq!(row.credential_id, Some(token.id.clone()));
    assert!(!world.holds(&token.text).await, "F-14: neither stored nor noted");

    let second = session();
    let back = || update("Clight1", "Clight1", json!({ "idtk": token.text }));
    let before = world.store.digest().await.unwrap();
    let answered = world.ask(&second, back()).await;
    assert_eq!(answered.rsc, Rsc::Updated);
    assert_eq!(world.store.digest().await.unwrap(), before, "nothing but the session was altered");
    assert_eq!(world.ask(&second, own()).await.rsc, Rsc::Ok);
    assert_eq!(world.ask(&second, back()).await.rsc, Rsc::Updated, "the same token again");
    let with_label = update("Clight1", "Clight1", json!({ "idtk": token.text, "lbl": ["x"] }));
    let third = session();
    let answered = world.ask(&third, with_label).await;
    assert_eq!(answered.rsc, Rsc::Updated);
    assert!(!world.holds(&token.text).await);
    let gone = world.ask(&third, request(Operation::Delete, "Clight1", Some("Clight1"))).await;
    assert_eq!(gone.rsc, Rsc::Deleted);
    assert_eq!(second.wrong_tokens() + third.wrong_tokens(), 0);
}

/// F-12: nothing else is served before the token.
#[tokio::test]
async fn nothing_is_served_before_the_token() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    world.ask(&session(), register(&token.text)).await;
    let nobody = session();
    let element = json!({ "m2m:ae": { "idtk": token.text } });
    let mut retrieve = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    retrieve.pc = Some(element.clone());
    let mut other = request(Operation::Create, "Clight1", Some("Clight1"));
    (other.ty, other.pc) = (Some(3), Some(element.clone()));
    let mut delete = request(Operation::Delete, "Clight1", Some("Clight1"));
    delete.pc = Some(element);
    let mut csr = request(Operation::Create, "-", Some("/mn-7"));
    (csr.ty, csr.pc) = (Some(16), Some(json!({ "m2m:csr": { "rr": true } })));
    for asked in [
        request(Operation::Retrieve, "Clight1", Some("Clight1")),
        request(Operation::Retrieve, "home_gateway", None),
        request(Operation::Retrieve, "nowhere/at/all", Some("x y")),
        request(Operation::Retrieve, "a//b", Some("Clight1")),
        request(Operation::Retrieve, "/other-cse/x", Some("Clight1")),
        update("Clight1", "Clight1", json!({ "lbl": ["x"] })),
        create(Some("Clight1"), ae()),
        create(None, ae()),
        csr,
        retrieve,
        other,
        delete,
    ] {
        assert_eq!(world.refuses(&nobody, asked).await, REQUIRED);
    }
    assert_eq!((nobody.subject(), nobody.wrong_tokens()), (None, 0));
}

/// F-13: a token that is wrong, malformed, expired, revoked, or another's is refused alike and counted.
#[tokio::test]
async fn wrong_tokens_are_refused_alike() {
    let world = World::new().await;
    let (good, revoked, expired) = (
        world.issue(of_stem("Clight1")).await,
        world.issue(of_stem("Clight1")).await,
        world.issue(of_stem("Clight1")).await,
    );
    let foreign = world.issue(of_stem("Clight2")).await;
    let (id, ended, now) = (revoked.id.clone(), expired.id.clone(), world.clock.now());
    world
        .store
        .write("test.end", move |tx| {
            tx.revoke(&id)?;
            tx.set_not_after(&ended, Some(now))
        })
        .await
        .unwrap();
    world.clock.advance(std::time::Duration::from_secs(1));
    let short = &good.text[..20];
    let long = good.text.repeat(100);
    let mut altered = good.text.clone().into_bytes();
    altered[5] = if altered[5] == b'A' { b'B' } else { b'A' };
    let altered = String::from_utf8(altered).unwrap();
    let padded = format!("{}==", good.text);
    let wrong = [short, &long, &altered, &padded, "", &revoked.text, &expired.text, &foreign.text];
    let mut answers = Vec::new();
    for token in wrong {
        let peer = session();
        for asked in [register(token), update("Clight1", "Clight1", json!({ "idtk": token }))] {
            let before = world.store.digest().await.unwrap();
            let answer = world.ask(&peer, asked).await;
            assert_eq!(answer.rsc, DENIED, "{token:?}");
            assert_eq!(world.store.digest().await.unwrap(), before);
            answers.push(answer.debug_info().unwrap().to_owned());
        }
        assert_eq!((peer.wrong_tokens(), peer.subject(), peer.credential_id()), (2, None, None));
        assert_eq!(world.refuses(&peer, create(Some("Clight1"), ae())).await, REQUIRED);
        assert_eq!(world.ask(&peer, register(&good.text)).await.rsc, Rsc::Created, "{token:?}");
        world.ask(&peer, request(Operation::Delete, "Clight1", Some("Clight1"))).await;
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "told apart: {answers:?}");
    for token in [&good.text, &revoked.text, &altered] {
        assert!(!world.holds(token).await);
    }
}

/// A token of another function, and an enrolment that is no token, open nothing here.
#[tokio::test]
async fn a_token_is_for_its_function() {
    let world = World::new().await;
    let token = IdentityToken::generate(&SeededRng::new(5)).unwrap();
    let text = token.to_text().to_string();
    world
        .store
        .write("test.enrol", move |tx| {
            let mut new =
                NewEnrolment::new(Function::Mef, Enrolled::Token(token.digest()), onem2m::id::EntityKind::Ae);
            new.subject = Some(of_stem("Clight1"));
            tx.add_enrolment(&new)
        })
        .await
        .unwrap();
    assert_eq!(world.refuses(&session(), register(&text)).await, DENIED);
}

/// After five wrong ones no token is looked at any more; closing the connection is the listener's part.
#[tokio::test]
async fn five_wrong_tokens_are_enough() {
    let world = World::new().await;
    let good = world.issue(of_stem("Clight1")).await;
    let peer = session();
    for count in 1..=MAX_WRONG_TOKENS {
        let guess = format!("{count}{}", &good.text[1..]);
        assert_eq!(world.refuses(&peer, register(&guess)).await, DENIED);
        assert_eq!(peer.wrong_tokens(), count);
    }
    assert_eq!(world.refuses(&peer, register(&good.text)).await, DENIED, "the right one comes too late");
    assert_eq!((peer.wrong_tokens(), peer.subject()), (MAX_WRONG_TOKENS, None));
}

/// F-13: a session is one entity's for good.
#[tokio::test]
async fn a_second_token_does_not_change_the_session() {
    let world = World::new().await;
    let (one, spare) = (world.issue(of_stem("Clight1")).await, world.issue(of_stem("Clight1")).await);
    let other = world.issue(of_stem("Clight2")).await;
    let peer = session();
    world.ask(&peer, register(&one.text)).await;
    for second in [&spare.text, &other.text] {
        assert_eq!(world.refuses(&peer, register(second)).await, DENIED);
    }
    let as_other = create(Some("Clight2"), showing(ae(), &other.text));
    assert_eq!(world.refuses(&peer, as_other).await, DENIED);
    assert_eq!((peer.wrong_tokens(), peer.subject()), (3, Some(&of_stem("Clight1"))));
    let own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
    assert_eq!(world.ask(&peer, own).await.rsc, Rsc::Ok, "it goes on as it was");
    for other in ["Clight2", "Cnobody"] {
        assert_eq!(world.refuses(&peer, request(Operation::Retrieve, "Clight1", Some(other))).await, DENIED);
    }
}

/// What From says must be the token's own entity, or be left open.
#[tokio::test]
async fn from_is_the_tokens_entity() {
    let world = World::new().await;
    for (from, expected) in [
        (Some("Clight2"), DENIED),
        (Some("S"), DENIED),
        (Some("/mn-cse-123456/Clight1"), Rsc::BadRequest),
        (Some("x y"), Rsc::BadRequest),
    ] {
        let token = world.issue(of_stem("Clight1")).await;
        let peer = session();
        let asked = create(from, showing(ae(), &token.text));
        assert_eq!(world.refuses(&peer, asked).await, expected, "{from:?}");
        assert_eq!(peer.subject(), None, "{from:?}");
        assert_eq!(peer.wrong_tokens() > 0, expected == DENIED, "{from:?}");
    }
    for from in [None, Some(""), Some("C"), Some("Clight1")] {
        let token = world.issue(of_stem("Clight1")).await;
        let peer = session();
        let asked = create(from, showing(ae(), &token.text));
        assert_eq!(world.ask(&peer, asked).await.rsc, Rsc::Created, "{from:?}");
        world.ask(&peer, request(Operation::Delete, "Clight1", Some("Clight1"))).await;
    }
}

/// The token is checked before everything else, and binds whatever becomes of the request.
#[tokio::test]
async fn a_token_binds_also_where_the_registration_fails() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    world.ask(&session(), register(&token.text)).await;
    let cases: [(Request, Rsc); 5] = [
        (register(&token.text), Rsc::OriginatorHasAlreadyRegistered),
        (create(Some("Clight1"), json!({ "idtk": token.text })), Rsc::BadRequest),
        (create(Some("Clight1"), showing(with(ae(), "nonsense", json!(1)), &token.text)), Rsc::BadRequest),
        (update("Clight1", "nowhere", json!({ "idtk": token.text })), Rsc::NotFound),
        (update("Clight1", "home_gateway", json!({ "idtk": token.text })), Rsc::OperationNotAllowed),
    ];
    for (asked, expected) in cases {
        let peer = session();
        assert_eq!(world.refuses(&peer, asked).await, expected);
        assert_eq!((peer.subject(), peer.wrong_tokens()), (Some(&of_stem("Clight1")), 0));
        let own = request(Operation::Retrieve, "Clight1", Some("Clight1"));
        assert_eq!(world.ask(&peer, own).await.rsc, Rsc::Ok);
    }
    let peer = session();
    let not_text = create(Some("Clight1"), with(ae(), "idtk", json!(7)));
    assert_eq!(world.refuses(&peer, not_text).await, Rsc::BadRequest);
    assert_eq!((peer.subject(), peer.wrong_tokens()), (None, 0));
    let own = world.issue(of_stem("Clight2")).await;
    let elsewhere = update("Clight2", "Clight1", json!({ "idtk": own.text }));
    assert_eq!(world.refuses(&session(), elsewhere).await, Rsc::OriginatorHasNoPrivilege);
}

/// On a channel without protection, and over an association of another kind, a token is not even looked at.
#[tokio::test]
async fn a_token_is_shown_in_its_own_kind_of_session_only() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    let clear = Channel::Clear("192.0.2.9:80".parse().unwrap());
    let local = Channel::Local(OsPeer::Account(1000));
    for channel in [&clear, &local] {
        assert_eq!(world.refuses(channel, register(&token.text)).await, REQUIRED);
        let back = update("Clight1", "Clight1", json!({ "idtk": token.text }));
        assert_eq!(world.refuses(channel, back).await, REQUIRED);
    }
    let by_key = world.device(1, Some("Clight9")).await;
    let mine = create(Some("Clight9"), showing(ae(), &token.text));
    assert_eq!(world.refuses(&by_key, mine).await, DENIED);
    assert_eq!((by_key.wrong_tokens(), by_key.subject()), (0, Some(&of_stem("Clight9"))));
    assert!(!world.holds(&token.text).await);
}

/// The same rules for a token that the binding brings along beside the content (TS-0009 §7.1).
#[tokio::test]
async fn a_token_beside_the_content_is_a_token() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    let other = world.issue(of_stem("Clight1")).await;
    let beside = |mut request: Request, token: &str| {
        request.registrar_credential = Some(AccessToken::new(token));
        request
    };
    let empty = || create(Some("Clight1"), ae());
    let own = || request(Operation::Retrieve, "Clight1", Some("Clight1"));
    let session = session();
    let by_key = world.device(1, Some("Clight9")).await;
    let before = world.store.digest().await.unwrap();
    // Two of them: neither is looked at, and none is counted, whatever they are worth.
    for (inside, outside) in
        [(&token.text, &other.text), (&token.text, &"x".repeat(32)), (&"x".repeat(32), &token.text)]
    {
        let answer = world.ask(&session, beside(register(inside), outside)).await;
        assert_eq!((answer.rsc, session.wrong_tokens()), (Rsc::BadRequest, 0));
        let text = "idtk and Proxy-Authorization: two different tokens in one request";
        assert_eq!(answer.debug_info(), Some(text));
    }
    assert_eq!(world.refuses(&session, beside(own(), &token.text)).await, REQUIRED);
    for (count, wrong) in (1..).zip(["", "x", &"x".repeat(32)]) {
        assert_eq!(world.refuses(&session, beside(empty(), wrong)).await, DENIED);
        assert_eq!(session.wrong_tokens(), count);
    }
    let number = with(ae(), "idtk", json!(7));
    assert_eq!(
        world.refuses(&session, beside(create(Some("Clight1"), number), &token.text)).await,
        Rsc::BadRequest
    );
    let mine = || beside(create(Some("Clight9"), ae()), &token.text);
    assert_eq!(world.refuses(&by_key, mine()).await, DENIED);
    assert_eq!(world.refuses(&Channel::Clear("192.0.2.9:80".parse().unwrap()), mine()).await, REQUIRED);
    assert_eq!(world.store.digest().await.unwrap(), before);

    assert_eq!(world.ask(&session, beside(empty(), &token.text)).await.rsc, Rsc::Created);
    assert_eq!(session.subject(), Some(&of_stem("Clight1")));
    let answer = world.ask(&session, beside(own(), &token.text)).await;
    assert_eq!(answer.debug_info(), Some("identity token: it is shown in a registration only"));
    let both = update("Clight1", "Clight1", json!({ "idtk": token.text }));
    let again = Arc::new(Peer::new(Established::by_nothing(), "192.0.2.8:5000".parse().unwrap()));
    assert_eq!(
        world.ask(&again, beside(both, &token.text)).await.rsc,
        Rsc::Updated,
        "the same in both places"
    );
    let bare = update("Clight1", "Clight1", json!({}));
    assert_eq!(world.ask(&again, beside(bare, &token.text)).await.rsc, Rsc::Updated);
    assert_eq!(
        world.refuses(&again, beside(update("Clight1", "Clight1", json!({})), &other.text)).await,
        DENIED
    );
    assert!(!world.holds(&token.text).await && !world.holds(&other.text).await, "F-14");
}

/// A token withdrawn in the middle of a session, or rebound, ends what the session may do.
#[tokio::test]
async fn a_withdrawn_token_ends_its_sessions() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    let peer = session();
    world.ask(&peer, register(&token.text)).await;
    let id = token.id.clone();
    world.store.write("test.revoke", move |tx| tx.revoke(&id)).await.unwrap();
    for asked in [
        request(Operation::Retrieve, "Clight1", Some("Clight1")),
        update("Clight1", "Clight1", json!({ "lbl": ["x"] })),
        update("Clight1", "Clight1", json!({ "idtk": token.text })),
        request(Operation::Delete, "Clight1", Some("Clight1")),
    ] {
        assert_eq!(world.refuses(&peer, asked).await, DENIED);
    }
}

/// A CSE may be enrolled by a token as well.
#[tokio::test]
async fn a_cse_registers_by_token() {
    let world = World::new().await;
    let gateway = EntityId::Cse("//example.org/mn-7".parse().unwrap());
    let token = world.issue(gateway.clone()).await;
    let csr = |from: &str, token: &str| {
        let mut request = request(Operation::Create, "/mn-cse-123456/home_gateway", Some(from));
        request.ty = Some(16);
        let csr = json!({ "cb": "/mn-7/gateway", "rr": true, "srv": ["3"], "idtk": token });
        request.pc = Some(json!({ "m2m:csr": csr }));
        request
    };
    let peer = session();
    assert_eq!(world.refuses(&peer, csr("/mn-8", &token.text)).await, DENIED);
    assert_eq!(world.refuses(&peer, csr("Clight1", &token.text)).await, DENIED);
    let created = world.ask(&peer, csr("/mn-7", &token.text)).await;
    assert_eq!((created.rsc, peer.subject()), (Rsc::Created, Some(&gateway)));
    assert!(!created.pc.unwrap().to_string().contains("idtk"));
    let mut back = request(Operation::Update, "csr-mn-7", Some("/mn-7"));
    back.pc = Some(json!({ "m2m:csr": { "idtk": token.text } }));
    assert_eq!(world.ask(&session(), back).await.rsc, Rsc::Updated);
    assert!(!world.holds(&token.text).await);
}

/// Register A-48: the token's own record satisfies the credential condition of a rule; App-ID and AE-ID count.
#[tokio::test]
async fn rules_ask_a_token_for_app_and_stem() {
    let world = World::new().await;
    let rule = ServiceRule {
        name: "asar-light1".parse().unwrap(),
        rule: Rule {
            credentials: Some(vec!["12-someone@home.example.org".parse().unwrap()]),
            app_ids: vec!["Nlight.*".parse().unwrap()],
            stems: vec!["Clight1".parse().unwrap()],
            roles: Vec::new(),
        },
    };
    let settings = world.settings.clone();
    world
        .store
        .write("test.rules", move |tx| {
            add_service_rules(tx, &settings, std::slice::from_ref(&rule), 1, "test")
        })
        .await
        .unwrap();
    let (one, two) = (world.issue(of_stem("Clight1")).await, world.issue(of_stem("Clight2")).await);
    let other_app = create(Some("Clight1"), showing(with(ae(), "api", json!("Nother")), &one.text));
    assert_eq!(world.refuses(&session(), other_app).await, Rsc::AppRuleValidationFailed);
    let other_stem = create(Some("Clight2"), showing(ae(), &two.text));
    assert_eq!(world.refuses(&session(), other_stem).await, Rsc::AppRuleValidationFailed);
    assert_eq!(world.ask(&session(), register(&one.text)).await.rsc, Rsc::Created);
}

/// F-16: a session before its token leaves nothing to be resumed; after it, the record is that of the entity.
#[tokio::test]
async fn a_session_is_remembered_after_its_token() {
    let world = World::new().await;
    let token = world.issue(of_stem("Clight1")).await;
    let peer = session();
    let made = |peer| Made {
        function: Function::Cse,
        peer,
        server_name: None,
        extended_master_secret: true,
        suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        lifetime: DAY,
    };
    assert_eq!(SessionRecord::of(&made(&peer), world.clock.now()), None);
    world.refuses(&peer, register("wrong-wrong-wrong-wrong-")).await;
    assert_eq!(SessionRecord::of(&made(&peer), world.clock.now()), None);
    world.ask(&peer, register(&token.text)).await;
    let record = SessionRecord::of(&made(&peer), world.clock.now()).unwrap();
    assert_eq!((record.framework, record.subject), (Framework::Token, Some(of_stem("Clight1"))));
}
