//! One connection, from its acceptance to its end.

use std::sync::Arc;

use tokio::{net::TcpStream, time::Instant};

use crate::{
    clocks::{Age, Waiting},
    conn::Conn,
    door::Room,
    http1, http2,
    io::Io,
    service::App,
    sniff::{Opening, sniff},
    transport::{Door, Opened},
};

pub(crate) async fn run<S: App>(tcp: TcpStream, door: Door, conn: Arc<Conn>, room: Room, service: S) {
    let accepted = Instant::now();
    let Opened { transport, since, mut alarm } = match door.open(tcp, &conn, accepted).await {
        Ok(opened) => opened,
        Err(reason) => return conn.close_for(reason),
    };
    let age = Age::since(accepted, &conn.clocks);
    let mut io = Io::new(transport, conn, room);
    match sniff(&mut io, &mut alarm, since).await {
        Opening::Http1(begun) => http1::run(io, service, alarm, age, Waiting::since(accepted, begun)).await,
        Opening::Http2 => {
            io.speaks_http2();
            http2::run(io, service, alarm, age, Waiting::since(accepted, accepted)).await;
        }
        Opening::Undecided(reason) => http1::expire(io, reason, true).await,
        Opening::Silent(reason) => http1::expire(io, reason, false).await,
    }
}
