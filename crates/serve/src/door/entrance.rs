//! Where connections come in, until they come no more.

use std::{future::pending, io, net::SocketAddr, pin::pin, sync::Arc};

use tokio::{
    net::TcpStream,
    select,
    time::{Duration, sleep},
};

use super::{
    accept::Acceptor,
    addresses::{Addresses, Seat},
};
use crate::{
    hand_over::{Listener, Succession},
    house::House,
    mechanism::Mechanism,
    order::{Order, Orders},
};

/// A connection that has come, and whom its address gave a seat.
pub(crate) struct Arrival {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) seat: Option<Seat>,
}

/// The listening socket, and who may come in by it.
pub(crate) struct Entrance<F> {
    house: Arc<House>,
    /// None when a successor has the socket: what waits there is the successor's.
    acceptor: Option<Acceptor>,
    succession: Succession,
    /// One that has come and finds no room.
    held: Option<Arrival>,
    limits: Limits,
    /// It is owned, and not borrowed, so that a future with it in is `Send` where the service is not `Sync`.
    let_in: F,
}

/// How many may be inside at once.
pub(crate) struct Limits {
    pub(crate) connections: usize,
    pub(crate) addresses: Option<Arc<Addresses>>,
}

impl<F: Fn(Arrival)> Entrance<F> {
    pub(crate) fn new(listener: Listener, house: Arc<House>, limits: Limits, let_in: F) -> Self {
        let Listener { socket, succession, .. } = listener;
        Self { house, acceptor: Some(Acceptor::new(socket)), succession, held: None, limits, let_in }
    }

    /// Lets in whoever comes, and tells those inside of the lame duck, until it is time to drain: by order, or since a
    /// successor has the socket and nobody is left. Returns the order.
    pub(crate) async fn open(&mut self, orders: &Orders) -> Order {
        let Self { house, acceptor, succession, held, limits, let_in } = self;
        let mut passed_on = pin!(succession.pass_on());
        let mut order = Order::Serve;
        while order < Order::Drain {
            select! {
                biased;
                next = orders.reached(order.next()) => {
                    order = next;
                    if order < Order::Drain {
                        house.tell(order);
                    }
                }
                () = house.make_room(limits.connections), if held.is_some() => {
                    held.take().map(&*let_in);
                }
                () = &mut passed_on, if acceptor.is_some() => {
                    *acceptor = None;
                    if !orders.will_come() {
                        order = Order::Drain;
                    }
                }
                () = house.emptied(), if acceptor.is_none() && held.is_none() && order == Order::LameDuck => {
                    // Nobody is left, and nobody will come.
                    order = Order::Drain;
                }
                accepted = accept(acceptor), if acceptor.is_some() && held.is_none() => match accepted {
                    Ok(accepted) => *held = limits.admit(house, accepted),
                    Err(_) => house.figures.accept_errors.add(1),
                }
            }
        }
        order
    }

    /// Lets in those whom the kernel has accepted, who wait for an answer too; tells all to drain, and closes the socket.
    pub(crate) async fn close(mut self) {
        self.let_in_the_rest();
        self.house.tell(Order::Drain);
        if self.acceptor.is_some() {
            // Whoever was in the middle of the handshake is through it now.
            sleep(TO_SHAKE_HANDS).await;
            self.let_in_the_rest();
        }
        // The socket before its name: see `Successors`.
        drop(self.acceptor);
        drop(self.succession);
    }

    fn let_in_the_rest(&mut self) {
        let Self { house, acceptor, held, limits, let_in, .. } = self;
        if !house.has(Mechanism::Backlog) {
            return;
        }
        let room = limits.connections.saturating_sub(house.rooms().len());
        let accepted = acceptor.iter_mut().flat_map(Acceptor::rest);
        let rest = accepted.filter_map(|accepted| limits.admit(house, accepted)).take(room);
        held.take().into_iter().chain(rest).for_each(&*let_in);
    }
}

impl Limits {
    fn admit(&self, house: &House, (stream, peer): (TcpStream, SocketAddr)) -> Option<Arrival> {
        let Some(addresses) = &self.addresses else { return Some(Arrival { stream, peer, seat: None }) };
        let seat = addresses.take(peer.ip());
        if seat.is_none() {
            house.figures.refused.add(1);
            // A reset leaves nothing behind, here or there.
            let _ = stream.set_zero_linger();
            return None;
        }
        Some(Arrival { stream, peer, seat })
    }
}

async fn accept(acceptor: &mut Option<Acceptor>) -> io::Result<(TcpStream, SocketAddr)> {
    match acceptor {
        Some(acceptor) => acceptor.accept().await,
        None => pending().await,
    }
}

/// From the first look at what the kernel has accepted to the second, and the listener's end. A client farther away than this
/// can still be reset, and nothing but handing the listener over helps it.
pub(crate) const TO_SHAKE_HANDS: Duration = Duration::from_millis(20);
