//! JSON primitives: what is read, what is written, and what is refused with which words (TS-0004 §6.4,
//! §7.2.1, §8.4).
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod any;

use onem2m::json::JsonError;
use onem2m::primitive::{
    AccessToken, EventCategory, FilterUsage, Operation, PrimitiveError, Request, Response, ResponseType,
    ResponseTypeInfo, ResultContent,
};
use onem2m::status::ResponseStatusCode;
use onem2m::time::AbsRelTimestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #[test]
    fn requests_survive_json(request in any::request()) {
        prop_assert_eq!(Request::from_json(request.to_json().as_bytes()), Ok(request));
    }

    #[test]
    fn responses_survive_json(response in any::response()) {
        prop_assert_eq!(Response::from_json(response.to_json().as_bytes()), Ok(response));
    }
}

/// The first example of TS-0004 §8.4.3.
#[test]
fn the_example_of_the_standard() {
    let text = br#"{"op": 1, "fr": "Clight_ae1", "to": "/homegateway/light", "rqi": "A1234",
        "pc": {"m2m:sch": {"se": {"sce": ["* 0-5 2,6,10 * * * *"]}}}, "ty": 18}"#;
    let request = Request::from_json(text).unwrap();
    assert_eq!(request.op, Operation::Create);
    assert_eq!((request.fr.as_deref(), request.to.as_str()), (Some("Clight_ae1"), "/homegateway/light"));
    assert_eq!((request.rqi.as_str(), request.ty), ("A1234", Some(18)));
    assert_eq!(request.pc.as_ref().unwrap()["m2m:sch"]["se"]["sce"][0], "* 0-5 2,6,10 * * * *");
    assert_eq!((request.rvi, request.rcn, request.rt), (None, None, None));
}

#[test]
fn every_request_parameter_has_its_type() {
    let value = json!({
        "op": 2, "to": "-", "fr": "Cx", "rqi": "r", "ty": 3, "pc": {"m2m:atrl": ["rr"]}, "rids": ["a@b.org"], "ot": "20250101T000000",
        "rqet": "5000", "rset": 6000, "oet": "20250101T000000,500000", "rt": {"rtv": 2, "nu": []}, "rp": "P1D", "rcn": 1, "ec": 4, "da": true,
        "gid": "g", "fc": {"fu": 1}, "drt": 2, "tkns": ["a.b.c"], "tids": ["t@i.org"], "ltids": ["l"], "tqi": false, "grtm": ["m"],
        "asi": true, "aus": ["c2ln"], "auri": false, "sqi": true, "rvi": "3", "vsi": "v"
    });
    let request = Request::from_value(value.clone()).unwrap();
    assert_eq!(request.rqet, Some(AbsRelTimestamp::Relative(5000)));
    assert_eq!(request.rset, Some(AbsRelTimestamp::Relative(6000)));
    assert_eq!(
        request.rt,
        Some(ResponseTypeInfo { nu: Some(vec![]), ..ResponseTypeInfo::new(ResponseType::NonBlockingAsynch) })
    );
    assert_eq!((request.rcn, request.ec), (Some(ResultContent::Attributes), Some(EventCategory::LATEST)));
    assert_eq!(request.fc.as_ref().unwrap().fu, Some(FilterUsage::Discovery));
    let mut written = request.to_value();
    // A distance is written as text, whichever way it came.
    assert_eq!(written["rset"], "6000");
    written["rset"] = json!(6000);
    assert_eq!(written, value);
}

#[test]
fn every_response_parameter_has_its_type() {
    let value = json!({
        "rsc": 2000, "rqi": "r", "pc": {"m2m:cnt": {}}, "to": "Cx", "fr": "/cse", "ot": "20250101T000000", "rset": "20250101T000000", "ec": 2,
        "cnst": 1, "cnot": 5, "ati": {"ltia": [{"lti": "a", "tkid": "b@c.org"}]}, "tqf": {"dasi": []}, "asri": true, "rvi": "2a", "vsi": "v"
    });
    assert_eq!(Response::from_value(value.clone()).unwrap().to_value(), value);
}

/// Reads a minimal request with `member` set to `value`.
fn with(member: &str, value: Value) -> Result<Request, PrimitiveError> {
    let mut request = json!({"op": 2, "to": "-", "rqi": "1"});
    request[member] = value;
    Request::from_value(request)
}

#[test]
fn a_wrong_value_names_its_member() {
    for (member, value, path) in [
        ("op", json!("2"), "op"),
        ("op", json!(0), "op"),
        ("op", json!(2.0), "op"),
        ("op", json!(65538), "op"),
        ("to", json!(1), "to"),
        ("to", json!("a".repeat(16385)), "to"),
        ("fr", json!(null), "fr"),
        ("fr", json!("C".repeat(256)), "fr"),
        ("rqi", json!(""), "rqi"),
        ("rqi", json!("a".repeat(256)), "rqi"),
        ("rqi", json!("a\r\nX-M2M-Origin: C2"), "rqi"),
        ("ty", json!("2"), "ty"),
        ("ty", json!(-1), "ty"),
        ("ty", json!(4294967296_u64), "ty"),
        ("pc", json!("x"), "pc"),
        ("pc", json!({}), "pc"),
        ("pc", json!({"a": 1, "b": 2}), "pc"),
        ("pc", json!([1]), "pc"),
        ("rids", json!("a"), "rids"),
        ("rids", json!(["a", 1]), "rids[1]"),
        ("ot", json!("now"), "ot"),
        ("ot", json!("3600000"), "ot"),
        ("rqet", json!("2025-01-01"), "rqet"),
        ("rqet", json!(1.5), "rqet"),
        ("rt", json!(3), "rt"),
        ("rt", json!({"rtv": 9}), "rt.rtv"),
        ("rt", json!({"rtv": 3, "nu": []}), "rt.nu"),
        ("rp", json!("P"), "rp"),
        ("rp", json!(true), "rp"),
        ("rcn", json!(11), "rcn"),
        ("ec", json!(1), "ec"),
        ("ec", json!(1000), "ec"),
        ("da", json!("true"), "da"),
        ("gid", json!("g".repeat(256)), "gid"),
        ("fc", json!([]), "fc"),
        ("fc", json!({"fu": 9}), "fc.fu"),
        ("fc", json!({"crb": 1}), "fc.crb"),
        ("fc", json!({"lbl": "a"}), "fc.lbl"),
        ("fc", json!({"ty": [3, "4"]}), "fc.ty[1]"),
        ("fc", json!({"lvl": 0}), "fc.lvl"),
        ("fc", json!({"atr": [{"nm": "rn", "val": null}]}), "fc.atr[0].val"),
        ("fc", json!({"atr": [{"nm": "r n", "val": 1}]}), "fc.atr[0].nm"),
        ("drt", json!(3), "drt"),
        ("tkns", json!([1]), "tkns[0]"),
        ("tqi", json!(1), "tqi"),
        ("rvi", json!(3), "rvi"),
        ("rvi", json!("three"), "rvi"),
        ("vsi", json!({}), "vsi"),
    ] {
        match with(member, value.clone()) {
            Err(PrimitiveError::Wrong { member, .. }) => assert_eq!(member, path, "{value}"),
            other => panic!("{member} {value}: {other:?}"),
        }
    }
}

#[test]
fn missing_and_unknown_members_are_named() {
    let missing = |text: &[u8]| match Request::from_json(text) {
        Err(PrimitiveError::Missing { member }) => member,
        other => panic!("{other:?}"),
    };
    assert_eq!(missing(br#"{}"#), "op");
    assert_eq!(missing(br#"{"op": 1}"#), "to");
    assert_eq!(missing(br#"{"op": 1, "to": "-"}"#), "rqi");
    assert_eq!(missing(br#"{"op": 1, "to": "-", "rqi": "1", "rt": {}}"#), "rt.rtv");
    assert_eq!(
        missing(br#"{"op": 1, "to": "-", "rqi": "1", "fc": {"atr": [{"nm": "rn"}]}}"#),
        "fc.atr[0].val"
    );
    let unknown = |member: &str, value: Value| match with(member, value) {
        Err(PrimitiveError::Unknown { member }) => member,
        other => panic!("{other:?}"),
    };
    assert_eq!(unknown("xx", json!(1)), "xx");
    assert_eq!(unknown("OP", json!(1)), "OP");
    assert_eq!(unknown("rsc", json!(2000)), "rsc");
    assert_eq!(unknown("rt", json!({"rtv": 3, "x": 1})), "rt.x");
    assert_eq!(unknown("fc", json!({"om": []})), "fc.om");
    assert!(matches!(
        Response::from_json(br#"{"rsc": 2000, "rqi": "1", "op": 1}"#),
        Err(PrimitiveError::Unknown { member }) if member == "op"
    ));
}

#[test]
fn repeated_members_are_refused() {
    let error =
        Request::from_json(br#"{"op": 2, "to": "-", "rqi": "1", "fr": "C1", "fr": "C2"}"#).unwrap_err();
    assert!(matches!(error, PrimitiveError::Json(JsonError::DuplicateMember { name, .. }) if name == "fr"));
    let inside = br#"{"op": 1, "to": "-", "rqi": "1", "pc": {"m2m:ae": {"api": "N1", "api": "N2"}}}"#;
    assert!(matches!(
        Request::from_json(inside),
        Err(PrimitiveError::Json(JsonError::DuplicateMember { .. }))
    ));
}

#[test]
fn words_for_developers() {
    for (text, words) in [
        (r#"[]"#, "a request must be a JSON object"),
        (
            r#"{"op": 9, "to": "-", "rqi": "1"}"#,
            "member op must be an operation: 1 create, 2 retrieve, 3 update, 4 delete, 5 notify",
        ),
        (r#"{"op": 2, "to": "-"}"#, "member rqi is missing"),
        (r#"{"op": 2, "to": "-", "rqi": "1", "foo": 1}"#, "member foo is unknown (TS-0004 §8.2)"),
        (r#"{"op": 2, "to": "-", "rqi": "1", "fc": {"ty": 3}}"#, "member fc.ty must be an array"),
        (r#"{"op": 2, "to": "-", "rqi": 1}"#, "member rqi must be a string"),
    ] {
        assert_eq!(Request::from_json(text.as_bytes()).unwrap_err().to_string(), words);
    }
    let error = Response::from_json(br#"{"rsc": 200, "rqi": "1"}"#).unwrap_err();
    assert_eq!(error.to_string(), "member rsc must be a response status code (TS-0004 §6.6.3)");
}

/// TS-0004 table 7.2.1.1-1, for the parameters that some operation does not have.
#[test]
fn presence() {
    let full = |op| {
        let mut request = Request::from_value(json!({
            "op": 2, "to": "-", "rqi": "r", "ty": 3, "pc": {"a": 1}, "rp": "1", "rcn": 1, "fc": {"fu": 1}, "drt": 2, "grtm": ["m"], "asi": true,
            "aus": ["c"], "auri": false, "sqi": true
        }))
        .unwrap();
        request.op = op;
        request
    };
    let refused = |op| {
        let mut names = Vec::new();
        let mut request = full(op);
        while let Err(PrimitiveError::Misplaced { member, operation }) = request.check_presence() {
            assert_eq!(operation, op);
            names.push(member);
            let mut value = request.to_value();
            value.as_object_mut().unwrap().remove(member);
            request = Request::from_value(value).unwrap();
        }
        assert_eq!(request.check_presence(), Ok(()));
        names
    };
    assert_eq!(refused(Operation::Create), ["fc", "drt", "sqi"]);
    assert_eq!(refused(Operation::Retrieve), ["ty"]);
    assert_eq!(refused(Operation::Update), ["ty", "drt", "sqi"]);
    assert_eq!(refused(Operation::Delete), ["ty", "pc", "drt", "sqi"]);
    assert_eq!(
        refused(Operation::Notify),
        ["ty", "rp", "rcn", "fc", "drt", "grtm", "asi", "aus", "auri", "sqi"]
    );
    for (op, missing) in [
        (Operation::Create, Some("ty")),
        (Operation::Retrieve, None),
        (Operation::Update, Some("pc")),
        (Operation::Delete, None),
        (Operation::Notify, Some("pc")),
    ] {
        let outcome = Request::new(op, "-", "1").check_presence();
        assert_eq!(
            outcome.err(),
            missing.map(|member| PrimitiveError::Missing { member: member.to_owned() }),
            "{op}"
        );
    }
}

#[test]
fn an_answer_repeats_identifier_and_release() {
    let mut request = Request::new(Operation::Retrieve, "-", "r1");
    request.rvi = Some("2a".to_owned());
    let response = Response::refuse(ResponseStatusCode::OriginatorNotAuthenticated, &request, "not you");
    assert_eq!(
        response.to_value(),
        json!({"rsc": 4106, "rqi": "r1", "rvi": "2a", "pc": {"m2m:dbg": "not you"}})
    );
    assert_eq!(response.debug_info(), Some("not you"));
    let response = Response::new(ResponseStatusCode::Ok, &request);
    assert_eq!((response.pc.as_ref(), response.debug_info()), (None, None));
}

#[test]
fn tokens_stay_out_of_logs() {
    let mut request = Request::new(Operation::Retrieve, "-", "r1");
    request.tkns = Some(vec![AccessToken::new("header.claims.signature")]);
    assert!(!format!("{request:?}").contains("claims"));
    assert!(request.to_json().contains("claims"));
}
