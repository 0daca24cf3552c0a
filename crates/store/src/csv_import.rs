//! One line of an import file: `psk_identity,psk_hex,entity_id,kind[,not_after]`.
//!
//! Fields may be quoted as in RFC 4180, but a record is one line. Around fields that are not quoted, spaces and
//! tabs are ignored. Problems never repeat what a field contains: in a file with swapped columns any field
//! may be a key.

use std::{borrow::Cow, fmt};

use keys::{KeyLengthPolicy, Kpsa, PskIdentity, Secret};
use onem2m::{
    id::{EntityId, EntityKind},
    time::Timestamp,
};

/// The columns in their order; as the first line of a file they are its heading.
pub const COLUMNS: [&str; 5] = ["psk_identity", "psk_hex", "entity_id", "kind", "not_after"];

/// What one line of an import file says.
#[derive(Debug)]
pub enum Line {
    /// Nothing.
    Blank,
    /// The names of the columns.
    Heading,
    /// One credential.
    Credential(CsvCredential),
}

/// One credential of an import file.
#[derive(Debug)]
pub struct CsvCredential {
    /// What the peer will send.
    pub psk_identity: PskIdentity,
    /// The key.
    pub key: Kpsa,
    /// The entity that it stands for, if one is assigned.
    pub entity: Option<EntityId>,
    /// What kind of entity holds it.
    pub kind: EntityKind,
    /// The last moment at which it may be used.
    pub not_after: Option<Timestamp>,
}

/// What is wrong with a line, without its contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineProblem {
    /// The column, or `line` if it is none of them in particular.
    pub column: &'static str,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for LineProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.column, self.expected)
    }
}

impl LineProblem {
    pub(crate) fn new(column: &'static str, expected: impl fmt::Display) -> Self {
        Self { column, expected: expected.to_string() }
    }
}

/// Reads one line, without its end.
///
/// # Errors
/// The first [`LineProblem`], from left to right.
pub fn parse_line(line: &str, policy: KeyLengthPolicy) -> Result<Line, LineProblem> {
    let fields = split(line)?;
    match fields.as_slice() {
        [] => Ok(Line::Blank),
        [first, ..] if *first == COLUMNS[0] => heading(&fields),
        [psk_identity, psk_hex, entity, kind] => {
            credential([psk_identity, psk_hex, entity, kind, ""], policy)
        }
        [psk_identity, psk_hex, entity, kind, not_after] => {
            credential([psk_identity, psk_hex, entity, kind, not_after], policy)
        }
        other => Err(LineProblem::new(
            "line",
            format_args!("expected 4 or 5 fields ({}), found {}", COLUMNS.join(","), other.len()),
        )),
    }
}

fn heading(fields: &[Cow<'_, str>]) -> Result<Line, LineProblem> {
    if fields.len() >= 4 && fields.iter().eq(COLUMNS.iter().take(fields.len())) {
        return Ok(Line::Heading);
    }
    Err(LineProblem::new("line", format_args!("expected the heading {}", COLUMNS.join(","))))
}

fn credential(fields: [&str; 5], policy: KeyLengthPolicy) -> Result<Line, LineProblem> {
    let [psk_identity, psk_hex, entity, kind, not_after] = fields;
    let psk_identity = PskIdentity::from_wire(psk_identity.as_bytes())
        .map_err(|_| LineProblem::new("psk_identity", "expected 1 to 256 octets without NUL"))?;
    let key = Secret::from_hex(psk_hex)
        .and_then(|secret| Kpsa::new(secret, policy))
        .map_err(|error| LineProblem::new("psk_hex", error))?;
    // Before the entity, whose form depends on it.
    let kind: EntityKind = kind.parse().map_err(|_| LineProblem::new("kind", "expected ae or cse"))?;
    let entity = match entity {
        "" => None,
        text => Some(EntityId::parse(kind, text).map_err(|error| {
            LineProblem::new(
                "entity_id",
                format_args!("expected an absolute {} or nothing: it {}", id_name(kind), error.problem()),
            )
        })?),
    };
    let not_after = match not_after {
        "" => None,
        text => Some(text.parse().map_err(|_| {
            LineProblem::new("not_after", "expected YYYYMMDDThhmmss in UTC or nothing (TS-0004 §6.3.3)")
        })?),
    };
    Ok(Line::Credential(CsvCredential { psk_identity, key, entity, kind, not_after }))
}

const fn id_name(kind: EntityKind) -> &'static str {
    match kind {
        EntityKind::Ae => "AE-ID such as //sp.example.org/Sname",
        EntityKind::Cse => "CSE-ID such as //sp.example.org/cse",
    }
}

/// The fields of a line; none for a blank one.
fn split(line: &str) -> Result<Vec<Cow<'_, str>>, LineProblem> {
    let mut fields = Vec::with_capacity(COLUMNS.len());
    let mut rest = Some(line);
    if line.trim().is_empty() {
        return Ok(fields);
    }
    while let Some(text) = rest {
        let column = COLUMNS.get(fields.len()).copied().unwrap_or("line");
        let text = text.trim_start_matches([' ', '\t']);
        let (field, behind) = match text.strip_prefix('"') {
            Some(quoted) => quoted_field(quoted, column)?,
            None => {
                let (field, behind) = text.split_at(text.find(',').unwrap_or(text.len()));
                if field.contains('"') {
                    return Err(LineProblem::new(
                        column,
                        "a quotation mark inside a field that is not quoted",
                    ));
                }
                (Cow::Borrowed(field.trim_end_matches([' ', '\t'])), behind)
            }
        };
        fields.push(field);
        rest = match behind.strip_prefix(',') {
            None if behind.is_empty() => None,
            None => return Err(LineProblem::new(column, "expected a comma after the quoted field")),
            behind => behind,
        };
    }
    Ok(fields)
}

/// The field whose opening mark was taken off, and what follows its closing mark.
fn quoted_field<'a>(text: &'a str, column: &'static str) -> Result<(Cow<'a, str>, &'a str), LineProblem> {
    let mut field = Cow::Borrowed("");
    let mut rest = text;
    loop {
        let Some((piece, behind)) = rest.split_once('"') else {
            return Err(LineProblem::new(column, "expected a closing quotation mark on the same line"));
        };
        if field.is_empty() {
            field = Cow::Borrowed(piece);
        } else {
            field.to_mut().push_str(piece);
        }
        // Two marks stand for one.
        let Some(behind_both) = behind.strip_prefix('"') else {
            return Ok((field, behind.trim_start_matches([' ', '\t'])));
        };
        field.to_mut().push('"');
        rest = behind_both;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f";

    fn read(line: &str) -> CsvCredential {
        match parse_line(line, KeyLengthPolicy::Strict).unwrap() {
            Line::Credential(credential) => credential,
            other => unreachable!("{other:?}"),
        }
    }

    fn problem(line: &str) -> String {
        parse_line(line, KeyLengthPolicy::Strict).unwrap_err().to_string()
    }

    #[test]
    fn reads_a_line() {
        let found = read(&format!("light1@home.example.org,{KEY},//home.example.org/Slight1,ae"));
        assert_eq!(found.psk_identity.as_str(), "light1@home.example.org");
        assert_eq!(hex::encode(found.key.expose()), KEY);
        assert_eq!(found.entity.unwrap().to_string(), "//home.example.org/Slight1");
        assert_eq!((found.kind, found.not_after), (EntityKind::Ae, None));
        let found = read(&format!("\"a \"\"b\"\", c\" , \"{KEY}\",\t,cse,20301231T235959"));
        assert_eq!(found.psk_identity.as_str(), "a \"b\", c");
        assert_eq!((found.entity, found.kind), (None, EntityKind::Cse));
        assert_eq!(found.not_after.unwrap().to_string(), "20301231T235959");
        assert!(read(&format!("a,{KEY},,ae,")).not_after.is_none());
    }

    #[test]
    fn knows_heading_and_blank() {
        for heading in
            ["psk_identity,psk_hex,entity_id,kind", "\"psk_identity\", psk_hex,entity_id,kind,not_after"]
        {
            assert!(matches!(parse_line(heading, KeyLengthPolicy::Strict), Ok(Line::Heading)));
        }
        for blank in ["", "  \t"] {
            assert!(matches!(parse_line(blank, KeyLengthPolicy::Strict), Ok(Line::Blank)));
        }
        assert!(problem("psk_identity,entity_id,psk_hex,kind").starts_with("line: expected the heading"));
    }

    #[test]
    fn says_which_column_and_what_was_expected() {
        for (line, expected) in [
            (format!(",{KEY},,ae"), "psk_identity: expected 1 to 256 octets"),
            ("a,00,,ae".into(), "psk_hex: key of 1 octets"),
            ("a,xyz,,ae".into(), "psk_hex: key: expected an even number"),
            ("a,,,ae".into(), "psk_hex: key: expected"),
            (format!("a,{KEY},,AE"), "kind: expected ae or cse"),
            (format!("a,{KEY},Sabc,ae"), "entity_id: expected an absolute AE-ID"),
            (format!("a,{KEY},//x.org/a/b,cse"), "entity_id: expected an absolute CSE-ID"),
            (format!("a,{KEY},,ae,2030-12-31"), "not_after: expected YYYYMMDDThhmmss"),
            (format!("a,{KEY}"), "line: expected 4 or 5 fields"),
            (format!("a,{KEY},,ae,,"), "line: expected 4 or 5 fields"),
            (format!("a\"b,{KEY},,ae"), "psk_identity: a quotation mark"),
            (format!("\"a,{KEY},,ae"), "psk_identity: expected a closing"),
            (format!("\"a\"b,{KEY},,ae"), "psk_identity: expected a comma"),
        ] {
            let found = problem(&line);
            assert!(found.starts_with(expected), "{line}: {found}");
        }
    }

    #[test]
    fn never_repeats_a_field() {
        let swapped = [
            format!("{KEY},a,,ae"),
            format!("{},{KEY},,ae", KEY.repeat(9)),
            format!("a,{KEY}0,,ae"),
            format!("a,{KEY},{KEY},ae"),
            format!("a,{KEY},,{KEY}"),
            format!("a,{KEY},,ae,{KEY}"),
        ];
        for line in swapped {
            assert!(!problem(&line).contains(&KEY[..8]), "{line}");
        }
    }
}
