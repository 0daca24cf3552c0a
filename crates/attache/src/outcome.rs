//! How a command ends, and how it says so.

use std::{fmt, process::ExitCode};

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
        println!("{fact}");
    } else {
        println!("{line}");
    }
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
