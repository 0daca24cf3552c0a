//! Do the crates use only what the layer table lets them use?

use std::collections::{BTreeMap, BTreeSet};

use crate::table::{Floor, MayUse, Row, Table};

/// The crates that every crate's tests may use: helpers, and the factory of certificates.
const TEST_HELPERS: [&str; 2] = ["testkit", "pki"];

/// One member of the workspace as cargo sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Member {
    /// Members it uses in its code or its build script.
    pub(crate) uses: BTreeSet<String>,
    /// Members its tests use.
    pub(crate) tests_use: BTreeSet<String>,
    pub(crate) lints: Lints,
}

/// Where a member's lints come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Lints {
    /// `[lints] workspace = true`, which forbids unsafe code.
    #[default]
    Inherited,
    /// Its own table, in which the lints that watch over unsafe code are denied.
    OwnWithUnsafeWatched,
    /// Its own table without them, or none at all.
    Unwatched,
}

/// The one member that may hold unsafe code.
const FOREIGN_CALLS: &str = "ossl";

/// Everything in which the members and the table differ. Empty means that the table holds.
pub(crate) fn complaints(members: &BTreeMap<String, Member>, table: &Table) -> Vec<String> {
    let mut found = Vec::new();
    for (name, row) in table {
        check_row(name, row, members.contains_key(name), table, &mut found);
    }
    for (name, member) in members {
        match table.get(name) {
            None => found.push(format!("crate `{name}` is missing from the layer table")),
            Some(row) => check_arrows(name, member, row, table, &mut found),
        }
        check_lints(name, member.lints, &mut found);
    }
    found
}

fn check_row(name: &str, row: &Row, exists: bool, table: &Table, found: &mut Vec<String>) {
    match (exists, row.later) {
        (false, false) => {
            found.push(format!("the layer table names `{name}`, which is no crate and not marked `later`"));
        }
        (true, true) => found.push(format!("crate `{name}` exists, but the layer table marks it `later`")),
        _ => {}
    }
    let MayUse::Only(used) = &row.may_use else { return };
    for target in used {
        match table.get(target) {
            None => {
                found.push(format!("the layer table lets `{name}` use `{target}`, which it does not name"));
            }
            Some(other) if other.floor > row.floor => {
                found.push(format!("the layer table lets `{name}` use `{target}` on a higher floor"));
            }
            Some(_) => {}
        }
    }
}

fn check_arrows(name: &str, member: &Member, row: &Row, table: &Table, found: &mut Vec<String>) {
    for target in &member.uses {
        if !may_use(row, target, table) {
            found.push(format!("`{name}` uses `{target}`: this arrow is not in the layer table"));
        }
    }
    for target in &member.tests_use {
        if !TEST_HELPERS.contains(&target.as_str()) && !may_use(row, target, table) {
            found.push(format!("the tests of `{name}` use `{target}`: this arrow is not in the layer table"));
        }
    }
}

fn may_use(row: &Row, target: &str, table: &Table) -> bool {
    match &row.may_use {
        MayUse::Only(allowed) => allowed.contains(target),
        // Tools stay out of the product even where "all" is allowed.
        MayUse::All => {
            row.floor == Floor::Dev || table.get(target).is_none_or(|other| other.floor != Floor::Dev)
        }
    }
}

fn check_lints(name: &str, lints: Lints, found: &mut Vec<String>) {
    match (lints, name == FOREIGN_CALLS) {
        (Lints::Inherited, _) | (Lints::OwnWithUnsafeWatched, true) => {}
        (Lints::OwnWithUnsafeWatched | Lints::Unwatched, false) => {
            found.push(format!(
                "`{name}` does not inherit the workspace's lints (`[lints] workspace = true`)"
            ));
        }
        (Lints::Unwatched, true) => found.push(format!(
            "`{name}` holds unsafe code and must deny clippy's `undocumented_unsafe_blocks` and \
             `multiple_unsafe_ops_per_block`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::parse;

    const PAGE: &str = "\
| Crate | Floor | May use |
| --- | --- | --- |
| `onem2m` | 1 | – |
| `keys` | 2 | `onem2m` |
| `ossl` | 4 | – |
| `maf` | 6, later | `keys`, `onem2m` |
| `attache` | 7 | all |
| `testkit` | dev | – |
| `xtask` | dev | – |
";

    fn members(arrows: &[(&str, &[&str])]) -> BTreeMap<String, Member> {
        let mut members: BTreeMap<String, Member> = ["onem2m", "keys", "ossl", "attache", "testkit", "xtask"]
            .into_iter()
            .map(|name| (name.to_owned(), Member::default()))
            .collect();
        for (name, used) in arrows {
            let member = members.entry((*name).to_owned()).or_default();
            member.uses.extend(used.iter().map(|target| (*target).to_owned()));
        }
        members
    }

    fn judge(members: &BTreeMap<String, Member>) -> Vec<String> {
        complaints(members, &parse(PAGE).expect("a well-formed table"))
    }

    #[test]
    fn what_the_table_allows_passes() {
        let members = members(&[("keys", &["onem2m"]), ("attache", &["keys", "onem2m", "ossl"])]);
        assert_eq!(judge(&members), Vec::<String>::new());
    }

    #[test]
    fn a_forbidden_arrow_is_named() {
        let members = members(&[("onem2m", &["keys"])]);
        assert_eq!(judge(&members), ["`onem2m` uses `keys`: this arrow is not in the layer table"]);
    }

    #[test]
    fn a_forbidden_arrow_of_tests_is_named() {
        let mut members = members(&[]);
        members.entry("onem2m".to_owned()).or_default().tests_use.insert("keys".to_owned());
        assert_eq!(
            judge(&members),
            ["the tests of `onem2m` use `keys`: this arrow is not in the layer table"]
        );
    }

    #[test]
    fn tests_may_use_testkit_and_code_may_not() {
        let mut members = members(&[]);
        members.entry("onem2m".to_owned()).or_default().tests_use.insert("testkit".to_owned());
        assert_eq!(judge(&members), Vec::<String>::new());
        members.entry("keys".to_owned()).or_default().uses.insert("testkit".to_owned());
        assert_eq!(judge(&members), ["`keys` uses `testkit`: this arrow is not in the layer table"]);
    }

    #[test]
    fn all_does_not_reach_the_tools() {
        let members = members(&[("attache", &["xtask"])]);
        assert_eq!(judge(&members), ["`attache` uses `xtask`: this arrow is not in the layer table"]);
    }

    #[test]
    fn an_unknown_crate_is_named() {
        let members = members(&[("helper", &[])]);
        assert_eq!(judge(&members), ["crate `helper` is missing from the layer table"]);
    }

    #[test]
    fn a_row_without_crate_is_named_unless_it_is_for_later() {
        let mut members = members(&[]);
        members.remove("ossl");
        assert_eq!(
            judge(&members),
            ["the layer table names `ossl`, which is no crate and not marked `later`"]
        );
    }

    #[test]
    fn a_crate_that_arrived_is_no_longer_for_later() {
        let members = members(&[("maf", &[])]);
        assert_eq!(judge(&members), ["crate `maf` exists, but the layer table marks it `later`"]);
    }

    #[test]
    fn the_table_itself_points_down() {
        let page = "| Crate | Floor | May use |\n| - | - | - |\n| `a` | 1 | `b`, `c` |\n| `b` | 2 | – |\n";
        let members = [("a", ()), ("b", ())].map(|(name, ())| (name.to_owned(), Member::default())).into();
        assert_eq!(
            complaints(&members, &parse(page).expect("a well-formed table")),
            [
                "the layer table lets `a` use `b` on a higher floor",
                "the layer table lets `a` use `c`, which it does not name"
            ]
        );
    }

    #[test]
    fn only_the_foreign_calls_have_lints_of_their_own() {
        let mut members = members(&[]);
        let mut set = |name: &str, lints| members.entry(name.to_owned()).or_default().lints = lints;
        set("ossl", Lints::OwnWithUnsafeWatched);
        set("keys", Lints::OwnWithUnsafeWatched);
        let found = judge(&members);
        assert_eq!(found, ["`keys` does not inherit the workspace's lints (`[lints] workspace = true`)"]);
        members.entry("keys".to_owned()).or_default().lints = Lints::Inherited;
        members.entry("ossl".to_owned()).or_default().lints = Lints::Unwatched;
        assert!(judge(&members).iter().any(|found| found.starts_with("`ossl` holds unsafe code")));
    }
}
