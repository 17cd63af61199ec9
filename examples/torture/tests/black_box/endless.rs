//! Clients of what goes on for ever.

use std::time::Duration;

use macadam_test::wire::Client;
use tokio::time::{sleep, timeout};

use crate::process::Torture;

/// Whatever a test of these waits for comes within this, or never.
pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const GOING_AWAY: u16 = 1001;
/// A Close frame of a client: masked, by zeros.
pub(crate) const CLOSE: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

pub(crate) async fn sse(torture: &Torture) -> Client {
    let mut client = Client::connect(torture.public).await;
    client.send("GET /sse HTTP/1.1\r\nhost: t\r\n\r\n").await;
    client
}

/// A WebSocket on which nothing has been said yet.
pub(crate) async fn ws(torture: &Torture, path: &str) -> Client {
    let mut client = Client::connect(torture.public).await;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: t\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-request-id: the-socket\r\n\r\n"
    );
    client.send(head).await;
    assert_eq!(client.response().await.status, 101);
    client
}

/// The code of this Close frame of a server, if it is one.
pub(crate) fn close_code(frame: &[u8]) -> Option<u16> {
    match frame {
        [0x88, _, high, low, ..] => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    }
}

/// How many wait for their turn.
async fn waiting(torture: &Torture) -> f64 {
    gauge(torture, |gauge| gauge["name"] == "macadam_shutdown_streams_waiting").await
}

/// The first gauge of the status page that is so.
pub(crate) async fn gauge(torture: &Torture, is: impl Fn(&serde_json::Value) -> bool) -> f64 {
    let status = Client::connect(torture.admin).await.get("/status").await;
    let status: serde_json::Value = serde_json::from_slice(&status.body).expect("it is JSON");
    let mut gauges = status["gauges"].as_array().expect("a list").iter();
    gauges.find(|gauge| is(gauge)).expect("there is such a gauge")["value"].as_f64().expect("a number")
}

pub(crate) async fn until_waiting(torture: &Torture, streams: f64) {
    let all = async {
        while waiting(torture).await < streams {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, all).await.expect("they all wait");
}
