//! One connection, from its acceptance to its end.

use std::sync::Arc;

use tokio::{net::TcpStream, time::Instant};

use crate::{
    alarm::Alarm,
    clocks::Waiting,
    conn::Conn,
    http1, http2,
    io::Io,
    rooms::Room,
    service::App,
    sniff::{Opening, sniff},
};

pub(crate) async fn run<S: App>(tcp: TcpStream, conn: Arc<Conn>, room: Room, service: S) {
    let accepted = Instant::now();
    let mut alarm = Alarm::at(accepted + conn.clocks.first_byte);
    let mut io = Io::new(tcp, conn, room);
    match sniff(&mut io, &mut alarm, accepted).await {
        Opening::Http1(begun) => http1::run(io, service, alarm, Waiting::since(accepted, begun)).await,
        Opening::Http2 => {
            io.speaks_http2();
            http2::run(io, service, alarm, Waiting::since(accepted, accepted)).await;
        }
        Opening::Undecided(reason) => http1::expire(io, reason, true).await,
        Opening::Silent(reason) => io.conn().close_for(reason),
    }
}
