//! `attache subscription`: the service rules that registrations of AEs are held against.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use cse::{ServiceRule, SubscriptionState};
use identity::{AppIdPattern, Rule, StemPattern};
use keys::{OsRng, Rng as _, pattern::CredentialPattern};
use onem2m::id::{ResourceName, RoleId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Store;

use crate::{
    cli::{SubscriptionAdd, SubscriptionCommand, SubscriptionImport, SubscriptionRemove},
    config::{Config, located},
    outcome::{Done, Failure, say},
    stored::{self, operator},
};

pub(crate) async fn run(command: SubscriptionCommand, json: bool) -> Done {
    match command {
        SubscriptionCommand::Add(arguments) => add(arguments, json).await,
        SubscriptionCommand::Import(arguments) => import(&arguments, json).await,
        SubscriptionCommand::List(arguments) => list(&Config::load(&arguments.config)?, json).await,
        SubscriptionCommand::Remove(arguments) => remove(arguments, json).await,
    }
}

/// The file of rules that the configuration names, if it names one, and what is in it.
pub(crate) fn configured(config: &Config) -> Result<Option<(PathBuf, Vec<ServiceRule>)>, Failure> {
    let Some(path) = &config.cse.service_rules else { return Ok(None) };
    let path = config.folder().join(path);
    let rules =
        read_file(&path).map_err(|error| Failure::usage(format_args!("[cse] service_rules: {error}")))?;
    Ok(Some((path, rules)))
}

/// Takes over the rules of the file that the configuration names.
pub(crate) async fn take_over(config: &Config, store: &Store) -> Result<(), Failure> {
    let Some((path, rules)) = configured(config)? else { return Ok(()) };
    let (settings, revision, count) = (config.cse.settings(), revision()?, rules.len());
    let source = path.display().to_string();
    let set = move |tx: &mut store::Tx<'_>| cse::set_service_rules(tx, &settings, &rules, revision, &source);
    let changed = store.write("subscription.set", set).await.map_err(|error| {
        Failure::from(error).with(format_args!(" (the service rules of {})", path.display()))
    })?;
    if changed {
        tracing::info!(path = %path.display(), rules = count, "the service rules were taken over");
    }
    Ok(())
}

/// Rules that a file says are not changed behind its back.
fn kept_here(config: &Config) -> Result<(), Failure> {
    match &config.cse.service_rules {
        Some(path) => Err(Failure::usage(format_args!(
            "the configuration keeps the service rules in {} (service_rules): change them there and reload \
             (kill -HUP)",
            config.folder().join(path).display()
        ))),
        None => Ok(()),
    }
}

async fn add(arguments: SubscriptionAdd, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    kept_here(&config)?;
    let store = stored::open(&config)?;
    let rule = Rule {
        credentials: (!arguments.no_association).then_some(arguments.credentials),
        app_ids: arguments.app_ids,
        stems: arguments.ae_ids,
        roles: arguments.roles,
    };
    let name = match arguments.name {
        Some(name) => name,
        None => free_name(&store, &rule).await?,
    };
    provision(&config, &store, vec![ServiceRule { name, rule }], json).await
}

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    rule: Vec<RuleText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleText {
    name: String,
    /// To be left out, with `association = false`, for registrations without an association.
    credentials: Option<Vec<String>>,
    #[serde(default = "yes")]
    association: bool,
    #[serde(default)]
    app_ids: Vec<String>,
    #[serde(default)]
    ae_ids: Vec<String>,
    #[serde(default)]
    role_ids: Vec<String>,
}

const fn yes() -> bool {
    true
}

impl RuleText {
    fn read(self) -> Result<ServiceRule, String> {
        fn all<T: std::str::FromStr<Err: std::fmt::Display>>(texts: &[String]) -> Result<Vec<T>, String> {
            texts.iter().map(|text| text.parse().map_err(|error: T::Err| error.to_string())).collect()
        }
        let credentials = match (&self.credentials, self.association) {
            (Some(texts), true) => Some(all(texts)?),
            (None, false) => None,
            (None, true) => {
                return Err("credentials are missing; a rule for registrations without an association says \
                            association = false"
                    .into());
            }
            (Some(_), false) => return Err("credentials do not go with association = false".into()),
        };
        let name = self.name.parse().map_err(|error: onem2m::id::IdError| error.to_string())?;
        Ok(ServiceRule {
            name,
            rule: Rule {
                credentials,
                app_ids: all(&self.app_ids)?,
                stems: all(&self.ae_ids)?,
                roles: all(&self.role_ids)?,
            },
        })
    }
}

async fn import(arguments: &SubscriptionImport, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    kept_here(&config)?;
    let rules = read_file(&arguments.file)?;
    provision(&config, &stored::open(&config)?, rules, json).await
}

fn read_file(path: &Path) -> Result<Vec<ServiceRule>, Failure> {
    let wrong = |text: String| Failure::usage(format_args!("{}: {text}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let file: RuleFile = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?
    } else {
        toml::from_str(&text).map_err(|error| wrong(located(&text, &error)))?
    };
    file.rule
        .into_iter()
        .map(|rule| {
            let name: String = rule.name.escape_debug().take(64).collect();
            rule.read().map_err(|error| wrong(format!("rule {name}: {error}")))
        })
        .collect()
}

/// Adds `rules` to those of the CSE, all or none.
pub(crate) async fn add_rules(
    config: &Config,
    store: &Store,
    rules: Vec<ServiceRule>,
) -> Result<(), Failure> {
    let (settings, revision, source) = (config.cse.settings(), revision()?, operator());
    let add = move |tx: &mut store::Tx<'_>| cse::add_service_rules(tx, &settings, &rules, revision, &source);
    Ok(store.write("subscription.add", add).await?)
}

/// Removes the rule of this name, and says how many are left.
pub(crate) async fn remove_rule(
    config: &Config,
    store: &Store,
    name: ResourceName,
) -> Result<usize, Failure> {
    let (settings, revision, source) = (config.cse.settings(), revision()?, operator());
    let remove =
        move |tx: &mut store::Tx<'_>| cse::remove_service_rule(tx, &settings, &name, revision, &source);
    Ok(store.write("subscription.remove", remove).await?)
}

async fn provision(config: &Config, store: &Store, rules: Vec<ServiceRule>, json: bool) -> Done {
    let before = state(config, store).await?;
    add_rules(config, store, rules.clone()).await?;
    for rule in &rules {
        say(json, &json!({ "added": fact(rule) }), format_args!("added {}", line(rule)));
    }
    if before == SubscriptionState::NotProvisioned && !rules.is_empty() {
        eprintln!("from now on an AE registers at {} only if a rule allows it", config.cse.id);
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(config: &Config, json: bool) -> Done {
    let store = stored::open(config)?;
    let rules = store.read(|records| cse::service_rules(records)).await?;
    for rule in &rules {
        say(json, &fact(rule), line(rule));
    }
    let note = match (state(config, &store).await?, config.cse.settings().service_subscription) {
        (SubscriptionState::Rules(0), _) => "no rule is left: no AE can register (4126)",
        (SubscriptionState::Rules(_), _) => "",
        (SubscriptionState::NotForThisCse, _) => "the profile is not for this CSE: no AE can register (4128)",
        (SubscriptionState::NotProvisioned, cse::ServiceSubscription::Enforce) => {
            "no profile is provisioned and service_subscription = \"enforce\": no AE can register (4128)"
        }
        (SubscriptionState::NotProvisioned, cse::ServiceSubscription::Auto) => {
            "no profile is provisioned: the AE-ID bound to a credential decides on registrations"
        }
    };
    if !note.is_empty() {
        eprintln!("{note}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn remove(arguments: SubscriptionRemove, json: bool) -> Done {
    let config = Config::load(&arguments.config.config)?;
    kept_here(&config)?;
    let store = stored::open(&config)?;
    let Some(name) = arguments.name else {
        let source = operator();
        let drop = move |tx: &mut store::Tx<'_>| cse::drop_service_subscription(tx, &source);
        let removed = store.write("subscription.drop", drop).await?;
        let line = format!("removed {removed} rules and the profile");
        say(json, &json!({ "removed": removed, "profile": "removed" }), line);
        return Ok(ExitCode::SUCCESS);
    };
    let left = remove_rule(&config, &store, name.clone()).await?;
    say(json, &json!({ "removed": name.as_str(), "left": left }), format_args!("removed {name}"));
    if left == 0 {
        eprintln!(
            "no rule is left: no AE can register at {} (4126); `attache subscription remove --all` removes the \
             profile too",
            config.cse.id
        );
    }
    Ok(ExitCode::SUCCESS)
}

async fn state(config: &Config, store: &Store) -> Result<SubscriptionState, Failure> {
    let settings = config.cse.settings();
    Ok(store.read(move |records| cse::subscription_state(records, &settings)).await?)
}

/// A number that no revision of the rules had before.
fn revision() -> Result<u64, Failure> {
    let mut octets = [0; 8];
    OsRng.fill(&mut octets).map_err(Failure::internal)?;
    Ok(u64::from_be_bytes(octets))
}

/// The stem that the rule names, or a number.
async fn free_name(store: &Store, rule: &Rule) -> Result<ResourceName, Failure> {
    let taken = store.read(|records| cse::service_rules(records)).await?;
    let stem = rule.stems.iter().find_map(StemPattern::only).map(|stem| stem.as_str().to_owned());
    let numbered = (1..).map(|number| format!("rule-{number}"));
    let names = stem.into_iter().chain(numbered).filter_map(|name| name.parse::<ResourceName>().ok());
    let mut free = names.filter(|name| !taken.iter().any(|rule| rule.name == *name));
    free.next().ok_or_else(|| Failure::internal("no name is free"))
}

/// The lists of a rule as texts.
struct Texts<'a> {
    credentials: Option<Vec<&'a str>>,
    app_ids: Vec<&'a str>,
    ae_ids: Vec<&'a str>,
    roles: Vec<&'a str>,
}

fn texts(rule: &Rule) -> Texts<'_> {
    Texts {
        credentials: rule.credentials.as_ref().map(|all| all.iter().map(CredentialPattern::as_str).collect()),
        app_ids: rule.app_ids.iter().map(AppIdPattern::as_str).collect(),
        ae_ids: rule.stems.iter().map(StemPattern::as_str).collect(),
        roles: rule.roles.iter().map(RoleId::as_str).collect(),
    }
}

fn fact(rule: &ServiceRule) -> Value {
    let Texts { credentials, app_ids, ae_ids, roles } = texts(&rule.rule);
    json!({
        "name": rule.name.as_str(),
        "credentials": credentials,
        "app_ids": app_ids,
        "ae_ids": ae_ids,
        "role_ids": roles,
    })
}

fn line(rule: &ServiceRule) -> String {
    let Texts { credentials, app_ids, ae_ids, roles } = texts(&rule.rule);
    let credentials = credentials.map_or_else(|| "(no association)".to_owned(), |all| all.join(", "));
    let list = |texts: Vec<&str>| if texts.is_empty() { "(none given)".to_owned() } else { texts.join(", ") };
    let roles = if roles.is_empty() { String::new() } else { format!("  Role-IDs {}", roles.join(", ")) };
    format!("{}: {credentials}  App-IDs {}  AE-IDs {}{roles}", rule.name, list(app_ids), list(ae_ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<ServiceRule, String> {
        let mut file: RuleFile = toml::from_str(text).map_err(|error| error.to_string())?;
        file.rule.remove(0).read()
    }

    #[test]
    fn a_rule_says_what_it_means() {
        let rest = "app_ids = [\"Nx\"]\nae_ids = [\"Cx\"]\n";
        let of = |credentials: &str| rule(&format!("[[rule]]\nname = \"a\"\n{credentials}\n{rest}"));
        let with = of("credentials = [\"12-*@x.org\"]").unwrap();
        assert_eq!(line(&with), "a: 12-*@x.org  App-IDs Nx  AE-IDs Cx");
        let without = of("association = false").unwrap();
        assert_eq!(line(&without), "a: (no association)  App-IDs Nx  AE-IDs Cx");
        for (credentials, expected) in [
            ("", "credentials are missing"),
            ("credentials = [\"*\"]\nassociation = false", "do not go with"),
            ("credentials = [\"\"]", "Credential-ID pattern"),
            ("credential = [\"*\"]", "unknown field"),
        ] {
            let error = of(credentials).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
