//! What people get wrong: one clear sentence that names the thing, and nothing changed.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use std::fs;

use onem2m::primitive::Operation;
use support::{Device, World, fails};

fn rewrite(world: &World, from: &str, to: &str) {
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(world.path("attache.toml"), text.replace(from, to)).unwrap();
}

/// An address that stands for all of a machine's is none that a device could connect to.
#[tokio::test]
async fn devices_are_told_where_to_connect() {
    let mut world = World::prepared("");
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    rewrite(&world, "127.0.0.1:0", "0.0.0.0:8443");
    let add = |more: &[&str]| {
        let add = ["credential", "add", "--psk-identity", "a@x.org", "--generate", "--device-file", "a.toml"];
        [&add[..], more].concat().iter().map(|&text| text.to_owned()).collect::<Vec<_>>()
    };
    let refused = |more: &[&str], words: &[&str]| {
        let add = add(more);
        fails(&world, &add.iter().map(String::as_str).collect::<Vec<_>>(), 2, words);
    };
    let found = world.run(&["doctor"]).stdout;
    let finding = found.lines().find(|line| line.starts_with("warning") && line.contains("0.0.0.0:8443"));
    assert!(finding.is_some(), "{found}");
    refused(&[], &["0.0.0.0:8443", "--registrar HOST:PORT", "advertise"]);
    for wrong in ["0.0.0.0:8443", "gw.example.org", "https://gw:1"] {
        refused(&["--registrar", wrong], &[]);
    }
    let written = |more: &[&str]| {
        let add = add(more);
        drop(world.run(&add.iter().map(String::as_str).collect::<Vec<_>>()).success());
        drop(world.run(&["credential", "revoke", "a@x.org"]).success());
        let text = fs::read_to_string(world.path("a.toml")).unwrap();
        fs::remove_file(world.path("a.toml")).unwrap();
        text.lines().find(|line| line.starts_with("address = ")).unwrap().to_owned()
    };
    assert_eq!(written(&["--registrar", "gw.example.org:443"]), "address = \"gw.example.org:443\"");

    rewrite(&world, "\"0.0.0.0:8443\"", "\"0.0.0.0:0\"\nadvertise = \"gw.example.org:8443\"");
    let add = ["credential", "add", "--psk-identity", "b@x.org", "--generate", "--device-file", "b.toml"];
    drop(world.run(&add).success());
    let text = fs::read_to_string(world.path("b.toml")).unwrap();
    assert!(text.contains("address = \"gw.example.org:8443\""), "{text}");

    world.serve();
    world.address.set_ip([127, 0, 0, 1].into());
    let mut attached = world.attach(&device).await;
    attached.register(&device.description()).await.unwrap();
    let base = attached.new_request(Operation::Retrieve, "home_gateway");
    let base = attached.request(&base).await.unwrap().pc.unwrap();
    assert_eq!(base["m2m:cb"]["poa"], serde_json::json!(["https://gw.example.org:8443"]));
}
