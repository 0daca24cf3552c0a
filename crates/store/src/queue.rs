//! A bounded queue between callers and the threads that own connections.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::StoreError;

/// Many producers, several consumers; consumers take what is waiting in one go.
pub(crate) struct Queue<T> {
    name: &'static str,
    capacity: usize,
    state: Mutex<State<T>>,
    filled: Condvar,
    drained: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Queue<T> {
    pub(crate) fn new(name: &'static str, capacity: usize) -> Self {
        let state = Mutex::new(State { waiting: VecDeque::new(), closed: false });
        Self { name, capacity: capacity.max(1), state, filled: Condvar::new(), drained: Condvar::new() }
    }

    /// Adds `item`, or says that the queue is full or closed.
    pub(crate) fn offer(&self, item: T) -> Result<(), StoreError> {
        let state = self.lock();
        if state.waiting.len() >= self.capacity && !state.closed {
            return Err(StoreError::Busy { queue: self.name, waiting: state.waiting.len() });
        }
        self.push(state, item)
    }

    /// Adds `item`, blocking while the queue is full.
    pub(crate) fn put(&self, item: T) -> Result<(), StoreError> {
        let full = |state: &mut State<T>| state.waiting.len() >= self.capacity && !state.closed;
        let state = self.drained.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        self.push(state, item)
    }

    fn push(&self, mut state: MutexGuard<'_, State<T>>, item: T) -> Result<(), StoreError> {
        if state.closed {
            return Err(StoreError::Closed);
        }
        state.waiting.push_back(item);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for something and moves up to `limit` items into `taken`. False once the queue is closed and
    /// empty.
    pub(crate) fn take(&self, limit: usize, taken: &mut Vec<T>) -> bool {
        let idle = |state: &mut State<T>| state.waiting.is_empty() && !state.closed;
        let mut state = self.filled.wait_while(self.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(limit.max(1));
        taken.extend(state.waiting.drain(..count));
        let more = !state.waiting.is_empty();
        drop(state);
        if count > 0 {
            self.drained.notify_all();
        }
        if more {
            self.filled.notify_one();
        }
        count > 0
    }

    /// Accepts nothing more. What is waiting can still be taken.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_refuses_and_a_group_is_bounded() {
        let queue = Queue::new("read", 3);
        for item in 0..3 {
            queue.offer(item).unwrap();
        }
        assert_eq!(queue.offer(3), Err(StoreError::Busy { queue: "read", waiting: 3 }));
        let mut taken = Vec::new();
        assert!(queue.take(2, &mut taken));
        assert_eq!(taken, [0, 1]);
        queue.offer(3).unwrap();
        assert_eq!(queue.len(), 2);
    }

    #[test]
    fn a_closed_queue_is_drained_and_then_over() {
        let queue = Queue::new("write", 3);
        queue.offer(1).unwrap();
        queue.close();
        assert_eq!(queue.offer(2), Err(StoreError::Closed));
        assert_eq!(queue.put(2), Err(StoreError::Closed));
        let mut taken = Vec::new();
        assert!(queue.take(9, &mut taken));
        assert!(!queue.take(9, &mut taken));
        assert_eq!(taken, [1]);
    }

    #[test]
    fn put_waits_for_room_and_ends_with_the_queue() {
        let queue = Queue::new("write", 1);
        queue.offer(1).unwrap();
        std::thread::scope(|scope| {
            let putting = scope.spawn(|| queue.put(2));
            let mut taken = Vec::new();
            while taken.len() < 2 {
                queue.take(1, &mut taken);
            }
            assert_eq!(taken, [1, 2]);
            assert_eq!(putting.join().unwrap(), Ok(()));
        });
    }
}
