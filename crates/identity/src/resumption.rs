//! Whether a remembered session may be resumed (register A-33): its identity is looked up on our side each time.

use std::time::Duration;

use keys::CredentialId;
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::Timestamp,
};
use thiserror::Error;

use crate::{CredentialFacts, Established, Framework, Function, KeyRefusal};

/// Longest time for which a session may be resumed after its full handshake.
pub const MAX_RESUMPTION: Duration = Duration::from_secs(86_400);

/// What we remember of a session whose peer was authenticated. There is none of a session that never was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRecord {
    /// The function that the session was with.
    pub function: Function,
    /// How the peer was authenticated.
    pub framework: Framework,
    /// What it proved to hold.
    pub credential_id: CredentialId,
    /// The version of that credential; zero for a certificate of which there was no record.
    pub version: u64,
    /// AE or CSE.
    pub kind: EntityKind,
    /// The identity that was bound.
    pub subject: Option<EntityId>,
    /// The list that was bound in place of one identity.
    pub allowed: Vec<AeId>,
    /// The server name that the client asked for.
    pub server_name: Option<String>,
    /// Whether `extended_master_secret` was negotiated (RFC 7627).
    pub extended_master_secret: bool,
    /// The cipher suite, by its name.
    pub suite: String,
    /// When the full handshake was.
    pub created: Timestamp,
    /// From when on it is not resumed any more: the ticket's lifetime, at most.
    pub expires: Timestamp,
    /// The end of what the peer proved to hold, where our records do not tell: that of its certificate.
    pub not_after: Option<Timestamp>,
}

/// The present state of what a session depends on, and what the client asks for now.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The function that the client reached.
    pub function: Function,
    /// The server name that the client asks for.
    pub server_name: Option<&'a str>,
    /// What the records say of the credential; `None` if there is no record of it.
    pub credential: Option<&'a CredentialFacts>,
    /// Whether the entity, or one of the listed, is registered.
    pub registered: bool,
}

/// Why a session is not resumed. Never an error: the full handshake decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum WhyFull {
    /// It ended, or is older than a day.
    #[error("the session is too old")]
    TooOld,
    /// The clock says that it was made in the future.
    #[error("the session was made in the future")]
    FromTheFuture,
    /// The credential was revoked, has expired, or is not there any more.
    #[error("credential: {0}")]
    Credential(KeyRefusal),
    /// The credential was changed or bound anew since.
    #[error("the credential was changed since")]
    Changed,
    /// The credential stands for another entity now, or for nobody.
    #[error("the credential stands for somebody else")]
    Rebound,
    /// Nobody is known to speak over it.
    #[error("the session is bound to nobody")]
    Nobody,
    /// The entity is not registered.
    #[error("the entity is not registered")]
    NotRegistered,
    /// Another server name, or another function.
    #[error("the client asks for another server name")]
    OtherServerName,
    /// Without `extended_master_secret` a session is no proof of who resumes it (RFC 7627).
    #[error("the session has no extended master secret")]
    NoExtendedMasterSecret,
}

impl WhyFull {
    /// The name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::FromTheFuture => "from_the_future",
            Self::Credential(KeyRefusal::Revoked) => "revoked",
            Self::Credential(KeyRefusal::Expired) => "expired",
            Self::Credential(_) => "unknown",
            Self::Changed => "changed",
            Self::Rebound => "rebound",
            Self::Nobody => "nobody",
            Self::NotRegistered => "not_registered",
            Self::OtherServerName => "server_name",
            Self::NoExtendedMasterSecret => "no_ems",
        }
    }
}

/// Decides whether the session of `record` may be resumed at `now`, and says what its association is bound to:
/// what our records say today, not what they said when the session was made.
///
/// # Errors
/// [`WhyFull`]: a full handshake takes its place.
pub fn may_resume(
    record: &SessionRecord,
    present: &Present<'_>,
    now: Timestamp,
) -> Result<Established, WhyFull> {
    if !record.extended_master_secret {
        return Err(WhyFull::NoExtendedMasterSecret);
    }
    if record.function != present.function || !same_name(record.server_name.as_deref(), present.server_name) {
        return Err(WhyFull::OtherServerName);
    }
    let age = now.since(record.created).ok_or(WhyFull::FromTheFuture)?;
    if age > MAX_RESUMPTION || now >= record.expires {
        return Err(WhyFull::TooOld);
    }
    if record.not_after.is_some_and(|end| now > end) {
        return Err(WhyFull::Credential(KeyRefusal::Expired));
    }
    let established = match present.credential {
        Some(credential) => by_facts(record, credential, now)?,
        None => by_certificate_alone(record)?,
    };
    if established.subject.is_none() && established.allowed.is_empty() {
        return Err(WhyFull::Nobody);
    }
    if !present.registered {
        return Err(WhyFull::NotRegistered);
    }
    Ok(match record.not_after {
        Some(end) => established.until(end),
        None => established,
    })
}

fn by_facts(
    record: &SessionRecord,
    credential: &CredentialFacts,
    now: Timestamp,
) -> Result<Established, WhyFull> {
    credential.usable(record.function, now).map_err(WhyFull::Credential)?;
    if credential.credential_id != record.credential_id
        || credential.version != record.version
        || credential.kind != record.kind
    {
        return Err(WhyFull::Changed);
    }
    // A certificate may name the entity where its record leaves that open.
    let subject = credential.subject.clone().or_else(|| by_name(record));
    let same = record.subject.is_none() || record.subject == subject;
    if !same || record.allowed != credential.allowed {
        return Err(WhyFull::Rebound);
    }
    Ok(Established {
        framework: record.framework,
        credential_id: Some(record.credential_id.clone()),
        version: credential.version,
        kind: Some(credential.kind),
        subject,
        allowed: credential.allowed.clone(),
        not_after: credential.not_after,
    })
}

/// A certificate that only its chain vouches for has no record, and nothing to be changed in one.
fn by_certificate_alone(record: &SessionRecord) -> Result<Established, WhyFull> {
    let subject = by_name(record).filter(|_| record.version == 0);
    let subject = subject.ok_or(WhyFull::Credential(KeyRefusal::Unknown))?;
    Ok(Established {
        framework: record.framework,
        credential_id: Some(record.credential_id.clone()),
        version: 0,
        kind: Some(record.kind),
        subject: Some(subject),
        allowed: Vec::new(),
        not_after: None,
    })
}

/// The identity that the certificate itself named.
fn by_name(record: &SessionRecord) -> Option<EntityId> {
    use crate::Flavour;
    match record.framework {
        Framework::Certificate(Flavour::CseId | Flavour::AeId) => record.subject.clone(),
        _ => None,
    }
}

/// Server names are host names: letter case does not count.
fn same_name(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
        _ => false,
    }
}

impl SessionRecord {
    /// What is to be remembered of an established association, made at `now`; `None` if nobody was authenticated
    /// (F-16), or without `extended_master_secret`.
    #[must_use]
    pub fn of(made: &Made<'_>, now: Timestamp) -> Option<Self> {
        let peer = made.peer;
        let (credential_id, kind) = (peer.credential_id()?.clone(), peer.kind()?);
        if !made.extended_master_secret || (peer.subject().is_none() && peer.allowed().is_empty()) {
            return None;
        }
        Some(Self {
            function: made.function,
            framework: peer.framework(),
            credential_id,
            version: peer.version(),
            kind,
            subject: peer.subject().cloned(),
            allowed: peer.allowed().to_vec(),
            server_name: made.server_name.map(ToOwned::to_owned),
            extended_master_secret: made.extended_master_secret,
            suite: made.suite.to_owned(),
            created: now,
            expires: now.checked_add(made.lifetime.min(MAX_RESUMPTION)).unwrap_or(now),
            not_after: peer.not_after(),
        })
    }
}

/// An association in which a session was made.
#[derive(Debug, Clone, Copy)]
pub struct Made<'a> {
    /// The function that the client reached.
    pub function: Function,
    /// The other end, as it is known now.
    pub peer: &'a crate::Peer,
    /// The server name that the client asked for.
    pub server_name: Option<&'a str>,
    /// Whether `extended_master_secret` was negotiated.
    pub extended_master_secret: bool,
    /// The cipher suite, by its name.
    pub suite: &'a str,
    /// For how long it may be resumed.
    pub lifetime: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CredentialState, Flavour, Peer};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const NOW: &str = "20260101T120000";

    fn of(stem: &str) -> EntityId {
        EntityId::Ae(format!("//example.org/mn/{stem}").parse().unwrap())
    }

    fn record() -> SessionRecord {
        SessionRecord {
            function: Function::Cse,
            framework: Framework::PublicKeyHash,
            credential_id: "30-sha-256.f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk".parse().unwrap(),
            version: 3,
            kind: EntityKind::Ae,
            subject: Some(of("Cone")),
            allowed: Vec::new(),
            server_name: Some("gw.example.org".into()),
            extended_master_secret: true,
            suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".into(),
            created: time("20260101T000000"),
            expires: time("20260102T000000"),
            not_after: None,
        }
    }

    fn credential() -> CredentialFacts {
        CredentialFacts {
            function: Function::Cse,
            credential_id: record().credential_id,
            kind: EntityKind::Ae,
            subject: Some(of("Cone")),
            allowed: Vec::new(),
            state: CredentialState::Active,
            not_after: Some(time("20260601T000000")),
            version: 3,
        }
    }

    fn present(credential: Option<&CredentialFacts>) -> Present<'_> {
        Present { function: Function::Cse, server_name: Some("gw.example.org"), credential, registered: true }
    }

    fn ask(record: &SessionRecord, credential: Option<&CredentialFacts>) -> Result<Established, WhyFull> {
        may_resume(record, &present(credential), time(NOW))
    }

    #[test]
    fn a_session_resumes_to_what_the_records_say_today() {
        let facts = credential();
        let resumed = ask(&record(), Some(&facts)).unwrap();
        assert_eq!(resumed.credential_id, Some(facts.credential_id));
        assert_eq!((resumed.framework, resumed.kind), (Framework::PublicKeyHash, Some(EntityKind::Ae)));
        assert_eq!(
            (resumed.version, resumed.subject, resumed.not_after),
            (3, facts.subject, facts.not_after)
        );
    }

    /// Register A-33, F-15: each condition by itself forces the full handshake.
    #[test]
    fn everything_that_changed_forces_a_full_handshake() {
        let (good, facts) = (record(), credential());
        let refusal = |reason| WhyFull::Credential(reason);
        let cases: Vec<(&str, SessionRecord, Option<CredentialFacts>, WhyFull)> = vec![
            (
                "no extended master secret",
                SessionRecord { extended_master_secret: false, ..good.clone() },
                Some(facts.clone()),
                WhyFull::NoExtendedMasterSecret,
            ),
            (
                "older than a day",
                SessionRecord {
                    created: time("20251231T115959"),
                    expires: time("20270101T000000"),
                    ..good.clone()
                },
                Some(facts.clone()),
                WhyFull::TooOld,
            ),
            (
                "past the ticket's lifetime",
                SessionRecord { expires: time(NOW), ..good.clone() },
                Some(facts.clone()),
                WhyFull::TooOld,
            ),
            (
                "from the future",
                SessionRecord { created: time("20260101T120001"), ..good.clone() },
                Some(facts.clone()),
                WhyFull::FromTheFuture,
            ),
            (
                "the certificate has expired",
                SessionRecord { not_after: Some(time("20260101T115959")), ..good.clone() },
                Some(facts.clone()),
                refusal(KeyRefusal::Expired),
            ),
            (
                "the credential has expired",
                good.clone(),
                Some(CredentialFacts { not_after: Some(time("20260101T115959")), ..facts.clone() }),
                refusal(KeyRefusal::Expired),
            ),
            (
                "revoked",
                good.clone(),
                Some(CredentialFacts { state: CredentialState::Revoked, ..facts.clone() }),
                refusal(KeyRefusal::Revoked),
            ),
            ("gone", good.clone(), None, refusal(KeyRefusal::Unknown)),
            (
                "of another function",
                good.clone(),
                Some(CredentialFacts { function: Function::Mef, ..facts.clone() }),
                refusal(KeyRefusal::Unknown),
            ),
            (
                "of a later version",
                good.clone(),
                Some(CredentialFacts { version: 4, ..facts.clone() }),
                WhyFull::Changed,
            ),
            (
                "of an earlier version",
                good.clone(),
                Some(CredentialFacts { version: 2, ..facts.clone() }),
                WhyFull::Changed,
            ),
            (
                "of another kind",
                good.clone(),
                Some(CredentialFacts { kind: EntityKind::Cse, ..facts.clone() }),
                WhyFull::Changed,
            ),
            (
                "bound to another",
                good.clone(),
                Some(CredentialFacts { subject: Some(of("Ctwo")), ..facts.clone() }),
                WhyFull::Rebound,
            ),
            (
                "bound to nobody now",
                good.clone(),
                Some(CredentialFacts { subject: None, ..facts.clone() }),
                WhyFull::Rebound,
            ),
            (
                "another list",
                good.clone(),
                Some(CredentialFacts { allowed: vec![of("Ctwo").ae().unwrap().clone()], ..facts.clone() }),
                WhyFull::Rebound,
            ),
            (
                "never bound to anybody",
                SessionRecord { subject: None, ..good.clone() },
                Some(CredentialFacts { subject: None, ..facts }),
                WhyFull::Nobody,
            ),
        ];
        for (what, record, credential, expected) in cases {
            assert_eq!(ask(&record, credential.as_ref()), Err(expected), "{what}");
        }
    }

    #[test]
    fn what_the_client_reaches_is_the_same() {
        let facts = credential();
        let asked = |server_name, registered, function| {
            let present = Present { function, server_name, registered, ..present(Some(&facts)) };
            may_resume(&record(), &present, time(NOW)).map(|_| ())
        };
        assert_eq!(asked(Some("GW.example.org"), true, Function::Cse), Ok(()));
        for other in [None, Some("maf.example.org"), Some("")] {
            assert_eq!(asked(other, true, Function::Cse), Err(WhyFull::OtherServerName));
        }
        assert_eq!(asked(Some("gw.example.org"), true, Function::Maf), Err(WhyFull::OtherServerName));
        assert_eq!(asked(Some("gw.example.org"), false, Function::Cse), Err(WhyFull::NotRegistered));
    }

    /// A certificate that is not enrolled stays good by itself, until somebody makes a record of it.
    #[test]
    fn a_certificate_without_a_record() {
        let alone = SessionRecord {
            framework: Framework::Certificate(Flavour::CseId),
            credential_id: "32-mn-7.in.example.org".parse().unwrap(),
            version: 0,
            kind: EntityKind::Cse,
            subject: Some(EntityId::Cse("//example.org/mn-7".parse().unwrap())),
            not_after: Some(time("20260301T000000")),
            ..record()
        };
        let resumed = ask(&alone, None).unwrap();
        assert_eq!((resumed.subject, resumed.not_after), (alone.subject.clone(), alone.not_after));
        let enrolled = CredentialFacts {
            credential_id: alone.credential_id.clone(),
            kind: EntityKind::Cse,
            subject: None,
            version: 1,
            ..credential()
        };
        assert_eq!(ask(&alone, Some(&enrolled)), Err(WhyFull::Changed));
        let since = SessionRecord { version: 1, ..alone.clone() };
        let resumed = ask(&since, Some(&enrolled)).unwrap();
        assert_eq!(resumed.subject, alone.subject, "named by the certificate");
        assert_eq!(resumed.not_after, alone.not_after, "the first to end");
        assert_eq!(ask(&since, None), Err(WhyFull::Credential(KeyRefusal::Unknown)));
        let device =
            SessionRecord { framework: Framework::Certificate(Flavour::Device), version: 0, ..record() };
        assert_eq!(ask(&device, None), Err(WhyFull::Credential(KeyRefusal::Unknown)));
    }

    /// The entity that a credential was given at its first registration needs no new session.
    #[test]
    fn an_entity_assigned_since_is_taken_over() {
        let before = SessionRecord { subject: None, ..record() };
        assert_eq!(ask(&before, Some(&credential())).unwrap().subject, Some(of("Cone")));
        let listed = CredentialFacts {
            subject: None,
            allowed: vec![of("Cone").ae().unwrap().clone()],
            ..credential()
        };
        let before = SessionRecord { subject: None, allowed: listed.allowed.clone(), ..record() };
        assert_eq!(ask(&before, Some(&listed)).unwrap().allowed, listed.allowed);
    }

    /// F-16: what was never authenticated leaves nothing to be resumed.
    #[test]
    fn nobody_leaves_no_session() {
        let source = "127.0.0.1:1".parse().unwrap();
        let made = |peer| Made {
            function: Function::Cse,
            peer,
            server_name: Some("gw.example.org"),
            extended_master_secret: true,
            suite: "S",
            lifetime: MAX_RESUMPTION * 7,
        };
        let nobody = Peer::new(Established::by_nothing(), source);
        assert_eq!(SessionRecord::of(&made(&nobody), time(NOW)), None);
        let one = ask(&record(), Some(&credential())).unwrap();
        let peer = Peer::new(one.clone(), source);
        let remembered = SessionRecord::of(&made(&peer), time(NOW)).unwrap();
        assert_eq!(remembered.expires, time("20260102T120000"), "a day at most");
        assert_eq!((remembered.subject.as_ref(), remembered.version), (peer.subject(), 3));
        let weak = Made { extended_master_secret: false, ..made(&peer) };
        assert_eq!(SessionRecord::of(&weak, time(NOW)), None);
        let unbound = Peer::new(Established { subject: None, ..one }, source);
        assert_eq!(SessionRecord::of(&made(&unbound), time(NOW)), None);
    }
}
