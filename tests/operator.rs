//! The program in an operator's hands: what can be changed while it runs, what it says of itself, and what it
//! says of mistakes. Whatever goes wrong is named, and leaves the store and the running server as they were.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod support;

use std::fs;

use support::World;

/// Waits until the server's log has a line with all of `words`.
fn said(world: &World, words: &[&str]) -> String {
    said_again(world, words, 1)
}

/// Waits until the server's log has `times` such lines, and gives the last.
fn said_again(world: &World, words: &[&str], times: usize) -> String {
    let mut heard = 0;
    world.server().wait_for_line(&format!("{times} lines with {words:?}"), |line| {
        heard += usize::from(words.iter().all(|word| line.contains(word)));
        (heard == times).then(|| line.to_owned())
    })
}

fn rewrite(world: &World, from: &str, to: &str) {
    let text = fs::read_to_string(world.path("attache.toml")).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    fs::write(world.path("attache.toml"), text.replace(from, to)).unwrap();
}

/// SIGHUP: the log changes, what needs a restart is named, and a broken file changes nothing.
#[test]
fn a_configuration_is_reloaded_or_left_alone() {
    let mut world = World::prepared("[log]\nlevel = \"info\"\n");
    world.serve();
    rewrite(&world, "base_name", "basename");
    world.server().hang_up();
    said(&world, &["not reloaded", "attache.toml", "line 6", "basename"]);
    assert_eq!(world.server().stderr().matches("was reloaded").count(), 0);

    rewrite(&world, "basename = \"home_gateway\"", "base_name = \"other\"");
    rewrite(&world, "level = \"info\"", "level = \"info\"\nformat = \"json\"");
    world.server().hang_up();
    said(&world, &["need a restart", "cse"]);
    let line = said(&world, &["was reloaded"]);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["level"], "INFO", "the form of the log has changed");

    rewrite(&world, "level = \"info\"", "level = \"warn\"");
    world.server().hang_up();
    said_again(&world, &["need a restart", "cse"], 2);
    rewrite(&world, "level = \"warn\"", "level = \"eror\"");
    world.server().hang_up();
    said(&world, &["not reloaded", "eror", "expected off"]);
    let finished = world.stop();
    assert_eq!(finished.code(), 0, "{}", finished.stderr);
    assert!(!finished.stderr.contains("stopping"), "info is not said any more: {}", finished.stderr);
}
