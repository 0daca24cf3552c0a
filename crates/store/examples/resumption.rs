//! What it costs to find an enrolled key and a remembered session, and to remember and forget one, with a hundred
//! thousand enrolled keys and a million sessions.
//!
//! ```text
//! cargo run --release -p store --example resumption -- [folder] [keys] [sessions]
//! ```
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    error::Error,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use identity::{Framework, Function, SessionRecord, may_resume};
use keys::{CredentialId, OsRng, PublicKeyHash, PublicKeyIdentifier, Secret};
use onem2m::{
    id::{AeId, EntityId, EntityKind},
    time::{Clock as _, SystemClock, Timestamp},
};
use store::{
    Enrolled, Enrolments as _, EnrolmentsMut as _, KekSource, NewEnrolment, NewSession, Options, Resource,
    ResourcesMut as _, Sessions as _, SessionsMut as _, Store, StoreError, Tx,
};

const ASKED: u64 = 20_000;
/// Rows of one transaction while filling.
const BATCH: u64 = 5_000;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "target/resumption".to_owned());
    let keys = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let sessions = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    std::fs::create_dir_all(&folder)?;
    let path = Path::new(&folder).join(format!("{keys}-{sessions}.db"));
    if !path.exists() {
        fill(&open(&path, Options::for_bulk_import())?, keys, sessions)?;
    }
    measure(&open(&path, Options::default())?, keys, sessions)
}

fn open(path: &Path, options: Options) -> Outcome<Store> {
    Ok(Store::open(path, &KekSource::beside(path), Arc::new(SystemClock), Arc::new(OsRng), options)?)
}

fn fill(store: &Store, keys: u64, sessions: u64) -> Outcome<()> {
    let begin = Instant::now();
    for first in (0..keys).step_by(usize::try_from(BATCH)?) {
        store.write_blocking("keys", move |tx| {
            (first..keys.min(first + BATCH)).try_for_each(|at| attach(tx, at))
        })?;
    }
    println!("{keys} keys enrolled and registered in {:.1} s", begin.elapsed().as_secs_f64());
    let begin = Instant::now();
    for first in (0..sessions).step_by(usize::try_from(BATCH)?) {
        store.write_blocking("sessions", move |tx| {
            (first..sessions.min(first + BATCH)).try_for_each(|at| remember(tx, at, at % keys, sessions))
        })?;
    }
    println!("{sessions} sessions remembered in {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn measure(store: &Store, keys: u64, sessions: u64) -> Outcome<()> {
    // Once over, so that what follows finds the caches as a running server has them.
    resume(store, sessions)?;
    let resumed = resume(store, sessions)?;
    let found = find(store, keys)?;
    let begin = Instant::now();
    store.write_blocking("remember", move |tx| {
        (0..ASKED).try_for_each(|at| remember(tx, sessions + at, scattered(at) % keys, sessions))
    })?;
    let remembered = begin.elapsed();
    let begin = Instant::now();
    store.write_blocking("forget", move |tx| {
        (0..ASKED).try_for_each(|at| tx.forget_session(&digest(sessions + at)).map(drop))
    })?;
    let forgotten = begin.elapsed();
    println!(
        "{keys} keys, {sessions} sessions: a session with its credential and registration {:.1} µs, an enrolled key \
         {:.1} µs; remembering {:.1} µs, forgetting {:.1} µs, the commit not counted",
        micros(resumed),
        micros(found),
        micros(remembered),
        micros(forgotten),
    );
    Ok(())
}

/// Each a decision on a session, as at a ClientHello, on a reading thread.
fn resume(store: &Store, sessions: u64) -> Outcome<Duration> {
    Ok(store.read_blocking(move |reader| {
        let now = SystemClock.now();
        let begin = Instant::now();
        for at in 0..ASKED {
            let found = reader.session(&digest(scattered(at) % sessions), now)?;
            let may = found.is_some_and(|found| {
                may_resume(&found.record, &found.present(Function::Cse, None), now).is_ok()
            });
            assert!(may, "session {at}");
        }
        Ok(begin.elapsed())
    })?)
}

fn find(store: &Store, keys: u64) -> Outcome<Duration> {
    Ok(store.read_blocking(move |reader| {
        let begin = Instant::now();
        for at in 0..ASKED {
            assert!(reader.enrolment_of_key(&spki(scattered(at) % keys))?.is_some(), "key {at}");
        }
        Ok(begin.elapsed())
    })?)
}

fn attach(tx: &mut Tx<'_>, number: u64) -> Result<(), StoreError> {
    let entity = EntityId::Ae(ae(number)?);
    let what = Enrolled::PublicKey(PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, &spki(number)));
    let new = NewEnrolment {
        subject: Some(entity.clone()),
        ..NewEnrolment::new(Function::Cse, what, EntityKind::Ae)
    };
    let credential_id = tx.add_enrolment(&new)?.credential_id;
    tx.insert(&Resource {
        ri: format!("S{number}"),
        ty: 2,
        rn: format!("S{number}"),
        pi: String::new(),
        ct: tx.now(),
        lt: tx.now(),
        et: None,
        creator: Some(entity.to_string()),
        credential_id: Some(credential_id),
        attributes: serde_json::Map::new(),
    })
}

fn remember(tx: &mut Tx<'_>, number: u64, of: u64, keep: u64) -> Result<(), StoreError> {
    let id = format!(
        "30-{}",
        PublicKeyIdentifier::of_spki(PublicKeyHash::Sha256, &spki(of)).to_credential_value()
    );
    let credential_id: CredentialId = id.parse()?;
    let record = SessionRecord {
        function: Function::Cse,
        framework: Framework::PublicKeyHash,
        credential_id,
        version: 1,
        kind: EntityKind::Ae,
        subject: Some(EntityId::Ae(ae(of)?)),
        allowed: Vec::new(),
        server_name: None,
        extended_master_secret: true,
        suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256".to_owned(),
        created: tx.now(),
        expires: tx.now().checked_add(Duration::from_secs(86_400)).unwrap_or(Timestamp::MAX),
        not_after: None,
    };
    let session = Some(Secret::new(vec![7; 200]));
    let keep = u32::try_from(keep).unwrap_or(u32::MAX);
    tx.remember_session(&NewSession { digest: digest(number), record, session, keep })
}

fn ae(number: u64) -> Result<AeId, StoreError> {
    format!("//provider.example.org/S{number}")
        .parse()
        .map_err(|error| StoreError::abandon(format!("{error}")))
}

fn spki(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

fn digest(number: u64) -> [u8; 32] {
    use sha2::{Digest as _, Sha256};
    Sha256::digest(number.to_be_bytes()).into()
}

fn scattered(number: u64) -> u64 {
    (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

fn micros(total: Duration) -> f64 {
    total.as_secs_f64() * 1e6 / f64::from(u32::try_from(ASKED).unwrap_or(u32::MAX))
}
