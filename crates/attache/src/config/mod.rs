//! The configuration file: one TOML file, one module for each of its sections.
//!
//! Unknown keys are errors. Every error names the file, the line, and what was expected. Relative paths are
//! relative to the file. Parsing looks at nothing but the text, so that it can be tested without files.

mod audit;
mod control;
mod cse;
mod host_port;
mod limits;
mod listener;
mod log;
mod metrics;
mod place;
mod plain;
mod registrar;
mod store;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

pub(crate) use self::{
    audit::AuditSection,
    control::ControlSection,
    cse::{CseSection, parsed, parsed_maybe},
    host_port::HostPort,
    limits::LimitsSection,
    listener::{Accept, CertificateSection, ClientsSection, ListenerSection, OcspSection},
    log::{LogFormat, LogSection},
    metrics::MetricsSection,
    place::{Misfit, located},
    plain::PlainSection,
    registrar::{RegistrarSection, Unnamed},
    store::StoreSection,
};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) store: StoreSection,
    pub(crate) cse: CseSection,
    #[serde(default)]
    pub(crate) listener: Vec<ListenerSection>,
    #[serde(default)]
    pub(crate) plain: Vec<PlainSection>,
    /// The CSE that this one registers with.
    pub(crate) registrar: Option<RegistrarSection>,
    #[serde(default)]
    pub(crate) limits: LimitsSection,
    #[serde(default)]
    pub(crate) audit: AuditSection,
    #[serde(default)]
    pub(crate) control: ControlSection,
    #[serde(default)]
    pub(crate) metrics: MetricsSection,
    #[serde(default)]
    pub(crate) log: LogSection,
    /// The folder that relative paths start from.
    #[serde(skip)]
    base: PathBuf,
    /// The sections as they were written, to see which have changed.
    #[serde(skip)]
    written: toml::Table,
}

/// Why a configuration is not one.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {error} (--config names another file)", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    /// The text is not what it should be; the message has the line.
    #[error("{}: {message}", path.display())]
    Wrong { path: PathBuf, message: String },
}

impl Config {
    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, the contents of the file at `path`.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::Wrong { path: path.to_owned(), message };
        let mut config: Self = toml::from_str(text).map_err(|error| wrong(located(text, &error)))?;
        config.written = toml::from_str(text).map_err(|error| wrong(located(text, &error)))?;
        config.base = path.parent().map(Path::to_owned).unwrap_or_default();
        if config.listener.is_empty() {
            return Err(wrong("the section [[listener]] is missing: expected at least one".into()));
        }
        config.check().map_err(|misfit| wrong(misfit.located(text)))?;
        Ok(config)
    }

    /// Whether what it says goes together: all that can be told without looking at anything else.
    fn check(&self) -> Result<(), Misfit> {
        self.limits.check()?;
        for (number, section) in self.listener.iter().enumerate() {
            section.check().map_err(|misfit| misfit.in_number(number))?;
        }
        self.endpoints_are_distinct()?;
        self.registrar.as_ref().map_or(Ok(()), |registrar| registrar.check(&self.cse, &self.listener))
    }

    /// No two endpoints have one address: the second could not listen, and would blame another program.
    fn endpoints_are_distinct(&self) -> Result<(), Misfit> {
        let listeners = self.listener.iter().map(|section| Some(("address", section.address)));
        let plain = self.plain.iter().map(|section| match section {
            PlainSection::Loopback(address) => Some(("loopback", *address)),
            PlainSection::Clear(address) => Some(("clear", *address)),
            PlainSection::Socket(_) => None,
        });
        let metrics = [self.metrics.address.map(|address| ("address", address))];
        let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
        let numbered = |section, number, at: Option<_>| Some((section, number, at?));
        let all = listeners.enumerate().filter_map(|(number, at)| numbered("listener", number, at));
        let all = all.chain(plain.enumerate().filter_map(|(number, at)| numbered("plain", number, at)));
        let all = all.chain(metrics.into_iter().filter_map(|at| numbered("metrics", 0, at)));
        for (section, number, (key, address)) in all {
            let same = seen.iter().find(|(_, other)| address.port() != 0 && *other == address);
            if let Some((other, _)) = same {
                let what = format!("{address} is the address of another endpoint, in [{other}], too");
                return Err(Misfit::new(section, key, what).in_number(number));
            }
            seen.push((section, address));
        }
        Ok(())
    }

    /// The sections that are written otherwise in `other`, by name.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let names: BTreeSet<&String> = self.written.keys().chain(other.written.keys()).collect();
        let differ = |name: &&&String| self.written.get(**name) != other.written.get(**name);
        names.iter().filter(differ).map(ToString::to_string).collect()
    }

    /// The folder that relative paths start from.
    pub(crate) fn folder(&self) -> &Path {
        &self.base
    }

    /// Where the store is.
    pub(crate) fn store_path(&self) -> PathBuf {
        self.base.join(&self.store.path)
    }

    /// Where the control socket is.
    pub(crate) fn control_path(&self) -> PathBuf {
        match &self.control.socket {
            Some(path) => self.base.join(path),
            None => self.beside_the_store(".sock"),
        }
    }

    /// Where the key-encryption key is, unless an environment variable holds it.
    pub(crate) fn kek_path(&self) -> PathBuf {
        match &self.store.kek_file {
            Some(path) => self.base.join(path),
            None => self.beside_the_store(".kek"),
        }
    }

    /// The store's name with more: two configurations in one folder get in each other's way only with one store.
    fn beside_the_store(&self, more: &str) -> PathBuf {
        let mut name = self.store_path().into_os_string();
        name.push(more);
        name.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
[store]
path = "attache.db"

[cse]
id = "//example.org/mn-cse-123456"
base_name = "home_gateway"

[[listener]]
address = "127.0.0.1:8443"
"#;

    #[test]
    fn a_registrar_is_another_cse_above() {
        let registrar = "[registrar]\ncse_id = \"//example.org/in-cse\"\naddress = \"in.example.org:8443\"\n\
                         psk_identity = \"gw@example.org\"\n";
        let with = |text: &str| parse(&format!("{MINIMAL}{text}"));
        let config = with(registrar).unwrap();
        let section = config.registrar.unwrap();
        assert_eq!(section.server_name().as_deref(), Some("in-cse.example.org"));
        assert_eq!(section.membership(vec!["https://gw".into()]).points_of_access, ["https://gw"]);
        let section = with(&format!("{registrar}server_name = \"\"\nreachable = false\n")).unwrap().registrar;
        let section = section.unwrap();
        assert_eq!(section.server_name(), None);
        assert!(section.membership(vec!["https://gw".into()]).points_of_access.is_empty());
        for (text, expected) in [
            (registrar.replace("psk_identity", "psk"), "registrar.psk: unknown key"),
            (registrar.replace(":8443", ""), "host:port"),
            (
                registrar.replace("in-cse", "mn-cse-123456"),
                "line 12, registrar.cse_id: //example.org/mn-cse-123456 is this CSE itself",
            ),
            (
                registrar.to_owned() + "retry_seconds = 600\n",
                "line 11, registrar.retry_most_seconds: 300 is less than retry_seconds = 600",
            ),
            (
                registrar.replace("psk_identity = \"gw@example.org\"", ""),
                "line 11, registrar.psk_identity: is missing, and no [[listener]]",
            ),
            (registrar.to_owned() + "base_name = \"a/b\"\n", "resourceName"),
        ] {
            let message = with(&text).unwrap_err();
            assert!(message.contains(expected), "{expected}: {message}");
        }
        const OWN: &str = "[listener.certificate]\nchain_file = \"c\"\nkey_file = \"k\"\n";
        let unnamed = registrar.replace("psk_identity = \"gw@example.org\"", "server_name = \"gw\"");
        let message = with(&format!("{OWN}{unnamed}")).unwrap_err();
        let expected =
            "line 17, registrar.server_name: expected the public domain name of //example.org/in-cse";
        assert!(message.contains(expected), "{message}");
        with(&format!("{OWN}{}", unnamed.replace("gw", "in-cse.example.org"))).unwrap();
        let infrastructure = MINIMAL.replace("base_name", "kind = \"in\"\nbase_name");
        let message = parse(&format!("{infrastructure}{registrar}")).unwrap_err();
        assert!(message.contains("an IN-CSE registers with none of its own service provider"), "{message}");
    }

    /// Under one name a peer is asked for a certificate or it is not.
    #[test]
    fn a_listener_for_tokens_beside_others_has_names_for_them() {
        const OWN: &str = "[listener.certificate]\nchain_file = \"c\"\nkey_file = \"k\"\n";
        let with = |keys: &str, more: &str| parse(&format!("{MINIMAL}{keys}\n{more}"));
        let names = "token_names = [\"t.example.org\"]";
        let listener = with(names, OWN).unwrap().listener.remove(0);
        assert_eq!(listener.ways(), "provisioned keys, certificates, identity tokens as t.example.org");
        assert!(!listener.is_for_tokens_alone());
        assert!(listener.token_policy().suites().iter().all(|suite| suite.is_certificate()));
        with(&format!("{names}\naccept = [\"psk\", \"token\"]"), OWN).unwrap();
        assert!(with("accept = [\"token\"]", OWN).unwrap().listener.remove(0).is_for_tokens_alone());
        let suites = "suites = [\"TLS_PSK_WITH_AES_128_CCM_8\"]";
        for (keys, more, expected) in [
            (
                "accept = [\"psk\", \"token\"]",
                OWN,
                "line 11, listener.accept: token beside psk or certificate needs token_names",
            ),
            (
                &format!("{names}\naccept = [\"psk\"]"),
                OWN,
                "line 11, listener.token_names: of no use unless accept has token",
            ),
            (&format!("{names}\naccept = [\"token\"]"), OWN, "server_names has the names then"),
            (
                &format!("{names}\nserver_names = [\"T.example.org\"]"),
                OWN,
                "line 11, listener.token_names: \"t.example.org\" is in server_names too",
            ),
            (names, "", "line 9, listener.certificate: needed where"),
            (
                &format!("{names}\n{suites}"),
                OWN,
                "line 12, listener.suites: none of them is for peers with an identity token",
            ),
            (suites, OWN, "line 11, listener.suites: none of them is for peers with a certificate"),
            (
                "accept = [\"psk\"]\nsuites = [\"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8\"]",
                OWN,
                "line 12, listener.suites: none of them is for peers with a provisioned key",
            ),
            (
                "suites = [\"TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8\", \"TLS_PSK_WITH_AES_128_CCM_8\"]",
                "",
                "line 11, listener.suites: some of them need a certificate of our own",
            ),
            ("accept = []", "", "line 11, listener.accept: expected at least one of psk, certificate, token"),
            (
                "accept = [\"psk\"]",
                "[[listener]]\naddress = \"127.0.0.1:1\"\naccept = []\n",
                "line 14, listener.accept: expected at least one of",
            ),
            (
                "token_names = [\"127.0.0.1\"]",
                OWN,
                "line 11, listener.token_names: \"127.0.0.1\": expected a domain name",
            ),
            (
                "server_names = [\"gw.\"]",
                "",
                "line 11, listener.server_names: \"gw.\": expected a domain name",
            ),
            ("server_names = [\"\"]", "", "server_names: \"\": expected a domain name"),
            ("token_names = [\"a b\"]", OWN, "token_names: \"a b\": expected a domain name"),
        ] {
            let message = with(keys, more).unwrap_err();
            let start = "/etc/attache/attache.toml: line ";
            assert!(message.starts_with(start) && message.contains(expected), "{expected}: {message}");
        }
    }

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("/etc/attache/attache.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn a_minimal_file_gets_defaults() {
        let config = parse(MINIMAL).unwrap();
        assert_eq!(config.store_path(), Path::new("/etc/attache/attache.db"));
        assert_eq!(config.kek_path(), Path::new("/etc/attache/attache.db.kek"));
        assert_eq!(config.cse.id.to_string(), "//example.org/mn-cse-123456");
        assert_eq!(config.limits.handshake_seconds.get(), 10);
    }

    #[test]
    fn the_shipped_example_is_valid() {
        parse(include_str!("../../attache.example.toml")).unwrap();
    }

    /// Every error names the file, the line, the key, what was given, and what is expected; in words, and without
    /// what might be a secret.
    #[test]
    fn errors_name_file_line_key_and_what_was_expected() {
        const ADDRESS: &str = "an IP address and a port such as \"127.0.0.1:8443\"";
        let listener = |more: &str| format!("{more}\n[[listener]]");
        for (from, to, expected) in [
            ("path =", "paht =", "line 3, store.paht: unknown key \"paht\", expected one of \"path\""),
            (
                "path =",
                "kek = \"5ec12e75ec12e7\"\npath =",
                "line 3, store.kek: unknown key \"kek\", expected",
            ),
            (
                "path =",
                "kek_file = 5012757501275750\npath =",
                "line 3, store.kek_file: expected a path in quotation",
            ),
            (
                "path =",
                "kek_file = \"k\"\nkek_env = \"K\"\npath =",
                "store: kek_file and kek_env are both given",
            ),
            (
                "path =",
                "kek_env = \"\"\npath =",
                "store: kek_env: expected the name of an environment variable",
            ),
            ("path =", "path = \"a\"\npath =", "line 4: duplicate key"),
            ("path =", "path ", "line 3: "),
            ("path = \"attache.db\"", "", "line 2, store: the key path is missing"),
            ("[store]\npath = \"attache.db\"", "", "line 1: the section [store] is missing"),
            (
                "\"127.0.0.1:8443\"",
                "8443",
                "line 10, listener.address: 8443 is given, expected an IP address",
            ),
            (
                "\"127.0.0.1:8443\"",
                "\"gw:1\"",
                &format!("line 10, listener.address: \"gw:1\" is given, expected {ADDRESS}"),
            ),
            (
                "\"127.0.0.1:8443\"",
                "\"0.0.0.0:1\"\nadvertise = \"gw\"",
                "line 11, listener.advertise: \"gw\": expected host:port",
            ),
            (
                "\"127.0.0.1:8443\"",
                "\"0.0.0.0:1\"\nsuites = [\"X\"]",
                "line 11, listener.suites: cipher suite \"X\"",
            ),
            (
                "\"//example.org/mn-cse-123456\"",
                "\"/mn-cse-123456\"",
                "line 6, cse.id: CSE-ID \"/mn-cse-123456\": must be",
            ),
            (
                "base_name = \"home_gateway\"",
                "base_name = \"a/b\"",
                "line 7, cse.base_name: resourceName \"a/b\"",
            ),
            (
                "[cse]",
                "[log]\nlevel = \"inof\"\n[cse]",
                "line 6, log.level: log level \"inof\": expected off",
            ),
            (
                "[cse]",
                "[cse]\nkind = \"gateway\"",
                "line 6, cse.kind: \"gateway\" is given, expected one of \"in\", \"mn\"",
            ),
            (
                "[cse]",
                "[cse]\nregistration_days = 0",
                "line 6, cse.registration_days: 0 is given, expected a whole number from 1 to 65535",
            ),
            (
                "[cse]",
                "[cse]\nregistration_days = 70000",
                "line 6, cse.registration_days: 70000 is given, expected a whole",
            ),
            (
                "[cse]",
                "[cse]\nregistration_days = \"a year\"",
                "\"a year\" is given, expected a whole number",
            ),
            (
                "[cse]",
                "[cse]\nreleases = \"3\"",
                "line 6, cse.releases: \"3\" is given, expected a list in square brackets",
            ),
            (
                "[cse]",
                "[cse]\nreleases = [3]",
                "line 6, cse.releases: 3 is given, expected a text in quotation marks",
            ),
            (
                "[cse]",
                "[cse]\nreleases = [\"3\", \"99\"]",
                "line 6, cse.releases: \"99\" is given, expected some of \"1\"",
            ),
            (
                "[cse]",
                "[cse]\nreleases = []",
                "line 6, cse.releases: an empty list is given, expected some of",
            ),
            (
                "[cse]",
                "[cse]\npoints_of_access = [\"gw\"]",
                "line 6, cse.points_of_access: point of access \"gw\"",
            ),
            (
                "[[listener]]",
                &listener("[limits]\nassociations = 0"),
                "line 10, limits.associations: 0 is given, expected a whole number of at least 1",
            ),
            ("[[listener]]", &listener("[audit]\nlines = 0"), "line 10, audit.lines: 0 is given"),
            (
                "[[listener]]",
                &listener("[[plain]]\nsocket = \"a\"\nclear = \"127.0.0.1:1\""),
                "line 9, plain: expected exactly one of the keys",
            ),
            ("[[listener]]", "[listener]", "line 9, listener: expected [[listener]] in double brackets"),
            (
                "[[listener]]",
                &listener("[[listener]]\naddress = \"127.0.0.1:8443\""),
                "line 12, listener.address: 127.0.0.1:8443 is the address of another endpoint, in [listener], too",
            ),
            (
                "[[listener]]",
                &listener("[metrics]\naddress = \"127.0.0.1:8443\""),
                "line 10, metrics.address: 127.0.0.1:8443 is the address of another endpoint, in [listener], too",
            ),
            (
                "[[listener]]",
                &listener("[limits]\nlookup_seconds = 11"),
                "line 10, limits.lookup_seconds: 11 is longer than handshake_seconds = 10",
            ),
            ("[[listener]]\naddress = \"127.0.0.1:8443\"", "", "the section [[listener]] is missing"),
        ] {
            assert!(MINIMAL.contains(from), "{from}");
            let message = parse(&MINIMAL.replace(from, to)).unwrap_err();
            let rest = message.strip_prefix("/etc/attache/attache.toml: ").unwrap_or_default();
            assert!(rest.contains(expected), "{to}: {expected:?} is not in:\n{message}");
            assert!(
                !message.contains("5ec12e7") && !message.contains("50127575"),
                "a key is repeated: {message}"
            );
            assert!(!message.contains('`') && !message.contains("u16"), "{message}");
        }
    }

    #[test]
    fn a_changed_section_is_named() {
        let read = |text: &str| Config::parse(text, Path::new("attache.toml")).unwrap();
        let other = MINIMAL.replace("home_gateway", "other") + "[log]\nlevel = \"warn\"\n";
        assert_eq!(read(MINIMAL).differences(&read(&other)), ["cse", "log"]);
        assert!(read(MINIMAL).differences(&read(&format!("# a remark\n{MINIMAL}"))).is_empty());
    }
}
