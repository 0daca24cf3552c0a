use std::{
    future::Future,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use net::{Live, ServerTls, Staple};
use onem2m::time::Clock;
use store::Store;
use tokio::sync::watch;

use super::{Own, OwnCertificate, StapleKeeper, Subject, Tickets, Trust, Verifier, tls_of};
use crate::{
    config::{Accept, Config, ListenerSection},
    outcome::Failure,
};

type Chore = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The entrances of a server: one for each listener, with what they share, and what has to be kept up to date.
pub(crate) struct Gates<'a> {
    config: &'a Config,
    store: &'a Store,
    clock: &'a Arc<dyn Clock>,
    tickets: Option<Tickets>,
    turned: watch::Sender<()>,
    trusts: Vec<Trust>,
    staples: Vec<StapleKeeper>,
    outwards: Option<OwnCertificate>,
    renewals: Vec<Renewal>,
}

/// A listener's certificate, which can be renewed while it serves.
pub(crate) struct Renewal {
    section: ListenerSection,
    folder: PathBuf,
    tickets: Option<net::TicketKeys>,
    staple: Option<(Staple, Arc<Subject>)>,
    /// It is proved to other CSEs too.
    outwards: Option<OwnCertificate>,
    tls: ServerTls,
    clock: Arc<dyn Clock>,
}

impl Renewal {
    /// Reads the files of the certificate again. What is wrong with them changes nothing.
    pub(crate) fn renew(&self) -> Result<(), Failure> {
        let Some(certificate) = &self.section.certificate else { return Ok(()) };
        let own = Own::load(certificate, &self.folder, self.clock.now())?;
        let staple = self.staple.as_ref().map(|(staple, _)| staple);
        let tls = tls_of(&self.section, Some(&own), self.tickets.as_ref(), staple)?;
        if let Some(outwards) = &self.outwards {
            outwards.renew(&own);
        }
        if let Some((_, subject)) = &self.staple {
            subject.renew(own.chain);
        }
        self.tls.replace(tls);
        Ok(())
    }
}

impl<'a> Gates<'a> {
    /// None so far.
    pub(crate) fn new(config: &'a Config, store: &'a Store, clock: &'a Arc<dyn Clock>) -> Self {
        Self {
            config,
            store,
            clock,
            tickets: None,
            turned: watch::Sender::new(()),
            trusts: Vec::new(),
            staples: Vec::new(),
            outwards: None,
            renewals: Vec::new(),
        }
    }

    /// Reads what the listener's section names, and says how its peers are met and judged.
    pub(crate) async fn open(&mut self, section: &ListenerSection) -> Result<(ServerTls, Verifier), Failure> {
        let folder = self.folder();
        let own = match &section.certificate {
            Some(certificate) => Some(Own::load(certificate, folder, self.clock.now())?),
            None => None,
        };
        let trust = if section.accepts(Accept::Certificate) {
            let trust = Trust::load(&section.clients, folder, &**self.clock)?;
            self.trusts.push(trust.clone());
            Some(trust)
        } else {
            None
        };
        let outwards = match (&own, &trust, &self.outwards) {
            (Some(own), Some(trust), None) => Some(own.outwards(trust)),
            _ => None,
        };
        if outwards.is_some() {
            self.outwards.clone_from(&outwards);
        }
        let staple = match (&own, section.certificate.as_ref().and_then(|own| own.ocsp.as_ref())) {
            (Some(own), Some(ocsp)) => {
                let anchors = trust.as_ref().map(Trust::anchors).unwrap_or_default();
                let keeper = StapleKeeper::new(ocsp, folder, &own.chain, &anchors, Arc::clone(self.clock))?;
                let staple = (keeper.staple(), keeper.subject());
                self.staples.push(keeper);
                Some(staple)
            }
            _ => None,
        };
        let resumable = own.is_some() && section.resumption_minutes > 0;
        let tickets = if resumable { Some(self.tickets().await?) } else { None };
        let stapled = staple.as_ref().map(|(staple, _)| staple);
        let tls = ServerTls::new(tls_of(section, own.as_ref(), tickets.as_ref(), stapled)?);
        if own.is_some() {
            self.renewals.push(Renewal {
                section: section.clone(),
                folder: folder.to_owned(),
                tickets,
                staple,
                outwards,
                tls: tls.clone(),
                clock: Arc::clone(self.clock),
            });
        }
        let verifier = Verifier {
            store: self.store.clone(),
            clock: Arc::clone(self.clock),
            home: self.config.cse.settings().home,
            infrastructure: self.config.cse.infrastructure.clone(),
            trust,
            resumed_for: Duration::from_secs(60 * u64::from(section.resumption_minutes)),
        };
        Ok((tls, verifier))
    }

    fn folder(&self) -> &'a Path {
        self.config.folder()
    }

    async fn tickets(&mut self) -> Result<net::TicketKeys, Failure> {
        if self.tickets.is_none() {
            self.tickets = Some(Tickets::open(self.store).await?);
        }
        self.tickets.as_ref().map(Tickets::keys).ok_or_else(|| Failure::internal("no ticket keys"))
    }

    /// What this CSE proves itself with to other CSEs; `None` without a certificate.
    pub(crate) fn outwards(&self) -> Option<OwnCertificate> {
        self.outwards.clone()
    }

    /// Who is to be told when another process has changed the ticket keys.
    pub(crate) fn turned(&self) -> watch::Sender<()> {
        self.turned.clone()
    }

    /// What can be renewed while the server runs.
    pub(crate) fn take_renewals(&mut self) -> Vec<Renewal> {
        std::mem::take(&mut self.renewals)
    }

    /// What has to run for as long as the server does.
    /// `turned` hears when anchors or revocation lists have changed.
    pub(crate) fn keep(self, live: &Live, turned: impl Fn() + Clone + Send + 'static) -> Vec<Chore> {
        let mut chores: Vec<Chore> = Vec::new();
        if let Some(tickets) = self.tickets {
            chores.push(Box::pin(tickets.keep(self.turned.subscribe())));
        }
        for trust in self.trusts {
            let (store, clock, live) = (self.store.clone(), Arc::clone(self.clock), live.clone());
            let turned = turned.clone();
            let changed = move |_: &Trust| {
                close_certificates(&live);
                turned();
            };
            chores.push(Box::pin(trust.follow(store, clock, changed)));
        }
        chores.extend(self.staples.into_iter().map(|keeper| Box::pin(keeper.keep()) as Chore));
        chores
    }
}

/// Whoever proved itself by a certificate proves it again, against the anchors and lists as they are now.
fn close_certificates(live: &Live) {
    let list = live.list();
    let by_certificate =
        list.iter().filter(|one| matches!(one.framework, identity::Framework::Certificate(_)));
    for credential_id in by_certificate.filter_map(|one| one.credential_id.as_ref()) {
        live.close(credential_id);
    }
}
