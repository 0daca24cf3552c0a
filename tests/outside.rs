//! Outside of any security association: the local socket, and clear text (X5 to X7, F-21).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod support;

use std::process::Command;

use onem2m::status::ResponseStatusCode as Rsc;
use serde_json::Value;
use support::{Device, World};
use testkit::{Process, require};

/// A request by curl, and the status that it got.
fn curl(endpoint: &str, method: &str, path: &str, from: &str, content: Option<&str>) -> u64 {
    let mut command = Command::new(require("curl", "curl"));
    command.args(["--silent", "--include", "--request", method]);
    let url = if endpoint.starts_with('/') {
        command.args(["--unix-socket", endpoint]);
        format!("http://local{path}")
    } else {
        format!("http://{endpoint}{path}")
    };
    command.args([
        "--header",
        "X-M2M-RI: 1",
        "--header",
        "X-M2M-RVI: 3",
        "--header",
        &format!("X-M2M-Origin: {from}"),
    ]);
    if let Some(content) = content {
        command.args(["--header", "Content-Type: application/json;ty=2", "--data", content]);
    }
    command.arg(url);
    let answer = Process::run(command).success().stdout;
    let status = answer
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("x-m2m-rsc: ").map(str::to_owned));
    status.unwrap_or_else(|| panic!("no status in {answer}")).trim().parse().unwrap()
}

const AE: &str = r#"{"m2m:ae":{"rn":"local_ae","api":"Ngw.example","rr":false,"srv":["3"]}}"#;

fn world() -> (World, String, String) {
    let mut world =
        World::prepared("[[plain]]\nsocket = \"local.sock\"\n\n[[plain]]\nclear = \"127.0.0.1:0\"\n");
    world.serve();
    let clear = world.wait_for_line(|line| {
        let fact: Value = serde_json::from_str(line).ok()?;
        fact.get("plain")?.as_str().filter(|endpoint| endpoint.contains(':')).map(str::to_owned)
    });
    let socket = world.path("local.sock").to_str().unwrap().to_owned();
    (world, socket, clear)
}

/// X5, X6, X7 (TS-0004 §7.3.2.1), and F-21: what is said in the clear is nobody's.
#[tokio::test]
async fn clear_text_speaks_for_nobody() {
    let (world, _, clear) = world();
    let light = Device::numbered(1);
    world.import(std::slice::from_ref(&light));
    let mut victim = world.attach(&light).await;
    victim.register(&light.description()).await.unwrap();
    let before = world.digest();
    for path in ["/home_gateway", "/home_gateway/ae_Clight1", "/Clight1", "/nothing"] {
        assert_eq!(curl(&clear, "GET", path, "Cunknown", None), 4106, "X5 {path}");
        assert_eq!(curl(&clear, "GET", path, "Clight1", None), 4106, "X6 {path}");
        assert_eq!(curl(&clear, "DELETE", path, "Clight1", None), 4106, "X6 {path}");
        assert_eq!(curl(&clear, "GET", path, "/mn-cse-123456", None), 4107, "X7 {path}");
        assert_eq!(curl(&clear, "GET", path, "/mn-cse-123456/Clight1", None), 4107, "A-54 {path}");
        assert_eq!(curl(&clear, "GET", path, "", None), 4000, "{path}");
    }
    for from in ["Clight1", "Cunknown", "C", ""] {
        assert_eq!(
            curl(&clear, "POST", "/home_gateway", from, Some(AE)),
            4107,
            "F-21: no registration as {from:?}"
        );
    }
    assert_eq!(world.digest(), before);
    assert_eq!(victim.retrieve("Clight1").await.unwrap().rsc, Rsc::Ok, "the victim's association goes on");
}

/// TS-0003 §6.1.2.2.1: an application on the gateway itself registers without a key, and its name is the
/// account's alone.
#[tokio::test]
async fn an_application_on_the_gateway_registers() {
    let (world, socket, clear) = world();
    let light = Device::numbered(1);
    world.import(std::slice::from_ref(&light));
    assert_eq!(curl(&socket, "POST", "/home_gateway", "Cgw", Some(AE)), 2001);
    assert_eq!(curl(&socket, "GET", "/home_gateway/local_ae", "Cgw", None), 2000);
    let before = world.digest();
    assert_eq!(curl(&clear, "GET", "/home_gateway/local_ae", "Cgw", None), 4106, "not from outside");
    assert_eq!(curl(&socket, "GET", "/home_gateway/local_ae", "Clight1", None), 4106, "nor as another");
    let mut attached = world.attach(&light).await;
    attached.speak_as("Cgw".parse().unwrap());
    let refused = attached.retrieve("home_gateway/local_ae").await.unwrap_err();
    assert!(refused.to_string().contains("4106"), "nor by the key of a device: {refused}");
    assert_eq!(world.digest(), before);
    assert_eq!(curl(&socket, "DELETE", "/home_gateway/local_ae", "Cgw", None), 2002);
}
