//! How long a process serves on after the signal, with a load balancer that probes it.

use std::{net::SocketAddr, time::Duration};

use macadam_test::wire::Client;
use rustix::process::Signal;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::process::Torture;

const LONG: [(&str, &str); 2] = [("MACADAM_SHUTDOWN_LAME_DUCK", "20s"), ("MACADAM_SHUTDOWN_BUDGET", "60s")];

/// Asks whether the service is ready ten times a second, each time on a new connection, as long as somebody listens.
async fn probe(address: SocketAddr) {
    while let Ok(stream) = TcpStream::connect(address).await {
        let mut client = Client::over(stream);
        let asked = client.try_send("GET /readyz HTTP/1.1\r\nhost: t\r\n\r\n").await;
        if asked.is_ok() {
            let _ = client.try_response().await;
        }
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn traffic_that_goes_on_after_the_signal_is_served_and_when_it_ceases_the_process_leaves() {
    let torture = Torture::start(&LONG).await;
    let (public, admin) = (torture.public, torture.admin);
    let probes = tokio::spawn(probe(admin));
    torture.signal(Signal::TERM);
    let signalled = Instant::now();
    let mut served = 0;
    // Three times as long as it would last without requests; each comes on a new connection.
    while signalled.elapsed() < Duration::from_secs(3) {
        let reply = Client::connect(public).await.get("/io?ms=20").await;
        assert_eq!(reply.status, 200);
        served += 1;
        sleep(Duration::from_millis(80)).await;
    }
    let exit = torture.exit(Duration::from_secs(10)).await;
    probes.abort();
    assert!(served > 10, "{served}");
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stderr.contains("the lame duck ended: probes have seen it"), "{}", exit.stderr);
    assert!(exit.after >= Duration::from_millis(800), "a second without a request: {:?}", exit.after);
}

#[tokio::test]
async fn probes_of_the_public_listener_do_not_keep_it_there_and_without_any_it_stays() {
    let torture = Torture::start(&LONG).await;
    torture.signal(Signal::TERM);
    // Nobody asks, nothing comes: it cannot know that anybody has noticed.
    sleep(Duration::from_millis(2_500)).await;
    let reply = Client::connect(torture.public).await.get("/io?ms=1").await;
    assert_eq!(reply.status, 200);

    let probes = tokio::spawn(probe(torture.public));
    let exit = torture.exit(Duration::from_secs(10)).await;
    probes.abort();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stderr.contains("the lame duck ended: probes have seen it"), "{}", exit.stderr);
}
