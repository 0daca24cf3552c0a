use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use cse::{Carried, Direction, NextHop, NextHops, NotCarried};
use keys::CredentialId;
use onem2m::primitive::{Request, Response};

use crate::admit::OwnCertificate;

use super::{
    figures::Figures,
    link::{Failed, Link},
    open::{FarCse, Opener},
    seats::Whose,
};

/// The links to all CSEs around: one upwards, one to each registree that something was carried to.
pub(crate) struct Links {
    opener: Opener,
    above: Option<Above>,
    /// By the resourceID of the `<remoteCSE>`.
    below: Mutex<HashMap<String, Arc<Link>>>,
    figures: Figures,
}

/// The CSE above.
pub(crate) struct Above {
    pub(crate) far: Arc<FarCse>,
    pub(crate) link: Arc<Link>,
}

impl Links {
    pub(crate) fn new(opener: Opener, above: Option<FarCse>, figures: Figures) -> Self {
        let above =
            above.map(|far| Above { far: Arc::new(far), link: Arc::new(Link::new(opener.clone(), true)) });
        Self { opener, above, below: Mutex::default(), figures }
    }

    pub(crate) fn prove_with(&self, own: Option<OwnCertificate>) {
        self.opener.prove_with(own);
    }

    pub(crate) const fn above(&self) -> Option<&Above> {
        self.above.as_ref()
    }

    /// A registration has ended: what goes there is closed.
    pub(crate) fn registration_ended(&self, ri: &str) {
        if let Some(link) = self.lock().remove(ri) {
            link.reset();
        }
    }

    /// A credential was changed: what was opened with it is closed.
    pub(crate) fn credential_changed(&self, id: &CredentialId) {
        self.each(|link| link.credential_changed(id));
    }

    /// Changes were missed: everything is closed, and opened anew when it is needed.
    pub(crate) fn reset_all(&self) {
        self.each(Link::reset);
    }

    fn each(&self, act: impl Fn(&Link)) {
        for link in self.lock().values().chain(self.above.as_ref().map(|above| &above.link)) {
            act(link);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Link>>> {
        self.below.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn to(&self, hop: &NextHop) -> Option<(Arc<Link>, Arc<FarCse>)> {
        match hop.direction {
            Direction::Up => {
                let above = self.above.as_ref().filter(|above| above.far.cse == hop.cse)?;
                Some((Arc::clone(&above.link), Arc::clone(&above.far)))
            }
            Direction::Down => {
                let far = FarCse::below(hop)?;
                let mut below = self.lock();
                let link = below
                    .entry(hop.ri.clone())
                    .or_insert_with(|| Arc::new(Link::new(self.opener.clone(), false)));
                Some((Arc::clone(link), Arc::new(far)))
            }
        }
    }

    async fn carried(&self, hop: NextHop, request: Request, limit: Duration) -> Result<Response, Failed> {
        let Some((link, far)) = self.to(&hop) else {
            return Err(Failed { kind: NotCarried::Unreachable, why: "nothing is known of how".into() });
        };
        link.carry(far, request, Whose::Others, limit).await
    }
}

impl NextHops for Links {
    fn carry(&self, hop: NextHop, request: Request, limit: Duration) -> Carried<'_> {
        Box::pin(async move {
            let (cse, direction) = (hop.cse.clone(), hop.direction);
            let carried = self.carried(hop, request, limit).await;
            self.figures.carried(direction, carried.as_ref().err().map(|failed| failed.kind));
            carried.map_err(|failed| {
                tracing::info!(%cse, why = failed.why, "a request for another CSE was not answered");
                failed.kind
            })
        })
    }
}
