use macadam_health::checks;
use redis::{
    Client,
    aio::{ConnectionManager, ConnectionManagerConfig},
};

use crate::{
    PASSED, failed, found,
    server::{Server, Then, nobody},
};

fn client(address: std::net::SocketAddr, user: &str) -> Client {
    Client::open(format!("redis://{user}{address}")).unwrap()
}

/// A connection that is made by the first that uses it, and tried once.
fn manager(client: Client) -> ConnectionManager {
    manager_with(client, ConnectionManagerConfig::new().set_number_of_retries(0))
}

fn manager_with(client: Client, config: ConnectionManagerConfig) -> ConnectionManager {
    ConnectionManager::new_lazy_with_config(client, config).unwrap()
}

/// As Redis 7 answers where HELLO was taken away by `rename-command`: it quotes what it was told.
const QUOTES: &str =
    "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'orders' 'hunter2' \r\n";

#[tokio::test]
async fn a_pong_passes() {
    // The connection says who it is (twice), and then PING.
    let server = Server::start("+OK\r\n+OK\r\n+PONG\r\n", Then::Wait).await;
    let connection = client(server.address, "").get_multiplexed_async_connection().await.unwrap();
    assert_eq!(found(checks::redis("it", connection)).await, PASSED);
    let heard = server.heard().concat();
    assert!(heard.ends_with("*1\r\n$4\r\nPING\r\n"), "{heard}");
}

#[tokio::test]
async fn of_what_a_server_says_to_refuse_the_reason_has_the_code() {
    let server = Server::start(QUOTES.repeat(3), Then::Wait).await;
    let client = Client::open(format!("redis://orders:hunter2@{}/?protocol=resp3", server.address)).unwrap();
    let error = client.get_multiplexed_async_connection().await.map(drop).unwrap_err();
    assert!(error.to_string().contains("hunter2"), "the client's own text quotes it: {error}");

    assert_eq!(found(checks::redis("it", manager(client))).await, failed("ERR"));
    assert!(server.heard().concat().contains("hunter2"), "it was said");
}

#[tokio::test]
async fn a_refused_connection_fails() {
    let connection = manager(client(nobody().await, "orders:hunter2@"));
    let reason = failed("Connection refused (os error 111)");
    assert_eq!(found(checks::redis("it", connection)).await, reason);
}

#[tokio::test]
async fn a_refused_connection_is_a_timeout_where_the_client_tries_again_by_itself() {
    let connection = manager_with(client(nobody().await, ""), ConnectionManagerConfig::new());
    assert_eq!(found(checks::redis("it", connection)).await, failed("timeout"));
}

#[tokio::test]
async fn a_server_that_says_nothing_fails_as_a_timeout_whoever_waits_for_less() {
    let server = Server::start("", Then::Wait).await;
    // The client waits 500 ms for an answer, the check 1 s.
    let connection = manager(client(server.address, ""));
    assert_eq!(found(checks::redis("it", connection)).await, failed("timeout"));
}
