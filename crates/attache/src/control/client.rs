use std::{
    io::{self, ErrorKind},
    path::Path,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    time::timeout,
};

use super::Question;
use crate::{
    config::Config,
    outcome::{Failure, Fault},
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Octets of an answer.
const MOST: u64 = 4 * 1024 * 1024;

/// Asks the server that runs for the CSE of this configuration: the facts of its answer, and whether there are more.
/// Another CSE's server at the same socket is asked who it is and nothing else.
pub(crate) async fn ask(config: &Config, question: &Question) -> Result<(Vec<Value>, bool), Failure> {
    let (cse, socket) = (config.cse.id.to_string(), config.control_path());
    let (facts, _) = ask_anyone(&socket, &Question::Status).await?;
    let theirs = facts.first().and_then(|fact| fact.pointer("/server/cse")).and_then(Value::as_str);
    if theirs != Some(cse.as_str()) {
        let whose = theirs.unwrap_or("?").escape_debug();
        let how = format_args!(
            "{}: here answers the server of {whose}, and this configuration is that of {cse}: restart it if it is to \
             be this one, or give one of them another `[control] socket`",
            socket.display()
        );
        return Err(Failure::new(Fault::Unreachable, how));
    }
    ask_anyone(&socket, question).await
}

/// Asks whichever server has the socket.
pub(crate) async fn ask_anyone(socket: &Path, question: &Question) -> Result<(Vec<Value>, bool), Failure> {
    let shown = socket.display();
    let text = match timeout(PATIENCE, exchange(socket, question)).await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => return Err(failure(socket, &error)),
        Err(_) => {
            let how = format_args!("{shown}: the server did not answer within {PATIENCE:?}");
            return Err(Failure::new(Fault::Unreachable, how));
        }
    };
    let mut facts = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line)
            .map_err(|_| Failure::internal(format_args!("{shown}: the answer is not JSON")))?;
        if let Some(error) = line.get("error").and_then(Value::as_str) {
            return Err(Failure::new(Fault::Refused, format_args!("{shown}: the server answered: {error}")));
        }
        if let Some(end) = line.get("end") {
            return Ok((facts, end.get("more") == Some(&Value::Bool(true))));
        }
        facts.push(line);
    }
    Err(Failure::new(
        Fault::Unreachable,
        format_args!("{shown}: the server ended in the middle of its answer"),
    ))
}

async fn exchange(socket: &Path, question: &Question) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut text = String::new();
    stream.take(MOST).read_to_string(&mut text).await?;
    Ok(text)
}

fn failure(socket: &Path, error: &io::Error) -> Failure {
    let shown = socket.display();
    let unreachable = |how: std::fmt::Arguments<'_>| Failure::new(Fault::Unreachable, how);
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => unreachable(format_args!(
            "no server answers at {shown}: is `attache serve` running with this configuration?"
        )),
        ErrorKind::PermissionDenied => unreachable(format_args!(
            "{shown}: the server runs under another account; ask as that one, or as root"
        )),
        _ => unreachable(format_args!("{shown}: {error}")),
    }
}
