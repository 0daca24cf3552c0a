//! Devices with nothing but an identity token (draft clause x.y.7; F-12 to F-16), by a client that is not ours and by
//! our own.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{fs, io::Write as _, os::unix::fs::PermissionsExt as _, sync::Arc};

use keys::{CredentialId, IdentityToken, OsRng};
use onem2m::time::SystemClock;
use serde_json::Value;
use store::{CredentialsMut as _, KekSource, Options, Store};
use support::{
    KEY, World,
    certified::{
        BASE, CERTIFICATES, Makers, TOKENS, ae, ae_with, going_on, in_seconds, last, prepared, request, write,
    },
    foreign::{FORGOTTEN, alert_number, between, garbled, openssl_with, status},
};
use testkit::Process;

const LAMP: &str = "//example.org/in-cse/Clamp";
const OWN: &str = "/~/in-cse/Clamp";

struct Story {
    world: World,
    token: String,
}

impl Story {
    fn start(seed: u64) -> Self {
        let mut world = prepared(&Makers::new(seed), TOKENS);
        world.serve();
        let token = token(&world, LAMP);
        Self { world, token }
    }

    fn client(&self, more: &[&str]) -> Process {
        let root = self.world.path("root.pem");
        let mut options = vec!["-tls1_2", "-CAfile", root.to_str().unwrap(), "-verify_return_error"];
        options.extend(more);
        openssl_with(self.world.address, &options)
    }

    fn says(&self, request: &str) -> String {
        answer(&mut self.client(&[]), request)
    }
}

fn token(world: &World, ae_id: &str) -> String {
    let issued = world.run(&["--json", "credential", "add", "--token", "--ae-id", ae_id]).success().stdout;
    let issued: Value = serde_json::from_str(issued.lines().next().unwrap()).unwrap();
    issued["token"].as_str().unwrap().to_owned()
}

fn answer(client: &mut Process, request: &str) -> String {
    client.send(request.as_bytes());
    client.wait_for_line("the status code", status)
}

fn with(token: &str) -> String {
    ae_with("Clamp", &format!(r#","idtk":"{token}""#))
}

fn shown(token: &str) -> String {
    going_on("PUT", OWN, "Clamp", None, &format!(r#"{{"m2m:ae":{{"idtk":"{token}"}}}}"#))
}

/// F-12: before the token nothing is served.
#[test]
fn nothing_is_served_before_the_token() {
    let story = Story::start(21);
    let digest = story.world.digest();
    assert_eq!(story.says(&ae("Clamp")), "4107");
    for (method, to) in [("GET", OWN), ("GET", "/~/in-cse/server"), ("DELETE", OWN), ("PUT", OWN)] {
        let content = if method == "PUT" { r#"{"m2m:ae":{"lbl":["a"]}}"# } else { "" };
        assert_eq!(story.says(&request(method, to, "Clamp", None, content)), "4107", "{method} {to}");
    }
    assert_eq!(story.world.digest(), digest);
}

/// F-13: an invented, a malformed, a withdrawn, an expired, another's, a second token: each is told the same, whether it
/// would create a registration or come back to one, and changes nothing.
#[tokio::test]
async fn every_wrong_token_is_told_the_same() {
    let story = Story::start(28);
    let ended = |story: &Story, stem: &str| {
        let token = token(&story.world, &format!("//example.org/in-cse/{stem}"));
        let digest = token.parse::<IdentityToken>().unwrap().digest();
        (token, CredentialId::identity_token(&digest))
    };
    let (gone, gone_id) = ended(&story, "Clamp");
    drop(story.world.run(&["credential", "revoke", gone_id.as_str()]).success());
    let (late, late_id) = ended(&story, "Clamp");
    expire(&story.world, late_id).await;
    let other = token(&story.world, "//example.org/in-cse/Cother");
    let digest = story.world.digest();
    let invented = "A".repeat(32);
    let wrong = [
        ("invented", &*invented),
        ("malformed", "?"),
        ("revoked", &gone),
        ("expired", &late),
        ("foreign", &other),
    ];
    for (what, token) in wrong {
        for asked in [with(token), last(&shown(token))] {
            let mut client = story.client(&[]);
            client.send(asked.as_bytes());
            assert_eq!(refused(&mut client), ("4106".to_owned(), NOT_ACCEPTED.to_owned()), "{what}");
        }
    }
    assert_eq!(story.world.digest(), digest);
    let mut bound = story.client(&[]);
    assert_eq!(answer(&mut bound, &with(&story.token).replace("Connection: close\r\n", "")), "2001");
    let digest = story.world.digest();
    // The same one again is no second one.
    bound.send(shown(&story.token).as_bytes());
    bound.wait_for_line("that it is taken", |line| status(line).filter(|rsc| rsc == "2004"));
    bound.send(last(&shown(&other)).as_bytes());
    assert_eq!(refused(&mut bound), ("4106".to_owned(), NOT_ACCEPTED.to_owned()), "second");
    assert_eq!(story.world.digest(), digest);
}

const NOT_ACCEPTED: &str = r#"{"m2m:dbg":"the identity token was not accepted"}"#;

/// The status code of a refusal that is the last answer, and what it says.
fn refused(client: &mut Process) -> (String, String) {
    let mut rsc = None;
    client.wait_for_line("a refusal", |line| {
        rsc = status(line).or_else(|| rsc.take());
        let said = line.find(r#"{"m2m:dbg""#).and_then(|at| line.get(at..))?;
        Some((rsc.take()?, said.split_inclusive('}').next().unwrap_or_default().to_owned()))
    })
}

/// Lets a credential have ended a minute ago, as time would.
async fn expire(world: &World, id: CredentialId) {
    let path = world.path("attache.db");
    let (clock, rng) = (Arc::new(SystemClock), Arc::new(OsRng));
    let store = Store::open(&path, &KekSource::beside(&path), clock, rng, Options::default()).unwrap();
    store.write("test.expire", move |tx| tx.set_not_after(&id, Some(in_seconds(-60)))).await.unwrap();
    store.close();
}

/// TS-0009 §7.1: the header instead of the attribute, or besides; the same rules, and the same count.
#[test]
fn the_token_may_come_in_a_header() {
    let story = Story::start(30);
    let beside = |request: &str, value: &str| {
        request.replacen("\r\n\r\n", &format!("\r\nProxy-Authorization: {value}\r\n\r\n"), 1)
    };
    let bearer = format!("Bearer {}", story.token);
    let digest = story.world.digest();
    assert_eq!(story.says(&beside(&request("GET", OWN, "Clamp", None, ""), &bearer)), "4107");
    assert_eq!(story.says(&beside(&ae("Clamp"), "Basic bGFtcDpsYW1w")), "5001");
    let two = "idtk and Proxy-Authorization: two different tokens in one request";
    let mut client = story.client(&[]);
    client.send(beside(&with(&"A".repeat(32)), &bearer).as_bytes());
    assert_eq!(refused(&mut client), ("4000".to_owned(), format!(r#"{{"m2m:dbg":"{two}"}}"#)));
    let mut guessing = story.client(&[]);
    for guess in 0..5 {
        let value = format!("Bearer {guess}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        guessing.send(beside(&going_on("PUT", OWN, "Clamp", None, r#"{"m2m:ae":{}}"#), &value).as_bytes());
    }
    let finished = guessing.finish();
    let refusals = finished.stdout.lines().filter(|line| status(line).is_some_and(|rsc| rsc == "4106"));
    assert_eq!(refusals.count(), 5, "the server closes: {}", finished.stdout);
    assert_eq!(story.world.digest(), digest);
    assert_eq!(story.says(&beside(&ae("Clamp"), &bearer)), "2001");
    assert_eq!(story.says(&beside(&last(&shown(&story.token)), &bearer)), "2004");
}

/// F-14: whatever is asked for, no answer holds a token, and neither does the log in its finest detail.
#[test]
fn no_answer_and_no_log_holds_a_token() {
    let makers = Makers::new(29);
    let mut world = prepared(&makers, &format!("{TOKENS}[log]\nlevel = \"trace\"\n"));
    world.serve();
    let token = token(&world, LAMP);
    let mut story = Story { world, token };
    let content = |more: &str| {
        let token = &story.token;
        format!(
            r#"{{"m2m:ae":{{"rn":"lamp","api":"Nlight","rr":false,"srv":["3"],"idtk":"{token}"{more}}}}}"#
        )
    };
    let update = format!(r#"{{"m2m:ae":{{"lbl":["a"],"idtk":"{}"}}}}"#, story.token);
    let post =
        |query: &str, content: &str| going_on("POST", &format!("{BASE}{query}"), "Clamp", Some(2), content);
    let put = |query: &str, content: &str| going_on("PUT", &format!("{OWN}{query}"), "Clamp", None, content);
    let get = |query: &str| going_on("GET", &format!("{OWN}{query}"), "Clamp", None, "");
    let beside = |request: &str| {
        let header = format!("\r\nProxy-Authorization: Bearer {}\r\n\r\n", story.token);
        request.replacen("\r\n\r\n", &header, 1)
    };
    let asked = [
        post("", &content(r#","nobody":"knows""#)),
        post("?rcn=9", &content("")),
        post("?rcn=1", &content("")),
        put("?rcn=1", &update),
        put("?rcn=9", &update),
        put("", &update.replace("lbl", "ri")),
        beside(&put("?rcn=1", r#"{"m2m:ae":{"lbl":["b"]}}"#)),
        beside(&put("", &update)),
        beside(&get("")),
        get(""),
        get("?rcn=4"),
        get("?atrl=idtk"),
        get("?atrl=idtk+lbl"),
        request("DELETE", &format!("{OWN}?rcn=1"), "Clamp", None, ""),
    ];
    let client = story.client(&[]);
    let count = asked.len();
    let client = asked.into_iter().fold(client, |mut client, asked| {
        client.send(asked.as_bytes());
        client
    });
    let said = client.finish().stdout;
    let codes: Vec<String> = said.lines().filter_map(status).collect();
    assert_eq!(codes.len(), count, "{said}");
    assert!(codes.contains(&"2001".to_owned()) && codes.contains(&"2004".to_owned()), "{codes:?}");
    assert!(codes.contains(&"2000".to_owned()) && codes.contains(&"2002".to_owned()), "{codes:?}");
    assert!(!said.contains(&story.token), "{said}");
    let told = story.world.stop();
    assert!(
        told.stderr.contains("TRACE")
            && !told.stderr.contains(&story.token)
            && !told.stdout.contains(&story.token)
    );
}

/// The token binds the session, several in a row; a second token in one session does not (F-13).
#[test]
fn a_token_binds_its_session() {
    let story = Story::start(22);
    let other = token(&story.world, "//example.org/in-cse/Cother");
    assert_eq!(story.says(&with(&story.token)), "2001");
    assert_eq!(story.says(&with(&story.token)), "4117");
    let mut again = story.client(&[]);
    assert_eq!(answer(&mut again, &going_on("GET", OWN, "Clamp", None, "")), "4107");
    let mut client = story.client(&[]);
    assert_eq!(answer(&mut client, &shown(&story.token)), "2004");
    client.send(going_on("GET", OWN, "Clamp", None, "").as_bytes());
    let representation = client.wait_for_line("the representation", |line| {
        line.contains("m2m:ae").then(|| line.to_owned()).filter(|line| line.contains("\"api\""))
    });
    assert!(!representation.contains("idtk") && !representation.contains(&story.token), "{representation}");
    let mut third = story.client(&[]);
    assert_eq!(answer(&mut third, &shown(&story.token)), "2004");
    third.send(shown(&other).as_bytes());
    third.wait_for_line("the refusal", |line| status(line).filter(|rsc| rsc == "4106"));
    // F-14: neither in what is stored nor in what is told to the operator.
    let audit = story.world.run(&["--json", "inspect", "audit"]).success().stdout;
    assert!(!audit.contains(&story.token), "{audit}");
    for file in fs::read_dir(story.world.folder.path()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let contents = fs::read(path).unwrap();
            assert!(!contents.windows(story.token.len()).any(|window| window == story.token.as_bytes()));
        }
    }
}

/// Five wrong tokens end the session.
#[test]
fn who_guesses_is_shown_the_door() {
    let story = Story::start(23);
    let mut client = story.client(&[]);
    for guess in 0..5 {
        let token = format!("{guess}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
        client.send(
            going_on("PUT", OWN, "Clamp", None, &format!(r#"{{"m2m:ae":{{"idtk":"{token}"}}}}"#)).as_bytes(),
        );
    }
    // The server closes: `-ign_eof` would otherwise keep the client for ever.
    let finished = client.finish();
    let refusals =
        finished.stdout.lines().filter(|line| status(line).is_some_and(|rsc| rsc == "4106")).count();
    assert_eq!(refusals, 5, "{}", finished.stdout);
    // Somebody else, and the right one, from the same address.
    assert_eq!(story.says(&with(&story.token)), "2001");
}

/// A session that was never bound is not resumed, one that was is (F-16; register A-33).
#[test]
fn only_a_bound_session_is_resumed() {
    let story = Story::start(24);
    let (nobody, lamp) = (story.world.path("nobody"), story.world.path("lamp"));
    let (nobody, lamp) = (nobody.to_str().unwrap(), lamp.to_str().unwrap());
    let get = request("GET", OWN, "Clamp", None, "");
    let mut unbound = story.client(&["-sess_out", nobody]);
    assert_eq!(answer(&mut unbound, &get), "4107");
    let mut bound = story.client(&["-sess_out", lamp]);
    assert_eq!(answer(&mut bound, &with(&story.token)), "2001");
    let mut again = story.client(&["-sess_in", nobody]);
    again.wait_for_line("a full handshake", |line| line.starts_with("New, TLSv1.2").then_some(()));
    assert_eq!(answer(&mut again, &get), "4107");
    let mut resumed = story.client(&["-sess_in", lamp]);
    resumed.wait_for_line("a resumed session", |line| line.starts_with("Reused, TLSv1.2").then_some(()));
    assert_eq!(answer(&mut resumed, &get), "2000");
}

/// Nobody makes the registrar write by failing: of whom nothing was remembered, nothing is forgotten.
#[test]
fn who_is_nobody_ends_no_session() {
    let makers = Makers::new(31);
    let mut world = prepared(&makers, &format!("{TOKENS}[log]\nlevel = \"debug\"\n"));
    world.serve();
    let token = token(&world, LAMP);
    let story = Story { world, token };
    let own = |content: &str| going_on("PUT", OWN, "Clamp", None, content);
    for (asked, expected) in
        [(own(r#"{"m2m:ae":{}}"#), "4107"), (with(&story.token).replace("Connection: close\r\n", ""), "2001")]
    {
        let (address, streams) = between(story.world.address);
        let mut client = openssl_with(address, &["-tls1_2"]);
        assert_eq!(answer(&mut client, &asked), expected);
        let (_, mut to_server) = streams.recv().unwrap();
        to_server.write_all(&garbled()).unwrap();
        let source = format!("source={} reason=broken", to_server.local_addr().unwrap());
        let mut forgotten = false;
        story.world.wait_for_line(|line| {
            forgotten |= line.contains(FORGOTTEN);
            (line.contains("association ended") && line.contains(&source)).then_some(())
        });
        assert_eq!(forgotten, expected == "2001");
    }
}

/// The device's side: attaches, comes back by its session, and by its token where the session is lost.
#[test]
fn our_own_device_attaches_by_token() {
    let story = Story::start(25);
    let device = format!(
        "[registrar]\naddress = \"{}\"\ncse_id = \"//example.org/in-cse\"\n\n[registrar.trust]\n\
         roots_file = \"root.pem\"\n\n[credential]\ntoken_file = \"token\"\n\n\
         [ae]\nstem = \"Clamp\"\nname = \"lamp\"\napp_id = \"Nlight.example\"\n",
        story.world.address
    );
    fs::write(story.world.path("device.toml"), device).unwrap();
    fs::write(story.world.path("token"), format!("{}\n", story.token)).unwrap();
    let attach = || {
        let finished = story.world.run(&["--json", "device", "attach", "--device", "device.toml"]).success();
        serde_json::from_str::<Value>(finished.stdout.lines().next().unwrap()).unwrap()
    };
    let first = attach();
    assert_eq!((&first["resumed"], &first["registered_before"]), (&false.into(), &false.into()), "{first}");
    let kept = story.world.path("device.toml.session");
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    let again = attach();
    assert_eq!((&again["resumed"], &again["registered_before"]), (&true.into(), &true.into()), "{again}");
    fs::remove_file(&kept).unwrap();
    let by_token = attach();
    assert_eq!(by_token["resumed"], Value::from(false), "{by_token}");
    // A session whose secret is another at the registrar fails, once (RFC 5246 §7.2.2).
    let mut session = fs::read(&kept).unwrap();
    let at = session.windows(2).position(|window| window == [4, 48]).unwrap();
    session[at + 10] ^= 1;
    fs::write(&kept, session).unwrap();
    let failed = story.world.run(&["device", "attach", "--device", "device.toml"]);
    assert_ne!(failed.code(), 0);
    assert!(!kept.exists(), "{}", failed.stderr);
    let anew = attach();
    assert_eq!(anew["resumed"], Value::from(false), "{anew}");
    fs::remove_file(&kept).unwrap();
    let request = ["device", "request", "--device", "device.toml", "retrieve", OWN.trim_start_matches("/~")];
    drop(story.world.run(&request).success());
}

/// What the certified listener is called, and the name for tokens beside it.
const HERE: &str = "in-cse.example.org";
const FOR_TOKENS: &str = "tokens.example.org";

/// One listener for keys and certificates under one name and tokens under another, with a device of each kind.
struct ByName {
    world: World,
    token: String,
}

impl ByName {
    fn start(seed: u64) -> Self {
        let makers = Makers::new(seed);
        let address = "address = \"127.0.0.1:0\"\n";
        let names = format!("{address}server_names = [\"{HERE}\"]\ntoken_names = [\"{FOR_TOKENS}\"]\n");
        let mut world = prepared(&makers, &CERTIFICATES.replacen(address, &names, 1));
        write(world.folder.path(), "phone", &makers.application("//example.org/in-cse/Cphone"));
        fs::write(world.path("key.hex"), KEY).unwrap();
        world.serve();
        let add = ["credential", "add", "--psk-identity", "light@example.org", "--key-file", "key.hex"];
        let whose = ["--ae-id", "//example.org/in-cse/Clight"];
        drop(world.run(&[&add[..], &whose].concat()).success());
        let token = token(&world, LAMP);
        Self { world, token }
    }

    fn client(&self, name: &str, more: &[&str]) -> Process {
        let name = if name.is_empty() { vec!["-noservername"] } else { vec!["-servername", name] };
        openssl_with(self.world.address, &[&["-tls1_2"], &name[..], more].concat())
    }

    /// The client with the application's certificate.
    fn certified(&self, name: &str, more: &[&str]) -> Process {
        let file = |file: &str| self.world.path(file).to_str().unwrap().to_owned();
        let (certificate, key) = (file("phone.pem"), file("phone.key"));
        let own = ["-cert", &certificate, "-cert_chain", &certificate, "-key", &key];
        self.client(name, &[&own[..], more].concat())
    }
}

/// Which clients a listener serves is decided by the name that they ask for: under each name those of its kind.
#[test]
fn the_name_tells_who_shows_a_token() {
    let story = ByName::start(26);
    let refused =
        |name: &str, more: &[&str]| story.client(name, more).wait_for_line("an alert", alert_number);
    let key = ["-cipher", "PSK-AES128-CBC-SHA256", "-psk_identity", "light@example.org", "-psk", KEY];
    let digest = story.world.digest();
    // Without a certificate where one is asked for, by name or by default; by a key where there is none; elsewhere.
    assert_eq!(refused(HERE, &[]), 40);
    assert_eq!(refused("", &[]), 40);
    assert_eq!(refused(FOR_TOKENS, &key), 40);
    for more in [&[][..], &key] {
        assert_eq!(refused("elsewhere.example.org", more), 112);
    }
    // Who has proved itself in another way shows no token, and a certificate proves nothing where none is asked for.
    assert_eq!(answer(&mut story.certified(HERE, &[]), &with(&story.token)), "4106");
    assert_eq!(answer(&mut story.certified(FOR_TOKENS, &[]), &ae("Cphone")), "4107");
    assert_eq!(answer(&mut story.client(FOR_TOKENS, &[]), &ae("Clamp")), "4107");
    assert_eq!(story.world.digest(), digest);
    assert_eq!(answer(&mut story.client(&FOR_TOKENS.to_uppercase(), &[]), &with(&story.token)), "2001");
    assert_eq!(answer(&mut story.certified(HERE, &[]), &ae("Cphone")), "2001");
    assert_eq!(answer(&mut story.client("", &key), &ae("Clight")), "2001");
    // Our own device has to be told the name; otherwise it asks for that of the registrar.
    for (name, code) in [(Some(FOR_TOKENS), 0), (None, 1)] {
        let name = name.map(|name| format!("server_name = \"{name}\"\n")).unwrap_or_default();
        let device = format!(
            "[registrar]\naddress = \"{}\"\ncse_id = \"//example.org/in-cse\"\n{name}\n[registrar.trust]\n\
             roots_file = \"root.pem\"\n\n[credential]\ntoken_file = \"token\"\n\n\
             [ae]\nstem = \"Clamp\"\nname = \"ae_Clamp\"\napp_id = \"Nlight.example\"\n",
            story.world.address
        );
        fs::write(story.world.path("device.toml"), device).unwrap();
        fs::write(story.world.path("token"), &story.token).unwrap();
        let attached = story.world.run(&["device", "attach", "--device", "device.toml"]);
        assert_eq!(attached.code(), code, "{}{}", attached.stdout, attached.stderr);
    }
}

/// F-15: a session that was made under one name is not resumed under the other.
#[test]
fn no_session_goes_from_one_name_to_the_other() {
    let story = ByName::start(27);
    let (lamp, phone) = (story.world.path("lamp"), story.world.path("phone"));
    let (lamp, phone) = (lamp.to_str().unwrap(), phone.to_str().unwrap());
    let by_token = &mut story.client(FOR_TOKENS, &["-sess_out", lamp]);
    assert_eq!(answer(by_token, &with(&story.token)), "2001");
    let by_certificate = &mut story.certified(HERE, &["-sess_out", phone]);
    assert_eq!(answer(by_certificate, &ae("Cphone")), "2001");
    for name in [HERE, ""] {
        let elsewhere = story.client(name, &["-sess_in", lamp]);
        assert_eq!(elsewhere.wait_for_line("an alert", alert_number), 40, "{name}: asked for a certificate");
    }
    let mut elsewhere = story.certified(FOR_TOKENS, &["-sess_in", phone]);
    elsewhere.wait_for_line("a full handshake", |line| line.starts_with("New, TLSv1.2").then_some(()));
    let get = request("GET", "/~/in-cse/Cphone", "Cphone", None, "");
    assert_eq!(answer(&mut elsewhere, &get), "4107");
    for (name, session) in [(FOR_TOKENS, lamp), (HERE, phone)] {
        let resumed = story.certified(name, &["-sess_in", session]);
        resumed.wait_for_line("a resumed session", |line| line.starts_with("Reused, TLSv1.2").then_some(()));
    }
}
