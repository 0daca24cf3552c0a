//! The `openssl` program of the OpenSSL that is linked, for the tests: Debian 12's has no raw public keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use rustix::fs::{FlockOperation, flock};

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("the crate openssl-src is not among the dependencies: nothing to build from")]
    NoSource,
    #[error("cannot work in {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot run {program}; perl, make and gcc are needed")]
    Run { program: &'static str, source: std::io::Error },
    #[error("{step} failed; {log} ends with:\n{end}")]
    Step { step: String, log: PathBuf, end: String },
}

/// Without what a client of the tests has no use for. `no-makedepend` because
/// everything is built once.
const OPTIONS: &str = "no-shared no-module no-tests no-docs no-makedepend no-engine no-legacy no-comp no-zlib no-ssl3 \
                       no-cmp no-cms no-quic no-srp no-gost no-ct no-aria no-bf no-blake2 no-camellia no-cast no-idea \
                       no-mdc2 no-rc2 no-rc4 no-seed no-sm2 no-sm3 no-sm4 no-whirlpool -O1";

/// The program `folder/openssl`, built from `source` unless it is there already. Several that want it at the same
/// time wait for the first.
pub(crate) fn program(source: &Path, folder: &Path) -> Result<PathBuf, BuildError> {
    let refuse = |source| BuildError::Folder { path: folder.to_owned(), source };
    let program = folder.join("openssl");
    fs::create_dir_all(folder).map_err(refuse)?;
    let lock = File::create(folder.join("lock")).map_err(refuse)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|error| refuse(error.into()))?;
    if program.is_file() {
        return Ok(program);
    }
    let work = folder.join("source");
    if work.exists() {
        // An earlier attempt was broken off.
        fs::remove_dir_all(&work).map_err(refuse)?;
    }
    copy(source, &work).map_err(refuse)?;
    build(&work, &folder.join("log"))?;
    // Last, so that what carries the name is whole.
    fs::rename(work.join("apps/openssl"), &program).map_err(refuse)?;
    fs::remove_dir_all(&work).map_err(refuse)?;
    Ok(program)
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

fn build(work: &Path, log: &Path) -> Result<(), BuildError> {
    let jobs = format!("-j{}", thread::available_parallelism().map_or(1, usize::from));
    let mut configure = vec!["./Configure"];
    configure.extend(OPTIONS.split_whitespace());
    let steps: [(&'static str, &[&str]); 3] = [
        ("perl", &configure),
        // One program alone does not ask for the headers that are made first.
        ("make", &[&jobs, "build_generated"]),
        ("make", &[&jobs, "apps/openssl"]),
    ];
    for (tool, arguments) in steps {
        let refuse = |source| BuildError::Folder { path: log.to_owned(), source };
        let output = File::create(log).map_err(refuse)?;
        let errors = output.try_clone().map_err(refuse)?;
        let mut command = Command::new(tool);
        command.args(arguments).current_dir(work).stdout(output).stderr(errors);
        // Another make's job server is not for this one.
        command.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
        let status = command.status().map_err(|source| BuildError::Run { program: tool, source })?;
        if !status.success() {
            let said = fs::read(log).map_err(refuse)?;
            let step = format!("{tool} {}", arguments.join(" "));
            return Err(BuildError::Step { step, log: log.to_owned(), end: last_lines(&said) });
        }
    }
    Ok(())
}

fn last_lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a scratch directory");
        folder
    }

    #[test]
    fn what_is_there_is_not_built() {
        let folder = scratch("there");
        fs::write(folder.join("openssl"), "").expect("written");
        let found = program(Path::new("/nonexistent"), &folder).expect("it is there");
        assert_eq!(found, folder.join("openssl"));
        fs::remove_dir_all(folder).expect("removed");
    }

    #[test]
    fn a_build_that_fails_says_where_to_look() {
        let folder = scratch("fails");
        let source = folder.join("given");
        fs::create_dir_all(&source).expect("made");
        fs::write(source.join("Configure"), "print \"nothing to configure\\n\"; exit 3;").expect("written");
        let error = program(&source, &folder.join("to")).expect_err("Configure fails").to_string();
        assert!(error.starts_with("perl ./Configure no-shared"), "{error}");
        assert!(error.ends_with("to/log ends with:\nnothing to configure"), "{error}");
        assert!(!folder.join("to/openssl").exists());
        fs::remove_dir_all(folder).expect("removed");
    }
}
