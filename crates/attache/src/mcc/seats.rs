//! Who may use which of the associations with one CSE, and who has to wait.

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Associations with one CSE at a time.
pub(super) const SEATS: usize = 4;
/// How many of them what is passed on may take: one is left for our own registration, which would be lost if it had to
/// wait for what hangs behind the other CSE.
const FOR_OTHERS: usize = SEATS - 1;
/// Requests that wait for a seat; more have none.
const WAITING: usize = 64;

/// Whose request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Of our registration with that CSE.
    Own,
    /// One that is passed on.
    Others,
}

/// None was free in time.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The associations with one CSE, by number, as far as they are free.
pub(super) struct Seats {
    all: Arc<Semaphore>,
    for_others: Arc<Semaphore>,
    waiting: Semaphore,
    free: Mutex<BTreeSet<usize>>,
}

/// The right to use one association. It ends when this is dropped.
pub(super) struct Seat {
    pub(super) number: usize,
    seats: Arc<Seats>,
    _of_all: OwnedSemaphorePermit,
    _of_others: Option<OwnedSemaphorePermit>,
}

impl Seats {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            all: Arc::new(Semaphore::new(SEATS)),
            for_others: Arc::new(Semaphore::new(FOR_OTHERS)),
            waiting: Semaphore::new(WAITING),
            free: Mutex::new((0..SEATS).collect()),
        })
    }

    /// The free seat with the lowest number, so that those with high numbers are used only when they are needed.
    /// Waits for one until `bound`.
    ///
    /// # Errors
    /// [`Full`] at `bound`, or at once if too many wait.
    pub(super) async fn take(
        self: &Arc<Self>,
        whose: Whose,
        bound: impl Future<Output = ()>,
    ) -> Result<Seat, Full> {
        let _waiting = self.waiting.try_acquire().map_err(|_| Full)?;
        let permits = async {
            let of_others = match whose {
                Whose::Own => None,
                Whose::Others => Some(Arc::clone(&self.for_others).acquire_owned().await.ok()?),
            };
            Some((Arc::clone(&self.all).acquire_owned().await.ok()?, of_others))
        };
        let permits = tokio::select! {
            biased;
            permits = permits => permits,
            () = bound => None,
        };
        let (of_all, of_others) = permits.ok_or(Full)?;
        let number = self.lock().pop_first().ok_or(Full)?;
        Ok(Seat { number, seats: Arc::clone(self), _of_all: of_all, _of_others: of_others })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    /// Before its permits go, so that whoever gets them finds a number.
    fn drop(&mut self) {
        self.seats.lock().insert(self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    async fn taken(seats: &Arc<Seats>, whose: Whose, count: usize) -> Vec<Seat> {
        let mut taken = Vec::new();
        for _ in 0..count {
            taken.push(seats.take(whose, ready(())).await.unwrap());
        }
        taken
    }

    fn numbers(seats: &[Seat]) -> Vec<usize> {
        seats.iter().map(|seat| seat.number).collect()
    }

    /// Polls it once, which is enough to stand in the queue.
    async fn queued<F: Future>(waits: &mut std::pin::Pin<Box<F>>) {
        tokio::select! {
            biased;
            _ = waits.as_mut() => panic!("it did not wait"),
            () = ready(()) => {}
        }
    }

    #[tokio::test]
    async fn what_is_passed_on_leaves_a_seat_for_the_registration() {
        let seats = Seats::new();
        let others = taken(&seats, Whose::Others, FOR_OTHERS).await;
        assert_eq!(numbers(&others), [0, 1, 2]);
        assert!(seats.take(Whose::Others, ready(())).await.is_err(), "no more than that");
        assert_eq!(numbers(&taken(&seats, Whose::Own, 1).await), [3]);
    }

    #[tokio::test]
    async fn whoever_waits_gets_what_is_freed_or_nothing_at_the_bound() {
        let seats = Seats::new();
        let mut others = taken(&seats, Whose::Others, FOR_OTHERS).await;
        let mut waits = Box::pin(seats.take(Whose::Others, pending()));
        queued(&mut waits).await;
        drop(others.remove(1));
        let freed = waits.await.unwrap();
        assert_eq!(freed.number, 1);
        let (reach, bound) = oneshot::channel::<()>();
        let mut waits = Box::pin(seats.take(Whose::Others, async { bound.await.unwrap() }));
        queued(&mut waits).await;
        reach.send(()).unwrap();
        assert!(waits.await.is_err());
        drop((freed, others));
        assert_eq!(numbers(&taken(&seats, Whose::Others, FOR_OTHERS).await), [0, 1, 2], "nothing is lost");
    }

    #[tokio::test]
    async fn no_more_than_a_number_wait() {
        let seats = Seats::new();
        let _others = taken(&seats, Whose::Others, FOR_OTHERS).await;
        let mut queue = Vec::new();
        for _ in 0..WAITING {
            let mut waits = Box::pin(seats.take(Whose::Others, pending()));
            queued(&mut waits).await;
            queue.push(waits);
        }
        tokio::select! {
            biased;
            refused = seats.take(Whose::Others, pending()) => assert!(refused.is_err()),
            () = ready(()) => panic!("one more waits"),
        }
    }
}
