//! Who may come in: bounds on connections, in all, unfinished, and by address.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Limits,
    tether::{Order, Tether},
};

/// Counts connections and keeps the unfinished ones in order of age.
pub(crate) struct Admission {
    max_associations: usize,
    max_half_open: usize,
    max_per_address: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    /// At most `max_associations`.
    established: BTreeMap<u64, Arc<Tether>>,
    /// At most as many entries as there are connections.
    by_block: HashMap<Block, usize>,
    /// At most `max_half_open`, oldest first.
    half_open: BTreeMap<u64, Arc<Tether>>,
    last: u64,
}

/// What counts as one address: an IPv6 site has 2^64 of them to spend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Block {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Block {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [first, second, third, fourth, ..] = address.segments();
                Self::V6([first, second, third, fourth])
            }
        }
    }
}

/// There is no room.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overload;

/// Why a connection whose handshake is done is no association.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unplaced {
    /// It had been told to go just before.
    Evicted,
    Overload,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            max_associations: limits.max_associations,
            max_half_open: limits.max_half_open.max(1),
            max_per_address: limits.max_per_address,
            counts: Mutex::default(),
        })
    }

    /// A place for a new connection. If too many are unfinished, the oldest of them has to go.
    pub(crate) fn admit(self: &Arc<Self>, source: IpAddr) -> Result<Place, Overload> {
        let block = Block::of(source);
        let tether = Arc::<Tether>::default();
        let mut counts = self.lock();
        // Somebody who cannot be established anyhow must not push out one who can.
        if counts.established.len() >= self.max_associations {
            return Err(Overload);
        }
        let from_block = counts.by_block.entry(block).or_default();
        if *from_block >= self.max_per_address {
            if *from_block == 0 {
                counts.by_block.remove(&block);
            }
            return Err(Overload);
        }
        *from_block += 1;
        counts.last += 1;
        let number = counts.last;
        counts.half_open.insert(number, Arc::clone(&tether));
        let evicted = (counts.half_open.len() > self.max_half_open).then(|| counts.half_open.pop_first());
        drop(counts);
        if let Some((_, oldest)) = evicted.flatten() {
            oldest.give(Order::Evicted);
        }
        Ok(Place { admission: Arc::clone(self), block, number, tether, established: false })
    }

    /// Ends the oldest unfinished connection, to get its file descriptor back. False if there is none.
    pub(crate) fn evict_oldest(&self) -> bool {
        let oldest = self.lock().half_open.pop_first();
        oldest.is_some_and(|(_, tether)| {
            tether.give(Order::Evicted);
            true
        })
    }

    /// Tells every connection.
    pub(crate) fn tell_all(&self, order: Order) {
        let all: Vec<_> = {
            let counts = self.lock();
            counts.half_open.values().chain(counts.established.values()).cloned().collect()
        };
        for tether in all {
            tether.give(order);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection; given back when dropped.
pub(crate) struct Place {
    admission: Arc<Admission>,
    block: Block,
    number: u64,
    tether: Arc<Tether>,
    established: bool,
}

impl Place {
    /// Where the connection is told to end.
    pub(crate) const fn tether(&self) -> &Arc<Tether> {
        &self.tether
    }

    /// From now on the connection counts as established, if there is room.
    pub(crate) fn establish(&mut self) -> Result<(), Unplaced> {
        let mut counts = self.admission.lock();
        let tether = counts.half_open.remove(&self.number).ok_or(Unplaced::Evicted)?;
        if counts.established.len() >= self.admission.max_associations {
            return Err(Unplaced::Overload);
        }
        counts.established.insert(self.number, tether);
        self.established = true;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        if self.established {
            counts.established.remove(&self.number);
        } else {
            counts.half_open.remove(&self.number);
        }
        if let Some(from_block) = counts.by_block.get_mut(&self.block) {
            *from_block = from_block.saturating_sub(1);
            if *from_block == 0 {
                counts.by_block.remove(&self.block);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(associations: usize, half_open: usize, per_address: usize) -> Arc<Admission> {
        Admission::new(&Limits {
            max_associations: associations,
            max_half_open: half_open,
            max_per_address: per_address,
            ..Limits::default()
        })
    }

    fn is_evicted(place: &Place) -> bool {
        place.tether().has(Order::Evicted)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_oldest_unfinished_one_goes_first() {
        let admission = admission(10, 2, 10);
        let source = address("192.0.2.1");
        let mut first = admission.admit(source).unwrap();
        let mut second = admission.admit(source).unwrap();
        first.establish().unwrap();
        let third = admission.admit(source).unwrap();
        assert!(!is_evicted(&second), "the first one has finished and does not count");
        let fourth = admission.admit(source).unwrap();
        assert!(is_evicted(&second));
        assert!(!is_evicted(&first) && !is_evicted(&third));
        assert_eq!(second.establish(), Err(Unplaced::Evicted), "too late");
        assert!(admission.evict_oldest() && is_evicted(&third));
        assert!(admission.evict_oldest() && is_evicted(&fourth));
        assert!(!admission.evict_oldest());
    }

    #[test]
    fn established_ones_are_bounded_and_give_their_place_back() {
        let admission = admission(1, 10, 10);
        let source = address("192.0.2.1");
        let (mut first, mut second) = (admission.admit(source).unwrap(), admission.admit(source).unwrap());
        first.establish().unwrap();
        assert_eq!(second.establish(), Err(Unplaced::Overload));
        assert!(admission.admit(source).is_err());
        drop(first);
        admission.admit(source).unwrap().establish().unwrap();
        drop(second);
        assert!(admission.lock().by_block.is_empty());
        assert!(admission.lock().established.is_empty());
    }

    #[test]
    fn all_are_told() {
        let admission = admission(10, 10, 10);
        let source = address("192.0.2.1");
        let (mut first, second) = (admission.admit(source).unwrap(), admission.admit(source).unwrap());
        first.establish().unwrap();
        admission.tell_all(Order::Drain);
        assert!(first.tether().has(Order::Drain) && second.tether().has(Order::Drain));
        assert!(!first.tether().has(Order::Stop));
    }

    #[test]
    fn one_address_is_bounded_and_an_ipv6_network_is_one() {
        let admission = admission(10, 10, 1);
        let _held = admission.admit(address("192.0.2.1")).unwrap();
        assert!(admission.admit(address("192.0.2.1")).is_err());
        assert!(admission.admit(address("::ffff:192.0.2.1")).is_err(), "the same, mapped");
        let _other = admission.admit(address("192.0.2.2")).unwrap();
        let _network = admission.admit(address("2001:db8:0:1::1")).unwrap();
        assert!(admission.admit(address("2001:db8:0:1:ffff::2")).is_err());
        assert!(admission.admit(address("2001:db8:0:2::1")).is_ok());
    }

    #[test]
    fn a_refusal_leaves_nothing_behind() {
        let admission = admission(10, 10, 0);
        assert!(admission.admit(address("192.0.2.1")).is_err());
        assert!(admission.lock().by_block.is_empty());
    }
}
