//! Runs the property that the fuzzer checks on its seeds, and on lines that resemble them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "../../../fuzz/properties/csv_line.rs"]
mod csv_line;
#[path = "../../../fuzz/properties/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn csv_line_seeds() {
    replay("csv_line", csv_line::check);
}

const FIELD: &str = "(\"?[a-c@., \t\"]{0,6}\"?|psk_identity|ae|cse|[0-9a-f]{16}|[0-9a-f]{32}|//a\\.b/[SC]?[a-z]{1,3}(/[SC][a-z])?|2030[01][0-9]{3}T235959)";

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text(line in any::<String>()) {
        csv_line::check(line.as_bytes());
    }

    #[test]
    fn resembling_lines(fields in prop::collection::vec(FIELD, 0..7)) {
        csv_line::check(fields.join(",").as_bytes());
    }

    #[test]
    fn resembling_credentials(
        identity in "\"([a-z@ ,\t]|\"\"){1,8}\"|[a-z@]{1,8}",
        key in "[0-9a-fA-F]{16,64}",
        entity in "|//a\\.b/[SC][a-z]{1,3}|//a\\.b/c/[SC][a-z]|//a\\.b/[a-z]{1,3}",
        kind in "ae|cse| ae|\"cse\"",
        end in "|,|,20301231T235959|,20301231T235959,[0-9]{0,6}",
    ) {
        csv_line::check(format!("{identity},{key},{entity},{kind}{end}").as_bytes());
    }
}
