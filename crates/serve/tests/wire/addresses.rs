//! The cap on the connections of one address.

use std::net::SocketAddr;

use macadam_serve::CloseReason;
use macadam_test::wire::Client;
use tokio::{
    io::AsyncReadExt,
    net::{TcpSocket, TcpStream},
};

use crate::town::{Town, soon, until};

#[tokio::test]
async fn what_comes_beyond_an_addresss_share_is_reset_and_others_are_served() {
    let town = Town::with(|server| server.max_connections_per_address(2)).await;
    let mut first = town.client().await;
    let mut second = town.client().await;
    for client in [&mut first, &mut second] {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    let third = async { TcpStream::connect(town.address).await?.read(&mut [0]).await };
    assert!(soon(third).await.is_err(), "a reset, and no end of file");
    assert_eq!((town.handle.refused(), town.handle.accepted()), (1, 2));

    let other = TcpSocket::new_v4().unwrap();
    other.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let other = soon(other.connect(town.address)).await.unwrap();
    assert_eq!(Client::from(other).get("/").await.text(), "ok");

    drop(first);
    town.closes(CloseReason::Ended, 2).await;
    let mut fourth = town.client().await;
    assert_eq!(soon(fourth.get("/")).await.text(), "ok");
    assert_eq!(second.get("/").await.text(), "ok");
    assert_eq!(town.handle.refused(), 1);
}

#[tokio::test]
async fn who_is_refused_takes_no_room_from_anybody() {
    let town = Town::with(|server| server.max_connections(2).max_connections_per_address(1)).await;
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.text(), "ok");
    for _ in 0..50 {
        // The reset may be quicker than the connection.
        let _ = TcpStream::connect(town.address).await;
    }
    until(|| town.handle.refused() == 50).await;
    assert_eq!((town.handle.connections(), town.handle.closes(CloseReason::MadeRoom)), (1, 0));
    assert_eq!(client.get("/").await.text(), "ok");
}
