//! Runs the properties that the fuzzer checks on its seeds, and on messages that resemble them.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

#[path = "../../../fuzz/properties/http_mapping.rs"]
mod http_mapping;
#[path = "../../../fuzz/properties/replay.rs"]
mod replay;

use proptest::prelude::*;
use replay::replay;

#[test]
fn http_mapping_seeds() {
    replay("http_mapping", http_mapping::check);
}

const HEADER: &str = "X-M2M-(Origin|RI|RVI|GID|RTU|OT|RST|RET|OET|EC|VSI|RSC|CTS|CTO|ATI|AS|ASRI)|(Proxy-)?Authorization|Content-Type|Accept";
const VALUE: &str = "C1|/cse/C1|3|2a|a&b|20250101T000000|5000|2|x y|4000|2001|a:b\\+c:d|c2ln|true|a\\.b\\.c|Bearer x|application/json(;ty=[0-9])?|\\*/\\*|[ -~]{0,8}";
const QUERY: &str = "(rt=[1-5]|rcn=[0-9]|rp=P1D|atrl=ri(\\+rr)?|fu=1|ty=[2-4](\\+3)?|lbl=[a%+2B]{1,4}|cr=[ -~]{0,4}|c\\.rn=x|crb=20250101T000000|[a-z]{1,4}=[0-9a-z%+]{0,3})";

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        http_mapping::check(&data);
    }

    #[test]
    fn resembling_requests(
        method in "GET|POST|PUT|DELETE|PATCH",
        path in "(/[~_]|/~/cse|/_/sp\\.org/cse)?(/[a-z0-9.%~_-]{1,5}){0,4}",
        query in proptest::collection::vec(QUERY, 0..4),
        headers in proptest::collection::vec((HEADER, VALUE), 0..8),
        body in "|\\{\"m2m:ae\":\\{\\}\\}|\\{\\}|[ -~]{0,10}",
    ) {
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        let headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        http_mapping::check(format!("{method} {path}{query}\nX-M2M-RI: 1\n{headers}\n{body}").as_bytes());
        http_mapping::check(format!("{method} {path}{query}\n{headers}\n{body}").as_bytes());
    }

    #[test]
    fn resembling_responses(
        status in "200|201|202|400|403|404|409|500|502",
        headers in proptest::collection::vec((HEADER, VALUE), 0..8),
        body in "|\\{\"m2m:ae\":\\{\\}\\}|\\{\"m2m:tqf\":\\{\"dasi\":\\[\\]\\}\\}|\\{\\}|[ -~]{0,10}",
    ) {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        http_mapping::check(format!("{status}\nX-M2M-RI: 1\nX-M2M-RSC: 2001\n{headers}\n{body}").as_bytes());
        http_mapping::check(format!("{status}\nX-M2M-RI: 1\n{headers}\n{body}").as_bytes());
    }
}
