//! The cipher suites, under the names of the IANA registry, and which of them are offered in which order.

use std::{fmt, str::FromStr};

use crate::Error;

/// How a suite agrees on its premaster secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyExchange {
    /// The pre-shared key alone (RFC 4279 §2).
    Psk,
    /// With finite-field Diffie-Hellman (RFC 4279 §3).
    DhePsk,
    /// With elliptic-curve Diffie-Hellman (RFC 5489).
    EcdhePsk,
    /// Elliptic-curve Diffie-Hellman, signed with the key of a certificate (RFC 8422 §2.1).
    EcdheEcdsa,
}

struct Row {
    id: u16,
    name: &'static str,
    openssl: &'static str,
    exchange: KeyExchange,
}

const fn row(id: u16, name: &'static str, openssl: &'static str, exchange: KeyExchange) -> Row {
    Row { id, name, openssl, exchange }
}

use KeyExchange::{DhePsk, EcdheEcdsa, EcdhePsk, Psk};

/// Every suite that can be configured. None without encryption or authentication is here, nor `RSA_PSK`,
/// which needs a certificate of its own kind.
static SUITES: [Row; 25] = [
    row(0xCCAC, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305", EcdhePsk),
    row(0xC037, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256", "ECDHE-PSK-AES128-CBC-SHA256", EcdhePsk),
    row(0xC038, "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384", "ECDHE-PSK-AES256-CBC-SHA384", EcdhePsk),
    row(0x00AA, "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256", "DHE-PSK-AES128-GCM-SHA256", DhePsk),
    row(0x00AB, "TLS_DHE_PSK_WITH_AES_256_GCM_SHA384", "DHE-PSK-AES256-GCM-SHA384", DhePsk),
    row(0xCCAD, "TLS_DHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "DHE-PSK-CHACHA20-POLY1305", DhePsk),
    row(0xC0A6, "TLS_DHE_PSK_WITH_AES_128_CCM", "DHE-PSK-AES128-CCM", DhePsk),
    row(0xC0A7, "TLS_DHE_PSK_WITH_AES_256_CCM", "DHE-PSK-AES256-CCM", DhePsk),
    row(0xC0AA, "TLS_PSK_DHE_WITH_AES_128_CCM_8", "DHE-PSK-AES128-CCM8", DhePsk),
    row(0x00B2, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA256", "DHE-PSK-AES128-CBC-SHA256", DhePsk),
    row(0x00B3, "TLS_DHE_PSK_WITH_AES_256_CBC_SHA384", "DHE-PSK-AES256-CBC-SHA384", DhePsk),
    row(0x00A8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256", Psk),
    row(0x00A9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384", Psk),
    row(0xCCAB, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305", Psk),
    row(0xC0A4, "TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM", Psk),
    row(0xC0A5, "TLS_PSK_WITH_AES_256_CCM", "PSK-AES256-CCM", Psk),
    row(0xC0A8, "TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8", Psk),
    row(0x00AE, "TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256", Psk),
    row(0x00AF, "TLS_PSK_WITH_AES_256_CBC_SHA384", "PSK-AES256-CBC-SHA384", Psk),
    // RFC 4279's own, for peers from before RFC 5487.
    row(0x008C, "TLS_PSK_WITH_AES_128_CBC_SHA", "PSK-AES128-CBC-SHA", Psk),
    row(0xC02B, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256", EcdheEcdsa),
    row(0xCCA9, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305", EcdheEcdsa),
    row(0xC0AC, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM", "ECDHE-ECDSA-AES128-CCM", EcdheEcdsa),
    row(0xC0AE, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8", "ECDHE-ECDSA-AES128-CCM8", EcdheEcdsa),
    row(0xC023, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "ECDHE-ECDSA-AES128-SHA256", EcdheEcdsa),
];

/// Forward secrecy first, then authenticated encryption (register A-51). The 128-bit suites only: what needs
/// more can be configured.
const DEFAULT: [u16; 9] = [0xCCAC, 0xC037, 0x00AA, 0xC0A6, 0x00B2, 0x00A8, 0xC0A4, 0xC0A8, 0x00AE];

/// The two suites that TS-0003 §10.2.2 prints, that of TLS before that of DTLS.
const PRINTED: [u16; 2] = [0x00AE, 0xC0A8];

/// What [`SuitePolicy::with_certificates`] adds, authenticated encryption first (register A-51).
const CERTIFICATES: [u16; 5] = [0xC02B, 0xCCA9, 0xC0AC, 0xC0AE, 0xC023];

/// The two certificate suites that TS-0003 §10.2.3 prints, that of TLS before that of DTLS.
const PRINTED_CERTIFICATES: [u16; 2] = [0xC023, 0xC0AE];

/// One cipher suite of TLS 1.2, with a pre-shared key or with certificates for P-256.
#[derive(Clone, Copy)]
pub struct Suite(&'static Row);

impl Suite {
    /// The suite of a number of the IANA registry, if it is one that can be configured here.
    #[must_use]
    pub fn from_id(id: u16) -> Option<Self> {
        SUITES.iter().find(|row| row.id == id).map(Self)
    }

    /// Every suite that can be configured.
    pub fn all() -> impl Iterator<Item = Self> {
        SUITES.iter().map(Self)
    }

    /// Its number in the IANA registry.
    #[must_use]
    pub const fn id(self) -> u16 {
        self.0.id
    }

    /// Its name in the IANA registry: `TLS_PSK_WITH_AES_128_CBC_SHA256`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// How it agrees on its premaster secret.
    #[must_use]
    pub const fn key_exchange(self) -> KeyExchange {
        self.0.exchange
    }

    /// Whether recorded traffic stays unreadable when the pre-shared key leaks later.
    #[must_use]
    pub const fn is_forward_secret(self) -> bool {
        !matches!(self.0.exchange, Psk)
    }

    /// Whether the server proves itself with a certificate or a raw public key, not with a pre-shared key.
    #[must_use]
    pub const fn is_certificate(self) -> bool {
        matches!(self.0.exchange, EcdheEcdsa)
    }
}

impl FromStr for Suite {
    type Err = Error;

    /// # Errors
    /// [`Error::UnknownSuite`] for anything but the exact IANA name of a suite of [`Suite::all`].
    fn from_str(name: &str) -> Result<Self, Error> {
        SUITES.iter().find(|row| row.name == name).map(Self).ok_or_else(|| Error::UnknownSuite {
            name: name.chars().take(64).flat_map(char::escape_debug).collect(),
        })
    }
}

impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Suite {}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

/// Which suites an end offers, in its order of preference. A server's order decides. Every suite with a
/// pre-shared key comes before every one with certificates, however they were named: otherwise a client that
/// has a key and offers both could end without having proved it.
///
/// ```
/// use association::SuitePolicy;
///
/// let policy = SuitePolicy::from_names(["TLS_PSK_WITH_AES_128_CBC_SHA256"])?;
/// assert_eq!(policy.suites().len(), 1);
/// # Ok::<(), association::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuitePolicy(Vec<Suite>);

impl SuitePolicy {
    /// The suites with a pre-shared key that TS-0003 §10.2.2 prints and nothing else; their exchange is one of
    /// RFC 4279.
    #[must_use]
    pub fn strict() -> Self {
        Self::of_ids(&PRINTED)
    }

    /// Exactly the named suites, in this order, by their IANA names. A repeated name counts once.
    ///
    /// # Errors
    /// [`Error::UnknownSuite`] names the first that is not known, [`Error::NoSuites`] if there is none.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        let mut suites: Vec<Suite> = Vec::new();
        for name in names {
            let suite = name.parse()?;
            if !suites.contains(&suite) {
                suites.push(suite);
            }
        }
        if suites.is_empty() { Err(Error::NoSuites) } else { Ok(Self::ordered(suites)) }
    }

    /// These and the certificate suites: of [`strict`](Self::strict) the two that TS-0003 §10.2.3 prints, of
    /// any other all that can be configured.
    #[must_use]
    pub fn with_certificates(mut self) -> Self {
        let strict = self == Self::strict();
        let added: &[u16] = if strict { &PRINTED_CERTIFICATES } else { &CERTIFICATES };
        let missing = Self::of_ids(added).0.into_iter().filter(|suite| !self.0.contains(suite));
        let missing: Vec<_> = missing.collect();
        self.0.extend(missing);
        self
    }

    /// Those of them that need a certificate. May be empty.
    #[must_use]
    pub fn certificates_only(&self) -> Self {
        Self(self.0.iter().copied().filter(|suite| suite.is_certificate()).collect())
    }

    /// Those of them that need a pre-shared key. May be empty.
    #[must_use]
    pub fn keys_only(&self) -> Self {
        Self(self.0.iter().copied().filter(|suite| !suite.is_certificate()).collect())
    }

    fn ordered(mut suites: Vec<Suite>) -> Self {
        // Stable: within each kind the order stays.
        suites.sort_by_key(|suite| suite.is_certificate());
        Self(suites)
    }

    pub(crate) fn has_certificates(&self) -> bool {
        self.0.iter().any(|suite| suite.is_certificate())
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.0.iter().any(|suite| !suite.is_certificate())
    }

    /// The suites in order of preference.
    #[must_use]
    pub fn suites(&self) -> &[Suite] {
        &self.0
    }

    fn of_ids(ids: &[u16]) -> Self {
        Self(ids.iter().filter_map(|id| Suite::from_id(*id)).collect())
    }

    /// The list as OpenSSL writes it.
    pub(crate) fn openssl_list(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|suite| suite.0.openssl).collect();
        names.join(":")
    }

    pub(crate) fn has_dhe(&self) -> bool {
        self.0.iter().any(|suite| suite.key_exchange() == DhePsk)
    }
}

impl Default for SuitePolicy {
    /// `ECDHE_PSK`, then `DHE_PSK`, then PSK, authenticated encryption first within each (register A-51):
    /// the mandatory `TLS_PSK_WITH_AES_128_CBC_SHA256` comes last and is chosen by those who offer no better.
    fn default() -> Self {
        Self::of_ids(&DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_consistent() {
        for id in DEFAULT.iter().chain(&PRINTED).chain(&CERTIFICATES).chain(&PRINTED_CERTIFICATES) {
            assert!(Suite::from_id(*id).is_some(), "{id:04X}");
        }
        for suite in Suite::all() {
            assert_eq!(suite.name().parse::<Suite>().unwrap(), suite);
            assert_eq!(Suite::all().filter(|other| other.id() == suite.id()).count(), 1);
            assert!(!suite.name().contains("NULL") && !suite.name().contains("anon"));
        }
    }

    #[test]
    fn forward_secrecy_comes_first_and_the_mandatory_suite_is_there() {
        let suites = SuitePolicy::default().0;
        let first_without = suites.iter().position(|suite| !suite.is_forward_secret()).unwrap();
        assert!(suites[first_without..].iter().all(|suite| !suite.is_forward_secret()));
        assert!(suites.contains(&Suite::from_id(0x00AE).unwrap()));
    }

    #[test]
    fn strict_is_what_is_printed() {
        let names: Vec<_> = SuitePolicy::strict().0.into_iter().map(Suite::name).collect();
        assert_eq!(names, ["TLS_PSK_WITH_AES_128_CBC_SHA256", "TLS_PSK_WITH_AES_128_CCM_8"]);
    }

    #[test]
    fn keys_come_before_certificates() {
        let certificate = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256";
        let mixed = [certificate, "TLS_PSK_WITH_AES_128_CCM", "TLS_PSK_WITH_AES_128_CBC_SHA256"];
        let names = |policy: SuitePolicy| policy.0.into_iter().map(Suite::name).collect::<Vec<_>>();
        let ordered = names(SuitePolicy::from_names(mixed).unwrap());
        assert_eq!(ordered, ["TLS_PSK_WITH_AES_128_CCM", "TLS_PSK_WITH_AES_128_CBC_SHA256", certificate]);
        let both = SuitePolicy::default().with_certificates();
        let first = both.0.iter().position(|suite| suite.is_certificate()).unwrap();
        assert_eq!(both.0[..first], SuitePolicy::default().0);
        assert!(both.0[first..].iter().all(|suite| suite.is_certificate()));
        assert_eq!(both.0.len() - first, 5);
        assert_eq!(both.clone().with_certificates(), both);
        assert_eq!(
            names(SuitePolicy::strict().with_certificates())[2..],
            ["TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8"]
        );
    }

    #[test]
    fn an_unknown_name_is_named() {
        let error =
            SuitePolicy::from_names(["TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-NULL-SHA256"]).unwrap_err();
        assert!(error.to_string().starts_with("cipher suite \"PSK-NULL-SHA256\" is not one of"), "{error}");
        assert!(matches!(SuitePolicy::from_names([]), Err(Error::NoSuites)));
        let twice =
            SuitePolicy::from_names(["TLS_PSK_WITH_AES_128_CCM", "TLS_PSK_WITH_AES_128_CCM"]).unwrap();
        assert_eq!(twice.suites().len(), 1);
    }
}
