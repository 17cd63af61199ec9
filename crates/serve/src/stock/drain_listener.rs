//! The drain of HTTP/1 on stock `axum::serve`.

use std::{
    collections::VecDeque,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use axum::serve::Listener;
use macadam_core::{Phase, PhaseWatch, body::MinRate};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    select,
    time::{Duration, Instant, sleep_until},
};

use crate::{
    clocks::{Alarm, Clocks},
    conn::{Conn, Place},
    door::{Acceptor, TO_SHAKE_HANDS},
    hand_over::HandedOver,
    handle::Handle,
    house::House,
    http2::PREFACE,
    io::Io,
    order::{Order, Orders},
    reason::CloseReason,
    transport::Transport,
};

/// A listener for stock `axum::serve`, whose idle HTTP/1 connections end without the race of its own shutdown.
///
/// axum's graceful shutdown closes an idle connection, half a request on it or not, the moment it is told. This listener
/// goes through the [phases](macadam_core::Phase) before it: from the drain on it accepts what the kernel has
/// accepted and nothing more, retires idle connections as [`Server`](crate::Server) does, and waits for the others; when
/// no HTTP/1 connection is left, [`drained`](Self::drained) tells axum. So axum's shutdown finds HTTP/2 connections alone,
/// and says GOAWAY to them.
///
/// ```
/// use axum::Router;
/// use macadam_core::{Phase, PhaseOwner};
/// use macadam_serve::{DrainListener, Linked};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let phase = PhaseOwner::new();
/// let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let (listener, handle) = DrainListener::new(tcp, phase.watch())?.pair();
/// let drained = listener.drained();
/// let app = Router::new();
/// let serving = tokio::spawn(async move {
///     axum::serve(listener, Linked::new(app)).with_graceful_shutdown(drained).await
/// });
///
/// phase.advance(Phase::Draining, None);
/// serving.await??;
/// assert_eq!(handle.discarded_requests(), 0);
/// # Ok(())
/// # }
/// ```
///
/// What it does not do: GOAWAY in the lame duck, and a time for a peer that does not acknowledge one; a clock outside the
/// drain, where a fresh connection has a second and half a head five; a 408; a lingering close after an error, behind
/// which hyper only lets go. [`Server`](crate::Server) does all of that.
pub struct DrainListener {
    acceptor: Option<Acceptor>,
    /// When the kernel's backlog is looked at for the second time and the last, since the drain has begun.
    closes_at: Option<Instant>,
    /// What the kernel had accepted when it was looked at.
    rest: VecDeque<(TcpStream, SocketAddr)>,
    address: SocketAddr,
    phase: PhaseWatch,
    shared: Arc<Shared>,
}

struct Shared {
    house: Arc<House>,
    /// Nothing more will be accepted, nor waits for that.
    ended: AtomicBool,
}

/// A connection of a [`DrainListener`].
pub struct Connection {
    io: Io,
    conn: Arc<Conn>,
    /// How much of an HTTP/2 preface has come, until something else has.
    preface: Option<usize>,
    accepted: Instant,
    head_begun: Option<Instant>,
    alarm: Option<Alarm>,
}

impl DrainListener {
    /// Accepts on this listener, and goes by this phase.
    ///
    /// # Errors
    ///
    /// Those of the system's `getsockname`.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(listener: TcpListener, phase: PhaseWatch) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let house = Arc::new(House::new());
        tokio::spawn(tell(Arc::clone(&house), Orders { phase: Some(phase.clone()) }));
        let shared = Arc::new(Shared { house, ended: AtomicBool::new(false) });
        let acceptor = Some(Acceptor::new(listener));
        Ok(Self { acceptor, closes_at: None, rest: VecDeque::new(), address, phase, shared })
    }

    /// The listener, and a handle to watch it by.
    pub fn pair(self) -> (Self, Handle) {
        let handle = Handle::new(Arc::clone(&self.shared.house), HandedOver::never());
        (self, handle)
    }

    /// Resolves when axum may shut down: the drain has begun and no HTTP/1 connection is left, or it has run out of time.
    /// It is for `with_graceful_shutdown`.
    pub fn drained(&self) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        async move {
            let is_drained = || {
                let house = &shared.house;
                house.order() == Order::Cut
                    || (shared.ended.load(SeqCst) && !house.all().iter().any(|conn| conn.holds_up_axum()))
            };
            shared.house.until(is_drained).await;
        }
    }

    fn connection(&self, (tcp, peer): (TcpStream, SocketAddr)) -> (Connection, SocketAddr) {
        let _ = tcp.set_nodelay(true);
        let house = &self.shared.house;
        let clocks = Clocks { min_rate: MinRate::new(0, Duration::ZERO), ..Clocks::default() };
        let conn = Arc::new(Conn::new(Arc::clone(house), clocks, peer));
        // Until it is linked nobody knows of its requests, so it counts as if there were one.
        conn.unlink();
        let room = house.enter(Arc::clone(&conn), None);
        let connection = Connection {
            io: Io::new(Transport::Tcp(tcp), Arc::clone(&conn), room),
            conn,
            preface: Some(0),
            accepted: Instant::now(),
            head_begun: None,
            alarm: None,
        };
        (connection, peer)
    }
}

impl Listener for DrainListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            if let Some(accepted) = self.rest.pop_front() {
                return self.connection(accepted);
            }
            let Some(acceptor) = &mut self.acceptor else {
                self.shared.ended.store(true, SeqCst);
                self.shared.house.somebody_waits();
                return std::future::pending().await;
            };
            if let Some(closes_at) = self.closes_at {
                sleep_until(closes_at).await;
                self.rest.extend(acceptor.rest());
                self.acceptor = None;
                continue;
            }
            select! {
                biased;
                _ = self.phase.reached(Phase::Draining) => {
                    self.rest.extend(acceptor.rest());
                    self.closes_at = Some(Instant::now() + TO_SHAKE_HANDS);
                }
                accepted = acceptor.accept() => match accepted {
                    Ok(accepted) => return self.connection(accepted),
                    Err(_) => self.shared.house.figures.accept_errors.add(1),
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

/// Tells the connections what the phase means for them, to its end.
async fn tell(house: Arc<House>, orders: Orders) {
    let mut order = Order::Serve;
    while order < Order::Cut {
        order = orders.reached(order.next()).await;
        house.tell(order);
        house.somebody_waits();
    }
}

impl Connection {
    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// Looks at what has come for an HTTP/2 preface.
    fn sniff(&mut self, bytes: &[u8]) {
        let Some(seen) = self.preface else { return };
        let expected = &PREFACE[seen..];
        let common = expected.len().min(bytes.len());
        if bytes.is_empty() {
            return;
        }
        if expected[..common] != bytes[..common] {
            self.preface = None;
        } else if common == expected.len() {
            self.preface = None;
            self.io.speaks_http2_since(&[PREFACE, &bytes[common..]].concat());
            self.conn.http2.set_spoken();
        } else {
            self.preface = Some(seen + common);
        }
    }

    /// Ready when a connection in a drain has waited long enough for its client.
    fn poll_too_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let conn = &self.conn;
        let place = conn.place();
        if conn.order() < Order::Drain
            || conn.http2.is_spoken()
            || conn.is_tunnel()
            || place == Place::Exchange
        {
            self.head_begun = None;
            return Poll::Pending;
        }
        let (due, reason) = match place {
            Place::Head => {
                let begun = *self.head_begun.get_or_insert_with(Instant::now);
                (conn.clocks.header_due(&conn.house, begun), CloseReason::Header)
            }
            _ => (conn.clocks.first_byte_due(&conn.house, self.accepted), CloseReason::FirstByte),
        };
        self.alarm.get_or_insert_with(|| Alarm::at(due)).poll(cx, due).map(|()| conn.close_for(reason))
    }

    fn cut(&self, cx: &Context<'_>) -> io::Result<()> {
        self.conn.task.register(cx.waker());
        if self.conn.order() == Order::Cut {
            self.conn.close_for(CloseReason::Cut);
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server is closing"));
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut(cx)?;
        let before = buf.filled().len();
        match Pin::new(&mut this.io).poll_read(cx, buf) {
            Poll::Pending => {
                this.conn.nothing_has_come();
                this.poll_too_late(cx).map(Ok)
            }
            Poll::Ready(read) => {
                read?;
                this.sniff(&buf.filled()[before..]);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl fmt::Debug for DrainListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DrainListener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("peer", &self.conn.peer).finish_non_exhaustive()
    }
}
