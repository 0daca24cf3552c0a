//! What holds for all HTTP messages that are mapped to primitives. Run by the fuzzer, and on the seeds by the
//! tests of `binding`.

use binding::http::{
    Fault, Serialization, request_from_http, request_to_http, response_from_http, response_serialization,
    response_to_http,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use onem2m::primitive::Request;

/// Reads `data` as a message: a first line that is `method target` or a status, headers, an empty line, the
/// body; lines end with LF. What can be mapped can be mapped back and again, unchanged; what cannot is
/// answered.
pub(crate) fn check(data: &[u8]) {
    let Some((head, body)) = split(data) else { return };
    let mut lines = head.split(|octet| *octet == b'\n');
    let Some(first) = lines.next() else { return };
    let Some(headers) = lines.map(header).collect::<Option<HeaderMap>>() else { return };
    let Ok(first) = std::str::from_utf8(first) else { return };
    match first.split_once(' ') {
        Some((method, target)) => {
            let (Ok(method), Ok(uri)) = (method.parse::<Method>(), target.parse::<Uri>()) else { return };
            request(method, uri, headers, body);
        }
        None => {
            let Ok(status) = first.parse::<StatusCode>() else { return };
            response(status, headers, body);
        }
    }
}

fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.windows(2).position(|pair| pair == b"\n\n")?;
    Some((data.get(..at)?, data.get(at + 2..)?))
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|octet| *octet == b':')?;
    let name = HeaderName::from_bytes(line.get(..at)?).ok()?;
    Some((name, HeaderValue::from_bytes(line.get(at + 1..)?.trim_ascii()).ok()?))
}

fn request(method: Method, uri: Uri, headers: HeaderMap, body: &[u8]) {
    let _serialization = response_serialization(&headers);
    let mut message = http::Request::new(());
    *message.method_mut() = method;
    *message.uri_mut() = uri;
    *message.headers_mut() = headers;
    let (head, ()) = message.into_parts();
    match request_from_http(&head, body) {
        Ok(request) => {
            request.check_forms().expect("a request that was read has the right forms");
            if request.check_presence().is_err() {
                return;
            }
            let again = request_to_http(&request, "next.example:8080")
                .expect("a request that was read can be written");
            let (head, body) = again.into_parts();
            let again = request_from_http(&head, &body).expect("a request that was written can be read");
            // What the registrar is to check does not go on.
            assert_eq!(again, Request { registrar_credential: None, ..request });
        }
        Err(error) => {
            let answer = error.to_http();
            assert!(answer.status().is_client_error() || answer.status().is_server_error());
            assert_eq!(answer.headers().get("x-m2m-rsc"), Some(&HeaderValue::from(error.rsc().code())));
            assert_eq!(
                answer.headers().get("x-m2m-ri").map(HeaderValue::as_bytes),
                error.rqi().map(str::as_bytes)
            );
            if error.rqi().is_some() {
                let (head, body) = answer.into_parts();
                assert_eq!(response_from_http(&head, &body).expect("an answer can be read").rsc, error.rsc());
            }
        }
    }
}

fn response(status: StatusCode, headers: HeaderMap, body: &[u8]) {
    let mut message = http::Response::new(());
    *message.status_mut() = status;
    *message.headers_mut() = headers;
    let (head, ()) = message.into_parts();
    match response_from_http(&head, body) {
        Ok(response) => {
            let (head, body) = response_to_http(&response, Serialization::Json).into_parts();
            assert_eq!(
                response_from_http(&head, &body).expect("a response that was written can be read"),
                response
            );
        }
        Err(error) => assert!(!matches!(error.fault(), Fault::Method | Fault::Unwritable { .. })),
    }
}
