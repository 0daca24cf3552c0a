//! Runs the properties that the fuzzer checks on its seeds, and on text that resembles them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

#[path = "../../../fuzz/properties/identifiers.rs"]
mod identifiers;
#[path = "../../../fuzz/properties/primitive_json.rs"]
mod primitive_json;
#[path = "../../../fuzz/properties/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn identifiers_seeds() {
    replay("identifiers", identifiers::check);
}

#[test]
fn primitive_json_seeds() {
    replay("primitive_json", primitive_json::check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..100)) {
        identifiers::check(&data);
        primitive_json::check(&data);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        identifiers::check(text.as_bytes());
    }

    /// Text with the characters that mean something in identifiers and addresses.
    #[test]
    fn resembling_identifiers(text in "(//)?[a-z.]{0,12}(/[SCa-z0-9~_.#%-]{0,6}){0,4}") {
        identifiers::check(text.as_bytes());
    }

    #[test]
    fn resembling_domain_names(text in "([SCa-z0-9_.~-]{1,8}\\.){0,4}[hH]ome\\.example") {
        identifiers::check(text.as_bytes());
    }

    #[test]
    fn resembling_times(text in "-?P?[0-9]{0,9}T?[0-9DHMSYP.]{0,8}[,Z]?[0-9]{0,7}") {
        identifiers::check(text.as_bytes());
    }

    #[test]
    fn resembling_primitives(
        members in proptest::collection::vec((
            "op|to|fr|rqi|ty|pc|rt|rcn|fc|rsc|rvi|rp|rqet|tqf|ati|tkns|xx",
            "[0-9]|-1|null|true|\"\"|\"a\"|\"3\"|\\[\\]|\\[\"a\"\\]|\\{\\}|\\{\"a\":1\\}|\\{\"rtv\":3\\}|\\{\"fu\":1\\}|\\{\"dasi\":\\[\\]\\}|2001",
        ), 0..8),
        whole in any::<bool>(),
    ) {
        let mut text: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        if whole {
            text.extend(["\"op\":2", "\"to\":\"-\"", "\"rqi\":\"1\""].map(str::to_owned));
        }
        primitive_json::check(format!("{{{}}}", text.join(",")).as_bytes());
    }
}
