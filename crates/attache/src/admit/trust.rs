//! Anchors and revocation lists: read at the start, and again when their files change.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use certificate::Anchors;
use identity::Flavour;
use onem2m::time::Clock;
use store::{SessionsMut as _, Store};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    config::ClientsSection,
    outcome::{Failure, causes},
};

const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);

/// Whose certificates a listener accepts. All clones are one.
#[derive(Clone)]
pub(crate) struct Trust {
    shared: Arc<Shared>,
}

struct Shared {
    sources: Sources,
    section: ClientsSection,
    look: Duration,
    now: RwLock<Loaded>,
}

struct Sources {
    anchors: Option<PathBuf>,
    crls: Option<PathBuf>,
    require_crls: bool,
}

#[derive(Clone, Default)]
struct Loaded {
    anchors: Anchors,
    /// The files as they were read.
    text: (Vec<u8>, Vec<u8>),
}

impl Trust {
    /// Reads what the section names, relative to `folder`.
    pub(crate) fn load(section: &ClientsSection, folder: &Path, clock: &dyn Clock) -> Result<Self, Failure> {
        let at = |file: &Option<PathBuf>| file.as_ref().map(|file| folder.join(file));
        let sources = Sources {
            anchors: at(&section.anchors_file),
            crls: at(&section.crl_file),
            require_crls: section.require_crls,
        };
        let loaded = sources.read(sources.text()?, clock)?;
        let look = section
            .look_seconds
            .map_or(LOOKED_AT_EVERY, |seconds| Duration::from_secs(u64::from(seconds.get())));
        Ok(Self {
            shared: Arc::new(Shared { sources, section: section.clone(), look, now: RwLock::new(loaded) }),
        })
    }

    /// The anchors, and the lists that go with them.
    pub(crate) fn anchors(&self) -> Anchors {
        self.shared.now.read().unwrap_or_else(PoisonError::into_inner).anchors.clone()
    }

    /// Whether issuers have to be held to names of their own.
    pub(crate) fn strict(&self) -> bool {
        self.shared.section.strict_name_constraints
    }

    /// Whether certificates of this flavour are accepted.
    pub(crate) fn accepts(&self, flavour: Flavour) -> bool {
        self.shared.section.accept(flavour)
    }

    /// Looks at the files from time to time, for ever. What cannot be read is left as it was.
    pub(crate) async fn follow(self, store: Store, clock: Arc<dyn Clock>, changed: impl Fn(&Self)) {
        let mut turn = interval(self.shared.look);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut complained = None;
        loop {
            turn.tick().await;
            match self.look_again(&*clock) {
                Ok(false) => complained = None,
                Ok(true) => {
                    complained = None;
                    // Who resumes is not asked for a certificate, which might be on the new list.
                    let forgotten = store
                        .write("forget certificate sessions", |tx| tx.forget_certificate_sessions())
                        .await;
                    if let Err(error) = forgotten {
                        tracing::error!(%error, "the sessions of certificates were not forgotten");
                    }
                    changed(&self);
                    tracing::info!("anchors and revocation lists were read again");
                }
                Err(error) => {
                    let error = error.to_string();
                    if complained.as_ref() != Some(&error) {
                        tracing::error!(error, "anchors and revocation lists stay as they were");
                        complained = Some(error);
                    }
                }
            }
        }
    }

    fn look_again(&self, clock: &dyn Clock) -> Result<bool, Failure> {
        let text = self.shared.sources.text()?;
        if text == self.shared.now.read().unwrap_or_else(PoisonError::into_inner).text {
            return Ok(false);
        }
        let loaded = self.shared.sources.read(text, clock)?;
        *self.shared.now.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(true)
    }
}

impl Sources {
    fn text(&self) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        let read = |file: &Option<PathBuf>| match file {
            Some(file) => read(file),
            None => Ok(Vec::new()),
        };
        Ok((read(&self.anchors)?, read(&self.crls)?))
    }

    /// What the files say that hold `text`.
    fn read(&self, text: (Vec<u8>, Vec<u8>), clock: &dyn Clock) -> Result<Loaded, Failure> {
        let wrong = |file: &Option<PathBuf>, error: &dyn std::error::Error| {
            let file = file.clone().unwrap_or_default();
            Failure::usage(format_args!("{}: {}", file.display(), causes(error)))
        };
        let mut anchors = Anchors::default();
        if self.anchors.is_some() {
            anchors =
                Anchors::from_pem(&text.0, clock.now()).map_err(|error| wrong(&self.anchors, &error))?;
        }
        if self.crls.is_some() {
            anchors = anchors.with_crls_pem(&text.1).map_err(|error| wrong(&self.crls, &error))?;
        }
        if self.require_crls {
            anchors = anchors.requiring_crls();
        }
        Ok(Loaded { anchors, text })
    }
}

/// Reads a file that the configuration names.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::usage(format_args!("cannot read {}: {error}", file.display())))
}
