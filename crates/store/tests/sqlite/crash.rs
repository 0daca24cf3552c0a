//! A process that dies at any moment, and a disk that refuses at the commit: what was answered is there.
//!
//! Each test starts this test program again as a child that writes; the child says what was answered.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use store::{
    CredentialsMut as _, Enrolments as _, NewSession, Options, Resources as _, ResourcesMut as _,
    Sessions as _, SessionsMut as _, Store, StoreError,
};

use crate::{
    suite,
    support::{Database, resource},
};

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

fn session_of(name: &str) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(name).into()
}

/// Four threads enrol, register and remember a session of one device after the other, and revoke it.
fn revoke_until_the_end(path: &Path) {
    let store = open(path);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0.. {
                    let name = format!("S{thread}x{number}");
                    let id = store
                        .write_blocking("attach", {
                            let name = name.clone();
                            move |tx| {
                                let mut record = suite::sessions::attach(tx, &name)?;
                                record.expires = "99991231T235959".parse().unwrap();
                                let id = record.credential_id.clone();
                                let session = Some(keys::Secret::new(vec![7; 300]));
                                let digest = session_of(&name);
                                tx.remember_session(&NewSession { digest, record, session, keep: 100_000 })?;
                                Ok(id)
                            }
                        })
                        .unwrap();
                    println!("attached {name}");
                    store.write_blocking("revoke", move |tx| tx.revoke(&id)).unwrap();
                    println!("answered {name}");
                }
            });
        }
    });
}

/// A revocation that was answered holds, and whoever is revoked has nothing left to resume: never one without the
/// other.
#[test]
fn killed_at_any_moment_nobody_resumes_what_was_revoked() {
    if let Some(path) = std::env::var_os(CHILD) {
        return revoke_until_the_end(Path::new(&path));
    }
    let test = "crash::killed_at_any_moment_nobody_resumes_what_was_revoked";
    for round in 1..=3 {
        let database = Database::new();
        let (mut attached, mut revoked) = (BTreeSet::new(), BTreeSet::new());
        let mut child = child(test, "", &database.path());
        let lines = BufReader::new(child.stdout.take().unwrap());
        for line in lines.lines().map_while(Result::ok) {
            if let Some((_, name)) = line.split_once("attached ") {
                attached.insert(name.trim().to_owned());
            }
            revoked.extend(answered(&line));
            if revoked.len() == 29 * round {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let store = database.open();
        for name in &attached {
            let (of, digest) = (name.clone(), session_of(name));
            let (enrolment, session) = store
                .read_blocking(move |reader| {
                    let session = reader.session(&digest, "20260101T000000".parse().unwrap())?;
                    Ok((reader.enrolment_of_key(of.as_bytes())?.unwrap(), session))
                })
                .unwrap();
            let is_revoked = enrolment.state == identity::CredentialState::Revoked;
            assert_eq!(session.is_none(), is_revoked, "{name}");
            assert!(is_revoked || !revoked.contains(name), "{name} was answered");
        }
    }
}
