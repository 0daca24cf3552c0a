//! Foreign programs that tests talk to.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Where daemons live; Debian leaves these out of an ordinary user's `PATH`.
const DAEMON_DIRECTORIES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// The full path of `program`, searched in `PATH` and in the directories for daemons.
///
/// # Panics
///
/// When the program is not installed: a test that needs a foreign program fails without it, naming the
/// Debian package to install. It is never skipped, because a skipped judge looks like a satisfied one.
#[must_use]
pub fn require(program: &str, debian_package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    match find(&path, program) {
        Some(found) => found,
        None => panic!("missing program `{program}`: install Debian package `{debian_package}`"),
    }
}

fn find(path: &OsStr, program: &str) -> Option<PathBuf> {
    env::split_paths(path)
        .chain(DAEMON_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

#[cfg(unix)]
fn is_executable(candidate: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    candidate.metadata().is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_program_in_the_path() {
        assert_eq!(require("sh", "dash").file_name(), Some(OsStr::new("sh")));
    }

    #[test]
    fn finds_daemons_outside_the_path() {
        assert!(find(OsStr::new("/nowhere"), "ldconfig").is_some_and(|found| found.is_absolute()));
    }

    #[test]
    fn passes_over_files_that_cannot_be_run() {
        assert_eq!(find(OsStr::new("/etc"), "passwd"), None);
    }

    #[test]
    #[should_panic(expected = "missing program `no-such-program`: install Debian package `no-package`")]
    fn a_missing_program_names_its_package() {
        let _ = require("no-such-program", "no-package");
    }
}
