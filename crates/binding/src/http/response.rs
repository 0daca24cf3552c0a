//! Responses.

use super::error::{Fault, HttpError};
use super::header::{
    self, ASRI, ATI, CONTENT_LOCATION, CONTENT_TYPE, CTO, CTS, EC, ORIGIN, OT, RI, RSC, RST, RVI, VSI,
};
use super::media::{Kind, Serialization, content_type};
use super::path;
use super::request::read_object;
use super::status::{http_status, rsc_of_status};
use super::text_list::read_header;
use ::http::header::CONTENT_LENGTH;
use ::http::{HeaderMap, HeaderValue, StatusCode, response};
use bytes::Bytes;
use onem2m::address::Target;
use onem2m::primitive::{
    ContentStatus, EventCategory, LocalTokenAssignment, LocalTokenAssignments, Response,
};
use onem2m::status::ResponseStatusCode;
use serde_json::{Value, json};
use std::num::NonZeroU64;

/// The member that holds Token Request Information in a body; without prefix it is read as well.
const TOKEN_REQUEST: &str = "m2m:tqf";

/// Writes a response as an HTTP message.
///
/// To is not carried: the connection tells who is answered. Token Request Information takes the place of the
/// content (TS-0009 §6.5). Should a parameter not fit into a header, the answer becomes 5000
/// `INTERNAL_SERVER_ERROR`, so that nothing is lost in silence.
pub fn response_to_http(response: &Response, serialization: Serialization) -> ::http::Response<Bytes> {
    write(response, serialization).unwrap_or_else(|fault| {
        let mut failure = Response::with_rqi(ResponseStatusCode::InternalServerError, response.rqi.clone());
        failure.rvi.clone_from(&response.rvi);
        let failure = failure.with_debug_info(&fault.to_string());
        write(&failure, serialization).unwrap_or_else(|_| bare_failure())
    })
}

/// The answer when not even the Request Identifier fits into a header.
fn bare_failure() -> ::http::Response<Bytes> {
    let mut message = ::http::Response::new(Bytes::new());
    *message.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    message.headers_mut().insert(RSC, HeaderValue::from(ResponseStatusCode::InternalServerError.code()));
    message
}

fn write(response: &Response, serialization: Serialization) -> Result<::http::Response<Bytes>, Fault> {
    let mut message = ::http::Response::new(Bytes::new());
    *message.status_mut() =
        StatusCode::from_u16(http_status(response.rsc)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = message.headers_mut();
    headers.insert(RSC, HeaderValue::from(response.rsc.code()));
    if !response.rqi.is_empty() {
        header::write(headers, RI, "rqi", &response.rqi)?;
    }
    header::write_some(headers, RVI, "rvi", response.rvi.as_ref())?;
    header::write_some(headers, ORIGIN, "fr", response.fr.as_ref())?;
    header::write_some(headers, OT, "ot", response.ot)?;
    header::write_some(headers, RST, "rset", response.rset)?;
    header::write_some(headers, EC, "ec", response.ec.map(EventCategory::code))?;
    header::write_some(headers, VSI, "vsi", response.vsi.as_ref())?;
    header::write_some(headers, CTS, "cnst", response.cnst.map(ContentStatus::code))?;
    header::write_some(headers, CTO, "cnot", response.cnot)?;
    header::write_some(headers, ASRI, "asri", response.asri)?;
    if let Some(assignments) = &response.ati {
        header::write(headers, ATI, "ati", &assignments_text(assignments)?)?;
    }
    if let Some(location) =
        response.pc.as_ref().filter(|_| response.rsc == ResponseStatusCode::Created).and_then(created)
    {
        header::write(headers, CONTENT_LOCATION, "pc", &location)?;
    }
    let body = match (&response.tqf, &response.pc) {
        (Some(tqf), _) => json!({ TOKEN_REQUEST: tqf }).to_string(),
        (None, Some(content)) => content.to_string(),
        (None, None) => return Ok(message),
    };
    header::write(headers, CONTENT_TYPE, "pc", serialization.media_type())?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    *message.body_mut() = body.into();
    Ok(message)
}

/// The path of what was created, if the content tells its address (TS-0009 §6.4.4).
fn created(content: &Value) -> Option<String> {
    let address = content.get("m2m:uri").or_else(|| content.get("m2m:rce")?.get("uri"))?.as_str()?;
    Target::parse(address).ok().map(|target| path::write(&target))
}

/// `lti:tkid` for each assignment, joined by plus signs (TS-0009 §6.4.18).
fn assignments_text(assignments: &LocalTokenAssignments) -> Result<String, Fault> {
    let pair = |assignment: &LocalTokenAssignment| {
        if !is_assignment(&assignment.lti, &assignment.tkid) {
            return Err(Fault::Unwritable {
                parameter: "ati",
                problem: "an identifier is empty or contains a separator",
            });
        }
        Ok(format!("{}:{}", assignment.lti, assignment.tkid))
    };
    if assignments.ltia.is_empty() {
        return Err(Fault::Unwritable { parameter: "ati", problem: "there are no assignments" });
    }
    Ok(assignments.ltia.iter().map(pair).collect::<Result<Vec<_>, _>>()?.join("+"))
}

fn is_assignment(lti: &str, tkid: &str) -> bool {
    let is_plain = |text: &str| !text.is_empty() && !text.contains(['+', ' ']);
    is_plain(lti) && is_plain(tkid) && !lti.contains(':')
}

/// Reads a response from an HTTP message with this head and body.
///
/// The status code is that of X-M2M-RSC. Without that header, but with a Request Identifier, it is the most
/// general one that has this HTTP status.
///
/// # Errors
/// [`HttpError`] when the message is no response of the binding; [`Fault::NotOneM2m`] in particular when
/// something between the two entities answered.
pub fn response_from_http(head: &response::Parts, body: &[u8]) -> Result<Response, HttpError> {
    Ok(read(head, body)?)
}

fn read(head: &response::Parts, body: &[u8]) -> Result<Response, Fault> {
    let headers = &head.headers;
    let status = head.status.as_u16();
    let rqi = header::single(headers, RI)?;
    let rsc = match (header::single(headers, RSC)?, rqi) {
        (Some(text), _) => read_code(text)?,
        (None, Some(_)) => rsc_of_status(status).ok_or(Fault::NotOneM2m(status))?,
        (None, None) => return Err(Fault::NotOneM2m(status)),
    };
    let mut response = Response::with_rqi(rsc, rqi.ok_or(Fault::MissingHeader(RI))?);
    read_headers(&mut response, headers)?;
    if !body.is_empty() {
        let kind = content_type(headers)?.ok_or(Fault::MissingHeader(CONTENT_TYPE))?.kind;
        if kind == Kind::Unsupported {
            return Err(Fault::UnsupportedMediaType);
        }
        let content = read_object(body)?;
        match content.get(TOKEN_REQUEST).or_else(|| content.get("tqf")) {
            Some(tqf) => response.tqf = Some(tqf.clone()),
            None => response.pc = Some(content),
        }
    }
    response.check_forms()?;
    Ok(response)
}

fn read_code(text: &str) -> Result<ResponseStatusCode, Fault> {
    let is_number = text.len() == 4 && text.bytes().all(|octet| octet.is_ascii_digit());
    let code = is_number.then(|| text.parse().ok()).flatten().and_then(ResponseStatusCode::from_code);
    code.ok_or_else(|| Fault::UnknownStatus(text.chars().take(64).collect()))
}

fn read_headers(response: &mut Response, headers: &HeaderMap) -> Result<(), Fault> {
    const CATEGORY: &str = "an event category: 2, 3, 4, or 100 to 999";
    const STATUS: &str = "1 (partial) or 2 (full)";
    response.rvi = header::single(headers, RVI)?.map(str::to_owned);
    response.fr = header::single(headers, ORIGIN)?.map(str::to_owned);
    response.vsi = header::single(headers, VSI)?.map(str::to_owned);
    response.ot = header::parsed(headers, OT, "a timestamp, YYYYMMDDThhmmss in UTC")?;
    response.rset =
        header::parsed(headers, RST, "a timestamp, YYYYMMDDThhmmss in UTC, or whole milliseconds")?;
    if let Some(code) = header::parsed::<u16>(headers, EC, CATEGORY)? {
        let category = EventCategory::new(code).ok_or(Fault::Header { header: EC, expected: CATEGORY })?;
        response.ec = Some(category);
    }
    if let Some(code) = header::parsed::<u16>(headers, CTS, STATUS)? {
        let status = ContentStatus::from_code(code).ok_or(Fault::Header { header: CTS, expected: STATUS })?;
        response.cnst = Some(status);
    }
    response.cnot = header::parsed::<NonZeroU64>(headers, CTO, "a whole number, 1 or greater")?;
    response.asri = header::parsed(headers, ASRI, "true or false")?;
    if let Some(text) = header::single(headers, ATI)? {
        let pair = |text: &str| {
            let (lti, tkid) = text.split_once(':').filter(|(lti, tkid)| is_assignment(lti, tkid))?;
            Some(LocalTokenAssignment::new(lti, tkid))
        };
        let pairs: Option<Vec<LocalTokenAssignment>> = read_header(text).map(pair).collect();
        let pairs =
            pairs.ok_or(Fault::Header { header: ATI, expected: "lti:tkid pairs separated by \"+\"" })?;
        response.ati = Some(LocalTokenAssignments::new(pairs));
    }
    Ok(())
}
