use std::fmt;

/// A TLS alert description (RFC 5246 §7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

impl Alert {
    /// 10: a message that has no place here.
    pub const UNEXPECTED_MESSAGE: Self = Self(10);
    /// 20: a record does not verify; what a wrong key looks like, and an unknown identity too.
    pub const BAD_RECORD_MAC: Self = Self(20);
    /// 22: a record longer than a record may be.
    pub const RECORD_OVERFLOW: Self = Self(22);
    /// 40: nothing acceptable was offered.
    pub const HANDSHAKE_FAILURE: Self = Self(40);
    /// 42: a certificate that breaks the rules, or stands for somebody else.
    pub const BAD_CERTIFICATE: Self = Self(42);
    /// 43: a certificate of a kind that is not accepted.
    pub const UNSUPPORTED_CERTIFICATE: Self = Self(43);
    /// 44: a certificate that its issuer has revoked.
    pub const CERTIFICATE_REVOKED: Self = Self(44);
    /// 45: a certificate that has expired or is not valid yet.
    pub const CERTIFICATE_EXPIRED: Self = Self(45);
    /// 46: a certificate that is refused for another reason, which is not said.
    pub const CERTIFICATE_UNKNOWN: Self = Self(46);
    /// 47: a field with a value that it must not have.
    pub const ILLEGAL_PARAMETER: Self = Self(47);
    /// 48: a chain that leads to no configured authority.
    pub const UNKNOWN_CA: Self = Self(48);
    /// 50: a message that cannot be decoded.
    pub const DECODE_ERROR: Self = Self(50);
    /// 51: a signature or a Finished message does not verify.
    pub const DECRYPT_ERROR: Self = Self(51);
    /// 70: the protocol version is not supported.
    pub const PROTOCOL_VERSION: Self = Self(70);
    /// 80: a failure that is nobody's fault.
    pub const INTERNAL_ERROR: Self = Self(80);
    /// 112: there is no server of the name that was asked for.
    pub const UNRECOGNIZED_NAME: Self = Self(112);
    /// 113: the OCSP response is missing or not good (RFC 6066 §8).
    pub const BAD_CERTIFICATE_STATUS_RESPONSE: Self = Self(113);
    /// 115: how other servers tell that an identity is unknown.
    pub const UNKNOWN_PSK_IDENTITY: Self = Self(115);

    /// Whether a server that does not like our key or identity sends this.
    pub(crate) const fn refuses_the_key(self) -> bool {
        matches!(self, Self::BAD_RECORD_MAC | Self(21) | Self::DECRYPT_ERROR | Self::UNKNOWN_PSK_IDENTITY)
    }

    /// Whether a server that does not like our certificate sends this.
    pub(crate) const fn refuses_the_certificate(self) -> bool {
        matches!(self.0, 42..=46 | 48)
    }

    /// Its name in RFC 5246, RFC 4279 or RFC 6066.
    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            21 => "decryption_failed",
            22 => "record_overflow",
            30 => "decompression_failure",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            100 => "no_renegotiation",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            120 => "no_application_protocol",
            _ => return None,
        })
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}", self.0),
        }
    }
}
