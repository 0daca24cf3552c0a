//! How one connection is told to end, by whoever wants that.
//!
//! A cancellation token for each reason would be four lists to enter and to leave each time that a connection
//! waits. This is one word and one place for the task that waits; what is shared by all connections of a listener
//! is sent to each by [`crate::admission`].

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// What a connection is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Order {
    /// It has to go for a younger one.
    Evicted = 1,
    /// Its credential was closed: at once.
    Closed = 2,
    /// The listener stops: after the request in progress.
    Drain = 4,
    /// The listener has waited long enough.
    Stop = 8,
}

/// One connection's ear for orders. They are never taken back.
#[derive(Default)]
pub(crate) struct Tether {
    orders: AtomicU8,
    waiting: Mutex<Option<Waker>>,
}

impl Tether {
    pub(crate) fn give(&self, order: Order) {
        self.orders.fetch_or(order as u8, Ordering::AcqRel);
        let waiting = self.lock().take();
        if let Some(task) = waiting {
            task.wake();
        }
    }

    pub(crate) fn has(&self, order: Order) -> bool {
        self.orders.load(Ordering::Acquire) & order as u8 != 0
    }

    /// The first of `orders` that was given; if none was, the task of `context` is woken by the next order of
    /// whatever kind. One task may wait in several places.
    pub(crate) fn poll(&self, context: &Context<'_>, orders: &[Order]) -> Poll<Order> {
        let mut waiting = self.lock();
        if !waiting.as_ref().is_some_and(|task| task.will_wake(context.waker())) {
            *waiting = Some(context.waker().clone());
        }
        drop(waiting);
        // After it is known whom to wake: an order that comes in between is not lost.
        orders.iter().copied().find(|order| self.has(*order)).map_or(Poll::Pending, Poll::Ready)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::{Arc, atomic::AtomicUsize},
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn whoever_waits_is_woken_and_the_most_wanted_order_counts() {
        let (tether, woken) = (Tether::default(), Arc::new(Woken::default()));
        let waker = Arc::clone(&woken).into();
        let context = Context::from_waker(&waker);
        assert_eq!(tether.poll(&context, &[Order::Closed, Order::Drain]), Poll::Pending);
        tether.give(Order::Stop);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert_eq!(tether.poll(&context, &[Order::Closed, Order::Drain]), Poll::Pending, "not waited for");
        tether.give(Order::Drain);
        tether.give(Order::Closed);
        assert_eq!(woken.0.load(Ordering::Relaxed), 2, "nobody waits between two orders");
        assert_eq!(tether.poll(&context, &[Order::Closed, Order::Drain]), Poll::Ready(Order::Closed));
        assert!(tether.has(Order::Stop) && !tether.has(Order::Evicted));
    }

    #[tokio::test]
    async fn no_order_is_lost_to_a_task_that_begins_to_wait() {
        for _ in 0..1000 {
            let tether = Arc::new(Tether::default());
            let giving = Arc::clone(&tether);
            let other = std::thread::spawn(move || giving.give(Order::Closed));
            poll_fn(|context| tether.poll(context, &[Order::Closed])).await;
            other.join().unwrap();
        }
    }
}
