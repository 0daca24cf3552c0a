//! Service rules against a plain reading of the standard, over many made-up ones.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use identity::{Admitted, AppIdPattern, Applicant, Rule, RuleBook, StemPattern, Wanted};
use keys::{CredentialId, pattern::CredentialPattern};
use onem2m::{
    id::{AeIdStem, StemKind},
    status::ResponseStatusCode as Rsc,
};
use proptest::prelude::*;

/// Whether `value` is `pattern` with each `*` replaced by some text: by trying every text.
fn plainly(pattern: &[u8], value: &[u8]) -> bool {
    match pattern.split_first() {
        None => value.is_empty(),
        Some((b'*', rest)) => (0..=value.len()).any(|skipped| plainly(rest, value.split_at(skipped).1)),
        Some((first, rest)) => {
            value.split_first().is_some_and(|(v, after)| v == first && plainly(rest, after))
        }
    }
}

fn fits(pattern: &str, value: &str) -> bool {
    plainly(pattern.as_bytes(), value.as_bytes())
}

/// As the texts of a rule: short alphabets, so that patterns and values meet often.
#[derive(Debug, Clone)]
struct Texts {
    credentials: Option<Vec<String>>,
    app_ids: Vec<String>,
    stems: Vec<String>,
}

impl Texts {
    fn rule(&self) -> Rule {
        let credentials = |texts: &Vec<String>| -> Vec<CredentialPattern> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        Rule {
            credentials: self.credentials.as_ref().map(credentials),
            app_ids: self.app_ids.iter().map(|text| text.parse().unwrap()).collect(),
            stems: self.stems.iter().map(|text| text.parse().unwrap()).collect(),
            roles: Vec::new(),
        }
    }

    fn allows(&self, credential: Option<&str>, app: &str, stem: &str) -> bool {
        let credential_fits = match (&self.credentials, credential) {
            (None, None) => true,
            (Some(patterns), Some(id)) => patterns.iter().any(|pattern| fits(pattern, id)),
            _ => false,
        };
        credential_fits
            && self.app_ids.iter().any(|pattern| fits(pattern, app))
            && self.stems.iter().any(|pattern| fits(pattern, stem))
    }
}

fn texts() -> impl Strategy<Value = Texts> {
    let credential = prop_oneof!["12-[ab*]{1,3}@x", Just("*".to_owned())];
    let app = prop_oneof!["N[ab/*]{0,3}", Just("*".to_owned())];
    let stem = prop_oneof!["C[ab*]{1,3}", "S[ab*]{1,2}", Just("*".to_owned()), Just("C*".to_owned())];
    (
        prop::option::of(prop::collection::vec(credential, 0..3)),
        prop::collection::vec(app, 0..3),
        prop::collection::vec(stem, 0..3),
    )
        .prop_map(|(credentials, app_ids, stems)| Texts { credentials, app_ids, stems })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Patterns of App-IDs and stems match what they should and nothing else.
    #[test]
    fn patterns(app in "N[ab/*]{0,5}", stem in "[CS][ab*]{1,5}", value in "N[ab/]{0,6}", named in "[CS][ab]{1,6}") {
        prop_assert_eq!(app.parse::<AppIdPattern>().unwrap().matches(&value), fits(&app, &value));
        let candidate: AeIdStem = named.parse().unwrap();
        let pattern: StemPattern = stem.parse().unwrap();
        prop_assert_eq!(pattern.matches(&candidate), fits(&stem, &named));
        if let Some(only) = pattern.only() {
            prop_assert_eq!(only.as_str(), &stem);
        }
    }

    /// A stem is admitted exactly if one rule alone allows it; a claim is refused in the same cases, with 4106
    /// where another stem is the only one that the credential could have.
    #[test]
    fn one_rule_alone(
        rules in prop::collection::vec(texts(), 0..6),
        credential in prop::option::of("12-[ab]{1,3}@x"),
        app in "N[ab/]{0,3}",
        stem in "[CS][ab]{1,3}",
    ) {
        let book = RuleBook::new(rules.iter().map(Texts::rule));
        let allowed = rules.iter().any(|rule| rule.allows(credential.as_deref(), &app, &stem));
        let id: Option<CredentialId> = credential.as_ref().map(|text| text.parse().unwrap());
        let wanted: AeIdStem = stem.parse().unwrap();
        let known = book.admit(&Applicant { credential: id.as_ref(), app_id: &app, roles: &[] }, Wanted::Known(&wanted));
        let claimed = book.admit(&Applicant { credential: id.as_ref(), app_id: &app, roles: &[] }, Wanted::Claimed(&wanted));
        prop_assert_eq!(known.is_ok(), allowed);
        // A stem that is named letter by letter is for those whom it is named for.
        let naming = || rules.iter().filter(|rule| rule.stems.contains(&stem));
        let for_sender = |rule: &Texts| Texts { app_ids: vec!["*".into()], ..rule.clone() }
            .allows(credential.as_deref(), "", &stem);
        let set_aside = naming().next().is_some() && !naming().any(for_sender);
        prop_assert_eq!(claimed.is_ok(), allowed && !set_aside);
        match known {
            Ok(Admitted::Exactly { stem: admitted, .. }) => prop_assert_eq!(&admitted, &wanted),
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(refusal) => prop_assert_eq!(refusal.rsc, Rsc::AppRuleValidationFailed),
        }
        if let Err(refusal) = claimed {
            let anything = |rule: &&Texts| Texts {
                app_ids: vec!["*".into()],
                stems: vec!["*".into()],
                ..(*rule).clone()
            }.allows(credential.as_deref(), "", "C");
            let mut own: Vec<&String> = rules.iter().filter(anything).flat_map(|rule| &rule.stems).collect();
            own.dedup();
            own.sort();
            own.dedup();
            let only = matches!(own.as_slice(), [one] if !one.contains('*') && **one != stem);
            let expected =
                if only || allowed { Rsc::OriginatorNotAuthenticated } else { Rsc::AppRuleValidationFailed };
            prop_assert_eq!(refusal.rsc, expected);
        }
    }

    /// Whatever is assigned where the choice was left open, the same rules would have allowed by name.
    #[test]
    fn what_is_assigned_is_allowed(
        rules in prop::collection::vec(texts(), 0..6),
        credential in prop::option::of("12-[ab]{1,3}@x"),
        app in "N[ab/]{0,3}",
        letter in prop::option::of(prop_oneof![Just(StemKind::C), Just(StemKind::S)]),
    ) {
        let book = RuleBook::new(rules.iter().map(Texts::rule));
        let id: Option<CredentialId> = credential.as_ref().map(|text| text.parse().unwrap());
        let assigned = match book.admit(&Applicant { credential: id.as_ref(), app_id: &app, roles: &[] }, Wanted::Open(letter)) {
            Err(refusal) => {
                prop_assert_eq!(refusal.rsc, Rsc::AppRuleValidationFailed);
                return Ok(());
            }
            Ok(Admitted::Exactly { stem, named }) => {
                prop_assert!(named);
                vec![stem]
            }
            Ok(Admitted::Fresh { letter, patterns }) => {
                prop_assert!(!patterns.is_empty());
                patterns.iter().map(|pattern| pattern.issue(letter, "0f").unwrap()).collect()
            }
        };
        for stem in assigned {
            prop_assert!(letter.is_none_or(|letter| letter == stem.kind()));
            prop_assert!(rules.iter().any(|rule| rule.allows(credential.as_deref(), &app, stem.as_str())));
            let applicant = Applicant { credential: id.as_ref(), app_id: &app, roles: &[] };
            prop_assert!(book.admit(&applicant, Wanted::Known(&stem)).is_ok());
        }
    }
}
