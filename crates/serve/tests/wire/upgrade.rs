//! A connection that stopped to be HTTP is still a connection.

use macadam_core::Phase;
use macadam_serve::{CloseReason, Served};
use macadam_test::wire::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::sleep,
};

use crate::town::{Town, millis, moment, soon, until};

async fn upgraded(town: &Town) -> TcpStream {
    let mut client: Client = town.client().await;
    client.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (101, Some("upgrade")));
    client.into_stream()
}

async fn echoes(stream: &mut TcpStream) {
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    soon(stream.read_exact(&mut echo)).await.unwrap();
    assert_eq!(&echo, b"hello");
}

#[tokio::test]
async fn an_upgraded_connection_is_counted_until_it_ends_and_no_clock_of_http_runs_on_it() {
    let town = Town::with(|server| server.header(millis(100)).keep_alive_idle(millis(100))).await;
    let mut stream = upgraded(&town).await;
    sleep(millis(300)).await;
    echoes(&mut stream).await;
    assert_eq!((town.handle.connections(), town.handle.requests()), (1, 1));
    drop(stream);
    until(|| town.handle.connections() == 0).await;
    assert_eq!(town.handle.closes(CloseReason::Ended), 1);
}

#[tokio::test]
async fn the_drain_waits_for_an_upgraded_connection() {
    let town = Town::open().await;
    town.to(Phase::LameDuck);
    let mut stream = upgraded(&town).await;
    town.to(Phase::Draining);
    moment().await;
    echoes(&mut stream).await;
    assert!(!town.served.is_finished());
    drop(stream);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn closing_cuts_an_upgraded_connection_that_somebody_else_holds() {
    let town = Town::open().await;
    let mut stream = upgraded(&town).await;
    echoes(&mut stream).await;
    town.to(Phase::Closing);
    assert!(!matches!(soon(stream.read(&mut [0; 8])).await, Ok(1..)));
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (1, 0));
}
