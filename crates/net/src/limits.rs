use std::time::Duration;

/// What a listener allows. Every number is enforced; none is for one peer to use up alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From accepting a connection to an established association. 10 s.
    pub handshake_deadline: Duration,
    /// For one lookup of a key, waiting for its turn included. 5 s.
    pub lookup_deadline: Duration,
    /// From the first octet of a request to the end of its header. 10 s.
    pub header_deadline: Duration,
    /// For the body of a request. 30 s.
    pub body_deadline: Duration,
    /// Without progress in sending, because the peer does not receive. 30 s.
    pub send_deadline: Duration,
    /// Between two requests. 15 min.
    pub idle: Duration,
    /// From the handshake to the end, whatever happens; a credential that expires ends it earlier
    /// (TS-0001 §11.3.2). 24 h.
    pub lifetime: Duration,
    /// From the order to stop to the end of requests that were in progress. 10 s.
    pub drain_deadline: Duration,
    /// For how long the place of an association that ended for wrong identity tokens stays taken, which slows
    /// down whoever tries more of them from the same address. 10 s.
    pub wrong_token_penalty: Duration,
    /// Lookups at a time. 256.
    pub max_lookups: usize,
    /// Established associations at a time. 16,384.
    pub max_associations: usize,
    /// Connections before their association is established, at a time; one more ends the oldest. 1,024.
    pub max_half_open: usize,
    /// Connections of one IPv4 address or one IPv6 /64 network, established or not. 1,024: gateways hide many
    /// devices behind one address.
    pub max_per_address: usize,
    /// Octets of a request's header, at least [`Limits::MIN_HEADER`]. 16 KiB.
    pub max_header: usize,
    /// Octets of a request's body. 64 KiB.
    pub max_body: usize,
}

impl Limits {
    /// The least that [`Limits::max_header`] can be; a smaller number counts as this.
    pub const MIN_HEADER: usize = 8192;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_deadline: Duration::from_secs(10),
            lookup_deadline: Duration::from_secs(5),
            header_deadline: Duration::from_secs(10),
            body_deadline: Duration::from_secs(30),
            send_deadline: Duration::from_secs(30),
            idle: Duration::from_secs(15 * 60),
            lifetime: Duration::from_secs(24 * 60 * 60),
            drain_deadline: Duration::from_secs(10),
            wrong_token_penalty: Duration::from_secs(10),
            max_lookups: 256,
            max_associations: 16_384,
            max_half_open: 1_024,
            max_per_address: 1_024,
            max_header: 16 * 1024,
            max_body: 64 * 1024,
        }
    }
}
