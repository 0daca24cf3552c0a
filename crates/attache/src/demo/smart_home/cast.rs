//! Who lives in the smart home.

use super::super::cast::{Actor, RuleText};

pub(super) const LIGHT1: Actor = Actor {
    name: "light 1",
    stem: Some("Clight-AE1"),
    resource: "light_ae1",
    app_id: "Nlight.example",
    psk_identity: "AE123456789012-Light@in.provider.com",
    key_hex: "1a2b3c4d5e6f7a8b",
};
pub(super) const LIGHT2: Actor = Actor {
    name: "light 2",
    stem: Some("Clight-AE2"),
    resource: "light_ae2",
    app_id: "Nlight.example",
    psk_identity: "AE123456789015-Light@in.provider.com",
    key_hex: "12345678abcdefab",
};
/// What is screwed in where light 1 was.
pub(super) const NEW_LIGHT1: Actor = Actor {
    name: "new light 1",
    psk_identity: "AE123456789018-Light@in.provider.com",
    key_hex: "8899aabbccddeeff0011223344556677",
    ..LIGHT1
};
/// Two that do not care what they are called.
pub(super) const SENSOR1: Actor = Actor {
    name: "sensor 1",
    stem: None,
    resource: "sensor1",
    app_id: "Nsensor.example",
    psk_identity: "sensor1@home.example.org",
    key_hex: "5e500001c0ffee01c0ffee02c0ffee03",
};
pub(super) const SENSOR2: Actor = Actor {
    name: "sensor 2",
    resource: "sensor2",
    psk_identity: "sensor2@home.example.org",
    key_hex: "5e500002c0ffee01c0ffee02c0ffee03",
    ..SENSOR1
};

pub(super) const LIGHT1_RULE: RuleText = RuleText {
    name: "light1",
    credentials: Some(&["12-AE123456789012-Light@in.provider.com"]),
    app_id: "Nlight.example",
    ae_id: "Clight-AE1",
};
/// The same once the new equipment has arrived.
pub(super) const BOTH_LIGHTS1_RULE: RuleText = RuleText {
    credentials: Some(&[
        "12-AE123456789012-Light@in.provider.com",
        "12-AE123456789018-Light@in.provider.com",
    ]),
    ..LIGHT1_RULE
};
/// What the operator allows: one rule for each light, so that neither can claim the name of the other.
pub(super) const RULES: [RuleText; 5] = [
    LIGHT1_RULE,
    RuleText {
        name: "light2",
        credentials: Some(&["12-AE123456789015-Light@in.provider.com"]),
        app_id: "Nlight.example",
        ae_id: "Clight-AE2",
    },
    RuleText {
        name: "sensors",
        credentials: Some(&["12-sensor*@home.example.org"]),
        app_id: "*",
        ae_id: "C*",
    },
    RuleText { name: "gateway", credentials: None, app_id: "Ngw.example", ae_id: "Cgw" },
    RuleText { name: "panel", credentials: None, app_id: "Npanel.example", ae_id: "Cpanel" },
];
