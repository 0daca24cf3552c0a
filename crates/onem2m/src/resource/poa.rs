//! Points of access.

use crate::id::{Fqdn, shown};
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest point of access, in octets.
const MAX_POA: usize = 1024;

/// A text that is no point of access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("point of access \"{text}\": {expected} (scheme://host[:port][/path], TS-0004 §6.3.3)")]
pub struct PointOfAccessError {
    text: String,
    expected: &'static str,
}

/// Where an entity can be reached (`m2m:pointOfAccess`, TS-0004 §6.3.3): `scheme://host[:port][/path]`, at
/// most 1024 octets.
///
/// The scheme may have any letter case. The host is an IPv4 address, an IPv6 address in brackets, or a domain
/// name in lower case. There is no user name, query or fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PointOfAccess {
    text: String,
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
}

impl PointOfAccess {
    /// The point of access as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The scheme in lower case: `https`.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The host; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path with its leading slash; empty when there is none.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for PointOfAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for PointOfAccess {
    type Err = PointOfAccessError;

    fn from_str(text: &str) -> Result<Self, PointOfAccessError> {
        parse(text).map_err(|expected| PointOfAccessError { text: shown(text), expected })
    }
}

fn parse(text: &str) -> Result<PointOfAccess, &'static str> {
    if text.len() > MAX_POA {
        return Err("has more than 1024 octets");
    }
    let (scheme, rest) = text.split_once("://").ok_or("has no \"://\"")?;
    if !is_scheme(scheme) {
        return Err("the scheme must be a letter, then letters, digits, \"+\", \"-\", \".\"");
    }
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if !path.bytes().all(is_path_octet) {
        return Err("the path holds a character that no path may hold");
    }
    let (host, port) = host_and_port(authority)?;
    Ok(PointOfAccess {
        text: text.to_owned(),
        scheme: scheme.to_ascii_lowercase(),
        host: host.to_owned(),
        port,
        path: path.to_owned(),
    })
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

fn is_path_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/%".contains(&octet)
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), &'static str> {
    let (host, after) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("an IPv6 address ends with \"]\"")?;
        host.parse::<Ipv6Addr>().map_err(|_| "the brackets hold no IPv6 address")?;
        (host, after)
    } else {
        let (host, after) = authority.find(':').map_or((authority, ""), |at| authority.split_at(at));
        if host.parse::<Ipv4Addr>().is_err() && host.parse::<Fqdn>().is_err() {
            return Err("the host must be an IP address or a domain name in lower case");
        }
        (host, after)
    };
    match after.strip_prefix(':') {
        Some(digits) => Ok((host, Some(port(digits)?))),
        None if after.is_empty() => Ok((host, None)),
        None => Err("the host is followed by neither a port nor a path"),
    }
}

fn port(digits: &str) -> Result<u16, &'static str> {
    const EXPECTED: &str = "the port must be a number from 1 to 65535";
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    digits.parse().ok().filter(|port| *port != 0).ok_or(EXPECTED)
}

/// Whether `text` is a point of access.
///
/// # Errors
/// [`PointOfAccessError`] when it is not.
pub fn check_poa(text: &str) -> Result<(), PointOfAccessError> {
    text.parse::<PointOfAccess>().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts() {
        for (text, scheme, host, port, path) in [
            ("http://172.25.0.10:8080/xyz", "http", "172.25.0.10", Some(8080), "/xyz"),
            ("coap://m2m.sp.com:5683", "coap", "m2m.sp.com", Some(5683), ""),
            ("MQTT://172.25.0.10:1883", "mqtt", "172.25.0.10", Some(1883), ""),
            ("https://[2001:db8::1]:8443/a/b%20c", "https", "2001:db8::1", Some(8443), "/a/b%20c"),
            ("ws://localhost/", "ws", "localhost", None, "/"),
            ("coaps+tcp://gw", "coaps+tcp", "gw", None, ""),
        ] {
            let poa: PointOfAccess = text.parse().unwrap();
            assert_eq!((poa.scheme(), poa.host(), poa.port(), poa.path()), (scheme, host, port, path));
            assert_eq!(poa.to_string(), text);
        }
    }

    #[test]
    fn refuses() {
        for bad in [
            "",
            "http",
            "http:",
            "http://",
            "http:///x",
            "://host",
            "1http://host",
            "http://Host",
            "http://host:",
            "http://host:0",
            "http://host:65536",
            "http://host:+1",
            "http://host:8x",
            "http://user@host",
            "http://host?x",
            "http://host/x?y",
            "http://host/x#y",
            "http://ho st",
            "http://host/x y",
            "http://host\n",
            "http://[::1",
            "http://[host]",
            "http://[::1]8",
            "http://256.1.1.1",
            "http://ä",
            "ht_tp://host",
            "http://host:80:80",
            " http://host",
            "//host",
            "http://host/\u{e4}",
        ] {
            assert!(check_poa(bad).is_err(), "{bad}");
        }
        assert!(check_poa(&format!("http://h/{}", "a".repeat(MAX_POA))).is_err());
    }

    #[test]
    fn the_error_says_what_was_expected() {
        assert_eq!(
            check_poa("http://Host").unwrap_err().to_string(),
            "point of access \"http://Host\": the host must be an IP address or a domain name in lower case \
             (scheme://host[:port][/path], TS-0004 §6.3.3)"
        );
    }
}
