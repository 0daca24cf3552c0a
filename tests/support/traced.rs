//! A registrar whose system calls `strace` writes down.

use std::{fs, process::Command};

use testkit::{require, wait_until};

use super::World;

const TRACE: &str = "trace.txt";

/// Starts the registrar; `calls` are those that are of interest, as strace spells them.
pub(crate) fn serve(world: &mut World, calls: &str) {
    let mut command = Command::new(require("strace", "strace"));
    // The registrar stays our own child (`-D`): signals go to it and not to strace.
    command.args(["-D", "-f", "-yy", "-s", "8192", "-o", TRACE, "-e", calls]);
    command.args([env!("CARGO_BIN_EXE_attache"), "serve", "--json"]);
    world.serve_as(command);
}

/// Ends the registrar in order and gives all that was written down of it.
pub(crate) fn stop(world: &mut World) -> String {
    // Short process numbers are padded.
    let server = world.server_id().to_string();
    let is_end = |line: &str| {
        line.split_once(' ')
            .is_some_and(|(process, what)| process == server && what.trim() == "+++ exited with 0 +++")
    };
    drop(world.stop().success());
    wait_until("the end of the trace", || {
        let trace = fs::read_to_string(world.path(TRACE)).ok()?;
        trace.lines().any(is_end).then_some(trace)
    })
}
