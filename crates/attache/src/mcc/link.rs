//! The way to another CSE: up to [`SEATS`] associations, opened when they are needed, each with one request at a time.
//!
//! In HTTP/1.1 no answer overtakes another. On one association a request for something slow behind the next CSE would
//! hold up all others for as long as an answer may take; so those go over further associations, and when all are taken
//! they wait no longer than [`QUEUE`].

use std::{
    array,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cse::{NotCarried, upstream::Trouble};
use keys::CredentialId;
use net::{HttpConnection, NetError};
use onem2m::primitive::{Operation, Request, Response};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    open::{FarCse, Opener},
    seats::{SEATS, Seat, Seats, Whose},
};
use crate::outcome::causes;

/// How long a request waits for a free association. Well below what its originator waits for the answer.
const QUEUE: Duration = Duration::from_secs(5);
/// Orders to one association that nobody has looked at yet: the request of its seat, and to be open.
const ORDERS: usize = 2;
/// How long an association without requests is kept.
const IDLE: Duration = Duration::from_secs(300);
/// The same for those beside the first.
const SPARE_IDLE: Duration = Duration::from_secs(30);
/// How long nobody is dialled again that could not be reached. A request costs the other side no more than that.
const REST: Duration = Duration::from_secs(1);
/// Longest life of an association.
const LIFETIME: Duration = Duration::from_secs(86_400);

/// How long the end of an association may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The way to one CSE. Its associations end with the last handle.
pub(crate) struct Link {
    opener: Opener,
    keep: bool,
    seats: Arc<Seats>,
    /// By the number of the seat; each made at its first use.
    lanes: [OnceLock<Lane>; SEATS],
}

/// One association, or what will be one.
struct Lane {
    orders: mpsc::Sender<Order>,
    shared: Arc<Shared>,
    open: watch::Receiver<bool>,
}

struct Shared {
    /// What is open now was opened with this.
    credential: Mutex<Option<CredentialId>>,
    /// Whatever is open is to be closed.
    reset: Notify,
}

enum Order {
    /// Open an association if there is none.
    Open { far: Arc<FarCse>, answer: oneshot::Sender<Result<(), Trouble>> },
    /// Carry a request.
    Carry(Box<Load>),
}

/// A request to carry.
struct Load {
    far: Arc<FarCse>,
    request: Request,
    until: Instant,
    seat: Seat,
    answer: oneshot::Sender<Carried>,
}

type Carried = Result<Response, Failed>;

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) kind: NotCarried,
    pub(crate) why: String,
}

impl Failed {
    fn unreachable(why: impl Into<String>) -> Self {
        Self { kind: NotCarried::Unreachable, why: why.into() }
    }

    fn late() -> Self {
        Self { kind: NotCarried::Late, why: "there was no answer in time".into() }
    }

    fn busy() -> Self {
        Self { kind: NotCarried::Busy, why: "all associations with it wait for answers".into() }
    }

    fn ended() -> Self {
        Self::unreachable("the link was ended")
    }
}

impl Link {
    /// A link that opens nothing yet. `keep` holds the first association open even if it has nothing to carry.
    pub(crate) fn new(opener: Opener, keep: bool) -> Self {
        Self { opener, keep, seats: Seats::new(), lanes: array::from_fn(|_| OnceLock::new()) }
    }

    /// Opens the first association with `far`, if there is none.
    pub(crate) async fn open(&self, far: Arc<FarCse>) -> Result<(), Trouble> {
        let gone = || Trouble::Unreachable("the program stops".into());
        let first = self.first().ok_or_else(gone)?;
        let mut state = first.open.clone();
        let (answer, opened) = oneshot::channel();
        first.orders.send(Order::Open { far, answer }).await.map_err(|_| gone())?;
        tokio::select! {
            biased;
            opened = opened => opened.unwrap_or_else(|_| Err(gone())),
            // It has been opened for a request, behind which the order waits.
            open = state.wait_for(|open| *open) => open.map(drop).map_err(|_| gone()),
        }
    }

    /// Carries `request` to `far` and brings its answer back within `limit`.
    pub(crate) async fn carry(
        &self,
        far: Arc<FarCse>,
        request: Request,
        whose: Whose,
        limit: Duration,
    ) -> Carried {
        let until = Instant::now() + limit;
        let seat = self.seats.take(whose, sleep_until(until.min(Instant::now() + QUEUE))).await;
        let seat = seat.map_err(|_| if Instant::now() >= until { Failed::late() } else { Failed::busy() })?;
        let lane = self.lane(seat.number).ok_or_else(Failed::ended)?;
        let (answer, carried) = oneshot::channel();
        let load = Box::new(Load { far, request, until, seat, answer });
        let carried = async {
            lane.orders.send(Order::Carry(load)).await.ok()?;
            carried.await.ok()
        };
        match timeout_at(until, carried).await {
            Ok(Some(carried)) => carried,
            Ok(None) => Err(Failed::ended()),
            Err(_) => Err(Failed::late()),
        }
    }

    /// Closes what is open. The next request opens anew, with what is true then.
    pub(crate) fn reset(&self) {
        self.lanes.iter().filter_map(OnceLock::get).for_each(Lane::reset);
    }

    /// Closes what was opened with this credential.
    pub(crate) fn credential_changed(&self, id: &CredentialId) {
        for lane in self.lanes.iter().filter_map(OnceLock::get) {
            let used = lane.shared.credential.lock().unwrap_or_else(PoisonError::into_inner);
            if used.as_ref() == Some(id) {
                lane.reset();
            }
        }
    }

    /// Whether the first association is open, as it changes.
    pub(crate) fn state(&self) -> Option<watch::Receiver<bool>> {
        self.first().map(|first| first.open.clone())
    }

    fn first(&self) -> Option<&Lane> {
        self.lane(0)
    }

    fn lane(&self, number: usize) -> Option<&Lane> {
        let idle = match number {
            0 if self.keep => LIFETIME,
            0 => IDLE,
            _ => SPARE_IDLE,
        };
        self.lanes.get(number).map(|lane| lane.get_or_init(|| Lane::new(self.opener.clone(), idle)))
    }
}

impl Lane {
    fn new(opener: Opener, idle: Duration) -> Self {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let shared = Arc::new(Shared { credential: Mutex::new(None), reset: Notify::new() });
        let (opened, open) = watch::channel(false);
        let carrier = Carrier {
            orders: receiver,
            shared: Arc::clone(&shared),
            opened,
            opener,
            idle,
            connected: None,
            rests_until: Instant::now(),
        };
        tokio::spawn(carrier.run());
        Self { orders, shared, open }
    }

    fn reset(&self) {
        self.shared.reset.notify_one();
    }
}

/// The task behind a lane.
struct Carrier {
    orders: mpsc::Receiver<Order>,
    shared: Arc<Shared>,
    opened: watch::Sender<bool>,
    opener: Opener,
    idle: Duration,
    connected: Option<Connected>,
    rests_until: Instant,
}

struct Connected {
    http: HttpConnection,
    far: Arc<FarCse>,
    /// It has carried a request before.
    used: bool,
    /// With its credential, or by age.
    ends: Instant,
    idles_until: Instant,
}

/// What the task is woken by.
enum Wake {
    Order(Option<Order>),
    /// The association has ended, or is to end.
    Over,
}

impl Carrier {
    async fn run(mut self) {
        loop {
            match self.wait().await {
                Wake::Order(Some(order)) => self.execute(order).await,
                Wake::Order(None) => break,
                Wake::Over => self.disconnect().await,
            }
        }
        self.disconnect().await;
    }

    async fn wait(&mut self) -> Wake {
        let shared = Arc::clone(&self.shared);
        let over = async {
            match &self.connected {
                Some(connected) => tokio::select! {
                    () = connected.http.ended() => {}
                    () = sleep_until(connected.ends.min(connected.idles_until)) => {}
                },
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shared.reset.notified() => Wake::Over,
            () = over => Wake::Over,
            order = self.orders.recv() => Wake::Order(order),
        }
    }

    async fn execute(&mut self, order: Order) {
        match order {
            Order::Open { far, answer } => {
                let opened = self.connect(&far).await;
                // Whoever asked may have gone.
                let _ = answer.send(opened);
            }
            Order::Carry(load) => {
                let Load { far, request, until, seat, answer } = *load;
                if answer.is_closed() || until <= Instant::now() {
                    return;
                }
                let carried = self.carry(&far, &request).await;
                // First, so that whoever goes on with another request uses the same association.
                drop(seat);
                let _ = answer.send(carried);
            }
        }
    }

    async fn carry(&mut self, far: &Arc<FarCse>, request: &Request) -> Carried {
        if self.connected.is_none() && Instant::now() < self.rests_until {
            return Err(Failed::unreachable("it could not be reached a moment ago"));
        }
        loop {
            self.connect(far).await.map_err(|trouble| Failed::unreachable(trouble.to_string()))?;
            let Some(connected) = &mut self.connected else { continue };
            let was_used = std::mem::replace(&mut connected.used, true);
            let answered = tokio::select! {
                biased;
                () = self.shared.reset.notified() => None,
                answered = connected.http.request(request) => Some(answered),
            };
            match answered {
                Some(Ok(answer)) => {
                    connected.idles_until = Instant::now() + self.idle;
                    return Ok(answer);
                }
                None => {
                    self.disconnect().await;
                    return Err(Failed::unreachable("the association was closed"));
                }
                Some(Err(error)) => {
                    self.disconnect().await;
                    // An association that idled may end just when it is used again; asking twice does no harm.
                    let again = was_used && request.op == Operation::Retrieve;
                    if !(again && matches!(error, NetError::Closed { .. })) {
                        return Err(failed(&error));
                    }
                }
            }
        }
    }

    async fn connect(&mut self, far: &Arc<FarCse>) -> Result<(), Trouble> {
        match &self.connected {
            Some(connected) if connected.far == *far && connected.http.is_open() => return Ok(()),
            Some(_) => self.disconnect().await,
            None => {}
        }
        // Before the key is read, so that no change of it goes unheard.
        self.uses(Some(far.credential_id()));
        let opened = match self.opener.open(far).await {
            Ok(opened) => opened,
            Err(trouble) => {
                tracing::info!(cse = %far.cse, %trouble, "no association with another CSE");
                self.uses(None);
                self.rests_until = Instant::now() + REST;
                return Err(trouble);
            }
        };
        let suite = opened.connection.handshake().suite.name();
        tracing::info!(cse = %far.cse, address = %opened.connection.remote(), suite, "associated with another CSE");
        let left = opened.not_after.map(|end| end.since(self.opener.now()).unwrap_or_default());
        let now = Instant::now();
        self.connected = Some(Connected {
            http: opened.connection,
            far: Arc::clone(far),
            used: false,
            ends: now + left.unwrap_or(LIFETIME).min(LIFETIME),
            idles_until: now + self.idle,
        });
        self.opened.send_replace(true);
        Ok(())
    }

    async fn disconnect(&mut self) {
        if let Some(connected) = self.connected.take() {
            tracing::debug!(cse = %connected.far.cse, "the association with another CSE ends");
            self.opened.send_replace(false);
            // Nobody is there to be told that it took too long.
            let _ = timeout(GOODBYE, connected.http.close()).await;
        }
        self.uses(None);
    }

    fn uses(&self, credential: Option<CredentialId>) {
        *self.shared.credential.lock().unwrap_or_else(PoisonError::into_inner) = credential;
    }
}

fn failed(error: &NetError) -> Failed {
    let kind = match error {
        NetError::Timeout { .. } => NotCarried::Late,
        _ => NotCarried::Unreachable,
    };
    Failed { kind, why: causes(error) }
}
