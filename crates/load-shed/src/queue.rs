//! Who waits at the gate, and who is next.
//!
//! A list for each class, through the entries of one slab: a place in the middle is given up in a few writes, and the
//! memory stays that of the longest queue there ever was.
//!
//! Next is the highest class that waits; in it, where tenants are told apart, whose tenant has the fewest slots; and
//! among those who waited longest, or in an overload who waited least.

use std::{task::Waker, time::Duration};

use slab::Slab;
use tokio::time::Instant;

use crate::{reason::Reason, shares::Shares};

/// What somebody who asks for a slot brings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    /// How much it matters; a lower number matters more.
    pub(crate) class: u8,
    /// Whose it is, where tenants are told apart.
    pub(crate) tenant: Option<u64>,
}

/// How many classes there are.
pub(crate) const CLASSES: usize = 4;

pub(crate) struct Queue {
    waiters: Slab<Waiter>,
    lists: [List; CLASSES],
    pub(crate) shares: Shares,
    pub(crate) order: Order,
}

/// How a queue goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Who waited least is next. Else it is who waited longest.
    pub(crate) newest_first: bool,
    /// Who has waited for longer is refused.
    pub(crate) max_wait: Duration,
    /// The first class that this is for. What matters more waits in order, and for as long as anybody may: it is not
    /// what there is too much of.
    pub(crate) from_class: u8,
}

impl Order {
    /// First come, first served.
    pub(crate) const FAIR: Self = Self { newest_first: false, max_wait: Duration::MAX, from_class: 0 };
}

#[derive(Clone, Copy, Default)]
struct List {
    front: Option<usize>,
    back: Option<usize>,
}

struct Waiter {
    claim: Claim,
    /// The key of its tenant's share, where tenants are told apart.
    share: Option<usize>,
    since: Instant,
    fate: Fate,
    ahead: Option<usize>,
    behind: Option<usize>,
    waker: Option<Waker>,
}

/// What has become of a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Waits,
    /// Handed a slot, and so no longer in a list.
    Granted,
    /// Its place is gone, and so is it from the lists.
    Refused(Reason),
}

/// What a waiter leaves behind. Its waker is to be dropped when the queue is no longer locked.
pub(crate) struct Left {
    pub(crate) fate: Fate,
    pub(crate) _waker: Option<Waker>,
}

/// Whose turn it is.
#[derive(Clone, Copy)]
pub(crate) struct Next {
    key: usize,
    /// It has waited for longer than anybody may, and is refused.
    pub(crate) is_too_late: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            waiters: Slab::new(),
            lists: Default::default(),
            shares: Shares::default(),
            order: Order::FAIR,
        }
    }

    /// Puts a waiter at the end of its class.
    pub(crate) fn push(&mut self, claim: Claim, since: Instant) -> usize {
        let share = claim.tenant.map(|tenant| self.shares.wait(tenant));
        let list = &mut self.lists[usize::from(claim.class)];
        let (ahead, fate) = (list.back, Fate::Waits);
        let waiter = Waiter { claim, share, since, fate, ahead, behind: None, waker: None };
        let key = self.waiters.insert(waiter);
        match list.back.replace(key) {
            Some(back) => self.waiters[back].behind = Some(key),
            None => list.front = Some(key),
        }
        key
    }

    /// Whether a claim is none of those of which there are too many: of a class that all fits, or of a tenant that has
    /// had little.
    pub(crate) fn is_modest(&self, claim: Claim) -> bool {
        claim.class < self.order.from_class
            || claim.tenant.is_some_and(|tenant| self.shares.is_modest(self.shares.key_of(tenant)))
    }

    /// Whose turn it is.
    pub(crate) fn next(&self, now: Instant) -> Option<Next> {
        let (class, list) = (0..).zip(self.lists).find(|(_, list)| list.front.is_some())?;
        let key = self.next_of(list, self.order.newest_first && class >= self.order.from_class)?;
        Some(Next { key, is_too_late: self.is_too_late(key, now) })
    }

    /// Somebody who has waited for too long, if there is one.
    pub(crate) fn too_late(&self, now: Instant) -> Option<Next> {
        let has_waited = |key: &usize| self.has_waited_too_long(&self.waiters[*key], now);
        let late = |list: &List| self.keys(list.front).take_while(has_waited);
        // Where tenants are told apart, somebody modest may have waited for longer, and go on waiting.
        let key = self.lists.iter().rev().flat_map(late).find(|key| self.is_too_late(*key, now))?;
        Some(Next { key, is_too_late: true })
    }

    fn is_too_late(&self, key: usize, now: Instant) -> bool {
        let waiter = &self.waiters[key];
        self.has_waited_too_long(waiter, now) && !self.is_modest(waiter.claim)
    }

    fn has_waited_too_long(&self, waiter: &Waiter, now: Instant) -> bool {
        now.saturating_duration_since(waiter.since) > self.order.max_wait
    }

    /// Takes who is next off its list, with a slot or a refusal. Returns whom to wake.
    pub(crate) fn take(&mut self, next: Next) -> Option<Waker> {
        if next.is_too_late {
            return self.settle(next.key, Fate::Refused(Reason::QueueWait));
        }
        if let Some(tenant) = self.waiters[next.key].claim.tenant {
            self.shares.hold(tenant);
        }
        self.settle(next.key, Fate::Granted)
    }

    /// Makes room for `claim` in a queue that is full, at the cost of whoever matters less; else says why it may not
    /// be there itself.
    pub(crate) fn displace(&mut self, claim: Claim) -> Result<Option<Waker>, Reason> {
        let (class, list) =
            self.lists.iter().enumerate().rfind(|(_, list)| list.front.is_some()).ok_or(Reason::QueueFull)?;
        if class > usize::from(claim.class) {
            // Of those who matter least, who waited longest is the least likely to be still there when served.
            let oldest = list.front.ok_or(Reason::QueueFull)?;
            return Ok(self.settle(oldest, Fate::Refused(Reason::Criticality)));
        }
        if class < usize::from(claim.class) {
            return Err(Reason::Criticality);
        }
        let Some(tenant) = claim.tenant else { return Err(Reason::QueueFull) };
        let own = self.shares.size_of(tenant);
        match self.largest_of(*list) {
            Some((key, size)) if size > own + 1 => Ok(self.settle(key, Fate::Refused(Reason::Tenant))),
            // Alone at the gate, a tenant is refused for the gate's sake and not for the others'.
            Some(_) if self.shares.tenants() > 1 => Err(Reason::Tenant),
            _ => Err(Reason::QueueFull),
        }
    }

    /// Why `claim`, or somebody in its stead, would be refused in a queue that is full, where nobody waits but all run.
    pub(crate) fn rehearse(&self, claim: Claim) -> Reason {
        let Some(tenant) = claim.tenant else { return Reason::QueueFull };
        if self.shares.most() > self.shares.size_of(tenant) + 1 || self.shares.tenants() > 1 {
            Reason::Tenant
        } else {
            Reason::QueueFull
        }
    }

    /// What has become of the waiter. Unless it waits, its entry is gone; if it does, it will be woken, and the waker
    /// that it had before is returned.
    pub(crate) fn poll(&mut self, key: usize, waker: &Waker) -> (Fate, Option<Waker>) {
        let waiter = &mut self.waiters[key];
        let fate = waiter.fate;
        let replaced = match &waiter.waker {
            _ if fate != Fate::Waits => self.waiters.remove(key).waker,
            Some(present) if present.will_wake(waker) => None,
            _ => waiter.waker.replace(waker.clone()),
        };
        (fate, replaced)
    }

    /// Takes a waiter out, wherever it stands.
    pub(crate) fn remove(&mut self, key: usize) -> Left {
        let fate = self.waiters[key].fate;
        if fate == Fate::Waits {
            self.unlink(key);
        }
        Left { fate, _waker: self.waiters.remove(key).waker }
    }

    /// For how long the one that waits longest has waited.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        let fronts = self.lists.iter().filter_map(|list| list.front);
        let since = fronts.map(|key| self.waiters[key].since).min();
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// The first of those whose tenants have the fewest slots; or the last of them, newest first.
    fn next_of(&self, list: List, newest_first: bool) -> Option<usize> {
        let mut next = if newest_first { list.back } else { list.front };
        if self.shares.is_empty() {
            return next;
        }
        let (mut best, mut fewest) = (next, u32::MAX);
        while let Some(key) = next {
            let waiter = &self.waiters[key];
            let held = waiter.share.map_or(0, |share| self.shares.held(share));
            if held < fewest {
                (best, fewest) = (next, held);
            }
            // Nobody has fewer than none.
            next = if held == 0 {
                None
            } else if newest_first {
                waiter.ahead
            } else {
                waiter.behind
            };
        }
        best
    }

    /// The first of those whose tenants have most, and how much that is.
    fn largest_of(&self, list: List) -> Option<(usize, u32)> {
        let mut largest = None;
        for key in self.keys(list.front) {
            let size = self.waiters[key].share.map_or(0, |share| self.shares.size(share));
            if largest.is_none_or(|(_, most)| size > most) {
                largest = Some((key, size));
            }
            if size == self.shares.most() {
                break;
            }
        }
        largest
    }

    fn keys(&self, front: Option<usize>) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(front, |key| self.waiters[*key].behind)
    }

    fn settle(&mut self, key: usize, fate: Fate) -> Option<Waker> {
        self.unlink(key);
        let waiter = &mut self.waiters[key];
        waiter.fate = fate;
        waiter.waker.take()
    }

    fn unlink(&mut self, key: usize) {
        let Waiter { claim, share, ahead, behind, .. } = self.waiters[key];
        let list = &mut self.lists[usize::from(claim.class)];
        match ahead {
            Some(ahead) => self.waiters[ahead].behind = behind,
            None => list.front = behind,
        }
        match behind {
            Some(behind) => self.waiters[behind].ahead = ahead,
            None => list.back = ahead,
        }
        if let Some(share) = share {
            self.shares.leave(share);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    const CRITICAL: u8 = 1;
    const SHEDDABLE: u8 = 3;

    fn of(class: u8) -> Claim {
        Claim { class, tenant: None }
    }

    fn tenant(tenant: u64) -> Claim {
        Claim { class: CRITICAL, tenant: Some(tenant) }
    }

    /// A queue with these waiters, a millisecond between each and the next, and now.
    fn queue(claims: impl IntoIterator<Item = Claim>) -> (Queue, Instant) {
        let (mut queue, mut now) = (Queue::new(), Instant::now());
        for (key, claim) in claims.into_iter().enumerate() {
            assert_eq!(queue.push(claim, now), key, "keys are given in order");
            now += TICK;
        }
        (queue, now)
    }

    /// Who is served, in this order.
    fn served(mut queue: Queue, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| {
            let next = queue.next(now)?;
            queue.take(next);
            Some(next.key)
        })
        .collect()
    }

    fn fate(queue: &mut Queue, key: usize) -> Fate {
        queue.poll(key, Waker::noop()).0
    }

    const TICK: Duration = Duration::from_millis(1);

    #[test]
    fn what_matters_more_is_next_whenever_it_came() {
        let (queue, now) = queue([of(SHEDDABLE), of(CRITICAL), of(SHEDDABLE), of(CRITICAL), of(0)]);
        assert_eq!(served(queue, now), [4, 1, 3, 0, 2]);
    }

    #[test]
    fn in_an_overload_the_newest_of_a_class_is_next() {
        let (mut queue, now) = queue([of(SHEDDABLE), of(CRITICAL), of(SHEDDABLE), of(CRITICAL)]);
        queue.order.newest_first = true;
        assert_eq!(served(queue, now), [3, 1, 2, 0]);
    }

    #[test]
    fn who_has_waited_a_tick_too_long_is_refused_and_who_has_not_is_served() {
        let (mut queue, now) = queue([of(CRITICAL), of(CRITICAL)]);
        queue.order.max_wait = TICK;
        let late = queue.next(now).unwrap();
        assert!(late.is_too_late);
        queue.take(late);
        assert_eq!(fate(&mut queue, 0), Fate::Refused(Reason::QueueWait));
        let in_time = queue.next(now).unwrap();
        assert!(!in_time.is_too_late);
        queue.take(in_time);
        assert_eq!(fate(&mut queue, 1), Fate::Granted);
    }

    #[test]
    fn what_there_is_not_too_much_of_waits_in_order_and_for_longer() {
        let (mut queue, now) = queue([of(SHEDDABLE), of(CRITICAL), of(CRITICAL), of(SHEDDABLE)]);
        queue.order = Order { newest_first: true, max_wait: Duration::ZERO, from_class: SHEDDABLE };
        for late in [0, 3] {
            let next = queue.too_late(now).unwrap();
            assert!(next.is_too_late);
            assert_eq!(next.key, late);
            queue.take(next);
        }
        assert!(queue.too_late(now).is_none());
        assert_eq!(served(queue, now), [1, 2]);
    }

    #[test]
    fn a_tenant_that_has_had_little_waits_for_longer() {
        let (mut queue, now) = queue([tenant(7), tenant(8), tenant(8)]);
        queue.order.max_wait = Duration::ZERO;
        assert_eq!(
            queue.too_late(now).unwrap().key,
            0,
            "nobody has had anything, and all have waited for too long"
        );
        (0..4).for_each(|_| queue.shares.hold(8));
        for late in [1, 2] {
            let next = queue.too_late(now).unwrap();
            assert_eq!(next.key, late);
            queue.take(next);
        }
        assert!(queue.too_late(now).is_none());
    }

    #[test]
    fn a_full_queue_makes_room_for_what_matters_more_at_the_cost_of_who_waits_longest() {
        let (mut queue, now) = queue([of(SHEDDABLE), of(SHEDDABLE), of(CRITICAL)]);
        assert!(queue.displace(of(CRITICAL)).is_ok());
        assert_eq!(fate(&mut queue, 0), Fate::Refused(Reason::Criticality));
        assert_eq!(queue.displace(of(SHEDDABLE)).unwrap_err(), Reason::QueueFull, "its like are there");
        assert_eq!(served(queue, now), [2, 1]);
    }

    #[test]
    fn a_full_queue_of_what_matters_more_has_no_room_for_less() {
        let (mut queue, _) = queue([of(CRITICAL)]);
        assert_eq!(queue.displace(of(SHEDDABLE)).unwrap_err(), Reason::Criticality);
        assert_eq!(queue.displace(of(CRITICAL)).unwrap_err(), Reason::QueueFull);
    }

    #[test]
    fn the_tenant_with_the_fewest_slots_is_next() {
        let (mut queue, now) = queue([tenant(7), tenant(7), tenant(8), tenant(9)]);
        queue.shares.hold(7);
        queue.shares.hold(9);
        queue.shares.hold(9);
        // 8 has none; then 7 and 8 have one each, and so on, each time with the slot that was just given.
        assert_eq!(served(queue, now), [2, 0, 1, 3]);
    }

    #[test]
    fn the_largest_tenant_makes_room_for_the_others_and_for_itself_has_none() {
        let (mut queue, now) = queue([tenant(7), tenant(7), tenant(7)]);
        assert_eq!(
            queue.displace(tenant(7)).unwrap_err(),
            Reason::QueueFull,
            "it is alone, so that is no share"
        );
        assert!(queue.displace(tenant(8)).is_ok());
        assert_eq!(fate(&mut queue, 0), Fate::Refused(Reason::Tenant));
        queue.push(tenant(8), now);
        assert_eq!(queue.displace(tenant(7)).unwrap_err(), Reason::Tenant);
    }

    #[test]
    fn nothing_is_remembered_of_a_tenant_that_is_gone() {
        let (mut queue, now) = queue((0..100).map(tenant));
        for key in 0..50 {
            queue.remove(key);
        }
        for _ in 50..100 {
            let next = queue.next(now).unwrap();
            queue.take(next);
        }
        assert_eq!(queue.shares.tenants(), 50);
        (50..100).for_each(|tenant| queue.shares.let_go(tenant));
        assert!(queue.shares.is_empty() && queue.oldest(now).is_zero());
    }
    proptest! {
        /// Those who stop looking as soon as they can, against those who look at everybody.
        #[test]
        fn the_fewest_and_the_most_are_found_among_all_who_wait(
            held in vec(0..5u64, 0..20),
            waiting in vec(0..5u64, 1..20),
            newest_first in any::<bool>(),
        ) {
            // 0 is nobody's.
            let claim = |tenant: u64| Claim { class: CRITICAL, tenant: Some(tenant).filter(|tenant| *tenant > 0) };
            let (mut queue, now) = queue(waiting.iter().copied().map(claim));
            held.iter().filter_map(|tenant| claim(*tenant).tenant).for_each(|tenant| queue.shares.hold(tenant));
            queue.order.newest_first = newest_first;
            let count = |of: &[u64], key: usize| match waiting[key] {
                0 => 0,
                tenant => of.iter().filter(|other| **other == tenant).count(),
            };
            let place = |key: usize| if newest_first { waiting.len() - key } else { key };
            let fewest = (0..waiting.len()).min_by_key(|key| (count(&held, *key), place(*key)));
            prop_assert_eq!(queue.next(now).map(|next| next.key), fewest);
            let size = |key: usize| count(&held, key) + count(&waiting, key);
            let most = (0..waiting.len()).max_by_key(|key| (size(*key), Reverse(*key)));
            let found = queue.largest_of(queue.lists[usize::from(CRITICAL)]);
            prop_assert_eq!(found, most.map(|key| (key, size(key) as u32)));
        }
    }
}
