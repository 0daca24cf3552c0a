//! One association with another CSE, opened when it is needed: one request at a time, the others wait in a queue.

use std::{
    sync::{Arc, Mutex, PoisonError},
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

use super::open::{FarCse, Opener};
use crate::outcome::causes;

/// Requests that wait for one association; more are not reachable.
const WAITING: usize = 64;
/// How long an association without requests is kept.
const IDLE: Duration = Duration::from_secs(300);
/// How long nobody is dialled again that could not be reached. A request costs the other side no more than that.
const REST: Duration = Duration::from_secs(1);
/// Longest life of an association.
const LIFETIME: Duration = Duration::from_secs(86_400);

/// How long the end of an association may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// The way to one CSE. Its association ends with the last handle.
pub(crate) struct Link {
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
    Carry { far: Arc<FarCse>, request: Box<Request>, until: Instant, answer: oneshot::Sender<Carried> },
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
}

impl Link {
    /// A link that opens nothing yet. `keep` holds an association open that has nothing to carry.
    pub(crate) fn new(opener: Opener, keep: bool) -> Self {
        let (orders, receiver) = mpsc::channel(WAITING);
        let shared = Arc::new(Shared { credential: Mutex::new(None), reset: Notify::new() });
        let (opened, open) = watch::channel(false);
        let idle = if keep { LIFETIME } else { IDLE };
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

    /// Opens an association with `far`, if there is none.
    pub(crate) async fn open(&self, far: Arc<FarCse>) -> Result<(), Trouble> {
        let (answer, opened) = oneshot::channel();
        let gone = || Trouble::Unreachable("the program stops".into());
        self.orders.send(Order::Open { far, answer }).await.map_err(|_| gone())?;
        opened.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Carries `request` to `far` and brings its answer back within `limit`.
    pub(crate) async fn carry(&self, far: Arc<FarCse>, request: Request, limit: Duration) -> Carried {
        let until = Instant::now() + limit;
        let (answer, carried) = oneshot::channel();
        let order = Order::Carry { far, request: Box::new(request), until, answer };
        if self.orders.try_send(order).is_err() {
            return Err(Failed::unreachable("too many requests wait"));
        }
        match timeout_at(until, carried).await {
            Ok(Ok(carried)) => carried,
            Ok(Err(_)) => Err(Failed::unreachable("the link was ended")),
            Err(_) => Err(Failed::late()),
        }
    }

    /// Closes what is open. The next request opens anew, with what is true then.
    pub(crate) fn reset(&self) {
        self.shared.reset.notify_one();
    }

    /// Closes what was opened with this credential.
    pub(crate) fn credential_changed(&self, id: &CredentialId) {
        let used = self.shared.credential.lock().unwrap_or_else(PoisonError::into_inner);
        if used.as_ref() == Some(id) {
            self.reset();
        }
    }

    /// Whether an association is open, as it changes.
    pub(crate) fn state(&self) -> watch::Receiver<bool> {
        self.open.clone()
    }
}

/// The task behind a link.
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
            Order::Carry { far, request, until, answer } => {
                if answer.is_closed() || until <= Instant::now() {
                    return;
                }
                let carried = self.carry(&far, &request).await;
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
