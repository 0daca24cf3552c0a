//! Do the crates we build on have licences, sources and TLS libraries that deny.toml allows?
//!
//! The same file is cargo-deny's configuration. This check reads the part of it that must hold on every run,
//! also where cargo-deny is not installed and there is no network.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::licence::satisfied;

/// The part of deny.toml that is checked here.
#[derive(Debug, Deserialize)]
pub(crate) struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences allowed for one crate only.
#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    /// The crate itself is welcome; two versions of it are not.
    #[serde(default)]
    deny_multiple_versions: bool,
    #[serde(default)]
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: BTreeSet<String>,
}

/// A crate in the dependency graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// Where it comes from; `None` for a path on this disk.
    pub(crate) source: Option<String>,
    pub(crate) ours: bool,
}

/// Everything in which the packages differ from the policy.
pub(crate) fn complaints(packages: &[Package], policy: &Policy) -> Vec<String> {
    let mut found = Vec::new();
    for package in packages {
        check_licence(package, &policy.licenses, &mut found);
        check_source(package, &policy.sources, &mut found);
    }
    check_bans(packages, &policy.bans, &mut found);
    found
}

fn check_licence(package: &Package, licenses: &Licenses, found: &mut Vec<String>) {
    let Package { name, version, licence, .. } = package;
    let Some(licence) = licence else {
        found.push(format!("{name} {version} names no licence"));
        return;
    };
    let mut allowed = licenses.allow.clone();
    for exception in licenses.exceptions.iter().filter(|exception| exception.name == *name) {
        allowed.extend(exception.allow.iter().cloned());
    }
    if !satisfied(licence, &allowed) {
        found.push(format!("{name} {version} has licence `{licence}`, which deny.toml does not allow"));
    }
}

fn check_source(package: &Package, sources: &Sources, found: &mut Vec<String>) {
    let Package { name, version, source, ours, .. } = package;
    match source {
        None if *ours => {}
        None => found.push(format!("{name} {version} comes from a path outside the workspace")),
        Some(source) => {
            let registry = source.strip_prefix("registry+").unwrap_or(source);
            if !sources.allow_registry.contains(registry) {
                found.push(format!("{name} {version} comes from `{source}`, which deny.toml does not allow"));
            }
        }
    }
}

fn check_bans(packages: &[Package], bans: &Bans, found: &mut Vec<String>) {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    for ban in &bans.deny {
        let Some(present) = versions.get(ban.name.as_str()) else { continue };
        let listed = present.iter().copied().collect::<Vec<_>>().join(", ");
        let (name, reason) = (&ban.name, &ban.reason);
        if !ban.deny_multiple_versions {
            found.push(format!("{name} {listed} is banned: {reason}"));
        } else if present.len() > 1 {
            found.push(format!("{name} is there in several versions ({listed}): {reason}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
        [licenses]
        allow = ["MIT"]
        exceptions = [{ crate = "odd", allow = ["OpenSSL"] }]
        [bans]
        deny = [
          { crate = "rustls", reason = "a second TLS library" },
          { crate = "openssl-sys", deny-multiple-versions = true, reason = "two OpenSSLs" },
        ]
        [sources]
        allow-registry = ["https://registry.example/index"]
    "#;

    fn package(name: &str, version: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: Some("MIT".to_owned()),
            source: Some("registry+https://registry.example/index".to_owned()),
            ours: false,
        }
    }

    fn judge(packages: &[Package]) -> Vec<String> {
        complaints(packages, &toml::from_str(POLICY).expect("a well-formed policy"))
    }

    #[test]
    fn what_the_policy_allows_passes() {
        let ours = Package { source: None, ours: true, ..package("onem2m", "0.1.0") };
        let odd = Package { licence: Some("OpenSSL".to_owned()), ..package("odd", "1.0.0") };
        assert_eq!(judge(&[package("http", "1.0.0"), package("openssl-sys", "0.9.0"), ours, odd]), [""; 0]);
    }

    #[test]
    fn licences_are_checked() {
        let foreign = Package { licence: Some("GPL-3.0".to_owned()), ..package("a", "1.0.0") };
        let silent = Package { licence: None, ..package("b", "1.0.0") };
        let elsewhere = Package { licence: Some("OpenSSL".to_owned()), ..package("c", "1.0.0") };
        assert_eq!(
            judge(&[foreign, silent, elsewhere]),
            [
                "a 1.0.0 has licence `GPL-3.0`, which deny.toml does not allow",
                "b 1.0.0 names no licence",
                "c 1.0.0 has licence `OpenSSL`, which deny.toml does not allow",
            ]
        );
    }

    #[test]
    fn sources_are_checked() {
        let git =
            Package { source: Some("git+https://host.example/x#1".to_owned()), ..package("a", "1.0.0") };
        let path = Package { source: None, ..package("b", "1.0.0") };
        assert_eq!(
            judge(&[git, path]),
            [
                "a 1.0.0 comes from `git+https://host.example/x#1`, which deny.toml does not allow",
                "b 1.0.0 comes from a path outside the workspace",
            ]
        );
    }

    #[test]
    fn a_second_tls_library_is_named() {
        assert_eq!(
            judge(&[
                package("rustls", "0.24.0"),
                package("openssl-sys", "0.9.0"),
                package("openssl-sys", "0.8.0")
            ]),
            [
                "rustls 0.24.0 is banned: a second TLS library",
                "openssl-sys is there in several versions (0.8.0, 0.9.0): two OpenSSLs",
            ]
        );
    }
}
