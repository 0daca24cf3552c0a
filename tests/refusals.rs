//! F-01…F-04 and X8: how a handshake is refused, by exact alert. Whoever has no right key learns that and nothing
//! more, whatever octets stand for the identity; whoever speaks no TLS of ours learns what is missing. Nothing is
//! altered but the audit, in which the reasons stand apart.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use support::{
    Device, World,
    foreign::{alert_number, openssl, openssl_with},
    handmade::{Hello, Learnt, attach, greet},
};

/// RFC 5246 §7.2: fatal.
const FATAL: u8 = 2;
const BAD_RECORD_MAC: u8 = 20;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;

const SUITES: [&str; 9] = [
    "ECDHE-PSK-CHACHA20-POLY1305",
    "ECDHE-PSK-AES128-CBC-SHA256",
    "DHE-PSK-AES128-GCM-SHA256",
    "DHE-PSK-AES128-CCM",
    "DHE-PSK-AES128-CBC-SHA256",
    "PSK-AES128-GCM-SHA256",
    "PSK-AES128-CCM",
    "PSK-AES128-CCM8:@SECLEVEL=0",
    "PSK-AES128-CBC-SHA256",
];

/// A device whose `psk_identity` has this length.
fn of_length(number: usize, octets: usize) -> Device {
    Device { psk_identity: "i".repeat(octets), ..Device::numbered(number) }
}

fn key(device: &Device) -> Vec<u8> {
    hex::decode(&device.key_hex).unwrap()
}

/// Credentials in every state, among them identities of one and of 256 octets.
struct Cast {
    light: Device,
    other: Device,
    shortest: Device,
    longest: Device,
    revoked: Device,
    expired: Device,
}

impl Cast {
    fn enter(world: &World) -> Self {
        let cast = Self {
            light: Device::numbered(1),
            other: Device::numbered(2),
            shortest: of_length(3, 1),
            longest: of_length(4, 256),
            revoked: Device::numbered(5),
            expired: Device::numbered(6),
        };
        let Self { light, other, shortest, longest, revoked, expired } = &cast;
        world.import(&[light, other, shortest, longest, revoked].map(Clone::clone));
        let Device { psk_identity, key_hex, .. } = expired;
        let row = format!("{psk_identity},{key_hex},{},ae,20200101T000000\n", expired.ae_id());
        fs::write(world.path("expired.csv"), row).unwrap();
        drop(world.run(&["credential", "import", "expired.csv"]).success());
        drop(world.run(&["credential", "revoke", &revoked.psk_identity]).success());
        cast
    }
}

/// The reasons of refused handshakes in the audit of a registrar that has stopped.
fn reasons(world: &World) -> BTreeSet<String> {
    let audit = world.run(&["--json", "inspect", "audit", "--limit", "1000"]).success().stdout;
    let facts = audit.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    facts
        .filter(|fact| fact["action"] == "association.establish" && fact["outcome"] == "refused")
        .map(|fact| fact["detail"].as_str().unwrap().split([' ', ':', ',', ';']).next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn whoever_has_no_right_key_learns_that_and_nothing_more() {
    let mut world = World::prepared("");
    let cast = Cast::enter(&world);
    world.serve();
    let before = world.digest();
    let (right, wrong) = (key(&cast.light), key(&cast.other));
    let light = cast.light.psk_identity.as_bytes();

    for device in [&cast.light, &cast.shortest, &cast.longest] {
        let learnt = attach(world.address, device.psk_identity.as_bytes(), &key(device));
        assert!(learnt.established, "{}: {learnt:?}", device.psk_identity);
        world.attach(device).await.close().await;
    }

    let long = [light, &[b'x'; 65_535]].concat();
    let expired = key(&cast.expired);
    let revoked = key(&cast.revoked);
    let attempts: [(&str, &[u8], &[u8]); 21] = [
        ("unknown", b"nobody@home.example.org", &right),
        ("unknown, 1 octet", b"x", &right),
        ("unknown, 256 octets", &[b'x'; 256], &right),
        ("wrong key", light, &[7; 16]),
        ("wrong key, longer", light, &[7; 64]),
        ("X8: the identity of one, the key of the other", light, &wrong),
        ("wrong key, 1 octet", cast.shortest.psk_identity.as_bytes(), &right),
        ("wrong key, 256 octets", cast.longest.psk_identity.as_bytes(), &right),
        ("revoked, right key", cast.revoked.psk_identity.as_bytes(), &revoked),
        ("revoked, wrong key", cast.revoked.psk_identity.as_bytes(), &right),
        ("expired, right key", cast.expired.psk_identity.as_bytes(), &expired),
        ("expired, wrong key", cast.expired.psk_identity.as_bytes(), &right),
        ("empty", b"", &right),
        ("NUL", b"\0", &right),
        ("the right one, NUL", &[light, b"\0"].concat(), &right),
        ("the right one, NUL, more", &[light, b"\0@evil"].concat(), &right),
        ("NUL, the right one", &[b"\0", light].concat(), &right),
        ("no UTF-8", b"light1\xff\xfe@home.example.org", &right),
        ("257 octets, of which 256 are one that is there", &[b'i'; 257], &key(&cast.longest)),
        ("longer than a record", &long[..20_000], &right),
        ("as long as can be written", &long[..65_535], &right),
    ];
    let mut first: Option<Learnt> = None;
    for (name, identity, key) in attempts {
        let learnt = attach(world.address, identity, key);
        assert_eq!(learnt.alert, Some([FATAL, BAD_RECORD_MAC]), "{name}: {learnt:?}");
        assert!(!learnt.established);
        let first = first.get_or_insert_with(|| learnt.clone());
        assert_eq!(&learnt, first, "{name}");
    }
    assert_eq!(world.digest(), before);
    let learnt = attach(world.address, light, &right);
    assert!(learnt.established, "and the right one still gets in: {learnt:?}");

    drop(world.stop().success());
    let expected = ["expired", "malformed", "revoked", "unknown", "wrong_key"].map(str::to_owned);
    assert_eq!(reasons(&world), BTreeSet::from(expected), "inside, the reasons stand apart");
}

/// The same by a client that is not ours, for every suite that is offered.
#[test]
fn the_alert_is_the_same_for_every_suite() {
    let mut world = World::prepared("");
    let cast = Cast::enter(&world);
    world.serve();
    let before = world.digest();
    let Cast { light, other, shortest, revoked, expired, .. } = &cast;
    // As long as s_client can send.
    let unknown = "x".repeat(255);
    for suite in SUITES {
        for (identity, key_hex) in [
            ("nobody@home.example.org", &light.key_hex),
            ("x", &light.key_hex),
            (&unknown, &light.key_hex),
            (&light.psk_identity, &other.key_hex),
            (&shortest.psk_identity, &other.key_hex),
            (&revoked.psk_identity, &revoked.key_hex),
            (&expired.psk_identity, &expired.key_hex),
        ] {
            let client = openssl(world.address, identity, key_hex, suite);
            let alert = client.wait_for_line("the alert", alert_number);
            assert_eq!(alert, BAD_RECORD_MAC, "{suite}, {identity}");
            assert_ne!(client.finish().code(), 0);
        }
    }
    assert_eq!(world.digest(), before);
}

/// F-03.
#[test]
fn another_version_and_other_suites_are_told_so() {
    // SSL 3.0 has no alert that speaks of versions (RFC 6101 §5.4.2).
    const VERSIONS: [(&str, [u8; 2], u8); 3] = [
        ("SSL 3.0", [3, 0], HANDSHAKE_FAILURE),
        ("TLS 1.0", [3, 1], PROTOCOL_VERSION),
        ("TLS 1.1", [3, 2], PROTOCOL_VERSION),
    ];
    // supported_versions (RFC 8446 §4.2.1) with 1.3 and nothing else.
    const ONLY_1_3: [u8; 7] = [0, 43, 0, 3, 2, 3, 4];
    let mut world = World::prepared("");
    let cast = Cast::enter(&world);
    world.serve();
    let before = world.digest();
    for (name, version, alert) in VERSIONS {
        let learnt = greet(world.address, &Hello { version, ..Hello::default() });
        assert_eq!(learnt.alert, Some([FATAL, alert]), "{name}: {learnt:?}");
    }
    for suites in [&[0x1301][..], &[0x1301, 0x00A8]] {
        let learnt = greet(world.address, &Hello { suites, extensions: &ONLY_1_3, ..Hello::default() });
        assert_eq!(learnt.alert, Some([FATAL, PROTOCOL_VERSION]), "TLS 1.3: {learnt:?}");
    }
    // RSA_WITH_AES_128_CBC_SHA, ECDHE_ECDSA_WITH_AES_128_CCM_8, PSK_WITH_NULL_SHA256, DH_anon_WITH_AES_128_CBC_SHA,
    // RSA_PSK_WITH_AES_128_CBC_SHA256, PSK_WITH_AES_256_CBC_SHA384 (not offered by default), and a name that
    // stands for nothing.
    for suite in [0x002F, 0xC0AE, 0x00B0, 0x0034, 0x00B6, 0x00AF, 0xFFFF] {
        let learnt = greet(world.address, &Hello { suites: &[suite], ..Hello::default() });
        assert_eq!(learnt.alert, Some([FATAL, HANDSHAKE_FAILURE]), "{suite:04X}: {learnt:?}");
    }

    let Device { psk_identity, key_hex, .. } = &cast.light;
    let proof = ["-psk_identity", psk_identity, "-psk", key_hex];
    for (options, expected) in [
        (&["-tls1_1", "-cipher", "PSK-AES128-CBC-SHA:@SECLEVEL=0"][..], PROTOCOL_VERSION),
        (&["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"], PROTOCOL_VERSION),
        (&["-tls1_2", "-cipher", "PSK-AES256-CBC-SHA384:ECDHE-ECDSA-AES128-SHA256"], HANDSHAKE_FAILURE),
    ] {
        let client = openssl_with(world.address, &[options, &proof].concat());
        assert_eq!(client.wait_for_line("the alert", alert_number), expected, "{options:?}");
        assert_ne!(client.finish().code(), 0);
    }
    assert_eq!(world.digest(), before);
    assert!(attach(world.address, psk_identity.as_bytes(), &key(&cast.light)).established);

    drop(world.stop().success());
    assert_eq!(reasons(&world), BTreeSet::from(["no_common_suite", "version"].map(str::to_owned)));
}
