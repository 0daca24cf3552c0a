use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use keys::{KeyLengthPolicy, Kpsa, OsRng, Rng as _, Secret};
use net::{AssociationError, ClientPsk, DialLimits, Dialer, NetError};
use serde_json::Value;
use tokio::{net::TcpStream, time::timeout};

use super::Finding;
use crate::{
    config::{Accept, Config, ListenerSection, PlainSection},
    control::{self, Question},
    outcome::causes,
};

/// The identity that listeners are probed with; nobody has it. It shows in the audit.
const PROBE: &str = "doctor@attache.invalid";
/// How long anything on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the server runs, and whether its listeners are what they should be.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let (runs, about) = server(config).await;
    let mut findings = vec![about];
    for section in &config.listener {
        findings.push(listener(section, runs).await);
        findings.extend(nowhere(section));
    }
    findings.extend(config.plain.iter().filter_map(plain));
    findings.extend(metrics(config, runs).await);
    findings
}

/// Whether devices can be told where the listener is.
fn nowhere(section: &ListenerSection) -> Option<Finding> {
    let address = section.address;
    if section.advertise.is_some() || !address.ip().is_unspecified() {
        return None;
    }
    let found =
        format_args!("{address}: stands for all addresses of this machine; devices are not told which");
    Some(Finding::warning("listener", found, "add `advertise = \"HOST:PORT\"` to this [[listener]]"))
}

async fn server(config: &Config) -> (bool, Finding) {
    let path = config.control_path();
    match control::ask_anyone(&path, &Question::Status).await {
        Ok((facts, _)) => {
            let fact =
                |name: &str| facts.first().and_then(|fact| fact.pointer(&format!("/server/{name}"))).cloned();
            let text = |name: &str| fact(name).as_ref().and_then(Value::as_str).unwrap_or("?").to_owned();
            let (version, process) = (text("version"), fact("process").unwrap_or_default());
            let found = format!("runs since {} as process {process}, version {version}", text("since"));
            let finding = if text("cse") != config.cse.id.to_string() {
                let found = format!("{found}, but as {}", text("cse"));
                let how = format_args!(
                    "restart it if it is to be this one; else give one of them another `[control] socket` than {}",
                    path.display()
                );
                Finding::broken("server", found, how)
            } else if version == env!("CARGO_PKG_VERSION") {
                Finding::fine("server", found)
            } else {
                Finding::warning("server", found, "restart it: this program has another version")
            };
            (true, finding)
        }
        Err(error) => (false, Finding::skipped("server", error)),
    }
}

async fn listener(section: &ListenerSection, runs: bool) -> Finding {
    let check = "listener";
    let address = section.address;
    if address.port() == 0 {
        return Finding::skipped(check, format_args!("{address}: the port is chosen at each start"));
    }
    let here = reachable(address);
    match timeout(PATIENCE, TcpStream::connect(here)).await {
        Ok(Ok(_)) => probe(section, here).await,
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused && !runs => free(address),
        Ok(Err(error)) => Finding::broken(
            check,
            format_args!("{address}: {error}"),
            "start the server with this configuration, and see its log",
        ),
        Err(_) => Finding::broken(
            check,
            format_args!("{address}: no answer within {PATIENCE:?}"),
            "see that no packet filter is between, and the server's log",
        ),
    }
}

/// Where this machine reaches an address that stands for all of its own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Nobody listens: could we?
fn free(address: SocketAddr) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::fine("listener", format_args!("{address}: free; no server is running")),
        Err(error) => {
            let how = match error.kind() {
                ErrorKind::PermissionDenied => {
                    "ports below 1024 need CAP_NET_BIND_SERVICE, or choose another"
                }
                ErrorKind::AddrNotAvailable => "this machine has no such address: correct [[listener]]",
                _ => "choose another address, or see who uses it (`ss -ltnp`)",
            };
            Finding::broken("listener", format_args!("{address}: cannot be listened at: {error}"), how)
        }
    }
}

/// A handshake with a key that nobody has, which has to be refused. Where no keys are accepted, that somebody listens
/// has to do: whom a server without keys trusts, and why, is not doctor's to have.
async fn probe(section: &ListenerSection, here: SocketAddr) -> Finding {
    let address = section.address;
    if !section.accepts(Accept::Psk) {
        return Finding::fine("listener", format_args!("{address}: is listened at, for {}", section.ways()));
    }
    let broken = |found: String, how: &str| Finding::broken("listener", format!("{address}: {found}"), how);
    let elsewhere = "something else than attache with this configuration listens there (`ss -ltnp`)";
    match shake_hands(section, here).await {
        Err(Unready(reason)) => Finding::skipped("listener", format_args!("{address}: {reason}")),
        Ok(Err(NetError::Refused { source: AssociationError::KeyRefused { alert }, .. })) => {
            let found =
                format_args!("{address}: speaks TLS 1.2 and refuses a key that nobody has (alert {alert})");
            Finding::fine("listener", found)
        }
        Ok(Ok(())) => broken("accepts a key that nobody has".to_owned(), elsewhere),
        Ok(Err(error)) => broken(causes(&error), elsewhere),
    }
}

/// The probe itself could not be made.
struct Unready(String);

async fn shake_hands(section: &ListenerSection, here: SocketAddr) -> Result<Result<(), NetError>, Unready> {
    let unready = |error: &dyn std::error::Error| Unready(causes(error));
    let mut octets = vec![0; 32];
    OsRng.fill(&mut octets).map_err(|error| unready(&error))?;
    let key = Kpsa::new(Secret::new(octets), KeyLengthPolicy::Strict).map_err(|error| unready(&error))?;
    let identity = PROBE.parse().map_err(|error: keys::KeyError| unready(&error))?;
    let limits =
        DialLimits { connect_deadline: PATIENCE, handshake_deadline: PATIENCE, ..DialLimits::default() };
    let dialer = Dialer::new(&section.policy().keys_only(), limits).map_err(|error| unready(&error))?;
    let connected = dialer.connect(&here.to_string(), ClientPsk { identity, key }, None).await;
    Ok(connected.map(drop))
}

fn plain(section: &PlainSection) -> Option<Finding> {
    match section {
        PlainSection::Clear(address) => Some(Finding::warning(
            "plain endpoint",
            format_args!("{address}: requests in the clear, from whoever reaches it"),
            "remove it, or see that service rules say what may register there",
        )),
        PlainSection::Socket(_) | PlainSection::Loopback(_) => None,
    }
}

async fn metrics(config: &Config, runs: bool) -> Option<Finding> {
    let address = config.metrics.address?;
    let found = format!("http://{address}/metrics");
    if !address.ip().is_loopback() {
        let how = "put a loopback address into [metrics], or see that only Prometheus reaches it";
        return Some(Finding::warning("metrics", format_args!("{found}: for whoever reaches it"), how));
    }
    let reached = timeout(PATIENCE, TcpStream::connect(address)).await.is_ok_and(|reached| reached.is_ok());
    Some(if !runs || reached || address.port() == 0 {
        Finding::fine("metrics", found)
    } else {
        Finding::broken(
            "metrics",
            format_args!("{found}: does not answer"),
            "restart the server, and see its log",
        )
    })
}
