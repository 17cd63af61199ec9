//! An accept loop for HTTP/1.1 and HTTP/2, with TLS or without, with clocks, limits and a drain that does not cut.
//!
//! [`Server`] accepts on a TCP listener and serves any tower service of `Request<Body>` on hyper's connections. It
//! stands where `axum::serve` does, and adds what a server needs on a network with slow clients, silent clients and
//! deploys: a clock on each of a connection's waits, a cap that makes room for newcomers, and a shutdown after which no
//! request that reached the process is missing an answer.
//!
//! It does not speak HTTP/3, reads no PROXY protocol, listens on no Unix socket, handles no signal and
//! bounds no handler: what moves the phase and what times a request are layers and crates of their own.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use macadam_core::{Phase, PhaseOwner};
//! use macadam_serve::{Body, Server};
//! use tokio::{
//!     io::{AsyncReadExt, AsyncWriteExt},
//!     net::TcpStream,
//!     time::Duration,
//! };
//! use tower::service_fn;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hello = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new("hello".to_owned())));
//!
//! let phase = PhaseOwner::new();
//! let server = Server::bind("127.0.0.1:0".parse()?)?.header(Duration::from_millis(100));
//! let address = server.local_addr()?;
//! let (server, handle) = server.phase(phase.watch()).pair();
//! let served = tokio::spawn(server.serve(hello));
//!
//! let mut client = TcpStream::connect(address).await?;
//! let mut answer = String::new();
//! client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await?;
//! client.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"));
//!
//! // Half a head, and then nothing.
//! let mut client = TcpStream::connect(address).await?;
//! let mut refusal = String::new();
//! client.write_all(b"GET / HTTP/1.1\r\nho").await?;
//! client.read_to_string(&mut refusal).await?;
//! assert!(refusal.starts_with("HTTP/1.1 408 Request Timeout"));
//! drop(client);
//! assert_eq!(handle.requests(), 1);
//!
//! phase.advance(Phase::Draining, None);
//! assert_eq!(served.await?.connections_cut, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # Clocks
//!
//! | clock | from | to | default | then |
//! |---|---|---|---|---|
//! | `Tls::handshake`, with the feature `tls` | the connection's acceptance | the end of its TLS handshake | 10 s; 2 s in a drain | it is closed |
//! | [`first_byte`](Server::first_byte) | the connection's acceptance, or the end of its TLS handshake | its first byte | 10 s; 1 s in a drain | it is closed |
//! | [`header`](Server::header) | a head's first byte | its last | 20 s; 5 s in a drain | 408, and it is closed |
//! | [`keep_alive_idle`](Server::keep_alive_idle) | the last byte of an answer is with the kernel | the first of the next head | 75 s | it is closed |
//! | [`request_body_idle`](Server::request_body_idle) | the handler waits for a frame of the body | the frame | 30 s; 5 s in a drain | the body fails, see below |
//! | [`min_rate`](Server::min_rate), sending | the same | the same, if it was worth the wait | 240 B/s, 5 s of grace | the body fails |
//! | [`min_rate`](Server::min_rate), reading | the socket takes no more of what waits for it, or HTTP/2 streams have what the peer's windows do not let through | it takes enough | 240 B/s, 73 s of nothing | it is reset, its handlers are dropped |
//! | [`max_age`](Server::max_age) | the connection's acceptance | its next answer, or the grace | off | that answer says `Connection: close`; in HTTP/2, GOAWAY |
//!
//! The first three run only between two exchanges: none of them cuts an answer. In HTTP/2 the head's clock is that of the
//! preface with its SETTINGS, and of a block of headers; a connection without a stream is idle, whatever frames it
//! sends; in a drain both have a second for their handshake, and for the first stream. While a handler waits for the body, the deadline of its request stands still
//! ([`RequestContext`](macadam_core::RequestContext)).
//!
//! # Slow clients
//!
//! A client is slow only while it is waited for: not while a handler computes, makes nothing, or does not ask for the
//! body; nor while this process stands still, which its own late looks at the clock tell. Bytes move in lumps, and what
//! moves pays for the time since the last: 240 bytes a second are 16 KiB in 68 s. That is how much the system holds
//! unsent (`TCP_NOTSENT_LOWAT`), and how seldom it says that there is room; so a client that reads nothing at all is
//! known to be slow after 73 s, and costs no more than that, hyper's buffer and its own window. How fast it reads what its
//! own system has taken ahead nobody can see: with a window of megabytes a slow reader looks like one that reads nothing,
//! and then everything. An upgraded connection is read as fast as its ends agree.
//!
//! Whoever has taken a second over an HTTP/1 head, and sends less than eight bytes at a time, is heard when it has taken
//! three times as long, and so on: each piece that comes alone costs some eight microseconds, nearly all of them for waking
//! somebody. No client waits for longer than twice the time that it took itself.
//!
//! In HTTP/2 the rate is the connection's: a stream without a window is not held against a peer that reads the others.
//!
//! An HTTP/1 request whose body nobody has read, because it was refused, would cost its client the connection. Where no
//! more than 64 KiB of known length are left, they are read and thrown away before the answer goes out, for 50 ms at most;
//! unless the client asked (`Expect: 100-continue`) whether to send them at all.
//!
//! # Rejections
//!
//! | condition | status | headers | kind |
//! |---|---|---|---|
//! | a head is not whole in time | 408 | `Connection: close` | `request-timeout` |
//! | a head is not whole, and its connection makes room for another | 408 | `Connection: close` | `request-timeout` |
//! | a body does not come in time, or too slowly, and the service then answers with an error that is no rejection itself | 408 | `Connection: close` in HTTP/1 | `request-timeout`, for `request-idle` or `request-rate` |
//!
//! hyper itself answers a malformed head with 400 and one of more than 64 KiB with 431, both empty. Whoever is answered
//! so, or closed on while it still sends, reads its answer whole: a closing connection reads on until the client closes
//! too, is silent for 250 ms, or a second is over.
//!
//! # The drain
//!
//! Told a phase ([`Server::phase`]), it does in each what clients can follow without losing a request:
//!
//! | phase | new connections | HTTP/1 | HTTP/2 |
//! |---|---|---|---|
//! | lame duck | accepted, and answered at least once | answers say `Connection: close`; idle connections are left alone, since closing them is what loses requests | GOAWAY once a connection has answered a stream |
//! | draining | those that the kernel has accepted are taken, twice, 20 ms apart; then the listener closes | what is half sent is answered; idle connections end | GOAWAY; streams, new ones too, are served until the client has acknowledged |
//! | closing | | cut, and counted in [`Served`] | cut, and counted |
//!
//! Several requests that a client has sent at once are all answered; only the last answer says `Connection: close`. In
//! HTTP/2 a connection that has opened no stream yet has a second of the drain for that before it is told.
//!
//! An idle HTTP/1 connection is ended by showing hyper an end of file, and only if nothing runs on it, its last answer
//! is with the kernel, no byte has come that is of no request yet, and none waits in the kernel. What remains is
//! the time in which a request crosses our FIN on the wire; it is counted
//! ([`discarded_requests`](Handle::discarded_requests)), and nothing but a lame duck makes it rare. An HTTP/2 client that
//! acknowledges no ping is hung up on when it has run no stream, and got no data, for a second; what it sends then makes no
//! reset.
//!
//! An upgraded connection is waited for like any other, and its reads and writes fail once the server is closing.
//!
//! # Hand-over
//!
//! Closing a listening socket resets who waits in it, however lately its queue was emptied: nobody is lost only where the next
//! process has the same socket. [`Listen::listen`] gets it from systemd, or from the instance that runs at the address, and
//! a [`Server`] on it gives it to the next one that asks. Both accept until the next one does serve; then this one stops, and
//! leaves the queue as it is. A successor that ends before that has taken nothing along. [`HandOver`] says which of these.
//!
//! ```no_run
//! # async fn example(service: axum::Router, phase: macadam_core::PhaseOwner) -> std::io::Result<()> {
//! use macadam_core::Phase;
//! use macadam_serve::{Listen, Server};
//!
//! let listener = Listen::new(([0, 0, 0, 0], 8080).into()).service("orders").listen().await?;
//! let (server, handle) = Server::new(listener).phase(phase.watch()).pair();
//! let handed_over = handle.handed_over().clone();
//! tokio::spawn(async move {
//!     handed_over.happens().await; // the next instance serves: this one may go
//!     phase.advance(Phase::LameDuck, None);
//! });
//! server.serve(service).await;
//! # Ok(()) }
//! ```
//!
//! A server whose listener has been handed over ends when its last connection has, from its lame duck on. One without a
//! phase drains at once.
//!
//! Only a process of the same user is answered, and only one that asks for the same service; it has a second to ask and a
//! minute to serve. A second socket of the process goes along as the [companion](Listen::companion). The user and the address
//! are the name by which an instance is found, so on port 0 nobody is. It is Linux' to have; elsewhere the socket is bound.
//!
//! # TLS
//!
//! The feature `tls` adds `Server::tls`: TLS 1.3 and 1.2 by rustls, with a certificate from PEM files. ALPN decides between
//! HTTP/2 and HTTP/1.1, and the first bytes where the client named neither. A handshake runs in its connection's task,
//! under a clock of its own, and makes room at the cap like any connection without a request. Who speaks plain HTTP to
//! it gets an alert and is closed.
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example(service: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
//! use macadam_serve::{Server, Tls};
//!
//! let (tls, certificate) = Tls::pem("/etc/tls/tls.crt", "/etc/tls/tls.key")?.pair();
//! let server = Server::bind("0.0.0.0:8443".parse()?)?.tls(tls);
//! # server.serve(service).await;
//! certificate.reload()?; // it is read again once a minute, too
//! # Ok(()) }
//! ```
//!
//! The files are read again once a minute: to renew a certificate is to replace them. What was open goes on as it
//! began. Files of no use change nothing but a line in the log and a gauge.
//!
//! What holds of a plain connection holds of this one. Part of a record counts as part of a head; closing says
//! close_notify first, and a cut does not, so that no client takes a cut answer for a whole one. A client need not say it:
//! each request says how long it is.
//!
//! # The cap
//!
//! At [`max_connections`](Server::max_connections) the connection that has waited longest without a request makes
//! room for the newcomer, at once. So a crowd that opens connections and says nothing crowds out itself. Where all
//! connections have a request, the newcomer waits. [`Server::fit_descriptors`] makes sure that the process may have
//! as many descriptors.
//!
//! With [`Server::max_connections_per_address`] what one address has beyond its share is reset as it is accepted, before
//! anything is made for it, and [counted](Handle::refused).
//!
//! # Stock `axum::serve`
//!
//! With the feature `axum` a `DrainListener`, and `Linked` around the app, give stock `axum::serve` the drain of HTTP/1:
//! connections that end without the race, answers that say when they do, a lingering close, and the count of what it threw
//! away. axum's own shutdown comes after that, and finds HTTP/2 connections alone.
//!
//! # Ordering
//!
//! Outside everything: it makes the [`RequestContext`](macadam_core::RequestContext), with the peer's address, and
//! every layer finds it in the request's extensions. [`Body`] stands around hyper's own before any layer does, so that
//! no layer has to change the body's type.
//!
//! # Cost
//!
//! A request pays the context (two allocations), one clock read when it arrives and one when its connection waits
//! again. A write that the socket takes costs no clock read and no timer; the first that it does not makes one. No lock is
//! taken and no line of memory is shared with other connections; no future and no body is boxed. A service that is ready is
//! called without a clone. A session of TLS is one allocation more a connection, and a plain connection is no larger for it.
//!
//! # Differences from `axum::serve` and hyper-util
//!
//! - hyper-util's `auto` has no clock before it knows the protocol; a client that says nothing stays for ever.
//! - hyper's `graceful_shutdown` counts half a head as idle, and closes on it: of requests sent within 2 ms of a
//!   shutdown 46 % were lost where 0.1 % are here.
//! - Nothing in either times a client that does not read, or an HTTP/2 client that does not speak.
//! - hyper's `header_read_timeout` also ends idle connections, and answers nobody.
//! - `axum::serve` accepts as many connections as there are descriptors, then sleeps a second at a time.
//! - A service's error is an error here: it closes the connection, or resets the stream.
//! - A response that is cut because its time was over is reset with CANCEL in HTTP/2, and in HTTP/1.0 its connection is
//!   reset too: closing it would say that the answer was whole.
//! - HTTP/2 without TLS knows of WebSockets (RFC 8441), as `axum::serve` does, and hyper alone does not.

mod body;
mod clocks;
mod conn;
mod connection;
mod door;
mod error;
mod figures;
mod hand_over;
mod handle;
mod house;
mod http1;
mod http2;
mod io;
mod mechanism;
mod order;
mod reason;
mod server;
mod service;
mod sniff;
#[cfg(feature = "axum")]
mod stock;
#[cfg(feature = "tls")]
mod tls;
mod transport;

#[doc(hidden)]
pub use self::mechanism::Mechanism;
#[cfg(feature = "axum")]
pub use self::stock::{Connection, DrainListener, ExchangeFuture, Linked, LinkedFuture, LinkedService};
#[cfg(feature = "tls")]
pub use self::tls::{Tls, TlsError, TlsHandle};
pub use self::{
    body::Body,
    door::{Listen, raise_descriptor_limit},
    error::{BodyError, BodyErrorKind},
    hand_over::{HandOver, HandedOver, Listener, Origin},
    handle::Handle,
    reason::CloseReason,
    server::{Served, Server},
};
