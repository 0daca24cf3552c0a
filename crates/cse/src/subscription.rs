//! The service subscription that this CSE knows of (TS-0001 §9.6.19, §9.6.20, §9.6.29): a profile, the node that
//! this CSE runs on, and its rules, kept as resources in this CSE's own copy.
//!
//! ```text
//! <CSEBase> ─ mssp (m2mServiceSubscriptionProfile) ─ svsn (serviceSubscribedNode, csi = this CSE, rlk = rules)
//!           └ asar-NAME (serviceSubscribedAppRule), one for each rule
//! ```
//!
//! The operator provisions them; nobody on the wire created them, so that nobody on the wire may see or change
//! them (4103).

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use identity::{AppIdPattern, CredentialState, PatternError, Rule, RuleBook, StemPattern};
use keys::{CredentialId, pattern::CredentialPattern};
use onem2m::{
    id::{AeId, AeIdStem, CseId, EntityId, ResourceName, RoleId},
    resource::{ResourceType, attr},
};
use serde_json::{Map, Value, json};
use store::{AuditMut as _, AuditRecord, Outcome, Resource, Resources, ResourcesMut as _, StoreError, Tx};

use crate::{
    base, marks,
    resolve::BASE_ID,
    settings::{AbsentLists, ServiceSubscription, Settings},
};

/// resourceID and name of the profile.
const PROFILE_ID: &str = "mssp";
/// resourceID and name of this CSE's node.
const NODE_ID: &str = "svsn";
/// What resourceIDs and names of rules begin with.
const RULE_PREFIX: &str = "asar-";
/// Octets of the longest Credential-ID: the type, a hyphen and a `psk_identity`.
const MAX_CREDENTIAL_ID: usize = 3 + keys::MAX_PSK_IDENTITY_OCTETS;
/// Most octets of a rule's name.
const MAX_RULE_NAME: usize = 128;

/// Whether a resource below the `<CSEBase>` may not be called so, because the operator's are.
pub(crate) fn is_reserved(name: &str) -> bool {
    name == PROFILE_ID || name.starts_with(RULE_PREFIX)
}

/// A rule and the name by which the operator knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// A resourceName of at most 128 octets.
    pub name: ResourceName,
    /// What it allows.
    pub rule: Rule,
}

/// What is provisioned.
#[derive(Debug)]
pub(crate) enum Profile {
    /// No profile.
    None,
    /// A profile without a node for this CSE.
    NoNode,
    /// The rules that this CSE's nodes are linked to.
    Rules(RuleBook),
}

/// The profile as it was read last, by its revision: registrations read one small resource as long as the
/// operator changes nothing, whatever the number of rules.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<Option<(String, Arc<Profile>)>>);

impl Remembered {
    /// The profile as of the transaction that `records` belongs to.
    pub(crate) fn profile(
        &self,
        records: &impl Resources,
        settings: &Settings,
    ) -> Result<Arc<Profile>, StoreError> {
        let Some(stored) = records.resource(PROFILE_ID)? else { return Ok(Arc::new(Profile::None)) };
        let revision = marks::revision(&stored).unwrap_or_default();
        let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*remembered {
            Some((known, profile)) if known == revision => Ok(Arc::clone(profile)),
            _ => {
                let profile = Arc::new(read(records, settings)?);
                *remembered = Some((revision.to_owned(), Arc::clone(&profile)));
                Ok(profile)
            }
        }
    }
}

/// What the stored profile says, read in full.
pub(crate) fn profile(records: &impl Resources, settings: &Settings) -> Result<Profile, StoreError> {
    match records.resource(PROFILE_ID)? {
        None => Ok(Profile::None),
        Some(_) => read(records, settings),
    }
}

fn read(records: &impl Resources, settings: &Settings) -> Result<Profile, StoreError> {
    let nodes = all_of_type(records, ResourceType::ServiceSubscribedNode)?;
    let mut nodes = nodes.iter().filter(|node| is_node_of(node, &settings.home.cse)).peekable();
    if nodes.peek().is_none() {
        return Ok(Profile::NoNode);
    }
    let mut rules = Vec::new();
    for link in nodes.flat_map(|node| texts(&node.attributes, attr::RLK).unwrap_or_default()) {
        // A link that leads nowhere allows nothing.
        let Some(resource) = records.resource(link)? else { continue };
        if resource.ty == ResourceType::ServiceSubscribedAppRule.code() {
            rules.push(in_force(rule(&resource)?, settings.absent_rule_lists)?);
        }
    }
    Ok(Profile::Rules(RuleBook::new(rules)))
}

/// The rule as it is applied, where it leaves lists out.
fn in_force(mut rule: Rule, absent: AbsentLists) -> Result<Rule, StoreError> {
    if absent == AbsentLists::Anything {
        let wrong = |error: PatternError| StoreError::abandon(error.to_string());
        if rule.app_ids.is_empty() {
            rule.app_ids.push("*".parse().map_err(wrong)?);
        }
        if rule.stems.is_empty() {
            rule.stems.push("*".parse().map_err(wrong)?);
        }
    }
    Ok(rule)
}

fn is_node_of(node: &Resource, home: &CseId) -> bool {
    let csi = node.attributes.get(attr::CSI).and_then(Value::as_str);
    csi.and_then(|text| CseId::parse_in(text, home.sp()).ok()).as_ref() == Some(home)
}

fn all_of_type(records: &impl Resources, ty: ResourceType) -> Result<Vec<Resource>, StoreError> {
    let mut all: Vec<Resource> = Vec::new();
    loop {
        let after = all.last().map(|last| last.ri.as_str());
        let page = records.resources_of_type(ty.code(), after, store::MAX_LISTED)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

fn texts<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<Vec<&'a str>> {
    Some(attributes.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

/// The rule in a stored `<serviceSubscribedAppRule>`.
fn rule(resource: &Resource) -> Result<Rule, StoreError> {
    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
        resource: &Resource,
        name: &str,
    ) -> Result<Option<Vec<T>>, StoreError> {
        let wrong =
            |error: T::Err| StoreError::abandon(format!("stored rule {}, {name}: {error}", resource.ri));
        texts(&resource.attributes, name)
            .map(|texts| texts.into_iter().map(|text| text.parse().map_err(wrong)).collect())
            .transpose()
    }
    Ok(Rule {
        credentials: parsed(resource, attr::APCI)?,
        app_ids: parsed(resource, attr::AAI)?.unwrap_or_default(),
        stems: parsed(resource, attr::AAE)?.unwrap_or_default(),
        roles: parsed(resource, attr::ARI)?.unwrap_or_default(),
    })
}

fn attributes(rule: &Rule) -> Map<String, Value> {
    let mut attributes = Map::new();
    if let Some(patterns) = &rule.credentials {
        let patterns: Vec<&str> = patterns.iter().map(CredentialPattern::as_str).collect();
        attributes.insert(attr::APCI.into(), json!(patterns));
    }
    let lists: [(&str, Vec<&str>); 3] = [
        (attr::AAI, rule.app_ids.iter().map(AppIdPattern::as_str).collect()),
        (attr::AAE, rule.stems.iter().map(StemPattern::as_str).collect()),
        (attr::ARI, rule.roles.iter().map(RoleId::as_str).collect()),
    ];
    for (name, patterns) in lists {
        if !patterns.is_empty() {
            attributes.insert(name.into(), json!(patterns));
        }
    }
    attributes
}

/// The rules that are provisioned for this CSE, by name.
///
/// # Errors
/// [`StoreError`] if they cannot be read.
pub fn service_rules(records: &impl Resources) -> Result<Vec<ServiceRule>, StoreError> {
    let stored = all_of_type(records, ResourceType::ServiceSubscribedAppRule)?;
    let named = stored.iter().filter_map(|resource| Some((resource, resource.ri.strip_prefix(RULE_PREFIX)?)));
    named
        .map(|(resource, name)| {
            let name =
                name.parse().map_err(|error: onem2m::id::IdError| StoreError::abandon(error.to_string()))?;
            Ok(ServiceRule { name, rule: rule(resource)? })
        })
        .collect()
}

/// Whether registrations of AEs are held against service rules, as far as the records say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// No profile is provisioned: the setting decides ([`crate::ServiceSubscription`]).
    NotProvisioned,
    /// There is a profile, but none for this CSE: nobody may register (4128).
    NotForThisCse,
    /// So many rules apply; with none, nobody may register (4126).
    Rules(usize),
}

/// What is provisioned for the CSE of `settings`.
///
/// # Errors
/// [`StoreError`] if the records cannot be read.
pub fn subscription_state(
    records: &impl Resources,
    settings: &Settings,
) -> Result<SubscriptionState, StoreError> {
    Ok(match profile(records, settings)? {
        Profile::None => SubscriptionState::NotProvisioned,
        Profile::NoNode => SubscriptionState::NotForThisCse,
        Profile::Rules(book) => SubscriptionState::Rules(book.len()),
    })
}

/// Whether service rules are in force and none of them speaks of this credential, so that its holder, an AE, cannot
/// register whatever its App-ID.
///
/// # Errors
/// [`StoreError`] if the records cannot be read.
pub fn is_left_out(
    records: &(impl Resources + store::Enrolments),
    settings: &Settings,
    id: &CredentialId,
) -> Result<bool, StoreError> {
    let Some(credential) = records.credential_facts(id)? else { return Ok(false) };
    let stem = match &credential.subject {
        Some(EntityId::Cse(_)) => return Ok(false),
        Some(EntityId::Ae(ae)) => Some(ae.stem()),
        None => None,
    };
    Ok(match profile(records, settings)? {
        Profile::None => settings.service_subscription == ServiceSubscription::Enforce,
        Profile::NoNode => true,
        Profile::Rules(book) => !book.could_admit(id, stem),
    })
}

/// Provisions `rules`, all or none, and with the first of them the profile: from then on they are enforced.
/// `revision` is a number that was not used before, such as a random one; `source` is who does it, for the
/// audit.
///
/// # Errors
/// [`StoreError::Abandoned`], in words for the operator, if a name is taken, a rule could never apply, or two
/// rules speak of the same stem for different credentials.
pub fn add_service_rules(
    tx: &mut Tx<'_>,
    settings: &Settings,
    rules: &[ServiceRule],
    revision: u64,
    source: &str,
) -> Result<(), StoreError> {
    base::make_if_missing(tx, settings)?;
    let mut known = Known::default();
    service_rules(&**tx)?.iter().for_each(|rule| known.add(rule));
    let mut links = Vec::new();
    for new in rules {
        known.check(&**tx, settings, new)?;
        known.add(new);
        let ri = format!("{RULE_PREFIX}{}", new.name);
        tx.insert(&resource(
            tx,
            &ri,
            ResourceType::ServiceSubscribedAppRule,
            BASE_ID,
            attributes(&new.rule),
        ))?;
        links.push(ri);
        append(tx, "subscription.add", &new.name, &new.rule, source)?;
    }
    let mut all = linked(&**tx)?;
    all.extend(links);
    relink(tx, settings, &all, revision)
}

/// Makes the rules those of `rules` and no others, with a profile if there was none. Returns whether anything had to be
/// changed.
///
/// # Errors
/// As [`add_service_rules`].
pub fn set_service_rules(
    tx: &mut Tx<'_>,
    settings: &Settings,
    rules: &[ServiceRule],
    revision: u64,
    source: &str,
) -> Result<bool, StoreError> {
    let stored = service_rules(&**tx)?;
    let gone: Vec<&ServiceRule> = stored.iter().filter(|rule| !rules.contains(rule)).collect();
    let new: Vec<ServiceRule> = rules.iter().filter(|rule| !stored.contains(rule)).cloned().collect();
    let established = matches!(profile(&**tx, settings)?, Profile::Rules(_));
    if gone.is_empty() && new.is_empty() && established {
        return Ok(false);
    }
    for rule in gone {
        remove_service_rule(tx, settings, &rule.name, revision, source)?;
    }
    add_service_rules(tx, settings, &new, revision, source)?;
    Ok(true)
}

/// Takes a rule away. The profile stays: without a rule left, nobody may register. Returns how many are left.
///
/// # Errors
/// [`StoreError::Abandoned`] if there is no such rule.
pub fn remove_service_rule(
    tx: &mut Tx<'_>,
    settings: &Settings,
    name: &ResourceName,
    revision: u64,
    source: &str,
) -> Result<usize, StoreError> {
    let ri = format!("{RULE_PREFIX}{name}");
    let Some(stored) = tx.resource(&ri)? else {
        return Err(StoreError::abandon(format!("there is no rule called {name}")));
    };
    tx.delete_tree(&ri)?;
    append(tx, "subscription.remove", name, &rule(&stored)?, source)?;
    let mut links = linked(&**tx)?;
    links.retain(|link| *link != ri);
    relink(tx, settings, &links, revision)?;
    Ok(links.len())
}

/// Takes all rules away and the profile with them: it is as if there had never been one. Returns how many rules
/// there were.
///
/// # Errors
/// [`StoreError`] if the records cannot be changed.
pub fn drop_service_subscription(tx: &mut Tx<'_>, source: &str) -> Result<usize, StoreError> {
    let rules = service_rules(&**tx)?;
    for stored in &rules {
        tx.delete_tree(&format!("{RULE_PREFIX}{}", stored.name))?;
        append(tx, "subscription.remove", &stored.name, &stored.rule, source)?;
    }
    if !tx.delete_tree(PROFILE_ID)?.is_empty() {
        tx.append(&audit(tx, "subscription.drop", None, source, "the profile".into()))?;
    }
    Ok(rules.len())
}

fn linked(records: &impl Resources) -> Result<Vec<String>, StoreError> {
    let node = records.resource(NODE_ID)?;
    let links = node.as_ref().and_then(|node| texts(&node.attributes, attr::RLK)).unwrap_or_default();
    Ok(links.into_iter().map(ToOwned::to_owned).collect())
}

/// Makes or updates the profile and the node.
fn relink(tx: &mut Tx<'_>, settings: &Settings, links: &[String], revision: u64) -> Result<(), StoreError> {
    let (profile, node) = (tx.resource(PROFILE_ID)?, tx.resource(NODE_ID)?);
    let mut marked = profile.as_ref().map(|profile| profile.attributes.clone()).unwrap_or_default();
    marks::set_revision(&mut marked, revision);
    match profile {
        Some(stored) => tx.update(&Resource { lt: tx.now(), attributes: marked, ..stored })?,
        None => {
            let ty = ResourceType::M2mServiceSubscriptionProfile;
            tx.insert(&resource(tx, PROFILE_ID, ty, BASE_ID, marked))?;
        }
    }
    match node {
        Some(mut stored) => {
            stored.attributes.insert(attr::RLK.into(), json!(links));
            tx.update(&Resource { lt: tx.now(), ..stored })
        }
        None => {
            let cse = &settings.home.cse;
            let mut attributes = Map::new();
            // The node's own identifier is not known here; the CSE-ID is as unique.
            attributes.insert(attr::NI.into(), json!(cse.to_string()));
            attributes.insert(attr::CSI.into(), json!(cse.sp_relative()));
            attributes.insert(attr::RLK.into(), json!(links));
            tx.insert(&resource(tx, NODE_ID, ResourceType::ServiceSubscribedNode, PROFILE_ID, attributes))
        }
    }
}

fn resource(
    tx: &Tx<'_>,
    ri: &str,
    ty: ResourceType,
    parent: &str,
    attributes: Map<String, Value>,
) -> Resource {
    Resource {
        ri: ri.to_owned(),
        ty: ty.code(),
        rn: ri.to_owned(),
        pi: parent.to_owned(),
        ct: tx.now(),
        lt: tx.now(),
        et: None,
        creator: None,
        credential_id: None,
        attributes,
    }
}

/// The rules that there are, arranged for comparing new ones with them.
#[derive(Default)]
struct Known {
    names: HashSet<ResourceName>,
    /// By a stem that a rule names without a wildcard: the rule, and the credentials that it gives the stem to.
    stems: HashMap<AeIdStem, (ResourceName, Option<Vec<CredentialPattern>>)>,
}

impl Known {
    fn add(&mut self, rule: &ServiceRule) {
        self.names.insert(rule.name.clone());
        for stem in rule.rule.stems.iter().filter_map(StemPattern::only) {
            self.stems.entry(stem).or_insert_with(|| (rule.name.clone(), rule.rule.credentials.clone()));
        }
    }

    /// Refuses what could only be a mistake: a second rule of one name, a rule that can never apply, and a stem
    /// that two rules, or a rule and a credential, give to different devices.
    fn check(
        &self,
        records: &impl store::Enrolments,
        settings: &Settings,
        new: &ServiceRule,
    ) -> Result<(), StoreError> {
        let (name, rule) = (&new.name, &new.rule);
        let wrong = |text: String| Err(StoreError::abandon(format!("rule {name}: {text}")));
        if name.as_str().len() > MAX_RULE_NAME {
            return wrong(format!("a name has at most {MAX_RULE_NAME} octets"));
        }
        if self.names.contains(name) {
            return wrong("a rule of this name exists".into());
        }
        let lacks_a_list = rule.app_ids.is_empty() || rule.stems.is_empty();
        if lacks_a_list && settings.absent_rule_lists == AbsentLists::Nothing {
            return wrong(
                "without an App-ID pattern and an AE-ID pattern it would allow nothing (absent_rule_lists)"
                    .into(),
            );
        }
        let too_long = rule
            .credentials
            .iter()
            .flatten()
            .find(|pattern| pattern.as_str().replace('*', "").len() > MAX_CREDENTIAL_ID);
        if let Some(pattern) = too_long {
            let shown: String = pattern.as_str().chars().take(64).collect();
            return wrong(format!(
                "credential {shown}… is longer than the {MAX_CREDENTIAL_ID} octets that a Credential-ID may have"
            ));
        }
        if rule.credentials.as_ref().is_some_and(Vec::is_empty) {
            return wrong("an empty list of credentials would allow nothing".into());
        }
        for stem in rule.stems.iter().filter_map(StemPattern::only) {
            match self.stems.get(&stem) {
                Some((other, credentials)) if *credentials != rule.credentials => {
                    return wrong(format!("rule {other} gives {stem} to other credentials"));
                }
                _ => {}
            }
            let ae = EntityId::Ae(AeId::of_stem(&settings.home.cse, stem.clone()));
            for credential in records.holders_of(&ae)? {
                let id = &credential.credential_id;
                if credential.state == CredentialState::Active && !rule.applies_to(Some(id)) {
                    return wrong(format!("{stem} belongs to credential {id}, which the rule leaves out"));
                }
            }
        }
        Ok(())
    }
}

fn append(
    tx: &mut Tx<'_>,
    action: &str,
    name: &ResourceName,
    rule: &Rule,
    source: &str,
) -> Result<(), StoreError> {
    let record = audit(tx, action, rule.credentials.as_deref(), source, format!("{name}: {}", shown(rule)));
    tx.append(&record)
}

fn audit(
    tx: &Tx<'_>,
    action: &str,
    credentials: Option<&[CredentialPattern]>,
    source: &str,
    detail: String,
) -> AuditRecord {
    let only = match credentials {
        Some([one]) if !one.as_str().contains('*') => Some(one.as_str().to_owned()),
        _ => None,
    };
    AuditRecord {
        at: tx.now(),
        action: action.to_owned(),
        outcome: Outcome::Done,
        credential_id: only,
        entity: None,
        source: Some(source.to_owned()),
        detail,
    }
}

/// A rule in words.
fn shown(rule: &Rule) -> String {
    let list = |texts: Vec<&str>| texts.join(", ");
    let credentials = match &rule.credentials {
        None => "no association".to_owned(),
        Some(patterns) => list(patterns.iter().map(CredentialPattern::as_str).collect()),
    };
    let app_ids = list(rule.app_ids.iter().map(AppIdPattern::as_str).collect());
    let stems = list(rule.stems.iter().map(StemPattern::as_str).collect());
    let roles = if rule.roles.is_empty() {
        String::new()
    } else {
        format!("; Role-IDs {}", list(rule.roles.iter().map(RoleId::as_str).collect()))
    };
    format!("credentials {credentials}; App-IDs {app_ids}; AE-IDs {stems}{roles}")
}
