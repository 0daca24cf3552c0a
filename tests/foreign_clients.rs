//! A client that is not ours and makes mistakes: `openssl s_client` against the whole program.

mod support;

use support::{
    Device, World,
    foreign::{openssl, registration, status},
};

/// F-01, F-02, F-04: from outside, an identity that does not exist, a wrong key and a revoked one are alike.
#[test]
fn every_wrong_key_ends_in_the_same_alert() {
    let world = World::start();
    let (good, revoked) = (Device::numbered(1), Device::numbered(2));
    world.import(&[good.clone(), revoked.clone()]);
    drop(world.run(&["credential", "revoke", &revoked.psk_identity]).success());
    for suite in ["PSK-AES128-CBC-SHA256", "ECDHE-PSK-CHACHA20-POLY1305"] {
        let alerts: Vec<String> = [
            ("nobody@home.example.org", good.key_hex.as_str()),
            (&good.psk_identity, &revoked.key_hex),
            (&revoked.psk_identity, &revoked.key_hex),
        ]
        .into_iter()
        .map(|(identity, key)| {
            let client = openssl(world.address, identity, key, suite);
            let alert = client.wait_for_line("the alert", |line| {
                line.contains("SSL alert number").then(|| {
                    line.rsplit_once("SSL alert number ").unwrap_or_else(|| panic!("{line}")).1.to_owned()
                })
            });
            assert_ne!(client.finish().code(), 0);
            alert
        })
        .collect();
        assert_eq!(alerts, ["20", "20", "20"], "{suite}: bad_record_mac for each");
    }
    let mut client = openssl(world.address, &good.psk_identity, &good.key_hex, "PSK-AES128-CBC-SHA256");
    client.send(registration(&good).as_bytes());
    assert_eq!(client.wait_for_line("the status of the registration", status), "2001");
}

/// What is malformed on the wire is answered with the status that names it, and changes nothing.
#[test]
fn malformed_requests_are_named() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let before = world.digest();
    let good = registration(&device);
    let cases = [
        (good.replace("\"rr\":false", "\"rr\":fals0"), "4000", "line 1"),
        (good.replace("\"rr\":false", "\"rn\":\"twic\""), "4000", "rn"),
        (good.replace("X-M2M-RI: 1", "X-M2M-RX: 1"), "4000", "X-M2M-RI"),
        (good.replace("X-M2M-RI: 1\r\n", "X-M2M-RI: 1\r\nX-M2M-Origin: Clight2\r\n"), "4000", "X-M2M-Origin"),
        (good.replace("X-M2M-Origin: Clight1", "X-M2M-Origin: light 1"), "4000", "From"),
        (good.replace("ty=2", "ty=two"), "4000", "ty"),
        (good.replace("application/json", "application/yaml"), "4015", "must be application/json"),
        (good.replace("X-M2M-RVI: 3", "X-M2M-RVI: 9"), "4001", "2a, 3"),
        (good.replace("POST /~/mn-cse-123456/home_gateway", "POST /~/mn-cse-123456/../x"), "4000", ".."),
        (good.replace("POST /", "BREW /"), "4005", "method"),
    ];
    for (request, expected, word) in cases {
        let mut client =
            openssl(world.address, &device.psk_identity, &device.key_hex, "PSK-AES128-CBC-SHA256");
        client.send(request.as_bytes());
        let said = client.finish().stdout;
        let rsc = said.lines().find_map(status);
        assert_eq!(rsc.as_deref(), Some(expected), "{request}\n{said}");
        assert!(
            said.contains("m2m:dbg") && said.contains(word),
            "{word:?} is not in the answer to\n{request}\n{said}"
        );
    }
    assert_eq!(world.digest(), before);
}
