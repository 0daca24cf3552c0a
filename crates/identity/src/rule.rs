//! Which registrations a service subscription allows (TS-0001 §9.6.29, §10.2.2.2 step 003, TS-0004 §7.3.2.7).
//!
//! A rule combines credentials, App-IDs, AE-ID-Stems and Role-IDs, and allows a registration only if all of them fit
//! **the same** rule. A list that is absent allows nothing (register A-52). A stem that some rule names letter by letter
//! is claimed by the credentials of such rules alone, whatever the patterns of others match.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    str::FromStr,
};

use keys::{
    CredentialId, CredentialKind,
    pattern::{CredentialPattern, EntityPattern},
};
use onem2m::id::{AeIdStem, MAX_AE_ID_STEM, MAX_ID, RoleId, StemKind};
use thiserror::Error;

use crate::{Refusal, RefusalReason};

/// A text that is no pattern of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} \"{text}\": {expected}")]
pub struct PatternError {
    what: &'static str,
    text: String,
    expected: String,
}

impl PatternError {
    fn new(what: &'static str, text: &str, expected: impl Into<String>) -> Self {
        Self { what, text: text.escape_debug().take(64).collect(), expected: expected.into() }
    }
}

/// An element of `allowedApp-IDs`: `*` stands for any text, `/` included. Begins with `*`, `R` or `N` (TS-0004
/// §7.4.29.2.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AppIdPattern {
    text: Box<str>,
    /// With the slashes replaced, which bound a wildcard in identifiers of entities, but not in App-IDs.
    flat: EntityPattern,
}

/// A character that no App-ID contains, and no pattern for them.
const SLASH: &str = " ";

impl AppIdPattern {
    /// Whether `app_id` fits.
    #[must_use]
    pub fn matches(&self, app_id: &str) -> bool {
        self.flat.matches(&app_id.replace('/', SLASH))
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for AppIdPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = |expected: &str| PatternError::new("App-ID pattern", text, expected);
        if !text.starts_with(['*', 'R', 'N']) {
            return Err(wrong("must begin with *, R or N (TS-0004 §7.4.29.2.1)"));
        }
        if text.contains(char::is_whitespace) {
            return Err(wrong("must not contain white space, which no App-ID contains"));
        }
        if text.replace('*', "").len() > MAX_ID {
            return Err(wrong("is longer than the 255 octets that an App-ID may have"));
        }
        let flat = text.replace('/', SLASH).parse();
        let flat = flat.map_err(|error: keys::KeyError| wrong(&error.to_string()))?;
        Ok(Self { text: text.into(), flat })
    }
}

/// An element of `allowedAEs`: an AE-ID-Stem, with `*` for any text. Begins with `*`, `S` or `C`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StemPattern(EntityPattern);

impl StemPattern {
    /// Whether `stem` fits.
    #[must_use]
    pub fn matches(&self, stem: &AeIdStem) -> bool {
        self.0.matches(stem.as_str())
    }

    /// The one stem that it allows; `None` if it has a wildcard.
    #[must_use]
    pub fn only(&self) -> Option<AeIdStem> {
        if self.0.as_str().contains('*') { None } else { self.0.as_str().parse().ok() }
    }

    /// A stem with this letter that fits and contains `filling` in the place of the first wildcard, the others
    /// left empty. `None` if the pattern allows none with that letter, or if `filling` makes no acceptable one.
    #[must_use]
    pub fn issue(&self, letter: StemKind, filling: &str) -> Option<AeIdStem> {
        let (before, after) = self.0.as_str().split_once('*')?;
        let begins = if before.is_empty() { letter.to_string() } else { before.to_owned() };
        let text = format!("{begins}{filling}{}", after.replace('*', ""));
        let stem = AeIdStem::issue(letter, text.strip_prefix(letter.letter())?).ok()?;
        self.matches(&stem).then_some(stem)
    }

    /// Whether it allows a stem with this letter.
    fn allows_letter(&self, letter: StemKind) -> bool {
        self.0.as_str().starts_with(['*', letter.letter()])
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for StemPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = |expected: String| PatternError::new("AE-ID-Stem pattern", text, expected);
        if text.contains('/') {
            return Err(wrong("expected a stem such as Clight1, without the CSE (TS-0001 §9.6.29)".into()));
        }
        if !text.starts_with(['*', 'S', 'C']) {
            return Err(wrong("must begin with *, S or C (TS-0001 §7.2)".into()));
        }
        if text.replace('*', "").len() > MAX_AE_ID_STEM {
            let expected = format!("is longer than the {MAX_AE_ID_STEM} octets that an AE-ID-Stem may have");
            return Err(wrong(expected));
        }
        // What stands around the wildcards must be able to be part of a stem.
        let sample = format!("C{}0", text.replace('*', ""));
        sample.parse::<AeIdStem>().map_err(|error| wrong(error.to_string()))?;
        if !text.contains('*') {
            text.parse::<AeIdStem>().map_err(|error| wrong(error.to_string()))?;
        }
        text.parse().map(Self).map_err(|error: keys::KeyError| wrong(error.to_string()))
    }
}

impl fmt::Display for AppIdPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StemPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule (`<serviceSubscribedAppRule>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `applicableCredIDs`; `None` makes it a rule for registrations without an association (register A-25).
    pub credentials: Option<Vec<CredentialPattern>>,
    /// `allowedApp-IDs`.
    pub app_ids: Vec<AppIdPattern>,
    /// `allowedAEs`.
    pub stems: Vec<StemPattern>,
    /// `allowedRole-IDs`: the roles that a registration may name; naming none needs none.
    pub roles: Vec<RoleId>,
}

impl Rule {
    /// Whether it is for registrations over an association with `credential`, or, for `None`, without association.
    ///
    /// The record of an identity token says by itself who may use it, and so satisfies what a rule asks of the
    /// credential, whichever it names (register A-48).
    #[must_use]
    pub fn applies_to(&self, credential: Option<&CredentialId>) -> bool {
        match (&self.credentials, credential) {
            (None, None) => true,
            (Some(patterns), Some(id)) if is_token(id) => !patterns.is_empty(),
            (Some(patterns), Some(id)) => patterns.iter().any(|pattern| pattern.matches(id)),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn allows(&self, applicant: &Applicant<'_>) -> bool {
        self.app_ids.iter().any(|pattern| pattern.matches(applicant.app_id))
            && applicant.roles.iter().all(|role| self.roles.contains(role))
    }
}

fn is_token(id: &CredentialId) -> bool {
    id.kind() == CredentialKind::IdentityToken
}

/// Who wants to register, apart from the AE-ID.
#[derive(Debug, Clone, Copy, Default)]
pub struct Applicant<'a> {
    /// The Credential-ID of the association, `None` if there is none.
    pub credential: Option<&'a CredentialId>,
    /// The App-ID in the request.
    pub app_id: &'a str,
    /// The Role IDs in the request.
    pub roles: &'a [RoleId],
}

/// Which AE-ID-Stem a registration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// The one by which the sender is known already.
    Known(&'a AeIdStem),
    /// The one that a sender asks for who is not known by any.
    Claimed(&'a AeIdStem),
    /// Left to the registrar, with the letter that is wanted.
    Open(Option<StemKind>),
}

/// What rules allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// This stem.
    Exactly {
        /// The stem.
        stem: AeIdStem,
        /// A rule names it without a wildcard: the operator chose it.
        named: bool,
    },
    /// A new stem that fits one of these patterns, which all have a wildcard.
    Fresh {
        /// Its letter.
        letter: StemKind,
        /// The patterns, in the order of their texts; at least one.
        patterns: Vec<StemPattern>,
    },
}

/// The rules that apply at one CSE, arranged so that finding those of a credential takes the same time for any
/// number of rules that name credentials without a wildcard.
#[derive(Debug, Default)]
pub struct RuleBook {
    rules: Vec<Rule>,
    /// By Credential-ID: the rules that name it.
    exact: HashMap<Box<str>, Vec<usize>>,
    /// By stem: the rules that name it without a wildcard.
    named: HashMap<AeIdStem, Vec<usize>>,
    /// The rules to be tried in turn: with a wildcard, or for registrations without an association.
    general: Vec<usize>,
}

impl RuleBook {
    /// The book of `rules`.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut book = Self::default();
        for rule in rules {
            let number = book.rules.len();
            match &rule.credentials {
                Some(patterns) if !patterns.iter().any(|pattern| pattern.as_str().contains('*')) => {
                    let names: BTreeSet<&str> = patterns.iter().map(CredentialPattern::as_str).collect();
                    for name in names {
                        book.exact.entry(name.into()).or_default().push(number);
                    }
                }
                _ => book.general.push(number),
            }
            for stem in rule.stems.iter().filter_map(StemPattern::only) {
                book.named.entry(stem).or_default().push(number);
            }
            book.rules.push(rule);
        }
        book
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule, so that nobody may register.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The rules for registrations over an association with `credential`, or without association.
    fn of<'a>(&'a self, credential: Option<&'a CredentialId>) -> impl Iterator<Item = &'a Rule> {
        let exact = credential.and_then(|id| self.exact.get(id.as_str()));
        let numbers = exact.into_iter().flatten().chain(&self.general);
        let some = numbers.filter_map(|number| self.rules.get(*number));
        // A token satisfies rules that name others: which they are, no index tells.
        let (some, all) = match credential.filter(|id| is_token(id)) {
            Some(_) => (None, Some(self.rules.iter())),
            None => (Some(some), None),
        };
        let candidates = some.into_iter().flatten().chain(all.into_iter().flatten());
        candidates.filter(move |rule| rule.applies_to(credential))
    }

    /// Decides on the registration of an AE by `applicant`.
    ///
    /// A sender that is not known by an AE-ID and asks for another stem than the only one that it may have, or for one
    /// that is set aside for others, is told what anybody is told who speaks in another's name.
    ///
    /// # Errors
    /// [`Refusal`] with 4126 if no rule fits, or 4106 for another's stem.
    pub fn admit(&self, applicant: &Applicant<'_>, wanted: Wanted<'_>) -> Result<Admitted, Refusal> {
        match wanted {
            Wanted::Known(stem) => self.exactly(applicant, stem),
            Wanted::Claimed(stem) => {
                let mut own = self.of(applicant.credential).flat_map(|rule| &rule.stems);
                let first = own.next();
                let single = first.filter(|first| own.all(|pattern| pattern == *first));
                match single.and_then(StemPattern::only) {
                    Some(only) if only != *stem => Err(Refusal::impersonation(RefusalReason::Impersonation)),
                    _ => {
                        let admitted = self.exactly(applicant, stem)?;
                        if self.is_set_aside(applicant.credential, stem) {
                            return Err(Refusal::impersonation(RefusalReason::Impersonation));
                        }
                        Ok(admitted)
                    }
                }
            }
            Wanted::Open(letter) => self.open(applicant, letter),
        }
    }

    /// Whether rules name `stem` without a wildcard, and all of them for others: a pattern that matches it as well was
    /// not meant to give it away.
    fn is_set_aside(&self, credential: Option<&CredentialId>, stem: &AeIdStem) -> bool {
        let naming = self.named.get(stem).into_iter().flatten();
        let mut naming = naming.filter_map(|number| self.rules.get(*number)).peekable();
        naming.peek().is_some() && !naming.any(|rule| rule.applies_to(credential))
    }

    /// Whether some rule would allow a sender with this credential to register, as `stem` if it is known by one: with
    /// the right App-ID.
    #[must_use]
    pub fn could_admit(&self, credential: &CredentialId, stem: Option<&AeIdStem>) -> bool {
        let mut patterns = self.of(Some(credential)).flat_map(|rule| &rule.stems);
        patterns.any(|pattern| stem.is_none_or(|stem| pattern.matches(stem)))
    }

    fn exactly(&self, applicant: &Applicant<'_>, stem: &AeIdStem) -> Result<Admitted, Refusal> {
        let allowing = self.of(applicant.credential).filter(|rule| rule.allows(applicant));
        let mut patterns = allowing.flat_map(|rule| &rule.stems).filter(|pattern| pattern.matches(stem));
        let first = patterns.next().ok_or_else(Refusal::no_rule)?;
        let named = first.only().is_some() || patterns.any(|pattern| pattern.only().is_some());
        Ok(Admitted::Exactly { stem: stem.clone(), named })
    }

    /// The only stem there is, or else a fresh one. Of several stems none is picked: which of its devices the
    /// holder of the key had in mind, only the holder can say (register A-26).
    fn open(&self, applicant: &Applicant<'_>, letter: Option<StemKind>) -> Result<Admitted, Refusal> {
        let allowing = self.of(applicant.credential).filter(|rule| rule.allows(applicant));
        let fits = |pattern: &&StemPattern| letter.is_none_or(|letter| pattern.allows_letter(letter));
        let patterns: BTreeSet<&StemPattern> = allowing.flat_map(|rule| &rule.stems).filter(fits).collect();
        if let (1, Some(stem)) = (patterns.len(), patterns.first().and_then(|pattern| pattern.only())) {
            return Ok(Admitted::Exactly { stem, named: true });
        }
        let letters = letter.map_or_else(|| vec![StemKind::C, StemKind::S], |letter| vec![letter]);
        for letter in letters {
            let open = |pattern: &&&StemPattern| pattern.only().is_none() && pattern.allows_letter(letter);
            let patterns: Vec<StemPattern> = patterns.iter().filter(open).map(|p| (*p).clone()).collect();
            if !patterns.is_empty() {
                return Ok(Admitted::Fresh { letter, patterns });
            }
        }
        Err(Refusal::no_rule())
    }
}

#[cfg(test)]
mod tests {
    use onem2m::status::ResponseStatusCode as Rsc;

    use super::*;

    fn all<T: FromStr<Err: fmt::Debug>>(texts: &[&str]) -> Vec<T> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn rule(credentials: Option<&[&str]>, app_ids: &[&str], stems: &[&str]) -> Rule {
        Rule {
            credentials: credentials.map(all),
            app_ids: all(app_ids),
            stems: all(stems),
            roles: Vec::new(),
        }
    }

    fn stem(text: &str) -> AeIdStem {
        text.parse().unwrap()
    }

    fn id(text: &str) -> CredentialId {
        text.parse().unwrap()
    }

    fn exactly(text: &str, named: bool) -> Result<Admitted, Rsc> {
        Ok(Admitted::Exactly { stem: stem(text), named })
    }

    fn ask(book: &RuleBook, who: Option<&str>, app: &str, wanted: Wanted<'_>) -> Result<Admitted, Rsc> {
        ask_in_roles(book, who, app, &[], wanted)
    }

    fn ask_in_roles(
        book: &RuleBook,
        who: Option<&str>,
        app_id: &str,
        roles: &[&str],
        wanted: Wanted<'_>,
    ) -> Result<Admitted, Rsc> {
        let (who, roles) = (who.map(id), all::<RoleId>(roles));
        let applicant = Applicant { credential: who.as_ref(), app_id, roles: &roles };
        book.admit(&applicant, wanted).map_err(|refusal| refusal.rsc)
    }

    const LIGHT1: Option<&str> = Some("12-light1@home.example.org");
    const LIGHT2: Option<&str> = Some("12-light2@home.example.org");
    const NO_RULE: Result<Admitted, Rsc> = Err(Rsc::AppRuleValidationFailed);
    const DENIED: Result<Admitted, Rsc> = Err(Rsc::OriginatorNotAuthenticated);

    fn lights() -> RuleBook {
        RuleBook::new([
            rule(Some(&["12-light1@home.example.org"]), &["Nlight.example"], &["Clight1"]),
            rule(Some(&["12-light2@home.example.org"]), &["Nlight.example"], &["Clight2"]),
            rule(None, &["Ngw.example"], &["Cgw"]),
            rule(Some(&["12-*@bsf.example.org"]), &["Nmeter.*"], &["Cmeter*", "S*"]),
        ])
    }

    /// TS-0001 §9.6.29: credential, App-ID and stem fit the same rule, or nothing is allowed.
    #[test]
    fn nothing_is_combined_across_rules() {
        let book = lights();
        let (one, two) = (stem("Clight1"), stem("Clight2"));
        assert_eq!(ask(&book, LIGHT1, "Nlight.example", Wanted::Known(&one)), exactly("Clight1", true));
        assert_eq!(ask(&book, LIGHT1, "Nlight.example", Wanted::Known(&two)), NO_RULE);
        assert_eq!(ask(&book, LIGHT1, "Nother", Wanted::Known(&one)), NO_RULE, "B8");
        assert_eq!(ask(&book, None, "Nlight.example", Wanted::Known(&one)), NO_RULE);
        assert_eq!(ask(&book, LIGHT1, "Ngw.example", Wanted::Known(&stem("Cgw"))), NO_RULE, "A-25");
        assert_eq!(ask(&book, None, "Ngw.example", Wanted::Claimed(&stem("Cgw"))), exactly("Cgw", true));
        let two_apps = RuleBook::new([
            rule(Some(&["12-a@x.org"]), &["N1"], &["Cone"]),
            rule(Some(&["12-a@x.org"]), &["N2"], &["Ctwo"]),
        ]);
        let one = stem("Cone");
        assert_eq!(ask(&two_apps, Some("12-a@x.org"), "N2", Wanted::Known(&one)), NO_RULE);
        assert_eq!(ask(&two_apps, Some("12-a@x.org"), "N2", Wanted::Open(None)), exactly("Ctwo", true));
    }

    /// X2: 4106 where one stem is all that the key may have, 4126 where there are several and none fits, or
    /// where there is no rule.
    #[test]
    fn another_ones_stem() {
        let book = lights();
        let (one, none) = (stem("Clight1"), stem("Cnobody"));
        for claimed in [&one, &none] {
            assert_eq!(ask(&book, LIGHT2, "Nlight.example", Wanted::Claimed(claimed)), DENIED);
            assert_eq!(ask(&book, LIGHT2, "Nother", Wanted::Claimed(claimed)), DENIED);
            let stranger = Some("12-stranger@home.example.org");
            assert_eq!(ask(&book, stranger, "Nlight.example", Wanted::Claimed(claimed)), NO_RULE);
            let meter = Some("12-b-tid/x==@bsf.example.org");
            assert_eq!(ask(&book, meter, "Nmeter.1", Wanted::Claimed(claimed)), NO_RULE);
        }
        assert_eq!(
            ask(&book, LIGHT2, "Nother", Wanted::Claimed(&stem("Clight2"))),
            NO_RULE,
            "its own stem with another application"
        );
    }

    /// What one rule names, the pattern of another does not give away.
    #[test]
    fn a_stem_that_a_rule_names_is_set_aside() {
        let book = RuleBook::new([
            rule(Some(&["12-light1@home.example.org"]), &["*"], &["Clight1"]),
            rule(Some(&["*"]), &["*"], &["C*"]),
            rule(None, &["*"], &["C*"]),
        ]);
        let (one, three) = (stem("Clight1"), stem("Clight3"));
        assert_eq!(ask(&book, LIGHT1, "N1", Wanted::Claimed(&one)), exactly("Clight1", true));
        assert_eq!(ask(&book, LIGHT2, "N1", Wanted::Claimed(&one)), DENIED);
        assert_eq!(ask(&book, None, "N1", Wanted::Claimed(&one)), DENIED);
        assert_eq!(ask(&book, LIGHT2, "N1", Wanted::Claimed(&three)), exactly("Clight3", false));
        assert_eq!(
            ask(&book, LIGHT2, "N1", Wanted::Known(&one)),
            exactly("Clight1", false),
            "the operator gave it to this credential besides"
        );
        let id = |text: Option<&str>| id(text.unwrap());
        let lights = lights();
        assert!(lights.could_admit(&id(LIGHT1), Some(&one)) && lights.could_admit(&id(LIGHT1), None));
        assert!(!lights.could_admit(&id(LIGHT2), Some(&one)));
        assert!(!lights.could_admit(&id(Some("12-x@x.org")), None));
    }

    /// TS-0001 §10.2.2.2 step 003, register A-26.
    #[test]
    fn what_is_left_open() {
        let book = lights();
        assert_eq!(ask(&book, LIGHT1, "Nlight.example", Wanted::Open(None)), exactly("Clight1", true));
        let c = Wanted::Open(Some(StemKind::C));
        assert_eq!(ask(&book, LIGHT1, "Nlight.example", c), exactly("Clight1", true));
        assert_eq!(ask(&book, LIGHT1, "Nlight.example", Wanted::Open(Some(StemKind::S))), NO_RULE);
        let meter = Some("12-x@bsf.example.org");
        let fresh = |letter, texts: &[&str]| Ok(Admitted::Fresh { letter, patterns: all(texts) });
        assert_eq!(ask(&book, meter, "Nmeter.7", Wanted::Open(None)), fresh(StemKind::C, &["Cmeter*"]));
        let s = Wanted::Open(Some(StemKind::S));
        assert_eq!(ask(&book, meter, "Nmeter.7", s), fresh(StemKind::S, &["S*"]));
        let several = RuleBook::new([rule(Some(&["*"]), &["*"], &["Cone", "Ctwo"])]);
        assert_eq!(ask(&several, LIGHT1, "N1", Wanted::Open(None)), NO_RULE, "none is picked silently");
        let twice =
            RuleBook::new([rule(Some(&["*"]), &["*"], &["Cone"]), rule(Some(&["*"]), &["N*"], &["Cone"])]);
        assert_eq!(ask(&twice, LIGHT1, "N1", Wanted::Open(None)), exactly("Cone", true));
        assert_eq!(ask(&twice, LIGHT1, "N1", Wanted::Claimed(&stem("Ctwo"))), DENIED);
        let only_s = RuleBook::new([rule(Some(&["*"]), &["*"], &["S*"])]);
        assert_eq!(ask(&only_s, LIGHT1, "N1", Wanted::Open(None)), fresh(StemKind::S, &["S*"]));
    }

    /// Register A-48: certificates by their Credential-IDs of types 30 to 34; a token by its own record, and by
    /// nothing else than an association.
    #[test]
    fn certificates_and_tokens() {
        let one = stem("Clight1");
        let credentials = [
            "30-sha-256.f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk",
            "31-0.2.481.1.100.3030.10011",
            "32-mn-7.in-cse.example.org",
            "33-Clight1.mn-1.in-cse.example.org",
            "34-urn:gsma:imei:90420156-025763-0",
        ];
        for (at, own) in credentials.iter().enumerate() {
            let prefix = format!("{}*", &own[..3]);
            for pattern in [*own, &prefix, "*"] {
                let book = RuleBook::new([rule(Some(&[pattern]), &["*"], &["Clight1"])]);
                assert_eq!(ask(&book, Some(own), "Nx", Wanted::Known(&one)), exactly("Clight1", true));
                let other = credentials[(at + 1) % credentials.len()];
                let expected = if pattern == "*" { exactly("Clight1", true) } else { NO_RULE };
                assert_eq!(
                    ask(&book, Some(other), "Nx", Wanted::Known(&one)),
                    expected,
                    "{pattern} for {other}"
                );
            }
        }
        let token = Some("90-ilvctxzKhjOTl8dj5Gbf8g");
        let book = lights();
        assert_eq!(ask(&book, token, "Nlight.example", Wanted::Known(&one)), exactly("Clight1", true));
        assert_eq!(ask(&book, token, "Nother", Wanted::Known(&one)), NO_RULE, "the App-ID counts");
        assert_eq!(
            ask(&book, token, "Nlight.example", Wanted::Known(&stem("Cnone"))),
            NO_RULE,
            "the stem counts"
        );
        let local = Wanted::Known(&stem("Cgw"));
        assert_eq!(ask(&book, token, "Ngw.example", local), NO_RULE, "a rule without association");
        let empty = RuleBook::new([rule(Some(&[]), &["*"], &["*"])]);
        assert_eq!(ask(&empty, token, "Nx", Wanted::Known(&one)), NO_RULE);
    }

    /// Registers.
    #[test]
    fn absent_is_nothing_and_a_star_is_any_association() {
        let any = RuleBook::new([rule(Some(&["*"]), &["*"], &["*"])]);
        let one = stem("Clight1");
        assert_eq!(ask(&any, LIGHT1, "", Wanted::Known(&one)), exactly("Clight1", false));
        assert_eq!(ask(&any, None, "Nx", Wanted::Claimed(&one)), NO_RULE, "* needs an association");
        for empty in [
            rule(Some(&["*"]), &[], &["*"]),
            rule(Some(&["*"]), &["*"], &[]),
            rule(Some(&[]), &["*"], &["*"]),
        ] {
            let book = RuleBook::new([empty]);
            for wanted in [Wanted::Known(&one), Wanted::Claimed(&one), Wanted::Open(None)] {
                assert_eq!(ask(&book, LIGHT1, "Nx", wanted), NO_RULE);
                assert_eq!(ask(&book, None, "Nx", wanted), NO_RULE);
            }
        }
        assert_eq!(ask(&RuleBook::default(), LIGHT1, "Nx", Wanted::Open(None)), NO_RULE);
    }

    /// TS-0001 §9.6.29: the roles that are named are part of the combination.
    #[test]
    fn a_role_fits_the_same_rule() {
        let in_roles = |stem: &str, roles: &[&str]| Rule {
            roles: all(roles),
            ..rule(Some(&["12-light1@home.example.org"]), &["N1"], &[stem])
        };
        let book = RuleBook::new([in_roles("Cone", &["admin@x.org", "guest@x.org"]), in_roles("Ctwo", &[])]);
        let (one, two) = (stem("Cone"), stem("Ctwo"));
        let ask = |stem, roles: &[&str]| ask_in_roles(&book, LIGHT1, "N1", roles, Wanted::Known(stem));
        for roles in [&[][..], &["guest@x.org"], &["guest@x.org", "admin@x.org"]] {
            assert_eq!(ask(&one, roles), exactly("Cone", true), "{roles:?}");
        }
        for roles in [&["root@x.org"][..], &["admin@x.org", "root@x.org"]] {
            assert_eq!(ask(&one, roles), NO_RULE, "{roles:?}");
        }
        assert_eq!(ask(&two, &[]), exactly("Ctwo", true));
        assert_eq!(ask(&two, &["admin@x.org"]), NO_RULE, "a list that is absent allows no role");
        let open = ask_in_roles(&book, LIGHT1, "N1", &["admin@x.org"], Wanted::Open(None));
        assert_eq!(open, exactly("Cone", true));
    }

    #[test]
    fn patterns_are_checked() {
        let long = "N".repeat(256);
        for bad in ["", "nlight", "r1", "light", "N a", "N\n", "S*", &long] {
            assert!(bad.parse::<AppIdPattern>().is_err(), "{bad:?}");
        }
        let long = format!("C{}", "*a".repeat(87));
        for bad in ["", "C", "S", "Xlight", "light*", "/mn/C1", "C 1", "Cé", "c*", "C#*", &long] {
            assert!(bad.parse::<StemPattern>().is_err(), "{bad:?}");
        }
        for good in ["*", "C*", "S*", "C123*X", "*X", "Clight1", "C~*", "**"] {
            assert_eq!(good.parse::<StemPattern>().unwrap().to_string(), good);
        }
        let any: AppIdPattern = "N*x".parse().unwrap();
        assert!(any.matches("Na/b/x") && any.matches("Nx") && !any.matches("Na/b/xy"));
        assert!("*".parse::<AppIdPattern>().unwrap().matches("R1/2"));
        assert!(!"N*".parse::<AppIdPattern>().unwrap().matches("R1"));
        assert_eq!(
            "light".parse::<AppIdPattern>().unwrap_err().to_string(),
            "App-ID pattern \"light\": must begin with *, R or N (TS-0004 §7.4.29.2.1)"
        );
    }

    #[test]
    fn stems_are_made_to_fit() {
        for (pattern, letter, made) in [
            ("*", StemKind::C, Some("Cf00")),
            ("*", StemKind::S, Some("Sf00")),
            ("C*", StemKind::C, Some("Cf00")),
            ("C*", StemKind::S, None),
            ("C123*X", StemKind::C, Some("C123f00X")),
            ("*-lamp*", StemKind::C, Some("Cf00-lamp")),
            ("Clight1", StemKind::C, None),
        ] {
            let pattern: StemPattern = pattern.parse().unwrap();
            assert_eq!(pattern.issue(letter, "f00"), made.map(stem), "{pattern}");
        }
    }
}
