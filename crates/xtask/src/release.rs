//! The `attache` program for production: optimised for what it was seen to do.
//!
//! ```text
//! instrumented build ─> training ─> profile ─> optimised build ─> check
//! ```
//!
//! That goes for Rust and, because a connection spends most of its time there, for the C of OpenSSL, SQLite and the
//! allocator: hence clang, whose counters are those of rustc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::step::{Step, StepError};

/// The C compiler that counts as rustc does, and what belongs to it.
const CLANG: &str = "clang-19";
const ARCHIVER: &str = "llvm-ar-19";
const MERGER: &str = "llvm-profdata-19";

/// How often the demonstration is run for training: it takes no second.
const DEMONSTRATIONS: usize = 5;

/// Where it is built.
#[derive(Debug)]
pub(crate) struct Places {
    /// The repository.
    pub(crate) root: PathBuf,
    /// What is made, all of it.
    pub(crate) folder: PathBuf,
}

/// Why there is no program.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReleaseError {
    #[error("{0} cannot be run: apt-get install clang-19 llvm-19")]
    Missing(String),
    #[error("rustc -vV names no host; is there a toolchain?")]
    Host,
    #[error("{0} has a blank in it, at which lists of compiler flags are split: build elsewhere")]
    Blank(PathBuf),
    #[error("cannot work in {path}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the training left no profile in {0}")]
    NoProfile(PathBuf),
    #[error("{0} is empty: a process of the training did not come to write its profile")]
    EmptyProfile(PathBuf),
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Builds it, and returns where it is.
pub(crate) fn program(places: &Places) -> Result<PathBuf, ReleaseError> {
    let missing: Vec<_> =
        [CLANG, ARCHIVER, MERGER].into_iter().filter(|tool| said(tool, "--version").is_none()).collect();
    if !missing.is_empty() {
        return Err(ReleaseError::Missing(missing.join(", ")));
    }
    let host = said("rustc", "-vV").as_deref().and_then(host_in).ok_or(ReleaseError::Host)?;
    let caller = |name: &str| std::env::var(name).ok();
    if text(&places.folder).contains(char::is_whitespace) {
        return Err(ReleaseError::Blank(places.folder.clone()));
    }
    fs::create_dir_all(&places.folder).map_err(refused(&places.folder))?;

    run(places, "instrumented build", &places.instrumented_build(&host, caller))?;
    // What earlier training has left.
    emptied(&places.profiles())?;
    for _ in 0..DEMONSTRATIONS {
        run(places, "training by the demonstration", &places.demonstration(&host))?;
    }
    run(places, "training by load", &places.load(&host))?;
    run(places, "profile", &places.merging(&profiles_in(&places.profiles())?))?;
    // No profile is like the one before, so that nothing that was built with that is of use; and cargo does not see that
    // the file has changed.
    emptied(&places.optimised())?;
    run(places, "optimised build", &places.optimised_build(&host, caller))?;
    run(places, "check by the demonstration", &places.check(&host))?;
    put(&built(&places.optimised(), &host), &places.folder)
}

/// Runs a step, and says which and how long it took.
fn run(places: &Places, title: &str, step: &Step) -> Result<(), ReleaseError> {
    let log = places.folder.join(format!("{}.log", title.replace(' ', "-")));
    println!("{title}: {step}");
    #[expect(clippy::disallowed_methods, reason = "says how long a person has waited")]
    let begun = Instant::now();
    step.run(&places.root, &log)?;
    println!("  took {} s", begun.elapsed().as_secs());
    Ok(())
}

impl Places {
    fn instrumented(&self) -> PathBuf {
        self.folder.join("instrumented")
    }

    fn optimised(&self) -> PathBuf {
        self.folder.join("optimised")
    }

    fn profiles(&self) -> PathBuf {
        self.folder.join("profiles")
    }

    fn profile(&self) -> PathBuf {
        self.folder.join("attache.profdata")
    }

    fn instrumented_build(&self, host: &str, caller: impl Fn(&str) -> Option<String>) -> Step {
        let rust = format!("-Cprofile-generate={}", text(&self.profiles()));
        build(&self.instrumented(), host, "-fprofile-generate", &rust, caller)
    }

    fn optimised_build(&self, host: &str, caller: impl Fn(&str) -> Option<String>) -> Step {
        let profile = text(&self.profile());
        // Code that the training did not reach has no counts; that is no news.
        let c =
            format!("-fprofile-use={profile} -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date");
        // Where the counts make it put much into one function, rustc would look for vectors in that for many minutes.
        let rust = format!("-Cprofile-use={profile}{}-Cno-vectorize-slp", rust_flags(&caller).1);
        build(&self.optimised(), host, &c, &rust, caller)
    }

    fn demonstration(&self, host: &str) -> Step {
        self.trained(demonstration(&self.instrumented(), host))
    }

    /// The load comes from a program that is not instrumented.
    fn load(&self, host: &str) -> Step {
        let program = text(&built(&self.instrumented(), host));
        let arguments =
            ["run", "--locked", "--release", "-p", "bench", "--", "exercise", "--attache", &program];
        self.trained(Step::new("cargo", arguments))
    }

    /// Each process writes a profile of its own.
    fn trained(&self, step: Step) -> Step {
        step.with("LLVM_PROFILE_FILE", text(&self.profiles().join("%p.profraw")))
    }

    fn merging(&self, profiles: &[PathBuf]) -> Step {
        let output = text(&self.profile());
        let profiles = profiles.iter().map(|profile| text(profile));
        let options = ["merge", "-o", &output].map(str::to_owned);
        Step::new(MERGER, options.into_iter().chain(profiles))
    }

    fn check(&self, host: &str) -> Step {
        demonstration(&self.optimised(), host)
    }
}

/// A release build below `target` with more flags for both compilers than the caller has set. With `--target`, even of
/// the host itself, they are not for build scripts.
fn build(target: &Path, host: &str, c: &str, rust: &str, caller: impl Fn(&str) -> Option<String>) -> Step {
    let suffix = host.replace('-', "_");
    let more = |name: &str, blank: char, flags: &str| match caller(name) {
        Some(set) if !set.is_empty() => format!("{set}{blank}{flags}"),
        _ => flags.to_owned(),
    };
    let (rust_name, blank) = rust_flags(&caller);
    let c_name = format!("CFLAGS_{suffix}");
    Step::new("cargo", ["build", "--locked", "--release", "-p", "attache", "--target", host])
        .with(&format!("CC_{suffix}"), CLANG)
        .with(&format!("AR_{suffix}"), ARCHIVER)
        .with(&c_name, more(&c_name, ' ', c))
        .with(rust_name, more(rust_name, blank, rust))
        .with("CARGO_TARGET_DIR", text(target))
}

/// The variable that cargo reads rustc's flags from, and what stands between them.
fn rust_flags(caller: impl Fn(&str) -> Option<String>) -> (&'static str, char) {
    // It reads one of the two, this one first.
    match caller("CARGO_ENCODED_RUSTFLAGS") {
        Some(_) => ("CARGO_ENCODED_RUSTFLAGS", '\x1f'),
        None => ("RUSTFLAGS", ' '),
    }
}

fn demonstration(target: &Path, host: &str) -> Step {
    Step::new(&text(&built(target, host)), ["demo", "smart-home"])
}

/// Where a release build below `target` puts the program.
fn built(target: &Path, host: &str) -> PathBuf {
    target.join(host).join("release/attache")
}

/// The platform in what `rustc -vV` says.
fn host_in(said: &str) -> Option<String> {
    said.lines().find_map(|line| line.strip_prefix("host: ")).map(|host| host.trim().to_owned())
}

/// What a program says when asked; nothing if it cannot be run or fails.
fn said(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What the training has left, none of it empty.
fn profiles_in(folder: &Path) -> Result<Vec<PathBuf>, ReleaseError> {
    let mut profiles = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused(folder))? {
        let entry = entry.map_err(refused(folder))?;
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "profraw") {
            continue;
        }
        if entry.metadata().map_err(refused(&path))?.len() == 0 {
            return Err(ReleaseError::EmptyProfile(path));
        }
        profiles.push(path);
    }
    profiles.sort();
    if profiles.is_empty() { Err(ReleaseError::NoProfile(folder.to_owned())) } else { Ok(profiles) }
}

/// The folder, with nothing in it.
fn emptied(folder: &Path) -> Result<(), ReleaseError> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(refused(folder))?;
    }
    fs::create_dir_all(folder).map_err(refused(folder))
}

/// Puts the program into the folder, in one piece or not at all.
fn put(program: &Path, folder: &Path) -> Result<PathBuf, ReleaseError> {
    let (new, place) = (folder.join("attache.new"), folder.join("attache"));
    fs::copy(program, &new).map_err(refused(program))?;
    fs::rename(&new, &place).map_err(refused(&place))?;
    Ok(place)
}

fn refused(path: &Path) -> impl FnOnce(std::io::Error) -> ReleaseError + use<'_> {
    |source| ReleaseError::Folder { path: path.to_owned(), source }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "x86_64-unknown-linux-gnu";

    fn places() -> Places {
        Places { root: PathBuf::from("/src"), folder: PathBuf::from("/src/target/pgo") }
    }

    fn nothing_set(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_instrumented_build_counts_in_c_and_rust_and_not_in_build_scripts() {
        assert_eq!(
            places().instrumented_build(HOST, nothing_set).to_string(),
            "CC_x86_64_unknown_linux_gnu='clang-19' AR_x86_64_unknown_linux_gnu='llvm-ar-19' \
             CFLAGS_x86_64_unknown_linux_gnu='-fprofile-generate' \
             RUSTFLAGS='-Cprofile-generate=/src/target/pgo/profiles' \
             CARGO_TARGET_DIR='/src/target/pgo/instrumented' \
             cargo build --locked --release -p attache --target x86_64-unknown-linux-gnu"
        );
    }

    #[test]
    fn the_optimised_build_uses_the_profile_that_was_merged() {
        let places = places();
        let merging = places.merging(&[PathBuf::from("/p/1.profraw"), PathBuf::from("/p/2.profraw")]);
        assert_eq!(
            merging.to_string(),
            "llvm-profdata-19 merge -o /src/target/pgo/attache.profdata /p/1.profraw /p/2.profraw"
        );
        let build = places.optimised_build(HOST, nothing_set);
        assert_eq!(
            build.variables.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>(),
            [
                "clang-19",
                "llvm-ar-19",
                "-fprofile-use=/src/target/pgo/attache.profdata -Wno-profile-instr-unprofiled \
                 -Wno-profile-instr-out-of-date",
                "-Cprofile-use=/src/target/pgo/attache.profdata -Cno-vectorize-slp",
                "/src/target/pgo/optimised",
            ]
        );
    }

    #[test]
    fn flags_of_the_caller_are_kept() {
        let plain = |name: &str| match name {
            "RUSTFLAGS" => Some("-Ctarget-cpu=native".to_owned()),
            "CFLAGS_x86_64_unknown_linux_gnu" => Some("-march=native".to_owned()),
            _ => None,
        };
        let value = |step: &Step, wanted: &str| {
            step.variables.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let step = places().instrumented_build(HOST, plain);
        assert_eq!(
            value(&step, "RUSTFLAGS").as_deref(),
            Some("-Ctarget-cpu=native -Cprofile-generate=/src/target/pgo/profiles")
        );
        assert_eq!(
            value(&step, "CFLAGS_x86_64_unknown_linux_gnu").as_deref(),
            Some("-march=native -fprofile-generate")
        );
        // Where it is set, cargo does not look at the other.
        let encoded =
            |name: &str| (name == "CARGO_ENCODED_RUSTFLAGS").then(|| "-C\x1fopt-level=3".to_owned());
        let step = places().instrumented_build(HOST, encoded);
        assert_eq!(
            value(&step, "CARGO_ENCODED_RUSTFLAGS").as_deref(),
            Some("-C\x1fopt-level=3\x1f-Cprofile-generate=/src/target/pgo/profiles")
        );
        assert_eq!(value(&step, "RUSTFLAGS"), None);
    }

    #[test]
    fn training_runs_the_instrumented_program_and_the_check_the_optimised_one() {
        let places = places();
        let profile = "LLVM_PROFILE_FILE='/src/target/pgo/profiles/%p.profraw'";
        let instrumented = "/src/target/pgo/instrumented/x86_64-unknown-linux-gnu/release/attache";
        assert_eq!(
            places.demonstration(HOST).to_string(),
            format!("{profile} {instrumented} demo smart-home")
        );
        assert_eq!(
            places.load(HOST).to_string(),
            format!("{profile} cargo run --locked --release -p bench -- exercise --attache {instrumented}")
        );
        assert_eq!(
            places.check(HOST).to_string(),
            "/src/target/pgo/optimised/x86_64-unknown-linux-gnu/release/attache demo smart-home"
        );
    }

    #[test]
    fn the_host_is_found() {
        let said = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\nrelease: 1.95.0\n";
        assert_eq!(host_in(said).as_deref(), Some(HOST));
        assert_eq!(host_in("rustc 1.95.0"), None);
    }

    #[test]
    fn a_missing_or_empty_profile_is_an_error() {
        let folder = std::env::temp_dir().join(format!("xtask-{}-profiles", std::process::id()));
        emptied(&folder).expect("a scratch directory");
        fs::write(folder.join("notes"), "").expect("written");
        let error = profiles_in(&folder).expect_err("nothing there").to_string();
        assert!(error.starts_with("the training left no profile in /"), "{error}");
        for name in ["12.profraw", "7.profraw"] {
            fs::write(folder.join(name), "counts").expect("written");
        }
        let found = profiles_in(&folder).expect("two profiles");
        assert_eq!(found, ["12.profraw", "7.profraw"].map(|name| folder.join(name)));
        fs::write(folder.join("9.profraw"), "").expect("written");
        let error = profiles_in(&folder).expect_err("one is empty").to_string();
        assert!(error.contains("/9.profraw is empty"), "{error}");
        emptied(&folder).expect("emptied");
        assert_eq!(fs::read_dir(&folder).expect("it is there").count(), 0);
        fs::remove_dir(folder).expect("removed");
    }
}
