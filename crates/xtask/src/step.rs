//! A command that is run for its effect, with what it says in a file.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program, its arguments, and what its environment has besides that of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) program: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: Vec<(String, String)>,
}

/// Why a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("cannot use {path}")]
    Log { path: PathBuf, source: std::io::Error },
    #[error("cannot run {program}: is it installed?")]
    Run { program: String, source: std::io::Error },
    #[error("{step} failed; {log} ends with:\n{end}")]
    Failed { step: String, log: PathBuf, end: String },
}

impl Step {
    pub(crate) fn new<T: Into<String>>(program: &str, arguments: impl IntoIterator<Item = T>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { program: program.to_owned(), arguments, variables: Vec::new() }
    }

    /// The same with `name` in its environment.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it in `folder`; both outputs go to `log`, in place of what was there.
    pub(crate) fn run(&self, folder: &Path, log: &Path) -> Result<(), StepError> {
        let refuse = |source| StepError::Log { path: log.to_owned(), source };
        let output = File::create(log).map_err(refuse)?;
        let errors = output.try_clone().map_err(refuse)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).envs(self.variables.iter().map(|(name, value)| (name, value)));
        // Another make's job server is not for this one.
        command.env_remove("MAKEFLAGS").env_remove("MFLAGS").env_remove("MAKELEVEL");
        command.current_dir(folder).stdout(output).stderr(errors);
        let status =
            command.status().map_err(|source| StepError::Run { program: self.program.clone(), source })?;
        if status.success() {
            return Ok(());
        }
        let said = fs::read(log).map_err(refuse)?;
        Err(StepError::Failed { step: self.to_string(), log: log.to_owned(), end: last_lines(&said) })
    }
}

/// As one would type it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.variables {
            write!(f, "{name}='{value}' ")?;
        }
        f.write_str(&self.program)?;
        for argument in &self.arguments {
            write!(f, " {argument}")?;
        }
        Ok(())
    }
}

fn last_lines(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let lines: Vec<&str> = said.lines().collect();
    lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_says_how_it_was_run_and_what_it_said_last() {
        let log = std::env::temp_dir().join(format!("xtask-step-{}", std::process::id()));
        let step = Step::new("sh", ["-c", "seq 20; echo $WORD; exit 3"]).with("WORD", "the end");
        let error = step.run(Path::new("/"), &log).expect_err("exit code 3").to_string();
        let start = format!("WORD='the end' sh -c seq 20; echo $WORD; exit 3 failed; {} ends", log.display());
        assert!(error.starts_with(&start), "{error}");
        assert!(error.ends_with("with:\n12\n13\n14\n15\n16\n17\n18\n19\n20\nthe end"), "{error}");
        fs::remove_file(log).expect("removed");
    }
}
