use std::path::PathBuf;

use cse::{ServiceRule, ServiceSubscription, SubscriptionState};
use identity::{CredentialState, Function, Validity};
use onem2m::time::Timestamp;
use store::{CredentialPage, Credentials as _, EnrolmentPage, Enrolments as _, Store, StoreError};

use super::{Finding, SOON};
use crate::{config::Config, outcome::Failure, subscription};

/// How many are named.
const NAMED: usize = 3;

/// What the credentials and the service rules in the store come to.
pub(super) fn look(store: Option<&Store>, config: &Config, now: Timestamp) -> Vec<Finding> {
    let file = subscription::configured(config);
    let Some(store) = store else {
        let skipped = |check| Finding::skipped(check, "there is no store that opens");
        return vec![skipped("credentials"), judge_file(file).unwrap_or_else(|| skipped("service rules"))];
    };
    let mut findings = match count(store, now) {
        Ok(tally) => tally.findings(),
        Err(error) => vec![Finding::broken("credentials", error, "restore the store from its backup")],
    };
    if let Some(finding) = judge_file(file) {
        findings.push(finding);
        return findings;
    }
    let settings = config.cse.settings();
    let mode = settings.service_subscription;
    let state = store.read_blocking(move |records| cse::subscription_state(records, &settings));
    findings.push(match state {
        Ok(state) => judge_rules(&state, mode),
        Err(error) => Finding::broken("service rules", error, "restore the store from its backup"),
    });
    findings
}

/// Some credentials: how many, and the first of them by name.
#[derive(Debug, Default)]
struct Several {
    count: u64,
    names: Vec<String>,
}

impl Several {
    fn add(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < NAMED {
            self.names.push(name.to_owned());
        }
    }

    fn text(&self, what: &str) -> String {
        let more = if self.count > NAMED as u64 { ", …" } else { "" };
        format!("{} {what}: {}{more}", self.count, self.names.join(", "))
    }
}

#[derive(Debug, Default)]
struct Tally {
    usable: u64,
    revoked: u64,
    expired: Several,
    expiring: Several,
    short: Several,
}

fn count(store: &Store, now: Timestamp) -> Result<Tally, StoreError> {
    let mut tally = Tally::default();
    let mut after = None;
    loop {
        let page = CredentialPage { function: Function::Cse, after: after.take(), limit: store::MAX_PAGE };
        let rows = store.read_blocking(move |records| records.credentials(&page))?;
        let Some(last) = rows.last() else { break };
        after = Some(last.credential.psk_identity.as_str().to_owned());
        for row in &rows {
            let key = &row.credential;
            tally.add(key.psk_identity.as_str(), key.facts().validity(), key.allow_short_key, now);
        }
    }
    loop {
        let page = EnrolmentPage { function: Function::Cse, after: after.take(), limit: store::MAX_PAGE };
        let rows = store.read_blocking(move |records| records.enrolments(&page))?;
        let Some(last) = rows.last() else { return Ok(tally) };
        after = Some(last.enrolment.credential_id.as_str().to_owned());
        for row in &rows {
            let enrolment = &row.enrolment;
            tally.add(enrolment.credential_id.as_str(), enrolment.facts().validity(), false, now);
        }
    }
}

impl Tally {
    fn add(&mut self, name: &str, validity: Validity, may_be_short: bool, now: Timestamp) {
        if validity.state == CredentialState::Revoked {
            self.revoked += 1;
            return;
        }
        match validity.not_after {
            Some(end) if end < now => return self.expired.add(name),
            Some(end) if end < now.saturating_add(SOON) => self.expiring.add(name),
            _ => {}
        }
        self.usable += 1;
        if may_be_short {
            self.short.add(name);
        }
    }

    fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let all = format!("{} usable, {} revoked", self.usable, self.revoked);
        if self.usable == 0 {
            let how = "`attache credential add` or `import`: nobody can attach yet";
            findings.push(Finding::warning("credentials", all, how));
        } else {
            findings.push(Finding::fine("credentials", all));
        }
        let rotate =
            "`attache credential rotate` gives a key of 32 octets; short ones can be guessed offline";
        for (several, what, how) in [
            (&self.expired, "expired", "`attache credential revoke` them, or add new ones"),
            (&self.expiring, "expire within 30 days", "add new ones in time"),
            (&self.short, "may have a key of under 16 octets", rotate),
        ] {
            if several.count > 0 {
                findings.push(Finding::warning("credentials", several.text(what), how));
            }
        }
        findings
    }
}

/// What the file of rules comes to, if the configuration names one: the store has its rules from the next start on.
fn judge_file(file: Result<Option<(PathBuf, Vec<ServiceRule>)>, Failure>) -> Option<Finding> {
    let check = "service rules";
    match file {
        Ok(None) => None,
        Ok(Some((path, rules))) if rules.is_empty() => {
            let found = format_args!("{} has no rule: no AE can register", path.display());
            Some(Finding::broken(check, found, "add one to the file, and reload (kill -HUP)"))
        }
        Ok(Some((path, rules))) => {
            Some(Finding::fine(check, format_args!("{} in {}", rules.len(), path.display())))
        }
        Err(error) => {
            Some(Finding::broken(check, error, "correct the file: the server does not start with it"))
        }
    }
}

fn judge_rules(state: &SubscriptionState, mode: ServiceSubscription) -> Finding {
    let check = "service rules";
    let how = "`attache subscription add` allows some, `attache subscription remove --all` lifts the rules";
    match (state, mode) {
        (SubscriptionState::Rules(0), _) => {
            Finding::broken(check, "provisioned without any rule: no AE can register", how)
        }
        (SubscriptionState::Rules(count), _) => Finding::fine(check, format_args!("{count} enforced")),
        (SubscriptionState::NotForThisCse, _) => {
            Finding::broken(check, "provisioned for other CSEs only: no AE can register", how)
        }
        (SubscriptionState::NotProvisioned, ServiceSubscription::Enforce) => Finding::broken(
            check,
            "enforced by [cse] but not provisioned: no AE can register",
            "`attache subscription add`, or `service_subscription = \"auto\"`",
        ),
        (SubscriptionState::NotProvisioned, ServiceSubscription::Auto) => {
            Finding::fine(check, "none: the identity bound to a credential decides who may register")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    fn until(not_after: Option<&str>) -> Validity {
        let not_after = not_after.map(|time| time.parse().unwrap());
        Validity { function: Function::Cse, state: CredentialState::Active, not_after, version: 1 }
    }

    #[test]
    fn credentials_are_told_apart_and_named() {
        let now = "20260601T120000".parse().unwrap();
        let mut tally = Tally::default();
        for (name, end) in [
            ("a@x.org", None),
            ("b@x.org", Some("20270101T000000")),
            ("c@x.org", Some("20260630T000000")),
            ("d@x.org", Some("20260601T115959")),
        ] {
            tally.add(name, until(end), false, now);
        }
        for number in 0..5 {
            tally.add(&format!("s{number}@x.org"), until(None), true, now);
        }
        tally.add("r@x.org", Validity { state: CredentialState::Revoked, ..until(None) }, false, now);
        let found: Vec<String> = tally.findings().into_iter().map(|finding| finding.found).collect();
        assert_eq!(
            found,
            [
                "8 usable, 1 revoked",
                "1 expired: d@x.org",
                "1 expire within 30 days: c@x.org",
                "5 may have a key of under 16 octets: s0@x.org, s1@x.org, s2@x.org, …",
            ]
        );
        assert_eq!(Tally::default().findings()[0].state, State::Warning);
    }

    #[test]
    fn rules_that_let_nobody_in_are_to_be_mended() {
        use ServiceSubscription::{Auto, Enforce};
        use SubscriptionState::{NotForThisCse, NotProvisioned, Rules};
        for (state, mode, expected) in [
            (Rules(0), Auto, State::Broken),
            (Rules(1), Enforce, State::Fine),
            (NotForThisCse, Auto, State::Broken),
            (NotProvisioned, Enforce, State::Broken),
            (NotProvisioned, Auto, State::Fine),
        ] {
            assert_eq!(judge_rules(&state, mode).state, expected, "{state:?} {mode:?}");
        }
    }
}
