//! Media types: Content-Type with the Resource Type, and Accept (TS-0009 §6.4.2, §6.4.3, TS-0004 §6.7).

use super::error::Fault;
use super::header::{CONTENT_TYPE, single};
use ::http::HeaderMap;
use ::http::header::ACCEPT;

/// How the body of a response is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Serialization {
    /// JSON, called `application/json`.
    #[default]
    Json,
    /// JSON, called `application/vnd.onem2m-res+json`, for an originator that accepts nothing else.
    VendorJson,
}

impl Serialization {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::VendorJson => "application/vnd.onem2m-res+json",
        }
    }
}

/// What the media type of a body says about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any content.
    Any,
    /// A resource.
    Resource,
    /// A notification.
    Notification,
    /// Not understood here.
    Unsupported,
}

/// A Content-Type header, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentType {
    /// What the body is.
    pub(super) kind: Kind,
    /// The Resource Type of a CREATE.
    pub(super) ty: Option<u32>,
}

const MALFORMED: Fault =
    Fault::Header { header: CONTENT_TYPE, expected: "a media type, such as application/json;ty=2" };

/// Reads the Content-Type header, if there is one.
pub(super) fn content_type(headers: &HeaderMap) -> Result<Option<ContentType>, Fault> {
    let Some(text) = single(headers, CONTENT_TYPE)? else { return Ok(None) };
    let mut parts = text.split(';').map(|part| part.trim_matches(' '));
    let media = parts.next().unwrap_or_default().to_ascii_lowercase();
    if media.split('/').count() != 2 || !media.split('/').all(is_token) {
        return Err(MALFORMED);
    }
    let mut content = ContentType { kind: kind(&media), ty: None };
    for part in parts {
        let (name, value) = part.split_once('=').filter(|(name, _)| is_token(name)).ok_or(MALFORMED)?;
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if !is_token(value) {
            return Err(MALFORMED);
        }
        if name.eq_ignore_ascii_case("ty") {
            let number =
                value.bytes().all(|octet| octet.is_ascii_digit()).then(|| value.parse().ok()).flatten();
            if number.is_none() || content.ty.is_some() {
                return Err(Fault::Header {
                    header: CONTENT_TYPE,
                    expected: "a media type with one ty=, a resource type number",
                });
            }
            content.ty = number;
        } else if name.eq_ignore_ascii_case("charset") && !value.eq_ignore_ascii_case("utf-8") {
            content.kind = Kind::Unsupported;
        }
    }
    Ok(Some(content))
}

fn kind(media: &str) -> Kind {
    match media {
        "application/json" => Kind::Any,
        "application/vnd.onem2m-res+json" => Kind::Resource,
        "application/vnd.onem2m-ntfy+json" => Kind::Notification,
        _ => Kind::Unsupported,
    }
}

/// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet))
}

/// Chooses how to write a response that the sender of these headers can read. Without Accept it is
/// [`Serialization::Json`].
///
/// # Errors
/// [`Fault::NotAcceptable`] when nothing that can be written here is acceptable, [`Fault::Header`] when the
/// header is not printable.
pub fn response_serialization(headers: &HeaderMap) -> Result<Serialization, Fault> {
    let mut ranges = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text =
            value.to_str().map_err(|_| Fault::Header { header: "accept", expected: "printable ASCII" })?;
        ranges.extend(text.split(',').filter_map(Range::read));
    }
    if headers.get_all(ACCEPT).iter().all(|value| value.as_bytes().trim_ascii().is_empty()) {
        return Ok(Serialization::Json);
    }
    let quality = |serialization: Serialization| {
        let applies = |range: &&Range| range.applies_to(serialization.media_type());
        ranges.iter().filter(applies).max_by_key(|range| range.specificity()).map_or(0, |range| range.quality)
    };
    match (quality(Serialization::Json), quality(Serialization::VendorJson)) {
        (0, 0) => Err(Fault::NotAcceptable),
        (json, vendor) if json >= vendor => Ok(Serialization::Json),
        _ => Ok(Serialization::VendorJson),
    }
}

/// One element of an Accept header (RFC 9110 §12.5.1).
struct Range {
    /// In lower case, without parameters.
    media: String,
    /// In thousandths.
    quality: u16,
}

impl Range {
    /// An element that cannot be understood matches nothing.
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(';').map(|part| part.trim_matches([' ', '\t']));
        let media = parts.next()?.to_ascii_lowercase();
        let weight = parts.find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.eq_ignore_ascii_case("q").then_some(value)
        });
        let quality = weight.map_or(Some(1000), read_quality)?;
        Some(Self { media, quality })
    }

    fn applies_to(&self, media: &str) -> bool {
        match self.media.strip_suffix("/*") {
            Some("*") => true,
            Some(kind) => media.split('/').next() == Some(kind),
            None => self.media == media,
        }
    }

    fn specificity(&self) -> u8 {
        match self.media.strip_suffix("/*") {
            Some("*") => 0,
            Some(_) => 1,
            None => 2,
        }
    }
}

/// A weight in thousandths: `0` to `1` with up to three digits after the point.
fn read_quality(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::HeaderValue;

    fn of(text: &str) -> Result<Option<ContentType>, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(text).unwrap());
        content_type(&headers)
    }

    #[test]
    fn content_types() {
        for (text, kind, ty) in [
            ("application/json", Kind::Any, None),
            ("application/json;ty=2", Kind::Any, Some(2)),
            ("Application/JSON ; TY=10002", Kind::Any, Some(10002)),
            ("application/vnd.onem2m-res+json; ty=3", Kind::Resource, Some(3)),
            ("application/vnd.onem2m-ntfy+json", Kind::Notification, None),
            ("application/json; charset=utf-8;ty=\"2\"", Kind::Any, Some(2)),
            ("application/json;charset=\"UTF-8\"", Kind::Any, None),
            ("application/json;charset=latin1", Kind::Unsupported, None),
            ("application/xml;ty=2", Kind::Unsupported, Some(2)),
            ("application/cbor", Kind::Unsupported, None),
            ("application/vnd.onem2m-preq+json", Kind::Unsupported, None),
            ("text/plain; profile=x", Kind::Unsupported, None),
        ] {
            assert_eq!(of(text), Ok(Some(ContentType { kind, ty })), "{text}");
        }
        assert_eq!(content_type(&HeaderMap::new()), Ok(None));
        for bad in [
            "json",
            "application/",
            "/json",
            "a/b/c",
            "application/json;",
            "application/json;ty",
            "application/json;ty=",
            "application/json;ty=x",
            "application/json;ty=+2",
            "application/json;ty=-1",
            "application/json;ty=2;ty=2",
            "application/json;ty=2;TY=3",
            "application/json;ty=4294967296",
            "application/json;=2",
            "application/json, text/plain",
            "application/json;ty=\"2",
            "a b/c",
        ] {
            assert!(matches!(of(bad), Err(Fault::Header { .. })), "{bad}");
        }
    }

    #[test]
    fn accept() {
        use Serialization::{Json, VendorJson};
        for (values, chosen) in [
            (&[][..], Some(Json)),
            (&[""], Some(Json)),
            (&["*/*"], Some(Json)),
            (&["application/*"], Some(Json)),
            (&["application/json"], Some(Json)),
            (&["application/xml, application/json;q=0.5"], Some(Json)),
            (&["application/xml", "APPLICATION/JSON"], Some(Json)),
            (&["application/vnd.onem2m-res+json"], Some(VendorJson)),
            (&["application/vnd.onem2m-res+json, application/json"], Some(Json)),
            (&["application/vnd.onem2m-res+json, application/json;q=0.9"], Some(VendorJson)),
            (&["application/json;q=0, */*"], Some(VendorJson)),
            (&["application/xml"], None),
            (&["application/json;q=0"], None),
            (&["application/json;q=0.000, application/vnd.onem2m-res+json;q=0"], None),
            (&["application/json;q=2"], None),
            (&["application/json;q=1.001"], None),
            (&["application/json;q=x"], None),
            (&["text/*"], None),
            (&["application/cbor, ,"], None),
            (&["garbage"], None),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(response_serialization(&headers).ok(), chosen, "{values:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_bytes(b"application/json\xff").unwrap());
        assert!(matches!(response_serialization(&headers), Err(Fault::Header { .. })));
    }
}
