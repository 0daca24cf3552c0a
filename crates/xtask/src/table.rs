//! The layer table of ARCHITECTURE.md.
//!
//! A Markdown table whose header starts with `Crate`, `Floor`, `May use`; further columns are for people. Crate
//! names stand between backticks. A floor is a number or `dev`; `later` beside it marks a crate that does not
//! exist yet. `May use` lists crates between backticks, or says `all`, or holds nothing but a dash.

use std::collections::{BTreeMap, BTreeSet};

/// Why no layer table could be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum TableError {
    #[error("no table with the columns `Crate`, `Floor`, `May use`")]
    Missing,
    #[error("layer table row `{row}`: {problem}")]
    Row { row: String, problem: &'static str },
    #[error("layer table names `{0}` twice")]
    Twice(String),
}

/// Where a crate stands; a crate may only use crates that do not stand higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Floor {
    Number(u8),
    /// Tools and tests, above everything.
    Dev,
}

/// What a crate may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MayUse {
    All,
    Only(BTreeSet<String>),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) floor: Floor,
    pub(crate) later: bool,
    pub(crate) may_use: MayUse,
}

pub(crate) type Table = BTreeMap<String, Row>;

/// Reads the first table with the right header out of a Markdown page.
pub(crate) fn parse(page: &str) -> Result<Table, TableError> {
    let mut lines = page.lines();
    lines.find(|line| is_header(line)).ok_or(TableError::Missing)?;
    let mut table = Table::new();
    // The first line after the header is the rule under it.
    for line in lines.skip(1).take_while(|line| line.trim_start().starts_with('|')) {
        let (names, row) = parse_row(line)?;
        for name in names {
            if table.insert(name.clone(), row.clone()).is_some() {
                return Err(TableError::Twice(name));
            }
        }
    }
    Ok(table)
}

fn is_header(line: &str) -> bool {
    cells(line).take(3).eq(["Crate", "Floor", "May use"])
}

fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.trim().trim_matches('|').split('|').map(str::trim)
}

fn parse_row(line: &str) -> Result<(BTreeSet<String>, Row), TableError> {
    let bad = |problem| TableError::Row { row: line.trim().to_owned(), problem };
    let mut cells = cells(line);
    let (Some(names), Some(floor), Some(may_use)) = (cells.next(), cells.next(), cells.next()) else {
        return Err(bad("fewer than three columns"));
    };
    let names = backticked(names);
    if names.is_empty() {
        return Err(bad("no crate name between backticks"));
    }
    let mut words = floor.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let floor = match words.next() {
        Some("dev") => Floor::Dev,
        Some(number) => {
            Floor::Number(number.parse().map_err(|_| bad("the floor is neither a number nor `dev`"))?)
        }
        None => return Err(bad("no floor")),
    };
    let later = match words.next() {
        None => false,
        Some("later") => true,
        Some(_) => return Err(bad("only `later` may stand beside the floor")),
    };
    let used = backticked(may_use);
    let may_use = match (may_use, used.is_empty()) {
        ("all", _) => MayUse::All,
        ("–" | "-", _) | (_, false) => MayUse::Only(used),
        (_, true) => return Err(bad("`May use` is neither a list, `all`, nor a dash")),
    };
    Ok((names, Row { floor, later, may_use }))
}

/// The words between backticks: every second piece.
fn backticked(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# Title

| Crate | Other |
| --- | --- |
| `x` | y |

| Crate | Floor | May use | Holds |
| --- | --- | --- | --- |
| `low` | 1 | – | the language |
| `mid` | 2 | `low` | keys |
| `maf`, `mef` | 6, later | `mid`, `low` | functions |
| `top` | 7 | all | the program |
| `kit` | dev | – | tests |

| `after` | 1 | – | not part of the table |
";

    #[test]
    fn rows_are_read() {
        let table = parse(PAGE).expect("a well-formed table");
        assert_eq!(table.keys().collect::<Vec<_>>(), ["kit", "low", "maf", "mef", "mid", "top"]);
        assert_eq!(table["maf"].floor, Floor::Number(6));
        assert!(table["maf"].later && !table["top"].later);
        assert_eq!(table["top"].may_use, MayUse::All);
        assert_eq!(table["mid"].may_use, MayUse::Only(["low".to_owned()].into()));
        assert_eq!(table["kit"].floor, Floor::Dev);
    }

    #[test]
    fn a_page_without_the_table_is_refused() {
        assert_eq!(parse("| Crate | Other |\n| --- | --- |\n"), Err(TableError::Missing));
    }

    #[test]
    fn malformed_rows_are_refused() {
        let with = |row: &str| parse(&format!("| Crate | Floor | May use |\n| - | - | - |\n{row}\n"));
        let problem = |row: &str| match with(row) {
            Err(TableError::Row { problem, .. }) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem("| a | 1 | – |"), "no crate name between backticks");
        assert_eq!(problem("| `a` | one | – |"), "the floor is neither a number nor `dev`");
        assert_eq!(problem("| `a` | | – |"), "no floor");
        assert_eq!(problem("| `a` | 1 soon | – |"), "only `later` may stand beside the floor");
        assert_eq!(problem("| `a` | 1 | b |"), "`May use` is neither a list, `all`, nor a dash");
        assert_eq!(problem("| `a` | 1 |"), "fewer than three columns");
        assert_eq!(with("| `a` | 1 | – |\n| `a` | 2 | – |"), Err(TableError::Twice("a".to_owned())));
    }
}
