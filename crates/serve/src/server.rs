//! The server: what it is told, and its course.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use macadam_core::{PhaseWatch, body::MinRate};
use tokio::{
    select,
    time::{Duration, timeout},
};
use tower_service::Service;
use tracing::info;

use crate::{
    body::Body,
    clocks::{Clocks, MaxAge, NO_LIMIT, UNSENT},
    conn::Conn,
    connection,
    door::{Addresses, Arrival, Entrance, Limits, Listen, connections_in, raise_descriptor_limit},
    hand_over::Listener,
    handle::Handle,
    house::House,
    order::{Order, Orders},
    service::{App, BoxError},
    transport::Door,
};

/// Serves HTTP/1.1 and HTTP/2 on a listener.
#[must_use = "nothing is accepted before it serves"]
pub struct Server {
    listener: Listener,
    door: Door,
    clocks: Clocks,
    max_connections: usize,
    addresses: Option<Arc<Addresses>>,
    phase: Option<PhaseWatch>,
    house: Arc<House>,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Connections that were still open when the drain ran out of time, and were cut.
    pub connections_cut: usize,
    /// Requests on them whose response was not over, or whose client had not taken it.
    pub requests_cut: usize,
    /// Requests that came, since the lame duck or the drain began, on connections that we had closed already, and were thrown
    /// away ([`Handle::discarded_requests`]).
    pub requests_discarded: u64,
}

impl Server {
    /// Serves on this listener: one of [`Listen`], or a [`TcpListener`](tokio::net::TcpListener) of one's own.
    pub fn new(listener: impl Into<Listener>) -> Self {
        let listener = listener.into();
        // Every connection inherits it.
        #[cfg(any(target_os = "android", target_os = "linux"))]
        let _ = socket2::SockRef::from(&listener.socket).set_tcp_notsent_lowat(UNSENT);
        Self {
            listener,
            door: Door::Plain,
            clocks: Clocks::default(),
            max_connections: 10_000,
            addresses: None,
            phase: None,
            house: Arc::new(House::new()),
        }
    }

    /// Serves on this address, as [`Listen`] binds it if told nothing else. Must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Those of [`Listen::bind`].
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self::new(Listen::new(address).bind()?))
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// Those of the system's `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.socket.local_addr()
    }

    /// Speaks TLS, and nothing else, on this listener.
    ///
    /// HTTP/2 and HTTP/1.1 are offered by ALPN. The certificate is looked at again while the server serves; see
    /// [`Tls`](crate::Tls).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.door = Door::Tls(Arc::new(tls));
        self
    }

    /// How long a connection may take from its acceptance, or the end of its TLS handshake, to its first byte (10 s; the
    /// last second of a connection accepted just before a drain). It is then closed without an answer.
    pub fn first_byte(mut self, limit: Duration) -> Self {
        self.clocks.first_byte = limit.min(NO_LIMIT);
        self
    }

    /// How long a request's head may take from its first byte to its last (20 s; 5 s in a drain). It is then answered
    /// with 408.
    pub fn header(mut self, limit: Duration) -> Self {
        self.clocks.header = limit.min(NO_LIMIT);
        self
    }

    /// How long a connection may be without a request, from the last byte of an answer to the first byte of the next
    /// head; in HTTP/2 from the end of its last stream (75 s). It is then closed.
    pub fn keep_alive_idle(mut self, limit: Duration) -> Self {
        self.clocks.keep_alive_idle = limit.min(NO_LIMIT);
        self
    }

    /// How long a handler may wait for the next frame of a request's body (30 s; 5 s in a drain). The body then fails.
    pub fn request_body_idle(mut self, limit: Duration) -> Self {
        self.clocks.request_body_idle = limit.min(NO_LIMIT);
        self
    }

    /// How slowly a client may send a request's body while the handler waits for it, and how slowly it may take what
    /// there is for it (240 bytes a second, but for 5 s). The body then fails; the connection is then reset, and its
    /// handlers are dropped.
    ///
    /// What is taken is seen in lumps of 16 KiB, so a client that takes nothing has as much longer as the rate gives it
    /// for these: 73 s. One that sends nothing has [`request_body_idle`](Self::request_body_idle).
    pub fn min_rate(mut self, rate: MinRate) -> Self {
        self.clocks.min_rate = rate;
        self
    }

    /// How old a connection may become, a tenth more or less (no limit). It then ends with its next answer; in HTTP/2 it
    /// takes no new streams. What is not over after `grace` is cut. An upgraded connection has no age.
    pub fn max_age(mut self, age: Duration, grace: Duration) -> Self {
        self.clocks.max_age = Some(MaxAge { age: age.min(NO_LIMIT), grace: grace.min(NO_LIMIT) });
        self
    }

    /// How many connections may be open at once (10,000, at least 1).
    ///
    /// At the cap the connection that has waited longest without a request makes room for a new one; where all have
    /// one, the new one waits.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// How many connections one address may have open at once (no limit; at least 1). In IPv6 a /64 is one address. What
    /// comes beyond is reset as it is accepted.
    ///
    /// It is for a listener that clients reach directly: behind a load balancer all have its address.
    pub fn max_connections_per_address(mut self, connections: usize) -> Self {
        self.addresses = Some(Arc::new(Addresses::new(connections.max(1))));
        self
    }

    /// Raises the process' limit of descriptors as far as it goes ([`raise_descriptor_limit`]), and lowers the cap on
    /// connections to what fits. Both are logged.
    pub fn fit_descriptors(mut self) -> Self {
        let fitting = connections_in(raise_descriptor_limit());
        if fitting < self.max_connections {
            info!(
                from = self.max_connections,
                to = fitting,
                "lowered the cap on connections to fit the descriptors"
            );
            self.max_connections = fitting;
        }
        self
    }

    /// Goes by this phase: asks clients to leave in the lame duck, drains, and closes. Without one it serves for ever, or
    /// until its listener is handed over, and drains then.
    pub fn phase(mut self, phase: PhaseWatch) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Leaves out a part of the drain, to see what fails. To be called before [`pair`](Self::pair).
    #[cfg(feature = "fault-injection")]
    #[doc(hidden)]
    pub fn without(mut self, mechanism: crate::Mechanism) -> Self {
        let house = Arc::get_mut(&mut self.house).expect("nobody else has it before there is a handle");
        house.without = Some(mechanism);
        self
    }

    /// The server, and a handle to watch it by.
    pub fn pair(self) -> (Self, Handle) {
        let handle = Handle::new(Arc::clone(&self.house), self.listener.handed_over());
        (self, handle)
    }

    /// Serves until the phase reaches [`Draining`](macadam_core::Phase::Draining) and every connection has ended, or
    /// until [`Closing`](macadam_core::Phase::Closing), when what is left is cut.
    ///
    /// A listener that came from another instance is this one's alone from here on. Where it is [handed
    /// over](Handle::handed_over) to the next one it accepts no more, and goes on with the connections that it has.
    ///
    /// Each connection gets a clone of the service. An error of the service closes its connection, or resets its
    /// stream.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stops to accept and cuts every connection.
    pub async fn serve<S, B>(self, service: S) -> Served
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let Self { listener, door, clocks, max_connections, addresses, phase, house } = self;
        let _watch = door.watch();
        let cut = CutOnDrop(Arc::clone(&house));
        let orders = Orders { phase };
        let limits = Limits { connections: max_connections, addresses };
        let building = Arc::clone(&house);
        let let_in = move |arrival| start(arrival, &door, &building, clocks, &service);
        let mut entrance = Entrance::new(listener, Arc::clone(&house), limits, let_in);

        let order = entrance.open(&orders).await;
        let drained = async {
            entrance.close().await;
            house.emptied().await;
        };
        let served = select! {
            biased;
            () = drained, if order == Order::Drain => {
                Served { requests_discarded: house.discarded_requests(), ..Served::default() }
            }
            _ = orders.reached(Order::Cut) => house.cut().await,
        };
        drop(cut);
        served
    }
}

fn start<S: App>(arrival: Arrival, door: &Door, house: &Arc<House>, clocks: Clocks, service: &S) {
    let Arrival { stream, peer, seat } = arrival;
    // What is written is whole answers and frames: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let conn = Arc::new(Conn::new(Arc::clone(house), clocks, peer));
    let room = house.enter(Arc::clone(&conn), seat);
    tokio::spawn(connection::run(stream, door.clone(), conn, room, service.clone()));
}

impl House {
    /// Cuts what is left.
    async fn cut(self: &Arc<Self>) -> Served {
        let left = self.all();
        let connections_cut = left.len();
        let requests_cut = left.iter().map(|conn| conn.unanswered() as usize).sum();
        drop(left);
        self.tell(Order::Cut);
        // They only have to be polled once more; whoever blocks the runtime is not waited for.
        let _ = timeout(TO_LET_GO, self.emptied()).await;
        Served { connections_cut, requests_cut, requests_discarded: self.discarded_requests() }
    }
}

struct CutOnDrop(Arc<House>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.tell(Order::Cut);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("listener", &self.listener)
            .field("door", &self.door)
            .field("clocks", &self.clocks)
            .field("max_connections", &self.max_connections)
            .field("max_connections_per_address", &self.addresses.as_ref().map(|addresses| addresses.most()))
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

/// What is cut gets this long to be dropped.
const TO_LET_GO: Duration = Duration::from_millis(100);
