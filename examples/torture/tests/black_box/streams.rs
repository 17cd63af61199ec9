//! What would go on for ever, when the service may not: each is told, none is cut.

use std::time::Duration;

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest, ext::Protocol};
use http::Request;
use rustix::process::Signal;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    endless::{CLOSE, GOING_AWAY, SOON, close_code, gauge, sse, until_waiting, ws},
    process::{Exit, Torture},
};

/// How many streams the load shedding counts.
async fn streams(torture: &Torture) -> f64 {
    gauge(torture, |gauge| gauge["labels"]["phase"] == "stream").await
}

#[tokio::test]
async fn an_event_stream_and_a_websocket_are_told_to_end_and_the_sockets_answer_is_waited_for() {
    let torture = Torture::start(&[]).await;
    let mut events = sse(&torture).await;
    let mut socket = ws(&torture, "/ws").await;
    until_waiting(&torture, 2.0).await;
    assert_eq!(streams(&torture).await, 2.0, "each holds a place among the streams");
    sleep(Duration::from_millis(1_200)).await;
    torture.signal(Signal::TERM);

    // The reply is whole: its last chunk has come.
    let events = timeout(SOON, events.response()).await.expect("it ends");
    assert!(events.text().starts_with("data: 0\n\n") && events.text().ends_with("\n\n"), "{}", events.text());
    let frame = timeout(SOON, socket.some()).await.expect("it is told").expect("the connection holds");
    assert_eq!(close_code(&frame), Some(GOING_AWAY), "{frame:?}");
    sleep(Duration::from_millis(300)).await;
    socket.send(CLOSE).await;
    assert_eq!(timeout(SOON, socket.closed()).await.expect("it closes").expect("and does not reset"), "");

    let exit = torture.exit(SOON).await;
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    assert!(exit.stderr.contains("2 streams ended in turn"), "{}", exit.stderr);
}

#[tokio::test]
async fn a_websocket_that_does_not_answer_its_close_is_let_go_before_the_drain_is_over() {
    let torture = Torture::start(&[]).await;
    let mut socket = ws(&torture, "/ws").await;
    torture.signal(Signal::TERM);
    let frame = timeout(SOON, socket.closed()).await.expect("it closes").expect("and does not reset");
    assert_eq!(close_code(&frame), Some(GOING_AWAY), "{frame:?}");
    let exit = torture.exit(SOON).await;
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    assert!(exit.after < Duration::from_secs(1), "since it closed: {:?}", exit.after);
}

#[tokio::test]
async fn a_websocket_whose_handler_ignores_the_drain_is_cut_at_its_end_and_named() {
    let torture = Torture::start(&[("MACADAM_SHUTDOWN_DRAIN", "500ms")]).await;
    let mut socket = ws(&torture, "/ws?deaf=true").await;
    torture.signal(Signal::TERM);
    // However it ends, it says nothing.
    let _ = timeout(SOON, socket.closed()).await.expect("it is cut");
    let Exit { code, stderr, stdout, .. } = torture.exit(SOON).await;
    assert_eq!(code, Some(75), "{stdout}\n{stderr}");
    for named in ["the-socket", "/ws", "upgraded"] {
        assert!(stderr.contains(named), "{named} is in the report: {stderr}");
    }
}

async fn h2(torture: &Torture) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(torture.public).await.expect("it accepts");
    let (requests, connection) = h2::client::handshake(stream).await.expect("it speaks HTTP/2");
    tokio::spawn(connection);
    let mut requests = requests.ready().await.expect("it takes a request");
    // Its settings have to be there, which say that it knows of WebSockets.
    let get = Request::get("http://t/io?ms=0").body(()).expect("a request");
    let (response, _) = requests.send_request(get, true).expect("it is sent");
    assert_eq!(response.await.expect("it answers").status(), 200);
    requests
}

async fn ws_over_h2(requests: &mut SendRequest<Bytes>) -> (SendStream<Bytes>, RecvStream) {
    let mut connect = Request::connect("http://t/ws").body(()).expect("a request");
    connect.headers_mut().insert("sec-websocket-version", http::HeaderValue::from_static("13"));
    connect.extensions_mut().insert(Protocol::from_static("websocket"));
    let (response, up) = requests.send_request(connect, false).expect("it is sent");
    let response = timeout(SOON, response).await.expect("it answers").expect("and does not reset");
    assert_eq!(response.status(), 200);
    (up, response.into_body())
}

#[tokio::test]
async fn over_http2_a_websocket_is_closed_with_1001_and_an_event_stream_ends_with_end_stream() {
    let torture = Torture::start(&[]).await;
    let mut requests = h2(&torture).await;
    let (mut up, mut down) = ws_over_h2(&mut requests).await;
    up.send_data(Bytes::from_static(b"\x81\x82\0\0\0\0hi"), false).expect("it is sent");
    let echo = timeout(SOON, down.data()).await.expect("it echoes").expect("it goes on").expect("it holds");
    assert_eq!(echo, b"\x81\x02hi"[..]);
    let get = Request::get("http://t/sse").body(()).expect("a request");
    let (response, _) = requests.send_request(get, true).expect("it is sent");
    let mut events = response.await.expect("it answers").into_body();
    until_waiting(&torture, 2.0).await;
    torture.signal(Signal::TERM);

    let close = timeout(SOON, down.data()).await.expect("it is told").expect("it goes on").expect("it holds");
    assert_eq!(close_code(&close), Some(GOING_AWAY), "{close:?}");
    up.send_data(Bytes::from_static(&CLOSE), true).expect("it is sent");
    assert!(
        timeout(SOON, down.data())
            .await
            .expect("it ends")
            .is_none_or(|last| last.is_ok_and(|last| last.is_empty()))
    );
    while let Some(event) = timeout(SOON, events.data()).await.expect("it ends") {
        let event = event.expect("it is not reset");
        assert!(event.is_empty() || event.ends_with(b"\n\n"), "{event:?}");
    }
    drop((requests, up, down, events));
    let exit = torture.exit(SOON).await;
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
}
