//! The HTTP binding from outside: known messages both ways, and each refusal by its code (TS-0009).
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

#[path = "../../onem2m/tests/any/mod.rs"]
mod any;

use binding::http::{
    Fault, HttpError, Serialization, request_from_http, request_from_http_under, request_to_http,
    request_to_http_under, response_from_http, response_to_http,
};
use http::{HeaderValue, Method, request, response};
use onem2m::primitive::{
    AccessToken, AttributeCondition, FilterCriteria, LocalTokenAssignments, Operation, Request, Response,
    ResponseType, ResponseTypeInfo, ResultContent,
};
use onem2m::status::ResponseStatusCode as R;
use proptest::prelude::*;
use serde_json::json;

const AE: &str = r#"{"m2m:ae":{"api":"Nlight.example","poa":["https://192.0.2.11:8443"],"rn":"light_ae1","rr":true,"srv":["3"]}}"#;

fn head(method: Method, target: &str, headers: &[(&str, &str)]) -> request::Parts {
    let mut message = http::Request::builder().method(method).uri(target);
    for (name, value) in headers {
        message = message.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    message.body(()).unwrap().into_parts().0
}

/// The head of a message that is fine except for what `more` adds.
fn usual(method: Method, target: &str, more: &[(&str, &str)]) -> request::Parts {
    let headers: Vec<_> = [("X-M2M-Origin", "C1"), ("X-M2M-RI", "r1"), ("X-M2M-RVI", "3")]
        .iter()
        .chain(more)
        .copied()
        .collect();
    head(method, target, &headers)
}

fn refused(head: &request::Parts, body: &str) -> HttpError {
    request_from_http(head, body.as_bytes()).unwrap_err()
}

proptest! {
    #[test]
    fn requests_survive_http(request in any::request()) {
        let (head, body) = request_to_http(&request, "gw.example.org:8443").unwrap().into_parts();
        prop_assert_eq!(request_from_http(&head, &body).unwrap(), request);
    }

    #[test]
    fn requests_survive_a_base_path(request in any::request()) {
        let (head, body) = request_to_http_under(&request, "gw.example.org", "/base/path").unwrap().into_parts();
        prop_assert!(head.uri.path().starts_with("/base/path/"));
        prop_assert_eq!(request_from_http_under(&head, &body, "/base/path").unwrap(), request);
    }

    #[test]
    fn responses_survive_http(response in any::response(), vendor in any::<bool>()) {
        let serialization = if vendor { Serialization::VendorJson } else { Serialization::Json };
        let (head, body) = response_to_http(&response, serialization).into_parts();
        prop_assert_eq!(response_from_http(&head, &body).unwrap(), response);
    }
}

fn registration() -> Request {
    let mut request = Request::new(Operation::Create, "/mn-cse-123456/mn-name", "reg-0001");
    request.fr = Some("Clight1".to_owned());
    request.ty = Some(2);
    request.rvi = Some("3".to_owned());
    request.rcn = Some(ResultContent::Attributes);
    request.pc = Some(serde_json::from_str(AE).unwrap());
    request
}

#[test]
fn a_registration_is_read() {
    let head = head(
        Method::POST,
        "/~/mn-cse-123456/mn-name?rcn=1",
        &[
            ("Host", "gw.example.org:8443"),
            ("x-m2m-ORIGIN", "Clight1"),
            ("X-M2M-RI", "reg-0001"),
            ("X-M2M-RVI", "3"),
            ("Content-Type", "application/json;ty=2"),
            ("Accept", "application/json"),
            ("X-Unknown", "ignored"),
            ("X-Unknown", "twice"),
        ],
    );
    assert_eq!(request_from_http(&head, AE.as_bytes()).unwrap(), registration());
}

#[test]
fn a_registration_is_written() {
    let message = request_to_http(&registration(), "gw.example.org:8443").unwrap();
    assert_eq!(message.method(), Method::POST);
    assert_eq!(message.uri(), "/~/mn-cse-123456/mn-name?rcn=1");
    for (name, value) in [
        ("host", "gw.example.org:8443"),
        ("x-m2m-origin", "Clight1"),
        ("x-m2m-ri", "reg-0001"),
        ("x-m2m-rvi", "3"),
        ("content-type", "application/json;ty=2"),
        ("accept", "application/json"),
        ("content-length", "108"),
    ] {
        assert_eq!(message.headers()[name], value, "{name}");
    }
    assert_eq!(message.headers().len(), 7);
    assert_eq!(message.body(), AE);
}

#[test]
fn a_created_resource_is_answered() {
    let mut response = Response::new(R::Created, &registration());
    response.pc = Some(json!({"m2m:rce": {"uri": "mn-name/light_ae1", "m2m:ae": {"ri": "Clight1"}}}));
    let message = response_to_http(&response, Serialization::Json);
    assert_eq!(message.status(), 201);
    for (name, value) in [
        ("x-m2m-rsc", "2001"),
        ("x-m2m-ri", "reg-0001"),
        ("x-m2m-rvi", "3"),
        ("content-type", "application/json"),
        ("content-location", "/mn-name/light_ae1"),
        ("content-length", "65"),
    ] {
        assert_eq!(message.headers()[name], value, "{name}");
    }
    assert_eq!(message.headers().len(), 6);
    let (head, body) = message.into_parts();
    assert_eq!(response_from_http(&head, &body).unwrap(), response);
}

#[test]
fn operations() {
    let body = r#"{"m2m:sgn":{}}"#;
    let json = [("Content-Type", "application/json")];
    for (method, more, body, op) in [
        (Method::GET, &[][..], "", Operation::Retrieve),
        (Method::DELETE, &[], "", Operation::Delete),
        (Method::PUT, &json, r#"{"m2m:ae":{}}"#, Operation::Update),
        (Method::POST, &json, body, Operation::Notify),
        (Method::POST, &[("Content-Type", "application/vnd.onem2m-ntfy+json")], body, Operation::Notify),
        (
            Method::POST,
            &[("Content-Type", "application/vnd.onem2m-res+json; ty=3")],
            r#"{"m2m:cnt":{}}"#,
            Operation::Create,
        ),
        (Method::POST, &[("Content-Type", "application/json;ty=3")], "", Operation::Create),
        (Method::POST, &[], "", Operation::Notify),
    ] {
        let request = request_from_http(&usual(method, "/-", more), body.as_bytes()).unwrap();
        assert_eq!((request.op, request.pc.is_some()), (op, !body.is_empty()));
    }
    // A Resource Type where no resource is created is carried over, for the receiver to refuse.
    let request =
        request_from_http(&usual(Method::GET, "/-", &[("Content-Type", "application/json;ty=2")]), b"")
            .unwrap();
    assert_eq!((request.op, request.ty), (Operation::Retrieve, Some(2)));
    assert!(request.check_presence().is_err());
}

#[test]
fn unknown_methods_are_4005() {
    for method in ["PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "get", "BREW"] {
        let error = refused(&usual(Method::from_bytes(method.as_bytes()).unwrap(), "/-", &[]), "");
        assert_eq!((error.rsc(), error.rqi()), (R::OperationNotAllowed, Some("r1")), "{method}");
        let answer = error.to_http();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["allow"]),
            (405, &HeaderValue::from_static("GET, POST, PUT, DELETE"))
        );
    }
}

#[test]
fn an_absent_or_empty_originator_is_none() {
    for headers in [
        &[("X-M2M-RI", "1")][..],
        &[("X-M2M-RI", "1"), ("X-M2M-Origin", "")],
        &[("X-M2M-RI", "1"), ("X-M2M-Origin", "  ")],
    ] {
        assert_eq!(request_from_http(&head(Method::GET, "/-", headers), b"").unwrap().fr, None);
    }
}

/// One reader could take the first, another the last: whose request is it?
#[test]
fn two_originators_or_identifiers_are_4000() {
    for (name, first, second, echoed) in [
        ("X-M2M-Origin", "C1", "C2", Some("r1")),
        ("X-M2M-Origin", "C1", "C1", Some("r1")),
        ("X-M2M-Origin", "C1", "", Some("r1")),
        ("x-m2m-origin", "", "C2", Some("r1")),
        ("X-M2M-RVI", "2", "3", Some("r1")),
        ("X-M2M-GID", "a", "b", Some("r1")),
        ("Content-Type", "application/json", "application/json;ty=2", Some("r1")),
        ("Authorization", "a.b.c", "d.e.f", Some("r1")),
        ("Proxy-Authorization", "Bearer a", "Bearer a", Some("r1")),
        ("X-M2M-RTU", "a", "b", Some("r1")),
    ] {
        let error =
            refused(&head(Method::GET, "/-", &[("X-M2M-RI", "r1"), (name, first), (name, second)]), "");
        assert_eq!((error.rsc(), error.rqi()), (R::BadRequest, echoed), "{name}");
        assert!(matches!(error.fault(), Fault::RepeatedHeader(_)), "{name}");
    }
    // Neither of two identifiers is repeated in the answer.
    let error = refused(&head(Method::GET, "/-", &[("X-M2M-RI", "r1"), ("X-M2M-RI", "r2")]), "");
    assert_eq!(
        (error.rsc(), error.rqi(), error.to_string().as_str()),
        (R::BadRequest, None, "header X-M2M-RI occurs more than once")
    );
    assert!(!error.to_http().headers().contains_key("x-m2m-ri"));
}

#[test]
fn bad_headers_are_4000() {
    for (name, value) in [
        ("X-M2M-Origin", "Cä"),
        ("X-M2M-Origin", "C\t1"),
        ("X-M2M-RVI", "three"),
        ("X-M2M-OT", "yesterday"),
        ("X-M2M-OT", "5000"),
        ("X-M2M-RET", "soon"),
        ("X-M2M-RST", "1.5"),
        ("X-M2M-OET", "2025-01-01"),
        ("X-M2M-EC", "1"),
        ("X-M2M-EC", "1000"),
        ("X-M2M-EC", "-2"),
        ("X-M2M-RTU", "/cse/Cx"),
        ("X-M2M-AS", "not base64!"),
        ("X-M2M-AS", "a++b"),
        ("Authorization", "no-token"),
        ("Authorization", "a.b.c+"),
        ("Authorization", "a.b.c.d"),
        ("Content-Type", "json"),
        ("Content-Type", "application/json;ty=x"),
        ("Content-Type", "application/json;ty=2;ty=3"),
        ("Accept", "application/jsön"),
        ("X-M2M-GID", &"g".repeat(256)),
    ] {
        let error = refused(&head(Method::GET, "/-", &[("X-M2M-RI", "r1"), (name, value)]), "");
        assert_eq!((error.rsc(), error.rqi()), (R::BadRequest, Some("r1")), "{name}: {value}");
    }
    for headers in [&[][..], &[("X-M2M-RI", "")], &[("X-M2M-RI", "ä")], &[("X-M2M-RI", &"r".repeat(256))]] {
        let error = refused(&head(Method::GET, "/-", headers), "");
        assert_eq!((error.rsc(), error.rqi()), (R::BadRequest, None));
    }
}

#[test]
fn bad_targets_are_4000() {
    for target in [
        "/",
        "//",
        "/a//b",
        "/a/",
        "/a/../b",
        "/a/%2e%2e/b",
        "/%2E/b",
        "/a%2Fb",
        "/a%5Cb",
        "/a%23rr",
        "/a%00",
        "/~",
        "/~/",
        "/_/sp.org",
        "/a?foo=1",
        "/a?rcn=1&rcn=2",
        "/a?rcn",
        "/a?rcn=99",
        "/a?&",
        "/a?fr=C2",
        "/a?op=4",
        "/a?et=20250101T000000",
        "/a?m2m:rn=x",
    ] {
        let error = refused(&usual(Method::GET, target, &[]), "");
        assert_eq!((error.rsc(), error.rqi()), (R::BadRequest, Some("r1")), "{target}");
    }
    let error = refused(&usual(Method::DELETE, "/a?atrl=rr", &[]), "");
    assert_eq!(error.to_string(), "query field atrl: belongs to a RETRIEVE only (TS-0009 §6.2.2.2)");
    // In absolute form the next hop is named in front of the path.
    let request = request_from_http(&usual(Method::GET, "http://gw.example.org/~/cse/x", &[]), b"").unwrap();
    assert_eq!(request.to, "/cse/x");
}

#[test]
fn bad_bodies() {
    let of = |kind| usual(Method::PUT, "/a", &[("Content-Type", kind)]);
    for (head, body, rsc) in [
        (of("application/xml"), "<a/>", R::UnsupportedMediaType),
        (of("application/cbor"), "{}", R::UnsupportedMediaType),
        (of("application/json;charset=utf-16"), "{}", R::UnsupportedMediaType),
        (of("application/vnd.onem2m-preq+json"), "{}", R::UnsupportedMediaType),
        (of("application/vnd.onem2m-ntfy+json"), r#"{"m2m:sgn":{}}"#, R::BadRequest),
        (of("application/json"), "", R::Ok),
        (of("application/json"), "{}", R::BadRequest),
        (of("application/json"), " ", R::BadRequest),
        (of("application/json"), r#"{"a":1,"b":2}"#, R::BadRequest),
        (of("application/json"), r#"{"a":1,"a":2}"#, R::BadRequest),
        (of("application/json"), r#"{"a":{"b":1,"b":2}}"#, R::BadRequest),
        (of("application/json"), r#"{"a":1} x"#, R::BadRequest),
        (of("application/json"), "\"text\"", R::BadRequest),
        (usual(Method::PUT, "/a", &[]), r#"{"m2m:ae":{}}"#, R::BadRequest),
        (
            usual(Method::GET, "/a", &[("Content-Type", "application/json")]),
            r#"{"m2m:ae":{}}"#,
            R::BadRequest,
        ),
        (
            usual(Method::DELETE, "/a", &[("Content-Type", "application/json")]),
            r#"{"m2m:ae":{}}"#,
            R::BadRequest,
        ),
        (
            usual(Method::POST, "/a", &[("Content-Type", "application/vnd.onem2m-res+json")]),
            r#"{"m2m:ae":{}}"#,
            R::BadRequest,
        ),
        (
            usual(Method::POST, "/a", &[("Content-Type", "application/vnd.onem2m-ntfy+json;ty=2")]),
            r#"{"m2m:sgn":{}}"#,
            R::BadRequest,
        ),
    ] {
        match request_from_http(&head, body.as_bytes()) {
            Ok(_) => assert_eq!(rsc, R::Ok, "{body}"),
            Err(error) => assert_eq!((error.rsc(), error.rqi()), (rsc, Some("r1")), "{body}"),
        }
    }
}

#[test]
fn an_originator_that_accepts_no_json_gets_5207() {
    let error = refused(&usual(Method::GET, "/-", &[("Accept", "application/xml")]), "");
    assert_eq!(error.rsc(), R::NotAcceptable);
    let answer = error.to_http();
    assert_eq!(answer.status(), 406);
    assert_eq!(
        (&answer.headers()["x-m2m-rsc"], &answer.headers()["x-m2m-ri"]),
        (&HeaderValue::from(5207), &HeaderValue::from_static("r1"))
    );
}

#[test]
fn authorization() {
    let read = |value| request_from_http(&usual(Method::GET, "/-", &[("Authorization", value)]), b"");
    let tokens = read("a.b.c+ d.e.f.g.h").unwrap().tkns.unwrap();
    assert_eq!(tokens.iter().map(AccessToken::expose).collect::<Vec<_>>(), ["a.b.c", "d.e.f.g.h"]);
    for scheme in ["Bearer abc", "Basic dXNlcjpwYXNz", "Bearer a.b.c"] {
        assert_eq!(read(scheme).unwrap_err().rsc(), R::NotImplemented, "{scheme}");
    }
    let mut request = Request::new(Operation::Retrieve, "-", "1");
    request.tkns = Some(tokens);
    let message = request_to_http(&request, "a").unwrap();
    assert!(message.headers()["authorization"].is_sensitive());
}

/// TS-0009 §7.1: for the registrar that the message reaches, and no further.
#[test]
fn proxy_authorization() {
    let read = |value| request_from_http(&usual(Method::GET, "/-", &[("Proxy-Authorization", value)]), b"");
    for value in ["Bearer c2VjcmV0", "bearer c2VjcmV0", "BEARER   c2VjcmV0"] {
        let request = read(value).unwrap();
        assert_eq!(
            request.registrar_credential.as_ref().map(AccessToken::expose),
            Some("c2VjcmV0"),
            "{value}"
        );
        assert!(!format!("{request:?}{}", request.to_json()).contains("c2VjcmV0"));
        let message = request_to_http(&request, "a").unwrap();
        assert!(
            !format!("{message:?}").contains("c2VjcmV0")
                && !message.headers().contains_key("proxy-authorization")
        );
        assert_eq!((request.tkns, request.pc), (None, None));
    }
    assert_eq!(read("").unwrap().registrar_credential, None);
    for scheme in ["Basic dXNlcjpwYXNz", "c2VjcmV0", "Bearerc2VjcmV0"] {
        let error = read(scheme).unwrap_err();
        assert_eq!(error.rsc(), R::NotImplemented, "{scheme}");
        assert!(!error.to_string().contains("c2V") && !error.to_string().contains("dXN"));
    }
    let error = read("Bearer").unwrap_err();
    assert_eq!(
        (error.rsc(), error.to_string().as_str()),
        (R::BadRequest, "header Proxy-Authorization must be Bearer and a token")
    );
}

#[test]
fn the_answer_to_a_bad_request_says_why() {
    let error = refused(&usual(Method::GET, "/a?rcn=99", &[]), "");
    let answer = error.to_http();
    assert_eq!(answer.status(), 400);
    let (head, body) = answer.into_parts();
    let response = response_from_http(&head, &body).unwrap();
    assert_eq!(
        (response.rsc, response.rqi.as_str(), response.rvi.as_deref()),
        (R::BadRequest, "r1", Some("3"))
    );
    assert_eq!(
        response.debug_info(),
        Some("query field rcn: must be one of the numbers defined (TS-0009 §6.2.2.2)")
    );
}

#[test]
fn notifications_go_to_the_path_of_the_point_of_access() {
    let mut notification = Request::new(Operation::Notify, "", "n1");
    notification.fr = Some("/in-cse".to_owned());
    notification.pc = Some(json!({"m2m:sgn": {"sur": "/in-cse/sub1"}}));
    let message = request_to_http_under(&notification, "192.0.2.11:8443", "/x").unwrap();
    assert_eq!((message.method(), message.uri().to_string().as_str()), (&Method::POST, "/x"));
    assert_eq!(message.headers()["content-type"], "application/json");
    let (head, body) = message.into_parts();
    assert_eq!(request_from_http_under(&head, &body, "/x").unwrap(), notification);
    assert!(request_from_http_under(&head, &body, "/y").is_err());
    assert!(request_to_http(&notification, "192.0.2.11:8443").is_err());
}

#[test]
fn partial_retrieve() {
    let mut request = Request::new(Operation::Retrieve, "-/a#rr", "1");
    assert_eq!(request_to_http(&request, "h").unwrap().uri(), "/-/a?atrl=rr");
    request.to = "-/a".to_owned();
    request.pc = Some(json!({"m2m:atrl": ["ri", "lbl", "rr"]}));
    assert_eq!(request_to_http(&request, "h").unwrap().uri(), "/-/a?atrl=ri+lbl+rr");
    request.pc = Some(json!({"m2m:atrl": ["rr"]}));
    let (head, body) = request_to_http(&request, "h").unwrap().into_parts();
    let read = request_from_http(&head, &body).unwrap();
    assert_eq!((read.to.as_str(), read.pc), ("-/a#rr", None));
}

#[test]
fn what_http_cannot_carry_is_not_written() {
    let request = |op| Request::new(op, "-", "1");
    let retrieve = |change: &dyn Fn(&mut Request)| {
        let mut request = request(Operation::Retrieve);
        change(&mut request);
        request
    };
    let filter = |nm: &str, val| FilterCriteria {
        atr: Some(vec![AttributeCondition { nm: nm.to_owned(), val }]),
        ..FilterCriteria::default()
    };
    for (name, request) in [
        ("no ty", request(Operation::Create)),
        ("no content", request(Operation::Update)),
        ("no address", Request::new(Operation::Retrieve, "", "1")),
        ("no request identifier", Request::new(Operation::Retrieve, "-", "")),
        ("attribute of a deletion", Request::new(Operation::Delete, "-#rr", "1")),
        ("content", retrieve(&|request| request.pc = Some(json!({"m2m:ae": {}})))),
        (
            "two attributes",
            retrieve(&|request| {
                (request.to, request.pc) = ("-#rr".to_owned(), Some(json!({"m2m:atrl": ["ri"]})));
            }),
        ),
        ("request identifier", retrieve(&|request| request.rqi = "ä".to_owned())),
        ("originator", retrieve(&|request| request.fr = Some("C1\r\nX-M2M-Origin: C2".to_owned()))),
        ("vendor information", retrieve(&|request| request.vsi = Some("ä".to_owned()))),
        ("role", retrieve(&|request| request.rids = Some(vec![]))),
        (
            "label",
            retrieve(&|request| {
                request.fc =
                    Some(FilterCriteria { lbl: Some(vec![String::new()]), ..FilterCriteria::default() });
            }),
        ),
        ("no condition", retrieve(&|request| request.fc = Some(FilterCriteria::default()))),
        ("unknown attribute", retrieve(&|request| request.fc = Some(filter("xyz", json!("a"))))),
        ("parameter as attribute", retrieve(&|request| request.fc = Some(filter("rids", json!("a"))))),
        ("structured value", retrieve(&|request| request.fc = Some(filter("rn", json!(["a"]))))),
        (
            "target",
            retrieve(&|request| {
                let nu = Some(vec!["http://a?b&c".to_owned()]);
                request.rt =
                    Some(ResponseTypeInfo { nu, ..ResponseTypeInfo::new(ResponseType::NonBlockingAsynch) });
            }),
        ),
    ] {
        assert!(request_to_http(&request, "h").is_err(), "{name}");
    }
    for authority in ["", "user@host", "host/path", "ho st", "host:x:y", "host\r\nA: b"] {
        assert!(request_to_http(&request(Operation::Retrieve), authority).is_err(), "{authority}");
    }
    for base in ["x", "/a b", "/a?b=1", "/a#b"] {
        assert!(request_to_http_under(&request(Operation::Retrieve), "h", base).is_err(), "{base}");
    }
}

fn answer(status: u16, headers: &[(&str, &str)]) -> response::Parts {
    let mut message = http::Response::builder().status(status);
    for (name, value) in headers {
        message = message.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    message.body(()).unwrap().into_parts().0
}

#[test]
fn the_code_of_an_answer() {
    let read = |status, headers: &[(&str, &str)]| {
        response_from_http(&answer(status, headers), b"").map(|response| response.rsc)
    };
    let ri = ("X-M2M-RI", "1");
    // The header decides, whatever the status says.
    assert_eq!(read(403, &[ri, ("X-M2M-RSC", "4106")]).unwrap(), R::OriginatorNotAuthenticated);
    assert_eq!(read(200, &[ri, ("X-M2M-RSC", "4106")]).unwrap(), R::OriginatorNotAuthenticated);
    assert_eq!(read(404, &[ri]).unwrap(), R::NotFound);
    for (status, headers) in [
        (502, &[][..]),
        (200, &[]),
        (418, &[ri]),
        (200, &[("X-M2M-RSC", "2000")]),
        (200, &[ri, ("X-M2M-RSC", "2000"), ("X-M2M-RSC", "4000")]),
        (200, &[ri, ri, ("X-M2M-RSC", "2000")]),
        (200, &[ri, ("X-M2M-RSC", "9999")]),
        (200, &[ri, ("X-M2M-RSC", "+200")]),
        (200, &[ri, ("X-M2M-RSC", "OK")]),
        (200, &[ri, ("X-M2M-RSC", "2000"), ("X-M2M-CTS", "3")]),
        (200, &[ri, ("X-M2M-RSC", "2000"), ("X-M2M-CTO", "0")]),
        (200, &[ri, ("X-M2M-RSC", "2000"), ("X-M2M-ATI", "a")]),
        (200, &[ri, ("X-M2M-RSC", "2000"), ("X-M2M-ASRI", "1")]),
    ] {
        assert!(read(status, headers).is_err(), "{status} {headers:?}");
    }
    let error = response_from_http(&answer(502, &[("Content-Type", "text/html")]), b"<html>").unwrap_err();
    assert_eq!(error.fault(), &Fault::NotOneM2m(502));
}

#[test]
fn token_request_information_is_the_body() {
    let text = br#"{"tqf":{"dasi":[]}}"#;
    let head = answer(403, &[("X-M2M-RSC", "4103"), ("X-M2M-RI", "1"), ("Content-Type", "application/json")]);
    let mut response = response_from_http(&head, text).unwrap();
    assert_eq!(response.tqf, Some(json!({"dasi": []})));
    // Debugging information must not stand beside it (TS-0009 §6.5).
    response = response.with_debug_info("secret");
    let message = response_to_http(&response, Serialization::VendorJson);
    assert_eq!(message.body(), r#"{"m2m:tqf":{"dasi":[]}}"#);
    assert_eq!(message.headers()["content-type"], "application/vnd.onem2m-res+json");
}

#[test]
fn an_answer_that_does_not_fit_becomes_5000() {
    let mut response = Response::with_rqi(R::Ok, "r1");
    response.vsi = Some("ä".to_owned());
    let message = response_to_http(&response, Serialization::Json);
    assert_eq!(message.status(), 500);
    assert_eq!(
        (&message.headers()["x-m2m-rsc"], &message.headers()["x-m2m-ri"]),
        (&HeaderValue::from(5000), &HeaderValue::from_static("r1"))
    );
    let message = response_to_http(&Response::with_rqi(R::Ok, "ä"), Serialization::Json);
    assert_eq!((message.status().as_u16(), message.headers().len()), (500, 1));
    response = Response::with_rqi(R::Ok, "r1");
    response.ati = Some(LocalTokenAssignments::new(vec![]));
    assert_eq!(response_to_http(&response, Serialization::Json).status(), 500);
}
