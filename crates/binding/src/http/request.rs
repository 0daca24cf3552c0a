//! Requests.

use super::error::{Fault, HttpError, echo};
use super::header::{
    self, AS, AUTHORIZATION, CONTENT_TYPE, EC, GID, OET, ORIGIN, OT, PROXY_AUTHORIZATION, RET, RI, RST, RTU,
    RVI, VSI,
};
use super::media::{Kind, Serialization, content_type, response_serialization};
use super::text_list::read_header;
use super::{path, query, query_text};
use ::http::header::{ACCEPT, CONTENT_LENGTH, HOST};
use ::http::uri::Authority;
use ::http::{HeaderMap, HeaderValue, Method, Uri, request};
use bytes::Bytes;
use onem2m::address::Target;
use onem2m::primitive::{AccessToken, EventCategory, Operation, Request, ResponseTypeInfo};
use onem2m::{json, primitive::PrimitiveError};
use serde_json::{Value, json};

/// The member that holds the attributes of a partial retrieve (TS-0004 §7.5.2).
const ATTRIBUTE_LIST: &str = "m2m:atrl";

/// Reads a request from an HTTP message with this head and body. Whether the operation may have these
/// parameters, and whether the originator is who it says, is for the receiver to judge.
///
/// # Errors
/// [`HttpError`], which holds the answer: 4005 for a method without operation, 4015 for a body that is not
/// JSON, 5207 when the originator accepts no JSON, 5001 for an authorization scheme (of Authorization any, of
/// Proxy-Authorization any but Bearer), 4000 for the rest.
pub fn request_from_http(head: &request::Parts, body: &[u8]) -> Result<Request, HttpError> {
    request_from_http_under(head, body, "")
}

/// [`request_from_http`] for a server whose point of access has the path `base`. A request to exactly that
/// path has an empty To: it is a notification to the point of access itself.
///
/// # Errors
/// As [`request_from_http`]; also 4000 when the path is not below `base`.
pub fn request_from_http_under(head: &request::Parts, body: &[u8], base: &str) -> Result<Request, HttpError> {
    read(head, body, base).map_err(|fault| {
        let (rqi, rvi) = echo(&head.headers);
        HttpError::answering(fault, rqi, rvi)
    })
}

fn read(head: &request::Parts, body: &[u8], base: &str) -> Result<Request, Fault> {
    let headers = &head.headers;
    // Before anything else, so that no other fault hides a message that names its originator twice.
    let fr = header::single(headers, ORIGIN)?.map(str::to_owned);
    let rqi = header::single(headers, RI)?.ok_or(Fault::MissingHeader(RI))?;
    let content_type = content_type(headers)?;
    let is_create = content_type.is_some_and(|content_type| content_type.ty.is_some());
    let op = match head.method {
        Method::POST if is_create => Operation::Create,
        Method::POST => Operation::Notify,
        Method::GET => Operation::Retrieve,
        Method::PUT => Operation::Update,
        Method::DELETE => Operation::Delete,
        _ => return Err(Fault::Method),
    };
    let to = match path::below(head.uri.path(), base)? {
        "" | "/" if !base.is_empty() => String::new(),
        path => path::read(path)?.to_string(),
    };
    let mut request = Request::new(op, to, rqi);
    request.fr = fr;
    request.ty = content_type.and_then(|content_type| content_type.ty);
    read_headers(&mut request, headers)?;
    read_query(&mut request, head.uri.query(), headers)?;
    if !body.is_empty() {
        let kind = content_type.ok_or(Fault::MissingHeader(CONTENT_TYPE))?.kind;
        request.pc = Some(read_content(op, kind, body)?);
    }
    response_serialization(headers)?;
    request.check_forms()?;
    Ok(request)
}

fn read_headers(request: &mut Request, headers: &HeaderMap) -> Result<(), Fault> {
    const TIME: &str = "a timestamp, YYYYMMDDThhmmss in UTC";
    const TIME_OR_DISTANCE: &str = "a timestamp, YYYYMMDDThhmmss in UTC, or whole milliseconds";
    const CATEGORY: &str = "an event category: 2, 3, 4, or 100 to 999";
    request.rvi = header::single(headers, RVI)?.map(str::to_owned);
    request.gid = header::single(headers, GID)?.map(str::to_owned);
    request.vsi = header::single(headers, VSI)?.map(str::to_owned);
    request.ot = header::parsed(headers, OT, TIME)?;
    request.rset = header::parsed(headers, RST, TIME_OR_DISTANCE)?;
    request.rqet = header::parsed(headers, RET, TIME_OR_DISTANCE)?;
    request.oet = header::parsed(headers, OET, TIME_OR_DISTANCE)?;
    request.ec = match header::parsed::<u16>(headers, EC, CATEGORY)? {
        Some(code) => Some(EventCategory::new(code).ok_or(Fault::Header { header: EC, expected: CATEGORY })?),
        None => None,
    };
    request.tkns = header::single(headers, AUTHORIZATION)?.map(read_tokens).transpose()?;
    request.aus = header::single(headers, AS)?.map(read_signatures).transpose()?;
    let credential = header::single(headers, PROXY_AUTHORIZATION)?.map(read_bearer).transpose()?;
    request.registrar_credential = credential;
    Ok(())
}

/// A credential to be checked by the registrar (TS-0009 §7.1): what it is worth is for the registrar to say.
fn read_bearer(value: &str) -> Result<AccessToken, Fault> {
    const EXPECTED: Fault = Fault::Header { header: PROXY_AUTHORIZATION, expected: "Bearer and a token" };
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(Fault::ProxyAuthorizationScheme);
    }
    let token = token.trim_start_matches(' ');
    if token.is_empty() { Err(EXPECTED) } else { Ok(AccessToken::new(token)) }
}

/// Compact serializations have three or five parts (TS-0004 §6.3.3). Anything with a space inside is a scheme
/// and its credentials.
fn read_tokens(value: &str) -> Result<Vec<AccessToken>, Fault> {
    const EXPECTED: Fault = Fault::Header {
        header: AUTHORIZATION,
        expected: "tokens in compact serialization, separated by \"+\"",
    };
    let token = |text: &str| {
        if text.contains(' ') {
            return Err(Fault::AuthorizationScheme);
        }
        let is_part = |part: &str| {
            part.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_')
        };
        if matches!(text.split('.').count(), 3 | 5) && text.split('.').all(is_part) {
            Ok(AccessToken::new(text))
        } else {
            Err(EXPECTED)
        }
    };
    read_header(value).map(token).collect()
}

fn read_signatures(value: &str) -> Result<Vec<String>, Fault> {
    let signature = |text: &str| {
        let is_base64url = text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_=".contains(&octet));
        if text.is_empty() || !is_base64url {
            return Err(Fault::Header {
                header: AS,
                expected: "signatures in base64url, separated by \"+\"",
            });
        }
        Ok(text.to_owned())
    };
    read_header(value).map(signature).collect()
}

/// The notification targets. An empty header is an empty list of them here, not an absent one.
fn read_targets(headers: &HeaderMap) -> Result<Option<Vec<String>>, Fault> {
    let Some(text) = header::single(headers, RTU)? else {
        return Ok(headers.contains_key(RTU).then(Vec::new));
    };
    let targets: Vec<String> = text.split('&').map(str::to_owned).collect();
    if targets.iter().any(String::is_empty) {
        return Err(Fault::Header { header: RTU, expected: "notification targets separated by \"&\"" });
    }
    Ok(Some(targets))
}

fn read_query(request: &mut Request, text: Option<&str>, headers: &HeaderMap) -> Result<(), Fault> {
    let found = query::read(text)?;
    request.rt = match (found.rt, read_targets(headers)?) {
        (Some(rtv), nu) => Some(ResponseTypeInfo { nu, ..ResponseTypeInfo::new(rtv) }),
        (None, None) => None,
        (None, Some(_)) => {
            return Err(Fault::Header { header: RTU, expected: "absent without the query field rt" });
        }
    };
    request.rp = found.rp;
    request.rcn = found.rcn;
    request.da = found.da;
    request.drt = found.drt;
    request.rids = found.rids;
    request.tids = found.tids;
    request.ltids = found.ltids;
    request.tqi = found.tqi;
    request.grtm = found.grtm;
    request.asi = found.asi;
    request.auri = found.auri;
    request.sqi = found.sqi;
    request.fc = (!found.fc.is_empty()).then_some(found.fc);
    match found.atrl.as_deref() {
        None => {}
        Some(_) if request.op != Operation::Retrieve => {
            return Err(Fault::Query { field: "atrl".to_owned(), problem: "belongs to a RETRIEVE only" });
        }
        // One attribute becomes part of the address, as TS-0009 §6.2.2.2 allows.
        Some([name]) => request.to = format!("{}#{name}", request.to),
        Some(names) => request.pc = Some(json!({ ATTRIBUTE_LIST: names })),
    }
    Ok(())
}

fn read_content(op: Operation, kind: Kind, body: &[u8]) -> Result<Value, Fault> {
    const AS_CREATE: Fault = Fault::Header {
        header: CONTENT_TYPE,
        expected: "one with ty=, since a POST of a resource creates it",
    };
    const AS_NOTIFY: Fault =
        Fault::Header { header: CONTENT_TYPE, expected: "that of a resource, since this is no notification" };
    match (kind, op) {
        (Kind::Unsupported, _) => return Err(Fault::UnsupportedMediaType),
        (_, Operation::Retrieve | Operation::Delete) => return Err(Fault::UnexpectedBody(op)),
        (Kind::Resource, Operation::Notify) => return Err(AS_CREATE),
        (Kind::Notification, Operation::Create | Operation::Update) => return Err(AS_NOTIFY),
        (
            Kind::Any | Kind::Resource | Kind::Notification,
            Operation::Create | Operation::Update | Operation::Notify,
        ) => {}
    }
    read_object(body)
}

/// Reads content: an object with one member.
pub(super) fn read_object(body: &[u8]) -> Result<Value, Fault> {
    let value = json::parse(body).map_err(PrimitiveError::from)?;
    match &value {
        Value::Object(members) if members.len() == 1 => Ok(value),
        _ => Err(PrimitiveError::Wrong {
            member: "pc".to_owned(),
            expected: "a body that is an object with exactly one member".to_owned(),
        }
        .into()),
    }
}

/// Writes a request as an HTTP message to the next hop `authority` (`host[:port]`).
///
/// # Errors
/// [`HttpError`] when the request is incomplete, or holds what a message of this binding cannot carry.
pub fn request_to_http(request: &Request, authority: &str) -> Result<::http::Request<Bytes>, HttpError> {
    request_to_http_under(request, authority, "")
}

/// [`request_to_http`] to a point of access with the path `base`. An empty To addresses that path itself, as
/// notifications to a URL do.
///
/// # Errors
/// As [`request_to_http`].
pub fn request_to_http_under(
    request: &Request,
    authority: &str,
    base: &str,
) -> Result<::http::Request<Bytes>, HttpError> {
    Ok(write(request, authority, base)?)
}

fn write(request: &Request, authority: &str, base: &str) -> Result<::http::Request<Bytes>, Fault> {
    request.check_forms()?;
    request.check_presence()?;
    let base = base.strip_suffix('/').unwrap_or(base);
    if !(base.is_empty() || base.starts_with('/')) || base.contains(['?', '#']) {
        return Err(Fault::NextHop);
    }
    let (path, attribute) = if request.to.is_empty() && !base.is_empty() {
        (String::new(), None)
    } else {
        let target = Target::parse(&request.to)?;
        (path::write(&target), target.attribute().map(str::to_owned))
    };
    let query = query_text::write(request, &attributes_to_retrieve(request, attribute)?)?;
    let separator = if query.is_empty() { "" } else { "?" };
    let uri = format!("{base}{path}{separator}{query}").parse::<Uri>().map_err(|_| Fault::NextHop)?;

    let mut message = ::http::Request::new(Bytes::new());
    *message.method_mut() = match request.op {
        Operation::Create | Operation::Notify => Method::POST,
        Operation::Retrieve => Method::GET,
        Operation::Update => Method::PUT,
        Operation::Delete => Method::DELETE,
    };
    *message.uri_mut() = uri;
    let headers = message.headers_mut();
    let host = authority.parse::<Authority>().ok().filter(|authority| !authority.as_str().contains('@'));
    let host = host.and_then(|host| HeaderValue::from_str(host.as_str()).ok()).ok_or(Fault::NextHop)?;
    headers.insert(HOST, host);
    headers.insert(ACCEPT, HeaderValue::from_static(Serialization::Json.media_type()));
    write_headers(request, headers)?;
    if let Some(content) = request.pc.as_ref().filter(|_| request.op != Operation::Retrieve) {
        let ty = request.ty.map(|ty| format!(";ty={ty}")).unwrap_or_default();
        header::write(headers, CONTENT_TYPE, "ty", &format!("{}{ty}", Serialization::Json.media_type()))?;
        let body = content.to_string();
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        *message.body_mut() = body.into();
    }
    Ok(message)
}

/// The attributes of a partial retrieve, from the address and from the content.
fn attributes_to_retrieve(request: &Request, attribute: Option<String>) -> Result<Vec<String>, Fault> {
    let unwritable = |parameter, problem| Err(Fault::Unwritable { parameter, problem });
    if request.op != Operation::Retrieve {
        return match attribute {
            Some(_) => unwritable("to", "only a RETRIEVE addresses an attribute"),
            None => Ok(Vec::new()),
        };
    }
    let Some(content) = &request.pc else { return Ok(attribute.into_iter().collect()) };
    let names = content.get(ATTRIBUTE_LIST).and_then(Value::as_array);
    let names: Option<Vec<String>> =
        names.and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    match (names, attribute) {
        (Some(names), None) if !names.is_empty() => Ok(names),
        (Some(_), None) => unwritable("pc", "an attribute list without attributes has no form in a query"),
        (Some(_), Some(_)) => unwritable("pc", "the address names an attribute already"),
        (None, _) => unwritable("pc", "the content of a RETRIEVE is a list of attributes"),
    }
}

fn write_headers(request: &Request, headers: &mut HeaderMap) -> Result<(), Fault> {
    header::write(headers, RI, "rqi", &request.rqi)?;
    header::write_some(headers, ORIGIN, "fr", request.fr.as_ref())?;
    header::write_some(headers, RVI, "rvi", request.rvi.as_ref())?;
    header::write_some(headers, GID, "gid", request.gid.as_ref())?;
    header::write_some(headers, VSI, "vsi", request.vsi.as_ref())?;
    header::write_some(headers, OT, "ot", request.ot)?;
    header::write_some(headers, RST, "rset", request.rset)?;
    header::write_some(headers, RET, "rqet", request.rqet)?;
    header::write_some(headers, OET, "oet", request.oet)?;
    header::write_some(headers, EC, "ec", request.ec.map(EventCategory::code))?;
    let targets = request.rt.as_ref().and_then(|rt| rt.nu.as_ref());
    if targets.into_iter().flatten().any(|target| target.is_empty() || target.contains('&')) {
        return Err(Fault::Unwritable {
            parameter: "rt",
            problem: "a notification target is empty or contains \"&\"",
        });
    }
    header::write_some(headers, RTU, "rt", targets.map(|targets| targets.join("&")))?;
    if let Some(tokens) = &request.tkns {
        let text = tokens.iter().map(AccessToken::expose).collect::<Vec<_>>().join("+");
        read_tokens(&text)?;
        header::write(headers, AUTHORIZATION, "tkns", &text)?;
        if let Some(value) = headers.get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
    }
    if let Some(signatures) = &request.aus {
        let text = signatures.join("+");
        read_signatures(&text)?;
        header::write(headers, AS, "aus", &text)?;
    }
    Ok(())
}
