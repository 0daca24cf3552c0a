//! What holds for all bytes that are read as JSON primitives. Run by the fuzzer, and on the seeds by the
//! tests of `onem2m`.

use onem2m::json;
use onem2m::primitive::{Request, Response};

/// Reads `data` as JSON, as a request and as a response; what can be read can be written and read again,
/// unchanged.
pub(crate) fn check(data: &[u8]) {
    match json::parse(data) {
        Ok(value) => {
            // Numbers beyond 64 bits become floating point, whose text form may differ; the value does not.
            assert_eq!(json::parse(value.to_string().as_bytes()), Ok(value));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
    if let Ok(request) = Request::from_json(data) {
        assert_eq!(Request::from_json(request.to_json().as_bytes()).as_ref(), Ok(&request));
        assert_eq!(Request::from_value(request.to_value()).as_ref(), Ok(&request));
        let _present = request.check_presence();
    }
    if let Ok(response) = Response::from_json(data) {
        assert_eq!(Response::from_json(response.to_json().as_bytes()).as_ref(), Ok(&response));
        assert_eq!(Response::from_value(response.to_value()).as_ref(), Ok(&response));
        let _text = response.debug_info();
    }
}
