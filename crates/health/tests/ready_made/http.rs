use std::time::Duration;

use macadam_health::{Check, checks};

use crate::{
    PASSED, failed, found,
    server::{Server, Then, nobody},
};

fn check(server: &Server) -> Check {
    checks::http("it", server.address.to_string(), "/healthz?deep", 200..=299)
}

#[tokio::test]
async fn a_status_that_was_asked_for_passes_and_another_fails() {
    for (status, says) in [
        ("200 OK", PASSED.to_owned()),
        ("204 No Content", PASSED.to_owned()),
        ("503 Service Unavailable", failed("status 503")),
    ] {
        let server = Server::start(format!("HTTP/1.1 {status}\r\n\r\n"), Then::Close).await;
        assert_eq!(found(check(&server)).await, says);
    }
}

#[tokio::test]
async fn the_request_is_one_get_of_the_path_from_the_host() {
    let server = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", Then::Wait).await;
    assert_eq!(found(check(&server)).await, PASSED);
    let heard = server.heard().concat();
    assert!(heard.starts_with("GET /healthz?deep HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains(&format!("host: {}\r\n", server.address)), "{heard}");
    assert_eq!(heard.matches("GET").count(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start("HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\n\r\n", elsewhere.address);
    let server = Server::start(redirect, Then::Close).await;
    assert_eq!(found(check(&server)).await, failed("status 302"));
    assert_eq!(elsewhere.heard(), [""; 0]);
}

#[tokio::test]
async fn of_a_body_without_an_end_the_first_64_kib_are_read() {
    let begun = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{}", "x".repeat(length));
    let server = Server::start(begun(64 * 1024), Then::Wait).await;
    assert_eq!(found(check(&server)).await, PASSED);

    let server = Server::start(begun(64 * 1024 - 1), Then::Wait).await;
    assert_eq!(found(check(&server).timeout(Duration::from_millis(300))).await, failed("timeout"));
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_fails() {
    let server = Server::start("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", Then::Close).await;
    let says = found(check(&server)).await;
    assert!(says.contains("failed") && says.contains("body"), "{says}");
}

#[tokio::test]
async fn nobody_and_no_http_and_no_path_fail() {
    let check = |address: String, path: &str| checks::http("it", address, path, 200..=299);
    let address = nobody().await.to_string();
    let says = failed("Connection refused (os error 111)");
    assert_eq!(found(check(address.clone(), "/")).await, says);
    assert_eq!(found(check(address, "no path")).await, failed("invalid uri character"));

    let server = Server::start("SSH-2.0-x\r\n", Then::Close).await;
    assert_eq!(found(self::check(&server)).await, failed("invalid HTTP version parsed"));
}
