//! Requests and answers on an association.

use net::{EndReason, Limits, NetError};
use onem2m::status::ResponseStatusCode;

use crate::stage::{LIGHT, SOON, Stage, credential_id, get, patient, request};

#[tokio::test]
async fn one_association_carries_many_requests() {
    let mut stage = Stage::open(Limits { header_deadline: SOON, ..patient() });
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    for number in 0..50 {
        let mut request = request("/in-cse/server");
        request.rqi = format!("r{number}");
        let answer = light.request(&request).await.unwrap();
        assert_eq!(answer.rsc, ResponseStatusCode::Ok);
        assert_eq!(answer.rqi, request.rqi);
    }
    light.close().await;
    let end = stage.end().await;
    assert_eq!((end.reason, end.requests), (EndReason::PeerClosed, 50));
    assert_eq!(end.credential_id, Some(credential_id(LIGHT)));
}

/// Requests that come in one go, the last of them in two halves, are answered one by one and in order.
#[tokio::test]
async fn requests_may_be_cut_anywhere() {
    let mut stage = Stage::open(patient());
    for cut in [1, 20, 70] {
        let mut raw = stage.raw(LIGHT).await;
        let (third, rest) = (get("/in-cse", "r3"), get("/in-cse", "r4"));
        raw.say(&format!("{}{}{}", get("/in-cse", "r1"), get("/in-cse", "r2"), &third[..cut])).await;
        for rqi in ["r1", "r2"] {
            let head = raw.hear("\r\n\r\n").await;
            assert!(head.contains(&format!("x-m2m-ri: {rqi}\r\n")), "{head}");
            raw.hear("}").await;
        }
        raw.say(&third[cut..]).await;
        assert!(raw.hear("\r\n\r\n").await.contains("x-m2m-ri: r3\r\n"));
        raw.hear("}").await;
        for octet in rest.chars() {
            raw.say(&octet.to_string()).await;
        }
        assert!(raw.hear("\r\n\r\n").await.contains("x-m2m-ri: r4\r\n"));
        raw.hear("}").await;
        raw.association.close();
        raw.flush().await;
        assert!(raw.hear_out().await.1.is_ok());
        assert_eq!(stage.end().await.requests, 4);
    }
}

#[tokio::test]
async fn a_client_that_wants_to_close_is_closed() {
    let mut stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    raw.say(&get("/in-cse", "r1").replace("Host: x", "Host: x\r\nConnection: close")).await;
    let (answer, end) = raw.hear_out().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    end.unwrap();
    assert_eq!(stage.end().await.reason, EndReason::PeerClosed);
}

#[tokio::test]
async fn a_last_request_may_come_with_others() {
    let mut stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    let last = get("/in-cse", "r2").replace("Host: x", "Host: x\r\nConnection: TE, Close");
    raw.say(&format!("{}{last}", get("/in-cse", "r1"))).await;
    let (answers, end) = raw.hear_out().await;
    assert!(answers.contains("x-m2m-ri: r1\r\n") && answers.contains("x-m2m-ri: r2\r\n"), "{answers}");
    end.unwrap();
    assert_eq!(stage.end().await.requests, 2);
}

#[tokio::test]
async fn a_last_answer_that_is_long_comes_whole() {
    let stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    raw.say(&get("/much", "r1").replace("Host: x", "Host: x\r\nConnection: close")).await;
    let (answer, end) = raw.hear_out().await;
    assert!(answer.len() > 32 << 20 && answer.ends_with('}'), "{} octets", answer.len());
    end.unwrap();
}

#[tokio::test]
async fn a_client_may_say_that_a_request_is_its_last() {
    let mut stage = Stage::open(patient());
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    light.request(&request("/in-cse")).await.unwrap();
    let answer = light.last_request(&request("/in-cse/server")).await.unwrap();
    assert_eq!(answer.rsc, ResponseStatusCode::Ok);
    let end = stage.end().await;
    assert_eq!((end.reason, end.requests), (EndReason::PeerClosed, 2));
}

#[tokio::test]
async fn a_malformed_request_is_answered_and_the_association_goes_on() {
    let stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    raw.say("PATCH /in-cse HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r1\r\nContent-Length: 3\r\n\r\nabc").await;
    let head = raw.hear("\r\n\r\n").await;
    assert!(head.contains("x-m2m-rsc: 4005\r\n") && head.contains("x-m2m-ri: r1\r\n"), "{head}");
    raw.hear("}").await;
    raw.say(&get("/in-cse", "r2")).await;
    assert!(raw.hear("\r\n\r\n").await.starts_with("HTTP/1.1 200"));
    assert_eq!(stage.handler.entered.available_permits(), 1);
}

#[tokio::test]
async fn too_large_a_body_is_refused_plainly() {
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let bodies = [
        format!("Content-Length: 2000\r\n\r\n{}", "x".repeat(2000)),
        "Content-Length: 99999999999\r\n\r\n".to_owned(),
        format!("Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}{chunk}"),
    ];
    for body in bodies {
        let mut stage = Stage::open(Limits { max_body: 1999, ..patient() });
        let mut raw = stage.raw(LIGHT).await;
        raw.say(&format!(
            "POST /in-cse HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: C\r\nX-M2M-RI: r9\r\nX-M2M-RVI: 3\r\n\
             Content-Type: application/json;ty=2\r\n{body}"
        ))
        .await;
        let (answer, end) = raw.hear_out().await;
        assert!(answer.starts_with("HTTP/1.1 413 Payload Too Large\r\n"), "{answer}");
        assert!(answer.contains("x-m2m-rsc: 4000\r\n") && answer.contains("x-m2m-ri: r9\r\n"), "{answer}");
        assert!(answer.contains("the body has more than 1999 octets"), "{answer}");
        end.unwrap();
        drop(raw);
        assert_eq!(stage.end().await.reason, EndReason::BadRequest);
        assert_eq!(stage.handler.entered.available_permits(), 0, "nothing was processed");
    }
}

/// A connection that is closed on octets which nobody reads is reset, and the answer may be lost with it.
#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    raw.say("POST /in-cse HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r9\r\nContent-Length: 900000\r\n\r\n").await;
    assert!(raw.hear("\r\n\r\n").await.starts_with("HTTP/1.1 413 "));
    for _ in 0..90 {
        raw.say(&"x".repeat(10_000)).await;
        tokio::task::yield_now().await;
    }
    raw.hear_out().await.1.unwrap();
}

#[tokio::test]
async fn a_body_at_the_limit_is_taken() {
    let stage = Stage::open(Limits { max_body: 100, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    let body = format!("{{\"m2m:ae\":{{\"api\":\"{}\"}}}}", "x".repeat(100 - 21));
    assert_eq!(body.len(), 100);
    raw.say(&format!(
        "POST /in-cse HTTP/1.1\r\nHost: x\r\nX-M2M-Origin: C\r\nX-M2M-RI: r9\r\nX-M2M-RVI: 3\r\n\
         Content-Type: application/json;ty=2\r\nContent-Length: 100\r\n\r\n{body}"
    ))
    .await;
    assert!(raw.hear("\r\n\r\n").await.contains("x-m2m-rsc: 2000\r\n"));
}

#[tokio::test]
async fn too_large_a_header_is_refused() {
    let mut stage = Stage::open(patient());
    let mut raw = stage.raw(LIGHT).await;
    let filler = format!("X-Filler: {}\r\n", "x".repeat(20_000));
    raw.say(&get("/in-cse", "r1").replace("Host", &format!("{filler}Host"))).await;
    let (answer, _) = raw.hear_out().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    drop(raw);
    assert_eq!(stage.end().await.reason, EndReason::BadRequest);
    assert_eq!(stage.handler.entered.available_permits(), 0);
}

#[tokio::test]
async fn a_request_that_does_not_get_on_is_ended() {
    let mut stage = Stage::open(Limits { header_deadline: SOON, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    raw.say("GET /in-cse HT").await;
    assert_eq!(stage.end().await.reason, EndReason::Stalled);
    raw.hear_out().await.1.unwrap();

    let mut stage = Stage::open(Limits { body_deadline: SOON, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    raw.say("PUT /in-cse HTTP/1.1\r\nHost: x\r\nX-M2M-RI: r1\r\nContent-Length: 30\r\n\r\nabc").await;
    let (answer, end) = raw.hear_out().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    end.unwrap();
    drop(raw);
    assert_eq!(stage.end().await.reason, EndReason::BadRequest);
}

#[tokio::test]
async fn a_client_that_does_not_receive_is_ended() {
    let mut stage = Stage::open(Limits { send_deadline: SOON, ..patient() });
    let mut raw = stage.raw(LIGHT).await;
    raw.say(&get("/much", "r1")).await;
    let end = stage.end().await;
    assert_eq!(end.reason, EndReason::Stalled);
    drop(raw);
}

#[tokio::test]
async fn an_answer_over_the_client_s_limit_is_an_error() {
    let stage = Stage::open(patient());
    let mut light = stage.connect(LIGHT, 7).await.unwrap();
    let error = light.request(&request("/much")).await.unwrap_err();
    assert!(matches!(error, NetError::TooLong { limit: 1_048_576, .. }), "{error}");
}
