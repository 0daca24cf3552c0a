//! `attache demo smart-home`: every step holds, and the exit code says so.

mod support;

use serde_json::Value;
use support::attache;

#[test]
fn every_step_of_the_smart_home_holds() {
    let folder = tempfile::tempdir().unwrap();
    let finished = attache(folder.path(), &["demo", "smart-home", "--json"]).success();
    let steps: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for step in &steps {
        assert_eq!(step["ok"], true, "{step}");
        assert_eq!(step["expected"], step["got"], "{step}");
    }
    for expected in
        ["B1", "B2", "B3", "B4", "B5", "B6", "R1", "R2", "X1", "X2", "X3", "X4", "X8", "V1", "V2", "V3"]
    {
        assert!(steps.iter().any(|step| step["step"] == expected), "{expected} is missing");
    }
    let shown = attache(folder.path(), &["demo", "smart-home"]).success();
    assert!(
        shown.stdout.contains(&format!("{} of {} steps held", steps.len(), steps.len())),
        "{}",
        shown.stdout
    );
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "the demo leaves nothing behind");
}
