//! `attache registrar`: the registration of this CSE with another one, as the running server sees it.

use std::process::ExitCode;

use onem2m::{primitive::Response, status::ResponseStatusCode};
use serde_json::Value;

use crate::{
    cli::{InspectRemote, RegistrarCommand},
    config::Config,
    control::{self, Order, Question},
    outcome::{Done, Failure, say},
};

pub(crate) async fn run(command: RegistrarCommand, json: bool) -> Done {
    let (config, order) = match command {
        RegistrarCommand::Status(config) => (config, Order::Look),
        RegistrarCommand::Join(config) => (config, Order::Join),
        RegistrarCommand::Leave(config) => (config, Order::Leave),
    };
    let fact = ask(&Config::load(&config.config)?, &Question::Registrar { order }, "registrar").await?;
    let text = |name: &str| fact.get(name).and_then(Value::as_str);
    let cse = text("cse").unwrap_or("-");
    let how = match (text("registered_until"), text("trouble")) {
        (Some(until), _) => format!("registered until {until}"),
        (None, Some(trouble)) => format!("not registered: {}", trouble.escape_debug()),
        (None, None) if fact.get("wanted") == Some(&Value::Bool(true)) => "not registered yet".into(),
        (None, None) => "not registered, as you wanted".into(),
    };
    say(json, &fact, format_args!("{cse} at {}: {how}", text("address").unwrap_or("-")));
    Ok(ExitCode::SUCCESS)
}

/// `attache inspect remote`.
pub(crate) async fn remote(arguments: &InspectRemote, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    let fact = ask(&config, &Question::Retrieve { to: arguments.to.clone() }, "answer").await?;
    let rsc = fact.get("rsc").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let rsc = rsc.and_then(ResponseStatusCode::from_code);
    let rsc = rsc.ok_or_else(|| Failure::internal("the server answered without a status"))?;
    let content = fact.get("content").filter(|content| !content.is_null()).cloned();
    if !rsc.is_success() {
        let mut answer = Response::with_rqi(rsc, "");
        answer.pc = content;
        return Err(Failure::refused(&answer));
    }
    let shown = content.map(|content| format!("\n{content:#}")).unwrap_or_default();
    say(json, &fact, format_args!("{rsc}{shown}"));
    Ok(ExitCode::SUCCESS)
}

/// The one fact of the answer, which is called `name`.
async fn ask(config: &Config, question: &Question, name: &str) -> Result<Value, Failure> {
    let (facts, _) = control::ask(config, question).await?;
    let fact = facts.into_iter().next().and_then(|mut fact| fact.get_mut(name).map(Value::take));
    fact.ok_or_else(|| Failure::internal("the server's answer is not one"))
}
