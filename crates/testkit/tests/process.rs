//! The guard around child processes, tried on the shell.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;

use testkit::{Process, require, wait_until};

fn shell(script: &str) -> Command {
    let mut command = Command::new(require("sh", "dash"));
    command.arg("-c").arg(script);
    command
}

#[test]
fn a_line_is_waited_for_on_either_output() {
    let process = Process::spawn(shell("echo noise; echo address 127.0.0.1:4711 >&2; cat"));
    let address =
        process.wait_for_line("its address", |line| line.strip_prefix("address ").map(str::to_owned));
    assert_eq!(address, "127.0.0.1:4711");
}

#[test]
fn what_was_said_before_is_found_again() {
    let process = Process::spawn(shell("echo first; echo second; cat"));
    process.wait_for_line("second", |line| (line == "second").then_some(()));
    process.wait_for_line("first", |line| (line == "first").then_some(()));
}

#[test]
fn input_is_passed_on_and_outputs_are_kept_apart() {
    let mut process = Process::spawn(shell("echo aside >&2; cat; exit 3"));
    process.send(b"one\n\xfftwo");
    let finished = process.finish();
    assert_eq!(finished.code(), 3);
    assert_eq!(finished.stdout, "one\n\u{fffd}two\n");
    assert_eq!(finished.stderr, "aside\n");
}

#[test]
fn a_dropped_guard_kills() {
    let process = Process::spawn(shell("echo up; exec sleep 1000"));
    process.wait_for_line("up", |line| (line == "up").then_some(()));
    let id = process.id();
    assert!(Path::new(&format!("/proc/{id}")).exists());
    drop(process);
    assert!(!Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn terminate_lets_the_child_tidy_up() {
    let process =
        Process::spawn(shell("trap 'echo tidy; exit 5' TERM; echo up; while :; do sleep 0.05; done"));
    process.wait_for_line("up", |line| (line == "up").then_some(()));
    process.terminate();
    let finished = process.finish();
    assert_eq!((finished.code(), finished.stdout.as_str()), (5, "up\ntidy\n"));
}

#[test]
fn kill_gives_no_chance() {
    let process = Process::spawn(shell("trap 'echo tidy' TERM; echo up; exec sleep 1000"));
    process.wait_for_line("up", |line| (line == "up").then_some(()));
    let finished = process.kill();
    assert_eq!(finished.code(), -1);
    assert_eq!(finished.stdout, "up\n");
}

#[test]
fn the_end_without_the_line_is_reported_with_what_was_said() {
    let process = Process::spawn(shell("echo something else"));
    let panic = catch_unwind(AssertUnwindSafe(|| process.wait_for_line("its address", |_| None::<()>)))
        .expect_err("there is no such line");
    let message = panic.downcast_ref::<String>().expect("a formatted message");
    assert!(message.contains("ended without saying its address"), "{message}");
    assert!(message.contains("something else"), "{message}");
}

#[test]
fn waiting_ends_with_the_event() {
    let directory = std::env::temp_dir().join(format!("testkit-{}", std::process::id()));
    let file = directory.join("here");
    let _child =
        Process::spawn(shell(&format!("mkdir -p {0} && echo x > {0}/here; cat", directory.display())));
    wait_until("the file", || file.exists().then_some(()));
    std::fs::remove_dir_all(directory).expect("remove the test's own directory");
}
