//! `attache device`: Entity A from the command line.

use std::process::ExitCode;

use device::{AeDescription, Attachment, DeviceError, Registered};
use net::NetError;
use onem2m::{
    primitive::{Operation, Request, Response, ResultContent},
    status::ResponseStatusCode,
};
use serde_json::{Value, json};

use crate::{
    cli::{DeviceCommand, DeviceRequest, Verb},
    device_file::DeviceFile,
    outcome::{Done, Failure, Fault, causes, say},
};

pub(crate) async fn run(command: DeviceCommand, json: bool) -> Done {
    match command {
        DeviceCommand::Attach(arguments) => attach(&DeviceFile::load(&arguments.device)?, json).await,
        DeviceCommand::Request(arguments) => request(arguments, json).await,
    }
}

async fn attach(file: &DeviceFile, json: bool) -> Done {
    let mut attachment = open(file).await?;
    let registered = match attachment.register(&description(file)).await {
        Err(DeviceError::Refused(response)) if may_be_of_the_file(response.rsc) => {
            return Err(Failure::refused(&response).with(says(file)));
        }
        registered => registered.map_err(|error| failed(file, error))?,
    };
    if file.ae.stem.is_none() {
        file.remember(&registered.ae)?;
    }
    keep_session(file, &mut attachment)?;
    let fact = json!({
        "attached": registered.ae.to_string(),
        "resumed": attachment.is_resumed(),
        "registrar": file.registrar.cse_id.to_string(),
        "suite": attachment.suite(),
        "registered_before": registered.already,
        "representation": registered.representation,
    });
    say(json, &fact, line(file, &registered, &attachment));
    attachment.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whether a wrong word in the device file gets this answer: a CSE-ID or a name that does not fit, a `<CSEBase>` that is
/// called otherwise, an AE-ID-Stem that the credential does not stand for.
fn may_be_of_the_file(rsc: ResponseStatusCode) -> bool {
    use ResponseStatusCode::{BadRequest, NotFound, OriginatorNotAuthenticated};
    matches!(rsc, BadRequest | NotFound | OriginatorNotAuthenticated)
}

/// What the device file asks for, to be compared with what the registrar has to say about it.
fn says(file: &DeviceFile) -> String {
    let stem = file.ae.stem.as_ref().map(|stem| format!("stem = \"{stem}\", ")).unwrap_or_default();
    format!(
        " ({} says: cse_id = \"{}\", base_name = \"{}\", {stem}name = \"{}\", app_id = \"{}\")",
        file.path().display(),
        file.registrar.cse_id,
        file.registrar.base_name.escape_debug(),
        file.ae.name,
        file.ae.app_id.escape_debug(),
    )
}

fn line(file: &DeviceFile, registered: &Registered, attachment: &Attachment) -> String {
    let how = if registered.already { "attached again" } else { "attached and registered" };
    let resumed = if attachment.is_resumed() { ", a resumed session" } else { "" };
    let suite = attachment.suite();
    format!("{how}: {} at {} over {suite}{resumed}", registered.ae, file.registrar.cse_id)
}

/// Keeps what the registrar gave to resume by; a session that was resumed without another one stays as it is.
fn keep_session(file: &DeviceFile, attachment: &mut Attachment) -> Result<(), Failure> {
    match attachment.take_session() {
        None if attachment.is_resumed() => Ok(()),
        session => file.keep_session(session.as_ref()),
    }
}

/// Forgets the session of an association that has failed.
fn failed(file: &DeviceFile, error: DeviceError) -> DeviceError {
    if error.ends_session()
        && let Err(unwritten) = file.keep_session(None)
    {
        tracing::warn!(error = %unwritten, "a session that has ended is not forgotten");
    }
    error
}

fn description(file: &DeviceFile) -> AeDescription {
    let mut description =
        AeDescription::new(file.ae.stem.clone(), file.ae.name.clone(), file.ae.app_id.clone());
    description.points_of_access.clone_from(&file.ae.points_of_access);
    description.releases.clone_from(&file.ae.releases);
    description
}

async fn open(file: &DeviceFile) -> Result<Attachment, Failure> {
    let attached = file.device()?.attach(file.session().as_ref()).await;
    let mut attachment = attached.map_err(|error| failed(file, error))?;
    if let Some(stem) = &file.ae.stem {
        attachment.speak_as(stem.clone());
    }
    Ok(attachment)
}

async fn request(arguments: DeviceRequest, json: bool) -> Done {
    let file = DeviceFile::load(&arguments.file.device)?;
    let content = content(arguments.content.as_deref())?;
    let result_content = result_content(arguments.rcn)?;
    let mut attachment = open(&file).await?;
    let operation = match arguments.verb {
        Verb::Create => Operation::Create,
        Verb::Retrieve => Operation::Retrieve,
        Verb::Update => Operation::Update,
        Verb::Delete => Operation::Delete,
    };
    let mut request: Request = attachment.new_request(operation, arguments.to);
    request.ty = arguments.ty;
    request.pc = content;
    request.rcn = result_content;
    if let Some(from) = arguments.from {
        request.fr = Some(from);
    }
    attachment.identify().await.map_err(|error| failed(&file, error))?;
    keep_session(&file, &mut attachment)?;
    let response = attachment.last_request(&request).await.map_err(|error| failed(&file, error))?;
    answer(&response, json)
}

fn answer(response: &Response, json: bool) -> Done {
    if !response.rsc.is_success() {
        return Err(Failure::refused(response));
    }
    let fact = json!({ "rsc": response.rsc.code(), "content": response.pc });
    let content = response.pc.as_ref().map(|content| format!("\n{content:#}")).unwrap_or_default();
    say(json, &fact, format_args!("{}{content}", response.rsc));
    Ok(ExitCode::SUCCESS)
}

fn content(argument: Option<&str>) -> Result<Option<Value>, Failure> {
    let Some(argument) = argument else { return Ok(None) };
    let (text, place) = match argument.strip_prefix('@') {
        Some(path) => {
            let text = std::fs::read(path)
                .map_err(|error| Failure::usage(format_args!("cannot read {path}: {error}")))?;
            (text, path)
        }
        None => (argument.as_bytes().to_vec(), "--content"),
    };
    let value =
        onem2m::json::parse(&text).map_err(|error| Failure::usage(format_args!("{place}: {error}")))?;
    Ok(Some(value))
}

fn result_content(number: Option<u32>) -> Result<Option<ResultContent>, Failure> {
    let Some(number) = number else { return Ok(None) };
    let wanted = u16::try_from(number).ok().and_then(ResultContent::from_code);
    wanted.map(Some).ok_or_else(|| Failure::usage(format_args!("--rcn {number}: expected 0 to 10")))
}

impl From<DeviceError> for Failure {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Refused(response) => Self::refused(&response),
            refused if refused.alert().is_some() => Self::new(Fault::Refused, causes(&refused)),
            DeviceError::Transport(error @ (NetError::Binding(_) | NetError::Tls(_))) => {
                Self::new(Fault::Usage, causes(&error))
            }
            DeviceError::Transport(NetError::Unreachable { address, source })
                if source.kind() == std::io::ErrorKind::InvalidInput =>
            {
                let text = format!("registrar address \"{address}\": expected host:port ({source})");
                Self::new(Fault::Usage, text)
            }
            DeviceError::Untrusted { detail, .. } => Self::new(
                Fault::Refused,
                format_args!(
                    "the registrar is not the one that is trusted, nothing was sent to it: {detail}"
                ),
            ),
            broken @ DeviceError::Credential(_) => Self::new(Fault::Usage, causes(&broken)),
            unreached @ DeviceError::Transport(_) => Self::new(Fault::Unreachable, causes(&unreached)),
            other => Self::new(Fault::Refused, causes(&other)),
        }
    }
}
