//! The threads that serve connections, each with an event loop of its own: what happens on one connection wakes no
//! other thread and moves between no caches.
//!
//! ```text
//!   accepts, on the first thread --> a seat: the first thread that has few handshakes under way and is not
//!                                    far ahead in connections; when all of these are busy, the one with the
//!                                    fewest handshakes
//! ```
//!
//! So a quiet server works on one thread, whose caches stay warm and which seldom has to be woken; a flood of
//! handshakes spreads over all; and long-lived associations are spread evenly whatever came when.

use std::{
    fmt, io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::interval,
};

/// Handshakes under way on one thread before the next thread gets one: so many take about a millisecond.
const FEW: usize = 8;
/// By how many connections a thread may be ahead of the one that has the least.
const AHEAD: usize = 64;
/// Less than any deadline of a connection.
const TICK: Duration = Duration::from_secs(1);

/// Threads for the connections of one or more listeners; cheap to clone. They end with the last clone.
#[derive(Clone)]
pub struct Crew(Arc<Members>);

struct Members {
    loads: Vec<Load>,
    handles: Vec<Handle>,
    /// Dropped to end the threads.
    running: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What one thread has to do.
#[derive(Default)]
struct Load {
    /// Connections whose handshake is under way.
    unfinished: AtomicUsize,
    connections: AtomicUsize,
}

impl Crew {
    /// Starts so many threads.
    ///
    /// # Errors
    /// If the system has no more threads or file descriptors.
    pub fn start(threads: NonZeroUsize) -> io::Result<Self> {
        let (mut loads, mut handles, mut running) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..threads.get() {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            loads.push(Load::default());
            let (stop, stopped) = oneshot::channel::<()>();
            let serve = move || {
                runtime.block_on(async {
                    drop(tokio::spawn(tick()));
                    // The sender is never used: the end of it is the order.
                    let _ = stopped.await;
                });
            };
            running.push((stop, thread::Builder::new().name(format!("net-{number}")).spawn(serve)?));
        }
        Ok(Self(Arc::new(Members { loads, handles, running })))
    }

    /// The event loop that accepts.
    pub(crate) fn first(&self) -> Option<&Handle> {
        self.0.handles.first()
    }

    /// A place for a new connection.
    pub(crate) fn seat(&self) -> Seat {
        let at = choose(&self.0.loads);
        let seat = Seat { crew: self.clone(), at, unfinished: true };
        if let Some(load) = seat.load() {
            load.unfinished.fetch_add(1, Ordering::Relaxed);
            load.connections.fetch_add(1, Ordering::Relaxed);
        }
        seat
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crew").field("threads", &self.0.handles.len()).finish()
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for (stop, thread) in self.running.drain(..) {
            drop(stop);
            // The last clone may be dropped by a task of one of the threads, which then ends by itself.
            if thread.thread().id() != thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread that serves connections panicked");
            }
        }
    }
}

/// Keeps the next time at which the event loop looks at its clock near. A timer that ends before that time would
/// wake the loop that sets it, by a write and a read of a descriptor, for each connection.
async fn tick() {
    let mut turn = interval(TICK);
    loop {
        turn.tick().await;
    }
}

fn choose(loads: &[Load]) -> usize {
    let connections = |load: &Load| load.connections.load(Ordering::Relaxed);
    let unfinished = |load: &Load| load.unfinished.load(Ordering::Relaxed);
    let least = loads.iter().map(connections).min().unwrap_or_default();
    // However busy another one is: handshakes that hang there are not to fill one thread with all that lasts.
    let level = || loads.iter().enumerate().filter(|(_, load)| connections(load) <= least + AHEAD);
    let quiet = level().find(|(_, load)| unfinished(load) < FEW);
    let chosen = quiet.or_else(|| level().min_by_key(|(_, load)| (unfinished(load), connections(load))));
    chosen.map_or(0, |(at, _)| at)
}

/// One connection's place on a thread; given back when dropped.
pub(crate) struct Seat {
    crew: Crew,
    at: usize,
    unfinished: bool,
}

impl Seat {
    /// The event loop, unless it is the one that accepts.
    pub(crate) fn elsewhere(&self) -> Option<&Handle> {
        if self.at == 0 { None } else { self.crew.0.handles.get(self.at) }
    }

    /// The handshake is over.
    pub(crate) fn finish(&mut self) {
        if std::mem::take(&mut self.unfinished)
            && let Some(load) = self.load()
        {
            load.unfinished.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn load(&self) -> Option<&Load> {
        self.crew.0.loads.get(self.at)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.finish();
        if let Some(load) = self.load() {
            load.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(of: &[(usize, usize)]) -> Vec<Load> {
        let load = |&(unfinished, connections): &(usize, usize)| Load {
            unfinished: unfinished.into(),
            connections: connections.into(),
        };
        of.iter().map(load).collect()
    }

    #[test]
    fn the_first_that_is_quiet_is_chosen() {
        for (of, expected) in [
            (&[][..], 0),
            (&[(0, 0), (0, 0)], 0),
            (&[(FEW - 1, FEW), (0, 0)], 0),
            (&[(FEW, FEW), (0, 0)], 1),
            (&[(FEW, FEW), (FEW, 900), (FEW - 1, 20)], 2),
            (&[(0, AHEAD), (0, 0)], 0),
            (&[(0, AHEAD + 1), (0, 0)], 1),
            (&[(FEW + 3, 20), (FEW + 1, 70), (FEW + 2, 10)], 1),
            (&[(256, 256), (FEW, 256 + AHEAD), (FEW, 300)], 2),
            (&[(256, 256), (0, 256 + AHEAD + 1)], 0),
            (&[(FEW, 20), (FEW, 10)], 1),
        ] {
            assert_eq!(choose(&loads(of)), expected, "{of:?}");
        }
    }

    #[test]
    fn seats_are_given_back() {
        let crew = Crew::start(NonZeroUsize::new(2).unwrap()).unwrap();
        let mut seats: Vec<Seat> = (0..FEW + 2).map(|_| crew.seat()).collect();
        assert_eq!(seats.iter().filter(|seat| seat.elsewhere().is_some()).count(), 2);
        seats[0].finish();
        seats[0].finish();
        assert_eq!(crew.seat().at, 0, "one of the first thread's handshakes is over");
        drop(seats);
        for load in &crew.0.loads {
            assert_eq!(load.unfinished.load(Ordering::Relaxed), 0);
            assert_eq!(load.connections.load(Ordering::Relaxed), 0);
        }
    }

    #[test]
    fn the_threads_end_with_the_crew() {
        let crew = Crew::start(NonZeroUsize::MIN).unwrap();
        let (alive, ended) = std::sync::mpsc::channel::<()>();
        let another = crew.clone();
        drop(crew);
        let handle = another.first().unwrap().clone();
        handle.spawn(async move {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        drop(another);
        assert!(ended.recv().is_err(), "its task was dropped");
    }
}
