//! What holds for all lines of an import file. Run by the fuzzer, and on the seeds by the tests of `store`.

use keys::KeyLengthPolicy;
use store::csv_import::{CsvCredential, Line, LineProblem, parse_line};

/// Reads `data` as one line. What can be read can be written and read again; what cannot is told without a word of
/// the line, since any field of it may be a key.
pub(crate) fn check(data: &[u8]) {
    let Ok(line) = std::str::from_utf8(data) else { return };
    for policy in [KeyLengthPolicy::Strict, KeyLengthPolicy::AllowShort] {
        match parse_line(line, policy) {
            Ok(Line::Credential(found)) => credential(&found, policy),
            Ok(Line::Blank) => assert!(line.trim().is_empty()),
            Ok(Line::Heading) => assert!(line.contains("psk_identity")),
            Err(problem) => refused(line, &problem),
        }
    }
}

fn credential(found: &CsvCredential, policy: KeyLengthPolicy) {
    for quote in [false, true] {
        let Some(line) = written(found, quote) else { continue };
        let Ok(Line::Credential(again)) = parse_line(&line, policy) else {
            panic!("not read again: {line:?}");
        };
        assert_eq!(again.psk_identity.as_str(), found.psk_identity.as_str());
        assert_eq!(again.key.expose(), found.key.expose());
        assert_eq!((&again.entity, again.kind), (&found.entity, found.kind));
        assert_eq!(again.not_after, found.not_after);
    }
}

/// As a line; not without quotation marks where they are needed.
fn written(found: &CsvCredential, quote: bool) -> Option<String> {
    let identity = found.psk_identity.as_str();
    let needed = identity.contains([',', '"']) || identity.trim_matches([' ', '\t']) != identity;
    if needed && !quote {
        return None;
    }
    let fields = [
        identity.to_owned(),
        found.key.expose().iter().map(|octet| format!("{octet:02x}")).collect(),
        found.entity.as_ref().map(ToString::to_string).unwrap_or_default(),
        found.kind.to_string(),
        found.not_after.as_ref().map(ToString::to_string).unwrap_or_default(),
    ];
    let quoted = |field: String| format!("\"{}\"", field.replace('"', "\"\""));
    let fields = fields.map(|field| if quote { quoted(field) } else { field });
    Some(fields.join(","))
}

fn refused(line: &str, problem: &LineProblem) {
    let said = problem.to_string();
    assert!(!said.contains(char::is_control), "{said:?}");
    assert!(said.len() < 300, "{said:?}");
    for word in line.split(|character: char| !character.is_ascii_hexdigit()) {
        assert!(word.len() < 12 || !said.contains(word), "{said:?} repeats {word:?}");
    }
}
