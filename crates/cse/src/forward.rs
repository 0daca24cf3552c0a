//! Passing requests on to other CSEs, and their answers back (TS-0004 §7.3.2.6).

use std::{
    collections::HashSet,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use onem2m::{
    address::Target,
    id::CseId,
    primitive::{Operation, Request, Response},
    status::ResponseStatusCode,
};
use store::StoreError;
use thiserror::Error;

use crate::{
    refuse::Refuse,
    registrar::Registrar,
    route::{self, NextHop, Search, absolute},
    task::{Stop, Task},
};

/// How long the answer of another CSE may take, if the request itself sets no earlier end. Below what an
/// originator waits for us, so that it hears who was late.
const PATIENCE: Duration = Duration::from_secs(20);

/// What carries requests to the next CSE on their way.
pub trait NextHops: Send + Sync {
    /// Carries `request` to `hop` and brings back its answer, within `limit`. Dropping the future gives the
    /// request up.
    fn carry(&self, hop: NextHop, request: Request, limit: Duration) -> Carried<'_>;
}

/// The answer that is waited for.
pub type Carried<'a> = Pin<Box<dyn Future<Output = Result<Response, NotCarried>> + Send + 'a>>;

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NotCarried {
    /// No association with the next CSE, or none that lasted until the answer.
    #[error("the next CSE could not be reached")]
    Unreachable,
    /// It took too long.
    #[error("the next CSE did not answer in time")]
    Late,
    /// As many requests as may be are on their way to it, and none was answered while this one waited.
    #[error("too many requests wait for the next CSE")]
    Busy,
}

/// For a CSE that is alone.
pub(crate) struct NoNextHops;

impl NextHops for NoNextHops {
    fn carry(&self, _: NextHop, _: Request, _: Duration) -> Carried<'_> {
        Box::pin(std::future::ready(Err(NotCarried::Unreachable)))
    }
}

/// Requests that are on their way: by the absolute From and the Request Identifier. One that comes in while it is
/// on its way goes in a circle.
#[derive(Debug, Default)]
pub(crate) struct OnTheirWay(Mutex<HashSet<(String, String)>>);

impl OnTheirWay {
    fn enter(self: &Arc<Self>, from: String, rqi: String) -> Option<Way> {
        let key = (from, rqi);
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key.clone()).then(|| Way { all: Arc::clone(self), key })
    }
}

/// Ends when it is dropped.
struct Way {
    all: Arc<OnTheirWay>,
    key: (String, String),
}

impl Drop for Way {
    fn drop(&mut self) {
        self.all.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl Registrar {
    /// Passes on the request of `task`, which is for the CSE `target`.
    pub(crate) async fn pass_on(&self, task: Task, target: CseId) -> Result<Response, Stop> {
        let limit = time_left(&task)?;
        let task = Arc::new(task);
        let (reading, sought) = (Arc::clone(&task), target.clone());
        let hop = self.store.read(move |records| Ok(reading.next_hop(records, &sought))).await??;
        let request = task.retargeted(&hop, &target);
        let from = absolute(request.fr.as_deref().unwrap_or_default(), task.settings.home.cse.sp());
        let twice = || Refuse::bad("rqi: a request of this originator with this identifier is on its way");
        let way = self.on_their_way.enter(from, request.rqi.clone()).ok_or_else(twice)?;
        let (rqi, next) = (request.rqi.clone(), hop.cse.clone());
        let answer = self.next_hops.carry(hop, request, limit).await;
        drop(way);
        match answer {
            Ok(answer) => Ok(Response { rqi, ..answer }),
            Err(why) => {
                tracing::info!(%next, %target, %why, "a request was not passed on");
                Err(refusal(why).into())
            }
        }
    }

    /// RETRIEVEs a resource of another CSE as this CSE itself, for an operator who wants to see that the way
    /// there is open.
    ///
    /// # Errors
    /// [`StoreError`] if the records cannot be read.
    pub async fn retrieve_elsewhere(&self, to: &str) -> Result<Response, StoreError> {
        let mut octets = [0; 8];
        self.rng.fill(&mut octets).map_err(|error| StoreError::abandon(error.to_string()))?;
        let mut request =
            Request::new(Operation::Retrieve, to, format!("own{:016x}", u64::from_be_bytes(octets)));
        request.fr = Some(self.settings.home.cse.sp_relative());
        request.rvi = self.settings.releases.last().cloned();
        match self.own_request(&request).await {
            Ok(answer) => Ok(answer),
            Err(Stop::Refuse(refuse)) => Ok(Response::refuse(refuse.rsc, &request, &refuse.debug)),
            Err(Stop::Fault(error)) => Err(error),
        }
    }

    async fn own_request(&self, request: &Request) -> Result<Response, Stop> {
        let target = Target::parse(&request.to).map_err(|error| Refuse::bad(error.to_string()))?;
        let here = || Refuse::bad("to: this is an address of this CSE");
        let target = route::elsewhere(&self.settings, &target).ok_or_else(here)?;
        let (settings, routes, now) =
            (Arc::clone(&self.settings), Arc::clone(&self.routes), self.clock.now());
        let found = self.store.read(move |records| {
            let table = routes.table(records, &settings)?;
            Ok(Search { settings: &settings, table: &table, now }.hop(records, &target))
        });
        let hop = found.await??.ok_or_else(route::no_route)?;
        self.next_hops.carry(hop, request.clone(), PATIENCE).await.map_err(|why| refusal(why).into())
    }
}

fn refusal(why: NotCarried) -> Refuse {
    match why {
        NotCarried::Unreachable => route::not_reachable(),
        NotCarried::Late => {
            Refuse::new(ResponseStatusCode::RequestTimeout, "the next CSE on the way did not answer in time")
        }
        // The 5xxx are the receiver's; of them this one alone says that the way to the target is the trouble.
        NotCarried::Busy => Refuse::new(
            ResponseStatusCode::TargetNotReachable,
            "too many requests wait for the next CSE on the way",
        ),
    }
}

/// How long the answer may take: until the earliest of the times that the request names, or our own patience.
fn time_left(task: &Task) -> Result<Duration, Refuse> {
    let request = &task.request;
    let mut left = PATIENCE;
    for (name, time) in [("rqet", &request.rqet), ("rset", &request.rset), ("oet", &request.oet)] {
        let Some(time) = time else { continue };
        match time.resolve(task.now).since(task.now) {
            // The last of the three does not bound the answer, only when it may begin to be made.
            Some(until) if name != "oet" => left = left.min(until),
            Some(_) => {}
            None => {
                return Err(Refuse::new(ResponseStatusCode::RequestTimeout, format!("{name} has passed")));
            }
        }
    }
    Ok(left)
}
