//! A process that dies at any moment, and a disk that refuses at the commit: what was answered is there.
//!
//! Each test starts this test program again as a child that writes; the child says what was answered.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use store::{Options, Resources as _, ResourcesMut as _, Store, StoreError};

use crate::support::{Database, resource};

const CHILD: &str = "ATTACHE_STORE_TEST_CHILD";
/// Not a round number of pages, so that commits straddle them.
const FILLING: usize = 3001;

fn open(path: &Path) -> Store {
    let clock = std::sync::Arc::new(onem2m::time::SystemClock);
    let rng = std::sync::Arc::new(keys::OsRng);
    Store::open(path, &store::KekSource::beside(path), clock, rng, Options::default()).unwrap()
}

/// Four threads write pairs of resources, so that commits are of groups, until something fails.
fn write_until_the_end(path: &Path) {
    let store = open(path);
    let failed: Vec<StoreError> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|thread| {
                let store = store.clone();
                scope.spawn(move || {
                    let mut number = 0;
                    loop {
                        let name = format!("{thread}-{number}");
                        let written = store.write_blocking("pair", {
                            let name = name.clone();
                            move |tx| {
                                let mut first = resource(&format!("{name}-a"), "");
                                first.attributes.insert("x".into(), "y".repeat(FILLING).into());
                                tx.insert(&first)?;
                                tx.insert(&resource(&format!("{name}-b"), &first.ri))
                            }
                        });
                        match written {
                            Ok(()) => println!("answered {name}"),
                            Err(error) => break error,
                        }
                        number += 1;
                    }
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for error in failed {
        println!("failed {error}");
    }
    println!("end");
}

fn child(test: &str, limit: &str, path: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    // The limit on file size stands for a full disk: writing the log fails in the middle of a commit.
    let script = format!("trap '' XFSZ; {limit} exec \"$0\" --exact {test} --nocapture --test-threads 1");
    Command::new("sh")
        .args(["-c", &script])
        .arg(program)
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn answered(line: &str) -> Option<String> {
    line.split_once("answered ").map(|(_, name)| name.trim().to_owned())
}

/// Everything answered is there, in pairs, and nothing is half there.
fn check(database: &Database, answered: &BTreeSet<String>) -> usize {
    let sound: String = database.raw().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    let store = database.open();
    let mut there = BTreeSet::new();
    let mut after: Option<String> = None;
    loop {
        let from = after.clone();
        let page =
            store.read_blocking(move |reader| reader.resources_of_type(2, from.as_deref(), 1000)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.ri.clone());
        there.extend(page.into_iter().map(|resource| resource.ri));
    }
    for name in answered {
        assert!(
            there.contains(&format!("{name}-a")) && there.contains(&format!("{name}-b")),
            "{name} was answered"
        );
    }
    let (first, second): (Vec<_>, Vec<_>) = there.iter().partition(|ri| ri.ends_with("-a"));
    let pair = |(a, b): (&&String, &&String)| a.strip_suffix("-a") == b.strip_suffix("-b");
    assert!(first.len() == second.len() && first.iter().zip(&second).all(pair), "half a transaction");
    first.len()
}

#[test]
fn killed_at_any_moment_nothing_answered_is_lost() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_the_end(Path::new(&path));
    }
    for round in 1..=5 {
        let mut known = BTreeSet::new();
        let database = Database::new();
        let test = "crash::killed_at_any_moment_nothing_answered_is_lost";
        let mut child = child(test, "", &database.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while known.len() < 37 * round {
            line.clear();
            assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended early");
            known.extend(answered(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        lines.read_to_string(&mut rest).unwrap();
        // The last line may be cut off.
        known.extend(rest.rsplit_once('\n').unwrap_or_default().0.lines().filter_map(answered));
        assert!(check(&database, &known) >= known.len());
    }
}

#[test]
fn a_commit_that_fails_fails_for_everybody_and_nothing_answered_is_lost() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_until_the_end(Path::new(&path));
    }
    let database = Database::new();
    let test = "crash::a_commit_that_fails_fails_for_everybody_and_nothing_answered_is_lost";
    let child = child(test, "ulimit -f 900;", &database.path());
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.contains("\nend"), "{output}");
    let failures: Vec<_> = output.lines().filter(|line| line.starts_with("failed ")).collect();
    assert_eq!(failures.len(), 4, "{output}");
    for failure in failures {
        assert!(
            failure.contains("no space is left") || failure.contains("reading or writing failed"),
            "{failure}"
        );
        assert!(failure.contains("attache.db"), "{failure}");
    }
    let known: BTreeSet<String> = output.lines().filter_map(answered).collect();
    assert!(known.len() > 10, "{output}");
    assert_eq!(check(&database, &known), known.len(), "what was refused is not there");
}
