//! Headers of the binding (TS-0009 §6.4).

use super::error::Fault;
use ::http::{HeaderMap, HeaderValue};
use std::fmt::Display;
use std::str::FromStr;

/// From.
pub(super) const ORIGIN: &str = "x-m2m-origin";
/// Request Identifier.
pub(super) const RI: &str = "x-m2m-ri";
/// Release Version Indicator.
pub(super) const RVI: &str = "x-m2m-rvi";
/// Response Status Code.
pub(super) const RSC: &str = "x-m2m-rsc";
/// Group Request Identifier.
pub(super) const GID: &str = "x-m2m-gid";
/// Notification targets of the Response Type.
pub(super) const RTU: &str = "x-m2m-rtu";
/// Originating Timestamp.
pub(super) const OT: &str = "x-m2m-ot";
/// Result Expiration Timestamp.
pub(super) const RST: &str = "x-m2m-rst";
/// Request Expiration Timestamp.
pub(super) const RET: &str = "x-m2m-ret";
/// Operation Execution Time.
pub(super) const OET: &str = "x-m2m-oet";
/// Event Category.
pub(super) const EC: &str = "x-m2m-ec";
/// Vendor Information.
pub(super) const VSI: &str = "x-m2m-vsi";
/// Content Status.
pub(super) const CTS: &str = "x-m2m-cts";
/// Content Offset.
pub(super) const CTO: &str = "x-m2m-cto";
/// Assigned Token Identifiers.
pub(super) const ATI: &str = "x-m2m-ati";
/// Authorization Signatures.
pub(super) const AS: &str = "x-m2m-as";
/// Authorization Signature Request Information.
pub(super) const ASRI: &str = "x-m2m-asri";
/// Tokens.
pub(super) const AUTHORIZATION: &str = "authorization";
/// A credential to be checked by the registrar.
pub(super) const PROXY_AUTHORIZATION: &str = "proxy-authorization";
/// The media type of the body, and the Resource Type.
pub(super) const CONTENT_TYPE: &str = "content-type";

/// The address of what was created.
pub(super) const CONTENT_LOCATION: &str = "content-location";

/// The one value of a header; `None` when it is absent or empty. A header that occurs twice is refused,
/// whatever it says: of two readers one could take the first value and the other the last. So is anything but
/// printable ASCII.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Fault::RepeatedHeader(name));
    }
    let text = value.to_str().ok().filter(|text| !text.contains('\t'));
    let text = text.ok_or(Fault::Header { header: name, expected: "printable ASCII" })?;
    let text = text.trim_matches(' ');
    Ok((!text.is_empty()).then_some(text))
}

/// The one value of a header, read as a `T`.
pub(super) fn parsed<T: FromStr>(
    headers: &HeaderMap,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, Fault> {
    let read = |text: &str| text.parse().map_err(|_| Fault::Header { header: name, expected });
    single(headers, name)?.map(read).transpose()
}

/// Writes a header. `parameter` names what could not be written.
pub(super) fn write(
    headers: &mut HeaderMap,
    name: &'static str,
    parameter: &'static str,
    value: &str,
) -> Result<(), Fault> {
    let unwritable = |problem| Fault::Unwritable { parameter, problem };
    if !value.bytes().all(|octet| matches!(octet, 0x20..=0x7e))
        || value.starts_with(' ')
        || value.ends_with(' ')
    {
        return Err(unwritable("a header holds printable ASCII without spaces at its ends"));
    }
    let value = HeaderValue::from_str(value).map_err(|_| unwritable("it is no header value"))?;
    headers.insert(name, value);
    Ok(())
}

/// Writes a header if there is a value.
pub(super) fn write_some(
    headers: &mut HeaderMap,
    name: &'static str,
    parameter: &'static str,
    value: Option<impl Display>,
) -> Result<(), Fault> {
    value.map_or(Ok(()), |value| write(headers, name, parameter, &value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ORIGIN, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn one_value_or_none() {
        assert_eq!(single(&headers(&[]), ORIGIN), Ok(None));
        assert_eq!(single(&headers(&[b""]), ORIGIN), Ok(None));
        assert_eq!(single(&headers(&[b"  "]), ORIGIN), Ok(None));
        assert_eq!(single(&headers(&[b"Clight1"]), ORIGIN), Ok(Some("Clight1")));
    }

    #[test]
    fn repeated_or_garbled() {
        for twice in [[b"C1".as_slice(), b"C2"], [b"C1", b"C1"], [b"", b"C1"], [b"", b""]] {
            assert_eq!(single(&headers(&twice), ORIGIN), Err(Fault::RepeatedHeader(ORIGIN)));
        }
        for garbled in [b"C\xff".as_slice(), "Cä".as_bytes(), b"C\t1"] {
            assert!(matches!(single(&headers(&[garbled]), ORIGIN), Err(Fault::Header { .. })));
        }
    }

    #[test]
    fn nothing_unprintable_is_written() {
        let mut headers = HeaderMap::new();
        for bad in ["a\r\nX-M2M-Origin: C2", "ä", "a\t", " a", "a ", "\u{7f}"] {
            assert!(write(&mut headers, VSI, "vsi", bad).is_err(), "{bad:?}");
        }
        assert!(headers.is_empty());
    }
}
