use macadam_health::checks;

use crate::{
    PASSED, failed, found,
    server::{Server, Then, nobody},
};

#[tokio::test]
async fn a_connection_that_is_accepted_passes() {
    let server = Server::start("", Then::Wait).await;
    assert_eq!(found(checks::tcp("it", server.address.to_string())).await, PASSED);
}

#[tokio::test]
async fn a_connection_that_is_refused_fails() {
    let reason = failed("Connection refused (os error 111)");
    assert_eq!(found(checks::tcp("it", nobody().await.to_string())).await, reason);
}

#[tokio::test]
async fn what_is_not_an_address_fails() {
    assert_eq!(found(checks::tcp("it", "nowhere")).await, failed("invalid socket address"));
}
