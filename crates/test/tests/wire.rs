//! The raw client reads a response to its end, however that end is marked, and no further.

use std::io::{self, ErrorKind};

use macadam_test::wire::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A client that has sent its request to a server which sends `bytes` one by one, and closes.
async fn asks(bytes: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    let addr = listener.local_addr().expect("a bound socket has an address");
    tokio::spawn(async move { sends(&listener, bytes).await.expect("the client reads") });
    let mut client = Client::connect(addr).await;
    client.send("GET / HTTP/1.1\r\n\r\n").await;
    client.shutdown().await;
    client
}

async fn sends(listener: &TcpListener, bytes: &str) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    // A close with bytes unread would be a reset, which may overtake what was sent.
    stream.read_to_end(&mut Vec::new()).await?;
    for byte in bytes.bytes() {
        stream.write_u8(byte).await?;
    }
    stream.shutdown().await
}

#[tokio::test]
async fn a_length_a_chunked_body_and_a_close_are_read_to_their_ends() {
    let mut client = asks(concat!(
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nt\n\r\nB;x=y\r\nwo and more\r\n0\r\nA: b\r\n\r\n",
        "HTTP/1.0 503 No\r\nx:  y \r\n\r\nthree\r\n",
    ))
    .await;
    assert_eq!(client.response().await.status, 100);
    assert_eq!(client.response().await.text(), "one");
    assert_eq!(client.response().await.status, 204);
    let chunked = client.response().await;
    assert_eq!((chunked.text(), &chunked.trailers["a"]), ("t\nwo and more", &"b".parse().unwrap()));
    let last = client.response().await;
    assert_eq!((last.status.as_u16(), last.header("x"), last.text()), (503, Some("y"), "three\r\n"));
    assert!(client.try_response().await.unwrap().is_none());
}

#[tokio::test]
async fn the_answer_to_a_head_has_no_body() {
    let mut client = asks("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nHTTP/1.1 404 No\r\n\r\n").await;
    assert_eq!(client.head_response().await.header("content-length"), Some("3"));
    assert_eq!(client.response().await.status, 404);
}

#[tokio::test]
async fn a_response_that_is_cut_off_is_told_from_none() {
    for (bytes, kind) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\non", ErrorKind::UnexpectedEof),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", ErrorKind::UnexpectedEof),
        ("HTTP/2 200\r\n\r\n", ErrorKind::InvalidData),
    ] {
        assert_eq!(asks(bytes).await.try_response().await.unwrap_err().kind(), kind, "{bytes}");
    }
    assert_eq!(asks("left over").await.closed().await.unwrap(), "left over");
}
