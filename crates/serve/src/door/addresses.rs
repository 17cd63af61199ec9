//! How many connections an address has.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts the connections of each address, up to a cap. It holds as many addresses as have connections.
pub(crate) struct Addresses {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's seat among those of its address, given up when this is dropped.
pub(crate) struct Seat {
    addresses: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// A seat, unless all those of the address are taken.
    pub(crate) fn take(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let address = who(peer);
        let mut open = self.open();
        let seats = open.entry(address).or_insert(0);
        if *seats >= self.most {
            return None;
        }
        *seats += 1;
        Some(Seat { addresses: Arc::clone(self), address })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(mut seats) = self.addresses.open().entry(self.address) {
            *seats.get_mut() -= 1;
            if *seats.get() == 0 {
                seats.remove();
            }
        }
    }
}

/// An IPv6 host has a /64 to itself, and as many addresses in it as it likes; an IPv4 one may come as either.
fn who(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_ipv6_network_is_one_and_so_is_an_ipv4_host_however_it_comes() {
        assert_eq!(who(address("2001:db8:1:2:3:4:5:6")), who(address("2001:db8:1:2::1")));
        assert_ne!(who(address("2001:db8:1:2::1")), who(address("2001:db8:1:3::1")));
        assert_eq!(who(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_ne!(who(address("192.0.2.1")), who(address("192.0.2.2")));
    }

    #[test]
    fn seats_come_back_and_no_address_is_kept_that_has_none() {
        let addresses = Arc::new(Addresses::new(2));
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(address);
        let first = addresses.take(one);
        let second = addresses.take(one);
        assert!(first.is_some() && second.is_some() && addresses.take(one).is_none());
        assert!(addresses.take(other).is_some());
        drop(first);
        let third = addresses.take(one);
        assert!(third.is_some() && addresses.take(one).is_none());
        drop((second, third));
        assert!(addresses.open().is_empty());
    }
}
