//! Reads the workspace and hands it to the checks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use serde::Deserialize;

use crate::layers::{Lints, Member};
use crate::{Error, audit, layers, openssl, release, table};

/// What a check has to say.
#[derive(Debug)]
pub(crate) struct Report {
    /// One line: what was checked.
    pub(crate) summary: String,
    pub(crate) complaints: Vec<String>,
}

/// The platform whose dependencies are audited: the one that is built for. Crates of other platforms need not
/// be on this disk.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// Compares the members' dependencies with the table in ARCHITECTURE.md.
pub(crate) fn check_layers() -> Result<Report, Error> {
    let metadata = command().no_deps().exec()?;
    let table = table::parse(&read(&root().join("ARCHITECTURE.md"))?)?;
    let members = members(&metadata)?;
    let complaints = layers::complaints(&members, &table);
    let arrows: usize = members.values().map(|member| member.uses.len() + member.tests_use.len()).sum();
    let summary = format!("layers: {} crates, {arrows} arrows, {} rows", members.len(), table.len());
    Ok(Report { summary, complaints })
}

/// Compares the dependency graph with deny.toml.
pub(crate) fn check_audit() -> Result<Report, Error> {
    let options = ["--filter-platform", PLATFORM, "--locked"].map(str::to_owned).to_vec();
    let metadata = command().other_options(options).exec()?;
    let policy = parse(&root().join("deny.toml"))?;
    let packages = packages(&metadata);
    let complaints = audit::complaints(&packages, &policy);
    Ok(Report { summary: format!("audit: {} crates", packages.len()), complaints })
}

/// The `openssl` program of the OpenSSL whose source is among the dependencies, in the target directory.
pub(crate) fn build_openssl() -> Result<Report, Error> {
    let options = ["--filter-platform", PLATFORM, "--locked"].map(str::to_owned).to_vec();
    let metadata = command().other_options(options).exec()?;
    let used: BTreeSet<_> =
        metadata.resolve.iter().flat_map(|graph| &graph.nodes).map(|node| &node.id).collect();
    let crate_of_source = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "openssl-src" && used.contains(&package.id))
        .ok_or(openssl::BuildError::NoSource)?;
    // 300.6.1+3.6.3 holds OpenSSL 3.6.3.
    let version = &crate_of_source.version.build;
    let source = crate_of_source.manifest_path.with_file_name("openssl");
    let folder = metadata.target_directory.join(format!("openssl-{version}"));
    let program = openssl::program(source.as_std_path(), folder.as_std_path())?;
    Ok(Report { summary: program.display().to_string(), complaints: Vec::new() })
}

/// The `attache` program for production, in the target directory.
pub(crate) fn build_release() -> Result<Report, Error> {
    let metadata = command().no_deps().exec()?;
    let folder = metadata.target_directory.join("pgo").into_std_path_buf();
    let places = release::Places { root: metadata.workspace_root.into_std_path_buf(), folder };
    let program = release::program(&places)?.display().to_string();
    let summary = format!("{program}\nto install it: install -m 755 {program} /usr/local/bin/attache");
    Ok(Report { summary, complaints: Vec::new() })
}

fn command() -> MetadataCommand {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml")).env("CARGO_NET_OFFLINE", "true");
    command
}

/// The repository's root: two floors above this crate's manifest.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.display().to_string(), source })
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, Error> {
    toml::from_str(&read(path)?).map_err(|source| Error::Toml { path: path.display().to_string(), source })
}

fn members(metadata: &Metadata) -> Result<BTreeMap<String, Member>, Error> {
    let packages = metadata.workspace_packages();
    let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    let mut members = BTreeMap::new();
    for package in packages {
        let mut member = Member { lints: lints(package.manifest_path.as_std_path())?, ..Member::default() };
        let inside =
            package.dependencies.iter().filter(|dependency| names.contains(dependency.name.as_str()));
        for dependency in inside {
            let arrows = match dependency.kind {
                DependencyKind::Development => &mut member.tests_use,
                _ => &mut member.uses,
            };
            arrows.insert(dependency.name.clone());
        }
        members.insert(package.name.to_string(), member);
    }
    Ok(members)
}

#[derive(Debug, Deserialize)]
struct Manifest {
    #[serde(default)]
    lints: LintTable,
}

#[derive(Debug, Default, Deserialize)]
struct LintTable {
    #[serde(default)]
    workspace: bool,
    #[serde(default)]
    clippy: BTreeMap<String, toml::Value>,
}

fn lints(manifest: &Path) -> Result<Lints, Error> {
    let Manifest { lints } = parse(manifest)?;
    let denied = |lint: &str| lints.clippy.get(lint).and_then(toml::Value::as_str) == Some("deny");
    Ok(if lints.workspace {
        Lints::Inherited
    } else if denied("undocumented_unsafe_blocks") && denied("multiple_unsafe_ops_per_block") {
        Lints::OwnWithUnsafeWatched
    } else {
        Lints::Unwatched
    })
}

/// The packages of the resolved graph. (`packages` alone also lists those of other platforms.)
fn packages(metadata: &Metadata) -> Vec<audit::Package> {
    let used: BTreeSet<_> =
        metadata.resolve.iter().flat_map(|graph| &graph.nodes).map(|node| &node.id).collect();
    metadata
        .packages
        .iter()
        .filter(|package| used.contains(&package.id))
        .map(|package| audit::Package {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
            source: package.source.as_ref().map(|source| source.repr.clone()),
            ours: metadata.workspace_members.contains(&package.id),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_keeps_to_its_table() {
        let report = check_layers().expect("the workspace can be read");
        assert_eq!(report.complaints, Vec::<String>::new(), "{}", report.summary);
    }

    #[test]
    fn this_workspace_keeps_to_its_policy() {
        let report = check_audit().expect("the dependency graph can be read");
        assert_eq!(report.complaints, Vec::<String>::new(), "{}", report.summary);
    }
}
