//! `attache demo smart-home`: every step holds, and the exit code says so.

mod support;

use serde_json::Value;
use support::attache;

/// Steps that the story must not lose, with what they are to come to.
const STEPS: [(&str, &str); 57] = [
    ("A1", "association"),
    ("A2", "csi /mn-cse-123456"),
    ("A3", "csi /in-cse"),
    ("A4", "cst 1"),
    ("A5", "4117 ORIGINATOR_HAS_ALREADY_REGISTERED"),
    ("A7", "2000"),
    ("X9", "4106, store unchanged"),
    ("X10", "4106, store unchanged"),
    ("X11", "4106, store unchanged"),
    ("X12", "4106, store unchanged"),
    ("B1", "association"),
    ("B2", "2001 CREATED"),
    ("B3", "2001 CREATED"),
    ("B4", "2001 CREATED"),
    ("B5", "4117, store unchanged"),
    ("B6", "2000 OK"),
    ("B7", "2001 CREATED, a C-type AE-ID"),
    ("B8", "4126, store unchanged"),
    ("B9", "4128, store unchanged"),
    ("B10", "4000, store unchanged"),
    ("B10", "4126, store unchanged"),
    ("L1", "2000 OK"),
    ("L2", "4106, store unchanged"),
    ("L3", "4106, store unchanged"),
    ("L4", "4107, store unchanged"),
    ("L5", "2001 CREATED"),
    ("L6", "registration removed"),
    ("R1", "association"),
    ("R2", "2000 OK"),
    ("X1", "4106, store unchanged"),
    ("X2", "4106, store unchanged"),
    ("X3", "4000, store unchanged"),
    ("X4", "4005, store unchanged"),
    ("X5", "4106, store unchanged"),
    ("X6", "4106, store unchanged"),
    ("X7", "4107, store unchanged"),
    ("F21", "4107, store unchanged"),
    ("X8", "alert bad_record_mac"),
    ("X14", "alert unknown_ca, store unchanged"),
    ("X14", "alert certificate_expired, store unchanged"),
    ("X14", "alert handshake_failure, store unchanged"),
    ("K1", "alert certificate_unknown"),
    ("K2", "association"),
    ("K3", "//example.org/in-cse/Clamp"),
    ("K4", "association, resumed"),
    ("K5", "alert certificate_unknown"),
    ("K6", "4107 SECURITY_ASSOCIATION_REQUIRED"),
    ("K7", "4106 ORIGINATOR_NOT_AUTHENTICATED"),
    ("K8", "//example.org/in-cse/Cmeter"),
    ("K9", "association, resumed"),
    ("K10", "the registrar answered 4106 ORIGINATOR_NOT_AUTHENTICATED"),
    ("E1", "association closed"),
    ("E2", "alert bad_record_mac"),
    ("E4", "2001 CREATED, ri Clight-AE1"),
    ("V1", "association closed"),
    ("V2", "alert bad_record_mac"),
    ("V3", "2000 OK"),
];

#[test]
fn every_step_of_the_smart_home_holds() {
    let folder = tempfile::tempdir().unwrap();
    let finished = attache(folder.path(), &["demo", "smart-home", "--json"]).success();
    let steps: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for step in &steps {
        assert_eq!(step["ok"], true, "{step}");
        assert_eq!(step["expected"], step["got"], "{step}");
        let clause = step["clause"].as_str().unwrap();
        assert!(clause.starts_with("TS-000") || clause.starts_with("draft x.y."), "{step}");
    }
    for (name, got) in STEPS {
        assert!(steps.iter().any(|step| step["step"] == name && step["got"] == got), "no {name} with {got}");
    }
    // A reader that is no terminal gets lines of 80 columns and no colours.
    let shown = attache(folder.path(), &["demo", "smart-home"]).success().stdout;
    assert!(
        shown
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .contains(&format!("{0} of {0} steps held", steps.len())),
        "{shown}"
    );
    for line in shown.lines() {
        assert!(line.chars().count() <= 80 && !line.contains('\u{1b}'), "{line}");
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "the demo leaves nothing behind");
}
