//! The `openssl` program of the OpenSSL that is linked, for the tests: Debian 12's has no raw public keys.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

use rustix::fs::{FlockOperation, flock};

use crate::step::{Step, StepError};

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("the crate openssl-src is not among the dependencies: nothing to build from")]
    NoSource,
    #[error("cannot work in {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Step(#[from] StepError),
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
    let configure = ["./Configure"].into_iter().chain(OPTIONS.split_whitespace());
    let steps = [
        Step::new("perl", configure),
        // One program alone does not ask for the headers that are made first.
        Step::new("make", [&jobs, "build_generated"]),
        Step::new("make", [&jobs, "apps/openssl"]),
    ];
    for step in steps {
        step.run(work, log)?;
    }
    Ok(())
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
