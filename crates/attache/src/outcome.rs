//! How a command ends, and how it says so.

use std::{
    fmt,
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use onem2m::{primitive::Response, status::ResponseStatusCode};
use serde_json::{Value, json};

/// Whose fault it is that a command did not do what was asked; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 1: the other side refused.
    Refused,
    /// 2: the command line, a file or the configuration is wrong.
    Usage,
    /// 3: the other side could not be reached.
    Unreachable,
    /// 4: something here failed.
    Internal,
    /// 130: the operator broke it off, as shells say it.
    Interrupted,
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    fault: Fault,
    message: String,
    rsc: Option<ResponseStatusCode>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

pub(crate) type Done = Result<ExitCode, Failure>;

impl Failure {
    pub(crate) fn new(fault: Fault, message: impl fmt::Display) -> Self {
        Self { fault, message: message.to_string(), rsc: None }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Fault::Usage, message)
    }

    pub(crate) fn internal(message: impl fmt::Display) -> Self {
        Self::new(Fault::Internal, message)
    }

    /// The same with something more to say.
    pub(crate) fn with(mut self, more: impl fmt::Display) -> Self {
        self.message.push_str(&more.to_string());
        self
    }

    /// The other side answered with a status that is not success.
    pub(crate) fn refused(response: &Response) -> Self {
        let debug = response
            .pc
            .as_ref()
            .and_then(|content| content.get("m2m:dbg"))
            .and_then(Value::as_str)
            .map(|text| format!(": {text}"))
            .unwrap_or_default();
        Self {
            fault: Fault::Refused,
            message: format!("the registrar answered {}{debug}", response.rsc),
            rsc: Some(response.rsc),
        }
    }

    /// Says it on standard error and gives the exit code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        if as_json {
            let fact = json!({
                "error": self.message,
                "rsc": self.rsc.map(ResponseStatusCode::code),
                "exit": self.code(),
            });
            eprintln!("{fact}");
        } else {
            eprintln!("attache: {}", self.message);
        }
        ExitCode::from(self.code())
    }

    const fn code(&self) -> u8 {
        self.fault.code()
    }
}

impl Fault {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Unreachable => 3,
            Self::Internal => 4,
            Self::Interrupted => 130,
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::usage(error)
    }
}

/// Prints one fact: as JSON where asked for, else as a line.
pub(crate) fn say(as_json: bool, fact: &Value, line: impl fmt::Display) {
    if as_json {
        put(fact);
    } else {
        put(line);
    }
}

/// Prints one line. Where standard output takes no more, going on would serve nobody: a reader that has seen
/// enough (`| head`) is left without a word, anything else is said.
pub(crate) fn put(line: impl fmt::Display) {
    let Err(error) = writeln!(std::io::stdout(), "{line}") else { return };
    if error.kind() != ErrorKind::BrokenPipe {
        eprintln!("attache: cannot write to standard output: {error}");
    }
    std::process::exit(Fault::Internal.code().into());
}

/// Says to a person that a list ends at its limit and not at its end, and how to see more of it.
pub(crate) fn more_follow(how: impl fmt::Display) {
    eprintln!("more follow: {how}");
}

/// Text of somebody else's making, without what might be a key: a run of 16 or more hexadecimal digits.
pub(crate) fn without_keys(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|digit: char| !digit.is_ascii_hexdigit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(run);
        shown.push_str(if run < 16 { digits } else { "…" });
        let next = behind.find(|digit: char| digit.is_ascii_hexdigit()).unwrap_or(behind.len());
        let (between, after) = behind.split_at(next);
        shown.push_str(between);
        rest = after;
    }
    shown
}

/// An error with what caused it, on one line: each layer says what it was doing and leaves the rest to its
/// source.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // A transparent error repeats its source.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_be_a_key_is_not_shown() {
        let key = "000102030405060708090a0b0c0d0e0f";
        assert_eq!(
            without_keys(&format!("integer `{key}` as i128, line 10")),
            "integer `…` as i128, line 10"
        );
        assert_eq!(without_keys(key), "…");
        assert_eq!(
            without_keys("light1@home.example.org: 2000 deadbeef"),
            "light1@home.example.org: 2000 deadbeef"
        );
    }
}
