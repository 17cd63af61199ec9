//! The road under systemd, whose part a socket of the test plays.

use std::time::Duration;

use macadam_test::wire::Client;
use rustix::process::Signal;
use tokio::{net::UnixDatagram, time::timeout};

use crate::process::Torture;

/// The next message that is no beat.
async fn news(manager: &UnixDatagram) -> String {
    loop {
        let mut message = [0; 4096];
        let received = timeout(Duration::from_secs(10), manager.recv(&mut message)).await;
        let length = received.expect("something is told").expect("the socket is ours");
        let message = String::from_utf8_lossy(&message[..length]).trim_end().replace('\n', " ");
        if message != "WATCHDOG=1" {
            return message;
        }
    }
}

#[tokio::test]
async fn the_road_says_ready_when_it_serves_answers_a_hang_up_and_says_stopping() {
    let path = std::env::temp_dir().join(format!("macadam-torture-notify-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let manager = UnixDatagram::bind(&path).unwrap();
    let socket = path.display().to_string();
    let torture = Torture::start(&[("NOTIFY_SOCKET", &socket), ("WATCHDOG_USEC", "1000000")]).await;
    assert_eq!(news(&manager).await, "READY=1 STATUS=serving");

    torture.signal(Signal::HUP);
    assert!(news(&manager).await.starts_with("RELOADING=1 MONOTONIC_USEC="));
    assert_eq!(news(&manager).await, "READY=1 STATUS=serving");

    let mut client = Client::connect(torture.public).await;
    client.send("GET /io?ms=2000 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    while Client::connect(torture.admin).await.get("/status").await.text().contains("\"total\":0") {}
    torture.signal(Signal::TERM);
    let stopping = news(&manager).await;
    // 28 s of budget are asked for a little at a time; no lame duck on a developer's machine.
    assert_eq!(stopping, "STOPPING=1 EXTEND_TIMEOUT_USEC=10000000 STATUS=draining, 1 in flight");
    assert_eq!(client.response().await.status, 200);
    let exit = torture.exit(Duration::from_secs(10)).await;
    let _ = std::fs::remove_file(&path);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}
