//! Every cipher suite that a listener offers to symmetric keys, agreed with an implementation that is not ours, each registering an
//! AE: `openssl s_client` for all of them, `gnutls-cli` for those of plain PSK (its own `(EC)DHE_PSK` crashes by
//! itself in 3.7.9).
#![expect(clippy::panic, reason = "a test may fail loudly")]

mod support;

use net::{Suite, SuitePolicy};
use support::{
    Device, World,
    foreign::{gnutls, openssl, registration, status},
};
use testkit::Process;

struct Words {
    iana: &'static str,
    openssl: &'static str,
    /// `None` where `gnutls-cli` cannot: `(EC)DHE_PSK`, and suites that GnuTLS does not have.
    gnutls: Option<&'static str>,
}

const fn suite(iana: &'static str, openssl: &'static str, gnutls: Option<&'static str>) -> Words {
    Words { iana, openssl, gnutls }
}

/// Every suite that can be configured. OpenSSL 3.0, Debian 12's, has them all; newer clients admit CCM_8
/// at security level 0 only.
const SUITES: [Words; 20] = [
    suite("TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305", None),
    suite("TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "ECDHE-PSK-AES128-CBC-SHA256", None),
    suite("TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384", "ECDHE-PSK-AES256-CBC-SHA384", None),
    suite("TLS_DHE_PSK_WITH_AES_128_GCM_SHA256", "DHE-PSK-AES128-GCM-SHA256", None),
    suite("TLS_DHE_PSK_WITH_AES_256_GCM_SHA384", "DHE-PSK-AES256-GCM-SHA384", None),
    suite("TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "DHE-PSK-CHACHA20-POLY1305", None),
    suite("TLS_DHE_PSK_WITH_AES_128_CCM", "DHE-PSK-AES128-CCM", None),
    suite("TLS_DHE_PSK_WITH_AES_256_CCM", "DHE-PSK-AES256-CCM", None),
    suite("TLS_PSK_DHE_WITH_AES_128_CCM_8", "DHE-PSK-AES128-CCM8", None),
    suite("TLS_DHE_PSK_WITH_AES_128_CBC_SHA256", "DHE-PSK-AES128-CBC-SHA256", None),
    suite("TLS_DHE_PSK_WITH_AES_256_CBC_SHA384", "DHE-PSK-AES256-CBC-SHA384", None),
    suite("TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256", Some("+AES-128-GCM:+AEAD")),
    suite("TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384", Some("+AES-256-GCM:+AEAD")),
    suite("TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305", Some("+CHACHA20-POLY1305:+AEAD")),
    suite("TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM", Some("+AES-128-CCM:+AEAD")),
    suite("TLS_PSK_WITH_AES_256_CCM", "PSK-AES256-CCM", Some("+AES-256-CCM:+AEAD")),
    suite("TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8", Some("+AES-128-CCM-8:+AEAD")),
    suite("TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256", Some("+AES-128-CBC:+SHA256")),
    suite("TLS_PSK_WITH_AES_256_CBC_SHA384", "PSK-AES256-CBC-SHA384", Some("+AES-256-CBC:+SHA384")),
    suite("TLS_PSK_WITH_AES_128_CBC_SHA", "PSK-AES128-CBC-SHA", Some("+AES-128-CBC:+SHA1")),
];

/// The suites that a symmetric key will do for.
fn with_keys() -> impl Iterator<Item = Suite> {
    Suite::all().filter(|suite| !suite.is_certificate())
}

fn words(suite: Suite) -> &'static Words {
    SUITES.iter().find(|words| words.iana == suite.name()).unwrap_or_else(|| panic!("no words for {suite}"))
}

/// The cipher list for a client of any OpenSSL.
fn list(words: &Words) -> String {
    format!("{}:@SECLEVEL={}", words.openssl, if words.openssl.ends_with("CCM8") { 0 } else { 2 })
}

/// The client's own word for what was agreed is `suite`, and it registers an AE.
fn registers(client: &mut Process, device: &Device, suite: &str) {
    let agreed = client.wait_for_line("the agreed suite", |line| {
        line.split_once("Cipher is ").map(|(_, agreed)| agreed.to_owned())
    });
    assert_eq!(agreed, suite);
    client.send(registration(device).as_bytes());
    assert_eq!(client.wait_for_line("the status of the registration", status), "2001", "{suite}");
}

/// A listener as it comes, and clients of one suite each.
#[test]
fn openssl_agrees_on_every_suite_that_is_offered_by_default() {
    let world = World::start();
    let policy = SuitePolicy::default();
    let devices: Vec<Device> = (0..policy.suites().len()).map(Device::numbered).collect();
    world.import(&devices);
    for (suite, device) in policy.suites().iter().zip(&devices) {
        let words = words(*suite);
        let mut client = openssl(world.address, &device.psk_identity, &device.key_hex, &list(words));
        registers(&mut client, device, words.openssl);
        let said = client.finish().success().stdout;
        assert!(said.contains(&format!("\"aei\":\"{}\"", device.stem)), "{said}");
    }
}

/// One listener for each suite that can be configured, and a client that offers all of them.
#[test]
fn a_listener_of_one_suite_agrees_on_no_other() {
    let all: Vec<Suite> = with_keys().collect();
    let listeners: Vec<String> =
        all.iter().map(|suite| format!("suites = [\"{}\"]\n", suite.name())).collect();
    let mut world = World::prepared(&listeners.join("\n[[listener]]\naddress = \"127.0.0.1:0\"\n"));
    let devices: Vec<Device> = (0..all.len()).map(Device::numbered).collect();
    world.import(&devices);
    world.serve();
    let everything: Vec<&str> = all.iter().map(|suite| words(*suite).openssl).collect();
    let everything = everything.join(":") + ":@SECLEVEL=0";
    for ((suite, device), address) in all.iter().zip(&devices).zip(&world.addresses) {
        let mut client = openssl(*address, &device.psk_identity, &device.key_hex, &everything);
        registers(&mut client, device, words(*suite).openssl);
    }
}

/// What the server prefers decides, not the order of the client's list (register A-51).
#[test]
fn forward_secrecy_is_preferred() {
    let world = World::start();
    let device = Device::numbered(1);
    world.import(std::slice::from_ref(&device));
    let list = "PSK-AES128-CBC-SHA256:DHE-PSK-AES128-GCM-SHA256:ECDHE-PSK-CHACHA20-POLY1305";
    let mut client = openssl(world.address, &device.psk_identity, &device.key_hex, list);
    registers(&mut client, &device, "ECDHE-PSK-CHACHA20-POLY1305");
}

#[test]
fn gnutls_agrees_on_every_suite_of_plain_psk() {
    let plain: Vec<(Suite, &str)> =
        with_keys().filter_map(|suite| Some((suite, words(suite).gnutls?))).collect();
    let names: Vec<String> = plain.iter().map(|(suite, _)| format!("\"{}\"", suite.name())).collect();
    let mut world = World::prepared(&format!("suites = [{}]\n", names.join(", ")));
    let devices: Vec<Device> = (0..plain.len()).map(Device::numbered).collect();
    world.import(&devices);
    world.serve();
    for ((suite, priority), device) in plain.iter().zip(&devices) {
        let mut client = gnutls(world.address, device, &format!("+PSK:{priority}"));
        client.wait_for_line("the end of the handshake", |line| {
            line.contains("Handshake was completed").then_some(())
        });
        client.send(registration(device).as_bytes());
        assert_eq!(client.wait_for_line("the status of the registration", status), "2001", "{suite}");
    }
}
